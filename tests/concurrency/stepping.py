"""Several service calls at once, one statement at a time: who goes next is chosen from outside.

Each caller is a process of its own as far as the database can tell: a pool, what it remembers, real connections. Before
a statement goes to PostgreSQL it waits at a gate. What travels together in one round trip is let through one by one
too: that is how the server runs it. A statement that waits for somebody's lock is found out by asking the server, and
then the others go on.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from psycopg import AsyncConnection, errors
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from sluiceway.services.engine import Engine
from sluiceway.storage.database import SESSION, Database, DatabaseOptions
from sluiceway.storage.line import Connection
from tests.concurrency.locking import LockWatch, name_of
from tests.support import plain_engine

_FIRST_LOOK_S: Final = 0.003
_LONGEST_S: Final = 20.0
_BEGIN: Final = "BEGIN"


class Stuck(Exception):
    """A schedule that does not go on: nobody is at the gate, and nobody ends."""


@dataclass(eq=False)
class Statement:
    """A statement on its way: at the gate, at the server, done."""

    query: str
    pid: int
    let_go: asyncio.Future[None]
    done: asyncio.Future[None]
    has_let_go: bool = False
    """Whether its transaction had ended or failed when it was done: then its locks are free."""


@dataclass(eq=False)
class Caller:
    """Who makes one of the calls: at the gate with a statement, waiting at the server, or done."""

    database: Database
    engine: Engine
    at_gate: deque[Statement] = field(default_factory=deque[Statement])
    at_server: Statement | None = None
    call: asyncio.Task[Any] | None = None
    has_moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_ready(self) -> bool:
        return self.at_server is None and bool(self.at_gate)

    @property
    def is_over(self) -> bool:
        return self.call is None or self.call.done()

    def begin(self, call: Callable[[], Awaitable[object]]) -> None:
        async def run() -> object:
            return await call()

        self.call = asyncio.create_task(run())
        self.call.add_done_callback(lambda _: self.has_moved.set())


@dataclass(frozen=True, slots=True)
class Decision:
    """Who was ready, who had gone before, and who went."""

    ready: tuple[int, ...]
    before: int | None
    chosen: int

    def is_preemption(self, chosen: int) -> bool:
        """Tell whether this choice stops somebody who could have gone on."""
        return self.before in self.ready and chosen != self.before


@dataclass(frozen=True, slots=True)
class Played:
    """One schedule: its decisions, what each statement was, and what came of each call."""

    decisions: tuple[Decision, ...]
    steps: tuple[tuple[int, str], ...]
    outcomes: tuple[object, ...]
    """What each call returned or raised."""
    waits: int
    """How many statements waited for somebody's lock."""
    has_diverged: bool

    @property
    def choices(self) -> tuple[int, ...]:
        return tuple(decision.chosen for decision in self.decisions)

    def told(self) -> str:
        """Write it down in a line."""
        return " ".join(f"{who}:{name}" for who, name in self.steps)


