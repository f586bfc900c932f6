"""Clock changes, exhaustively: schedules before, at, in and after each gap and each overlap, against a walk of minutes.

The default run takes forty zones and, at each change, a share of the schedules that moves on from change to change;
the slow run takes every zone of the database and every schedule.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from sluiceway.domain.schedule import Occurrence, Schedule, ScheduleType, latest_missed, next_fire, occurrences
from tests.unit.schedule_oracle import DAY, SECOND, expected, fires_at, reached_at, transitions, utc, wall

TICK = timedelta(microseconds=1)
EVERYWHERE = sorted(available_timezones() - {"localtime", "Factory"})
NEAR = 3 * DAY  # How far around a change the walk goes; what lies beyond is only expected to lie beyond.

# Zones of every kind: each continent, both hemispheres, halves and quarters of hours, changes at midnight and at odd
# hours, negative saving (Dublin), Ramadan (Casablanca), and some that change no more, in the years when they did.
ZONES = [
    *(
        (zone, 2024, 2037)
        for zone in [
            "Africa/Cairo", "Africa/Casablanca", "America/Adak", "America/Anchorage", "America/Asuncion",
            "America/Chicago", "America/Halifax", "America/Havana", "America/Los_Angeles", "America/Miquelon",
            "America/New_York", "America/Nuuk", "America/Santiago", "America/Scoresbysund", "America/St_Johns",
            "Antarctica/Macquarie", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem",
            "Asia/Nicosia", "Atlantic/Azores", "Australia/Adelaide", "Australia/Lord_Howe", "Australia/Sydney",
            "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin", "Pacific/Auckland", "Pacific/Chatham",
            "Pacific/Easter", "Pacific/Norfolk",
        ]
    ),
    ("America/Caracas", 2006, 2017),
    ("America/Sao_Paulo", 2006, 2020),
    ("Asia/Kathmandu", 1985, 1987),
    ("Asia/Pyongyang", 2014, 2019),
    ("Asia/Tehran", 2018, 2023),
    ("Pacific/Apia", 2009, 2022),
    ("Pacific/Fakaofo", 2010, 2013),
    ("Pacific/Kwajalein", 1992, 1994),
]  # fmt: skip


def walls_around(zone: str, change: datetime) -> list[datetime]:
    """Name five local times: before the clock skips or repeats, the first, one within, the last, and the one after."""
    before = (change - SECOND).astimezone(ZoneInfo(zone)).utcoffset()
    behind = change.astimezone(ZoneInfo(zone)).utcoffset()
    assert before is not None
    assert behind is not None
    local = change.replace(tzinfo=None)
    first, end = sorted((local + before, local + behind))
    return [first - SECOND, first, first + (end - first) / 2 + SECOND, end - SECOND, end]


def schedules_for(named: datetime, zone: str) -> list[Schedule]:
    """Make schedules of every type that have, or in a skipped week almost have, an occurrence with this name."""
    last_month = named.replace(day=1) - DAY
    month_before = named.replace(year=last_month.year, month=last_month.month, day=min(named.day, last_month.day))
    return [
        Schedule(ScheduleType.DAILY, named - 30 * DAY, zone),
        Schedule(ScheduleType.ONE_TIME, named, zone),
        Schedule(ScheduleType.DAILY, named, zone),
        Schedule(ScheduleType.WEEKLY, named - 28 * DAY, zone),
        Schedule(ScheduleType.EVERY_OTHER_WEEK, named - 28 * DAY, zone),
        Schedule(ScheduleType.MONTHLY, month_before, zone),
        Schedule(ScheduleType.BI_WEEKLY, named - 40 * DAY, zone),
    ]


def check_near(schedule: Schedule, change: datetime, named: datetime) -> None:
    """Compare all three questions with the walk, asked around the change and around the named time's own instant."""
    begin, end = change - DAY, change + DAY
    walk = expected(schedule, (change - NEAR).date(), (change + NEAR).date())
    near = [one for one in walk if begin < one.at <= end]

    assert list(occurrences(schedule, begin, end, 99)) == near
    at = fires_at(named, schedule.zone)
    for now in (change - TICK, change, at - TICK, at):
        following = next((one for one in walk if one.at > now), None)
        found = next_fire(schedule, now)
        assert found == following or (following is None and found is not None and found.at > end), now
        assert latest_missed(schedule, begin, now) == max(
            (one for one in near if one.at <= now), key=lambda one: one.at, default=None
        )


