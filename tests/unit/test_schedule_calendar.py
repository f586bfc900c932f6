"""The calendar, exhaustively: eighty years of days, every month's end, leap days, and years of 53 ISO weeks."""

from calendar import isleap
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from sluiceway.domain.schedule import (
    BadSchedule,
    Occurrence,
    Schedule,
    ScheduleType,
    latest_missed,
    next_fire,
    occurrences,
)
from tests.unit.schedule_oracle import DAY, iso_week, nominals, utc, wall

YEARS = range(2024, 2105)
FIRST, LAST = date(2024, 1, 1), date(2104, 12, 31)
SECOND = timedelta(seconds=1)
BEGIN = utc("2023-12-31 23:59:59")
END = utc("2104-12-31 23:59:59.999999")
LONG_YEARS = [2026, 2032, 2037, 2043, 2048, 2054, 2060, 2065, 2071, 2076, 2082, 2088, 2093, 2099]

SHAPES = [
    *((kind, 1) for kind in (ScheduleType.ONE_TIME, ScheduleType.DAILY, ScheduleType.BI_WEEKLY)),
    *((ScheduleType.BI_WEEKLY, day) for day in (2, 15, 16, 31)),
    *((ScheduleType.WEEKLY, day) for day in range(1, 8)),
    *((ScheduleType.EVERY_OTHER_WEEK, day) for day in range(1, 15)),
    *((ScheduleType.MONTHLY, day) for day in range(1, 32)),
]