class Stepper:
    """Callers whose statements go one at a time. Open it once, play many schedules."""

    def __init__(self, url: str, callers: int) -> None:
        self._url = url
        self._count = callers
        self._stack = AsyncExitStack()
        self._pids: set[int] = set()
        self.callers: list[Caller] = []
        self.locks = LockWatch()
        self.deadlocks = 0
        self.statements = 0
        self._is_stepping = False
        self._waits = 0

    async def __aenter__(self) -> Self:
        connection = await AsyncConnection.connect(self._url, autocommit=True)
        self._monitor = await self._stack.enter_async_context(connection)
        # Every connection is there from the beginning: none is opened while a schedule is played. Nobody is hurried:
        # a step may take a while on a busy machine, and how long is waited is not what this is about.
        options = DatabaseOptions(
            min_connections=3,
            max_connections=3,
            lock_timeout_s=60,
            statement_timeout_s=60,
            idle_in_transaction_timeout_s=60,
            transaction_timeout_s=120,
        )
        for index in range(self._count):
            database = Database(self._url, options)
            database._pool.connections.connection_class = self._connections_of(index)
            await self._stack.enter_async_context(database)
            self.callers.append(Caller(database, plain_engine(database)))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _connections_of(self, index: int) -> type[Connection]:
        stepper = self

        class Stepped(Connection):
            """A connection whose statements wait at the gate."""

            async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
                if query is SESSION:
                    stepper._pids.add(self.info.backend_pid)
                    return await super().execute(query, params, **more)
                async with stepper._turn(index, self, str(query)) as statement:
                    cursor = await super().execute(query, params, **more)
                    stepper.locks.saw(self, statement.query, cursor.pgresult)
                    return cursor

            async def rollback(self) -> None:
                async with stepper._turn(index, self, "ROLLBACK"):
                    await super().rollback()
                    stepper.locks.saw(self, "ROLLBACK", None)

            @asynccontextmanager
            async def pipeline(self) -> AsyncGenerator[Any]:
                yield _OneByOne()

        return Stepped

    @asynccontextmanager
    async def _turn(self, index: int, conn: AsyncConnection[TupleRow], query: str) -> AsyncGenerator[Statement]:
        loop = asyncio.get_running_loop()
        statement = Statement(query, conn.info.backend_pid, loop.create_future(), loop.create_future())
        # Nothing is seen and nothing is locked by BEGIN: it goes with the statement after it.
        if self._is_stepping and query != _BEGIN:
            caller = self.callers[index]
            caller.at_gate.append(statement)
            caller.has_moved.set()
            await statement.let_go
        try:
            yield statement
        except errors.DeadlockDetected:
            self.deadlocks += 1
            raise
        finally:
            statement.has_let_go = conn.pgconn.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INERROR)
            if not statement.done.done():
                statement.done.set_result(None)

    async def play(self, calls: Sequence[Callable[[], Awaitable[object]]], prefix: Sequence[int] = ()) -> Played:
        """Run one call for each of the first callers, in the order that `prefix` says and from its end on as they come.

        Raises Stuck.
        """
        callers = self.callers[: len(calls)]
        self._is_stepping, self._waits = True, 0
        decisions: list[Decision] = []
        steps: list[tuple[int, str]] = []
        has_diverged, before = False, None
        try:
            for caller, call in zip(callers, calls, strict=True):
                caller.begin(call)
                await self._arrive(caller)
            while not all(caller.is_over for caller in callers):
                ready = tuple(index for index, caller in enumerate(callers) if caller.is_ready)
                if not ready:
                    await self._somebody_goes_on(callers)
                    continue
                chosen = before if before in ready else ready[0]
                if len(ready) > 1:
                    if len(decisions) < len(prefix):
                        wanted = prefix[len(decisions)]
                        has_diverged = has_diverged or wanted not in ready
                        chosen = wanted if wanted in ready else chosen
                    decisions.append(Decision(ready, before, chosen))
                steps.append((chosen, name_of(callers[chosen].at_gate[0].query)))
                await self._step(callers, callers[chosen])
                before = chosen
        except BaseException:
            await self._give_up(callers)
            raise
        finally:
            self._is_stepping = False
        outcomes = [_outcome(caller.call) for caller in callers if caller.call is not None]
        return Played(tuple(decisions), tuple(steps), tuple(outcomes), self._waits, has_diverged)

    async def _step(self, callers: Sequence[Caller], caller: Caller) -> None:
        statement = caller.at_gate.popleft()
        caller.at_server = statement
        self.statements += 1
        caller.has_moved.clear()
        statement.let_go.set_result(None)
        if not await self._is_done(statement):
            self._waits += 1
            return
        await self._goes_on(caller)
        if statement.has_let_go:
            await self._let_others_on(callers)

    async def _let_others_on(self, callers: Sequence[Caller]) -> None:
        """Find whose locks have come free; what fails lets go of more."""
        has_changed = True
        while has_changed:
            has_changed = False
            for caller in callers:
                waiting = caller.at_server
                if waiting is not None and await self._is_done(waiting):
                    await self._goes_on(caller)
                    has_changed = has_changed or waiting.has_let_go

    async def _goes_on(self, caller: Caller) -> None:
        caller.at_server = None
        await self._arrive(caller)

    async def _is_done(self, statement: Statement) -> bool:
        """Wait until a statement is done; False: it waits for the lock of one of us."""
        pause_s, waited_s = _FIRST_LOOK_S, 0.0
        while not statement.done.done():
            await asyncio.wait([statement.done], timeout=pause_s)
            if statement.done.done():
                break
            if await self._waits_for_us(statement.pid):
                return statement.done.done()
            waited_s += pause_s
            if waited_s > _LONGEST_S:
                raise Stuck(f"{name_of(statement.query)} neither ends nor waits for a lock")
        return True

    async def _waits_for_us(self, pid: int) -> bool:
        found = await self._monitor.execute("SELECT pg_blocking_pids(%s) && %s::int[]", (pid, list(self._pids)))
        return (await found.fetchall())[0][0]

    async def _arrive(self, caller: Caller) -> None:
        """Wait until a caller is at the gate again, or done."""
        async with asyncio.timeout(_LONGEST_S):
            while not (caller.at_gate or caller.is_over):
                caller.has_moved.clear()
                await caller.has_moved.wait()

    async def _somebody_goes_on(self, callers: Sequence[Caller]) -> None:
        """Everybody waits for somebody: the server ends it, or time does."""
        waiting = [caller.at_server.done for caller in callers if caller.at_server is not None]
        done, _ = await asyncio.wait(waiting, timeout=_LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise Stuck("everybody waits, and the server ends it for nobody")
        for caller in callers:
            if caller.at_server is not None and caller.at_server.done.done():
                await self._goes_on(caller)
        await self._let_others_on(callers)

    async def _give_up(self, callers: Sequence[Caller]) -> None:
        """Let everything through, so that nothing is left behind."""
        self._is_stepping = False
        for caller in callers:
            while caller.at_gate:
                caller.at_gate.popleft().let_go.set_result(None)
            caller.at_server = None
        calls = [caller.call for caller in callers if caller.call is not None]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


class _OneByOne:
    """Stands in for a pipeline: everything has been sent by itself."""

    async def sync(self) -> None:
        """There is nothing to wait for."""


def _outcome(call: asyncio.Task[Any]) -> object:
    failure = call.exception()
    return failure if failure is not None else call.result()
