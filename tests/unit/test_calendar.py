"""The calendar that the audit holds schedules against agrees with how they find their next time; and is no pushover."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from sluiceway.domain.calendar import begins_at, first_between, names
from sluiceway.domain.schedule import Occurrence, Schedule, ScheduleType, occurrences

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)
ZONES = [
    "UTC", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "America/Havana", "America/Santiago",
    "Africa/Casablanca", "Antarctica/Troll", "Asia/Beirut", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia",
    "Pacific/Chatham",
]  # fmt: skip
STARTS = [
    datetime(2024, 1, 30, 2, 15),  # noqa: DTZ001 -- a time on the wall
    datetime(2024, 8, 31, 0, 0),  # noqa: DTZ001
]
REPEATING = [kind for kind in ScheduleType if kind is not ScheduleType.ONE_TIME]


def all_of(schedule: Schedule) -> list[Occurrence]:
    return list(occurrences(schedule, BEGIN, END, 100_000))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", REPEATING)
def test_every_time_that_a_schedule_finds_is_on_the_calendar_and_none_is_left_out(zone: str, kind: ScheduleType):
    for start in STARTS:
        schedule = Schedule(kind, start, zone)
        found = all_of(schedule)

        assert len(found) >= 13 * 12
        for one in found:
            assert names(schedule, one.nominal), one
            assert begins_at(schedule, one.nominal, one.at), one
        for before, after in pairwise(found):
            assert first_between(schedule, before.nominal, after.nominal) is None, (before, after)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", REPEATING)
def test_a_time_that_was_left_out_is_named(zone: str, kind: ScheduleType):
    schedule = Schedule(kind, STARTS[0], zone)
    found = all_of(schedule)

    for before, left_out, after in zip(found, found[1:], found[2:], strict=False):
        assert first_between(schedule, before.nominal, after.nominal) == left_out.nominal


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", REPEATING)
def test_no_day_is_on_the_calendar_that_the_schedule_does_not_find(zone: str, kind: ScheduleType):
    schedule = Schedule(kind, STARTS[0], zone)
    found = {one.nominal for one in all_of(schedule)}
    day, last = min(found), max(found)

    while day < last:
        assert names(schedule, day) == (day in found), day
        day += DAY


@pytest.mark.parametrize("zone", ZONES)
def test_an_instant_is_right_to_the_second(zone: str):
    schedule = Schedule(ScheduleType.DAILY, STARTS[0], zone)

    for one in all_of(schedule):
        for wrong in (one.at - SECOND, one.at + SECOND, one.at + 3 * DAY):
            assert not begins_at(schedule, one.nominal, wrong), (one, wrong)


def test_a_time_that_a_zone_shows_twice_begins_at_the_first():
    schedule = Schedule(ScheduleType.DAILY, datetime(2024, 1, 1, 1, 30), "America/New_York")  # noqa: DTZ001
    nominal = datetime(2026, 11, 1, 1, 30)  # noqa: DTZ001
    first, second = (nominal.replace(tzinfo=ZoneInfo("America/New_York"), fold=fold).astimezone(UTC) for fold in (0, 1))

    assert begins_at(schedule, nominal, first)
    assert not begins_at(schedule, nominal, second)


def test_a_time_that_a_zone_skips_begins_when_the_clock_has_reached_it():
    schedule = Schedule(ScheduleType.DAILY, datetime(2024, 1, 1, 2, 30), "America/New_York")  # noqa: DTZ001
    nominal = datetime(2026, 3, 8, 2, 30)  # noqa: DTZ001
    change = datetime(2026, 3, 8, 7, tzinfo=UTC)

    assert begins_at(schedule, nominal, change)
    assert not begins_at(schedule, nominal, change - SECOND)
    assert not begins_at(schedule, nominal, change + SECOND)


@pytest.mark.parametrize(
    ("start", "nominal"),
    [
        pytest.param("2026-01-05 09:00", "2026-01-04 09:00", id="before its start"),
        pytest.param("2026-01-05 09:00", "2026-01-06 09:01", id="another time of day"),
    ],
)
def test_what_no_schedule_names(start: str, nominal: str):
    for kind in ScheduleType:
        assert not names(Schedule(kind, datetime.fromisoformat(start)), datetime.fromisoformat(nominal))


def test_what_runs_once_has_one_time():
    start = datetime(2026, 1, 5, 9)  # noqa: DTZ001
    schedule = Schedule(ScheduleType.ONE_TIME, start)

    assert names(schedule, start)
    assert not names(schedule, start + DAY)
    assert first_between(schedule, start - DAY, start + 30 * DAY) == start
    assert first_between(schedule, start, start + 30 * DAY) is None
