"""What comes regularly: found in the past, told from what does not, and projected on."""

import random
from datetime import UTC, date, datetime, time, timedelta

import pytest

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import (
    Detected,
    MoneyArrives,
    MoneyLeaves,
    Rhythm,
    Seen,
    Told,
    detect,
    expected_events,
    times_of,
)
from sluiceway.domain.schedule import Schedule, ScheduleType

INCOME = AccountId("income")
BILLS = AccountId("bills")
NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)


def on(*days: str, amount: int = 250_000, name: str | None = "PAYROLL", account: AccountId = INCOME) -> list[Seen]:
    return [Seen(datetime.fromisoformat(f"2026-{day}T09:30Z"), account, Cents(amount), name) for day in days]


def days_of(found: Detected, days: int = 70) -> list[str]:
    return [at.strftime("%m-%d") for at in times_of(found, NOW, NOW + timedelta(days=days))]


@pytest.mark.parametrize(
    ("seen", "rhythm", "then"),
    [
        (("03-20", "03-27", "04-03"), Rhythm.WEEKLY, ["04-17", "04-24", "05-01"]),
        (("03-06", "03-20", "04-03"), Rhythm.EVERY_TWO_WEEKS, ["04-17", "05-01", "05-15"]),
        (("03-05", "03-20", "04-03"), Rhythm.EVERY_TWO_WEEKS, ["04-17", "05-01", "05-15"]),
        (("01-15", "02-01", "02-15", "03-01", "03-15", "04-01"), Rhythm.TWICE_A_MONTH, ["04-15", "05-01", "05-15"]),
        (("01-15", "01-30", "02-13", "02-27", "03-13", "03-31"), Rhythm.TWICE_A_MONTH, ["04-13", "04-30", "05-13"]),
        (("02-03", "03-03", "04-03"), Rhythm.MONTHLY, ["05-03", "06-03"]),
        (("01-31", "02-28", "03-31"), Rhythm.MONTHLY, ["04-30", "05-31"]),
        (("01-30", "02-27", "03-30"), Rhythm.MONTHLY, ["04-30", "05-30"]),
    ],
)
def test_a_rhythm_is_found_and_goes_on(seen: tuple[str, ...], rhythm: Rhythm, then: list[str]):
    [found] = detect(on(*seen), NOW)

    assert found.rhythm is rhythm
    assert [day for day in days_of(found) if day > "04-10"][: len(then)] == then
    assert all(at.time() == time(9, 30) for at in times_of(found, NOW, NOW + timedelta(days=70)))


@pytest.mark.parametrize(
    "seen",
    [
        ("03-27", "04-03"),
        ("03-01", "03-04", "03-20", "04-09"),
        ("01-20", "01-27", "02-03", "02-10"),
        ("04-03", "04-03", "04-03"),
    ],
    ids=["only twice", "not regular", "it has stopped", "all on one day"],
)
def test_what_is_not_regular_is_not_projected(seen: tuple[str, ...]):
    assert detect(on(*seen), NOW) == []


def test_without_a_name_similar_amounts_belong_together():
    pay = on("02-03", "03-03", name=None) + on("04-03", amount=262_000, name=" ")
    refunds = on("02-10", "03-10", "04-09", amount=1_900, name=None)
    once = on("03-15", amount=90_000, name=None)

    small, large = sorted(detect([*pay, *refunds, *once], NOW), key=lambda each: each.amount)

    assert (small.amount, small.rhythm) == (1_900, Rhythm.MONTHLY)
    assert (large.amount, large.rhythm) == (250_000, Rhythm.MONTHLY)


def test_two_payments_of_one_name_are_told_apart_by_their_amounts():
    mine = on("03-20", "03-27", "04-03")
    yours = on("02-04", "03-04", "04-04", amount=110_000)

    found = detect([*mine, *yours], NOW)

    assert sorted((each.amount, each.rhythm) for each in found) == [
        (110_000, Rhythm.MONTHLY),
        (250_000, Rhythm.WEEKLY),
    ]


def test_one_name_with_changing_amounts_is_one_payment_of_the_middle_amount():
    seen = [
        each for day, amount in (("02-03", 900), ("03-03", 4_000), ("04-03", 1_500)) for each in on(day, amount=amount)
    ]

    [found] = detect(seen, NOW)

    assert found.amount == 1_500


def test_bills_are_found_as_what_leaves_and_accounts_are_kept_apart():
    bills = on("02-05", "03-05", "04-05", amount=-8_000, name="POWER", account=BILLS)
    others = on("02-05", "03-05", name="POWER", account=INCOME)

    [found] = detect([*bills, *others], NOW)

    assert (found.account_id, found.amount, found.description) == (BILLS, -8_000, "POWER")
    assert expected_events([found], NOW, NOW + timedelta(days=30)) == [
        MoneyLeaves(datetime(2026, 5, 5, 9, 30, tzinfo=UTC), BILLS, Cents(8_000))
    ]


def test_what_a_person_tells_comes_by_schedule_income_before_bills():
    monthly = Schedule(ScheduleType.MONTHLY, datetime(2026, 1, 31))  # noqa: DTZ001 -- schedules are local
    told = [Told(BILLS, Cents(-90_000), monthly), Told(INCOME, Cents(300_000), monthly)]

    events = expected_events(told, NOW, NOW + timedelta(days=60))

    assert [(type(event), event.at.date(), event.amount) for event in events] == [
        (MoneyArrives, date(2026, 4, 30), 300_000),
        (MoneyLeaves, date(2026, 4, 30), 90_000),
        (MoneyArrives, date(2026, 5, 31), 300_000),
        (MoneyLeaves, date(2026, 5, 31), 90_000),
    ]


def test_nothing_is_projected_before_now_however_late_the_next_one_is():
    [found] = detect(on("03-20", "03-27", "04-02"), NOW)

    assert days_of(found, days=8) == ["04-16"]


def test_paydays_that_shift_are_still_found_and_each_month_has_its_own():
    chance = random.Random(4)
    for _ in range(200):
        day = chance.randrange(1, 29)
        seen = [
            Seen(
                datetime(2026, month, day, 9, tzinfo=UTC) + timedelta(days=chance.randrange(-2, 1)),
                INCOME,
                Cents(100_000),
                "PAY",
            )
            for month in (1, 2, 3, 4)
        ]
        now = max(each.at for each in seen) + timedelta(days=3)

        [found] = detect(seen, now)

        months = [(at.year, at.month) for at in times_of(found, now, now + timedelta(days=365))]
        assert found.rhythm is Rhythm.MONTHLY
        assert len(months) == len(set(months))
        assert len(months) in {11, 12, 13}
