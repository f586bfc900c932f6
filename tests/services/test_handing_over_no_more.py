"""Payments that are not to be handed over any more: their pull came back, their rule is paused, their worker died."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.errors import AccountNotEmpty
from sluiceway.domain.ids import LegId
from sluiceway.rails import Answer, Submission
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.accounts import delete_account
from sluiceway.services.handover import hand_over
from sluiceway.services.organizations import pause, resume
from sluiceway.storage.bank_rows import BankCall, Fault, PaymentState
from sluiceway.storage.database import WriteTx
from sluiceway.storage.legs import claim_legs
from tests.services.town import Town
from tests.support import fixed, on_demand


async def across_with_its_push_delayed(home: Town, fault: Fault = Fault.UNAVAILABLE) -> LegId:
    """Send money from one bank to another; its pull has settled, and its push could not be handed over once."""
    made = await home.send("salary", "landlord", 30_000)
    await home.work()
    await home.fail(BankCall.SUBMIT, fault)
    await home.until("2026-07-09 08:30")
    assert await home.how(made) == "PENDING, PULL SETTLED, PUSH PROCESSING"
    return LegId(made)


async def test_a_push_is_not_handed_over_once_its_pull_has_come_back(home: Town):
    made = await across_with_its_push_delayed(home)

    assert await home.bank.return_now(home.organization_id, made, ReturnCode.R10, await home.now()) is None
    await home.hear()
    await home.wait(days=5)

    assert await home.how(made) == "ERROR PAYMENT_FAILED, PULL RETURNED, PUSH CANCELLED"
    assert await home.at_the_bank("landlord") == 0


async def test_a_push_that_the_bank_has_after_all_is_told_as_it_went(home: Town):
    made = await across_with_its_push_delayed(home, Fault.LOST_REPLY)

    assert await home.bank.return_now(home.organization_id, made, ReturnCode.R10, await home.now()) is None
    await home.hear()
    await home.wait(days=5)

    assert await home.how(made) == "ERROR PAYMENT_FAILED, PULL RETURNED, PUSH SETTLED"
    assert await home.at_the_bank("landlord") == 30_000


async def claim_and_die(home: Town, at: datetime, now: datetime, tx: WriteTx) -> None:
    lease = now + timedelta(seconds=30)
    await claim_legs(tx, home.organization_id, at=at, now=now, leased_until=lease, is_paused=False, limit=10)


async def test_workers_that_die_use_up_no_attempts(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    for _ in range(10):
        at, now = await home.now(), home.wall()
        await home.engine.database.write(partial(claim_and_die, home, at, now))
        home.wall.wait(31)
    await home.work()

    assert await home.how(rent) == "PENDING, PUSH PENDING"


class PausingBank(SandboxBank):
    """A bank during whose first call the organization is paused."""

    home: Town
    seen: list[int]

    async def submit(self, submission: Submission, at: datetime) -> Answer:
        if not self.seen:
            await pause(self.home.engine, self.home.organization_id)
        self.seen.append(submission.amount)
        return await super().submit(submission, at)


async def test_a_pause_stops_the_payments_that_a_worker_has_claimed_already(home: Town):
    await home.rule(
        "pay", on_demand("income", fixed(11_000, "income", "landlord"), fixed(10_000, "income", "landlord"))
    )
    bank = PausingBank(home.engine.database)
    bank.home, bank.seen = home, []
    run = await home.trigger("pay")
    await home.settle()
    engine = replace(home.engine, rail_of=lambda _: bank)

    await hand_over(engine, home.organization_id)
    assert bank.seen == [11_000]
    assert await hand_over(engine, home.organization_id) == 0

    await resume(home.engine, home.organization_id)
    await hand_over(engine, home.organization_id)
    assert bank.seen == [11_000, 10_000]
    assert (await home.run(run)).counts.pending == 2


async def test_a_pod_that_a_liability_is_paid_from_stays_while_the_liability_does(home: Town):
    await home.owe("card", 50_000, pod="card money")

    with pytest.raises(AccountNotEmpty):
        await delete_account(home.engine, home.organization_id, home.accounts["card money"], "")
    await delete_account(home.engine, home.organization_id, home.accounts["card"], "")
    await delete_account(home.engine, home.organization_id, home.accounts["card money"], "")


async def test_pay_is_marked_as_pay_also_when_a_person_had_to_approve_it(home: Town):
    action = fixed(40_000, "income", "landlord", is_direct_deposit=True)
    await home.rule("pay", on_demand("income", action) | {"approval_above_in_cents": 100})
    await home.trigger("pay")
    await home.settle()
    [waiting] = await home.waiting()
    await home.let_go(waiting)
    await home.work()

    [payment] = await home.payments()
    assert (payment.is_direct_deposit, payment.state) == (True, PaymentState.ACCEPTED)
