"""What two sessions see of each other: the same on tables in memory as on PostgreSQL."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors

from sluiceway import storage
from sluiceway.storage.queries import parse
from tests.simulation.connections import Connection, SimulatedDatabase
from tests.simulation.scopes import NotKnown
from tests.simulation.transactions import Store

ADD = "INSERT INTO organization (id, name, mode, created_at) VALUES (%(id)s::uuid, %(name)s, 'sandbox', '2026-01-01Z')"
RENAME = "UPDATE organization SET name = %(name)s WHERE id = %(id)s::uuid AND name = %(was)s RETURNING name"
NAMES = "SELECT name FROM organization WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id"
LOCK = "SELECT name FROM organization WHERE id = %(id)s::uuid ORDER BY id FOR NO KEY UPDATE"
SKIP = "SELECT name FROM organization WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
CLAIM = """
    INSERT INTO rail_report (organization_id, id, applied_at) SELECT %(id)s::uuid, 'one', '2026-01-01Z'
    ON CONFLICT DO NOTHING RETURNING id
"""
ADD_ELSEWHERE = """
    INSERT INTO account (organization_id, id, kind, currency, name, created_at, updated_at)
    VALUES ('019caf10-3180-7000-8000-000000000000'::uuid, %(id)s::uuid, 'POD', 'USD', 'a', '2026-01-01Z', '2026-01-01Z')
