"""Reading untrusted dictionaries: each value is taken once, by type, with the path for the problem it may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar, cast

from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.money import MAX_CENTS, Cents, Percent, parse_percent

E = TypeVar("E", bound=StrEnum)
_MISSING: Final = object()


def refuse(path: str, message: str) -> NoReturn:
    """Raise InvalidParameters with one problem."""
    raise InvalidParameters((Problem(path, message),))


def join(path: str, *parts: str | int) -> str:
    """Extend a path: `join("steps/0", "actions", 1)` is `steps/0/actions/1`."""
    return "/".join([path, *map(str, parts)] if path else map(str, parts))


@dataclass(slots=True)
class Fields:
    """One dictionary being read. `end()` refuses the keys that nobody took."""

    values: Mapping[str, Any]
    path: str
    _taken: set[str] = field(default_factory=set[str])

    @classmethod
    def of(cls, value: object, path: str) -> "Fields":
        """Open an object; refuse anything else."""
        if not isinstance(value, Mapping):
            refuse(path, "must be an object")
        return cls(cast("Mapping[str, Any]", value), path)

    def end(self) -> None:
        """Refuse unknown keys."""
        for key in self.values:
            if key not in self._taken:
                refuse(join(self.path, key), "is not a known field")

    def at(self, key: str) -> str:
        """Give the path of a key."""
        return join(self.path, key)

    def has(self, key: str) -> bool:
        """Tell whether the key is there and not null."""
        return self.values.get(key) is not None

    def raw(self, key: str, default: object = _MISSING) -> Any:  # noqa: ANN401 -- this is where JSON enters
        """Take any value; null counts as missing."""
        self._taken.add(key)
        value = self.values.get(key)
        if value is None:
            if default is _MISSING:
                refuse(self.at(key), "is required")
            return default
        return value

    def text(self, key: str, limit: int) -> str:
        """Take non-empty text of at most `limit` characters."""
        value = self.raw(key)
        if not isinstance(value, str) or not value:
            refuse(self.at(key), "must be text that is not empty")
        return self._checked(key, value, limit)

    def text_or_none(self, key: str, limit: int) -> str | None:
        """Take text of at most `limit` characters, or None."""
        value = self.raw(key, None)
        if value is None:
            return None
        if not isinstance(value, str):
            refuse(self.at(key), "must be text")
        return self._checked(key, value, limit)

    def _checked(self, key: str, value: str, limit: int) -> str:
        if len(value) > limit:
            refuse(self.at(key), f"must have at most {limit} characters")
        if not is_storable(value):
            refuse(self.at(key), "must not contain NUL or unpaired surrogates")
        return value

    def flag(self, key: str) -> bool:
        """Take true or false; missing is false."""
        value = self.raw(key, default=False)
        if not isinstance(value, bool):
            refuse(self.at(key), "must be true or false")
        return value

    def whole(self, key: str, low: int, high: int) -> int:
        """Take a whole number written as one: `1.0`, `true` and `"1"` are refused."""
        return whole(self.raw(key), self.at(key), low, high)

    def cents(self, key: str, low: int = 1) -> Cents:
        """Take an amount in minor units, from `low` to 10^13."""
        return Cents(self.whole(key, low, MAX_CENTS))

    def cents_or_none(self, key: str, low: int = 1) -> Cents | None:
        """Take an amount, or None."""
        self._taken.add(key)
        return self.cents(key, low) if self.has(key) else None

    def percent(self, key: str) -> Percent:
        """Take a percentage from 0 to 100, as a number or decimal text, exact to six decimals."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            refuse(self.at(key), "must be a number")
        try:
            return parse_percent(value)
        except ValueError as problem:
            refuse(self.at(key), str(problem))

    def one_of(self, key: str, kind: type[E]) -> E:
        """Take a value of an enumeration."""
        value = self.raw(key)
        try:
            return kind(value)
        except ValueError:
            refuse(self.at(key), f"must be one of {', '.join(kind)}")

    def rows(self, key: str, low: int, high: int) -> Sequence[Any]:
        """Take a list of `low` to `high` values."""
        value = self.raw(key)
        if not isinstance(value, list | tuple):
            refuse(self.at(key), "must be a list")
        found = cast("Sequence[Any]", value)
        if not low <= len(found) <= high:
            refuse(self.at(key), f"must have {low} to {high} entries")
        return found


def whole(value: object, path: str, low: int, high: int) -> int:
    """Check a whole number and its range."""
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(path, "must be a whole number")
    if not low <= value <= high:
        refuse(path, f"must be from {low} to {high}")
    return value


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can keep the text: no NUL, nothing that UTF-8 cannot write."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
