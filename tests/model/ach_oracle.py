"""When payments settle and until when they may come back: docs/reference/sandbox-bank.md, read a second time."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
OPENING = time(8, 30)
WINDOWS = ((time(10, 30), time(13)), (time(14, 45), time(17)), (time(15), time(18)))
FIXED_HOLIDAYS = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))
# Month, weekday, and the days of the month on which it can fall.
MOVING_HOLIDAYS = (
    (1, 0, range(15, 22)),
    (2, 0, range(15, 22)),
    (5, 0, range(25, 32)),
    (9, 0, range(1, 8)),
    (10, 0, range(8, 15)),
    (11, 3, range(22, 29)),
)


def eastern_day(at: datetime) -> date:
    """Give the bank's day."""
    return at.astimezone(EASTERN).date()


def is_open(day: date) -> bool:
    """Tell whether it is a banking day (from 2021 on)."""
    if day.weekday() > 4:
        return False
    if (day.month, day.day) in FIXED_HOLIDAYS:
        return False
    before = day - DAY
    if day.weekday() == 0 and (before.month, before.day) in FIXED_HOLIDAYS:
        return False
    return not any(
        day.month == month and day.weekday() == on and day.day in days for month, on, days in MOVING_HOLIDAYS
    )


def later(day: date, banking_days: int) -> date:
    """Walk on for so many banking days."""
    while banking_days:
        day += DAY
        banking_days -= is_open(day)
    return day


def entered(at: datetime) -> date:
    """Give the day of entry."""
    local = at.astimezone(EASTERN)
    return local.date() if is_open(local.date()) and local.time() < time(15) else later(local.date(), 1)


def settles(kind: str, at: datetime, amount: int, *, is_liability: bool) -> datetime:
    """Tell when a payment handed over at an instant settles."""
    day = entered(at)
    if kind == "PULL" or is_liability:
        return _instant(later(day, 2), OPENING)
    if amount > 100_000_000:
        return _instant(later(day, 1), OPENING)
    local = at.astimezone(EASTERN)
    if day != local.date():
        return _instant(day, WINDOWS[0][1])
    return _instant(day, next(settled for cut_off, settled in WINDOWS if local.time() < cut_off))


def comes_back(settled_at: datetime) -> datetime:
    """Tell when a push comes back of which the account was closed, frozen or unknown."""
    return _instant(later(eastern_day(settled_at), 1), OPENING)


def last_return(code: str, settled_at: datetime) -> datetime:
    """Tell until when a settled payment may be returned."""
    local = settled_at.astimezone(EASTERN)
    if code == "R10":
        return datetime.combine(local.date() + 60 * DAY, local.time(), EASTERN).astimezone(UTC)
    return _instant(later(local.date(), 2), OPENING)


def _instant(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, EASTERN).astimezone(UTC)
