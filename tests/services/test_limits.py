"""What an organization may send to and take from other banks in a day and a month, by the calendar of the banks."""

import asyncio
from dataclasses import replace

import pytest

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import PaymentSide
from sluiceway.services.admission import admit
from sluiceway.services.approvals import approve, find_waiting
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.limits import list_limits, set_limit
from sluiceway.services.settlement import settle_due
from sluiceway.services.transfers import transfer
from sluiceway.storage.ach import Period
from sluiceway.storage.bank_rows import BankCall, Fault
from sluiceway.storage.database import fetch_all
from tests.services.town import Town, asked
from tests.support import PASSWORD, cancel, fixed, on_demand

CREDIT, DEBIT = PaymentSide.CREDIT, PaymentSide.DEBIT
DAY, MONTH = Period.DAY, Period.MONTH
WAY = {CREDIT: ("income", "landlord"), DEBIT: ("salary", "savings")}
CODES = {
    (CREDIT, DAY): "DAILY_ACH_CREDIT_LIMIT_REACHED",
    (CREDIT, MONTH): "MONTHLY_ACH_CREDIT_LIMIT_REACHED",
    (DEBIT, DAY): "DAILY_ACH_DEBIT_LIMIT_REACHED",
    (DEBIT, MONTH): "MONTHLY_ACH_DEBIT_LIMIT_REACHED",
}


async def limit(
    town: Town, side: PaymentSide, period: Period, amount: int | None = None, transfers: int | None = None
) -> None:
    bound = None if amount is None else Cents(amount)
    await set_limit(town.engine, town.organization_id, side, period, amount=bound, transfers=transfers)


async def code_of(town: Town, way: tuple[str, str], amount: int) -> str | None:
    return (await town.moved(await town.send(*way, amount))).error_code


async def used(town: Town) -> dict[tuple[str, str], tuple[int, int]]:
    limits = await list_limits(town.engine, town.organization_id)
    return {(each.side.value, each.period.value): (each.used_amount, each.used_transfers) for each in limits}


# ---------------------------------------------------------------------------------------------------------- four limits


@pytest.mark.parametrize(("side", "period"), CODES)
async def test_an_amount_that_does_not_fit_ends_with_its_code_and_uses_nothing(
    home: Town, side: PaymentSide, period: Period
):
    await limit(home, side, period, amount=30_000)

    assert await code_of(home, WAY[side], 20_000) is None
    assert await code_of(home, WAY[side], 10_001) == CODES[side, period]
    assert await code_of(home, WAY[side], 10_000) is None
    assert await code_of(home, WAY[side], 100) == CODES[side, period]

    assert await used(home) == {(side.value, period.value): (30_000, 2)}
    failed = [one for one in await home.transfers() if one.error_code]
    assert {one.status for one in failed} == {"ERROR"}
    held, pulled = (await home.figures("income"))[1], (await home.figures("salary"))[1]
    assert held + pulled == 30_000


@pytest.mark.parametrize(("side", "period"), CODES)
async def test_so_many_transfers_and_no_more(home: Town, side: PaymentSide, period: Period):
    await limit(home, side, period, transfers=2)

    codes = [await code_of(home, WAY[side], 1_000) for _ in range(3)]

    assert codes == [None, None, CODES[side, period]]


@pytest.mark.parametrize(("side", "period"), CODES)
async def test_a_rule_meets_the_same_limits_and_says_so(home: Town, side: PaymentSide, period: Period):
    await limit(home, side, period, amount=1_500)
    await home.rule("pay", on_demand("income", fixed(1_000, *WAY[side]), fixed(1_000, *WAY[side])))

    answer = await home.trigger("pay")
    await home.settle()

    run = await home.run(answer)
    assert run.counts == (2, 0, 1, 1)
    assert [one.error_code for one in await home.transfers() if one.rule_id] == [None, CODES[side, period]]
    await home.wait(days=3)
    assert (await home.run(answer)).status == ExecutionStatus.PARTIAL


async def test_from_bank_to_bank_counts_on_both_sides_and_the_pull_is_named_first(home: Town):
    for side in (CREDIT, DEBIT):
        await limit(home, side, DAY, amount=50_000)
    await limit(home, DEBIT, MONTH, amount=40_000)

    assert await code_of(home, ("salary", "landlord"), 30_000) is None
    assert await used(home) == {
        ("CREDIT", "DAY"): (30_000, 1),
        ("DEBIT", "DAY"): (30_000, 1),
        ("DEBIT", "MONTH"): (30_000, 1),
    }
    assert await code_of(home, ("salary", "landlord"), 10_001) == CODES[DEBIT, MONTH]
    assert await code_of(home, ("salary", "landlord"), 20_001) == CODES[DEBIT, DAY]
    assert await code_of(home, ("income", "landlord"), 20_001) == CODES[CREDIT, DAY]


async def test_neither_the_push_that_follows_nor_a_reversal_counts_again(home: Town):
    for side in (CREDIT, DEBIT):
        await limit(home, side, MONTH, amount=90_000)
    await home.close("landlord")

    await home.send("salary", "landlord", 30_000)
    await home.wait(days=7)

    assert await used(home) == {("CREDIT", "MONTH"): (30_000, 1), ("DEBIT", "MONTH"): (30_000, 1)}


async def test_what_stays_inside_counts_for_nothing(home: Town):
    await home.owe("loan", 300_000, pod="for the loan")
    for side in (CREDIT, DEBIT):
        await limit(home, side, DAY, amount=0, transfers=0)

    assert await code_of(home, ("income", "savings"), 10_000) is None
    assert await code_of(home, ("income", "loan"), 10_000) is None
    assert await code_of(home, ("salary", "loan"), 10_000) == CODES[DEBIT, DAY]


