"""Shapes that every part of the app uses: envelopes, lists with cursors, amounts, moments, strict bodies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta, Struct

from sluiceway.api.http import Whole
from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import from_base32
from sluiceway.domain.rules import is_storable, refuse

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

# Percentages travel as JSON numbers, written from Decimal: exact, and never a float.
encode: Final = msgspec.json.Encoder(decimal_format="number").encode

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Cents = Annotated[int, Meta(description="Whole cents.")]
Number = Decimal
JsonObject = Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": True})]
"""An object whose shape somebody else decides, such as a browser."""

ZONES: Final = [
    "UTC",
    *sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/", "US/"))),
]
"""The time zones that people choose from: places, and no second names."""

LIMIT: Final = Whole("limit", 25, 100, "How many entries to give at most.")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to go on: the `nextCursor` of the answer before."""

    name = "cursor"
    is_required = False
    description = "Go on after this, the `nextCursor` of the answer before."

    def read(self, query: Mapping[str, str]) -> str | None:
        """Read the id of the last entry seen. Raises InvalidParameters unless it can be one."""
        text = query.get(self.name)
        if text is None:
            return None
        last = from_base32(text)
        if last is None:
            refuse(self.name, "is not a cursor of this list")
        return last

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "string"}


CURSOR: Final = Cursor()


class Envelope(Struct, Generic[T]):
    """An answer that is one thing."""

    data: T


class Page(Struct, Generic[T], rename="camel"):
    """An answer that is a part of a list, newest first. `nextCursor`: how to ask for what comes after, if anything."""

    data: list[T]
    next_cursor: str | None


class Nothing(Struct):
    """An answer that has nothing to tell but that it is done."""

    data: None = None


def show(value: object) -> bytes:
    """Write an answer that is one thing."""
    return encode(Envelope(value))


def show_page(items: Sequence[object], next_cursor: str | None) -> bytes:
    """Write a part of a list."""
    return encode(Page(list(items), next_cursor))


def show_moment(at: datetime) -> str:
    """Write a moment in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def show_moment_or_none(at: datetime | None) -> str | None:
    """Write a moment, where there is one."""
    return None if at is None else show_moment(at)


def show_day(day: date | None) -> str | None:
    """Write a day, where there is one."""
    return None if day is None else day.isoformat()


def moved_in_words(since: datetime | None, zone: tzinfo) -> str | None:
    """Say from which day banks have moved a payment, because they do not work every day; None: they have not."""
    if since is None:
        return None
    day = since.astimezone(zone)
    return f"Moved from {day:%a} {day.day} {day:%b}: banks rest in between"


def read_body(body: object, kind: type[S]) -> S:
    """Read a parsed body into a structure, strictly. Raises InvalidParameters, which says where it is wrong."""
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as problem:
        raise InvalidParameters((_problem(str(problem)),)) from problem


def read_text(text: str, path: str, longest: int = 200) -> str:
    """Read text that a person has typed. Raises InvalidParameters where it is empty, too long or cannot be stored."""
    read = text.strip()
    if not read:
        refuse(path, "must not be empty")
    if len(read) > longest:
        refuse(path, f"must have at most {longest} characters")
    if not is_storable(read):
        refuse(path, "must not contain NUL or unpaired surrogates")
    return read


def _problem(text: str) -> Problem:
    """Take a complaint of msgspec's apart: `Expected ... - at `$.a[0].b``."""
    said, _, at = text.partition(" - at ")
    path = at.strip("`").removeprefix("$").lstrip(".").replace("[", "/").replace("]", "").replace(".", "/")
    return Problem(path, said[:1].lower() + said[1:])
