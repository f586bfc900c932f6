"""ACH: banking days, windows and cut-offs, settlement instants, returns and their deadlines.

As docs/reference/sandbox-bank.md tells it. Pure; instants go in aware, in any zone, and come out in UTC. Days are those
of the Eastern calendar.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sluiceway.domain.money import Cents

EASTERN: Final = ZoneInfo("America/New_York")
OPENING: Final = time(8, 30)
"""When banks post what settles next day, and by when returns have to be back."""
CUT_OFF: Final = time(15)
"""A payment handed over from here on is entered on the next banking day."""
LARGEST_SAME_DAY: Final = Cents(100_000_000)
LARGEST_ENTRY: Final = Cents(9_999_999_999)
"""An entry has ten digits for its amount."""

_DAY: Final = timedelta(days=1)
_SUNDAY: Final = 6
_JUNETEENTH_SINCE: Final = 2021
_UNAUTHORIZED_DAYS: Final = timedelta(days=60)


class PaymentKind(StrEnum):
    """Which way a payment goes, seen from the external account."""

    PULL = "PULL"
    """An ACH debit: takes money from the external account."""
    PUSH = "PUSH"
    """An ACH credit: sends money to the external account."""


class ReturnCode(StrEnum):
    """Why the other bank sent a payment back (Nacha's codes)."""

    R01 = "R01"
    R02 = "R02"
    R03 = "R03"
    R10 = "R10"
    R16 = "R16"
    R29 = "R29"


class Window(NamedTuple):
    """One same-day run, in Eastern wall time: what was handed over before `cut_off` settles at `settles`."""

    cut_off: time
    settles: time


class ReturnRule(NamedTuple):
    """What a return code says, and which payments it can send back."""

    meaning: str
    kinds: frozenset[PaymentKind]


WINDOWS: Final = (
    Window(time(10, 30), time(13)),
    Window(time(14, 45), time(17)),
    Window(CUT_OFF, time(18)),
)
_BOTH: Final = frozenset(PaymentKind)
_PULLS: Final = frozenset({PaymentKind.PULL})
RETURNS: Final = {
    ReturnCode.R01: ReturnRule("insufficient funds", _PULLS),
    ReturnCode.R02: ReturnRule("account closed", _BOTH),
    ReturnCode.R03: ReturnRule("no such account", _BOTH),
    ReturnCode.R10: ReturnRule("customer says it was not authorized", _PULLS),
    ReturnCode.R16: ReturnRule("account frozen", _BOTH),
    ReturnCode.R29: ReturnRule("company says it was not authorized", _PULLS),
}


def is_banking_day(day: date) -> bool:
    """Tell whether the Federal Reserve Banks are open on a day."""
    return day.weekday() < _SUNDAY - 1 and day not in holidays(day.year)


def next_banking_day(day: date, count: int = 1) -> date:
    """Give the banking day that comes `count` banking days after a day."""
    for _ in range(count):
        day += _DAY
        while not is_banking_day(day):
            day += _DAY
    return day


@cache
def holidays(year: int) -> frozenset[date]:
    """List the weekdays of a year on which the Federal Reserve Banks keep a holiday.

    By today's calendar, with Juneteenth from 2021. One that falls on a Sunday is kept on Monday, one on a Saturday not
    at all.
    """
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    if year >= _JUNETEENTH_SINCE:
        fixed.append(date(year, 6, 19))
    moving = {
        _nth(year, 1, 0, 3),  # Martin Luther King Jr. Day
        _nth(year, 2, 0, 3),  # Washington's Birthday
        _nth(year, 6, 0, 1) - 7 * _DAY,  # Memorial Day, the last Monday of May
        _nth(year, 9, 0, 1),  # Labor Day
        _nth(year, 10, 0, 2),  # Columbus Day
        _nth(year, 11, 3, 4),  # Thanksgiving Day
    }
    moving.update(day + _DAY if day.weekday() == _SUNDAY else day for day in fixed)
    return frozenset(day for day in moving if day.weekday() < _SUNDAY - 1)


def eastern_day(at: datetime) -> date:
    """Give the day of the banks' calendar in which an instant lies."""
    return at.astimezone(EASTERN).date()


def entry_day(handed_over: datetime) -> date:
    """Give the banking day on which a payment is entered: that day if handed over before the cut-off, else the next."""
    local = handed_over.astimezone(EASTERN)
    if is_banking_day(local.date()) and local.time() < CUT_OFF:
        return local.date()
    return next_banking_day(local.date())


def push_settles_at(handed_over: datetime, amount: Cents) -> datetime:
    """Tell when a push settles: in the next window that it reaches, or, too large for that, the day after its entry."""
    day = entry_day(handed_over)
    if amount > LARGEST_SAME_DAY:
        return _instant(next_banking_day(day), OPENING)
    local = handed_over.astimezone(EASTERN)
    # What is entered on a later day than it was handed over is there for that day's first window.
    reached = [window for window in WINDOWS if day != local.date() or local.time() < window.cut_off]
    return _instant(day, reached[0].settles)


def pull_settles_at(handed_over: datetime) -> datetime:
    """Tell when a pull settles: two banking days after its entry."""
    return _instant(next_banking_day(entry_day(handed_over), 2), OPENING)


def liability_posts_at(handed_over: datetime) -> datetime:
    """Tell when a liability's provider posts a payment pushed to it: two banking days after its entry."""
    return _instant(next_banking_day(entry_day(handed_over), 2), OPENING)


def moved_from(handed_over: datetime, settles: datetime) -> datetime | None:
    """Tell when a payment would settle if banks worked every day; None: no sooner than it does."""
    entered, local, day = entry_day(handed_over), handed_over.astimezone(EASTERN), eastern_day(settles)
    if not is_banking_day(day):
        return None  # Its bank does not keep to this calendar.
    working = sum(is_banking_day(entered + after * _DAY) for after in range(1, (day - entered).days + 1))
    plain = local.date() + (working + (local.time() >= CUT_OFF)) * _DAY
    return _instant(plain, settles.astimezone(EASTERN).time()) if plain < day else None


def next_opening(at: datetime) -> datetime:
    """Give the opening of the first banking day after the day of an instant."""
    return _instant(next_banking_day(eastern_day(at)), OPENING)


def return_deadline(code: ReturnCode, settled_at: datetime) -> datetime:
    """Tell until when (inclusive) a settled payment may be sent back for a reason.

    Most: the opening of the second banking day after settlement. R10: the same time of day 60 calendar days later.
    """
    local = settled_at.astimezone(EASTERN)
    if code is ReturnCode.R10:
        return _instant(local.date() + _UNAUTHORIZED_DAYS, local.time())
    return _instant(next_banking_day(local.date(), 2), OPENING)


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + _DAY * ((weekday - first.weekday()) % 7 + 7 * (count - 1))


def _instant(day: date, wall: time) -> datetime:
    # Clocks change at 2 in the morning, when no bank settles, so each of these times exists once on every day. A return
    # deadline keeps the time of a settlement, and a person may settle at any time: where that is skipped or repeated,
    # `fold=0` reads it by the offset before the change.
    return datetime.combine(day, wall.replace(fold=0), EASTERN).astimezone(UTC)
