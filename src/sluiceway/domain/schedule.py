"""When a schedule fires: arithmetic on local wall times in one zone; reads no clock.

An occurrence is known by its nominal local time and fires at the first instant at which the zone's clock has reached
that time. One definition therefore covers the times that a clock skips, the times that it shows twice, and the rest.
"""

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import assert_never
from zoneinfo import ZoneInfo, available_timezones

# Inside this module an instant is the time since year 1 began in UTC, and a wall time is the same on the wall's clock.
# A timedelta reaches far beyond both ends of the calendar, so no sum of times and offsets can overflow.
_ORIGIN = datetime.min  # noqa: DTZ901 -- the origin of wall times and of instants alike
_LAST = datetime.max - _ORIGIN  # noqa: DTZ901 -- the last moment of year 9999
_TICK = datetime.resolution
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)

# Names in the time-zone database that say nothing about a place: the machine's own zone, and "nobody has set one".
_PLACELESS = frozenset({"localtime", "Factory"})


class ScheduleType(StrEnum):
    """How a schedule repeats; the names are those of the API."""

    ONE_TIME = "ONE_TIME"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    BI_WEEKLY = "BI_WEEKLY"  # The 1st and the 15th of each month.
    MONTHLY = "MONTHLY"  # The start's day; 29 to 31 clamp to the month's end.
    EVERY_OTHER_WEEK = "EVERY_OTHER_WEEK"  # The start's weekday in weeks with an even ISO number.


# From one occurrence to the next, at most. Even ISO weeks are three weeks apart after a year of 53.
_LONGEST_WAIT = {
    ScheduleType.ONE_TIME: _LAST,
    ScheduleType.DAILY: _DAY,
    ScheduleType.WEEKLY: _WEEK,
    ScheduleType.BI_WEEKLY: 17 * _DAY,
    ScheduleType.MONTHLY: 31 * _DAY,
    ScheduleType.EVERY_OTHER_WEEK: 3 * _WEEK,
}
# How far a zone can shift that: by less than a day of offset at each end, and by a skipped day, the longest gap.
_LONGEST_SHIFT = 3 * _DAY


