"""Promises of hints: a worker in another process begins at once, and one that cannot listen goes on by its poll."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest

from sluiceway.settings import Settings
from sluiceway.storage.database import Database
from sluiceway.wiring import running
from sluiceway.worker import hints, loop
from tests.support import World
from tests.worker.test_worker import everything_ends, world

__all__ = ["world"]


@asynccontextmanager
async def worker_elsewhere(url: str) -> AsyncGenerator[None]:
    """Run a worker over a pool of its own, as another process has."""
    async with Database(url) as database, running(database, Settings()):
        await listeners(url, 1)
        yield


@asynccontextmanager
async def only_serving(world: World) -> AsyncGenerator[World]:
    """Serve without a worker."""
    async with running(world.engine.database, Settings(), with_worker=False) as parts:
        yield replace(world, engine=parts.engine)


async def listeners(url: str, count: int) -> None:
    """Wait until so many sessions listen."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        for _ in range(500):
            found = await conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
            if len(await found.fetchall()) == count:
                return
            await asyncio.sleep(0.01)
    pytest.fail(f"there are not {count} listeners")


async def test_a_worker_in_another_process_begins_at_once(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "POLL_S", 60)
    async with worker_elsewhere(database_url), only_serving(world) as serving:
        await asyncio.sleep(0.1)
        times: list[float] = []
        for _ in range(5):
            await serving.trigger("save")
            times.append(await everything_ends(world.engine.database))

    assert min(times) < 0.05
    assert (await world.balances())["savings"] == 5_000


async def test_many_triggers_at_once_are_told_of_a_few_times(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    told = 0
    give = hints.give_hint

    async def counted(tx: object) -> None:
        nonlocal told
        told += 1
        await give(tx)  # type: ignore[arg-type]

    monkeypatch.setattr(hints, "give_hint", counted)
    async with worker_elsewhere(database_url), only_serving(world) as serving:
        for _ in range(50):
            serving.engine.wake()
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)

    assert 1 <= told <= 3


async def test_a_worker_that_can_no_longer_listen_listens_again(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hints, "LISTEN_AGAIN_S", 0.05)
    async with worker_elsewhere(database_url), only_serving(world) as serving:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        await serving.trigger("save")
        assert await everything_ends(world.engine.database) < 5
        await listeners(database_url, 1)
