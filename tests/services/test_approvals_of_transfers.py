"""Transfers that wait for a person: what makes them wait, what lets them go, and what they hold meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sluiceway.domain.errors import NotFound, PasswordRefused, TransferChanged
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import PaymentSide
from sluiceway.domain.transfers import TransferStatus
from sluiceway.services.admission import admit
from sluiceway.services.approvals import approve, digest_of, find_waiting, refuse
from sluiceway.services.limits import set_limit
from sluiceway.services.organizations import set_waits
from sluiceway.services.refreshing import refresh
from sluiceway.services.rules import disable_rule, enable_rule, revise_rule
from sluiceway.storage.ach import Period
from sluiceway.storage.bank_rows import BankAccountState
from sluiceway.storage.database import WriteTx, execute, fetch_all
from tests.services.town import Town, asked
from tests.support import AS_OWNER, PASSWORD, fixed, on_demand, whenever_money_arrives

NO_DELAY = timedelta(0)


def above(bound: int, *actions: dict[str, object]) -> dict[str, object]:
    return {**on_demand("income", *actions), "approval_above_in_cents": bound}


# ----------------------------------------------------------------------------------------------------- what has to wait


async def test_a_rule_moves_what_is_above_its_bound_only_when_a_person_has_approved_it(home: Town):
    await home.rule("save", above(10_000, fixed(10_000, "income", "savings"), fixed(10_001, "income", "savings")))
    answer = await home.trigger("save")
    await home.work()

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.IN_PROGRESS, (2, 1, 0, 1))
    [waits] = await home.waiting()
    assert (await home.moved(waits)).amount == 10_001
    assert await home.events("approval.requested") == [waits]
    await home.let_go(waits)

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.EXECUTED, (2, 2, 0, 0))
    assert (await home.balances())["savings"] == 20_001


@pytest.mark.parametrize(("bound", "does_wait"), [(Cents(4_999), True), (Cents(5_000), False), (None, False)])
async def test_what_a_key_sets_off_waits_above_the_bound_of_the_key(home: Town, bound: Cents | None, does_wait: bool):
    await home.rule("save", on_demand("income", fixed(5_000, "income", "savings")))
    await admit(home.engine, [replace(home.trigger_command("save"), approval_above=bound)])
    await home.work()

    by_hand = await home.send("income", "savings", 5_000, approval_above=bound)

    statuses = {(await home.moved(one)).status for one in [by_hand, *(await home.last_run("save")).transfer_ids]}
    assert statuses == {TransferStatus.PENDING_APPROVAL if does_wait else TransferStatus.COMPLETE}


@pytest.mark.parametrize(("rule", "key"), [(4_000, 9_000), (9_000, 4_000)])
async def test_of_two_bounds_the_stricter_counts(home: Town, rule: int, key: int):
    await home.rule("save", above(rule, fixed(5_000, "income", "savings")))

    await admit(home.engine, [replace(home.trigger_command("save"), approval_above=Cents(key))])
    await home.work()

    assert len(await home.waiting()) == 1


# ----------------------------------------------------------------------------------------------- what happens meanwhile


async def test_money_that_waits_is_held_and_is_not_handed_over(home: Town):
    out, back = await asked(home, "out"), await asked(home, "in")

    await home.wait(hours=23)

    assert await home.how(out) == "PENDING_APPROVAL"
    assert await home.how(back) == "PENDING_APPROVAL"
    assert await home.payments() == []
    assert await home.figures("income") == (100_000, 20_000, 0)
    assert await home.figures("landlord") == (0, 0, 20_000)
    assert await home.figures("salary") == (0, 20_000, 0)
    assert await home.figures("savings") == (0, 0, 20_000)
    assert await home.how(await home.send("income", "savings", 80_001)) == "INCOMPLETE INSUFFICIENT_FUNDS"


async def test_what_expires_first_is_at_the_top(home: Town):
    first = await asked(home, "out")
    await set_waits(home.engine, home.organization_id, approval_lasts=timedelta(hours=1), handover_delay=NO_DELAY)
    second = await asked(home, "internal")

    assert await home.waiting() == [second, first]


async def test_what_has_been_decided_expires_no_more(home: Town):
    approved, refused, waiting = [await asked(home, "internal") for _ in range(3)]
    await home.let_go(approved)
    await refuse(home.engine, home.person, PASSWORD, refused)

    assert [(await home.moved(one)).approval_expires_at is None for one in (approved, refused, waiting)] == [
        True,
        True,
        False,
    ]


# ------------------------------------------------------------------------------------------------------------ approving


@pytest.mark.parametrize(
    ("way", "then", "in_the_end"),
    [
        ("internal", "COMPLETE", "COMPLETE"),
        ("out", "PROCESSING, PUSH PROCESSING", "COMPLETE, PUSH SETTLED"),
        ("in", "PROCESSING, PULL PROCESSING", "COMPLETE, PULL SETTLED"),
        ("across", "PROCESSING, PULL PROCESSING", "COMPLETE, PULL SETTLED, PUSH SETTLED"),
    ],
)
async def test_what_is_approved_goes_as_if_nobody_had_been_asked(home: Town, way: str, then: str, in_the_end: str):
    transfer_id = await asked(home, way)

    await home.let_go(transfer_id)
    assert await home.how(transfer_id) == then
    assert await home.waiting() == []
    await home.wait(days=3)

    assert await home.how(transfer_id) == in_the_end
    async with home.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT decided_by FROM transfer WHERE decided_at IS NOT NULL")
    assert rows == [(home.person.id,)]


async def test_what_is_approved_for_a_manual_liability_goes_into_its_pod(home: Town):
    await home.owe("loan", 300_000, pod="for the loan")
    paid = await home.send("income", "loan", 20_000, approval_above=Cents(10_000))
    assert await home.figures("for the loan") == (0, 0, 20_000)

    await home.let_go(paid)

    assert await home.how(paid) == "COMPLETE"
    assert await home.figures("for the loan") == (20_000, 0, 0)


async def test_money_that_arrives_by_approval_fires_rules(home: Town):
    await home.account("tax")
    await home.rule("set aside", whenever_money_arrives("savings", fixed(3_000, "savings", "tax")))

    await home.let_go(await asked(home, "internal"))
    await home.work()

    assert (await home.balances())["tax"] == 3_000


async def test_approving_needs_the_password_and_exactly_what_was_shown(home: Town):
    transfer_id = await asked(home, "internal")
    digest = (await find_waiting(home.engine, home.organization_id, transfer_id)).digest

    with pytest.raises(PasswordRefused):
        await approve(home.engine, home.person, "wrong", transfer_id, digest)
    with pytest.raises(PasswordRefused):
        await refuse(home.engine, home.person, "wrong", transfer_id)
    with pytest.raises(TransferChanged):
        await approve(home.engine, home.person, PASSWORD, transfer_id, b"something else")

    assert await home.how(transfer_id) == "PENDING_APPROVAL"


async def test_what_was_shown_is_who_gives_what_to_whom(home: Town):
    found = (await find_waiting(home.engine, home.organization_id, await asked(home, "internal"))).transfer
    assert found.source is not None
    others = [
        replace(found, amount=Cents(20_001)),
        replace(found, source=replace(found.source, name="Income account")),
        replace(found, source=found.destination),
        replace(found, destination=found.source),
        replace(found, currency="EUR"),
        replace(found, staged_account_id=home.accounts["income"]),
        replace(found, id=TransferId(home.engine.new_id())),
    ]

    assert len({digest_of(one) for one in [found, *others]}) == len(others) + 1


async def test_an_account_renamed_since_has_to_be_shown_again(home: Town):
    transfer_id = await asked(home, "internal")
    digest = (await find_waiting(home.engine, home.organization_id, transfer_id)).digest

    async def rename(tx: WriteTx) -> None:
        row = {"id": home.accounts["savings"]}
        await execute(tx, AS_OWNER)
        await execute(tx, "UPDATE account SET name = 'Somebody else''s' WHERE id = %(id)s::uuid", row)

    await home.engine.database.write(rename)

    with pytest.raises(TransferChanged):
        await approve(home.engine, home.person, PASSWORD, transfer_id, digest)


async def test_a_transfer_is_approved_once_by_somebody_of_its_organization(home: Town):
    transfer_id = await asked(home, "internal")
    found = await find_waiting(home.engine, home.organization_id, transfer_id)

    tries = [approve(home.engine, home.person, PASSWORD, transfer_id, found.digest) for _ in range(3)]
    ended = await asyncio.gather(*tries, return_exceptions=True)

    assert sorted(type(one).__name__ for one in ended) == ["NoneType", "NotFound", "NotFound"]
    assert (await home.balances())["savings"] == 20_000
    with pytest.raises(NotFound):
        await find_waiting(home.engine, home.organization_id, transfer_id)
    with pytest.raises(NotFound):
        await refuse(home.engine, home.person, PASSWORD, transfer_id)


@pytest.mark.parametrize("change", ["disabled", "revised", "revised and enabled again"])
async def test_a_rule_that_is_no_longer_what_it_was_moves_nothing_more(home: Town, change: str):
    await home.rule("rent", above(10_000, fixed(20_000, "income", "landlord")))
    answer = await home.trigger("rent")
    await home.work()
    [waits] = await home.waiting()
    rule_id = home.rules["rent"].id

    if change == "disabled":
        await disable_rule(home.engine, home.organization_id, rule_id, "")
    else:
        written = home.read(above(10_000, fixed(20_001, "income", "landlord")))
        revised = await revise_rule(home.engine, home.organization_id, rule_id, "", written)
        if change != "revised":
            await enable_rule(home.engine, home.person, PASSWORD, rule_id, revised[0].fingerprint)
    with pytest.raises(TransferChanged):
        await home.let_go(waits)
    await refuse(home.engine, home.person, PASSWORD, waits)

    assert (await home.run(answer)).status == ExecutionStatus.FAILED
    assert await home.figures("income") == (100_000, 0, 0)


async def test_a_limit_that_is_reached_by_then_ends_it(home: Town):
    transfer_id = await asked(home, "out")
    limit = Cents(30_000)
    await set_limit(home.engine, home.organization_id, PaymentSide.CREDIT, Period.DAY, amount=limit, transfers=None)
    await home.send("income", "landlord", 10_001)

    await home.let_go(transfer_id)

    assert await home.how(transfer_id) == "ERROR DAILY_ACH_CREDIT_LIMIT_REACHED"
    assert await home.figures("income") == (100_000, 10_001, 0)


async def test_a_transfer_that_waits_uses_no_limit_until_it_goes(home: Town):
    limit = Cents(30_000)
    await set_limit(home.engine, home.organization_id, PaymentSide.CREDIT, Period.DAY, amount=limit, transfers=None)
    waits = await asked(home, "out")

    other = await home.send("income", "landlord", 10_000)
    assert await home.how(other) == "PROCESSING, PUSH PROCESSING"
    await home.let_go(waits)
    assert await home.how(waits) == "PROCESSING, PUSH PROCESSING"

    assert await home.how(await home.send("income", "landlord", 100)) == "ERROR DAILY_ACH_CREDIT_LIMIT_REACHED"


@pytest.mark.parametrize(("way", "account"), [("out", "landlord"), ("in", "salary")])
async def test_an_account_that_is_disconnected_by_then_ends_it(home: Town, way: str, account: str):
    transfer_id = await asked(home, way)
    await home.close(account, BankAccountState.DISCONNECTED)
    await refresh(home.engine, home.organization_id, [home.accounts[account]])

    await home.let_go(transfer_id)

    assert await home.how(transfer_id) == "ERROR DISCONNECTED_ACCOUNT"
    assert await home.figures("income") == (100_000, 0, 0)
    assert await home.figures("salary") == (0, 0, 0)


async def test_the_limit_of_a_rule_counts_what_waits_once(home: Town):
    limit = {"period": "PER_MONTH", "amount_in_cents": 30_000}
    await home.rule("save", above(10_000, fixed(20_000, "income", "savings", limit=limit)))
    await home.trigger("save")
    await home.work()
    [waits] = await home.waiting()

    await home.let_go(waits)
    await home.trigger("save")
    await home.work()

    [rest] = [one for one in await home.transfers() if one.status == TransferStatus.COMPLETE and one.amount == 10_000]
    assert rest.error_code is None
    async with home.engine.database.read() as tx:
        assert await fetch_all(tx, "SELECT used FROM cap_used") == [(30_000,)]
