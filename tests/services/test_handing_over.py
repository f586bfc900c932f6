"""However badly a bank answers, and whoever dies on the way: exactly one payment in its book for each leg."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import pytest

from sluiceway.domain.ids import LegId, OrganizationId, TransferId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.retries import DELAYS
from sluiceway.rails import Answer, Rail, Reports, Submission
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.engine import Engine
from sluiceway.services.handover import hand_over
from sluiceway.services.refreshing import fetch
from sluiceway.storage.bank_rows import BankCall, EventKind, Fault, PaymentState
from sluiceway.storage.database import Database
from sluiceway.storage.feeds import hurry
from sluiceway.storage.organizations import Organization
from tests.invariants import violations
from tests.services.town import Town
from tests.support import fixed, new_world, on_demand

SUBMIT, INQUIRE, REPORTS = BankCall.SUBMIT, BankCall.INQUIRE, BankCall.REPORTS
REAL_PATIENCE = 31.0
"""Longer than a lease."""


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.LOST_REPLY])
async def test_a_bank_that_did_not_answer_is_asked_what_became_of_the_payment_and_is_paid_once(
    home: Town, fault: Fault
):
    await home.fail(SUBMIT, fault)
    rent = await home.send("income", "landlord", 40_000)

    await home.work()
    assert await home.how(rent) == "PROCESSING, PUSH PROCESSING"
    assert await home.calls(LegId(rent)) == (1 if fault is Fault.LOST_REPLY else 0)
    await home.wait(minutes=1)
    assert await home.how(rent) == "PENDING, PUSH PENDING"
    await home.until("2026-07-07 13:00")

    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"
    # Once it has been asked, a bank that has the payment is not given it again.
    assert await home.calls(LegId(rent)) == 1
    assert await home.at_the_bank("landlord") == 40_000


async def test_a_lost_reply_does_not_keep_the_end_of_a_payment_from_being_heard(home: Town):
    await home.fail(SUBMIT, Fault.LOST_REPLY)
    await home.fail(INQUIRE, Fault.UNAVAILABLE, 10)
    rent = await home.send("income", "landlord", 40_000)
    await home.work()

    at = await home.now()
    assert await home.bank.settle_now(home.organization_id, LegId(rent), at) is None
    await home.hear()

    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"
    await home.wait(days=1)
    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"


async def test_a_refusal_is_final_and_its_code_is_shown(home: Town):
    await home.fail(SUBMIT, Fault.REFUSED)

    rent = await home.send("income", "landlord", 40_000)
    await home.work()

    assert await home.how(rent) == "ERROR PAYMENT_FAILED, PUSH REFUSED"
    assert (await home.leg(rent)).error_code == "PAYMENT_FAILED"
    assert await home.figures("income") == (100_000, 0, 0)
    await home.wait(days=3)
    assert await home.calls(LegId(rent)) == 1


async def test_a_refusal_whose_reply_was_lost_is_found_by_asking(home: Town):
    await home.connect("stranger", beneficiary_name="Somebody Else")
    await home.account("mine", AccountKind.INCOME_SOURCE, beneficiary_name="Ada Example")
    await home.deposit("mine", 50_000)
    await home.fail(SUBMIT, Fault.LOST_REPLY)

    sent = await home.send("mine", "stranger", 10_000)
    await home.wait(minutes=1)

    assert await home.how(sent) == "ERROR NAME_MISMATCH, PUSH REFUSED"
    assert await home.calls(LegId(sent)) == 1


async def test_reports_that_come_twice_are_applied_once(home: Town):
    await home.fail(REPORTS, Fault.TWICE, 5)
    rent = await home.send("income", "landlord", 40_000)
    back = await home.send("salary", "savings", 30_000)
    await home.outside(EventKind.DEPOSIT, "savings", 5_000)

    await home.until("2026-07-10 12:00")

    assert (await home.how(rent), await home.how(back)) == ("COMPLETE, PUSH SETTLED", "COMPLETE, PULL SETTLED")
    assert (await home.figures("income"), await home.figures("savings")) == ((60_000, 0, 0), (35_000, 0, 0))


async def test_reports_that_cannot_be_had_are_fetched_again_later(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    await home.work()
    await home.fail(REPORTS, Fault.UNAVAILABLE, 2)

    await home.until("2026-07-07 13:00")
    assert await home.how(rent) == "PENDING, PUSH PENDING"
    await home.until("2026-07-07 13:01")
    assert await home.how(rent) == "PENDING, PUSH PENDING"
    await home.until("2026-07-07 13:06")

    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"


# -------------------------------------------------------------------------------------------------------------- retries


async def attempts_of(town: Town, transfer_id: TransferId) -> int:
    return (await town.leg(transfer_id)).attempts


async def test_a_bank_that_never_had_a_payment_is_asked_for_some_hours_and_then_it_is_given_up(home: Town):
    await home.fail(SUBMIT, Fault.UNAVAILABLE, 1_000)
    rent = await home.send("income", "landlord", 40_000)
    await home.work()
    assert await attempts_of(home, rent) == 1

    for number, delay in enumerate(DELAYS, start=1):
        await home.wait(seconds=delay.total_seconds() - 1)
        assert await attempts_of(home, rent) == number
        await home.wait(seconds=1)
        assert await attempts_of(home, rent) == number + 1
        assert await home.how(rent) == "PROCESSING, PUSH PROCESSING"
    await home.wait(hours=6)

    assert await home.how(rent) == "ERROR PAYMENT_FAILED, PUSH REFUSED"
    assert await home.figures("income") == (100_000, 0, 0)
    # The bank has been told never to carry it: somebody who was stopped may still be about to hand it over.
    [payment] = await home.payments()
    assert payment.state is PaymentState.CANCELLED


async def test_while_a_bank_says_nothing_it_is_asked_every_six_hours_because_only_it_knows(home: Town):
    await home.fail(SUBMIT, Fault.LOST_REPLY)
    await home.fail(INQUIRE, Fault.UNAVAILABLE, 20)
    rent = await home.send("income", "landlord", 40_000)

    await home.wait(days=4)
    assert await home.how(rent) == "PROCESSING, PUSH PROCESSING"
    tried = await attempts_of(home, rent)
    assert tried > len(DELAYS) + 1
    await home.wait(hours=6)
    assert await attempts_of(home, rent) == tried + 1
    await home.wait(hours=18)

    # By now it has long been settled.
    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"
    assert await home.calls(LegId(rent)) == 1


async def test_retries_go_by_the_clock_of_the_organization(home: Town):
    await home.fail(SUBMIT, Fault.UNAVAILABLE)
    rent = await home.send("income", "landlord", 40_000)
    await home.work()

    home.wall.wait(3_600)
    await home.work()
    assert await attempts_of(home, rent) == 1
    await home.wait(minutes=1)

    assert await home.how(rent) == "PENDING, PUSH PENDING"


# -------------------------------------------------------------------------------------------------- whoever is slow


class Slow(SandboxBank):
    """The sandbox bank over a slow line: something happens while its answer is on the way."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[object]], call: BankCall) -> None:
        super().__init__(database)
        self._meanwhile = meanwhile
        self._call_that_is_slow = call

    async def _pass(self, call: BankCall) -> None:
        if call is self._call_that_is_slow:
            await self._meanwhile()

    async def submit(self, submission: Submission, at: datetime) -> Answer:
        """Answer late."""
        answer = await super().submit(submission, at)
        await self._pass(SUBMIT)
        return answer

    async def reports(self, organization_id: OrganizationId, cursor: str | None, at: datetime) -> Reports:
        """Answer late."""
        told = await super().reports(organization_id, cursor, at)
        await self._pass(REPORTS)
        return told


