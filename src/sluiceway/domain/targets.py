"""What a person wants in an account, and how far it is: an amount, or an amount by a day at an even pace."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from sluiceway.domain.money import NO_CENTS, Cents

_DAYS_OF_A_MONTH: Final = 30


class Pace(StrEnum):
    """How an account stands to its target."""

    MET = "MET"
    ON_PACE = "ON_PACE"
    BEHIND = "BEHIND"
    BELOW = "BELOW"
    """Of a target without a day: it is not there yet, and nothing says when it should be."""
    UNKNOWN = "UNKNOWN"
    """Nobody knows what is there."""


@dataclass(frozen=True, slots=True)
class Target:
    """So much by the end of a day (None: at some time), paced from what was there on the day when it was set."""

    amount: Cents
    by_day: date | None
    from_day: date
    from_balance: Cents


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a target is. `expected`: what an even pace would have reached by today; None without a day.

    `a_month`: what thirty days have to bring from now on to be there in time; all that is short in the last of them.
    """

    pace: Pace
    short: Cents
    expected: Cents | None
    a_month: Cents | None


def standing(target: Target, balance: Cents | None, today: date) -> Standing:
    """Tell how an account stands to its target."""
    if balance is None:
        return Standing(Pace.UNKNOWN, NO_CENTS, None, None)
    short = Cents(max(0, target.amount - balance))
    if target.by_day is None:
        return Standing(Pace.BELOW if short else Pace.MET, short, None, None)
    expected = _expected(target, today)
    days_left = max(0, (target.by_day - today).days)
    # Rounded up, so that it is reached and not just missed.
    a_month = short if days_left <= _DAYS_OF_A_MONTH else Cents(-(-short * _DAYS_OF_A_MONTH // days_left))
    if not short:
        return Standing(Pace.MET, NO_CENTS, expected, NO_CENTS)
    return Standing(Pace.ON_PACE if balance >= expected else Pace.BEHIND, short, expected, a_month)


def _expected(target: Target, today: date) -> Cents:
    """Tell what an even pace has reached by a day, rounded down: nobody is behind by a part of a cent."""
    assert target.by_day is not None, "a pace needs a day"
    to_go = max(0, target.amount - target.from_balance)
    passed = min(max(0, (today - target.from_day).days), (days := (target.by_day - target.from_day).days))
    return Cents(target.amount - to_go + to_go * passed // days)
