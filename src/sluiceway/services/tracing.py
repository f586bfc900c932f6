"""Spans along the path of money: which there are, what they say, and in whose trace each one is.

Here they are only named, and nothing is made of them: `open_telemetry.py` does that where a deployment asks for it. A
batch serves many calls, so it has a span of its own, linked to those of the calls. An execution has a trace of its own,
which follows from its id: whoever works on it, in whichever process and after whichever crash, is in the same one.
A span holds ids, counts and kinds. It holds no amounts, no names, no addresses, and nothing that somebody sent us.
"""

import re
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import datetime
from hashlib import sha256
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

from sluiceway.domain.ids import ExecutionId

Kind = Literal["internal", "server", "client"]
Attribute = str | bool | int | Sequence[str]

_TRACEPARENT: Final = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)


class Place(NamedTuple):
    """Where a span is: its trace, of 16 bytes, and itself, of 8."""

    trace_id: int
    span_id: int
    is_sampled: bool = True

    @property
    def traceparent(self) -> str:
        """Write it as the header of W3C Trace Context."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.is_sampled:02x}"


class Span:
    """A piece of work under way, as a context. This one, which everybody shares, stands for none."""

    place: Place | None = None

    def note(self, **attributes: Attribute) -> None:
        """Say more of it. Names get `sluiceway.` before them, and dots for double underscores."""

    def link(self, *places: Place | None) -> None:
        """Point at other spans."""

    def fail(self, kind: str) -> None:
        """Say that it did not succeed, and in one word how."""

    def __enter__(self) -> Self:
        """Begin it: what is made inside is a part of it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""


NO_SPAN: Final = Span()
CURRENT: Final[ContextVar[Span]] = ContextVar("sluiceway.span", default=NO_SPAN)


def current() -> Span:
    """Give the span that this is a part of."""
    return CURRENT.get()


def here() -> Place | None:
    """Tell where we are; None: in no trace."""
    return CURRENT.get().place


class Tracing:
    """Makes spans. This one makes none."""

    is_on = False

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        within: Place | None = None,
        is_apart: bool = False,
        began: datetime | None = None,
        links: Iterable[Place | None] = (),
        **attributes: Attribute,
    ) -> Span:
        """Make a span, to be entered: a part of the current one, or of the one `within` which it is said to be.

        `is_apart`: of none, with a trace of its own. `began`: in the past.
        """
        del name, kind, within, is_apart, began, links, attributes
        return NO_SPAN

    def execution(self, execution_id: ExecutionId) -> Place | None:
        """Tell where the span of an execution is, whether it has ended or not; None: nothing is traced."""
        del execution_id
        return None

    def executed(self, execution_id: ExecutionId, links: Iterable[Place | None], **attributes: Attribute) -> None:
        """Make the span of an execution that has been planned, from when it was admitted until now."""
        del execution_id, links, attributes

    def close(self, within_s: float) -> None:
        """Hand over what has not been handed over yet, in so many seconds at most."""
        del within_s


NO_TRACING: Final = Tracing()


def place_of(execution_id: ExecutionId) -> tuple[int, int]:
    """Derive an execution's trace and span from its id.

    By a hash and not the id itself: collectors keep a share of traces by their lowest bits, which of an id are no dice.
    """
    digest = sha256(b"execution " + execution_id.encode()).digest()
    # Neither may be zero.
    return int.from_bytes(digest[:16], "big") | 1 << 127, int.from_bytes(digest[16:24], "big") | 1 << 63


def read_traceparent(sent: Sequence[bytes]) -> Place | None:
    """Read the header of W3C Trace Context as it was sent; None for none, several, and what is none."""
    if len(sent) != 1:
        return None
    match = _TRACEPARENT.fullmatch(sent[0].decode("latin-1"))
    if match is None or (match[1] == "00" and match[5] is not None):
        return None
    place = Place(int(match[2], 16), int(match[3], 16), bool(int(match[4], 16) & 1))
    return place if place.trace_id and place.span_id else None


def named(place: Place | None) -> dict[str, str]:
    """Name a trace as lines of the log do; nothing where there is none."""
    return {} if place is None else {"trace_id": f"{place.trace_id:032x}"}


def outgoing() -> dict[str, str]:
    """Give the header by which another server can go on with the trace that we are in; empty where there is none.

    Of ours alone: what a caller sent as its trace, or beside it, goes to nobody.
    """
    place = here()
    return {} if place is None else {"traceparent": place.traceparent}
