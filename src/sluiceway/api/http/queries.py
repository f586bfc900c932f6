"""Query parameters: each is declared once, and reads itself and documents itself. Also cursors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from sluiceway.domain.ids import IdKind, from_base32, parse_id, to_base32
from sluiceway.domain.rules import refuse

MAX_PARAMETERS: Final = 64
_MARK_LENGTH: Final = 12
_MILLISECOND_US: Final = 1000

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_UNESCAPED_PLUS: Final = re.compile(r" (?=\d\d:\d\d\Z)", re.ASCII)

T = TypeVar("T")


def read_query(query: bytes) -> dict[str, str]:
    """Read a query string. Raises InvalidParameters; a parameter that is sent twice has no meaning here."""
    return by_name(read_pairs(query))


def read_pairs(query: bytes, most: int = MAX_PARAMETERS) -> list[tuple[str, str]]:
    """Read a query string into at most so many parameters, in order. Raises InvalidParameters."""
    if not query:
        return []
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=most, errors="strict")
    except ValueError:
        refuse("query", "cannot be read")


def by_name(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Give parameters by name. Raises InvalidParameters where one is there twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        refuse("query", "holds a parameter twice")
    return found


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """One of a few words, each standing for a value."""

    name: str
    words: Mapping[str, T]
    description: str = ""

    is_required = False

    def read(self, query: Mapping[str, str]) -> T | None:
        """Read the parameter, None where it is missing. Raises InvalidParameters."""
        text = query.get(self.name)
        if text is None:
            return None
        if text not in self.words:
            refuse(self.name, f"must be one of {', '.join(self.words)}")
        return self.words[text]

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, RFC 3339 with any offset."""

    name: str
    description: str = ""
    is_end: bool = False
    """Whether it is the end of a range, which belongs to the range."""

    is_required = False

    def read(self, query: Mapping[str, str]) -> datetime | None:
        """Read the parameter in UTC, None where it is missing. Raises InvalidParameters."""
        text = query.get(self.name)
        if text is None:
            return None
        moment = read_instant(text, self.name)
        if self.is_end and moment.microsecond % _MILLISECOND_US == 0:
            # Moments are kept to the microsecond and shown to the millisecond: one that was shown must be in its range.
            return moment + timedelta(microseconds=_MILLISECOND_US - 1)
        return moment

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "string", "format": "date-time"}


def read_instant(text: str, path: str) -> datetime:
    """Read a moment into UTC. Raises InvalidParameters."""
    # Somebody who forgets to escape the plus of an offset sends a space.
    text = _UNESCAPED_PLUS.sub("+", text)
    try:
        # The calendar's ends have no neighbours in UTC.
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC) if _RFC_3339.fullmatch(text) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        refuse(path, "must be a date and time with an offset, such as 2024-04-23T09:15:00Z")
    return moment


@dataclass(frozen=True, slots=True)
class Named:
    """The id of something, in any spelling."""

    name: str
    kind: IdKind
    description: str = ""
    is_required: bool = False

    def read(self, query: Mapping[str, str]) -> str | None:
        """Read the id; a malformed one is None, as it names nothing. Raises InvalidParameters when it is missing."""
        text = query.get(self.name)
        if text is None:
            if self.is_required:
                refuse(self.name, "is required")
            return None
        return parse_id(self.kind, text)

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one to `most` things, in any spelling, the parameter repeated for each.

    They are read under the names `name[0]`, `name[1]` and so on, to which a generation brings its own spellings.
    """

    name: str
    kind: IdKind
    most: int
    description: str = ""

    is_required = True

    def read(self, query: Mapping[str, str]) -> list[str | None]:
        """Read the ids; a malformed one is None, as it names nothing. Raises InvalidParameters."""
        numbered = re.compile(rf"{self.name}\[\d+\]", re.ASCII)
        texts = [text for name, text in query.items() if numbered.fullmatch(name)]
        if not texts:
            refuse(self.name, "is required")
        if len(texts) > self.most:
            refuse(self.name, f"must have at most {self.most} entries")
        return list(dict.fromkeys(parse_id(self.kind, text) for text in texts))

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from 1 to a maximum."""

    name: str
    default: int
    maximum: int
    description: str = ""

    is_required = False

    def read(self, query: Mapping[str, str]) -> int:
        """Read the parameter. Raises InvalidParameters."""
        return _read_count(query.get(self.name), self.name, self.default, self.maximum)

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "integer", "minimum": 1, "maximum": self.maximum, "default": self.default}


def _read_count(text: str | None, name: str, default: int, maximum: int) -> int:
    if text is None:
        return default
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(maximum))
    if not is_number or not 1 <= int(text) <= maximum:
        refuse(name, f"must be a whole number from 1 to {maximum}")
    return int(text)


@dataclass(frozen=True, slots=True)
class First:
    """How many entries a page has at most."""

    default: int
    maximum: int

    name = "first"
    is_required = False
    description = "How many entries to give at most."

    def read(self, query: Mapping[str, str]) -> int:
        """Read the parameter. Raises InvalidParameters."""
        return _read_count(query.get(self.name), self.name, self.default, self.maximum)

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "integer", "minimum": 1, "maximum": self.maximum, "default": self.default}


@dataclass(frozen=True, slots=True)
class After:
    """Where to go on: the `end_cursor` of the page before."""

    name = "after"
    is_required = False
    description = "Go on after this cursor, the `end_cursor` of the page before."

    def read(self, query: Mapping[str, str], owner: str) -> str | None:
        """Read the id of the last entry seen. Raises InvalidParameters unless we gave the cursor to this owner."""
        text = query.get(self.name)
        if text is None:
            return None
        last = from_base32(text[_MARK_LENGTH:])
        if last is None or write_cursor(last, owner) != text:
            refuse(self.name, "is not a cursor of this list")
        return last

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "string"}


def write_cursor(last_id: str, owner: str) -> str:
    """Write where a list goes on. The mark ties it to its owner: another list's cursor would skip entries unseen."""
    mark = blake2b(f"{owner}/{last_id}".encode(), digest_size=_MARK_LENGTH // 2).hexdigest()
    return mark + to_base32(last_id).lower()


@dataclass(frozen=True, slots=True)
class Text:
    """Anything that somebody has typed, up to a length."""

    name: str
    longest: int
    description: str = ""

    is_required = False

    def read(self, query: Mapping[str, str]) -> str | None:
        """Read the parameter, None where it is missing or empty. Raises InvalidParameters."""
        text = query.get(self.name, "")
        if len(text) > self.longest or "\0" in text:
            refuse(self.name, f"must have at most {self.longest} characters, and no NUL")
        return text or None

    def schema(self) -> dict[str, Any]:
        """Describe the parameter."""
        return {"type": "string", "maxLength": self.longest}


class Parameter(Protocol):
    """Whatever describes itself; each reads itself in a way of its own."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def description(self) -> str:
        """What it does."""
        ...

    @property
    def is_required(self) -> bool:
        """Whether it must be there."""
        ...

    def schema(self) -> dict[str, Any]:
        """Describe its values."""
        ...
