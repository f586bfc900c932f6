"""The worker: what wakes it, what it survives, and that many of them do nothing twice."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import structlog

from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.revisions import RevisionKey
from sluiceway.services import settlement
from sluiceway.services.admission import admit
from sluiceway.services.engine import Compiled, Engine, RevisionCache
from sluiceway.services.settlement import settle_due
from sluiceway.storage.database import Database, DatabaseOptions, DatabaseUnavailable, ReadTx, fetch_all
from sluiceway.wiring import working
from sluiceway.worker import Worker, loop
from tests.clocks import until
from tests.invariants import violations
from tests.support import (
    World,
    deadlocks,
    fixed,
    locked_from_outside,
    new_world,
    on_demand,
    plain_engine,
    somebody_waits,
    whenever_money_arrives,
)


@pytest.fixture
async def world(database: Database) -> AsyncGenerator[World]:
    """Make an account with money and a rule that moves a thousand of it on demand."""
    world = await saving_world(plain_engine(database))
    yield world
    assert await violations(database) == {}


async def saving_world(engine: Engine) -> World:
    world = await new_world(engine)
    await world.account("income")
    await world.account("savings")
    await world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))
    await world.deposit("income", 10_000_000)
    return world


async def unfinished(database: Database) -> int:
    async with database.read() as tx:
        [(count,)] = await fetch_all(tx, "SELECT count(*) FROM execution WHERE due_at IS NOT NULL")
    return count


async def everything_ends(database: Database, within_s: float = 10) -> float:
    """Wait until nothing is due; tell how long it took."""
    began = time.monotonic()
    while await unfinished(database):
        assert time.monotonic() - began < within_s, "something is still due"
        await asyncio.sleep(0.002)
    return time.monotonic() - began


@asynccontextmanager
async def process(url: str, options: DatabaseOptions | None = None) -> AsyncGenerator[Engine]:
    """Run an engine with a pool of its own, as another process has."""
    async with Database(url, options) as database:
        yield plain_engine(database)


def hinted(engine: Engine) -> Worker:
    """Make a worker whose own errands wake it, as in a real process: they may have kept it out of an organization."""
    made: list[Worker] = []

    def wake() -> None:
        made[0].wake()

    made.append(Worker(replace(engine, wake=wake)))
    return made[0]


async def test_a_hint_wakes_an_idle_worker_long_before_it_would_look(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "POLL_S", 60)
    worker = hinted(world.engine)
    hurrying = replace(world, engine=replace(world.engine, wake=worker.wake))
    async with working(worker):
        await asyncio.sleep(0.05)
        times: list[float] = []
        for _ in range(5):
            await hurrying.trigger("save")
            times.append(await everything_ends(world.engine.database))

    assert min(times) < 0.05
    assert max(times) < 5
    assert (await world.balances())["savings"] == 5_000


async def test_deposits_and_transfers_by_hand_wake_it_too(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "POLL_S", 60)
    await world.rule("arriving", whenever_money_arrives("savings", fixed(100, "savings", "income")))
    worker = hinted(world.engine)
    hurrying = replace(world, engine=replace(world.engine, wake=worker.wake))
    async with working(worker):
        await asyncio.sleep(0.05)
        await hurrying.deposit("savings", 500)
        assert await everything_ends(world.engine.database) < 2
        await hurrying.transfer("income", "savings", 500)
        assert await everything_ends(world.engine.database) < 2

    assert len(await world.executions("arriving")) == 2


async def test_work_of_which_nobody_told_it_is_found_by_looking(world: World):
    async with working(Worker(world.engine)):
        await asyncio.sleep(0.02)
        await world.trigger("save")

        assert await everything_ends(world.engine.database) < 1

    assert (await world.balances())["savings"] == 1_000


async def test_what_work_causes_is_done_without_sleeping_in_between(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "POLL_S", 60)
    await world.rule("back", whenever_money_arrives("savings", fixed(500, "savings", "income")))
    await world.trigger("save")

    async with working(hinted(world.engine)):
        assert await everything_ends(world.engine.database) < 2

    assert [run.depth for run in await world.executions()] == [0, 1]


async def test_a_worker_that_is_stopped_finishes_its_batch_first(world: World, database_url: str):
    await world.trigger("save")
    worker = Worker(world.engine)
    async with locked_from_outside(database_url, world.accounts["income"]) as holder:
        running = asyncio.create_task(worker.run())
        await somebody_waits(database_url, "lock_accounts")
        worker.stop()
        await asyncio.sleep(0.02)
        assert not running.done()
        await holder.rollback()
        await asyncio.wait_for(running, 2)

    assert await unfinished(world.engine.database) == 0


async def test_a_worker_that_is_stopped_before_it_starts_does_nothing(world: World):
    await world.trigger("save")
    worker = Worker(world.engine)
    worker.stop()

    await asyncio.wait_for(worker.run(), 1)

    assert await unfinished(world.engine.database) == 1


class Stumbling(RevisionCache):
    """A memory of revisions that lets something happen before it answers, a few times."""

    def __init__(self, stumble: Callable[[], object], times: int) -> None:
        super().__init__()
        self.stumble = stumble
        self.left = times

    async def get(self, tx: ReadTx, keys: Iterable[RevisionKey]) -> dict[RevisionKey, Compiled]:
        if self.left:
            self.left -= 1
            outcome = self.stumble()
            if asyncio.iscoroutine(outcome):
                await outcome
        return await super().get(tx, keys)


def fall() -> None:
    raise RuntimeError("tripped")


def lose_the_database() -> None:
    raise DatabaseUnavailable("it has gone")


async def test_a_failure_is_logged_and_the_worker_goes_on(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "SET_ASIDE", timedelta(milliseconds=10))
    await world.trigger("save")
    engine = replace(world.engine, revisions=Stumbling(fall, 3))

    with structlog.testing.capture_logs() as logs:
        async with working(Worker(engine)):
            await everything_ends(world.engine.database)

    assert [entry["event"] for entry in logs] == ["settlement_failed", "organization_set_aside"] * 3
    assert (await world.balances())["savings"] == 1_000


async def test_without_a_database_the_worker_waits_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "AFTER_FAILURE_S", 0.01)
    await world.trigger("save")
    engine = replace(world.engine, revisions=Stumbling(lose_the_database, 3))

    with structlog.testing.capture_logs() as logs:
        async with working(Worker(engine)):
            await everything_ends(world.engine.database)

    assert [entry["event"] for entry in logs] == ["settlement_failed"] * 3
    assert (await world.balances())["savings"] == 1_000


@pytest.mark.parametrize("stumble", [fall, lose_the_database])
async def test_after_a_failure_the_worker_pauses(world: World, stumble: Callable[[], None]):
    await world.trigger("save")
    cache = Stumbling(stumble, 1_000)

    with structlog.testing.capture_logs():
        async with working(Worker(replace(world.engine, revisions=cache))):
            await asyncio.sleep(0.2)

    assert cache.left == 999


class OneBadRule(RevisionCache):
    """A memory of revisions that breaks a promise whenever one organization is asked about."""

    def __init__(self, bad: OrganizationId) -> None:
        super().__init__()
        self.bad = bad

    async def get(self, tx: ReadTx, keys: Iterable[RevisionKey]) -> dict[RevisionKey, Compiled]:
        wanted = list(keys)
        assert all(key.organization_id != self.bad for key in wanted)
        return await super().get(tx, wanted)


async def test_a_broken_promise_in_one_organization_stops_that_one_only(world: World):
    neighbour = await saving_world(world.engine)
    await world.trigger("save")
    await neighbour.trigger("save")
    engine = replace(world.engine, revisions=OneBadRule(world.organization_id))

    with structlog.testing.capture_logs() as logs:
        async with working(Worker(engine)):
            await asyncio.sleep(0.3)
            await neighbour.trigger("save")
            await asyncio.sleep(0.3)

    assert (await neighbour.balances())["savings"] == 2_000
    assert (await world.balances())["savings"] == 0
    assert [entry["event"] for entry in logs] == ["settlement_failed"] * 2 + ["organization_set_aside"]


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("organizations_at_once", [None, 1])
async def test_many_workers_over_one_database_do_nothing_twice(
    world: World, database_url: str, count: int, organizations_at_once: int | None
):
    worlds = [world, *[await saving_world(world.engine) for _ in range(2)]]
    for of in worlds:
        await of.account("pod")
        await of.rule("pass on", whenever_money_arrives("savings", fixed(400, "savings", "pod")))

    async with AsyncExitStack() as stack:
        for _ in range(count):
            options = DatabaseOptions(organizations_at_once=organizations_at_once)
            engine = await stack.enter_async_context(process(database_url, options))
            await stack.enter_async_context(working(Worker(engine)))
        for batch in range(10):
            of = worlds[batch % 3]
            await admit(of.engine, [of.trigger_command("save") for _ in range(25)])
        await everything_ends(world.engine.database, within_s=20)

    for of, runs in zip(worlds, (100, 75, 75), strict=True):
        assert await of.balances() == {
            "income": 10_000_000 - runs * 1_000,
            "savings": runs * 600,
            "pod": runs * 400,
        }
        ran = await of.executions()
        assert [run.status for run in ran] == [ExecutionStatus.EXECUTED] * runs * 2
    assert deadlocks(database_url) == 0


async def test_a_worker_whose_session_is_killed_in_the_middle_loses_nothing(world: World, database_url: str):
    await admit(world.engine, [world.trigger_command("save") for _ in range(5)])
    async with locked_from_outside(database_url, world.accounts["income"]) as holder:
        settling = asyncio.create_task(settle_due(world.engine))
        [pid] = await somebody_waits(database_url, "lock_accounts")
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
        [again] = await somebody_waits(database_url, "lock_accounts")
        await holder.rollback()

    assert again != pid
    assert await settling == 5
    assert (await world.balances())["savings"] == 5_000


async def test_work_of_a_worker_that_is_killed_for_good_is_done_by_another(world: World, database_url: str):
    await admit(world.engine, [world.trigger_command("save") for _ in range(5)])
    async with process(database_url) as dying, locked_from_outside(database_url, world.accounts["income"]) as holder:
        settling = asyncio.create_task(settle_due(dying))
        await somebody_waits(database_url, "lock_accounts")
        settling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await settling
        await holder.rollback()

        assert await world.settle() == 5

    assert (await world.balances())["savings"] == 5_000


async def test_a_worker_that_dawdles_in_its_transaction_is_cut_off_and_another_does_the_work(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "AFTER_FAILURE_S", 60)
    await admit(world.engine, [world.trigger_command("save") for _ in range(5)])
    is_inside = asyncio.Event()

    async def dawdle() -> None:
        is_inside.set()
        await asyncio.sleep(1.5)

    options = DatabaseOptions(idle_in_transaction_timeout_s=0.2)
    async with process(database_url, options) as engine:
        with structlog.testing.capture_logs() as logs:
            async with working(Worker(replace(engine, revisions=Stumbling(dawdle, 1)))):
                await is_inside.wait()
                assert await settle_due(world.engine) == 0, "its gate is closed"
                async with working(Worker(world.engine)):
                    took = await everything_ends(world.engine.database)
                await asyncio.sleep(1.6 - took)

    assert took < 1.4
    assert [entry["event"] for entry in logs] == ["settlement_failed"]
    assert (await world.balances())["savings"] == 5_000


async def test_an_account_that_somebody_keeps_locked_delays_its_organization_and_loses_nothing(
    world: World, database_url: str
):
    await world.trigger("save")
    async with process(database_url, DatabaseOptions(lock_timeout_s=0.1)) as engine:
        async with locked_from_outside(database_url, world.accounts["income"]):
            with pytest.raises(DatabaseUnavailable):
                await settle_due(engine)

        assert await settle_due(engine) == 1

    assert (await world.balances())["savings"] == 1_000


async def test_an_account_that_somebody_keeps_locked_stops_its_own_organization_only(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "WHILE_LOCKED", timedelta(milliseconds=300))
    neighbour = await saving_world(world.engine)
    await world.trigger("save")
    await neighbour.trigger("save")

    async with process(database_url, DatabaseOptions(lock_timeout_s=0.05)) as engine, AsyncExitStack() as outside:
        # The account is locked before the worker begins, or the worker may be faster.
        await outside.enter_async_context(locked_from_outside(database_url, world.accounts["income"]))
        with structlog.testing.capture_logs():
            async with working(Worker(engine)):
                await asyncio.sleep(0.5)
                meanwhile = ((await world.balances())["savings"], (await neighbour.balances())["savings"])
                await outside.aclose()
                await everything_ends(world.engine.database, within_s=2)

    assert meanwhile == (0, 1_000)
    assert (await world.balances())["savings"] == 1_000


async def test_a_clock_that_is_set_back_does_not_lengthen_a_pause(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "SET_ASIDE", timedelta(milliseconds=100))
    await world.trigger("save")
    early = timedelta()
    engine = replace(world.engine, revisions=Stumbling(fall, 1), now=lambda: world.engine.now() + hour - early)
    hour = timedelta(hours=1)

    with structlog.testing.capture_logs():
        async with working(Worker(engine)):
            await asyncio.sleep(0.05)
            early = hour
            await everything_ends(world.engine.database, within_s=2)


async def test_a_vast_rule_is_settled_a_few_runs_at_a_time_and_its_neighbour_has_its_share(world: World):
    neighbour = await saving_world(world.engine)
    leaf = {"condition": {"fact": "BALANCE", "operator": "LESS_THAN", "value": 0}}
    action = fixed(100, "income", "savings")
    never = {"conditions": {"all": [leaf] * 99}, "actions": [action]}
    always = {"conditions": None, "actions": [action]}
    trigger = {"type": "MANUAL", "account_id": "income"}
    await world.rule("vast", {"name": None, "trigger": trigger, "steps": [*[never] * 60, always]})
    await admit(world.engine, [world.trigger_command("vast") for _ in range(6)])
    await admit(world.engine, [neighbour.trigger_command("save") for _ in range(6)])

    settled: list[int] = []
    while settled[-1:] != [0]:
        settled.append(await settle_due(world.engine))

    assert settled == [4 + 6, 2, 0]
    assert (await world.balances())["savings"] == 600


async def test_what_some_leave_of_a_batch_goes_to_whoever_has_more(world: World):
    neighbours = [await saving_world(world.engine) for _ in range(3)]
    await admit(world.engine, [world.trigger_command("save") for _ in range(30)])
    for of, count in zip(neighbours, (1, 4, 9), strict=True):
        await admit(world.engine, [of.trigger_command("save") for _ in range(count)])

    settled: list[int] = []
    left: list[int] = []
    due = "SELECT count(*) FROM execution WHERE due_at IS NOT NULL AND organization_id = %(id)s::uuid"
    while settled[-1:] != [0]:
        settled.append(await settle_due(world.engine, limit=20))
        async with world.engine.database.read() as tx:
            [(count,)] = await fetch_all(tx, due, {"id": world.organization_id})
        left.append(count)

    # Of 20 each may have 5. The one that has 1 and the one that has 4 leave 5, of which both others have 2: 7 and 7.
    assert settled == [1 + 4 + 7 + 7, 2 + 18, 5, 0]
    assert left == [30 - 7, 23 - 18, 0, 0]


async def test_a_rule_too_vast_for_any_batch_still_runs_one_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settlement, "BATCH_WEIGHT", 1)
    neighbour = await saving_world(world.engine)
    for of in (world, neighbour, world):
        await of.trigger("save")

    settled = [await settle_due(world.engine) for _ in range(4)]

    assert settled == [1, 1, 1, 0]


async def test_a_batch_never_has_more_organizations_than_runs(world: World):
    neighbours = [await saving_world(world.engine) for _ in range(2)]
    for of in (world, *neighbours):
        await of.trigger("save")

    settled = [await settle_due(world.engine, limit=2) for _ in range(3)]

    assert settled == [2, 1, 0]


@pytest.mark.parametrize("organizations_at_once", [None, 1, 2])
async def test_an_organization_with_much_to_do_does_not_starve_the_others(
    world: World, database_url: str, organizations_at_once: int | None, monkeypatch: pytest.MonkeyPatch
):
    # A transaction bears one run, so whoever comes first in it is the only one.
    monkeypatch.setattr(settlement, "BATCH_WEIGHT", 1)
    neighbours = [await saving_world(world.engine) for _ in range(3)]
    await admit(world.engine, [world.trigger_command("save") for _ in range(100)])
    for neighbour in neighbours:
        await neighbour.trigger("save")

    async def left(of: World) -> int:
        return len([run for run in await of.executions() if run.status is ExecutionStatus.IN_PROGRESS])

    async def have_had_their_turn() -> bool:
        return not any([await left(neighbour) for neighbour in neighbours])

    options = DatabaseOptions(organizations_at_once=organizations_at_once)
    async with process(database_url, options) as engine, working(Worker(engine)):
        await until(have_had_their_turn)

    assert await left(world) > 0


async def test_a_run_that_cannot_be_planned_does_not_stop_other_organizations(world: World, database_url: str):
    neighbour = await saving_world(world.engine)
    rule = world.rules["save"]
    with psycopg.connect(database_url, autocommit=True) as conn:
        later = "UPDATE rule_revision SET definition = definition || '{\"of a later version\": 1}' WHERE rule_id = %s"
        conn.execute(later, (rule.id,))
    await world.trigger("save")
    await neighbour.trigger("save")

    for _ in range(3):
        with suppress(InvalidParameters):
            await settle_due(world.engine)

    assert (await neighbour.balances())["savings"] == 1_000


async def test_a_batch_is_no_larger_than_its_limit_and_the_oldest_come_first(world: World):
    answers = await admit(world.engine, [world.trigger_command("save") for _ in range(7)])

    assert await settle_due(world.engine, limit=3) == 3

    statuses = [(await world.execution(answer)).status for answer in answers]
    assert statuses == [ExecutionStatus.EXECUTED] * 3 + [ExecutionStatus.IN_PROGRESS] * 4


async def test_with_nothing_due_there_is_nothing_to_do(world: World):
    assert await settle_due(world.engine) == 0