def only(rail: Rail | None) -> Callable[[Organization], Rail | None]:
    """Choose this bank for everybody."""

    def rail_of(_: Organization) -> Rail | None:
        return rail

    return rail_of


def over_a_slow_line(town: Town, call: BankCall, meanwhile: Callable[[], Awaitable[object]]) -> Engine:
    bank = Slow(town.engine.database, meanwhile, call)
    return replace(town.engine, rail_of=only(bank))


async def test_whoever_was_slower_than_the_lease_writes_nothing(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    told: list[str] = []

    async def somebody_else_takes_over() -> None:
        home.wall.wait(REAL_PATIENCE)
        await home.fail(INQUIRE, Fault.UNAVAILABLE)
        assert await hand_over(home.engine, home.organization_id) == 1
        told.append(await home.how(rent))

    await hand_over(over_a_slow_line(home, SUBMIT, somebody_else_takes_over), home.organization_id)

    # The other one got no answer and wrote that it will ask again: what the slow one had heard came too late.
    assert told == ["PROCESSING, PUSH PROCESSING"]
    assert await home.how(rent) == "PROCESSING, PUSH PROCESSING"
    assert await attempts_of(home, rent) == 2
    await home.wait(minutes=5)
    assert await home.how(rent) == "PENDING, PUSH PENDING"
    assert await home.calls(LegId(rent)) == 1


async def test_two_who_hear_the_same_answer_write_it_once(home: Town):
    rent = await home.send("income", "landlord", 40_000)

    async def somebody_else_takes_over() -> None:
        home.wall.wait(REAL_PATIENCE)
        assert await hand_over(home.engine, home.organization_id) == 1

    await hand_over(over_a_slow_line(home, SUBMIT, somebody_else_takes_over), home.organization_id)

    assert await home.how(rent) == "PENDING, PUSH PENDING"
    assert await home.events("transfer.updated") == [rent]
    assert await home.calls(LegId(rent)) == 1


async def test_whoever_dies_on_the_way_leaves_the_payment_to_the_next_once_the_lease_has_passed(home: Town):
    rent = await home.send("income", "landlord", 40_000)

    async def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await hand_over(over_a_slow_line(home, SUBMIT, die), home.organization_id)
    assert await hand_over(home.engine, home.organization_id) == 0
    home.wall.wait(home.engine.lease.total_seconds())
    assert await hand_over(home.engine, home.organization_id) == 1

    assert await home.how(rent) == "PENDING, PUSH PENDING"
    assert await home.calls(LegId(rent)) == 1


async def test_who_comes_while_somebody_is_at_it_finds_nothing_to_do(home: Town):
    await home.send("income", "landlord", 40_000)
    found: list[int] = []

    async def somebody_else_looks() -> None:
        found.append(await hand_over(home.engine, home.organization_id))

    assert await hand_over(over_a_slow_line(home, SUBMIT, somebody_else_looks), home.organization_id) == 1

    assert found == [0]


async def test_payments_that_a_lease_has_no_time_left_for_are_left_to_the_next(home: Town):
    sent = [await home.send("income", "landlord", 1_000 + number) for number in range(3)]

    async def be_slow() -> None:
        home.wall.wait(21)

    await hand_over(over_a_slow_line(home, SUBMIT, be_slow), home.organization_id)
    assert sorted([await home.how(one) for one in sent]) == [
        "PENDING, PUSH PENDING", "PROCESSING, PUSH PROCESSING", "PROCESSING, PUSH PROCESSING",
    ]  # fmt: skip
    home.wall.wait(REAL_PATIENCE)
    await home.work()

    assert {await home.how(one) for one in sent} == {"PENDING, PUSH PENDING"}
    assert [payment.calls for payment in await home.payments()] == [1, 1, 1]


async def test_reports_that_a_slow_fetch_has_missed_are_fetched_when_they_are_expected(home: Town):
    rent = await home.send("income", "landlord", 40_000)

    async def hand_it_over() -> None:
        assert await hand_over(home.engine, home.organization_id) == 1

    await fetch(over_a_slow_line(home, REPORTS, hand_it_over), home.organization_id)
    if await home.how(rent) == "PROCESSING, PUSH PROCESSING":
        pytest.fail("nothing was being fetched")
    await home.until("2026-07-07 13:00")

    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"


async def test_what_a_slow_fetch_brings_after_somebody_else_has_fetched_is_dropped(home: Town):
    pull = await home.send("salary", "savings", 30_000)
    await home.work()
    assert await home.bank.settle_now(home.organization_id, LegId(pull), await home.now()) is None

    async def somebody_else_fetches() -> None:
        home.wall.wait(REAL_PATIENCE)
        await home.hear()

    await hasten(home)
    await fetch(over_a_slow_line(home, REPORTS, somebody_else_fetches), home.organization_id)

    assert await home.how(pull) == "COMPLETE, PULL SETTLED"
    assert await home.figures("savings") == (30_000, 0, 0)


async def hasten(town: Town) -> None:
    """Let the bank's reports be due now."""
    at = await town.now()
    await town.engine.database.write(lambda tx: hurry(tx, town.organization_id, town.organization_id, at))


# ----------------------------------------------------------------------------------------------------- without a bank


async def test_a_live_organization_without_a_bank_carries_nothing(database: Database, engine: Engine):
    live = await new_world(engine, is_sandbox=False)
    await live.account("income", AccountKind.INCOME_SOURCE)
    told = ReportedBalance(balance=Cents(50_000), available=Cents(50_000))
    kind = ExternalKind.DEPOSITORY
    await live.account("bank", AccountKind.EXTERNAL_ACCOUNT, external_kind=kind, reported=told)

    await live.transfer("bank", "income", 20_000)
    while await hand_over(engine, live.organization_id):
        pass

    [pull] = await live.transfers()
    assert (pull.status, pull.error_code) == ("ERROR", "PAYMENT_NOT_SUPPORTED")
    assert await live.figures("bank") == (0, 0, 0)
    assert await violations(database) == {}


async def test_a_rule_of_a_live_organization_without_a_bank_says_why_it_failed(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord")))
    answer = await home.trigger("rent")
    await home.settle()

    await hand_over(replace(home.engine, rail_of=only(None)), home.organization_id)

    run = await home.run(answer)
    assert (run.status, run.error_message) == ("FAILED", "The bank does not carry payments of this kind.")
