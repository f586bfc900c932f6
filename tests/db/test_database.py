"""What callers may rely on when they read and write, also when the database does not play along."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import pytest_asyncio
from psycopg.errors import RaiseException

from sluiceway.storage import database as storage
from sluiceway.storage.database import (
    ConstraintViolated,
    Database,
    DatabaseOptions,
    DatabaseUnavailable,
    UnsafeSettings,
    WriteTx,
    check_durability,
    execute,
    fetch_all,
    fetch_one,
    pipeline,
)

_ID = "0190b7c2-9a63-7cc1-9f3a-0123456789ab"


@pytest.fixture
def jars_url(empty_database_url: str) -> str:
    """Make a database with two jars of coins, for which anybody may do anything."""
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(
            """
            CREATE TABLE jar (
                id bigint PRIMARY KEY,
                cents bigint NOT NULL,
                poured_into bigint CONSTRAINT poured_into_a_jar REFERENCES jar,
                CONSTRAINT never_in_debt CHECK (cents >= 0)
            );
            INSERT INTO jar (id, cents) VALUES (1, 100), (2, 100);
            GRANT ALL ON jar TO PUBLIC;
            """
        )
    return empty_database_url


@pytest_asyncio.fixture
async def jars(jars_url: str) -> AsyncGenerator[Database]:
    async with Database(jars_url) as opened:
        yield opened


async def _add(tx: WriteTx, jar: int, cents: int) -> int:
    return await execute(
        tx, "UPDATE jar SET cents = cents + %(cents)s WHERE id = %(jar)s", {"jar": jar, "cents": cents}
    )


async def _cents(database: Database) -> list[int]:
    async with database.read() as tx:
        return [cents for (cents,) in await fetch_all(tx, "SELECT cents FROM jar ORDER BY id")]


# ---------------------------------------------------------------------------------------------------- values and types


async def test_ids_are_text_on_the_way_in_and_out(jars: Database):
    async with jars.read() as tx:
        row = await fetch_one(
            tx,
            "SELECT %(id)s::uuid, %(ids)s::uuid[], array_agg(id) FROM unnest(%(ids)s::uuid[]) AS id WHERE id = %(id)s",
            {"id": _ID, "ids": [_ID, _ID]},
        )

    assert row == (_ID, [_ID, _ID], [_ID, _ID])


async def test_times_come_back_aware_and_in_utc(jars_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGTZ", "America/New_York")
    async with Database(jars_url) as database, database.read() as tx:
        row = await fetch_one(tx, "SELECT timestamptz '2026-03-08 02:30:00-05'")

    assert row is not None
    assert row == (datetime(2026, 3, 8, 7, 30, tzinfo=UTC),)
    assert row[0].tzname() == "UTC"


async def test_a_statement_is_prepared_once_whatever_the_size_of_its_numbers(jars: Database):
    async with jars.read() as tx:
        for cents in (1, 70_000, 5_000_000_000):
            await fetch_all(
                tx,
                "SELECT id FROM jar WHERE cents = %(cents)s OR cents = ANY(%(several)s)",
                {"cents": cents, "several": [cents, 2]},
            )
        prepared = await fetch_all(
            tx, "SELECT parameter_types::text FROM pg_prepared_statements WHERE statement LIKE '%%FROM jar%%'", {}
        )

    assert prepared == [("{bigint,bigint[]}",)]


async def test_every_connection_has_its_limits(jars: Database):
    names = (
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "default_transaction_isolation",
        "TimeZone",
        "application_name",
    )
    async with jars.read() as tx:
        rows = await fetch_all(
            tx, "SELECT name, current_setting(name) FROM unnest(%(names)s::text[]) AS name", {"names": list(names)}
        )

    assert dict(rows) == {
        "lock_timeout": "2s",
        "statement_timeout": "15s",
        "idle_in_transaction_session_timeout": "10s",
        "default_transaction_isolation": "read committed",
        "TimeZone": "UTC",
        "application_name": "sluiceway",
    }


# ---------------------------------------------------------------------------------------------------- reading, writing


async def test_each_statement_of_a_read_sees_what_was_committed_before_it(jars: Database):
    async with jars.read() as tx:
        before = await fetch_one(tx, "SELECT cents FROM jar WHERE id = 1")
        await jars.write(lambda write_tx: _add(write_tx, 1, 5))
        after = await fetch_one(tx, "SELECT cents FROM jar WHERE id = 1")

    assert (before, after) == ((100,), (105,))


async def test_a_write_that_fails_leaves_nothing(jars: Database):
    async def work(tx: WriteTx) -> None:
        await _add(tx, 1, 5)
        raise LookupError("no such account")

    with pytest.raises(LookupError):
        await jars.write(work)
    assert await _cents(jars) == [100, 100]


async def test_a_write_that_swallowed_a_failed_statement_is_not_reported_as_done(jars: Database):
    async def work(tx: WriteTx) -> None:
        await _add(tx, 1, 5)
        with pytest.raises(psycopg.errors.CheckViolation):
            await _add(tx, 2, -500)

    with pytest.raises(AssertionError, match="swallowed"):
        await jars.write(work)
    assert await _cents(jars) == [100, 100]


async def test_a_pipeline_sends_many_statements_and_says_what_failed(jars: Database):
    async def work(tx: WriteTx) -> object:
        async with pipeline(tx):
            for cents in (1, 2, 3):
                await _add(tx, 1, cents)
            row = await fetch_one(tx, "SELECT cents FROM jar WHERE id = 1")
            await _add(tx, 2, 4)
        return row

    async def failing(tx: WriteTx) -> None:
        async with pipeline(tx):
            await _add(tx, 1, 1)
            await _add(tx, 2, -500)
            await _add(tx, 1, 1)

    assert await jars.write(work) == (106,)
    with pytest.raises(ConstraintViolated, match="never_in_debt"):
        await jars.write(failing)
    assert await _cents(jars) == [106, 104]


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("INSERT INTO jar (id, cents) VALUES (1, 0)", "jar_pkey"),
        ("INSERT INTO jar (id, cents, poured_into) VALUES (3, 0, 99)", "poured_into_a_jar"),
        ("UPDATE jar SET cents = -1", "never_in_debt"),
        ("INSERT INTO jar (id, cents) VALUES (3, NULL)", "cents"),
    ],
)
async def test_a_refused_row_names_the_constraint(jars: Database, statement: LiteralString, constraint: str):
    with pytest.raises(ConstraintViolated) as refused:
        await jars.write(lambda tx: execute(tx, statement))

    assert constraint in refused.value.constraint
    assert "DETAIL" not in str(refused.value)  # It would put a person's row into the log.


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

    async with _Relay.between(jars_url) as relay, Database(relay.url) as database:
        relay.cut_after = b"COMMIT"
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

        async with database.read() as tx:
            before = tx.info.backend_pid
        task = asyncio.create_task(database.write(sleep))
        await asyncio.to_thread(_wait_for_backend, jars_url, "query LIKE '%asleep%'")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with database.read() as tx:
            assert tx.info.backend_pid != before
            assert await fetch_one(tx, "SELECT 'mine'") == ("mine",)
            left = await fetch_one(tx, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60), %'")
        assert await _cents(database) == [100, 100]
        assert left == (1,)  # That one asks.


async def test_an_exhausted_pool_says_so(jars_url: str):
    options = DatabaseOptions(min_connections=1, max_connections=1, wait_for_connection_s=0.1)
    async with Database(jars_url, options) as database, database.read():
        with pytest.raises(DatabaseUnavailable, match="no connection became free"):
            async with database.read():
                pytest.fail("there was a second connection")


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


@pytest.mark.slow
async def test_a_server_that_stands_still_does_not_hold_its_callers_forever(jars_url: str):
    options = DatabaseOptions(transaction_timeout_s=0.1, min_connections=1)
    async with _Relay.between(jars_url) as relay, Database(relay.url, options) as database:
        relay.is_flowing.clear()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="took longer"):
            await _cents(database)

    # Most of it is psycopg, asking the server in vain to cancel the statement.
    assert time.monotonic() - began < 15


async def test_a_peer_that_vanished_is_noticed_in_fifteen_seconds(jars_url: str):
    async with _Relay.between(jars_url) as relay, Database(relay.url) as database, database.read() as tx:
        with socket.socket(fileno=socket.dup(tx.pgconn.socket)) as wire:
            waiting_ms = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            idle_s = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            between_s = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            probes = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)

    assert waiting_ms <= 15_000
    assert idle_s + between_s * probes <= 15


# ------------------------------------------------------------------------------------------------ roles and durability


async def test_the_application_works_under_the_role_that_cannot_rewrite_postings(database: Database):
    async with database.read() as tx:
        assert await fetch_one(tx, "SELECT current_user::text") == ("sluiceway_app",)

    for statement in ("UPDATE posting SET amount = 1", "DELETE FROM posting", "TRUNCATE posting", "DROP TABLE posting"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await database.write(lambda tx, statement=statement: execute(tx, statement))


async def test_a_server_that_may_lose_commits_is_refused_unless_told_otherwise(jars: Database, server_url: str):
    async with jars.read() as tx:
        fsync = await fetch_one(tx, "SHOW fsync")
        if fsync == ("on",):
            pytest.skip("the server that was given for the tests is a safe one")
        with pytest.raises(UnsafeSettings) as refused:
            await check_durability(tx)
        await check_durability(tx, is_unsafe_allowed=True)

    assert refused.value.problems == ("fsync is off", "full_page_writes is off", "synchronous_commit is off")


async def test_a_server_that_is_too_old_is_refused_always(jars: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage, "OLDEST_SERVER_VERSION", 990000)

    async with jars.read() as tx:
        with pytest.raises(UnsafeSettings, match="PostgreSQL 15 or later"):
            await check_durability(tx, is_unsafe_allowed=True)


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


class _Relay:
    """A TCP port in front of the server's socket, where the line can be cut or go dead."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self.url = ""
        self.cut_after = b""
        self.is_flowing = asyncio.Event()
        self.is_flowing.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def between(cls, url: str) -> AsyncGenerator["_Relay"]:
        parts = urlsplit(url)
        folder = parse_qs(parts.query).get("host", [""])[0]
        if not folder.startswith("/"):
            pytest.skip("needs the server's own socket")
        relay = cls(f"{folder}/.s.PGSQL.5432")
        server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        try:
            yield relay
        finally:
            relay.is_flowing.set()
            server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self.socket_path)
        answers = asyncio.create_task(self.pump(server_reader, writer))
        await self.pump(reader, server_writer)
        writer.transport.abort()
        server_writer.close()
        await answers

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while words := await reader.read(65536):
                await self.is_flowing.wait()
                writer.write(words)
                await writer.drain()
                if self.cut_after and self.cut_after in words:
                    return
