"""Banking days, cut-offs, settlement instants and return deadlines, against a table and the plain words."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest

from sluiceway.domain.ach import (
    EASTERN,
    LARGEST_SAME_DAY,
    RETURNS,
    PaymentKind,
    ReturnCode,
    eastern_day,
    entry_day,
    is_banking_day,
    liability_posts_at,
    moved_from,
    next_banking_day,
    next_opening,
    pull_settles_at,
    push_settles_at,
    return_deadline,
)
from sluiceway.domain.money import Cents

# Weekdays on which the Federal Reserve Banks are closed, as other calendars list them (to 2027 as announced).
CLOSED = """
2018 01-01 01-15 02-19 05-28 07-04 09-03 10-08 11-12 11-22 12-25
2019 01-01 01-21 02-18 05-27 07-04 09-02 10-14 11-11 11-28 12-25
2020 01-01 01-20 02-17 05-25 09-07 10-12 11-11 11-26 12-25
2021 01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25
2022 01-17 02-21 05-30 06-20 07-04 09-05 10-10 11-11 11-24 12-26
2023 01-02 01-16 02-20 05-29 06-19 07-04 09-04 10-09 11-23 12-25
2024 01-01 01-15 02-19 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25
2025 01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25
2026 01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25
2027 01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25
2028 01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-23 12-25
2029 01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25
2030 01-01 01-21 02-18 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25
2031 01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25
2032 01-01 01-19 02-16 05-31 07-05 09-06 10-11 11-11 11-25
2033 01-17 02-21 05-30 06-20 07-04 09-05 10-10 11-11 11-24 12-26
2034 01-02 01-16 02-20 05-29 06-19 07-04 09-04 10-09 11-23 12-25
2035 01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25
2036 01-01 01-21 02-18 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25
2037 01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25
"""
YEARS = {int(line[:4]): line[5:].split() for line in CLOSED.strip().splitlines()}
HOLIDAYS = {date.fromisoformat(f"{year}-{day}") for year, days in YEARS.items() for day in days}
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
SMALL = Cents(100)
LARGE = Cents(LARGEST_SAME_DAY + 1)


def eastern(written: str) -> datetime:
    """Read Eastern wall time."""
    return datetime.fromisoformat(written).replace(tzinfo=EASTERN)


def told(at: datetime) -> str:
    """Write Eastern wall time."""
    assert at.tzinfo is UTC
    return at.astimezone(EASTERN).strftime("%Y-%m-%d %H:%M:%S")


def open_days(year: int) -> Iterator[date]:
    """List the banking days of a year, by the table."""
    day = date(year, 1, 1)
    while day.year == year:
        if day.weekday() < 5 and day not in HOLIDAYS:
            yield day
        day += DAY


def every_day(year: int) -> Iterator[date]:
    """List the days of a year, as far as the table tells what follows them."""
    day = date(year, 1, 1)
    while day.year == year and day < date(2037, 12, 25):
        yield day
        day += DAY


def later(day: date, count: int) -> date:
    """Count banking days onward, by the table."""
    while count:
        day += DAY
        count -= day.weekday() < 5 and day not in HOLIDAYS
    return day


@pytest.mark.parametrize("year", YEARS)
def test_banks_are_open_on_exactly_the_weekdays_that_are_not_in_the_table(year: int):
    days = [date(year, 1, 1) + n * DAY for n in range(366)]

    found = [day for day in days if day.year == year and is_banking_day(day)]

    assert found == list(open_days(year))


def test_juneteenth_is_kept_from_2021_on():
    assert is_banking_day(date(2020, 6, 19))
    assert is_banking_day(date(2021, 6, 18))  # It fell on a Saturday, which moves nothing.
    assert not is_banking_day(date(2023, 6, 19))


@pytest.mark.parametrize("year", YEARS)
def test_the_next_banking_day_is_the_next_one_in_the_table(year: int):
    for day in every_day(year):
        assert next_banking_day(day) == later(day, 1)
        assert next_banking_day(day, 2) == later(day, 2)


# Of each year a banking day with standard time on both sides of it, and one in daylight time.
HALVES = [(year, month) for year in YEARS for month in (2, 8)]


@pytest.mark.parametrize(("year", "month"), HALVES)
@pytest.mark.parametrize(
    ("wall", "today", "settles"),
    [
        ("00:00:00", True, "13:00:00"),
        ("10:29:59", True, "13:00:00"),
        ("10:30:00", True, "17:00:00"),
        ("10:30:01", True, "17:00:00"),
        ("14:44:59", True, "17:00:00"),
        ("14:45:00", True, "18:00:00"),
        ("14:45:01", True, "18:00:00"),
        ("14:59:59", True, "18:00:00"),
        ("15:00:00", False, "13:00:00"),
        ("15:00:01", False, "13:00:00"),
        ("23:59:59", False, "13:00:00"),
    ],
)
def test_a_push_settles_in_the_window_that_it_reaches(year: int, month: int, wall: str, today: bool, settles: str):
    for day in [day for day in open_days(year) if day.month == month]:
        at = datetime.combine(day, time.fromisoformat(wall), EASTERN)

        found = push_settles_at(at, SMALL)

        assert told(found) == f"{day if today else later(day, 1)} {settles}"
        assert found > at


@pytest.mark.parametrize(("year", "month"), HALVES)
@pytest.mark.parametrize(
    ("wall", "entered_after"), [("00:00:00", 0), ("14:59:59", 0), ("15:00:00", 1), ("15:00:01", 1)]
)
def test_everything_else_counts_banking_days_from_its_entry(year: int, month: int, wall: str, entered_after: int):
    for day in [day for day in open_days(year) if day.month == month]:
        at = datetime.combine(day, time.fromisoformat(wall), EASTERN)
        entered = later(day, entered_after) if entered_after else day

        assert entry_day(at) == entered
        assert told(push_settles_at(at, LARGE)) == f"{later(entered, 1)} 08:30:00"
        assert told(pull_settles_at(at)) == f"{later(entered, 2)} 08:30:00"
        assert told(liability_posts_at(at)) == f"{later(entered, 2)} 08:30:00"


@pytest.mark.parametrize("year", YEARS)
def test_what_is_handed_over_while_banks_are_closed_is_entered_when_they_open(year: int):
    for day in every_day(year):
        if is_banking_day(day):
            continue
        for wall in (time(0), time(9), time(14, 59, 59), time(23, 59, 59)):
            at = datetime.combine(day, wall, EASTERN)
            assert told(push_settles_at(at, SMALL)) == f"{later(day, 1)} 13:00:00"
            assert told(pull_settles_at(at)) == f"{later(day, 3)} 08:30:00"


def test_wall_times_are_eastern_whatever_the_zone_of_the_clock_and_the_season():
    assert push_settles_at(datetime(2026, 1, 7, 15, 29, 59, tzinfo=UTC), SMALL) == datetime(2026, 1, 7, 18, tzinfo=UTC)
    assert push_settles_at(datetime(2026, 7, 7, 14, 29, 59, tzinfo=UTC), SMALL) == datetime(2026, 7, 7, 17, tzinfo=UTC)
    assert pull_settles_at(datetime(2026, 3, 5, 19, 59, 59, tzinfo=UTC)) == datetime(2026, 3, 9, 12, 30, tzinfo=UTC)
    assert pull_settles_at(datetime(2026, 10, 29, 18, tzinfo=UTC)) == datetime(2026, 11, 2, 13, 30, tzinfo=UTC)
    assert eastern_day(datetime(2026, 7, 1, 3, 59, tzinfo=UTC)) == date(2026, 6, 30)


def test_the_largest_same_day_payment_is_a_million_dollars():
    at = eastern("2026-07-07 09:00")

    assert told(push_settles_at(at, Cents(100_000_000))) == "2026-07-07 13:00:00"
    assert told(push_settles_at(at, Cents(100_000_001))) == "2026-07-08 08:30:00"


@pytest.mark.parametrize(
    ("handed_over", "settles", "moved"),
    [
        ("2026-11-28 09:00", "2026-11-30 13:00", "2026-11-28 13:00:00"),  # A push of a Saturday.
        ("2026-11-28 16:00", "2026-11-30 13:00", "2026-11-29 13:00:00"),  # After the cut-off: of the Sunday.
        ("2026-11-26 09:00", "2026-12-01 08:30", "2026-11-28 08:30:00"),  # A pull of Thanksgiving: entered on Friday.
        ("2026-11-27 09:00", "2026-12-01 08:30", "2026-11-29 08:30:00"),  # A pull over a weekend.
        ("2026-11-30 09:00", "2026-12-02 08:30", None),
        ("2026-11-30 16:00", "2026-12-01 13:00", None),  # Late, and not moved.
        ("2026-11-28 09:00", "2026-11-28 09:00", None),  # A bank that works on Saturdays.
    ],
)
def test_what_weekends_and_holidays_have_moved_says_from_when(handed_over: str, settles: str, moved: str | None):
    since = moved_from(eastern(handed_over), eastern(settles))

    assert (None if since is None else told(since)) == moved


def test_banks_open_again_on_the_first_banking_day_after_an_instant():
    assert told(next_opening(eastern("2026-07-07 07:00"))) == "2026-07-08 08:30:00"
    assert told(next_opening(eastern("2026-07-02 18:00"))) == "2026-07-03 08:30:00"
    assert told(next_opening(eastern("2026-12-24 18:00"))) == "2026-12-28 08:30:00"


@pytest.mark.parametrize("code", ReturnCode)
@pytest.mark.parametrize(
    ("settled", "second_opening", "sixty_days"),
    [
        ("2026-07-07 13:00", "2026-07-09 08:30:00", "2026-09-05 13:00:00"),
        ("2026-07-02 08:30", "2026-07-06 08:30:00", "2026-08-31 08:30:00"),
        ("2026-12-23 18:00", "2026-12-28 08:30:00", "2027-02-21 18:00:00"),
        ("2026-10-15 08:30", "2026-10-19 08:30:00", "2026-12-14 08:30:00"),  # Clocks change in between.
    ],
)
def test_a_return_has_two_banking_days_or_sixty_calendar_days(
    code: ReturnCode, settled: str, second_opening: str, sixty_days: str
):
    deadline = return_deadline(code, eastern(settled))

    assert told(deadline) == (sixty_days if code is ReturnCode.R10 else second_opening)


def test_a_settlement_at_an_hour_that_does_not_exist_sixty_days_on_has_a_deadline():
    deadline = return_deadline(ReturnCode.R10, eastern("2026-01-07 02:30"))

    assert deadline == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_only_pulls_can_lack_funds_or_authorization():
    pulls_only = {code for code, rule in RETURNS.items() if PaymentKind.PUSH not in rule.kinds}

    assert set(RETURNS) == set(ReturnCode)
    assert pulls_only == {ReturnCode.R01, ReturnCode.R10, ReturnCode.R29}
    assert all(PaymentKind.PULL in rule.kinds and rule.meaning for rule in RETURNS.values())
