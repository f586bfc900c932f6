"""Errands beside settlement: who is slow or broken keeps nobody else waiting, and stopping is prompt."""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
import structlog

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.ledger import ReportedBalance
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.admission import admit
from sluiceway.services.errands import ERRANDS
from sluiceway.services.gathering import AT_ONCE
from sluiceway.storage.database import Database, DatabaseUnavailable
from sluiceway.wiring import working
from sluiceway.worker import Worker, loop
from tests.banked import connect, known
from tests.clocks import until
from tests.invariants import violations
from tests.outbound.servers import Server
from tests.support import World, fixed, new_world, on_demand, plain_engine
from tests.taxes import Pausing, amount, asking, make_taxed, paths, remote


@pytest_asyncio.fixture(loop_scope="session")
async def worlds(database: Database) -> AsyncGenerator[list[World]]:
    """Make two organizations, at a time at which they stand."""
    engine = plain_engine(database)
    yield [await make_taxed(await new_world(engine, email=f"{name}@example.com")) for name in ("one", "two")]
    assert await violations(database) == {}


async def has_executed(world: World, rule: str, count: int = 1) -> bool:
    statuses = [run.status for run in await world.executions(rule)]
    return statuses.count(ExecutionStatus.EXECUTED) == count


async def taxing(world: World, server: Server, path: str) -> None:
    await world.rule("tax", on_demand("income", remote(server, path)))
    await world.trigger("tax")


async def test_a_service_that_hangs_holds_up_no_settlement(worlds: list[World]):
    service = Pausing([amount(500)])
    async with asking(worlds[0], service) as (world, server), working(Worker(world.engine)):
        await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
        await taxing(world, server, "amount")
        await service.are_waiting(1)
        took: list[float] = []
        for number in range(1, 21):
            began = time.monotonic()
            await world.trigger("save")
            await until(lambda number=number: has_executed(world, "save", number))
            took.append(time.monotonic() - began)
        service.gates[0].set()
        await until(lambda: has_executed(world, "tax"))

    assert sorted(took)[len(took) // 2] < 0.3
    assert max(took) < 2


async def test_a_service_that_hangs_holds_up_no_other_organization(worlds: list[World]):
    service = Pausing([amount(500), amount(600)])
    async with asking(worlds[0], service) as (world, server), working(Worker(world.engine)):
        other = replace(worlds[1], engine=world.engine)
        await taxing(world, server, "hangs")
        await service.are_waiting(1)
        service.gates[1].set()
        began = time.monotonic()
        await taxing(other, server, "quick")
        await until(lambda: has_executed(other, "tax"))
        took = time.monotonic() - began
        service.gates[0].set()
        await until(lambda: has_executed(world, "tax"))

    assert took < 3
    assert paths(server) == ["hangs", "quick"]


async def test_organizations_have_their_turns(worlds: list[World], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "ERRANDS_AT_ONCE", 1)
    async with asking(worlds[0], amount(100)) as (busy, server):
        other = replace(worlds[1], engine=busy.engine)
        await busy.rule("tax", on_demand("income", remote(server, "busy")))
        await admit(busy.engine, [busy.trigger_command("tax") for _ in range(60)])
        await taxing(other, server, "other")
        await busy.settle()
        async with working(Worker(busy.engine)):
            await until(lambda: has_executed(busy, "tax", 60), within_s=30)
            await until(lambda: has_executed(other, "tax"))

    assert paths(server).index("other") <= AT_ONCE, "after one turn of the other at most"


class BreakingBank(SandboxBank):
    """A bank that breaks a promise of ours for one organization, or loses the database for everybody."""

    def __init__(self, database: Database, breaks: OrganizationId | None, failure: Exception) -> None:
        super().__init__(database)
        self.breaks = breaks
        self.failure = failure
        self.count = 0

    async def balances(
        self, organization_id: OrganizationId, account_ids: Collection[AccountId], at: datetime
    ) -> dict[AccountId, ReportedBalance]:
        if self.breaks in (None, organization_id):
            self.count += 1
            raise self.failure
        return await super().balances(organization_id, account_ids, at)


async def is_known(world: World) -> bool:
    return (await known(world, "checking")).balance == 50_000


async def test_an_errand_that_breaks_a_promise_sets_its_organization_aside_and_no_other(worlds: list[World]):
    for world in worlds:
        await connect(world, "checking", 50_000)
        await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
    bank = BreakingBank(worlds[0].engine.database, worlds[0].organization_id, AssertionError("a broken promise"))
    engine = replace(worlds[0].engine, rail_of=lambda _: bank)

    with structlog.testing.capture_logs() as logs:
        async with working(Worker(engine)):
            await until(lambda: is_known(worlds[1]))
            await asyncio.sleep(0.6)
            await worlds[0].trigger("save")
            await until(lambda: has_executed(worlds[0], "save"))

    assert bank.count == 1
    assert not await is_known(worlds[0])
    assert [(entry["event"], entry.get("organization_id")) for entry in logs] == [
        ("errand_failed", worlds[0].organization_id)
    ]


async def test_what_was_set_aside_is_tried_again(worlds: list[World], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "SET_ASIDE", timedelta(milliseconds=50))
    world = worlds[0]
    await connect(world, "checking", 50_000)
    bank = BreakingBank(world.engine.database, world.organization_id, AssertionError("a broken promise"))
    engine = replace(world.engine, rail_of=lambda _: bank, lease=timedelta(seconds=0.1))

    async def has_failed() -> bool:
        return bank.count >= 3

    with structlog.testing.capture_logs():
        async with working(Worker(engine)):
            await until(has_failed)
            bank.breaks = OrganizationId("nobody")
            await until(lambda: is_known(world))


async def test_without_a_database_errands_pause_and_go_on(worlds: list[World], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "AFTER_FAILURE_S", 0.3)
    world = worlds[0]
    await connect(world, "checking", 50_000)
    bank = BreakingBank(world.engine.database, None, DatabaseUnavailable("it has gone"))
    engine = replace(world.engine, rail_of=lambda _: bank, lease=timedelta(seconds=0.1))

    with structlog.testing.capture_logs() as logs:
        async with working(Worker(engine)):
            await asyncio.sleep(0.8)
            assert 1 <= bank.count <= 4
            bank.breaks = OrganizationId("nobody")
            await until(lambda: is_known(world))

    assert {entry["event"] for entry in logs} == {"errand_failed"}


async def stopping(worker: Worker, running: asyncio.Task[None]) -> float:
    began = time.monotonic()
    worker.stop()
    await asyncio.wait_for(running, 10)
    return time.monotonic() - began


async def test_an_idle_worker_stops_at_once(worlds: list[World], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "POLL_S", 60)
    monkeypatch.setattr(loop, "ERRAND_POLL_S", 60)
    worker = Worker(worlds[0].engine)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.3)

    assert await stopping(worker, running) < 0.5


