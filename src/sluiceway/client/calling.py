"""One call, decided: what is sent, what an answer means, and whether and when to send it again. Pure.

What is sent again:

- GET: whenever no whole answer came, and after 429, 502, 503 and 504. Reading twice changes nothing.
- POST: the same, and after 409 while its idempotency key is in use. It always carries a key, the same one each time,
  so it happens once however often it is sent.
- PATCH: only if it cannot have arrived, or was refused with 429. It has no key, and what it would overwrite the second
  time may be newer: a person may have enabled the rule in between. Whoever is unsure reads the rule.

Never after 500: what fails for a reason of its own fails again.
"""

import ipaddress
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Generic, Literal, TypeVar, cast

import httpx
import msgspec
from msgspec import Struct

from sluiceway.client.errors import (
    Conflict,
    NotReached,
    NotUnderstood,
    RateLimited,
    Refused,
    SluicewayError,
    refusal_of,
)
from sluiceway.client.models import Page

T = TypeVar("T")

PREFIX: Final = "/platform/v1"
_AGAIN: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_BUSY: Final = "_IN_PROGRESS"
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
LARGEST_ANSWER: Final = 64 << 20
"""In bytes, unpacked: far more than any page, and less than would fill a machine."""
_SHOWN: Final = 200
"""How much is told of an answer that is not ours."""
_MOST_DIGITS: Final = 9

