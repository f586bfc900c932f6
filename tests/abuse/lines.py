"""Connections that say exactly the bytes they are given, and read what comes back as plainly as can be."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

PATIENCE_S: Final = 20.0
"""By when every answer is there; a machine may be busy."""
_LINE_LIMIT: Final = 1 << 24


@dataclass(frozen=True)
class Heard:
    """One answer. Status 0: the connection ended without one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    seconds: float = 0.0

    def told(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)


class Line:
    """A connection to a server, opened anew whenever it has ended."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._place = (host, port)
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._pair is not None:
            self._pair[1].transport.abort()
            self._pair = None

    async def ask(self, *pieces: bytes) -> Heard:
        """Send bytes and read one answer. Who answers before all was sent is heard, and then hung up on."""
        reader, writer = await self._open()
        began = time.monotonic()
        sending = asyncio.create_task(_send(writer, pieces))
        try:
            async with asyncio.timeout(PATIENCE_S):
                heard = await read_answer(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            heard = Heard(0)
        is_all_sent = sending.done()
        sending.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await sending
        seconds = time.monotonic() - began
        if not is_all_sent or not heard.status or heard.headers.get("connection", "") == "close":
            self.close()
        return Heard(heard.status, heard.headers, heard.body, seconds)

    async def say(self, said: bytes, *, quiet_s: float = 0.25, ends: bool = False) -> list[Heard]:
        """Send bytes on a connection of their own, and read every answer that comes until it is quiet or closed."""
        self.close()
        reader, writer = await self._open()
        heard: list[Heard] = []
        try:
            writer.write(said)
            with suppress(OSError):
                await writer.drain()
                if ends:
                    writer.write_eof()
            while True:
                async with asyncio.timeout(PATIENCE_S if not heard else quiet_s):
                    heard.append(await read_answer(reader))
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            return heard
        finally:
            self.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._pair is None or self._pair[0].at_eof():
            self.close()
            self._pair = await asyncio.open_connection(*self._place, limit=_LINE_LIMIT)
        return self._pair


async def _send(writer: asyncio.StreamWriter, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


async def read_answer(reader: asyncio.StreamReader) -> Heard:
    """Read one answer to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    status = int(first.split(" ")[1])
    if status == 100:
        return await read_answer(reader)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(status, headers, body)


def written(method: str, target: str, headers: Mapping[str, str | bytes], body: bytes | None = None) -> bytes:
    """Write a request, with the length of its body unless the headers say something about that themselves."""
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    names = {name.lower() for name in headers}
    if "host" not in names:
        lines.append(b"host: sluiceway.test")
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(b"content-length: %d" % len(body))
    for name, value in headers.items():
        lines.append(name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")
