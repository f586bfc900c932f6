"""What callers may rely on when locks collide, connections break and servers stand still."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg.errors import RaiseException

from sluiceway.storage.database import (
    Database,
    DatabaseOptions,
    DatabaseUnavailable,
    WriteTx,
    count,
    execute,
    fetch_all,
    fetch_one,
)
from tests.db.relay import Cut, Relay, cut_always


async def _add(tx: WriteTx, jar: int, cents: int) -> None:
    """Add, and wait until it is done."""
    await count(tx, "UPDATE jar SET cents = cents + %(cents)s WHERE id = %(jar)s", {"jar": jar, "cents": cents})


async def _cents(database: Database) -> list[int]:
    async with database.read() as tx:
        return [cents for (cents,) in await fetch_all(tx, "SELECT cents FROM jar ORDER BY id")]


# ------------------------------------------------------------------------------------------------------------- repeats


async def test_two_writes_that_lock_each_other_out_both_succeed(jars: Database):
    both_hold_one = asyncio.Barrier(2)
    runs = 0

    async def pour(tx: WriteTx, first: int, second: int) -> None:
        nonlocal runs
        runs += 1
        await _add(tx, first, -10)
        if runs <= 2:
            await both_hold_one.wait()
        await _add(tx, second, 10)

    await asyncio.gather(jars.write(lambda tx: pour(tx, 1, 2)), jars.write(lambda tx: pour(tx, 2, 1)))

    assert await _cents(jars) == [100, 100]
    assert runs == 3


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_write_is_repeated_five_times_and_no_more(jars: Database, code: LiteralString):
    runs = 0

    async def work(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await execute(tx, f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")

    with pytest.raises(DatabaseUnavailable):
        await jars.write(work)
    assert runs == 6


async def test_a_mistake_is_not_repeated(jars: Database):
    runs = 0

    async def work(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await execute(tx, "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$")

    with pytest.raises(RaiseException):
        await jars.write(work)
    assert runs == 1


async def test_a_write_whose_connection_is_lost_before_the_commit_is_repeated(jars: Database, jars_url: str):
    runs = 0

    async def work(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await _add(tx, 1, 5)
        if runs == 1:
            await asyncio.to_thread(_hang_up, jars_url, "true")
        await _add(tx, 2, 5)

    await jars.write(work)

    assert runs == 2
    assert await _cents(jars) == [105, 105]


async def test_a_write_whose_connection_is_lost_during_the_commit_is_not_repeated(jars_url: str):
    runs = 0

    async def work(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await _add(tx, 1, 5)

    async with Relay.between(jars_url) as relay, Database(relay.url) as database:
        relay.judge = cut_always(Cut.AFTER)
        with pytest.raises(DatabaseUnavailable):
            await database.write(work)

    async with Database(jars_url) as database:
        assert await _cents(database) == [105, 100]
    assert runs == 1


# ----------------------------------------------------------------------------------------------- a database in trouble


async def test_a_cancelled_statement_is_stopped_and_its_connection_is_not_used_again(jars_url: str):
    async with Database(jars_url, DatabaseOptions(min_connections=1, max_connections=1)) as database:

        async def sleep(tx: WriteTx) -> None:
            await _add(tx, 1, 5)
            await execute(tx, "SELECT pg_sleep(60), 'asleep'")

        async with database.lend() as tx:
            before = tx.conn.info.backend_pid
        task = asyncio.create_task(database.write(sleep))
        await asyncio.to_thread(_wait_for_backend, jars_url, "query LIKE '%asleep%'")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with database.lend() as tx:
            assert tx.conn.info.backend_pid != before
            assert await fetch_one(tx, "SELECT 'mine'") == ("mine",)
        assert await _cents(database) == [100, 100]


async def test_an_exhausted_pool_says_so(jars_url: str):
    options = DatabaseOptions(min_connections=1, max_connections=1, wait_for_connection_s=0.1)
    async with Database(jars_url, options) as database, database.lend():
        with pytest.raises(DatabaseUnavailable, match="no connection became free"):
            async with database.lend():
                pytest.fail("there was a second connection")
        with pytest.raises(DatabaseUnavailable, match="no connection became free"):
            await _cents(database)
    assert not _sessions(jars_url, "1 FROM pg_stat_activity WHERE query LIKE '%asleep%' AND state = 'active'")


async def test_a_database_that_is_not_there_is_reported_when_it_is_opened(tmp_path: Path):
    began = time.monotonic()

    with pytest.raises(DatabaseUnavailable, match="No such file"):
        await Database(f"postgresql://sluiceway@/sluiceway?host={tmp_path}").open()

    assert time.monotonic() - began < 3


async def test_a_closed_database_says_so(jars_url: str):
    database = Database(jars_url)
    await database.open()
    await database.close()

    with pytest.raises(DatabaseUnavailable, match="closed"):
        await database.write(lambda tx: _add(tx, 1, 5))


async def test_connections_that_the_server_closed_while_idle_are_replaced_unnoticed(jars: Database, jars_url: str):
    _hang_up(jars_url, "application_name = 'sluiceway'")

    assert await _cents(jars) == [100, 100]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (DatabaseOptions(statement_timeout_s=0.1), "statement timeout"),
        (DatabaseOptions(transaction_timeout_s=0.1), "took longer than 0.1 s"),
    ],
)
async def test_a_statement_that_takes_too_long_is_given_up(jars_url: str, options: DatabaseOptions, reason: str):
    async with Database(jars_url, options) as database:
        with pytest.raises(DatabaseUnavailable, match=reason):
            await database.write(lambda tx: execute(tx, "SELECT pg_sleep(60)"))
        assert await _cents(database) == [100, 100]


async def test_a_lock_that_is_not_let_go_is_given_up(jars_url: str):
    with psycopg.connect(jars_url) as holder:
        holder.execute("LOCK TABLE jar")
        async with Database(jars_url, DatabaseOptions(lock_timeout_s=0.05)) as database:
            with pytest.raises(DatabaseUnavailable, match="lock timeout"):
                await database.write(lambda tx: _add(tx, 1, 5))


async def test_a_transaction_that_dawdles_is_ended_by_the_server(jars_url: str):
    runs = 0

    async def dawdle(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await _add(tx, 1, 5)
        await asyncio.sleep(0.5)
        await _add(tx, 2, 5)

    async with Database(jars_url, DatabaseOptions(idle_in_transaction_timeout_s=0.05)) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.write(dawdle)
        assert await _cents(database) == [100, 100]
    assert runs == 1


async def test_a_transaction_that_dawdles_before_it_sends_much_is_not_repeated_either(jars_url: str):
    """The connection breaks while we are sending, so nobody reads why the server ended it."""
    runs = 0

    async def dawdle(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await _add(tx, 1, 5)
        await asyncio.sleep(0.5)
        for _ in range(3):
            await execute(tx, "SELECT length(%(text)s)", {"text": "x" * 5_000_000})

    async with Database(jars_url, DatabaseOptions(idle_in_transaction_timeout_s=0.05)) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.write(dawdle)
        assert await _cents(database) == [100, 100]
    assert runs == 1


@pytest.mark.slow
async def test_a_database_that_comes_back_is_found_again_within_seconds(jars_url: str):
    options = DatabaseOptions(wait_for_connection_s=0.5)
    async with Relay.between(jars_url) as relay, Database(relay.url, options) as database:
        relay.hang_up()
        went_at = time.monotonic()
        while time.monotonic() - went_at < 12:
            with pytest.raises(DatabaseUnavailable):
                await _cents(database)

        relay.is_up = True
        came_at = time.monotonic()
        while time.monotonic() - came_at < 30:
            with contextlib.suppress(DatabaseUnavailable):
                await _cents(database)
                break

    assert time.monotonic() - came_at < 4


@pytest.mark.slow
async def test_a_server_that_stands_still_does_not_hold_its_callers_forever(jars_url: str):
    options = DatabaseOptions(transaction_timeout_s=0.1, min_connections=1)
    async with Relay.between(jars_url) as relay, Database(relay.url, options) as database:
        relay.is_flowing.clear()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="took longer"):
            await _cents(database)

    # Most of it is psycopg, asking the server in vain to cancel the statement.
    assert time.monotonic() - began < 15


async def test_a_peer_that_vanished_is_noticed_in_fifteen_seconds(jars_url: str):
    async with Relay.between(jars_url) as relay, Database(relay.url) as database, database.lend() as tx:
        with socket.socket(fileno=socket.dup(tx.conn.pgconn.socket)) as wire:
            waiting_ms = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            idle_s = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            between_s = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            probes = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)

    assert waiting_ms <= 15_000
    assert idle_s + between_s * probes <= 15


# ------------------------------------------------------------------------------------------------- how trouble is made


def _hang_up(url: str, which: str) -> None:
    _sessions(url, f"pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {which}")


def _wait_for_backend(url: str, which: str) -> None:
    while not _sessions(url, f"1 FROM pg_stat_activity WHERE {which}"):
        time.sleep(0.01)


def _sessions(url: str, query: str) -> list[tuple[object]]:
    with psycopg.connect(url, autocommit=True) as conn:
        others = "AND datname = current_database() AND pid <> pg_backend_pid()"
        return conn.execute(f"SELECT {query} {others}".encode()).fetchall()
