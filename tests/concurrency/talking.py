"""A client that costs little: one keep-alive connection, one request at a time."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit


class Heard(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Line:
    """A connection, opened when it is needed, and anew after it broke: of which OSError or EOFError tells."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Break the connection off, whatever is on it."""
        if self._streams is not None:
            with suppress(RuntimeError):
                self._streams[1].transport.abort()
            self._streams = None

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> None:
        """Write a request."""
        if self._streams is None:
            parts = urlsplit(self.url)
            self._streams = await asyncio.open_connection(parts.hostname, parts.port)
        written = b"" if body is None else json.dumps(body).encode()
        named = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        kind = "Content-Type: application/json\r\n" if written else ""
        request = f"{method} {path} HTTP/1.1\r\nHost: here\r\n{head}{kind}Content-Length: {len(written)}\r\n\r\n"
        self._streams[1].write(request.encode() + written)

    async def hear(self) -> Heard:
        """Read the answer."""
        assert self._streams is not None, "nothing was asked"
        try:
            head = await self._streams[0].readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            body = await self._streams[0].readexactly(int(headers.get("content-length", "0")))
        except (OSError, EOFError):
            self.hang_up()
            raise
        if headers.get("connection") == "close":
            self.hang_up()
        return Heard(int(first.split()[1]), headers, body)

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Heard:
        """Ask, and wait for the answer."""
        await self.send(method, path, body, **headers)
        return await self.hear()
