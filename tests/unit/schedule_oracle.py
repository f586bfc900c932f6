"""A slow and simple second opinion on schedules: it walks days and minutes, and shares no code with what it judges."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from sluiceway.domain.schedule import Occurrence, Schedule, ScheduleType

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
MINUTES_OF_DAY = [n * MINUTE for n in range(24 * 60)]


def wall(text: str) -> datetime:
    """Read a local time as a test writes it: "2026-03-08 02:30"."""
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    """Read an instant in UTC as a test writes it: "2026-03-08 07:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def iso_week(day: date) -> int:
    """Count weeks in the rule's own words: week 1 is the one that holds the year's first Thursday."""
    thursday = day + timedelta(days=3 - day.weekday())
    return (thursday - date(thursday.year, 1, 1)).days // 7 + 1


def is_last_of_month(day: date) -> bool:
    """Tell whether the next day is in another month."""
    return (day + DAY).month != day.month


def falls_on(schedule: Schedule, day: date) -> bool:
    """Tell whether the schedule names this day, whatever its start."""
    start = schedule.start
    match schedule.type:
        case ScheduleType.ONE_TIME:
            return day == start.date()
        case ScheduleType.DAILY:
            return True
        case ScheduleType.WEEKLY:
            return day.weekday() == start.weekday()
        case ScheduleType.BI_WEEKLY:
            return day.day in {1, 15}
        case ScheduleType.MONTHLY:
            return day.day == start.day or (day.day < start.day and is_last_of_month(day))
        case ScheduleType.EVERY_OTHER_WEEK:
            return day.weekday() == start.weekday() and iso_week(day) % 2 == 0


def nominals(schedule: Schedule, first: date, last: date) -> Iterator[datetime]:
    """List the schedule's wall times from the first day to the last, walking day by day."""
    day = first
    while day <= last:
        if falls_on(schedule, day):
            nominal = datetime.combine(day, schedule.start.time())
            if nominal >= schedule.start:
                yield nominal
        day += DAY


@lru_cache(maxsize=256)
def clock_of_day(zone: str, day: date) -> dict[datetime, datetime]:
    """Read the zone's clock at each minute of a day in UTC: each wall minute, and when it was first shown."""
    tz = ZoneInfo(zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if len({(midnight + n * HOUR).astimezone(tz).utcoffset() for n in range(25)}) == 1:
        # Steady for every hour of the day: no need to ask at every minute.
        first = midnight.astimezone(tz).replace(tzinfo=None)
        return {first + minute: midnight + minute for minute in MINUTES_OF_DAY}
    seen: dict[datetime, datetime] = {}
    for minute in MINUTES_OF_DAY:
        seen.setdefault((midnight + minute).astimezone(tz).replace(tzinfo=None), midnight + minute)
    return seen


def fires_at(nominal: datetime, zone: str) -> datetime:
    """Walk the wall's minutes up from the nominal one until the clock shows one; offsets must be whole minutes."""
    minute = nominal.replace(second=0, microsecond=0)
    within = nominal - minute
    days = [nominal.date() + n * DAY for n in (-1, 0, 1)]
    while True:
        for day in days:
            shown = clock_of_day(zone, day).get(minute)
            if shown is not None:
                return shown + within
        minute += MINUTE
        within = timedelta(0)


def expected(schedule: Schedule, first: date, last: date) -> list[Occurrence]:
    """List all occurrences named for these days in order, where of several at one instant the latest name counts."""
    by_instant: dict[datetime, datetime] = {}
    for nominal in nominals(schedule, first, last):
        by_instant[fires_at(nominal, schedule.zone)] = nominal
    return [Occurrence(nominal=nominal, at=at) for at, nominal in sorted(by_instant.items())]


def expected_next(schedule: Schedule, after: datetime, reach: timedelta = timedelta(days=40)) -> Occurrence | None:
    """Find the next occurrence by listing everything around `after`, or the start where that is later, and on."""
    first, last = (after - 3 * DAY).date(), (after + reach).date()
    if schedule.start.date() > first:
        first, last = schedule.start.date(), (schedule.start + reach).date()
    return next((found for found in expected(schedule, first, last) if found.at > after), None)


@lru_cache
def transitions(zone: str, first_year: int, last_year: int) -> tuple[datetime, ...]:
    """Find the instants at which the zone's offset changes, looking at every day, then halving down to the second."""
    tz = ZoneInfo(zone)

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(tz).utcoffset()

    days = [datetime(first_year, 1, 1, tzinfo=UTC)]
    while days[-1].year <= last_year:
        days.append(days[-1] + DAY)
    offsets = [offset(day) for day in days]
    found: list[datetime] = []
    for (low, was), (high, will) in pairwise(zip(days, offsets, strict=True)):
        if was == will:
            continue
        left, right = low, high
        while right - left > SECOND:
            middle = left + (right - left) // 2 // SECOND * SECOND
            left, right = (middle, right) if offset(middle) == was else (left, middle)
        found.append(right)
    return tuple(found)


def reached_at(nominal: datetime, tz: tzinfo, change: datetime) -> datetime:
    """Tell when a clock that changes once, at `change`, first shows `nominal` or more: one straight line, then another.

    Valid where no other change is near, down to the microsecond and for offsets with odd seconds.
    """
    before = (change - SECOND).astimezone(tz).utcoffset()
    behind = change.astimezone(tz).utcoffset()
    assert before is not None
    assert behind is not None
    on_first_line = nominal.replace(tzinfo=UTC) - before
    if on_first_line < change:
        return on_first_line
    return max(change, nominal.replace(tzinfo=UTC) - behind)
