"""Heads that no program would send, queries too, and requests that two readers would end at different places."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.abuse.asked import Operation
from tests.abuse.lines import written

LONGEST_HEAD: Final = 64 * 1024
SMUGGLED: Final = "smuggled"
"""The request id of a request that stands where a body should be. Nobody may answer it."""

QUERIES: Final = {
    "ten thousand parameters": "&".join(["a"] * 10_000),
    "ten thousand parameters with names of their own": "&".join(f"{number:x}" for number in range(10_000)),
    "bytes that are not UTF-8": "a=%ff",
    "an encoded surrogate": "a=%ed%a0%80",
    "an overlong slash": "a=%c0%af",
    "a parameter twice": "zzz=1&zzz=2",
}
"""Which are refused wherever a query is read."""
ODD_QUERIES: Final = {
    "a NUL": "zzz=%00",
    "sixty-five parameters": "&".join(f"a{number}=1" for number in range(65)),
    "line ends": "zzz=%0d%0aX-Injected:%20yes",
    "an escape sequence": "zzz=%1b%5b31m",
    "an override of direction": "zzz=%e2%80%ae",
    "half an escape": "zzz=%",
    "no hexadecimal number": "zzz=%zz",
    "a long value": "zzz=" + "x" * 30_000,
    "semicolons": "a=1;b=2;c=3",
    "only ampersands": "&" * 1000,
    "a name of brackets": "zzz[][a][0]=1",
    "what others take for an object": "__proto__[x]=1&constructor.prototype=1",
}
"""Which mean nothing to anybody here."""

HEADERS: Final[dict[str, bytes]] = {
    "a header of 64 KiB": b"x-long: " + b"x" * LONGEST_HEAD,
    "a name of 64 KiB": b"x" * LONGEST_HEAD + b": 1",
    "ten thousand headers": b"\r\n".join(b"x-%d: 1" % number for number in range(10_000)),
    "a NUL in a value": b"x-odd: a\x00b",
    "a NUL in a name": b"x-o\x00dd: 1",
    "an escape in a value": b"x-odd: \x1b[31m",
    "a space in a name": b"x odd: 1",
    "a space before the colon": b"x-odd : 1",
    "no colon": b"x-odd",
    "no name": b": 1",
    "a name that is not ASCII": "x-\u00fc: 1".encode(),
    "a bare carriage return": b"x-odd: a\rb",
    "a carriage return that ends a line": b"x-odd: a\rx-other: b",
    "a folded line": b"x-odd: a\r\n b",
    "a length that is negative": b"content-length: -1",
    "a length with a sign": b"content-length: +2",
    "a length in hexadecimal": b"content-length: 0x2",
    "a length with a point": b"content-length: 2.0",
    "a length of letters": b"content-length: two",
    "two lengths in one": b"content-length: 2, 2",
    "two lengths that differ": b"content-length: 2\r\ncontent-length: 3",
    "a length of very many digits": b"content-length: " + b"9" * 400,
    "a length and chunks": b"content-length: 2\r\ntransfer-encoding: chunked",
    "chunks and a length": b"transfer-encoding: chunked\r\ncontent-length: 2",
    "an encoding after chunks": b"transfer-encoding: chunked, gzip",
    "chunks by another name": b"transfer-encoding: xchunked",
    "chunks with a space before the colon": b"transfer-encoding : chunked",
    "chunks twice": b"transfer-encoding: chunked\r\ntransfer-encoding: identity",
    "the credential twice": b"authorization: ApiKey a\r\nauthorization: ApiKey b",
}
"""Each refused, on a connection that ends there if it has to: nothing that follows is believed."""
ODD_HEADERS: Final[dict[str, bytes]] = {
    "bytes that are not ASCII": b"x-odd: \xff\xfe\x9b31m",
    "an empty value": b"x-odd:",
    "a thousand headers": b"\r\n".join(b"x-%d: 1" % number for number in range(1000)),
    "a header of 30 KiB": b"x-long: " + b"x" * 30_000,
    "somebody else's address": b"x-forwarded-for: 127.0.0.1\r\nx-real-ip: ::1\r\nforwarded: for=127.0.0.1",
    "another method": b"x-http-method-override: DELETE\r\nx-method-override: DELETE",
    "another path": b"x-original-url: /app/keys\r\nx-rewrite-url: /app/keys",
    "a protocol to go on with": b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk",
    "a socket": b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13",
    "a range": b"range: bytes=0-1,0-2,0-3",
    "what one knows": b'if-none-match: "*"\r\nif-modified-since: Thu, 01 Jan 1970 00:00:00 GMT',
    "a request id that is none": b"x-request-id: a b\xff" + b"c" * 300,
    "a request id with markup": b"x-request-id: <script>alert(1)</script>",
    "an origin of nobody": b"origin: null",
    "credentials that are not text": b"cookie: sluiceway-session=\xff\xfe; sluiceway-session=%00",
    "a host that is none": b"x-forwarded-host: a b, [::1, <script>",
    "what it is for": b"x-called-reason: \xff\xe2\x80\xae<script>",
    "languages": b"accept-language: " + b"aa;q=0.1," * 3000,
    "what is taken": b"accept: " + b"a/b;q=0.001," * 2000,
}
"""Which are nobody's business here, or replaced."""


def with_header(operation: Operation, header: bytes) -> bytes:
    """Write a request with a header more, and without a body: it is by its head that it is refused."""
    plain = written(operation.method, operation.target, operation.headers, None)
    return plain[:-2] + header + b"\r\n\r\n"


