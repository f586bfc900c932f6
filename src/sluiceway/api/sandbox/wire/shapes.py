"""Shapes that every part of the sandbox uses: the envelope, moments, days, ids, and bodies that say nothing."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from sluiceway.api.http import Call
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.money import MAX_CENTS, Cents, Percent, format_percent
from sluiceway.domain.rules import Fields, refuse, whole

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

# Percentages travel as JSON numbers, written from Decimal: exact, and never a float.
encode: Final = msgspec.json.Encoder(decimal_format="number").encode

MAX_ID: Final = 100
MAX_TEXT: Final = 200

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
AtLeastZero = Annotated[int, Meta(ge=0, le=MAX_CENTS)]
AtLeastOne = Annotated[int, Meta(ge=1, le=MAX_CENTS)]
Signed = Annotated[int, Meta(ge=-MAX_CENTS, le=MAX_CENTS)]
Number = Decimal
PercentNumber = Annotated[
    Decimal,
    Meta(description="At most six decimals.", extra_json_schema={"minimum": 0, "maximum": 100}),
]


class Envelope(Struct, Generic[T]):
    """An answer."""

    request_id: str
    data: T


class Nothing(Struct, forbid_unknown_fields=True):
    """A body without fields; it may be left out."""


def read_nothing(call: Call) -> None:
    """Refuse a body that asks for something."""
    Fields.of(call.body, "").end()


def read_name(fields: Fields, key: str) -> str:
    """Read text that is required and says something."""
    text = fields.text(key, MAX_TEXT)
    if not text.strip():
        refuse(fields.at(key), "must not be empty")
    return text


def read_name_or_none(fields: Fields, key: str) -> str | None:
    """Read text that says something, where there is any."""
    return read_name(fields, key) if fields.has(key) or fields.raw(key, None) is not None else None


def read_word(fields: Fields, key: str, words: Mapping[str, E]) -> E:
    """Read one of a few words."""
    text = fields.raw(key)
    if not isinstance(text, str) or text not in words:
        refuse(fields.at(key), f"must be one of {', '.join(words)}")
    return words[text]


def read_figure(fields: Fields, key: str, low: int = 0) -> Cents | None:
    """Read whole cents, from `low` on, where they are given."""
    value = fields.raw(key, None)
    return None if value is None else Cents(whole(value, fields.at(key), low, MAX_CENTS))


def read_percent(fields: Fields, key: str) -> Percent | None:
    """Read a percentage, which this API writes as a number only, where there is one."""
    if isinstance(fields.raw(key, None), str):
        refuse(fields.at(key), "must be a number")
    return fields.percent(key) if fields.has(key) else None


def read_day(fields: Fields, key: str) -> date | None:
    """Read a day, where there is one."""
    text = fields.text_or_none(key, MAX_TEXT)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        refuse(fields.at(key), "must be a date such as 2024-04-23")
    return day


def lower(kind: type[E]) -> dict[str, E]:
    """Give the words for an enumeration."""
    return {one.value.lower(): one for one in kind}


def show_id(kind: IdKind, value: str | None) -> str | None:
    """Write an id, where there is one."""
    return None if value is None else format_id(kind, value)


def show_moment(at: datetime) -> str:
    """Write a moment in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def show_moment_or_none(at: datetime | None) -> str | None:
    """Write a moment, where there is one."""
    return None if at is None else show_moment(at)


def show_day(day: date | None) -> str | None:
    """Write a day, where there is one."""
    return None if day is None else day.isoformat()


def show_percent(percent: Percent | None) -> Any:  # noqa: ANN401 -- a Decimal or nothing
    """Write a percentage as an exact number, where there is one."""
    return None if percent is None else Decimal(format_percent(percent))