@dataclass(eq=False)
class BadSchedule(ValueError):
    """A schedule that cannot be: which of its fields is wrong, and why."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A repetition from a first local wall time in an IANA zone.

    No occurrence is before `start`, which is naive and keeps its seconds and microseconds.
    Making one raises BadSchedule for an aware start or for a zone that the time-zone database does not know.
    """

    type: ScheduleType
    start: datetime
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.start.tzinfo is not None:
            raise BadSchedule("start", "must be a local time without an offset; its zone is a field of its own")
        if not is_zone(self.zone):
            raise BadSchedule("zone", "is not a name in the time-zone database")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One firing of a schedule. The order of the nominal times is the order of the instants.

    `nominal` is the naive local time that the schedule names: the identity, at most once for each schedule.
    `at` is when it fires, in UTC: later than `nominal` says only where the zone's clock skips that time.
    """

    nominal: datetime
    at: datetime


def next_fire(schedule: Schedule, after: datetime, zone: tzinfo | None = None) -> Occurrence | None:
    """Find the first occurrence strictly after the aware instant `after`; None when there is none up to year 9999.

    A nominal time that the zone skips fires at the first instant after the gap; one that it shows twice, at the first.
    Where a zone skipped a whole day (Apia, 2011-12-30), a daily schedule still fires for that day, when the next one
    begins. If another nominal time falls on that very instant, as midnight does, the later one, which the clock does
    show, stands for both: a schedule never fires twice at one instant.

    `zone` stands in for the one that the schedule names, for a caller who holds another release of the database.
    """
    return _first_after(schedule, _instant(after), zone or zone_of(schedule.zone))


def latest_missed(
    schedule: Schedule, after: datetime, until: datetime, zone: tzinfo | None = None
) -> Occurrence | None:
    """Find the latest occurrence after `after` and not after `until`, both aware: what to catch up on after downtime.

    Costs the same however long the downtime was.
    """
    end = _instant(until)
    begin = max(_instant(after), end - _LONGEST_WAIT[schedule.type] - _LONGEST_SHIFT)
    latest = None
    for latest in _walk(schedule, begin, end, zone or zone_of(schedule.zone)):  # noqa: B007 -- the last one is the answer
        pass
    return latest


def occurrences(
    schedule: Schedule, after: datetime, until: datetime, limit: int, zone: tzinfo | None = None
) -> Iterator[Occurrence]:
    """List at most `limit` occurrences after `after` and not after `until`, both aware, in order."""
    return islice(_walk(schedule, _instant(after), _instant(until), zone or zone_of(schedule.zone)), limit)


def _walk(schedule: Schedule, after: timedelta, until: timedelta, zone: tzinfo) -> Iterator[Occurrence]:
    found = _first_after(schedule, after, zone)
    while found is not None and (at := _instant(found.at)) <= until:
        yield found
        found = _first_after(schedule, at, zone)


def _first_after(schedule: Schedule, after: timedelta, zone: tzinfo) -> Occurrence | None:
    # Nothing fires before year 1 begins in UTC, since nobody could write that instant down.
    after = max(after, -_TICK)
    # An offset is less than a day, so the zone's clock had passed every earlier wall time by then. Of the later ones
    # at most three have fired too, because a schedule has at most one occurrence on a day.
    nominal = _nominal_from(schedule, after - _DAY)
    found: tuple[timedelta, datetime] | None = None
    while nominal is not None:
        fires = _fires_at(nominal, zone)
        if found is not None and fires > found[0]:
            break
        if fires > after:
            found = fires, nominal
        nominal = _nominal_from(schedule, nominal - _ORIGIN + _TICK)
    if found is None or found[0] > _LAST:
        return None
    return Occurrence(nominal=found[1], at=_ORIGIN.replace(tzinfo=UTC) + found[0])


def _fires_at(nominal: datetime, zone: tzinfo) -> timedelta:
    """Tell the first instant at which the zone's clock has reached `nominal`."""
    before = _known(zone.utcoffset(nominal))
    behind = _known(zone.utcoffset(nominal.replace(fold=1)))
    fires = nominal - _ORIGIN - before
    if before >= behind:
        return fires
    # The clock skips `nominal` (PEP 495), somewhere between what the two offsets make of it. Changes are on whole
    # seconds; the search takes at most 17 looks, a gap being no longer than a day.
    seconds = range((nominal - _ORIGIN - behind) // _SECOND, fires // _SECOND + 1)
    named = nominal.replace(tzinfo=zone)
    origin = _ORIGIN.replace(tzinfo=zone)

    def is_reached(second: int) -> bool:
        # Datetimes of one zone add up and compare by their wall clocks alone, which is what fromutc and we want here.
        return zone.fromutc(origin + second * _SECOND) >= named

    return seconds[bisect_left(seconds, True, key=is_reached)] * _SECOND  # noqa: FBT003 -- the first second that is


def _nominal_from(schedule: Schedule, floor: timedelta) -> datetime | None:
    """Find the schedule's first wall time that is not before `floor`."""
    start = schedule.start - _ORIGIN
    floor = max(floor, start)
    if floor > _LAST:
        return None
    match schedule.type:
        case ScheduleType.ONE_TIME:
            return _ORIGIN + start if floor == start else None
        case ScheduleType.DAILY:
            return _step_from(start, floor, _DAY)
        case ScheduleType.WEEKLY:
            return _step_from(start, floor, _WEEK)
        case ScheduleType.EVERY_OTHER_WEEK:
            return _even_week_from(start, floor)
        case ScheduleType.BI_WEEKLY:
            return _day_of_month_from(schedule.start, _ORIGIN + floor, (1, 15))
        case ScheduleType.MONTHLY:
            return _day_of_month_from(schedule.start, _ORIGIN + floor, (schedule.start.day,))
        case _:
            assert_never(schedule.type)


def _step_from(start: timedelta, floor: timedelta, step: timedelta) -> datetime | None:
    steps = -((start - floor) // step)  # Rounded up.
    wall = start + steps * step
    return _ORIGIN + wall if wall <= _LAST else None


def _even_week_from(start: timedelta, floor: timedelta) -> datetime | None:
    nominal = _step_from(start, floor, _WEEK)
    while nominal is not None and nominal.isocalendar().week % 2 != 0:  # At most twice: week 53, then week 1.
        nominal = _step_from(start, nominal - _ORIGIN + _WEEK, _WEEK)
    return nominal


def _day_of_month_from(start: datetime, floor: datetime, days: tuple[int, ...]) -> datetime | None:
    following = (floor.year, floor.month + 1) if floor.month < 12 else (floor.year + 1, 1)  # noqa: PLR2004 -- December
    for year, month in ((floor.year, floor.month), following):
        if year > MAXYEAR:
            break
        length = monthrange(year, month)[1]
        for day in days:
            nominal = start.replace(year=year, month=month, day=min(day, length), fold=0)
            if nominal >= floor:
                return nominal
    return None


def _instant(moment: datetime) -> timedelta:
    # Not astimezone, which overflows near both ends; and not two aware datetimes compared, which looks at the wall
    # clock alone when both have the same zone.
    return moment.replace(tzinfo=None) - _ORIGIN - _known(moment.utcoffset())


def _known(offset: timedelta | None) -> timedelta:
    assert offset is not None, "an instant needs an offset"
    return offset


def is_zone(name: str) -> bool:
    """Tell whether the time-zone database knows a name, and it says something about a place."""
    return name == "UTC" or name in _known_zones()


def zone_of(name: str) -> tzinfo:
    """Give a zone by its name, which `is_zone`."""
    return UTC if name == "UTC" else _loaded(name)  # UTC works on a machine without any time-zone database.


@cache  # Bounded: Schedule lets only the few hundred known names through.
def _loaded(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _PLACELESS
