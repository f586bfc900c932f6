"""Requests of two organizations that share a few connections, broken off at random awaits: nobody reads the other's.

Every name, description and answer says whose it is. After each request that was broken off, the other organization asks
for something on the same connections and looks at every byte.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Sequence
from dataclasses import dataclass, field, replace
from types import coroutine
from typing import Any, Final, TypeVar

import psycopg

from sluiceway.domain.access import Caller, Principal
from sluiceway.services.accounts import list_accounts
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key, every_grant, identify
from sluiceway.services.rules import list_rules
from sluiceway.services.transfers import latest_transfers, transfer
from sluiceway.storage.accounts import find_account
from sluiceway.storage.database import Database, DatabaseOptions, DatabaseUnavailable, WriteTx, fetch_all
from tests.invariants import violations
from tests.support import World, fixed, new_world, on_demand, plain_engine

LANES: Final = 8
"""So many requests are under way at once, on half as many connections."""
CONNECTIONS: Final = 4
AMOUNT: Final = 100
MARKS: Final = ("red", "blue")

T = TypeVar("T")
Request = Callable[[Engine], Coroutine[Any, Any, list[str]]]


@dataclass
class Household:
    """An organization all of whose texts begin with its mark."""

    mark: str
    world: World
    secret: str
    keys: list[str] = field(default_factory=list[str])
    """The idempotency keys of the transfers that were asked for, answered or not."""

    async def accounts(self, engine: Engine) -> list[str]:
        """Read the names of its accounts."""
        found = await list_accounts(engine, self._principal(), limit=50)
        return [record.name for record in found]

    async def account(self, engine: Engine) -> list[str]:
        """Read one of its accounts."""
        async with engine.database.read() as tx:
            found = await find_account(tx, self.world.organization_id, self.world.accounts[f"{self.mark} a"])
        assert found is not None
        return [found.name]

    async def rules(self, engine: Engine) -> list[str]:
        """Read its rules."""
        found, accounts = await list_rules(engine, self._principal(), limit=50)
        return [str(record.rule.name) for record in found] + [str(each.name) for each in accounts.values()]

    async def transfers(self, engine: Engine) -> list[str]:
        """Read its newest transfers."""
        page = await latest_transfers(engine, self.world.organization_id, limit=5)
        ends = [end for each in page.transfers for end in (each.source, each.destination) if end is not None]
        return [str(end.name) for end in ends]

    async def identity(self, engine: Engine) -> list[str]:
        """Find out whose key it is."""
        [caller] = await identify(engine, [self.secret])
        assert isinstance(caller, Caller), caller
        return [self.mark if caller.principal.organization_id == self.world.organization_id else "somebody else"]

    async def snapshot(self, engine: Engine) -> list[str]:
        """Read a few things in one snapshot."""
        async with engine.database.snapshot() as tx:
            query = "SELECT name FROM account WHERE organization_id = %(id)s::uuid AND kind = 'POD'"
            rows = [await fetch_all(tx, query, {"id": self.world.organization_id}) for _ in range(2)]
        return [row[0] for each in rows for row in each]

    async def move(self, engine: Engine) -> list[str]:
        """Move a little money under a new key."""
        key = f"{self.mark} {len(self.keys)}"
        self.keys.append(key)
        return await self.move_again(engine, key)

    async def move_again(self, engine: Engine, key: str) -> list[str]:
        """Move it under a key that may have been answered."""
        a, b = (f"{self.mark} {name}" for name in "ab")
        command = self.world.transfer_command(a, b, AMOUNT, key, principal=self._principal())
        said = replace(command, show=lambda made: Answer(201, f"{self.mark} {made.id}".encode()))
        [answer] = await transfer(engine, [said])
        assert isinstance(answer, Answer), answer
        return [answer.body.decode()]

    def _principal(self) -> Principal:
        return replace(self.world.principal(), grants=every_grant())

    def requests(self) -> Sequence[Request]:
        """List what it asks for."""
        return (
            self.accounts,
            self.account,
            self.rules,
            self.transfers,
            self.identity,
            self.snapshot,
            self.move,
        )

    def asked_for(self, kinds: Collection[str]) -> list[Request]:
        """List those of them that are of some kinds; of every kind, where none is named."""
        return [request for request in self.requests() if not kinds or request.__name__ in kinds]


@dataclass
class Broken:
    """What came of it."""

    cancelled: int = 0
    by_kind: dict[str, int] = field(default_factory=dict[str, int])
    asked_after: int = 0
    foreign: int = 0
    violations: list[str] = field(default_factory=list[str])


@coroutine
def broken_off(request: Coroutine[Any, Any, T], at: int) -> Generator[Any, Any, T]:
    """Run a request in the task at hand, which is cancelled while it waits for the `at`-th time."""
    waits, failure = 0, None
    while True:
        try:
            awaited = request.send(None) if failure is None else request.throw(failure)
        except StopIteration as ended:
            return ended.value
        waits += 1
        if waits == at:
            task = asyncio.current_task()
            assert task is not None, "a request is somebody's"
            task.cancel()
        try:
            yield awaited
            failure = None
        except BaseException as raised:  # noqa: BLE001 -- whatever it is, it is the request's
            failure = raised


async def waits_of(request: Coroutine[Any, Any, object]) -> int:
    """Count how often a request waits when nobody disturbs it."""
    counted = 0

    @coroutine
    def run() -> Generator[Any, Any, None]:
        nonlocal counted
        while True:
            try:
                awaited = request.send(None)
            except StopIteration:
                return
            counted += 1
            yield awaited

    await run()
    return counted


async def household(engine: Engine, mark: str) -> Household:
    """Make an organization all of whose texts begin with a mark."""
    world = await new_world(engine, email=f"{mark}@example.com")
    for name in ("a", "b"):
        await world.account(f"{mark} {name}")
    rule = on_demand(f"{mark} a", fixed(AMOUNT, f"{mark} a", f"{mark} b"))
    await world.rule("save", {**rule, "name": f"{mark} rule"})
    await world.deposit(f"{mark} a", 1_000_000_00)
    _, secret = await create_key(engine, world.organization_id, mark, every_grant(), rate_limit=None)
    return Household(mark, world, secret)


async def break_off(
    url: str,
    count: int,
    dice: random.Random,
    *,
    until: Callable[[], bool] = lambda: False,
    kinds: Collection[str] = (),
    make: Callable[[str, DatabaseOptions], Database] = Database,
) -> Broken:
    """Break off `count` requests of two organizations, and look at what the other one reads after each of them."""
    found = Broken()
    options = DatabaseOptions(min_connections=CONNECTIONS, max_connections=CONNECTIONS)
    async with Database(url) as house, make(url, options) as shared:
        homes = [await household(plain_engine(house), mark) for mark in MARKS]
        engine = plain_engine(shared)
        longest = {
            request.__name__: max([await waits_of(request(engine)) for _ in range(3)])
            for request in homes[0].asked_for(kinds)
        }

        async def lane(_: int) -> None:
            while found.cancelled < count and not until():
                mine, other = dice.sample(homes, 2)
                request = dice.choice(mine.asked_for(kinds))
                at = dice.randint(1, longest[request.__name__])
                task = asyncio.create_task(_run(broken_off(request(engine), at)))
                try:
                    _look(mine.mark, await task, found)
                except asyncio.CancelledError:
                    found.cancelled += 1
                    found.by_kind[request.__name__] = found.by_kind.get(request.__name__, 0) + 1
                except DatabaseUnavailable as failure:
                    found.violations.append(f"{request.__name__} of {mine.mark}: {failure!r}")
                await _ask(other, dice.choice(other.asked_for(kinds)), engine, found)

        await asyncio.gather(*[lane(number) for number in range(LANES)])
        await _judge(url, shared, homes, engine, found)
    return found


async def _run(request: Awaitable[T]) -> T:
    return await request


async def _ask(home: Household, request: Request, engine: Engine, found: Broken) -> None:
    try:
        _look(home.mark, await request(engine), found)
    except (DatabaseUnavailable, AssertionError) as failure:
        found.violations.append(f"{request.__name__} of {home.mark} after somebody else: {failure!r}")
    found.asked_after += 1


def _look(mark: str, texts: Sequence[str], found: Broken) -> None:
    foreign = sum(len(text.encode()) for text in texts if not text.startswith(mark))
    if foreign:
        found.foreign += foreign
        found.violations.append(f"{mark} has read {texts}")


async def _judge(url: str, shared: Database, homes: Sequence[Household], engine: Engine, found: Broken) -> None:
    """Find no connection that is still somebody's, no lock that is left, and each key with one effect."""
    left = await asyncio.wait_for(_left_behind(url), 10)
    found.violations += [f"a session was left behind: {state}" for state in left]
    # All connections at once are to be had, and each of them works.
    everybody = asyncio.Barrier(CONNECTIONS)
    held = await asyncio.gather(*[_hold(shared, everybody) for _ in range(CONNECTIONS)], return_exceptions=True)
    found.violations += [f"a connection has not come back: {each!r}" for each in held if each is not None]
    for home in homes:
        before = await _moved(home)
        if len(before) > len(home.keys):
            found.violations.append(f"{home.mark}: {len(home.keys)} keys have moved {len(before)} times")
        for key in home.keys:
            _look(home.mark, await home.move_again(engine, key), found)
        if len(await _moved(home)) != len(home.keys):
            found.violations.append(f"{home.mark}: {len(home.keys)} keys, {len(await _moved(home))} transfers")
    found.violations += [f"not true: {sentence}" for sentence in await violations(shared)]


async def _moved(home: Household) -> list[str]:
    async with home.world.engine.database.read() as tx:
        query = "SELECT id FROM transfer WHERE organization_id = %(id)s::uuid AND source_account_id IS NOT NULL"
        return [row[0] for row in await fetch_all(tx, query, {"id": home.world.organization_id})]


async def _hold(shared: Database, everybody: asyncio.Barrier) -> None:
    async def work(tx: WriteTx) -> None:
        await fetch_all(tx, "SELECT 1")
        async with asyncio.timeout(8):
            await everybody.wait()

    await shared.write(work)


async def _left_behind(url: str) -> list[str]:
    """List what sessions are still in, once those that were broken off have had a moment to end."""
    query = """
        SELECT state || ': ' || query FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
    """
    rows: list[tuple[str]] = []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        for _ in range(100):
            rows = await (await conn.execute(query)).fetchall()
            if not rows:
                return []
            await asyncio.sleep(0.05)
    return [row[0] for row in rows]