encode: Final = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently a call is sent again."""

    attempts: int = 5
    """How often it is sent in all; 1 means never again."""
    first_s: float = 0.5
    """The first pause, before jitter takes up to half of it away; each one is twice the one before."""
    longest_s: float = 20.0
    longest_asked_s: float = 60.0
    """How long a server may ask us to wait (`Retry-After`). If it asks for longer, the error is raised at once."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """A call and the type of what is answered, `data` of the envelope: any type that msgspec can read."""

    method: Literal["GET", "POST", "PATCH"]
    path: str
    """Below the base address, with a slash in front."""
    answer: type[T]
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    """Of a POST. Without one, a new one is made."""


class _Envelope(Struct):
    data: msgspec.Raw


class _Pagination(Struct, rename="camel"):
    has_next_page: bool | None = None


class _Items(Struct):
    items: list[msgspec.Raw]
    pagination: _Pagination


def base_address(url: str, *, allow_plain_http: bool = False) -> str:
    """Read the address of a server. One without a path means the path of this API. Raises ValueError.

    Whatever lies between reads the key where it is sent without https: that is for this machine alone, unless the
    program allows it.
    """
    parts = httpx.URL(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ValueError("the base address must begin with http:// or https:// and name a host")
    if parts.query or parts.fragment or parts.userinfo:
        raise ValueError("the base address must be an address alone: no user, no ? and no #")
    if parts.scheme == "http" and not allow_plain_http and not _is_this_machine(parts.host):
        raise ValueError(
            "the base address of another machine must begin with https://, or the key can be read on its way"
        )
    path = parts.path.rstrip("/") or PREFIX
    return str(parts.copy_with(path=path))


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def headers_of(api_key: str, called_reason: str | None) -> httpx.Headers:
    """Write the headers of every call. Raises ValueError for a key or a reason that cannot be one."""
    if not _is_visible_ascii(api_key):
        raise ValueError("an API key is visible ASCII text without spaces")
    headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json", "User-Agent": "sluiceway-client"}
    if called_reason is not None:
        if not called_reason.isprintable():
            raise ValueError("a reason is one line of text")
        headers["x-called-reason"] = called_reason
    return httpx.Headers(headers, encoding="utf-8")


def _is_visible_ascii(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def sent(request: Request[Any]) -> dict[str, Any]:
    """Write a request in the words of the HTTP library. Raises ValueError for an idempotency key that cannot be one.

    A server might take an empty key for none, and then a payment that is sent again is made again.
    """
    words: dict[str, Any] = {"method": request.method, "params": list(request.query), "headers": {}}
    if request.body is not None:
        words["content"] = encode(request.body)
        words["headers"]["Content-Type"] = "application/json"
    if request.idempotency_key is not None:
        if not _is_visible_ascii(request.idempotency_key):
            raise ValueError("an idempotency key is visible ASCII text without spaces, and not empty")
        words["headers"]["Idempotency-Key"] = request.idempotency_key
    return words


def require_bounded(request: Request[Any], size: int) -> None:
    """Raise NotUnderstood for an answer of more bytes than any has, before the rest of it is read."""
    if size > LARGEST_ANSWER:
        raise _not_understood(request, None, f"it has more than {LARGEST_ANSWER} bytes")


def read_answer(request: Request[Any], response: httpx.Response, body: bytes) -> msgspec.Raw:
    """Give what was answered, not yet read. Raises Refused and NotUnderstood."""
    if not response.is_success:
        raise _refusal(request, response, body)
    try:
        return msgspec.json.decode(body, type=_Envelope).data
    except _UNREADABLE as problem:
        raise _not_understood(request, response.status_code, problem) from problem


def lost(request: Request[Any], problem: httpx.HTTPError) -> NotReached:
    """Say that no whole answer came."""
    # Some of the library's exceptions say nothing but their name.
    message = f"No whole answer came: {str(problem) or type(problem).__name__}"
    return NotReached(message, idempotency_key=request.idempotency_key, is_unsent=isinstance(problem, _UNSENT))


def read_value(request: Request[T], raw: msgspec.Raw) -> T:
    """Read the value that was answered. Raises NotUnderstood."""
    try:
        return _decoder(request.answer).decode(raw)
    except _UNREADABLE as problem:
        raise _not_understood(request, None, problem) from problem


def read_page(request: Request[T], raw: msgspec.Raw, number: int, size: int) -> Page[T]:
    """Read the page that was answered. Raises NotUnderstood."""
    try:
        found = msgspec.json.decode(raw, type=_Items)
        read = _decoder(request.answer).decode
        items = [read(item) for item in found.items]
    except _UNREADABLE as problem:
        raise _not_understood(request, None, problem) from problem
    has_next = found.pagination.has_next_page
    # A server that does not say may have more where a page is full.
    is_full = len(items) >= size
    return Page(items, number, bool(items) and (is_full if has_next is None else has_next))


def pause_before_retry(
    request: Request[Any], failed: SluicewayError, attempt: int, retries: Retries, chance: float
) -> float | None:
    """Decide how many seconds to wait before the call is sent again; None: it is not. `attempt` counts from 1."""
    if attempt >= retries.attempts or not _may_be_repeated(request, failed):
        return None
    asked = failed.retry_after_s or 0.0
    if asked > retries.longest_asked_s:
        return None
    # Jitter, so that those who failed together do not all come back together.
    pause = min(retries.longest_s, retries.first_s * 2.0 ** (attempt - 1)) * (0.5 + chance / 2)
    return max(pause, asked)


def _decoder(answer: type[T]) -> msgspec.json.Decoder[T]:
    return cast("msgspec.json.Decoder[T]", _decoder_of(cast("Hashable", answer)))


@lru_cache
def _decoder_of(answer: Hashable) -> msgspec.json.Decoder[Any]:
    # Where a type does not say what a number is, it is exact.
    return msgspec.json.Decoder(cast("type[Any]", answer), float_hook=Decimal)


def _may_be_repeated(request: Request[Any], failed: SluicewayError) -> bool:
    match failed:
        case NotReached():
            return failed.is_unsent or request.method != "PATCH"
        case NotUnderstood():
            return not failed.is_json and request.method != "PATCH"
        case RateLimited():
            return True
        case Conflict():
            return request.method == "POST" and (failed.code or "").endswith(_BUSY)
        case _:
            return request.method != "PATCH" and failed.status in _AGAIN


def _refusal(request: Request[Any], response: httpx.Response, body: bytes) -> Refused:
    code, message, request_id = _error(body)
    status = response.status_code
    return refusal_of(status)(
        message or f"The server answered with status {status} {response.reason_phrase}".rstrip(),
        status=status,
        code=code,
        request_id=request_id or response.headers.get("x-request-id"),
        retry_after_s=_retry_after(response.headers),
        idempotency_key=request.idempotency_key,
    )


def _error(body: bytes) -> tuple[str | None, str | None, str | None]:
    """Read code, message and request id out of an error's envelope, which something in between may not know."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return None, None, None
    fields = _fields(envelope)
    error = _fields(fields.get("error"))
    return _text(error.get("code")), _text(error.get("message")), _text(fields.get("requestId"))


def _fields(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _retry_after(headers: httpx.Headers) -> float | None:
    """Read `Retry-After`: seconds, or a date, which is compared with the server's own; None for anything else."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MOST_DIGITS])
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(wait, timedelta(0)).total_seconds()


def _not_understood(request: Request[Any], status: int | None, problem: Exception | str) -> NotUnderstood:
    # The rest may be a fault on the way, which does not come twice.
    is_json = isinstance(problem, msgspec.ValidationError | str)
    return NotUnderstood(
        f"The answer to {request.method} {request.path} is not as documented: {str(problem)[:_SHOWN]}",
        status=status,
        idempotency_key=request.idempotency_key,
        is_json=is_json,
    )
