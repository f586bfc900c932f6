"""Load clients: each asks one thing at a time, writes it down first, and repeats it under its key until answered."""

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.crash.journal import Journal
from tests.crash.town import KINDS, Asking, Request

REPLAYED_IN: Final = 20
"""One in so many requests is an old one, sent again."""
REMEMBERED: Final = 2000
ATTEMPTS: Final = 2000
_FOLLOWED: Final = {kind.follows for kind in KINDS.values()} - {""}
_TRY_AGAIN = (409, 429, 503)
"""Somebody is at it, or nobody can be just now."""


@dataclass
class Seen:
    """What all clients together have seen."""

    acknowledged: int = 0
    refused: int = 0
    replays: int = 0
    cuts: int = 0
    lost_answers: int = 0
    """Requests whose effect was there although nobody had been answered, as the repetition showed."""
    wrong: list[str] = field(default_factory=list)
    old: deque[tuple[Request, int, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    acknowledged_since: int = 0
    """Since somebody last set it to zero."""
    in_flight: set[int] = field(default_factory=set)


class Line:
    """A connection that is kept for as long as it lives, to a server that `is_up`, as far as anybody has heard."""

    def __init__(self, port: int, is_up: Callable[[], bool]) -> None:
        self.port = port
        self.is_up = is_up
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> tuple[int, bool, str]:
        """Send a request; give the status, whether it is a replay, and the body. Raises OSError and EOFError."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        body = json.dumps(request.body).encode()
        head = (
            f"POST {request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ApiKey {request.secret}\r\n"
            f"Idempotency-Key: {request.key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        head_lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in head_lines[1:] if line)
        text = await reader.readexactly(int(headers[b"content-length"]))
        return int(head_lines[0].split()[1]), headers.get(b"idempotent-replayed") == b"true", text.decode()

    def hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams = None


class Client:
    """One program that uses the API. `until_up` waits for a server; `lines` lead to those that may be asked."""

    def __init__(
        self,
        asking: Asking,
        journal: Journal,
        seen: Seen,
        lines: Sequence[Line],
        until_up: Callable[[], Awaitable[object]],
        *,
        patience_s: float = 20.0,
    ) -> None:
        self._asking = asking
        self._journal = journal
        self._seen = seen
        self._lines = lines
        self._until_up = until_up
        self._patience_s = patience_s
        self._dice: random.Random = asking.dice

    async def run(self, stop: asyncio.Event, pause_s: float = 0.0) -> None:
        """Ask until `stop`; what is under way then is repeated until it is answered."""
        while not stop.is_set():
            if self._seen.old and self._dice.randrange(REPLAYED_IN) == 0:
                await self._replay()
            else:
                await self.ask(self._asking.next_request())
            if pause_s:
                await asyncio.sleep(self._dice.uniform(0, 2 * pause_s))
        for line in self._lines:
            line.hang_up()

    async def ask(self, request: Request) -> None:
        line = {"n": request.number, "kind": request.kind, "key": request.key, "path": request.path}
        self._journal.write({**line, "body": request.body, "subject": request.subject})
        self._seen.in_flight.add(request.number)
        status, is_replay, body, cuts = await self._until_answered(request)
        self._seen.in_flight.discard(request.number)
        if KINDS[request.kind].is_refused:
            self._seen.refused += 1
            if status < 400 or status >= 500:
                self._seen.wrong.append(f"request {request.number} ({request.kind}) was answered {status}: {body}")
        elif status not in (200, 201):
            self._seen.wrong.append(f"request {request.number} ({request.kind}) was answered {status}: {body}")
        else:
            self._seen.acknowledged += 1
            self._seen.acknowledged_since += 1
            self._seen.lost_answers += is_replay
            if is_replay and not cuts:
                self._seen.wrong.append(f"request {request.number} was new and yet answered as a replay")
            self._seen.old.append((request, status, body))
            if request.kind in _FOLLOWED:
                self._asking.made[request.kind].append(json.loads(body)["data"]["id"])

    async def _replay(self) -> None:
        request, status, body = self._dice.choice(self._seen.old)
        told_status, is_replay, told, _ = await self._until_answered(request)
        self._seen.replays += 1
        if (told_status, told, is_replay) != (status, body, True):
            self._seen.wrong.append(
                f"request {request.number} was answered {status} {body} and then {told_status} {told} ({is_replay=})"
            )

    def _another(self, than: Line | None) -> Line:
        """Choose whom to ask: whoever is up and, after a failure, another one, as far as there is one."""
        up = [line for line in self._lines if line.is_up()] or self._lines
        return self._dice.choice([line for line in up if line is not than] or up)

    async def _until_answered(self, request: Request) -> tuple[int, bool, str, int]:
        cuts, line, last = 0, None, "nothing"
        for attempt in range(ATTEMPTS):
            line = self._another(line)
            try:
                async with asyncio.timeout(self._patience_s):
                    status, is_replay, body = await line.ask(request)
            except (OSError, EOFError, TimeoutError):
                line.hang_up()
                cuts += 1
                self._seen.cuts += 1
                self._journal.write({"n": request.number, "cut": True})
                await self._until_up()
                await asyncio.sleep(0.005 * min(attempt + 1, 20))
                continue
            if status in _TRY_AGAIN:
                cuts, last = cuts + 1, f"{status} {body}"
                await asyncio.sleep(0.02 * min(attempt + 1, 10))
                continue
            if status >= 500:
                self._seen.wrong.append(f"request {request.number} ({request.kind}) was answered {status}: {body}")
            self._journal.write({"n": request.number, "status": status, "replay": is_replay, "body": body})
            return status, is_replay, body, cuts
        raise AssertionError(f"request {request.number} ({request.kind}) was never answered; the last was {last}")
