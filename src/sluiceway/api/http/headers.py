"""Reads the headers that matter: request id, idempotency key, and those of the body."""

from collections.abc import Callable
from typing import Final

from sluiceway.api.http.asgi import Scope
from sluiceway.api.http.refusals import Header
from sluiceway.domain.audit import MAX_REASON
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.rate_limits import WINDOW_S, Allowance
from sluiceway.domain.rules import refuse

MAX_REQUEST_ID: Final = 128
MAX_IDEMPOTENCY_KEY: Final = 255

_READ: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"transfer-encoding",
        b"upgrade",
        b"x-called-reason",
        b"x-request-id",
        b"x-sequence-access-token",
        b"x-sequence-signature",
    }
)
_KNOWN_ID: Final = "sluiceway.request_id"
SEEN: Final = "sluiceway.seen"
"""Where a request keeps how to see it as it was before the proxies that are believed, if anybody knows."""


def read_headers(scope: Scope) -> dict[bytes, bytes]:
    """Pick out the headers that we read. Raises InvalidParameters where one of them is sent twice."""
    found = [pair for pair in scope["headers"] if pair[0] in _READ]
    headers: dict[bytes, bytes] = dict(found)
    if len(headers) != len(found):
        refuse("headers", "hold one of them twice")
    return headers


def request_id_of(scope: Scope, new_id: Callable[[], str]) -> str:
    """Give the id that the caller chose for this request, or else a new one; the same one every time."""
    known: str | None = scope.get(_KNOWN_ID)
    if known is None:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        known = visible_ascii(sent, MAX_REQUEST_ID) or format_id(IdKind.REQUEST, new_id())
        scope[_KNOWN_ID] = known
    return known


def client_of(scope: Scope) -> str:
    """Tell from which address a request comes. Asked of few: to find it out costs more than most of them may."""
    seen: Callable[[Scope], Scope] | None = scope.get(SEEN)
    return ((scope if seen is None else seen(scope)).get("client") or ("", 0))[0]


def read_idempotency_key(headers: dict[bytes, bytes]) -> str | None:
    """Read the idempotency key, if one was sent. Raises InvalidParameters."""
    sent = headers.get(b"idempotency-key")
    if sent is None:
        return None
    key = visible_ascii(sent, MAX_IDEMPOTENCY_KEY)
    if key is None:
        refuse("Idempotency-Key", f"must have 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters")
    return key


def read_reason(headers: dict[bytes, bytes]) -> str | None:
    """Read what the caller says that the call is for, if anything."""
    sent = headers.get(b"x-called-reason")
    return None if sent is None else storable(sent.decode("utf-8", "replace").strip(), MAX_REASON) or None


def storable(text: str, limit: int) -> str:
    """Give at most so many characters of a text, with a mark instead of each that is not for reading."""
    kept = text[:limit]
    return kept if kept.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in kept)


def show_allowance(allowance: Allowance) -> tuple[Header, ...]:
    """Tell how much of a rate limit is left, in the fields of the IETF's draft on RateLimit headers."""
    policy = f'"key";q={allowance.per_minute};w={WINDOW_S}'
    left = f'"key";r={allowance.remaining};t={allowance.reset_s}'
    return ((b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode()))


def visible_ascii(value: bytes, limit: int) -> str | None:
    """Read 1 to `limit` visible ASCII characters, or None."""
    if not 1 <= len(value) <= limit or not value.isascii():
        return None
    text = value.decode("ascii")
    return text if text.isprintable() and " " not in text else None
