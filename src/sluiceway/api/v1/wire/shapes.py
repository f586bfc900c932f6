"""Shapes that every part of v1 uses: envelopes, pages, references to accounts, moments."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from sluiceway.api.http import Call, Choice
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import Account, AccountKind
from sluiceway.domain.money import MAX_CENTS, Percent, format_percent
from sluiceway.domain.rules import Fields, refuse
from sluiceway.domain.transfers import Mode

T = TypeVar("T")

# Percentages travel as JSON numbers, written from Decimal: exact, and never a float.
encode: Final = msgspec.json.Encoder(decimal_format="number").encode

MAX_TEXT: Final = 200

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Cents = Annotated[int, Meta(description="Whole cents.")]
AtLeastZero = Annotated[int, Meta(ge=0, le=MAX_CENTS)]
AtLeastOne = Annotated[int, Meta(ge=1, le=MAX_CENTS)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Number = Decimal
PercentNumber = Annotated[
    Decimal,
    Meta(description="At most six decimals.", extra_json_schema={"minimum": 0, "maximum": 100}),
]

AccountType = Literal["income_source", "pod", "external_account"]
ACCOUNT_TYPES: Final = {
    kind.value.lower(): kind for kind in AccountKind if kind not in (AccountKind.WORLD, AccountKind.CLEARING)
}


ExecutionMode = Literal["live", "simulation"]
MODES: Final[dict[Mode, ExecutionMode]] = {Mode.LIVE: "live", Mode.SIMULATION: "simulation"}
MODE: Final[Choice[tuple[Mode | None]]] = Choice(
    "execution_mode",
    {"live": (Mode.LIVE,), "simulation": (Mode.SIMULATION,), "all": (None,)},
    "Whether money moved, or the run was a simulation. Without it, only what is live. An extension of this server.",
)


def read_mode(call: Call) -> Mode | None:
    """Read which mode is wanted; None: both."""
    [mode] = MODE.read(call.query) or (Mode.LIVE,)
    return mode


class Nothing(Struct, forbid_unknown_fields=True):
    """A body without fields; it may be left out."""


def read_nothing(call: Call) -> None:
    """Refuse a body that asks for something."""
    Fields.of(call.body, "").end()


class Envelope(Struct, Generic[T]):
    """An answer."""

    request_id: str
    data: T


class PageInfo(Struct):
    """Where a list goes on: `end_cursor` is the next request's `after`."""

    end_cursor: str | None
    has_next_page: bool


class Page(Struct, Generic[T]):
    """A page of a list, newest first."""

    request_id: str
    data: list[T]
    page_info: PageInfo


class AccountRef(Struct, forbid_unknown_fields=True):
    """An account with its type, which must be the account's own."""

    id: str
    type: AccountType


class NamedAccount(Struct):
    """An account with its name."""

    id: str
    name: str
    type: AccountType


def show_id(kind: IdKind, value: str | None) -> str | None:
    """Write an id, where there is one."""
    return None if value is None else format_id(kind, value)


def show_type(kind: AccountKind) -> Any:  # noqa: ANN401 -- one of AccountType's words
    """Write an account's type."""
    return kind.value.lower()


def show_word(value: StrEnum) -> Any:  # noqa: ANN401 -- one of the words that a structure lists
    """Write one of our words, which this API spells in small letters."""
    return value.value.lower()


def show_ref(account: Account) -> AccountRef:
    """Name an account as the ends of an action do."""
    return AccountRef(format_id(IdKind.ACCOUNT, account.id), show_type(account.kind))


def show_moment(at: datetime) -> str:
    """Write a moment in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def show_moment_or_none(at: datetime | None) -> str | None:
    """Write a moment, where there is one."""
    return None if at is None else show_moment(at)


def show_percent(percent: Percent) -> Decimal:
    """Write a percentage as an exact number."""
    return Decimal(format_percent(percent))


def show_page(call: Call, items: Sequence[T], ids: Sequence[str], first: int, owner: str) -> bytes:
    """Write a page of a list from up to one entry more than it shows. `ids` are those of the entries."""
    shown = list(items[:first])
    end = call.cursor(ids[len(shown) - 1], owner) if shown else None
    return encode(Page(call.request_id, shown, PageInfo(end, len(items) > first)))


def read_name(fields: Fields, key: str) -> str:
    """Read text that is required and says something."""
    text = fields.text(key, MAX_TEXT)
    if not text.strip():
        refuse(fields.at(key), "must not be empty")
    return text


def read_percent(fields: Fields, key: str) -> Percent:
    """Read a percentage, which this API writes as a number only."""
    if isinstance(fields.raw(key), str):
        refuse(fields.at(key), "must be a number")
    return fields.percent(key)
