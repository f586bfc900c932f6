"""Processes of the program in the simulated world: each with an engine of its own over the one store, and a clock."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sluiceway.outbound import Outbound, OutboundFailed, Response, read_policy
from sluiceway.outbound.guard import check_url
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.rails.sandbox_issuer import SandboxIssuer
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database, DatabaseUnavailable
from sluiceway.storage.keyring import Keyring
from sluiceway.worker import Worker
from tests.simulation.connections import SimulatedDatabase, Trouble
from tests.simulation.eventloop import Loop, Process, spawn
from tests.simulation.transactions import Store
from tests.support import SECRET_KEY

START: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)
"""A Monday morning in New York; on the next Sunday but one its clocks change."""
REMOTE_URL: Final = "https://tax.example.com/amount"
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Died(Exception):
    """The process that was asked is gone, and nobody will ever know from it what it did."""


class RemoteServer(Outbound):
    """Somebody's server that is asked for amounts, and misbehaves as often as it is told to."""

    def __init__(self, world: "Machine") -> None:
        self.world = world
        self._policy = read_policy("")

    def check(self, url: str) -> None:
        check_url(url, self._policy)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], **_: Any) -> Response:  # noqa: ARG002 -- the server knows the rule by its message
        draw, message = self.world.draw, headers["webhook-id"]
        execution, step, action = message.rsplit("_", 2)
        amounts = self.world.store.tables["remote_amount"].rows
        if any(row[1:4] == (execution, int(step), int(action)) for row in amounts.values()):
            self.world.violations.append(f"asked again for an amount that is recorded: {message}")
        await asyncio.sleep(draw.random() * 0.2)
        if draw.random() < self.world.misbehaviour:
            self.world.store.reached["a remote server misbehaves"] += 1
            if draw.random() < 0.2:
                await asyncio.sleep(10)
                raise OutboundFailed("it did not answer in time")
            return misbehave(draw)
        return amount(draw)


def engine_over(
    database: Database,
    now: Callable[[], datetime],
    draw: random.Random,
    outbound: Outbound,
    wake: Callable[[], Any] = lambda: None,
) -> Engine:
    """Build an engine whose clock, ids and chance are ours."""
    bank, issuer = SandboxBank(database), SandboxIssuer(database)
    last = 0

    def new_id() -> str:
        nonlocal last
        last = max(last + 1, int(now().timestamp() * 1000) << 12)
        number = (last >> 12 << 80) | (7 << 76) | ((last & 0xFFF) << 64) | (2 << 62) | draw.getrandbits(62)
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    return Engine(
        database=database,
        now=now,
        new_id=new_id,
        new_secret=lambda length: "".join(draw.choices(_BASE62, k=length)),
        hash_password=lambda password: f"hashed:{password}",
        verify_password=lambda hashed, password: hashed == f"hashed:{password}",
        keyring=Keyring(SECRET_KEY, random_bytes=draw.randbytes),
        wake=wake,
        rail_of=lambda organization: bank if organization.is_sandbox else None,
        issuer_of=lambda organization: issuer if organization.is_sandbox else None,
        outbound=outbound,
        jitter=draw.random,
    )


def misbehave(draw: random.Random) -> Response:
    """Answer as no server should. Raises OutboundFailed."""
    match draw.randrange(7):
        case 0:
            raise OutboundFailed("it cannot be reached")
        case 1:
            return Response(500, {}, b"")
        case 2:
            return Response(302, {}, b"")
        case 3:
            return Response(200, {}, b'{"amountInCents": -1}')
        case 4:
            return Response(200, {}, b'{"amountInCents": 1.5}')
        case 5:
            return Response(200, {}, b'{"amountInCents": 5, "amountInCents": 6}')
        case _:
            return Response(200, {}, None)


def amount(draw: random.Random) -> Response:
    """Answer with some amount."""
    return Response(200, {}, b'{"amountInCents": %d}' % draw.choice((0, 50, 100, 1_234, 5_000, 99_999)))


@dataclass(eq=False)
class Running:
    """A process that runs, until it dies."""

    process: Process
    database: SimulatedDatabase
    engine: Engine
    edge: Edge | None
    worker: Worker | None
    died: asyncio.Event


class Machine:
    """What runs the processes: the loop, the store, and what may go wrong."""

    def __init__(self, loop: Loop, draw: random.Random, store: Store | None = None) -> None:
        self.loop = loop
        self.draw = draw

        def now() -> datetime:
            return START + timedelta(seconds=loop.time())

        self.store = store or Store(now)
        self.store.empty(now)
        self.violations: list[str] = []
        self.misbehaviour = 0.0
        self.trouble = Trouble()
        self.running: dict[str, Running] = {}
        self.started = 0
        self.everybody: list[Running] = []
        self.under_way = 0
        """Calls from outside that have not been answered."""

    def now_of(self, process: Process) -> datetime:
        """Read a process's clock, which may be wrong."""
        return START + timedelta(seconds=self.loop.time() + process.skew_s)

    def start(self, name: str, *, is_worker: bool) -> Running:
        """Start a process, anew if it has died."""
        self.started += 1
        process = Process(f"{name} {self.started}")
        database = SimulatedDatabase(self.store, random.Random(self.draw.getrandbits(64)), self.trouble)
        woken: list[Worker] = []
        engine = engine_over(
            database,
            lambda: self.now_of(process),
            random.Random(self.draw.getrandbits(64)),
            RemoteServer(self),
            lambda: [each.wake() for each in woken],
        )
        made = Running(process, database, engine, None, None, asyncio.Event())

        async def begin() -> None:
            if is_worker:
                made.worker = Worker(engine)
                woken.append(made.worker)
                await made.worker.run()
            else:
                made.edge = Edge(engine)

        task = spawn(process, begin())
        task.add_done_callback(self._ended)
        self.running[name] = made
        self.everybody.append(made)
        return made

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.violations.append(f"a process fell over: {failure!r}")

    def kill(self, name: str) -> None:
        """Let a process die where it stands: nothing of it ever runs again."""
        running = self.running[name]
        if running.process.is_dead:
            return
        self.store.reached["a process dies"] += 1
        running.process.is_dead = True
        running.database.is_cut_off = True
        running.database.pool.drop()
        running.died.set()

    async def call(self, running: Running, work: Callable[[], Awaitable[Any]]) -> Any:
        """Ask a process for something, from outside. Raises what it raises, Died, or TimeoutError after a minute."""
        if running.process.is_dead:
            raise Died

        async def answer() -> Any:
            return await work()

        task = spawn(running.process, answer())
        death = self.loop.create_task(running.died.wait())
        try:
            await asyncio.wait((task, death), timeout=60, return_when=asyncio.FIRST_COMPLETED)
        finally:
            death.cancel()
        if task.done():
            return task.result()
        task.add_done_callback(_forget)
        raise Died if running.process.is_dead else TimeoutError


def _forget(task: "asyncio.Task[Any]") -> None:
    """Nobody asks any more what came of it."""
    if not task.cancelled():
        task.exception()


INFRASTRUCTURE: Final = (DatabaseUnavailable, Died, TimeoutError)


def with_engine(world: Any, running: Running) -> Any:
    """Give an organization as one process sees it."""
    return replace(world, engine=running.engine)