@pytest.mark.parametrize(("zone", "first_year", "last_year"), ZONES)
def test_around_each_change_of_the_clock_schedules_do_as_the_walk_of_minutes(
    zone: str, first_year: int, last_year: int
) -> None:
    changes = transitions(zone, first_year, last_year)
    assert changes
    for turn, change in enumerate(changes):
        for place, named in enumerate(walls_around(zone, change)):
            shapes = schedules_for(named, zone)
            share = {0, 1 + (turn + place) % 6}  # Daily always; the others in turn.
            for shape in share:
                check_near(shapes[shape], change, named)


@pytest.mark.slow
@pytest.mark.parametrize("zone", EVERYWHERE)
def test_in_every_zone_around_each_change_every_schedule_does_as_the_walk_of_minutes(zone: str) -> None:
    for change in transitions(zone, 2024, 2037):
        for named in walls_around(zone, change):
            for schedule in schedules_for(named, zone):
                check_near(schedule, change, named)


# --------------------------------------------------------------------------------- all of history, with its odd seconds


def check_history(zone: str, first_year: int, last_year: int) -> int:
    """Compare with a clock made of two straight lines, which is exact where offsets have seconds; count the changes."""
    tz = ZoneInfo(zone)
    changes = transitions(zone, first_year, last_year)
    for change in changes:
        for named in walls_around(zone, change):
            at = reached_at(named, tz, change)
            once = Schedule(ScheduleType.ONE_TIME, named, zone)
            assert next_fire(once, at - TICK) == Occurrence(named, at)
            assert next_fire(once, at) is None
            weekly = Schedule(ScheduleType.WEEKLY, named - 28 * DAY, zone)
            assert next_fire(weekly, at - 2 * DAY) == next_fire(weekly, at - TICK) == Occurrence(named, at)
            assert latest_missed(weekly, at - TICK, at) == Occurrence(named, at)
            check_chain(Schedule(ScheduleType.DAILY, named - 2 * DAY, zone), change, tz)
    return len(changes)


def check_chain(daily: Schedule, change: datetime, tz: ZoneInfo) -> None:
    """Compare the days around a change with the two lines, the later name standing for both at one instant."""
    names = [daily.start + n * DAY for n in range(5)]
    lines = {reached_at(name, tz, change): name for name in names}
    chain = [Occurrence(name, at) for at, name in sorted(lines.items())]
    assert list(occurrences(daily, chain[0].at - TICK, chain[-1].at, 99)) == chain


@pytest.mark.parametrize(
    "zone",
    ["America/Juneau", "Asia/Manila", "Africa/Monrovia", "Pacific/Apia", "Europe/Amsterdam", "America/Sao_Paulo"],
)
def test_in_zones_with_an_odd_past_each_change_since_1840_is_met_to_the_second(zone: str) -> None:
    assert check_history(zone, 1840, 2037) > 0


@pytest.mark.slow
@pytest.mark.parametrize("zone", EVERYWHERE)
def test_in_every_zone_each_change_since_1840_is_met_to_the_second(zone: str) -> None:
    check_history(zone, 1840, 2037)


def around_midnight(zone: str) -> Iterator[tuple[Schedule, Occurrence | None]]:
    for time in ("23:59:59", "00:00:00", "00:00:01"):
        for kind in (ScheduleType.DAILY, ScheduleType.MONTHLY, ScheduleType.BI_WEEKLY):
            schedule = Schedule(kind, wall(f"2025-12-01 {time}"), zone)
            yield schedule, next_fire(schedule, utc("2026-01-17"))


@pytest.mark.parametrize("continent", sorted({name.partition("/")[0] for name in EVERYWHERE}))
def test_in_every_zone_a_second_around_midnight_is_on_the_right_day(continent: str) -> None:
    for zone in (name for name in EVERYWHERE if name.partition("/")[0] == continent):
        for schedule, found in around_midnight(zone):
            assert found is not None
            local = found.at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            assert local == found.nominal
            assert found.nominal.time() == schedule.start.time()
            if schedule.type is ScheduleType.DAILY:
                assert timedelta(0) < found.at - utc("2026-01-17") <= DAY
            else:
                assert found.nominal.date() == datetime(2026, 2, 1, tzinfo=UTC).date()
