"""The pool of connections, the two kinds of transaction, and what a failing database looks like to its callers."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, LiteralString, Self, TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from sluiceway.storage.line import Connection
from sluiceway.storage.pool import APPLICATION_ROLE, READING_ROLE, SESSION, DatabaseOptions, Pool
from sluiceway.storage.transactions import COMMIT, LentTx, Params, ReadTx, SharedReads, WriteTx

__all__ = [
    "APPLICATION_ROLE",
    "READING_ROLE",
    "RETRY_DELAYS_S",
    "SESSION",
    "ConstraintViolated",
    "Database",
    "DatabaseOptions",
    "DatabaseUnavailable",
    "LentTx",
    "Locked",
    "ReadTx",
    "WriteTx",
    "count",
    "execute",
    "fetch_all",
    "fetch_one",
]

RETRY_DELAYS_S: Final = (0.005, 0.01, 0.02, 0.04, 0.08)

T = TypeVar("T")

# A snapshot is for reading much, as the audit does: there the planner chooses.
_READS_MUCH: Final[LiteralString] = """
    SELECT set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
           set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
           set_config('enable_material', 'on', true), set_config('plan_cache_mode', 'auto', true)
"""
_HEAR_FOR_S: Final = 3.0
_INTERRUPTIONS: Final = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
_OF_A_SHARD: Final = re.compile(r'constraint "(\w+)_\d+"')
_IDLE_SESSION_KILLED: Final = ("25P03", "25P04")


@dataclass(eq=False)
class DatabaseUnavailable(Exception):
    """The database cannot be reached, is overloaded, or gave up on a statement.

    When it is raised by a write whose COMMIT was already under way, nobody knows whether the write happened: callers
    repeat it under its idempotency key.
    """

    reason: str

    def __str__(self) -> str:
        """Say what happened."""
        return self.reason


@dataclass(eq=False)
class Locked(DatabaseUnavailable):
    """Somebody else kept a row locked for longer than we wait for it; nothing was written."""


@dataclass(eq=False)
class ConstraintViolated(Exception):
    """The schema refused a row: a unique, foreign key, check, exclusion or not-null constraint."""

    constraint: str
    detail: str

    def __str__(self) -> str:
        """Name the constraint and what the server said."""
        return f"{self.constraint}: {self.detail}"


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, url: str, options: DatabaseOptions | None = None) -> None:
        """Describe the pool; nothing is connected before `open`."""
        self.options = options or DatabaseOptions()
        self._pool = Pool(url, self.options)
        self._shared = SharedReads(self._connection)
        self.failures: Counter[str] = Counter()
        """How often it did not do what it was asked: unavailable, no_connection, locked, constraint, repeated."""

    async def open(self) -> None:
        """Connect, so that a wrong address or password is known now. Raises DatabaseUnavailable."""
        try:
            await self._pool.open()
        except psycopg.Error as failure:
            raise DatabaseUnavailable(str(failure)) from failure

    async def close(self) -> None:
        """Answer who has asked, then close every connection; one in use is closed when it comes back."""
        await self._shared.close()
        await self._pool.close()

    async def __aenter__(self) -> Self:
        """Open the pool."""
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the pool."""
        await self.close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadTx]:
        """Read, without BEGIN: each statement sees the newest committed state and shares its round trip with others.

        Raises DatabaseUnavailable.
        """
        with _translated(self.failures):
            yield self._shared

    @asynccontextmanager
    async def lend(self) -> AsyncGenerator[LentTx]:
        """Lend a connection, without BEGIN, for statements whose locks must not wait for what others read.

        Raises DatabaseUnavailable.
        """
        with _translated(self.failures):
            async with self._connection() as conn:
                yield LentTx(conn)

    async def hints(self) -> AsyncGenerator[None]:
        """Say whenever another process hints that something may be due, on a connection of its own.

        Raises DatabaseUnavailable when nothing can be heard any more.
        """
        with _translated(self.failures):
            async with await self._pool.connect() as conn:
                await conn.execute("LISTEN sluiceway_due")
                while True:
                    async for _ in conn.notifies(timeout=_HEAR_FOR_S):
                        yield
                    # Who only listens never finds out that nobody is there any more.
                    await conn.execute("SELECT")

    @asynccontextmanager
    async def snapshot(self, patience_s: float | None = None) -> AsyncGenerator[LentTx]:
        """Lend a connection whose statements all see one state of the database, and which cannot write.

        `patience_s`: for how long at most, where that is longer than any request may take. Raises DatabaseUnavailable.
        """
        with _translated(self.failures):
            async with self._connection(patience_s) as conn:
                await conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await conn.execute(_READS_MUCH)
                conn.may_wait = True
                try:
                    yield LentTx(conn)
                finally:
                    conn.may_wait = False
                    with suppress(psycopg.Error):
                        await conn.rollback()

    async def write(self, work: Callable[[WriteTx], Awaitable[T]]) -> T:
        """Run `work` in one READ COMMITTED transaction and return its result once that is durable.

        `work` may run up to six times, so it may have no effect beside its own statements. Repeats happen after a
        deadlock, a serialization failure, or a connection lost before COMMIT was sent; never after that.
        Raises DatabaseUnavailable (Locked among it) and ConstraintViolated.
        """
        with _translated(self.failures):
            for delay_s in RETRY_DELAYS_S:
                attempt = _Attempt(self.options.idle_in_transaction_timeout_s)
                try:
                    return await self._run(work, attempt)
                except psycopg.Error as failure:
                    if not attempt.may_repeat_after(failure):
                        raise
                    self.failures["repeated"] += 1
                # The other party of a deadlock has won by now and only needs time to finish, so growing delays do
                # without randomness.
                await asyncio.sleep(delay_s)
            return await self._run(work, _Attempt(self.options.idle_in_transaction_timeout_s))

    async def _run(self, work: Callable[[WriteTx], Awaitable[T]], attempt: "_Attempt") -> T:
        async with self._connection() as conn:
            attempt.conn, attempt.began = conn, asyncio.get_running_loop().time()
            await conn.execute("BEGIN")
            tx = WriteTx(conn)
            try:
                result = await work(tx)
                attempt.is_committing = True
                ended = await tx.run(COMMIT)
            except Exception:
                # A connection that cannot even do this is thrown away by the pool; what `work` raised is the news.
                with suppress(psycopg.Error):
                    await conn.rollback()
                raise
            # COMMIT quietly rolls back after a failure, and we would report a success that never happened.
            assert ended.statusmessage == "COMMIT", "a failed statement was swallowed"
            for do in tx.afterwards:
                do()
            return result

    @asynccontextmanager
    async def _connection(self, patience_s: float | None = None) -> AsyncGenerator[Connection]:
        conn = await self._pool.borrow()
        patience_s = max(self.options.transaction_timeout_s, patience_s or 0)
        limit = asyncio.timeout(patience_s)
        try:
            async with limit:
                yield conn
        except (TimeoutError, *_INTERRUPTIONS) as failure:
            # Stopped in the middle of a statement: its answer may still be on the wire, and the next borrower would
            # read it as its own. The pool replaces a closed connection.
            await conn.close()
            if limit.expired():
                reason = f"the database took longer than {patience_s} s"
                raise DatabaseUnavailable(reason) from failure
            raise
        finally:
            await self._pool.give_back(conn)


