"""Bodies that no program would send: for each operation as a whole, and for each value in what it takes."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.abuse.asked import Operation, leaves, with_token

MEBIBYTE: Final = 1 << 20
JSON: Final = {"content-type": "application/json"}
REFUSED: Final = frozenset({400, 413, 415, 422, 431})
"""How what is not right in itself is answered, whatever it is about."""
DRAFTS: Final = {"/app/rule-drafts/check"}
BOMB: Final = gzip.compress(b" " * (64 * MEBIBYTE), 9)


@dataclass(frozen=True)
class Case:
    """One request. Where it is not refused for its form, it may be done, or refused for what it says."""

    name: str
    pieces: tuple[bytes, ...]
    headers: Mapping[str, str | bytes] = field(default_factory=lambda: dict(JSON))
    is_refused: bool = True


def whole_bodies(operation: Operation) -> Iterator[Case]:
    """Write bodies that are wrong before anybody looks at what they say."""
    right = json.dumps(operation.body if operation.body is not None else {}, ensure_ascii=False)
    more = right[:-1] + (", " if len(right) > len("{}") else "")
    for name, body in _syntax(right, more).items():
        yield Case(name, (body,), is_refused=not operation.takes_anything or name not in _OTHER_SHAPES)
    yield Case("nothing", (b"",), is_refused=operation.is_body_required)
    yield Case("the same key twice", (_twice(operation.body),))
    for name, kind in _KINDS.items():
        yield Case(name, (right.encode(),), {"content-type": kind} if kind else {})
    for name, (encoding, body) in _encoded(right.encode()).items():
        yield Case(name, (body,), JSON | {"content-encoding": encoding})
    yield Case("ten mebibytes of text", (_said(more, 10 * MEBIBYTE),))
    yield Case("a mebibyte and a byte of spaces", (b" " * (MEBIBYTE + 1 - len(right.encode())) + right.encode(),))
    yield Case("ten mebibytes, announced and never sent", (b"",), JSON | {"content-length": str(10 * MEBIBYTE)})
    yield Case(
        "ten mebibytes in chunks", _in_chunks(_said(more, 10 * MEBIBYTE)), JSON | {"transfer-encoding": "chunked"}
    )
    for kind in ("gzip, chunked", "identity, chunked", "deflate,chunked"):
        yield Case(f"chunks of {kind}", _in_chunks(right.encode()), JSON | {"transfer-encoding": kind})
    yield Case("a hundred thousand keys", (_keys(more),), is_refused=False)
    for name, text in _ODD_TEXT.items():
        yield Case(f"a key of {name}", ((more + json.dumps(text) + ": 1}").encode(),), is_refused=False)


def leaf_bodies(operation: Operation) -> Iterator[Case]:
    """Put what is not of its kind, or hardly, in the place of each value of a right body."""
    for path, value in leaves(operation.body):
        if not path:
            continue
        place = "/".join(map(str, path))
        hard, soft = _tokens(value)
        # What is drawn up may be wrong, and is told so.
        is_refused = operation.path not in DRAFTS
        for name, token in hard.items():
            yield Case(f"{place}: {name}", (with_token(operation.body, path, token),), is_refused=is_refused)
        for name, token in soft.items():
            yield Case(f"{place}: {name}", (with_token(operation.body, path, token),), is_refused=False)


def _syntax(right: str, more: str) -> dict[str, bytes]:
    plain, further = right.encode(), more.encode()
    return {
        "half of it": plain[: len(plain) // 2] or b"{",
        "two values": plain + plain,
        "a trailing comma": further.rstrip(b", ") + b',"x":1,}',
        "a comment": plain + b" // done",
        "single quotes": b"{'a': 1}",
        "a list": b"[" + plain + b"]",
        "text": json.dumps(right).encode(),
        "null": b"null",
        "a number": b"0",
        "true": b"true",
        "a byte order mark": b"\xef\xbb\xbf" + plain,
        "UTF-16 with a mark": right.encode("utf-16"),
        "UTF-16 without": right.encode("utf-16-be"),
        "UTF-32": right.encode("utf-32"),
        "UTF-7": "{+ACI-a+ACI-: 1}".encode("ascii"),
        "Latin-1": further + '"ü": 1}'.encode("latin-1"),
        "an overlong slash": further + b'"\xc0\xaf": 1}',
        "an encoded surrogate": further + b'"\xed\xa0\x80": 1}',
        "beyond Unicode": further + b'"\xf4\x90\x80\x80": 1}',
        "a raw NUL": further + b'"a\x00b": 1}',
        "NULs alone": b"\x00" * 100,
        "an escaped NUL in a key": further + b'"a\\u0000b": 1}',
        "an escaped NUL in text": further + b'"a": "\\u0000"}',
        "a raw line feed in text": further + b'"a": "\n"}',
        "a lone surrogate in a key": further + b'"\\ud800": 1}',
        "a lone surrogate in text": further + b'"a": "x\\udfff"}',
        "surrogates in the wrong order": further + b'"a": "\\udc00\\ud800"}',
        "the same key twice, further down": further + b'"a": [{"b": 1, "b": 1}]}',
        "NaN": further + b'"a": NaN}',
        "Infinity": further + b'"a": -Infinity}',
        "1e400": further + b'"a": 1e400}',
        "1e-400": further + b'"a": 1e-400}',
        "an exponent of many digits": further + b'"a": 1e' + b"9" * 90 + b"}",
        "five thousand digits": further + b'"a": ' + b"9" * 5000 + b"}",
        "five thousand digits after the point": further + b'"a": 0.' + b"9" * 5000 + b"}",
        "more than 53 bits": further + b'"a": 9007199254740993}',
        "a leading zero": further + b'"a": 01}',
        "a hexadecimal number": further + b'"a": 0x10}',
        "33 levels": further + b'"a": ' + b"[" * 33 + b"]" * 33 + b"}",
        "a hundred thousand levels": further + b'"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "a hundred thousand objects, never closed": b'{"a":' * 100_000,
        "gzip that does not say so": gzip.compress(plain),
    }


_OTHER_SHAPES: Final = {"a list", "text", "null", "a number", "true"}
_KINDS: Final[dict[str, str]] = {
    "no content type": "",
    "an empty content type": " ",
    "plain text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "a file": "multipart/form-data; boundary=x",
    "XML": "application/xml",
    "JSON of a kind": "application/merge-patch+json",
    "another charset": "application/json; charset=utf-16",
    "an unknown charset": "application/json; charset=utf-8x",
    "two charsets": "application/json; charset=utf-8; charset=latin-1",
    "UTF-7 by its name": "application/json; charset=utf-7",
    "a boundary": "application/json; boundary=x",
}
_ODD_TEXT: Final = {
    "an override of direction": "\u202egnp.exe",
    "isolates": "\u2066admin\u2069",
    "zero width": "ad\u200bmin\u200d\ufeff",
    "é as one": "caf\u00e9",
    "é as two": "cafe\u0301",
    "a line separator": "a\u2028b\u2029c",
    "controls": "a\r\n\u001b[31mb\u0085",
    "noncharacters": "\uffff\U0010ffff",
    "letters that look alike": "\u0430dmin",
    "very many marks": "a" + "\u0300" * 100,
}


def _encoded(plain: bytes) -> dict[str, tuple[str, bytes]]:
    return {
        "gzip": ("gzip", gzip.compress(plain)),
        "a bomb": ("gzip", BOMB),
        "a bomb twice wrapped": ("gzip, gzip", gzip.compress(BOMB)),
        "deflate": ("deflate", zlib.compress(plain)),
        "brotli": ("br", b"\x0b\x02\x80{}\x03"),
        "an encoding that is none": ("x-rot13", plain),
        "identity and gzip": ("identity, gzip", gzip.compress(plain)),
    }


def _said(more: str, size: int) -> bytes:
    return more.encode() + b'"a": "' + b"x" * size + b'"}'


def _in_chunks(body: bytes, size: int = 64 * 1024) -> tuple[bytes, ...]:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return (*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n")


def _keys(more: str) -> bytes:
    return more.encode() + b", ".join(b'"k%x": 1' % number for number in range(60_000)) + b"}"


def _twice(body: dict[str, Any] | None) -> bytes:
    key, value = next(iter((body or {"a": 1}).items()))
    pair = f"{json.dumps(key)}: {json.dumps(value)}"
    return f"{{{pair}, {pair}}}".encode()


_NO_NUMBERS: Final = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "1e400": b"1e400",
    "five thousand digits": b"9" * 5000,
    "true": b"true",
    "text": b'"100"',
    "a list": b"[]",
    "an object": b"{}",
}
_NO_WHOLE_NUMBERS: Final = _NO_NUMBERS | {
    "a fraction that is whole": b"1.0",
    "an exponent": b"1e2",
    "a fraction": b"99.5",
    "more than 53 bits": b"9007199254740993",
    "more than 64 bits": b"18446744073709551616",
    "minus more than 63 bits": b"-9223372036854775809",
}
_NO_TEXT: Final = {
    "an escaped NUL": b'"a\\u0000b"',
    "a raw NUL": b'"a\x00b"',
    "a lone surrogate": b'"\\ud800"',
    "a number": b"1",
    "true": b"true",
    "a list": b"[]",
    "an object": b"{}",
}
_NO_TRUTH: Final = {"one": b"1", "text": b'"true"', "a list": b"[]", "an object": b"{}", "1.0": b"1.0"}
_ODD: Final = {name: json.dumps(text).encode() for name, text in _ODD_TEXT.items()}
_LONG: Final = {"nine hundred kilobytes": b'"' + b"x" * 900_000 + b'"'}
_ZERO: Final = {"minus zero": b"-0"}


def _tokens(value: Any) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """List what is not of the kind of a value, and what is, hardly."""
    if isinstance(value, bool):
        return _NO_TRUTH, {}
    if isinstance(value, int):
        return _NO_WHOLE_NUMBERS, _ZERO
    if isinstance(value, float):
        return _NO_NUMBERS, _ZERO
    return _NO_TEXT, _ODD | _LONG