async def test_a_worker_that_pauses_after_a_failure_stops_at_once(worlds: list[World], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "AFTER_FAILURE_S", 60)

    def now() -> datetime:
        raise DatabaseUnavailable("it has gone")

    # Without the audit, which rests by a clock of its own: settling, and every other errand.
    worker = Worker(replace(worlds[0].engine, now=now, audit_share=0))
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(worker.run())
        await until(lambda: are_logged(logs, len(ERRANDS)))

        assert await stopping(worker, running) < 0.5


async def are_logged(logs: list[structlog.typing.EventDict], count: int) -> bool:
    return len(logs) == count


async def test_a_service_that_hangs_is_not_waited_for_when_the_worker_stops(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "GOODBYE_S", 0.2)
    service = Pausing([amount(999), amount(500)])
    async with AsyncExitStack() as stack:
        world, server = await stack.enter_async_context(asking(worlds[0], service))
        worker = Worker(world.engine)
        running = asyncio.create_task(worker.run())
        await taxing(world, server, "amount")
        await service.are_waiting(1)

        assert await stopping(worker, running) < 1
        # Whoever comes next goes on once the lease has ended.
        service.gates[1].set()
        later = replace(world.engine, now=lambda: world.engine.now() + timedelta(seconds=31))
        async with working(Worker(later)):
            await until(lambda: has_executed(world, "tax"))

    assert [transfer.amount for transfer in (await worlds[0].transfers())[1:]] == [500]


async def test_a_worker_whose_task_is_cancelled_leaves_nothing_running(worlds: list[World]):
    service = Pausing([amount(999)])
    async with asking(worlds[0], service) as (world, server):
        before = asyncio.all_tasks()
        running = asyncio.create_task(Worker(world.engine).run())
        await taxing(world, server, "amount")
        await service.are_waiting(1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        # Besides the server, what the database reads for whoever has asked.
        others = {task for task in asyncio.all_tasks() if "Server.serve" in repr(task) or "SharedReads" in repr(task)}

        assert asyncio.all_tasks() - before - others == set()
        service.gates[0].set()
