"""Reads the headers that matter: request id, idempotency key, and those of the body."""

from collections.abc import Callable
from typing import Final

from sluiceway.api.http.asgi import Scope
from sluiceway.domain.ids import IdKind, format_id
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
        b"x-request-id",
        b"x-sequence-access-token",
        b"x-sequence-signature",
    }
)
_KNOWN_ID: Final = "sluiceway.request_id"


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


def read_idempotency_key(headers: dict[bytes, bytes]) -> str | None:
    """Read the idempotency key, if one was sent. Raises InvalidParameters."""
    sent = headers.get(b"idempotency-key")
    if sent is None:
        return None
    key = visible_ascii(sent, MAX_IDEMPOTENCY_KEY)
    if key is None:
        refuse("Idempotency-Key", f"must have 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters")
    return key


def visible_ascii(value: bytes, limit: int) -> str | None:
    """Read 1 to `limit` visible ASCII characters, or None."""
    if not 1 <= len(value) <= limit or not value.isascii():
        return None
    text = value.decode("ascii")
    return text if text.isprintable() and " " not in text else None
