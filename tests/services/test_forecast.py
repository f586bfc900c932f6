"""What is to be expected: schedules, income and bills played forward, and the present left as it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sluiceway.domain.errors import InvalidParameters, NotFound
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import Detected, Rhythm, Told
from sluiceway.domain.schedule import Schedule, ScheduleType
from sluiceway.services.clock import advance, freeze
from sluiceway.services.forecast import AccountForecast, Forecast, ForecastResult, forecast
from sluiceway.services.organizations import set_time_zone
from sluiceway.web.wire.simulate import show_forecast
from tests.cards import give_back, issue, pay
from tests.support import World, first_story, fixed, percent, whenever_money_arrives

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(world: World, moment: datetime) -> None:
    """Let it be a moment; each look at the clock takes a microsecond."""
    ticks = count()
    world.engine = replace(world.engine, now=lambda: moment + timedelta(microseconds=next(ticks)))


@pytest.fixture
async def home(world: World) -> World:
    at(world, NOON)
    for name in ("income", "savings", "bills"):
        await world.account(name)
    return world


def told(world: World, account: str, amount: int, kind: ScheduleType, start: str) -> Told:
    return Told(world.accounts[account], Cents(amount), Schedule(kind, datetime.fromisoformat(start)))


async def look_ahead(world: World, *expected: Told, days: int = 30, **more: Any) -> ForecastResult:
    return await forecast(world.engine, Forecast(world.organization_id, days, expected, **more))


def of(world: World, result: ForecastResult, account: str) -> AccountForecast:
    [found] = [each for each in result.accounts if each.account.id == world.accounts[account]]
    return found


async def test_days_end_when_they_do_in_the_organizations_own_zone(home: World):
    await set_time_zone(home.engine, home.organization_id, "America/New_York")
    bill = told(home, "bills", -100, ScheduleType.ONE_TIME, "2026-03-09T03:30")  # 23:30 of the 8th, in summer time.

    ours = await look_ahead(home, bill, days=10, in_own_zone=True)
    utc = await look_ahead(home, bill, days=10)

    assert (of(home, ours, "bills").below_on, of(home, utc, "bills").below_on) == (date(2026, 3, 8), date(2026, 3, 9))
    assert of(home, ours, "bills").daily[ours.days.index(date(2026, 3, 8))] == -100
    assert of(home, utc, "bills").daily[utc.days.index(date(2026, 3, 8))] == 0
    assert len(ours.days) == len(of(home, ours, "bills").daily) == 11


async def test_expected_income_runs_the_rules_and_bills_are_collected(home: World):
    await home.rule("fill", whenever_money_arrives("income", fixed(60_000, "income", "bills")))
    await home.deposit("income", 10_000)
    await home.settle()

    result = await look_ahead(
        home,
        told(home, "income", 100_000, ScheduleType.MONTHLY, "2026-01-10T09:00"),
        told(home, "bills", -55_000, ScheduleType.MONTHLY, "2026-01-20T00:00"),
        days=60,
    )

    income, bills = of(home, result, "income"), of(home, result, "bills")
    assert (income.today, income.end) == (10_000, 10_000 + 2 * 40_000)
    assert (bills.today, bills.end) == (0, 2 * 5_000)
    assert bills.daily[result.days.index(date(2026, 3, 10))] == 60_000
    assert bills.daily[result.days.index(date(2026, 3, 20))] == 5_000
    assert [(each.runs, each.failed, each.moved) for each in result.rules] == [(2, 0, {"USD": 120_000})]
    assert (result.first_below, result.first_lack, result.shortfalls) == (None, None, [])
    assert (result.days[0], result.days[-1], len(bills.daily)) == (date(2026, 3, 2), date(2026, 5, 1), 61)


async def test_the_first_day_on_which_a_balance_falls_below_its_floor_is_found(home: World):
    await home.deposit("bills", 20_000)

    result = await look_ahead(home, told(home, "bills", -8_000, ScheduleType.WEEKLY, "2026-03-03T00:00"))

    first = result.first_below
    assert first is not None
    assert (first.account.name, first.below_on) == ("bills", date(2026, 3, 17))
    assert '"said":"bills falls below its floor of $0.00 on 17 Mar 2026."' in show_forecast(result).decode()
    assert first.lowest is not None
    assert (first.lowest.available, first.lowest.at.date()) == (20_000 - 5 * 8_000, date(2026, 3, 31))
    assert [short.at.date().day for short in result.shortfalls] == [17, 24, 31]


async def test_a_card_whose_last_statement_is_paid_again_and_again_is_told_of(home: World):
    stated = ReportedBalance(balance=Cents(30_000), last_statement_balance=Cents(20_000))
    await home.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY, reported=stated)
    monthly = {"type": "SCHEDULED", "account_id": "bills", "schedule_type": "MONTHLY", "start": "2026-03-05T09:00:00"}
    pays = {"type": "LAST_STATEMENT_BALANCE", "source": "bills", "destination": "card"}
    await home.rule("pay", {"trigger": monthly, "steps": [{"actions": [pays]}]})
    await home.deposit("bills", 90_000)
    await home.settle()

    said = "What lenders will state next is not known, so the last statement is paid each time: card would be paid"
    assert said not in show_forecast(await look_ahead(home, days=20)).decode()
    assert said in show_forecast(await look_ahead(home, days=60)).decode()


async def test_a_run_that_fails_for_lack_of_funds_is_found(home: World):
    weekly = {"type": "SCHEDULED", "account_id": "income", "schedule_type": "WEEKLY", "start": "2026-03-05T09:00:00"}
    await home.rule("save", {"trigger": weekly, "steps": [{"actions": [fixed(400, "income", "savings")]}]})
    await home.deposit("income", 1_000)
    await home.settle()

    result = await look_ahead(home)

    assert result.first_lack is not None
    assert result.first_lack.at == datetime(2026, 3, 19, 9, tzinfo=UTC)
    assert [(each.runs, each.failed) for each in result.rules] == [(4, 2)]
    assert result.first_below is None


async def test_what_a_card_pays_regularly_goes_on_and_what_it_is_paid_back_is_no_income(home: World):
    card = await issue(home, "bills")
    for day in range(0, 57, 7):
        at(home, NOON - timedelta(days=60 - day))
        await home.deposit("savings", 1)
        if day == 0:
            await home.deposit("bills", 100_000)
        await pay(home, card, 2_500)
        await give_back(home, card, 100)
    at(home, NOON)

    result = await look_ahead(home)

    bills = of(home, result, "bills")
    assert bills.today == 100_000 - 9 * 2_400
    found = [each for each in result.expectations if isinstance(each, Detected)]
    paid = [(each.amount, each.rhythm) for each in found if each.account_id == home.accounts["bills"]]
    assert paid == [(-2_500, Rhythm.WEEKLY)]


async def test_a_disabled_rule_takes_no_part(home: World):
    await home.rule("off", whenever_money_arrives("income", fixed(400, "income", "savings")), enabled=False)

    result = await look_ahead(home, told(home, "income", 1_000, ScheduleType.WEEKLY, "2026-03-05T09:00:00"))

    assert result.rules == []
    assert of(home, result, "savings").end == 0


async def live_three_months(world: World) -> datetime:
    """Let pay arrive every two weeks and small money now and then."""
    pay = {14 * number: 100_000 + 1_000 * (number % 3) for number in range(7)}
    for day, amount in sorted({**pay, 1: 700, 4: 700, 30: 700}.items()):
        at(world, NOON + timedelta(days=day))
        await world.deposit("income", amount)
    now = NOON + timedelta(days=90)
    at(world, now)
    return now


async def test_regular_income_is_detected_listed_and_goes_on(home: World):
    now = await live_three_months(home)

    result = await look_ahead(home)

    [found] = result.expectations
    assert isinstance(found, Detected)
    assert (found.rhythm, found.amount, len(found.times)) == (Rhythm.EVERY_TWO_WEEKS, 101_000, 7)
    today = of(home, result, "income").today
    assert today is not None
    assert of(home, result, "income").end == today + 2 * 101_000
    assert (result.at, result.until) == (now.replace(microsecond=result.at.microsecond), result.at + timedelta(days=30))


async def test_detection_can_be_turned_off(home: World):
    await live_three_months(home)

    result = await look_ahead(home, detects=False)

    assert result.expectations == []
    assert of(home, result, "income").end == of(home, result, "income").today


async def test_money_that_a_bank_is_carrying_arrives_in_time(home: World):
    await home.account(
        "bank",
        AccountKind.EXTERNAL_ACCOUNT,
        external_kind=ExternalKind.DEPOSITORY,
        reported=ReportedBalance(balance=Cents(90_000), available=Cents(90_000)),
    )
    await home.transfer("bank", "savings", 20_000)

    result = await look_ahead(home)

    # Handed over on Monday, settled on Wednesday.
    assert of(home, result, "savings").daily[:4] == [0, 0, 20_000, 20_000]
    assert of(home, result, "bank").daily[:3] == [70_000, 70_000, 70_000]


async def test_what_a_limit_has_been_used_for_still_counts(home: World):
    limited = fixed(600, "income", "savings", limit={"period": "PER_MONTH", "amount_in_cents": 1_000})
    await home.rule("limited", whenever_money_arrives("income", limited))
    await home.deposit("income", 2_000)
    await home.settle()

    result = await look_ahead(home, told(home, "income", 2_000, ScheduleType.BI_WEEKLY, "2026-03-01T00:00"))

    # 400 more on 15 March; on 1 April the month is a new one.
    assert of(home, result, "savings").daily[result.days.index(date(2026, 3, 15))] == 1_000
    assert of(home, result, "savings").end == 1_600


async def test_a_play_from_another_time_begins_there(home: World):
    later = NOON + timedelta(days=100)

    result = await look_ahead(home, at=later)

    assert (result.at, result.days[0]) == (later, later.date())


async def test_accounts_that_are_not_there_and_days_that_make_no_sense_are_refused(home: World):
    stranger = await first_story(home.engine)
    elsewhere = told(stranger, "income", 1, ScheduleType.DAILY, "2026-03-01T00:00")

    with pytest.raises(NotFound):
        await look_ahead(home, elsewhere)
    for days in (0, 100_000):
        with pytest.raises(InvalidParameters):
            await look_ahead(home, days=days)


def everything(database_url: str) -> dict[str, object]:
    """Read every row of every table, its inner version too, so that no row can be rewritten unseen."""
    with psycopg.connect(database_url) as owner:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = sql.SQL("SELECT t.xmin::text, t.ctid::text, t::text FROM {} t ORDER BY t.ctid")
        return {name: owner.execute(rows.format(sql.Identifier(name))).fetchall() for (name,) in tables}


async def test_a_forecast_leaves_every_byte_of_the_database_as_it_was(home: World, database_url: str):
    await home.rule("fill", whenever_money_arrives("income", fixed(600, "income", "bills")))
    await live_three_months(home)
    await home.settle()
    before = everything(database_url)

    result = await look_ahead(home)

    assert result.rules[0].runs > 0
    assert everything(database_url) == before


async def test_what_is_forecast_is_what_happens_when_the_clock_gets_there(home: World):
    """Play a month ahead; then live through it: the same deposits by the sandbox's clock, schedules by themselves."""
    weekly = {"type": "SCHEDULED", "account_id": "savings", "schedule_type": "WEEKLY", "start": "2026-03-06T08:00:00"}
    move_on = {"type": "SWEEP_ABOVE", "amount_in_cents": 1_000, "source": "savings", "destination": "bills"}
    await home.rule("split", whenever_money_arrives("income", percent(40, "income", "savings")))
    await home.rule("sweep", {"trigger": weekly, "steps": [{"actions": [move_on]}]})
    await home.rule("follow", whenever_money_arrives("bills", percent(10, "bills", "income")))
    await freeze(home.engine, home.organization_id)
    days = [NOON + timedelta(days=3 * number, hours=number) for number in range(1, 9)]
    once = [told(home, "income", 10_007, ScheduleType.ONE_TIME, day.replace(tzinfo=None).isoformat()) for day in days]

    result = await look_ahead(home, *once)
    for day in days:
        await advance(home.engine, home.organization_id, day)
        await home.deposit("income", 10_007)
        await home.settle()
    await advance(home.engine, home.organization_id, result.until)

    assert await home.balances() == ends(home, result.accounts)
    for each in result.rules:
        [name] = [short for short, record in home.rules.items() if record.id == each.record.id]
        assert len(await home.executions(name)) == each.runs > 0


def ends(world: World, accounts: Sequence[AccountForecast]) -> dict[str, int]:
    found: dict[AccountId, int] = {each.account.id: each.end or 0 for each in accounts}
    return {name: found[account_id] for name, account_id in world.accounts.items()}
