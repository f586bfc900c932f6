"""The program's Database over tables in memory: its own retries, pools and pipelines, on connections that may fail."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from psycopg import OperationalError, errors
from psycopg_pool import PoolTimeout

from sluiceway.storage.database import Database
from sluiceway.storage.transactions import SharedReads
from tests.simulation.tables import Row
from tests.simulation.transactions import Store, Transaction

_HOLDS: Final = ("hold_leg", "hold_feed", "hold_gathering")
_GONE: Final = "server closed the connection unexpectedly"


@dataclass
class Trouble:
    """How often what goes wrong, each a part of one."""

    lost_before: float = 0.0
    """A statement, COMMIT too, never arrives."""
    lost_after: float = 0.0
    """It is done, and the answer never arrives."""
    serialization: float = 0.0
    no_connection: float = 0.0
    slow: float = 0.0
    """It takes seconds."""


@dataclass
class Answered:
    """What stands for a cursor."""

    rows: list[Row]
    rowcount: int
    statusmessage: str = ""

    async def fetchall(self) -> list[Row]:
        return self.rows


class Stream:
    """What stands for a cursor that gives its rows a few at a time."""

    def __init__(self, conn: "Connection") -> None:
        self._conn = conn
        self._rows: list[Row] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is left to do."""

    async def execute(self, query: str, params: Mapping[str, Any] | None = None) -> None:
        self._rows = (await self._conn.execute(query, params)).rows

    async def __aiter__(self) -> AsyncGenerator[Row]:
        for row in self._rows:
            yield row


class Connection:
    """What the program uses of an AsyncConnection."""

    def __init__(self, database: "SimulatedDatabase") -> None:
        self.database = database
        self.transaction: Transaction | None = None
        self.broken = False
        self.closed = False
        self._is_committing = False

    async def execute(self, query: str, params: Mapping[str, Any] | None = None, **_: Any) -> Answered:
        """Send a statement, let the server run it, and wait for its answer."""
        if self.closed or self.broken:
            raise OperationalError("the connection is closed")
        if query == "COMMIT":
            return await self._commit()
        await self.database.travel(self)
        if query.startswith("BEGIN"):
            self.transaction = Transaction(self.database.store, is_snapshot="REPEATABLE READ" in query)
            return Answered([], -1)
        if "set_config" in query:
            return Answered([], -1)
        return await self._run(query, params or {})

    async def _run(self, query: str, params: Mapping[str, Any]) -> Answered:
        store = self.database.store
        statement = store.statement(query)
        store.ran[statement.name] += 1
        transaction = self.transaction or Transaction(store)
        if transaction.is_failed:
            raise errors.InFailedSqlTransaction("current transaction is aborted")
        try:
            self.database.may_conflict(statement.writes)
            rows, count = await statement.run(transaction, params)
        except BaseException:
            transaction.abort()
            raise
        if not rows and statement.name in _HOLDS:
            store.reached["whoever had a lease finds it taken"] += 1
        if transaction is not self.transaction:
            transaction.commit()
        await self.database.travel_back(self)
        return Answered(list(rows), count)

    async def _commit(self) -> Answered:
        transaction = self.transaction
        assert transaction is not None
        self._is_committing = True
        try:
            await self.database.travel(self)
        finally:
            self._is_committing = False
        if transaction.is_failed:
            transaction.rollback()
            self.transaction = None
            return Answered([], -1, "ROLLBACK")
        self._end(transaction)
        await self.database.travel_back(self, is_commit=True)
        return Answered([], -1, "COMMIT")

    def _end(self, transaction: Transaction) -> None:
        transaction.commit()
        self.transaction = None

    @asynccontextmanager
    async def pipeline(self) -> AsyncGenerator["Connection"]:
        yield self

    def cursor(self, _: str) -> Stream:
        return Stream(self)

    async def sync(self) -> None:
        """There is nothing to wait for: each statement is answered at once."""

    async def rollback(self) -> None:
        self.forget()

    async def close(self) -> None:
        self.closed = True
        self.forget()

    def forget(self) -> None:
        """End what is open, as the server does when a connection ends."""
        if self.transaction is not None:
            self.transaction.rollback()
            self.transaction = None

    def lose(self) -> OperationalError:
        """Break, or lose the process at the other end: a COMMIT that is under way may still arrive."""
        transaction = self.transaction
        self.broken = True
        if self._is_committing and transaction is not None and not transaction.is_failed:
            self._is_committing = False
            if self.database.draw.random() < 0.5:
                self.database.store.reached["a commit was applied and its answer lost"] += 1
                self._end(transaction)
        self.forget()
        return OperationalError(_GONE)


class Pool:
    """So many connections, made when they are wanted."""

    def __init__(self, database: "SimulatedDatabase", size: int) -> None:
        self._database = database
        self._size = size
        self._lent: set[Connection] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def borrow(self) -> Connection:
        if self._database.chance("no_connection"):
            raise PoolTimeout("couldn't get a connection")
        while len(self._lent) >= self._size:
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(free)
            try:
                async with asyncio.timeout(self._database.options.wait_for_connection_s):
                    await free
            except TimeoutError:
                raise PoolTimeout("couldn't get a connection") from None
        made = Connection(self._database)
        self._lent.add(made)
        return made

    async def give_back(self, conn: Connection) -> None:
        conn.forget()
        self._lent.discard(conn)
        while self._waiting:
            free = self._waiting.popleft()
            if not free.done():
                free.set_result(None)
                break

    def drop(self) -> None:
        """Let the server end all transactions of a process that is dead."""
        for conn in self._lent:
            conn.lose()


class SimulatedDatabase(Database):
    """One process's database."""

    def __init__(self, store: Store, draw: random.Random, trouble: Trouble | None = None) -> None:
        super().__init__("")
        self.store = store
        self.draw = draw
        self.trouble = trouble or Trouble()
        self.is_cut_off = False
        self.pool = Pool(self, self.options.max_connections)
        self._pool = self.pool  # type: ignore[assignment]
        self._shared = SharedReads(self._connection)  # type: ignore[arg-type]

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        await self._shared.close()

    async def hints(self) -> AsyncGenerator[None]:
        """Nobody hints: workers look for themselves."""
        await asyncio.get_running_loop().create_future()
        yield

    def chance(self, what: str) -> bool:
        """Draw whether something goes wrong this time."""
        rate: float = getattr(self.trouble, what)
        if rate and self.draw.random() < rate:
            self.store.reached[f"database: {what}"] += 1
            return True
        return False

    def may_conflict(self, writes: bool) -> None:
        if writes and self.chance("serialization"):
            raise errors.SerializationFailure("could not serialize access")

    async def travel(self, conn: Connection) -> None:
        """On the way to the server: others may be first."""
        if self.is_cut_off or self.chance("lost_before"):
            raise conn.lose()
        drawn = self.draw.random()
        # What is read alone meets nobody on the way; what is in a transaction may at every statement.
        if drawn < (0.1 if conn.transaction is None else 0.4):
            await asyncio.sleep(drawn * 0.004 if not self.chance("slow") else drawn * 8)
        if conn.broken:
            raise OperationalError(_GONE)

    async def travel_back(self, conn: Connection, *, is_commit: bool = False) -> None:
        if self.is_cut_off or self.chance("lost_after"):
            if is_commit:
                self.store.reached["a commit was applied and its answer lost"] += 1
            raise conn.lose()
        drawn = self.draw.random()
        if drawn < 0.1:
            await asyncio.sleep(drawn * 0.01)