"""
PAUSE_S = 0.1


@pytest_asyncio.fixture(loop_scope="session", params=["in memory", "on PostgreSQL"])
async def sessions(request: pytest.FixtureRequest, database_url: str) -> AsyncGenerator[list[Any]]:
    """Open three sessions: two that meet, and one that looks."""
    if request.param == "in memory":
        store = Store(lambda: datetime.now(UTC))
        database = SimulatedDatabase(store, random.Random(1))
        yield [Connection(database) for _ in range(3)]
        return
    made = [await psycopg.AsyncConnection.connect(database_url, autocommit=True) for _ in range(3)]
    for each in made:
        await each.execute("SET lock_timeout = '2s'")
        await each.execute("SET deadlock_timeout = '50ms'")
    yield made
    for each in made:
        await each.close()


async def add(session: Any, name: str = "old") -> str:
    id_ = str(uuid.uuid4())
    await session.execute(ADD, {"id": id_, "name": name})
    return id_


async def rows(session: Any, sql: str, **given: Any) -> list[Any]:
    return await (await session.execute(sql, given)).fetchall()


async def test_nobody_sees_what_is_not_committed(sessions: list[Any]):
    one, other, _ = sessions
    await one.execute("BEGIN")
    id_ = await add(one)

    assert await rows(other, NAMES, ids=[id_]) == []
    assert await rows(one, NAMES, ids=[id_]) == [("old",)]
    await one.execute("COMMIT")
    assert await rows(other, NAMES, ids=[id_]) == [("old",)]


async def test_a_row_that_was_waited_for_is_looked_at_again(sessions: list[Any]):
    one, other, _ = sessions
    id_ = await add(one)
    await one.execute("BEGIN")
    await rows(one, RENAME, id=id_, name="new", was="old")
    waiting = asyncio.create_task(rows(other, RENAME, id=id_, name="newer", was="old"))
    await asyncio.sleep(PAUSE_S)
    assert not waiting.done()

    await one.execute("COMMIT")

    assert await waiting == []
    assert await rows(other, LOCK, id=id_) == [("new",)]


async def test_a_locking_read_gives_the_row_as_it_is_once_it_is_locked(sessions: list[Any]):
    one, other, _ = sessions
    id_ = await add(one)
    await one.execute("BEGIN")
    await rows(one, RENAME, id=id_, name="new", was="old")
    waiting = asyncio.create_task(rows(other, LOCK, id=id_))
    await asyncio.sleep(PAUSE_S)

    await one.execute("COMMIT")

    assert await waiting == [("new",)]


async def test_what_is_locked_is_passed_over_by_whoever_says_so(sessions: list[Any]):
    one, other, _ = sessions
    ids = sorted([await add(one, "a"), await add(one, "b")])
    await one.execute("BEGIN")
    [(first,)] = await rows(one, LOCK, id=ids[0])

    [(second,)] = await rows(other, SKIP, ids=ids)

    assert {first, second} == {"a", "b"}
    await one.execute("COMMIT")


async def test_of_two_who_wait_for_each_other_one_is_told_so(sessions: list[Any]):
    one, other, _ = sessions
    ids = [await add(one), await add(one)]
    for session, id_ in ((one, ids[0]), (other, ids[1])):
        await session.execute("BEGIN")
        await rows(session, LOCK, id=id_)
    waiting = asyncio.create_task(rows(one, LOCK, id=ids[1]))
    await asyncio.sleep(PAUSE_S / 5)

    crossing = asyncio.create_task(rows(other, LOCK, id=ids[0]))
    found = await asyncio.gather(waiting, crossing, return_exceptions=True)

    # The one that is told so lets go of everything at once, and the other one goes on.
    assert sorted(type(each).__name__ for each in found) == ["DeadlockDetected", "list"]
    assert [("old",)] in found


async def test_who_waits_too_long_for_a_lock_is_told_so(sessions: list[Any]):
    one, other, _ = sessions
    id_ = await add(one)
    await one.execute("BEGIN")
    await rows(one, LOCK, id=id_)

    with pytest.raises(errors.LockNotAvailable):
        await rows(other, LOCK, id=id_)
    await one.rollback()


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
async def test_the_same_key_waits_for_whoever_may_have_it(sessions: list[Any], ending: str):
    one, other, _ = sessions
    id_ = await add(one)
    await one.execute("BEGIN")
    assert await rows(one, CLAIM, id=id_) == [("one",)]
    waiting = asyncio.create_task(rows(other, CLAIM, id=id_))
    await asyncio.sleep(PAUSE_S)
    assert not waiting.done()

    await (one.execute("COMMIT") if ending == "COMMIT" else one.rollback())

    assert await waiting == ([] if ending == "COMMIT" else [("one",)])


async def test_a_key_that_is_taken_is_refused_by_the_name_of_its_constraint(sessions: list[Any]):
    one, other, _ = sessions
    id_ = await add(one)

    with pytest.raises(errors.UniqueViolation) as refused:
        await other.execute(ADD, {"id": id_, "name": "again"})

    assert refused.value.diag.constraint_name == "organization_pkey"


@pytest.mark.parametrize(
    ("sql", "kind", "constraint"),
    [
        ("UPDATE organization SET name = NULL WHERE id = %(id)s::uuid", errors.NotNullViolation, None),
        ("UPDATE organization SET minimum_transfer = 0 WHERE id = %(id)s::uuid",
         errors.CheckViolation, "organization_minimum_transfer_check"),
        (ADD_ELSEWHERE, errors.ForeignKeyViolation, "account_organization_id_fkey"),
    ],
    ids=["not null", "check", "foreign key"],
)  # fmt: skip
async def test_the_schema_refuses_rows(sessions: list[Any], sql: str, kind: Any, constraint: str | None):
    one, _, _ = sessions
    id_ = await add(one)

    with pytest.raises(kind) as refused:
        await one.execute(sql, {"id": id_})

    assert refused.value.diag.constraint_name == constraint


async def test_a_failed_transaction_commits_nothing(sessions: list[Any]):
    one, other, _ = sessions
    await one.execute("BEGIN")
    id_ = await add(one)
    with pytest.raises(errors.UniqueViolation):
        await one.execute(ADD, {"id": id_, "name": "again"})
    with pytest.raises(errors.InFailedSqlTransaction):
        await rows(one, NAMES, ids=[id_])

    ended = await one.execute("COMMIT")

    assert ended.statusmessage == "ROLLBACK"
    assert await rows(other, NAMES, ids=[id_]) == []


async def test_a_snapshot_stays_as_it_was(sessions: list[Any]):
    one, other, _ = sessions
    id_ = await add(one)
    await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    assert await rows(other, NAMES, ids=[id_]) == [("old",)]

    await rows(one, RENAME, id=id_, name="new", was="old")

    assert await rows(other, NAMES, ids=[id_]) == [("old",)]
    await other.rollback()
    assert await rows(other, NAMES, ids=[id_]) == [("new",)]


async def test_who_dies_has_written_nothing(sessions: list[Any]):
    one, other, _ = sessions
    id_ = await add(one)
    await one.execute("BEGIN")
    await rows(one, RENAME, id=id_, name="new", was="old")

    await one.close()

    assert await rows(other, LOCK, id=id_) == [("old",)]


def test_what_the_simulation_cannot_run_it_refuses_by_name():
    with pytest.raises(NotKnown, match="how_old: Anonymous: AGE"):
        Store(lambda: datetime.now(UTC)).statement("/* how_old */ SELECT age(created_at) FROM organization")


@pytest.mark.parametrize("owner", ["accounts", "ach", "audit_log", "bank", "caps", "days", "executions", "feeds",
                                   "idempotency", "legs", "organizations", "outbox", "rate_limits", "remote_amounts",
                                   "retention", "rules", "schedules", "transfers"])  # fmt: skip
def test_everything_on_the_path_of_money_is_simulated(owner: str):
    store = Store(lambda: datetime.now(UTC))
    file = Path(storage.__file__).with_name(f"{owner}.sql")

    for statement in parse(file.read_text(encoding="utf-8"), file.name).values():
        store.statement(statement)
