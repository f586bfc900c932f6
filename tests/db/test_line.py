"""Servers that fall silent, connections that lead nowhere: who waits is told, and nobody waits again for the same."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sluiceway.storage import line
from sluiceway.storage.database import Database, DatabaseOptions, DatabaseUnavailable, WriteTx, count, fetch_all
from tests.clocks import until
from tests.db.relay import Relay, Way

READ = "SELECT cents FROM jar ORDER BY id"
QUICK = DatabaseOptions(silence_s=0.5)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow suspicious soon."""
    for name, seconds in {
        "LOOK_EVERY_S": 0.02,
        "SUSPICIOUS_S": 0.2,
        "ANSWERS_WITHIN_S": 0.5,
        "ASK_AGAIN_S": 0.1,
    }.items():
        monkeypatch.setattr(line, name, seconds)


async def read(database: Database) -> list[int]:
    async with database.read() as tx:
        return [cents for (cents,) in await fetch_all(tx, READ)]


async def pour(tx: WriteTx) -> int:
    return await count(tx, "UPDATE jar SET cents = cents + 5 WHERE id = 1")


async def told_after(work: Awaitable[object]) -> float:
    """Expect that it is given up; tell after how long."""
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await work
    return time.monotonic() - began


async def is_well(database: Database) -> bool:
    try:
        return bool(await read(database))
    except DatabaseUnavailable:
        return False


@pytest.mark.parametrize("place", ["a port", "a socket"])
async def test_a_server_that_falls_silent_is_noticed_in_fifteen_seconds_and_then_at_once(
    jars_url: str, server_dir: Path, place: str
):
    folder = None if place == "a port" else str(server_dir.parent)
    async with Relay.between(jars_url, folder=folder) as relay, Database(relay.url) as database:
        relay.is_flowing.clear()
        took_s = await asyncio.gather(told_after(read(database)), told_after(database.write(pour)))
        then_s = await asyncio.gather(told_after(read(database)), told_after(database.write(pour)))
        relay.flow()
        await until(lambda: is_well(database), 5)

    assert max(took_s) < 15
    assert max(then_s) < 1


@pytest.mark.usefixtures("quick")
async def test_connections_that_lead_nowhere_are_given_up_though_the_server_is_well(jars_url: str):
    async with Relay.between(jars_url) as relay, Database(relay.url, QUICK) as database:
        assert await read(database) == [100, 100]
        relay.lose()
        began = time.monotonic()
        # Nothing was committed when it was noticed, so it is begun again, on a connection that is well.
        await database.write(pour)
        assert await read(database) == [105, 100]

    assert time.monotonic() - began < 2


@pytest.mark.usefixtures("quick")
async def test_what_may_take_long_is_waited_for_as_long_as_the_server_answers_others(jars_url: str):
    async with Database(jars_url, QUICK) as database, database.snapshot() as tx:
        assert await tx.fetch_all("SELECT 1 FROM pg_sleep(1.5)") == [(1,)]


@pytest.mark.usefixtures("quick")
async def test_what_may_take_long_is_given_up_where_nobody_is_answered(jars_url: str):
    async with Relay.between(jars_url) as relay, Database(relay.url, QUICK) as database:

        async def look() -> None:
            async with database.snapshot() as tx:
                relay.is_flowing.clear()
                await tx.fetch_all(READ)

        assert await told_after(look()) < 3
        relay.flow()


async def test_a_server_that_is_full_is_not_waited_for_and_its_connections_are_used_on(jars_url: str):
    async with Relay.between(jars_url) as relay, Database(relay.url, DatabaseOptions(min_connections=1)) as database:
        relay.way = Way.FULL
        async with database.lend():
            # More of them are wanted than can be had.
            assert await asyncio.gather(*(_briefly(database) for _ in range(3)), return_exceptions=True)
        assert await read(database) == [100, 100]
        relay.drop()
        assert await told_after(read(database)) < 2
        relay.way = Way.OPEN
        await until(lambda: is_well(database), 5)


async def _briefly(database: Database) -> None:
    async with asyncio.timeout(0.5), database.lend():
        """Nothing is asked."""


async def test_all_connections_that_lay_idle_while_the_server_went_are_replaced_together(jars_url: str):
    options = DatabaseOptions(min_connections=10)
    async with Relay.between(jars_url) as relay, Database(relay.url, options) as database:
        relay.drop()
        await asyncio.sleep(0.05)
        began = time.monotonic()
        assert await read(database) == [100, 100]

    assert time.monotonic() - began < 1


async def test_who_listens_for_hints_finds_out_that_nobody_is_there(jars_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluiceway.storage.database._HEAR_FOR_S", 0.1)
    monkeypatch.setattr(line, "LOOK_EVERY_S", 0.02)
    options = replace(QUICK, silence_s=0.3)
    async with (
        Relay.between(jars_url) as relay,
        Database(relay.url, options) as database,
        aclosing(database.hints()) as hints,
    ):
        heard = asyncio.create_task(anext(hints))
        await asyncio.sleep(0.3)
        with psycopg.connect(jars_url, autocommit=True) as conn:
            conn.execute("NOTIFY sluiceway_due")
        await heard
        relay.lose()

        assert await told_after(anext(hints)) < 3
