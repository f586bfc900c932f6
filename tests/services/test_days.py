"""How accounts' days ended, and what rules moved on each: kept with every movement, and read by the app."""

from datetime import date

import pytest

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.ids import RuleId
from sluiceway.services.account_pages import balance_history
from sluiceway.services.money_map import Period, days_of
from sluiceway.storage.days import MOST_DAYS, Moved, moved_by_rules
from tests.services.town import Town
from tests.support import World, fixed, on_demand, whenever_money_arrives


async def history(world: World, account: str, days: int) -> list[tuple[str, int | None]]:
    """Tell how the last days ended."""
    account_id = world.accounts[account]
    found = await balance_history(world.engine, world.organization_id, account_id, account_id, days)
    return [(day.on.isoformat(), day.balance) for day in found]


async def test_each_day_ends_with_what_was_there_last(home: Town):
    await home.send("income", "savings", 20_000)
    await home.send("income", "savings", 10_000)
    await home.until("2026-07-10 09:00")
    await home.send("savings", "income", 5_000)

    assert await history(home, "savings", 6) == [
        ("2026-07-05", None),
        ("2026-07-06", None),
        ("2026-07-07", 30_000),
        ("2026-07-08", 30_000),
        ("2026-07-09", 30_000),
        ("2026-07-10", 25_000),
    ]
    await home.until("2026-07-12 09:00")
    assert await history(home, "savings", 2) == [("2026-07-11", 25_000), ("2026-07-12", 25_000)]


async def test_what_a_bank_reports_is_kept_by_day_too(home: Town):
    await home.send("salary", "savings", 100_000)
    await home.until("2026-07-10 09:00")

    [first, *_, last] = await history(home, "salary", 4)

    assert (first, last) == (("2026-07-07", 500_000), ("2026-07-10", 400_000))


async def moved(world: World, rule: str, from_day: date, to_day: date) -> list[Moved]:
    async with world.engine.database.read() as tx:
        found = await moved_by_rules(tx, world.organization_id, from_day, to_day, RuleId(world.rules[rule].id))
    return list(found.values())


async def test_what_a_rule_moved_is_counted_when_it_arrives_and_what_came_back_when_it_came(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord")))
    run = await home.run(await home.trigger("rent"))
    await home.work()
    tuesday = date(2026, 7, 7)
    assert await moved(home, "rent", tuesday, tuesday) == []

    await home.until("2026-07-07 13:00")
    assert await moved(home, "rent", tuesday, tuesday) == [Moved(40_000, 1, 0)]

    await home.until("2026-07-08 08:45")
    [transfer_id] = (await home.run(run)).transfer_ids
    await home.send_back(await home.leg(transfer_id), ReturnCode.R02)

    assert await moved(home, "rent", tuesday, tuesday) == [Moved(40_000, 1, 0)]
    assert await moved(home, "rent", date(2026, 7, 8), date(2026, 7, 8)) == [Moved(0, 0, 40_000)]
    assert await moved(home, "rent", tuesday, date(2026, 7, 8)) == [Moved(40_000, 1, 40_000)]


async def test_what_people_move_is_no_rules(home: Town):
    await home.rule("save", whenever_money_arrives("savings", fixed(100, "savings", "income")), enabled=False)
    await home.send("income", "savings", 20_000)

    assert await moved(home, "save", date.min, date.max) == []


def test_a_period_ends_with_today():
    today = date(2026, 3, 10)

    assert days_of(Period.THIS_MONTH, today) == (date(2026, 3, 1), today)
    assert days_of(Period.LAST_7_DAYS, today) == (date(2026, 3, 4), today)


@pytest.mark.parametrize("days", [1, MOST_DAYS, MOST_DAYS + 5])
async def test_no_longer_history_is_read_than_five_years(home: Town, days: int):
    assert len(await history(home, "income", days)) == min(days, MOST_DAYS)