@dataclass(frozen=True)
class Smuggling:
    """A request in which another one hides, for a reader who ends the first one too early."""

    name: str
    headers: bytes
    body: bytes
    version: bytes = b"HTTP/1.1"
    end: bytes = b"\r\n"


def smuggled(target: str, headers: Mapping[str, str]) -> bytes:
    """Write the request that hides: it would be answered under its id."""
    return written("GET", target, {**headers, "x-request-id": SMUGGLED, "connection": "close"})


def smuggling(hidden: bytes) -> list[Smuggling]:
    """Write all the ways we know to have a body end elsewhere."""
    size = len(hidden)
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (size, hidden)
    ended = b"0\r\n\r\n" + hidden
    both = b"content-length: %d\r\n"
    obscured = {
        "by another case": b"Transfer-Encoding: CHUNKED",
        "after a tab": b"transfer-encoding:\tchunked",
        "before a tab": b"transfer-encoding: chunked\t",
        "in quotes": b'transfer-encoding: "chunked"',
        "with a parameter": b"transfer-encoding: chunked;q=1",
        "after a comma": b"transfer-encoding: ,chunked",
        "before a comma": b"transfer-encoding: chunked,",
        "twice": b"transfer-encoding: chunked, chunked",
        "after identity": b"transfer-encoding: identity, chunked",
        "after nothing": b"transfer-encoding:\r\n chunked",
        "after a vertical tab": b"transfer-encoding: \x0bchunked",
        "under a name with a space": b"transfer-encoding : chunked",
        "under a name with a tab": b"transfer-encoding\t: chunked",
        "under a name with an underscore": b"transfer_encoding: chunked",
        "under another line's end": b"x: y\ntransfer-encoding: chunked",
        "under another line's beginning": b"x: y\rtransfer-encoding: chunked",
        "beside another": b"transfer-encoding: chunked\r\ntransfer-encoding: x",
        "beside identity": b"transfer-encoding: identity\r\ntransfer-encoding: chunked",
    }
    made = [
        Smuggling(
            "a length, and chunks that end before it", both % len(ended) + b"transfer-encoding: chunked\r\n", ended
        ),
        Smuggling(
            "chunks, and a length that ends in them", b"transfer-encoding: chunked\r\ncontent-length: 4\r\n", chunk
        ),
        Smuggling(
            "chunks in HTTP/1.0", b"transfer-encoding: chunked\r\nconnection: keep-alive\r\n", ended, b"HTTP/1.0"
        ),
        Smuggling("two lengths", b"content-length: 0\r\ncontent-length: %d\r\n" % size, hidden),
        Smuggling("two lengths, the longer first", b"content-length: %d\r\ncontent-length: 0\r\n" % size, hidden),
        Smuggling("lengths in a list", b"content-length: 0, %d\r\n" % size, hidden),
        Smuggling("a length after a sign", b"content-length: +0\r\n", hidden),
        Smuggling("a length after a zero width space", "content-length: \u200b0\r\n".encode(), hidden),
        Smuggling("a length that overflows", b"content-length: %d\r\n" % (2**64), hidden),
        Smuggling("a length that overflows to the right one", b"content-length: %d\r\n" % (2**64 + 2), b"{}" + hidden),
        Smuggling("a length under a name with a space", b"content-length : %d\r\n" % size, hidden),
        Smuggling("a length on a folded line", b"x: y\r\n content-length: %d\r\n" % size, hidden),
        Smuggling("a chunk with a sign", b"transfer-encoding: chunked\r\n", b"+2\r\n{}\r\n" + ended),
        Smuggling("a chunk in hexadecimal that says so", b"transfer-encoding: chunked\r\n", b"0x2\r\n{}\r\n" + ended),
        Smuggling("a chunk that is negative", b"transfer-encoding: chunked\r\n", b"-2\r\n{}\r\n" + ended),
        Smuggling("a chunk that overflows", b"transfer-encoding: chunked\r\n", b"10000000000000002\r\n{}\r\n" + ended),
        Smuggling("a chunk longer than it says", b"transfer-encoding: chunked\r\n", b"2\r\n{}xx\r\n" + ended),
        Smuggling("a chunk without its end", b"transfer-encoding: chunked\r\n", b"2\r\n{}" + ended),
        Smuggling("a chunk that ends with a line feed", b"transfer-encoding: chunked\r\n", b"2\n{}\n0\n\n" + hidden),
        Smuggling("an extension with a line feed", b"transfer-encoding: chunked\r\n", b"2;a\nb\r\n{}\r\n" + ended),
        Smuggling("a chunk of spaces", b"transfer-encoding: chunked\r\n", b" 2\r\n{}\r\n" + ended),
        Smuggling("a head that ends with line feeds", b"content-length: 0\n\n" + hidden, b"", end=b"\n"),
    ]
    for name, header in obscured.items():
        made.append(Smuggling(f"chunks {name}, and a length", header + b"\r\n" + both % len(ended), ended))
        if "_" in header.decode("latin-1"):
            continue  # No header that anybody knows: what follows a length of nothing is the next request, and no more.
        made.append(Smuggling(f"chunks {name}, and a length of nothing", header + b"\r\ncontent-length: 0\r\n", hidden))
    return made


def carrier(operation: Operation, way: Smuggling) -> bytes:
    """Write a request to an operation with another one in it."""
    head = f"{operation.method} {operation.target} ".encode() + way.version + b"\r\nhost: sluiceway.test\r\n"
    for name, value in operation.headers.items():
        head += f"{name}: {value}\r\n".encode()
    return head + b"content-type: application/json\r\n" + way.headers + way.end + way.body
