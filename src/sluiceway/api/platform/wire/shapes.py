"""Shapes that every part of /platform/v1 uses: envelopes, pages, references to accounts, moments, query strings."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from sluiceway.api.http import Call, Choice, Instant, Whole, by_name, read_pairs
from sluiceway.domain.ids import AccountId, IdKind, parse_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import MAX_CENTS, Percent, format_percent
from sluiceway.domain.rules import refuse
from sluiceway.domain.transfers import Mode

T = TypeVar("T")

# Percentages travel as JSON numbers, written from Decimal: exact, and never a float.
encode: Final = msgspec.json.Encoder(decimal_format="number").encode

MAX_ID: Final = 100
MAX_NAME: Final = 200
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The id that nothing has: what a malformed one stands for where something is looked for."""

Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Cents = Annotated[int, Meta(description="Whole cents.")]
AtLeastZero = Annotated[int, Meta(ge=0, le=MAX_CENTS)]
AtLeastOne = Annotated[int, Meta(ge=1, le=MAX_CENTS)]
Number = Decimal
PercentNumber = Annotated[
    Decimal,
    Meta(description="At most six decimals.", extra_json_schema={"minimum": 0, "maximum": 100}),
]

AccountType = Literal["INCOME_SOURCE", "POD", "EXTERNAL_ACCOUNT"]
ACCOUNT_TYPES: Final = {
    kind.value: kind for kind in AccountKind if kind not in (AccountKind.WORLD, AccountKind.CLEARING)
}

ExecutionMode = Literal["LIVE", "SIMULATION"]
MODES: Final[dict[Mode, ExecutionMode]] = {Mode.LIVE: "LIVE", Mode.SIMULATION: "SIMULATION"}
MODE: Final[Choice[tuple[Mode | None]]] = Choice(
    "executionMode",
    {"LIVE": (Mode.LIVE,), "SIMULATION": (Mode.SIMULATION,), "ALL": (None,)},
    "Whether money moved, or the run was a simulation. Without it, only what is live.",
)
FROM: Final = Instant("from", "Not before this moment, which may have any offset.")
TO: Final = Instant("to", "Not after this moment, which may have any offset.", is_end=True)

MAX_REACH: Final = 100_000
"""How deep into a list pages reach: the database walks to where a page begins."""
PAGE: Final = Whole("page", 1, MAX_REACH, "Which page to give. Past the end there are empty ones.")
PAGE_SIZE: Final = Whole("pageSize", 10, 100, "How many entries a page has at most.")

MAX_PARAMETERS: Final = 256
_LIST: Final = re.compile(r"accountIds(?:\[\d{0,4}\])?", re.ASCII)
_SPELLINGS: Final = {"ruleExecutionId": "rule_execution_id"}
"""Parameters that the documentation spells in two ways."""


def read_query(query: bytes) -> dict[str, str]:
    """Read a query string, whichever way lists and doubtful names are spelled in it. Raises InvalidParameters."""
    found: list[tuple[str, str]] = []
    for number, (name, value) in enumerate(read_pairs(query, MAX_PARAMETERS)):
        is_listed = _LIST.fullmatch(name) is not None
        found.append((f"accountIds[{number}]" if is_listed else _SPELLINGS.get(name, name), value))
    return by_name(found)


def read_mode(call: Call) -> Mode | None:
    """Read which mode is wanted; None: both."""
    [mode] = MODE.read(call.query) or (Mode.LIVE,)
    return mode


class Window(NamedTuple):
    """Which entries of a list are wanted."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        """How many entries lie before."""
        return (self.page - 1) * self.size

    @property
    def limit(self) -> int:
        """How many to read: one more than is shown tells whether there is another page."""
        return self.size + 1


def read_window(call: Call) -> Window:
    """Read which page is wanted. Raises InvalidParameters."""
    window = Window(PAGE.read(call.query), PAGE_SIZE.read(call.query))
    if window.page * window.size > MAX_REACH:
        refuse(PAGE.name, f"reaches past entry {MAX_REACH} of the list; filter it instead, by time for example")
    return window


class Envelope(Struct, Generic[T], rename="camel"):
    """An answer."""

    data: T
    request_id: str


class Pagination(Struct, rename="camel"):
    """Where in a list a page stands."""

    page: int
    page_size: int
    has_next_page: bool


class Items(Struct, Generic[T], rename="camel"):
    """The entries of a page."""

    items: list[T]
    pagination: Pagination


class Page(Struct, Generic[T], rename="camel"):
    """A page of a list, newest first."""

    data: Items[T]
    request_id: str


def show(call: Call, value: object) -> bytes:
    """Write an answer."""
    return encode(Envelope(value, call.request_id))


def show_page(call: Call, items: Sequence[object], window: Window) -> bytes:
    """Write a page of a list from up to one entry more than it shows."""
    pagination = Pagination(window.page, window.size, len(items) > window.size)
    return encode(Page(Items(list(items[: window.size]), pagination), call.request_id))


def show_type(kind: AccountKind) -> Any:  # noqa: ANN401 -- one of AccountType's words
    """Write an account's type."""
    return kind.value


def show_word(value: object) -> Any:  # noqa: ANN401 -- one of the words that a structure lists
    """Write one of our words, which are those of this API."""
    return str(value)


def show_moment(at: datetime) -> str:
    """Write a moment in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def show_moment_or_none(at: datetime | None) -> str | None:
    """Write a moment, where there is one."""
    return None if at is None else show_moment(at)


def show_day(day: date | None) -> str | None:
    """Write a day, where there is one."""
    return None if day is None else day.isoformat()


def show_percent(percent: Percent) -> Decimal:
    """Write a percentage as an exact number."""
    return Decimal(format_percent(percent))


def read_account_id(spelling: str) -> AccountId | None:
    """Read the id of an account in any spelling; None is a malformed one, which no account has."""
    found = parse_id(IdKind.ACCOUNT, spelling)
    return None if found is None else AccountId(found)


def known(found: Sequence[str | None]) -> list[AccountId]:
    """Give ids of accounts to look for, the malformed ones as one that no account has."""
    return [AccountId(each or NOBODY) for each in found]


def camel(name: str) -> str:
    """Spell one of our own names in this generation's way."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the names of an object in our own way, leaving out what is null."""
    return {snake(key): value for key, value in values.items() if value is not None}


def snake(name: str) -> str:
    """Spell one of this generation's names in our own way."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
