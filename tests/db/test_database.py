"""What callers may rely on when they read and write, also when the database does not play along."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import LiteralString, cast

import psycopg
import pytest

from sluiceway.storage.database import (
    ConstraintViolated,
    Database,
    DatabaseOptions,
    DatabaseUnavailable,
    WriteTx,
    count,
    execute,
    fetch_all,
    fetch_one,
)

_ID = "0190b7c2-9a63-7cc1-9f3a-0123456789ab"


async def _add(tx: WriteTx, jar: int, cents: int) -> None:
    await execute(tx, "UPDATE jar SET cents = cents + %(cents)s WHERE id = %(jar)s", {"jar": jar, "cents": cents})


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
    async with jars.lend() as tx:
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


async def test_every_connection_has_its_limits_and_plans_look_ups(jars: Database):
    names = (
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "default_transaction_isolation",
        "TimeZone",
        "application_name",
        "jit",
        "enable_material",
    )
    async with jars.read() as tx:
        rows = await fetch_all(
            tx, "SELECT name, current_setting(name) FROM unnest(%(names)s::text[]) AS name", {"names": list(names)}
        )

    assert dict(rows) == {
        "lock_timeout": "2s",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
        "default_transaction_isolation": "read committed",
        "TimeZone": "UTC",
        "application_name": "sluiceway",
        "jit": "off",
        "enable_material": "off",
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


@pytest.mark.parametrize("ask", [fetch_all, count])
async def test_a_write_that_swallowed_a_failed_statement_is_not_reported_as_done(
    jars: Database, ask: Callable[[WriteTx, LiteralString], Awaitable[object]]
):
    async def work(tx: WriteTx) -> None:
        await _add(tx, 1, 5)
        with pytest.raises(psycopg.errors.CheckViolation):
            await ask(tx, "UPDATE jar SET cents = -500 RETURNING id")

    with pytest.raises(AssertionError, match="swallowed"):
        await jars.write(work)
    assert await _cents(jars) == [100, 100]


async def test_a_write_sends_its_statements_together_and_says_what_failed(jars: Database):
    async def work(tx: WriteTx) -> object:
        for cents in (1, 2, 3):
            await _add(tx, 1, cents)
        row = await fetch_one(tx, "SELECT cents FROM jar WHERE id = 1")
        await _add(tx, 2, 4)
        return row

    async def failing(tx: WriteTx) -> None:
        await _add(tx, 1, 1)
        await _add(tx, 2, -500)
        await _add(tx, 1, 1)

    assert await jars.write(work) == (106,)
    with pytest.raises(ConstraintViolated, match="never_in_debt"):
        await jars.write(failing)
    assert await _cents(jars) == [106, 104]


async def test_a_write_can_tell_how_many_rows_it_has_touched(jars: Database):
    async def work(tx: WriteTx) -> int:
        await _add(tx, 1, 5)
        return await count(tx, "UPDATE jar SET cents = cents + 1")

    assert await jars.write(work) == 2
    assert await _cents(jars) == [106, 101]


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


# ------------------------------------------------------------------------------------------------ roles and durability


async def test_the_application_works_under_the_role_that_cannot_rewrite_postings(database: Database):
    async with database.read() as tx:
        assert await fetch_one(tx, "SELECT current_user::text") == ("sluiceway_app",)

    for statement in ("UPDATE posting SET amount = 1", "DELETE FROM posting", "TRUNCATE posting", "DROP TABLE posting"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await database.write(lambda tx, statement=statement: execute(tx, statement))


async def test_a_state_of_everything_may_be_read_for_longer_than_a_request_may_take(database_url: str):
    async with Database(database_url, DatabaseOptions(transaction_timeout_s=0.05)) as database:
        async with database.snapshot(patience_s=5) as tx:
            await asyncio.sleep(0.1)
            assert await fetch_all(tx, "SELECT 1") == [(1,)]
        with pytest.raises(DatabaseUnavailable):
            async with database.snapshot() as tx:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_conflict_between_transactions_is_tried_again_and_never_told_to_the_caller(
    jars: Database, sqlstate: str
):
    before, runs = await _cents(jars), 0

    async def work(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        await _add(tx, 1, 100)
        if runs == 1:
            raising = f"DO $$ BEGIN RAISE EXCEPTION 'a conflict' USING ERRCODE = '{sqlstate}'; END $$"
            await fetch_all(tx, cast("LiteralString", f"{raising};"))

    await jars.write(work)

    assert runs == 2
    assert await _cents(jars) == [before[0] + 100, *before[1:]]
