"""Amounts and percentages: whole minor units, exact percentages and the one rounding rule."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NewType

Cents = NewType("Cents", int)
"""An amount in the minor unit of its currency (cents for USD)."""

Percent = NewType("Percent", int)
"""A percentage in millionths of one percent: 20 % is 20_000_000. Exact to six decimals."""

NO_CENTS = Cents(0)
MAX_CENTS = Cents(10**13)
PERCENT_UNIT = 1_000_000
WHOLE = Percent(100 * PERCENT_UNIT)

_PLAIN = re.compile(r"[0-9]{1,3}(\.[0-9]+)?")
_MOST_DIGITS = 12


def parse_percent(value: int | str | Decimal) -> Percent:
    """Read a percentage from 0 to 100 with at most six decimals; raise ValueError otherwise."""
    if isinstance(value, bool) or (isinstance(value, str) and not _PLAIN.fullmatch(value)):
        raise ValueError("a percentage is a number")
    _, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("a percentage is a number")  # noqa: TRY004 -- infinities and NaN have no exponent
    # Few enough digits for the product below to be exact, whatever the decimal context rounds to.
    if len(digits) > _MOST_DIGITS or not -_MOST_DIGITS <= exponent <= _MOST_DIGITS:
        raise ValueError("a percentage has at most six decimals")
    scaled = Decimal(value) * PERCENT_UNIT
    if scaled != scaled.to_integral_value():
        raise ValueError("a percentage has at most six decimals")
    if not 0 <= scaled <= WHOLE:
        raise ValueError("a percentage is from 0 to 100")
    return Percent(int(scaled))


def format_percent(percent: Percent) -> str:
    """Write a percentage in the shortest decimal form: `20`, `33.3333`."""
    whole, fraction = divmod(percent, PERCENT_UNIT)
    return f"{whole}.{fraction:06}".rstrip("0").rstrip(".") if fraction else str(whole)


def percent_of(amount: int, percent: Percent) -> Cents:
    """Take a percentage of an amount >= 0, floored to the minor unit."""
    return Cents(amount * percent // WHOLE)


def split(total: Cents, percents: Sequence[Percent]) -> list[Cents]:
    """Share `total` by percentages: each part floored; if they sum to exactly 100, every cent moves.

    The left-over units then go one each to the largest remainders, ties in order (docs/explanation/how-a-rule-runs.md).
    """
    parts = [percent_of(total, percent) for percent in percents]
    if sum(percents) != WHOLE:
        return parts
    left_over = total - sum(parts)
    # Sorting by the negated remainder is stable, so equal remainders keep their order.
    by_remainder = sorted(range(len(parts)), key=lambda index: -(total * percents[index] % WHOLE))
    for index in by_remainder[:left_over]:
        parts[index] = Cents(parts[index] + 1)
    assert sum(parts) == total, "a split of 100 % moves every cent"
    return parts
