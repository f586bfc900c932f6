"""The connections of one process to its database: who is given one, how it is set up, and how long anybody waits."""

import asyncio
import select
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sluiceway.storage import arrays
from sluiceway.storage.keyring import NO_KEYS, Keyring
from sluiceway.storage.line import Connection, Line

APPLICATION_ROLE: Final = "sluiceway_app"
READING_ROLE: Final = "sluiceway_read"
"""Whoever only reads may work under this one, as far as the migration could make it."""
# The first execution of a statement on a connection is parsed, from the second on it is prepared.
_PREPARE_THRESHOLD: Final = 1
# More than there are queries in this package, so that no prepared statement pushes out another.
_PREPARED_MAX: Final = 1000
_CONNECT_TIMEOUT_S: Final = 5
_MAX_IDLE_S: Final = 300.0
# The pool doubles the pause between attempts for as long as this, so left at minutes it would sleep on for minutes when
# the database is back. Having given up it starts anew with the next caller.
_RECONNECT_FOR_S: Final = 2.0
# How long whoever waits for a connection waits before it is looked whether any can come.
_LOOK_AFTER_S: Final = 0.5
_WHILE_AWAY_S: Final = 0.25
# The time zone is set here and not when connecting, where the environment's PGTZ would win.
# Our statements are sets of look-ups by key. A young table has no statistics, and a batch always counts as ten rows, so
# the planner may prefer to read all rows of an organization, once or, kept aside, for each of the batch. With the other
# ways of scanning and joining off, and pages as cheap as they are in memory, it takes what is right at any size.
# What no index gives then counts as ten billion to it, and a server with a compiler for queries would compile each of
# these small ones: measured, 270 ms for one of 0.2.
# One plan for any values, and not one for each: of an organization that is newer than the statistics, the planner takes
# it that there is hardly a row, and reads all of it, until others' history has grown by a tenth. (Citus needs the
# values, to know where to send a statement.)
# Citus (pg_dist_partition is its catalogue) connects to its nodes as the role that asks, and ours cannot log in: there
# we stay who we are.
SESSION: Final[LiteralString] = """
    SELECT set_config('TimeZone', 'UTC', false), set_config('role', rolname, false),
           set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
           set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),
           set_config('enable_material', 'off', false), set_config('jit', 'off', false),
           set_config('seq_page_cost', '0.1', false), set_config('random_page_cost', '0.1', false),
           set_config('plan_cache_mode', CASE WHEN to_regclass('pg_dist_partition') IS NULL
                      THEN 'force_generic_plan' ELSE 'auto' END, false)
    FROM (VALUES (1)) AS always LEFT JOIN pg_roles ON rolname = %(role)s AND to_regclass('pg_dist_partition') IS NULL
"""


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """What a deployment may choose about its connections."""

    application_name: str = "sluiceway"
    min_connections: int = 2
    max_connections: int = 10
    keyring: Keyring = NO_KEYS
    """What opens the secrets that are in it."""
    organizations_at_once: int | None = None
    """How many organizations one transaction may lock or change: any number, but one where they are spread by Citus."""
    wait_for_connection_s: float = 5.0
    """As long as connections are busy. Where the server cannot be reached, nobody waits for more than half a second."""
    lock_timeout_s: float = 2.0
    statement_timeout_s: float = 10.0
    idle_in_transaction_timeout_s: float = 10.0
    # The server's own limits do not help when the server itself stands still; these are kept by us.
    silence_s: float = 12.0
    """After how long without an answer a connection counts as dead: longer than any statement may take."""
    transaction_timeout_s: float = 30.0


