"""What is refused before any service is asked, and the table that turns refusals into answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sluiceway.domain.errors import Problem, Refusal

Header = tuple[bytes, bytes]

RETRY_AFTER_S: Final = 1
ASK_AGAIN: Final[tuple[Header, ...]] = ((b"retry-after", str(RETRY_AFTER_S).encode()),)
"""Says when: with every answer that says that now is the wrong time."""


@dataclass(eq=False)
class PathUnknown(Refusal):
    """No operation has this path."""

    path: str


@dataclass(eq=False)
class MethodNotAllowed(Refusal):
    """The path exists, but not for this method."""

    method: str
    allowed: tuple[str, ...]


@dataclass(eq=False)
class UnsupportedMediaType(Refusal):
    """The body is not plain JSON."""


@dataclass(eq=False)
class RequestTooLarge(Refusal):
    """The body is longer than we read."""

    limit: int


class Failure(NamedTuple):
    """A refusal in the words of one API generation."""

    status: int
    code: str
    message: str
    headers: tuple[Header, ...] = ()
    is_plain: bool = False
    """Whether it is answered by the bare message as text, without an envelope."""
    problems: tuple[Problem, ...] = ()
    """Each thing that is wrong, for a generation that tells them one by one."""


Table = Mapping[type[Refusal], Callable[[Any], Failure]]
"""How a generation answers each refusal. A test asserts that every table holds every one."""


def every_refusal() -> set[type[Refusal]]:
    """Find all refusals there are."""
    found: set[type[Refusal]] = set()
    waiting: list[type[Refusal]] = [Refusal]
    while waiting:
        children = waiting.pop().__subclasses__()
        found.update(children)
        waiting.extend(children)
    return found
