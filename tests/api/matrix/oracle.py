"""What is answered to whom: the words of the matrix, and the verdict that follows from a row of its tables.

Nothing here is taken from how operations are declared: rows are written by hand, and the code is what is tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sluiceway.domain.access import Permission


class Which(Enum):
    """Which of the things that an operation can be asked for."""

    LISTED = "ours, and listed by narrow keys"
    UNLISTED = "ours, and listed by none"
    FOREIGN = "another organization's"
    FOREIGN_LISTED = "another organization's, and listed"
    UNKNOWN = "unknown"
    UNKNOWN_LISTED = "unknown, and listed"
    MALFORMED = "malformed"


OURS = frozenset({Which.LISTED, Which.UNLISTED})
ON_THE_LIST = frozenset({Which.LISTED, Which.FOREIGN_LISTED, Which.UNKNOWN_LISTED})


class Extent(Enum):
    """For what a key holds a permission: for everything (or as a whole), or for what it lists."""

    EVERYTHING = "for everything"
    LISTED = "for what it lists"


class Needs(Enum):
    """For what a caller must hold one of an operation's permissions."""

    ANYTHING = "for anything: a list shows what the key may see"
    EVERYTHING = "for everything, or as a whole"
    THE_ID = "for the id that is asked for, whether or not it exists"
    WHAT_IS_FOUND = "for what the id turns out to belong to, so that the id is looked up first"
    THE_BODY = "for what the body names, so that the body is read first"


class Sent(Enum):
    """What is sent as the body."""

    GOOD = "what is expected"
    REPLAYED = "what is expected, with the key of the same request answered before"
    UNKNOWN_FIELD = "a field that nobody knows"
    NOT_JSON = "half an object"
    UNTYPED = "no JSON by its own words"


class Answered(NamedTuple):
    """How a call is answered: the status, and of a refusal its code."""

    status: int
    code: str | None = None


@dataclass(frozen=True)
class Row:
    """One way to call an operation: who may, what it is asked for, and how it answers."""

    name: str
    method: str
    path: str
    """As the document has it, with a query where one is needed; `{id}` is what is asked for, `{parent}` whose it is."""
    opened_by: tuple[Permission, ...]
    needs: Needs
    thing: str | None = None
    body: str | None = None
    status: int = 200
    missing: Answered | None = None
    """What is said where the thing does not exist. None: as where there is nothing to list."""
    is_coming: bool = False
    """Whether its operation may still be missing."""

    @property
    def whiches(self) -> Sequence[Which]:
        return (Which.LISTED,) if self.thing is None else tuple(Which)

    @property
    def sents(self) -> Sequence[Sent]:
        if self.body is not None:
            return tuple(Sent)
        return (Sent.GOOD,)


@dataclass(frozen=True, eq=False)
class Words:
    """How a generation is called, and what it says in general."""

    name: str
    prefix: str
    scheme: str
    other_scheme: str
    unauthorized: Answered
    forbidden: Answered
    invalid: Answered
    not_json: Answered
    messages: Mapping[Answered, str]
    """What is documented word for word."""


def verdict(words: Words, row: Row, held: Mapping[Permission, Extent], which: Which, sent: Sent) -> Answered:
    """Say how a caller who is known is answered: permission, then the body, then what is there."""
    extents = {held[permission] for permission in row.opened_by if permission in held}
    is_wide = Extent.EVERYTHING in extents
    if not extents or (row.needs is Needs.EVERYTHING and not is_wide):
        return words.forbidden
    if row.needs is Needs.THE_ID and not is_wide and which not in ON_THE_LIST:
        return words.forbidden
    if sent is Sent.UNTYPED:
        return words.not_json
    if sent not in (Sent.GOOD, Sent.REPLAYED):
        return words.invalid
    if row.needs is Needs.WHAT_IS_FOUND and not is_wide and which is not Which.LISTED:
        return words.forbidden
    if row.needs is Needs.THE_BODY and not is_wide and which not in ON_THE_LIST:
        return words.forbidden
    if which not in OURS and row.missing is not None:
        return row.missing
    return Answered(row.status)
