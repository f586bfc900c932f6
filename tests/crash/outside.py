"""Whoever is outside: a service that says amounts and an endpoint that is told what has happened. Neither ever dies."""

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from typing import Self

from sluiceway.client import verify_webhook


class Outside:
    """Listens on a port of loopback. Says another amount each time it is asked, so that what was used shows."""

    def __init__(self) -> None:
        self.url = ""
        self.said: defaultdict[str, list[int]] = defaultdict(list)
        """Which amounts an execution was told, by its id."""
        self.heard: Counter[str] = Counter()
        """How often each event was told."""
        self.unsigned = 0
        self.webhook_secret = ""
        self.takes_s = 0.0
        self._amounts = itertools.count(1_000)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            raw = {name: line.split(": ", 1)[1] for line in head[1:] if ": " in line for name in [line.split(": ")[0]]}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            answer = await self._answer(head[0].split()[1], raw, body)
            text = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(text), text))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # Whoever asked was killed.
        finally:
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> dict[str, int]:
        if path == "/amount":
            amount = next(self._amounts)
            self.said[json.loads(body)["execution_id"]].append(amount)
            await asyncio.sleep(self.takes_s)
            return {"amountInCents": amount}
        try:
            self.heard[verify_webhook(body, headers, self.webhook_secret).id] += 1
        except Exception:  # noqa: BLE001 -- whatever is wrong with it, it is not a message of ours
            self.unsigned += 1
        await asyncio.sleep(self.takes_s)
        return {}