class Pool:
    """Connections to lend. Nobody waits for one that will not come, nor for the answer of a server that gives none."""

    def __init__(self, url: str, options: DatabaseOptions) -> None:
        """Describe it; nothing is connected before `open`."""
        self._options = options
        self._conninfo = _conninfo(url, options)
        self._line = Line(self._conninfo, options.silence_s)
        self.connections = AsyncConnectionPool[Connection](
            self._conninfo,
            connection_class=Connection,
            kwargs={
                "autocommit": True,
                "prepare_threshold": _PREPARE_THRESHOLD,
                "context": _adapters(),
                "line": self._line,
            },
            open=False,
            min_size=min(options.min_connections, options.max_connections),
            max_size=options.max_connections,
            timeout=options.wait_for_connection_s,
            max_idle=_MAX_IDLE_S,
            reconnect_timeout=_RECONNECT_FOR_S,
            configure=self._configure,
            check=self._check_still_open,
        )
        self._lent = 0
        self._giving_back: set[asyncio.Future[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, so that a wrong address or password is known now. Raises psycopg.Error."""
        # The pool would retry in the background and could only report a timeout, so one connection is tried by hand.
        async with await self.connect() as conn:
            await self._configure(conn)
        await self.connections.open(wait=True, timeout=max(self._options.wait_for_connection_s, _CONNECT_TIMEOUT_S))
        self._watching = asyncio.create_task(self._line.watch(self.connections.drain))

    async def close(self) -> None:
        """Close every connection; one that is lent is closed when it comes back."""
        ending = [task for task in (self._watching, self._sweeping) if task is not None]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self.connections.close()

    async def connect(self) -> Connection:
        """Open a connection beside those that are lent. Raises psycopg.Error."""
        return await Connection.connect(self._conninfo, line=self._line, autocommit=True)

    async def borrow(self) -> Connection:
        """Get a connection from the pool. Nobody waits for one that will not come. Raises psycopg.Error."""
        left_s = self._options.wait_for_connection_s
        while True:
            if self._line.is_silent:
                raise psycopg.OperationalError("the database does not answer")
            # Where the server only takes no more of us, those that are lent come back.
            wait_s = min(left_s, _WHILE_AWAY_S if self._line.is_away and not self._lent else _LOOK_AFTER_S)
            try:
                conn = await self.connections.getconn(timeout=wait_s)
            except PoolTimeout:
                left_s -= wait_s
                if left_s <= 0 or (self._line.is_away and not self._lent):
                    raise
            else:
                self._lent += 1
                return conn

    async def give_back(self, conn: Connection) -> None:
        """Take back what was lent; one that is closed or broken is replaced."""
        self._lent -= 1
        # A borrower that is cancelled while the pool is busy would take the connection along for ever: the pool counts
        # it as borrowed, and in the end has none left.
        giving_back = asyncio.ensure_future(self.connections.putconn(conn))
        self._giving_back.add(giving_back)
        giving_back.add_done_callback(self._giving_back.discard)
        await asyncio.shield(giving_back)

    async def _configure(self, conn: Connection) -> None:
        """Become the application's role, where the migration has made it, so that postings are append-only for us."""
        conn.prepared_max = _PREPARED_MAX
        await conn.execute(SESSION, {"role": APPLICATION_ROLE}, prepare=False)
        self._line.is_away = False

    async def _check_still_open(self, conn: Connection) -> None:
        """Find out without a round trip whether the server has hung up while the connection lay in the pool."""
        # An idle connection has nothing to say. If there is something to read, it is the end of the connection or a
        # notice, and only then does asking the server cost a round trip.
        poll = select.poll()
        poll.register(conn.pgconn.socket, select.POLLIN)
        if poll.poll(0):
            try:
                await AsyncConnectionPool.check_connection(conn)
            except psycopg.Error:
                # A server that went hung up on all of them. Left to those who ask for one, each of them would find a
                # few, with growing pauses, and be refused long after the server has come back.
                if self._sweeping is None or self._sweeping.done():
                    self._sweeping = asyncio.create_task(self.connections.check())
                raise


def _conninfo(url: str, options: DatabaseOptions) -> str:
    given = conninfo_to_dict(url)
    session = {
        "lock_timeout": str(round(options.lock_timeout_s * 1000)),
        "statement_timeout": str(round(options.statement_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": str(round(options.idle_in_transaction_timeout_s * 1000)),
        "default_transaction_isolation": r"read\ committed",
    }
    settings = [str(given.get("options") or ""), *(f"-c {name}={value}" for name, value in session.items())]
    defaults: dict[str, str | int] = {
        "application_name": options.application_name,
        "connect_timeout": _CONNECT_TIMEOUT_S,
        # A peer that vanished without a word is noticed in 15 s, idle (5 + 2 * 5) or waiting for its answer.
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 15_000,
    }
    return make_conninfo("", **{**defaults, **given, "client_encoding": "utf8", "options": " ".join(settings)})


def _adapters() -> AdaptersMap:
    """Load uuid as canonical text, and send every int as bigint.

    Left alone, psycopg sends an int in the smallest type that holds it, so that one statement would be prepared
    again for every mix of sizes.
    """
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_loader("uuid", TextLoader)
    adapters.register_dumper(int, Int8Dumper)
    arrays.register(adapters)
    return adapters