@dataclass(slots=True)
class _Attempt:
    """How far one run of a write came, which decides whether it may be repeated."""

    longest_s: float
    conn: Connection | None = None
    began: float = 0.0
    is_committing: bool = False

    def may_repeat_after(self, failure: psycopg.Error) -> bool:
        if isinstance(failure, errors.SerializationFailure | errors.DeadlockDetected):
            return True
        if self.is_committing or self.conn is None or not self.conn.broken:
            return False
        # A session that the server ended because `work` dawdled would be ended again. The server's word for it is lost
        # when we were sending much at that moment.
        has_dawdled = asyncio.get_running_loop().time() - self.began >= self.longest_s
        return not has_dawdled and failure.sqlstate not in _IDLE_SESSION_KILLED


async def fetch_all(tx: ReadTx, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
    """Run a query and return all its rows."""
    return await tx.fetch_all(query, params)


async def fetch_one(tx: ReadTx, query: LiteralString, params: Params | None = None) -> TupleRow | None:
    """Run a query that gives at most one row."""
    rows = await fetch_all(tx, query, params)
    assert len(rows) <= 1, f"expected at most one row, got {len(rows)}"
    return rows[0] if rows else None


async def execute(tx: WriteTx, query: LiteralString, params: Params | None = None) -> None:
    """Run a statement whose result nobody waits for: it travels with the next one, which then raises its failure."""
    tx.ahead.append((query, params))


async def count(tx: WriteTx, query: LiteralString, params: Params | None = None) -> int:
    """Run a statement and tell how many rows it touched."""
    cursor = await tx.run(query, params)
    return cursor.rowcount


@contextmanager
def _translated(failures: Counter[str]) -> Generator[None]:
    """Turn what psycopg raises into this module's exceptions, so that nobody else has to know psycopg; count them."""
    try:
        yield
    except psycopg.IntegrityError as failure:
        failures["constraint"] += 1
        raise ConstraintViolated(_constraint(failure), str(failure.diag.message_primary or failure)) from failure
    except PoolClosed as failure:
        raise DatabaseUnavailable("the database is closed") from failure
    except (PoolTimeout, TooManyRequests) as failure:
        failures["no_connection"] += 1
        raise DatabaseUnavailable("no connection became free in time") from failure
    except errors.LockNotAvailable as failure:
        failures["locked"] += 1
        raise Locked(str(failure)) from failure
    except psycopg.OperationalError as failure:
        failures["unavailable"] += 1
        raise DatabaseUnavailable(str(failure)) from failure
    except psycopg.Error as failure:
        if failure.sqlstate not in _IDLE_SESSION_KILLED:
            raise
        failures["unavailable"] += 1
        raise DatabaseUnavailable(str(failure)) from failure


def _constraint(failure: psycopg.IntegrityError) -> str:
    # A cluster hands on what its node says and no more: there the constraint is that of a shard, with its number.
    of_a_shard = _OF_A_SHARD.search(failure.diag.message_primary or "")
    said = of_a_shard and of_a_shard[1]
    return failure.diag.constraint_name or said or failure.diag.column_name or str(failure.sqlstate)
