"""What statements run on: shared connections, a connection that is lent, or a transaction that may write."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, LiteralString, NamedTuple, Protocol

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import TupleRow

Params = Mapping[str, object]

COMMIT: Final = "COMMIT"
_STREAMED_AT_ONCE: Final = 2000
_LANES: Final = 3
"""How many connections shared reads may use at once: a slow one leaves the others free."""
_SHARED_AT_MOST: Final = 50
_AWAY: Final = ("08", "57P")
"""Classes of SQLSTATE that speak of the connection or the server, and not of a statement."""


class ReadTx(Protocol):
    """Runs single statements, each of which sees the newest committed state."""

    async def fetch_all(self, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
        """Run a statement and return all its rows."""
        ...


@dataclass(eq=False, slots=True)
class LentTx:
    """A connection that is lent."""

    conn: AsyncConnection[TupleRow]

    async def fetch_all(self, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
        """Run a statement and return all its rows."""
        cursor = await self.conn.execute(query, params)
        return await cursor.fetchall()

    async def stream(self, query: LiteralString, params: Params | None = None) -> AsyncGenerator[TupleRow]:
        """Give the rows of a query a few at a time: there may be more than fit into memory. In a snapshot."""
        async with self.conn.cursor("stream") as cursor:
            cursor.itersize = _STREAMED_AT_ONCE
            await cursor.execute(query, params)
            async for row in cursor:
                yield row


@dataclass(eq=False, slots=True)
class WriteTx:
    """A transaction that may write."""

    conn: AsyncConnection[TupleRow]
    ahead: list[tuple[LiteralString, Params | None]] = field(default_factory=list[tuple[LiteralString, Params | None]])
    """Statements whose results nobody waits for. They travel with the next one that somebody does wait for."""
    afterwards: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """What to do once it is committed: quick, without fail, and of no consequence to the transaction."""

    async def fetch_all(self, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
        """Run a statement, after those ahead, and return all its rows."""
        cursor = await self.run(query, params)
        return await cursor.fetchall()

    async def run(self, query: LiteralString, params: Params | None = None) -> AsyncCursor[TupleRow]:
        """Run a statement, and before it those ahead, in one round trip. Raises the first failure."""
        if not self.ahead:
            return await self.conn.execute(query, params)
        ahead, self.ahead = self.ahead, []
        async with self.conn.pipeline() as together:
            for statement, values in ahead:
                await self.conn.execute(statement, values)
            cursor = await self.conn.execute(query, params)
            if query != COMMIT:
                # The block's end asks for what it has not read yet, and then the server does not count us as idle: in a
                # transaction that goes on it would wait for us for ever.
                await together.sync()
        return cursor


class _Asked(NamedTuple):
    query: LiteralString
    params: Params | None
    rows: asyncio.Future[list[TupleRow]]


class SharedReads:
    """Runs the single statements of many callers together: what comes while a lot is under way forms the next one.

    Nobody waits for a lot to fill, and a caller that is cancelled leaves its statement behind, so that nobody ever
    reads another one's answer.
    """

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[AsyncConnection[TupleRow]]]) -> None:
        """Borrow connections from `connection`, one for each lot."""
        self._connection = connection
        self._waiting: deque[_Asked] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._busy_lanes = 0

    async def fetch_all(self, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
        """Run a statement in the next lot and return all its rows."""
        asked = _Asked(query, params, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._busy_lanes < _LANES:
            self._busy_lanes += 1
            lane = asyncio.create_task(self._work())
            self._running.add(lane)
            lane.add_done_callback(self._running.discard)
        return await asked.rows

    async def close(self) -> None:
        """Wait until everybody who has asked is answered."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._run([self._waiting.popleft() for _ in range(min(_SHARED_AT_MOST, len(self._waiting)))])
        finally:
            # Here and not when the task is done: an answered caller runs before that, and may ask again.
            self._busy_lanes -= 1

    async def _run(self, lot: Sequence[_Asked]) -> None:
        try:
            found = await self._rows(lot)
        except Exception as failure:  # noqa: BLE001 -- the failure belongs to the callers, who are waiting for it
            if len(lot) > 1 and _is_of_a_statement(failure):
                # One bad statement must not fail its neighbours.
                for asked in lot:
                    await self._run([asked])
                return
            for asked in lot:
                if not asked.rows.done():
                    asked.rows.set_exception(failure)
            return
        for asked, rows in zip(lot, found, strict=True):
            if not asked.rows.done():
                asked.rows.set_result(rows)

    async def _rows(self, lot: Sequence[_Asked]) -> list[list[TupleRow]]:
        async with self._connection() as conn:
            if len(lot) == 1:
                cursors = [await conn.execute(lot[0].query, lot[0].params)]
            else:
                async with conn.pipeline():
                    cursors = [await conn.execute(asked.query, asked.params) for asked in lot]
            return [await cursor.fetchall() for cursor in cursors]


def _is_of_a_statement(failure: Exception) -> bool:
    return (
        isinstance(failure, psycopg.Error) and failure.sqlstate is not None and not failure.sqlstate.startswith(_AWAY)
    )
