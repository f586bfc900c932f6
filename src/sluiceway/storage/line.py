"""The line to one server: since when each connection waits for an answer, and whether anybody answers at all.

A server that stands still, or a peer that is gone without a word, looks like a statement that takes long. So a
connection that has waited for too long is hung up; whoever waits early on is a reason to ask whether the server still
answers anybody; and while it does not, nobody waits for it.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final, LiteralString, Self, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from sluiceway.storage.arrays import typed

LOOK_EVERY_S: Final = 0.5
SUSPICIOUS_S: Final = 5.0
"""After how long without an answer the server is asked on another connection whether it still answers."""
ANSWERS_WITHIN_S: Final = 3.0
"""How long it may take over that: connecting costs milliseconds, also where there is much to do."""
ASK_AGAIN_S: Final = 1.0
"""How often a server that does not answer is asked again: once for all who would like to know."""

RV = TypeVar("RV")


class Connection(AsyncConnection[TupleRow]):
    """A connection of a line."""

    line: "Line | None" = None
    may_wait: bool = False
    """Whether its statements may take as long as they want, as those that read everything do."""

    # To psycopg, any keyword may be one of PostgreSQL's parameters; none of them is called so.
    @classmethod
    async def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        line: "Line | None" = None,
        **more: Any,  # noqa: ANN401 -- handed on
    ) -> Self:
        """Connect. The line remembers when that was in vain."""
        try:
            conn = await super().connect(conninfo, **more)
        except psycopg.Error:
            if line is not None:
                line.is_away = True
            raise
        conn.line = line
        return conn

    async def execute(  # type: ignore[override]
        self,
        query: LiteralString,
        params: Mapping[str, object] | None = None,
        **how: Any,  # noqa: ANN401 -- handed on
    ) -> AsyncCursor[TupleRow]:
        """Run one of our statements, whose casts say how its lists are sent."""
        return await super().execute(query, typed(query, params), **how)

    async def wait(self, gen: PQGen[RV], *how: Any, **more: Any) -> RV:  # noqa: ANN401 -- handed on
        """Wait for the server, as whatever talks to it does, and let the line know since when."""
        if self.line is None:
            return await super().wait(gen, *how, **more)
        waiting = self.line.waiting
        waiting[self] = monotonic()
        try:
            return await super().wait(gen, *how, **more)
        finally:
            waiting.pop(self, None)

    def hang_up(self) -> None:
        """End the connection without asking the server, so that whoever waits for an answer is told that none comes."""
        # Cancelling would ask the server to stop, on a connection of its own, and wait for it.
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(self.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)


class Line:
    """What is known of the way to one server."""

    def __init__(self, conninfo: str, silence_s: float) -> None:
        """Know nothing against it. A connection that has waited for `silence_s` is hung up."""
        self._conninfo = conninfo
        self._silence_s = silence_s
        self.waiting: dict[Connection, float] = {}
        """The connections that wait for an answer, and since when."""
        self.is_away = False
        """Whether the last attempt to connect was in vain: a connection that is not there will hardly come soon."""
        self.is_silent = False
        """Whether the server takes connections and says nothing: it would only keep whoever asks it."""

    async def watch(self, renew: Callable[[], Awaitable[None]]) -> None:
        """Hang up what has waited for too long, until cancelled; have connections renewed whose like had to be."""
        asked_at = -SUSPICIOUS_S
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            was_silent, has_hung_up = self.is_silent, self._hang_up(self._silence_s)
            pause_s = ASK_AGAIN_S if was_silent else SUSPICIOUS_S
            if (was_silent or self._longest_wait_s() > SUSPICIOUS_S) and monotonic() - asked_at >= pause_s:
                self.is_silent = not await self._answers()
                asked_at = monotonic()
                if self.is_silent:
                    self._hang_up()
            if not self.is_silent and (was_silent or has_hung_up):
                # Those that lie idle may have lost their peer in the same way.
                await renew()

    def _longest_wait_s(self) -> float:
        return monotonic() - min(self.waiting.values(), default=monotonic())

    def _hang_up(self, after_s: float | None = None) -> bool:
        """Hang up what waits: all of it, or what has waited for so long and may not; tell whether there was any."""
        now = monotonic()
        chosen = [
            conn
            for conn, since in self.waiting.items()
            if after_s is None or (now - since > after_s and not conn.may_wait)
        ]
        for conn in chosen:
            conn.hang_up()
        return bool(chosen)

    async def _answers(self) -> bool:
        """Ask whether the server answers; a refusal is an answer."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                conn = await AsyncConnection[TupleRow].connect(self._conninfo)
        except (TimeoutError, psycopg.errors.ConnectionTimeout):
            return False
        except psycopg.Error:
            self.is_away = True
            return True
        await conn.close()
        return True