def month_ends(first_year: int, last_year: int) -> list[date]:
    months = [(year, month) for year in range(first_year, last_year + 1) for month in range(1, 13)]
    return [date(year + month // 12, month % 12 + 1, 1) - DAY for year, month in months]


def walked(schedule: Schedule, first: date, last: date) -> list[Occurrence]:
    """Walk every day; in UTC, where all of this happens, a nominal time is its own instant."""
    return [Occurrence(nominal, nominal.replace(tzinfo=UTC)) for nominal in nominals(schedule, first, last)]


@pytest.mark.parametrize(("kind", "day"), SHAPES)
def test_eighty_years_of_occurrences_are_those_of_a_walk_through_every_day(kind: ScheduleType, day: int) -> None:
    schedule = Schedule(kind, datetime(2024, 1, day, 9, 30))  # noqa: DTZ001 -- a local time

    found = list(occurrences(schedule, BEGIN, END, 100_000))

    assert found == walked(schedule, FIRST, LAST)


@pytest.mark.parametrize("kind", ScheduleType)
def test_around_every_month_end_the_next_and_the_latest_are_those_of_the_walk(kind: ScheduleType) -> None:
    ends = month_ends(2024, 2037)
    for start in (date(2023, 1, 31), date(2024, 2, 29), date(2024, 4, 30), date(2024, 12, 1)):
        schedule = Schedule(kind, datetime(start.year, start.month, start.day, 9, 30))  # noqa: DTZ001 -- a local time
        walk = walked(schedule, date(2023, 1, 1), date(2038, 3, 1))
        position = 0
        for end in ends:
            for at in ("00:00", "09:29:59.999999", "09:30", "23:59:59.999999"):
                now = utc(f"{end} {at}")
                while position < len(walk) and walk[position].at <= now:
                    position += 1
                following = walk[position] if position < len(walk) else None
                assert next_fire(schedule, now) == following, (schedule, now)
                assert latest_missed(schedule, BEGIN - 400 * DAY, now) == (walk[position - 1] if position else None)


@pytest.mark.parametrize("kind", ScheduleType)
def test_a_start_on_any_month_end_begins_as_the_walk_does(kind: ScheduleType) -> None:
    for end in month_ends(2024, 2037):
        schedule = Schedule(kind, datetime(end.year, end.month, end.day, 23, 59, 59))  # noqa: DTZ001 -- a local time

        found = list(occurrences(schedule, BEGIN, utc(f"{end + 70 * DAY} 00:00"), 100))

        assert found == walked(schedule, end, end + 69 * DAY), schedule


@pytest.mark.parametrize("day", [28, 29, 30, 31])
def test_each_february_has_one_monthly_occurrence_on_its_last_day_at_most(day: int) -> None:
    schedule = Schedule(ScheduleType.MONTHLY, datetime(2023, 12, day, 9, 30))  # noqa: DTZ001 -- a local time

    for year in YEARS:
        found = list(occurrences(schedule, utc(f"{year}-02-01"), utc(f"{year}-03-01"), 9))
        assert [one.nominal.date() for one in found] == [date(year, 2, min(day, 29 if isleap(year) else 28))]


@pytest.mark.parametrize(("year", "is_leap"), [(2024, True), (2028, True), (2096, True), (2100, False), (2104, True)])
def test_a_leap_day_is_a_day_like_any_other_where_there_is_one(year: int, is_leap: bool) -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2024-01-01 12:00"))

    found = [one.nominal for one in occurrences(schedule, utc(f"{year}-02-28"), utc(f"{year}-03-02"), 9)]

    assert found == [
        wall(f"{year}-{day} 12:00") for day in ("02-28", "02-29", "03-01") if is_leap or day != "02-29"
    ]  # fmt: skip


@pytest.mark.parametrize("weekday", range(7))
def test_even_weeks_are_three_weeks_apart_only_after_a_year_of_53(weekday: int) -> None:
    schedule = Schedule(ScheduleType.EVERY_OTHER_WEEK, datetime(2024, 1, 1 + weekday, 9, 30))  # noqa: DTZ001 -- local

    for year in YEARS:
        found = [one.nominal.date() for one in occurrences(schedule, utc(f"{year}-12-01"), utc(f"{year + 1}-02-01"), 9)]
        gaps = {later - earlier for earlier, later in pairwise(found)}
        assert all(day.weekday() == weekday and iso_week(day) % 2 == 0 for day in found)
        assert gaps == ({14 * DAY, 21 * DAY} if year in LONG_YEARS else {14 * DAY})


def test_twice_a_month_goes_from_the_fifteenth_of_december_to_new_year() -> None:
    schedule = Schedule(ScheduleType.BI_WEEKLY, wall("2023-07-20 00:00"))

    for year in YEARS:
        december = occurrences(schedule, utc(f"{year}-12-01"), utc(f"{year + 1}-01-15"), 9)
        whole_year = occurrences(schedule, utc(f"{year}-01-01") - SECOND, utc(f"{year + 1}-01-01") - SECOND, 99)
        assert [str(one.nominal.date()) for one in december] == [
            f"{year}-12-15",
            f"{year + 1}-01-01",
            f"{year + 1}-01-15",
        ]
        assert len(list(whole_year)) == 24


# ----------------------------------------------------------------------------------------- the two ends of the calendar

EDGES = [
    "0001-01-01 00:00", "0001-01-01 00:00:00.000001", "0001-01-01 12:00", "0001-01-02 00:00", "0001-01-31 23:59",
    "9999-11-30 00:00", "9999-12-01 00:00", "9999-12-15 12:00", "9999-12-30 23:59:59", "9999-12-31 00:00",
    "9999-12-31 12:00", "9999-12-31 23:59:59.999999",
]  # fmt: skip
OFFSETS: list[tzinfo] = [
    UTC,
    timezone(timedelta(hours=14)),
    timezone(timedelta(hours=-12)),
    timezone(DAY - SECOND / 10**6),
    timezone(SECOND / 10**6 - DAY),
    ZoneInfo("Pacific/Apia"),
    ZoneInfo("America/New_York"),
]


@pytest.mark.parametrize("kind", ScheduleType)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_the_first_and_the_last_year_raise_nothing(kind: ScheduleType, zone: str) -> None:
    instants = [wall(edge).replace(tzinfo=offset) for edge in EDGES for offset in OFFSETS]
    for start in EDGES:
        schedule = Schedule(kind, wall(start), zone)
        for after in instants:
            found = next_fire(schedule, after)
            if found is not None:
                offset = after.utcoffset()
                assert offset is not None
                assert found.at.replace(tzinfo=None) - after.replace(tzinfo=None) > -offset
                assert found.nominal >= schedule.start
            latest_missed(schedule, after, instants[-1])
            latest_missed(schedule, instants[0], after)
            list(occurrences(schedule, after, instants[-1], 3))


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_start_with_an_offset_is_refused_at_both_ends_too(offset: tzinfo) -> None:
    for edge in EDGES:
        with pytest.raises(BadSchedule):
            Schedule(ScheduleType.DAILY, wall(edge).replace(tzinfo=offset))


@pytest.mark.parametrize(
    ("kind", "start", "zone", "after", "expected"),
    [
        ("DAILY", "2024-01-01 09:00", "UTC", "9999-12-30 09:00", "9999-12-31 09:00:00"),
        ("DAILY", "2024-01-01 09:00", "UTC", "9999-12-31 09:00", None),
        ("WEEKLY", "2024-01-01 09:00", "UTC", "9999-12-27 09:00", None),
        ("MONTHLY", "2024-01-31 09:00", "UTC", "9999-11-30 09:00", "9999-12-31 09:00:00"),
        ("MONTHLY", "2024-01-31 09:00", "UTC", "9999-12-31 09:00", None),
        ("BI_WEEKLY", "2024-01-31 09:00", "UTC", "9999-12-15 09:00", None),
        ("EVERY_OTHER_WEEK", "2024-01-01 09:00", "UTC", "9999-12-27 09:00", None),
        ("ONE_TIME", "9999-12-31 23:59:59.999999", "UTC", "2024-01-01", "9999-12-31 23:59:59.999999"),
        ("ONE_TIME", "9999-12-31 23:59:59.999999", "UTC", "9999-12-31 23:59:59.999999", None),
        # In New York the last evening of 9999 is in the year 10000 of UTC, which nobody can write down.
        ("ONE_TIME", "9999-12-31 19:00", "America/New_York", "2024-01-01", None),
        ("ONE_TIME", "9999-12-31 18:59", "America/New_York", "2024-01-01", "9999-12-31 18:59:00"),
        ("DAILY", "2024-01-01 19:00", "America/New_York", "9999-12-30 12:00", "9999-12-30 19:00:00"),
        ("DAILY", "2024-01-01 19:00", "America/New_York", "9999-12-31 12:00", None),
        # In Tokyo the first morning of year 1 is before year 1 of UTC.
        ("ONE_TIME", "0001-01-01 00:00", "Asia/Tokyo", "0001-01-01", None),
        ("DAILY", "0001-01-01 09:00", "Asia/Tokyo", "0001-01-01", "0001-01-02 09:00:00"),
        ("DAILY", "0001-01-01 00:00", "UTC", "0001-01-01", "0001-01-02 00:00:00"),
    ],
)
def test_past_the_ends_of_the_calendar_there_is_no_occurrence(
    kind: str, start: str, zone: str, after: str, expected: str | None
) -> None:
    found = next_fire(Schedule(ScheduleType(kind), wall(start), zone), utc(after))

    assert (found and str(found.nominal)) == expected


@pytest.mark.parametrize(("zone", "first"), [("UTC", "0001-01-01 00:00:00"), ("Asia/Tokyo", "0001-01-02 00:00:00")])
def test_before_year_one_of_utc_comes_the_first_occurrence_that_utc_can_name(zone: str, first: str) -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("0001-01-01 00:00"), zone)
    before = wall("0001-01-01 00:00").replace(tzinfo=timezone(timedelta(hours=14)))

    found = next_fire(schedule, before)

    assert found is not None
    assert str(found.nominal) == first


def test_an_instant_after_year_9999_of_utc_has_nothing_to_come_and_everything_behind() -> None:
    schedule = Schedule(ScheduleType.DAILY, wall("2024-01-01 09:00"))
    beyond = wall("9999-12-31 23:00").replace(tzinfo=timezone(timedelta(hours=-12)))

    assert next_fire(schedule, beyond) is None
    latest = latest_missed(schedule, BEGIN, beyond)
    assert latest is not None
    assert str(latest.nominal) == "9999-12-31 09:00:00"