async def test_a_limit_that_is_taken_away_binds_nobody_but_what_was_used_stays_counted(home: Town):
    await limit(home, CREDIT, DAY, amount=10_000)
    await code_of(home, WAY[CREDIT], 10_000)

    await limit(home, CREDIT, DAY)
    assert await code_of(home, WAY[CREDIT], 10_000) is None
    await limit(home, CREDIT, DAY, amount=25_000)

    assert await code_of(home, WAY[CREDIT], 5_001) == CODES[CREDIT, DAY]
    assert await code_of(home, WAY[CREDIT], 5_000) is None


# ------------------------------------------------------------------------------------------------------ days and months


async def test_a_day_ends_at_midnight_in_new_york(home: Town):
    await limit(home, CREDIT, DAY, amount=10_000)
    assert await code_of(home, WAY[CREDIT], 10_000) is None

    # It is the 8th in London for hours by now.
    await home.until("2026-07-07 23:59")
    assert await code_of(home, WAY[CREDIT], 100) == CODES[CREDIT, DAY]
    await home.until("2026-07-08 00:00")

    assert await used(home) == {("CREDIT", "DAY"): (0, 0)}
    assert await code_of(home, WAY[CREDIT], 10_000) is None
    assert await code_of(home, WAY[CREDIT], 100) == CODES[CREDIT, DAY]


async def test_a_month_ends_at_midnight_in_new_york(home: Town):
    await limit(home, DEBIT, MONTH, amount=10_000)
    assert await code_of(home, WAY[DEBIT], 10_000) is None

    await home.until("2026-07-31 23:59")
    assert await code_of(home, WAY[DEBIT], 100) == CODES[DEBIT, MONTH]
    await home.until("2026-08-01 00:00")

    assert await code_of(home, WAY[DEBIT], 10_000) is None


async def test_a_month_goes_on_through_its_days(home: Town):
    await limit(home, CREDIT, DAY, amount=10_000)
    await limit(home, CREDIT, MONTH, amount=25_000)

    codes: list[str | None] = []
    for day in (8, 9, 10):
        await home.until(f"2026-07-{day:02} 09:00")
        codes.append(await code_of(home, WAY[CREDIT], 10_000))

    assert codes == [None, None, CODES[CREDIT, MONTH]]
    assert await code_of(home, WAY[CREDIT], 5_000) is None


async def test_what_waits_for_a_person_counts_on_the_day_on_which_it_goes(home: Town):
    await limit(home, CREDIT, DAY, amount=20_000)
    waits = await asked(home, "out")
    assert await used(home) == {("CREDIT", "DAY"): (0, 0)}

    await home.until("2026-07-08 08:00")
    await home.let_go(waits)

    assert await used(home) == {("CREDIT", "DAY"): (20_000, 1)}


async def test_what_was_counted_stays_counted_however_it_ends(home: Town):
    await limit(home, CREDIT, DAY, amount=30_000)
    await home.fail(BankCall.SUBMIT, Fault.REFUSED)
    await home.send("income", "landlord", 10_000)
    await home.work()
    called_back = await home.send("income", "landlord", 10_000)
    await cancel(home.engine, home.principal(), called_back, "")

    assert await used(home) == {("CREDIT", "DAY"): (20_000, 2)}


# --------------------------------------------------------------------------------------------------------- many at once


async def test_batches_at_once_never_share_room(home: Town, other_engine: Engine):
    other = replace(other_engine, now=home.wall)
    await limit(home, CREDIT, DAY, amount=10_000)
    commands = [[home.transfer_command("income", "landlord", 1_000) for _ in range(3)] for _ in range(8)]

    answers = await asyncio.gather(
        *[transfer((home.engine, other)[number % 2], batch) for number, batch in enumerate(commands)]
    )

    made = [
        await home.moved(TransferId(one.body.decode())) for batch in answers for one in batch if isinstance(one, Answer)
    ]
    assert sorted(one.error_code or "" for one in made) == [""] * 10 + [CODES[CREDIT, DAY]] * 14
    assert await used(home) == {("CREDIT", "DAY"): (10_000, 10)}


async def test_rules_transfers_and_approvals_at_once_never_share_room(home: Town, other_engine: Engine):
    other = replace(other_engine, now=home.wall)
    await home.deposit("income", 100_000)
    waits = [await asked(home, "out") for _ in range(3)]
    digests = [(await find_waiting(home.engine, home.organization_id, one)).digest for one in waits]
    await home.rule("pay", on_demand("income", fixed(1_000, "income", "landlord")))
    await limit(home, CREDIT, DAY, amount=50_000)
    await admit(home.engine, [home.trigger_command("pay") for _ in range(20)])

    await asyncio.gather(
        *[approve(home.engine, home.person, PASSWORD, one, digest) for one, digest in zip(waits, digests, strict=True)],
        *[settle_due(engine, limit=7) for engine in (home.engine, other) for _ in range(3)],
        *[transfer(other, [home.transfer_command("income", "landlord", 1_000)]) for _ in range(10)],
    )
    await home.settle()

    async with home.engine.database.read() as tx:
        [(counted, number)] = await fetch_all(tx, "SELECT amount, transfers FROM ach_used WHERE period = 'DAY'")
        [(going, legs)] = await fetch_all(tx, "SELECT sum(amount), count(*) FROM transfer_leg WHERE purpose = 'PUSH'")
    assert (counted, number) == (going, legs)
    assert 49_000 <= counted <= 50_000
