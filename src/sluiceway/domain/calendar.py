"""What a calendar on the wall says of schedules: for the audit, and on purpose without how the next one is found."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sluiceway.domain.schedule import Schedule, ScheduleType

_DAY = timedelta(days=1)
_LONGEST_SKIP = timedelta(days=2)
_MOST_DAYS = 800
"""How many days between two runs are looked through; rarer schedules there are none."""


def names(schedule: Schedule, nominal: datetime) -> bool:
    """Tell whether a local time is one of the schedule's."""
    start = schedule.start
    if nominal < start or nominal.time() != start.time():
        return False
    match schedule.type:
        case ScheduleType.ONE_TIME:
            return nominal == start
        case ScheduleType.DAILY:
            return True
        case ScheduleType.WEEKLY:
            return nominal.weekday() == start.weekday()
        case ScheduleType.EVERY_OTHER_WEEK:
            return nominal.weekday() == start.weekday() and nominal.isocalendar().week % 2 == 0
        case ScheduleType.BI_WEEKLY:
            return nominal.day in (1, 15)
        case ScheduleType.MONTHLY:
            return nominal.day == min(start.day, monthrange(nominal.year, nominal.month)[1])


def begins_at(schedule: Schedule, nominal: datetime, at: datetime) -> bool:
    """Tell whether the zone's clock shows the local time at an instant, for the first time, or has just skipped it."""
    zone = UTC if schedule.zone == "UTC" else ZoneInfo(schedule.zone)
    shown = at.astimezone(zone).replace(tzinfo=None)
    just_before = (at - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
    is_skipped = just_before < nominal < shown <= nominal + _LONGEST_SKIP
    return (shown == nominal and shown.fold == 0) or is_skipped


def first_between(schedule: Schedule, after: datetime, before: datetime) -> datetime | None:
    """Find a local time of the schedule strictly between two others; None: there is none."""
    day = after
    for _ in range(_MOST_DAYS):
        day += _DAY
        if day >= before:
            return None
        if names(schedule, day):
            return day
    return None
