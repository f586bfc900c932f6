"""Amounts, durations and instants as people type and read them on the command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.rules import format_money, visible

NONE: Final = "none"
"""How somebody says that there is to be no bound."""

_AMOUNT = re.compile(r"\$?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.([0-9]{1,3}))?", re.ASCII)
_DURATION = re.compile(
    r"(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?", re.ASCII | re.IGNORECASE
)
_UNITS: Final = (timedelta(weeks=1), timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
_WORDS: Final = (("day", timedelta(days=1)), ("hour", _UNITS[2]), ("minute", _UNITS[3]), ("second", _UNITS[4]))
_BRIEF: Final = 2
_A_MOMENT: Final = timedelta(seconds=1)


def read_amount(written: str, currency: str = "USD") -> Cents:
    """Read an amount such as `1500.00` into minor units. Raises a usage error for anything else."""
    decimals = len(format_money(0, currency).partition(".")[2].partition(" ")[0])
    found = _AMOUNT.fullmatch(written.strip())
    # All the decimals or none: nobody should have to guess what 1500.5 or 1.500 was meant to be.
    if found is None or len(found[2] or "") not in (0, decimals):
        raise typer.BadParameter(f"'{visible(written)}' is not an amount such as {_example(decimals)}")
    cents = int(found[1].replace(",", "") + (found[2] or "0" * decimals))
    if cents > MAX_CENTS:
        raise typer.BadParameter(f"the greatest amount is {format_money(MAX_CENTS, currency)}")
    return Cents(cents)


def read_duration(written: str) -> timedelta:
    """Read a duration such as `90d`, `12h` or `1d12h`. Raises a usage error for anything else."""
    found = _DURATION.fullmatch(written.strip())
    counts = () if found is None else found.groups()
    if all(count is None for count in counts):
        raise typer.BadParameter(f"'{visible(written)}' is not a duration such as 90d, 12h, 30m or 1d12h")
    try:
        return sum((unit * int(count or 0) for unit, count in zip(_UNITS, counts, strict=True)), timedelta())
    except (OverflowError, ValueError) as failure:
        raise typer.BadParameter(f"'{visible(written)}' is too long") from failure


def read_instant(written: str) -> datetime:
    """Read an instant such as `2027-01-31T09:00Z`; without an offset it is UTC. Raises a usage error otherwise."""
    try:
        found = datetime.fromisoformat(written.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"'{visible(written)}' is not a time such as 2027-01-31T09:00Z") from None


def show_duration(lasts: timedelta, *, is_brief: bool = True) -> str:
    """Write a duration in words: `2 days 4 hours`, or with all its units if it is not to be brief."""
    rest, parts = abs(lasts), list[str]()
    for word, unit in _WORDS:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count} {word}{'' if count == 1 else 's'}")
        elif parts and is_brief:
            # `1 day 3 seconds` would pretend to more than it tells.
            break
    return " ".join(parts[:_BRIEF] if is_brief else parts) or "no time"


def show_age(at: datetime, now: datetime) -> str:
    """Tell how long ago something was."""
    return "just now" if now - at < _A_MOMENT else f"{show_duration(now - at)} ago"


def _example(decimals: int) -> str:
    return "1500" if not decimals else f"1500.{'0' * decimals}"
