"""Reads JSON bodies strictly: one way to write each value, bounded in size and depth, and no float anywhere."""

import json
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, NoReturn, cast

import msgspec

from sluiceway.api.http.asgi import Receive
from sluiceway.api.http.refusals import RequestTooLarge, UnsupportedMediaType
from sluiceway.domain.rules import is_storable, refuse

MAX_BODY: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_NUMBER: Final = 100
"""How long a number may be written."""
MAX_WHOLE: Final = 2**53 - 1
"""What every JSON reader holds exactly."""
MAX_EXPONENT: Final = 308

_canonical = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


async def read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Read the body, at most 1 MiB of it. Raises RequestTooLarge without reading on, and InvalidParameters."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > MAX_NUMBER or int(length) > MAX_BODY:
        raise RequestTooLarge(MAX_BODY)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks, size = [body], len(body)
        while message.get("more_body"):
            _check(message["type"], size)
            message = await receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
        body = b"".join(chunks)
    _check(message["type"], len(body))
    _require_whole(headers, body)
    return body


def _require_whole(headers: dict[bytes, bytes], body: bytes) -> None:
    """Refuse a body that is not what was announced: a trigger whose amount got lost must not run without one.

    Servers lose it when a client offers to speak another protocol, as some do with the first request to any host.
    """
    if b"transfer-encoding" in headers:
        is_lost = not body and b"upgrade" in headers
    else:
        is_lost = len(body) != int(headers.get(b"content-length", len(body)))
    if is_lost:
        refuse("", "ended before it was complete")


def _check(kind: str, size: int) -> None:
    if kind != "http.request":
        refuse("", "ended before it was complete")
    if size > MAX_BODY:
        raise RequestTooLarge(MAX_BODY)


def require_json(headers: dict[bytes, bytes]) -> None:
    """Refuse a body that does not call itself plain JSON in UTF-8. Raises UnsupportedMediaType."""
    kind = headers.get(b"content-type", b"")
    if kind != b"application/json" and not _is_json(kind.decode("latin-1")):
        raise UnsupportedMediaType
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType
    # Chunks of something compressed: the server takes off the chunks and nothing else.
    if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise UnsupportedMediaType


def _is_json(kind: str) -> bool:
    name, *parameters = [part.strip().lower() for part in kind.split(";")]
    return name == "application/json" and all(part in ("charset=utf-8", 'charset="utf-8"') for part in parameters)


def parse(body: bytes) -> object:
    """Parse JSON into dictionaries, lists, text, int, Decimal, bool and None. Raises InvalidParameters."""
    try:
        text = body.decode("utf-8")
        value: object = _decoder.decode(text)
    except UnicodeDecodeError:
        refuse("", "is not UTF-8")
    except json.JSONDecodeError as problem:
        refuse("", f"is not valid JSON at character {problem.pos}")
    except RecursionError:
        refuse("", f"nests more than {MAX_DEPTH} deep")
    # Most bodies nest a little and escape nothing, and these two counts know it without a walk.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH or b"\\u" in body:
        _walk(value, "", 0)
    return value


def hash_of(value: object) -> bytes:
    """Hash a parsed body, however it was spaced and ordered."""
    return sha256(_canonical(value)).digest()


def _walk(value: object, path: str, depth: int) -> None:
    """Refuse what is too deep, and text that cannot be stored."""
    if depth > MAX_DEPTH:
        refuse("", f"nests more than {MAX_DEPTH} deep")
    if isinstance(value, str):
        if not is_storable(value):
            refuse(path, "must not contain NUL or unpaired surrogates")
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            _walk(item, f"{path}/{index}" if path else str(index), depth + 1)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if not is_storable(key):
                refuse(path, "must not contain NUL or unpaired surrogates")
            _walk(item, f"{path}/{key}" if path else key, depth + 1)


def _whole(text: str) -> int:
    if len(text) > MAX_NUMBER or abs(value := int(text)) > MAX_WHOLE:
        refuse("", "holds a number that is too large")
    return value


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER:
        refuse("", "holds a number with too many digits")
    try:
        value = Decimal(text)
    except ArithmeticError:
        # An exponent of so many digits that no Decimal has it.
        value = None
    if value is None or not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
        refuse("", "holds a number that is too large")
    return value


def _constant(text: str) -> NoReturn:
    refuse("", f"holds {text}, which is no JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        refuse("", "holds an object with the same key twice")
    return value


_decoder = json.JSONDecoder(
    parse_int=_whole, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_pairs, strict=True
)
