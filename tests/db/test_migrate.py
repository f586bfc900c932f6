"""How a schema comes to be, one file after the other, whoever else is doing it at the same time."""

import asyncio
import time
from collections.abc import Generator
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sluiceway.storage import migrate as storage
from sluiceway.storage.database import Database, DatabaseUnavailable, fetch_one
from sluiceway.storage.migrate import Migration, MigrationFailed, migrate, migrations

_JARS = Migration(1, "jars", "CREATE TABLE jar (id bigint PRIMARY KEY); INSERT INTO jar VALUES (1);")
_LIDS = Migration(2, "lids", "CREATE TABLE lid (jar_id bigint REFERENCES jar);")
_WIDER = Migration(2, "wider", "ALTER TABLE jar ADD COLUMN cents bigint")


def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


@pytest.fixture
def owner_url(empty_database_url: str) -> Generator[str]:
    """Give the database to a role that is no superuser and may not create roles."""
    database = urlsplit(empty_database_url).path.removeprefix("/")
    owner = f"owner_of_{database}"
    names = {"owner": sql.Identifier(owner), "database": sql.Identifier(database)}
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {owner} LOGIN").format(**names))
        conn.execute(sql.SQL("ALTER DATABASE {database} OWNER TO {owner}").format(**names))
        yield make_conninfo(empty_database_url, user=owner)
        conn.execute(sql.SQL("REASSIGN OWNED BY {owner} TO CURRENT_USER").format(**names))
        conn.execute(sql.SQL("DROP OWNED BY {owner}").format(**names))
        conn.execute(sql.SQL("DROP ROLE {owner}").format(**names))


async def test_what_is_missing_is_applied_in_order_and_remembered(empty_database_url: str):
    first = await migrate(empty_database_url, [_JARS])
    second = await migrate(empty_database_url, [_JARS, _LIDS])
    third = await migrate(empty_database_url, [_JARS, _LIDS])

    assert (first, second, third) == ([_JARS], [_LIDS], [])
    assert _ask(empty_database_url, "SELECT version, name, sha256 FROM schema_migration ORDER BY version") == [
        (1, "jars", _JARS.sha256),
        (2, "lids", _LIDS.sha256),
    ]


async def test_of_many_migrators_at_once_exactly_one_applies_each_file(empty_database_url: str):
    results = await asyncio.gather(*(migrate(empty_database_url, [_JARS, _LIDS]) for _ in range(8)))

    assert sorted(migration.version for applied in results for migration in applied) == [1, 2]
    assert _ask(empty_database_url, "SELECT count(*) FROM jar") == [(1,)]


async def test_a_file_that_fails_leaves_nothing_of_itself_and_keeps_what_came_before(empty_database_url: str):
    broken = Migration(2, "broken", "CREATE TABLE half (id bigint); SELECT 1 / 0;")

    with pytest.raises(MigrationFailed, match=r"migration 2 \(broken\): division by zero"):
        await migrate(empty_database_url, [_JARS, broken])

    assert _ask(empty_database_url, "SELECT to_regclass('jar')::text, to_regclass('half')::text") == [("jar", None)]
    assert await migrate(empty_database_url, [_JARS, _LIDS]) == [_LIDS]


async def test_a_file_that_was_changed_after_it_was_applied_is_refused(empty_database_url: str):
    await migrate(empty_database_url, [_JARS])

    with pytest.raises(MigrationFailed, match=r"migration 1 \(jars\) was changed"):
        await migrate(empty_database_url, [Migration(1, "jars", _JARS.sql + " -- improved"), _LIDS])


async def test_a_database_that_is_newer_than_the_program_is_refused(empty_database_url: str):
    await migrate(empty_database_url, [_JARS, _LIDS])

    with pytest.raises(MigrationFailed, match=r"migration 2 \(lids\), which is newer than this program"):
        await migrate(empty_database_url, [_JARS])


async def test_a_migration_gives_up_in_the_end_and_leaves_nothing(empty_database_url: str):
    await migrate(empty_database_url, [_JARS])
    with psycopg.connect(empty_database_url) as holder:
        holder.execute("SELECT * FROM jar")

        with pytest.raises(MigrationFailed, match="kept its tables locked"):
            await migrate(empty_database_url, [_JARS, _WIDER], patience_s=0)

    assert await migrate(empty_database_url, [_JARS, _WIDER]) == [_WIDER]


async def test_who_reads_is_never_held_up_long_by_a_migration_that_waits(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(storage, "_BREATH_S", 0.2)
    await migrate(empty_database_url, [_JARS])
    waits: list[float] = []
    with psycopg.connect(empty_database_url) as holder, psycopg.connect(empty_database_url, autocommit=True) as reader:
        holder.execute("SELECT * FROM jar")
        migrating = asyncio.create_task(migrate(empty_database_url, [_JARS, _WIDER]))
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            began = time.monotonic()
            await asyncio.to_thread(reader.execute, "SELECT * FROM jar")
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
        holder.rollback()

        assert await migrating == [_WIDER]
    assert 0.05 < max(waits) < 0.7, "it waited for the migration, and the migration for it"


async def test_a_database_that_is_not_there_is_reported(tmp_path: Path):
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"postgresql://sluiceway@/sluiceway?host={tmp_path}")


async def test_an_owner_that_may_not_create_roles_is_told_what_to_do(owner_url: str):
    making_a_role = Migration(1, "role", "CREATE ROLE sluiceway_some_other_role")

    with pytest.raises(MigrationFailed) as failed:
        await migrate(owner_url, [making_a_role])

    assert "permission denied to create role" in failed.value.reason
    assert "CREATEROLE) or have an administrator run: CREATE ROLE sluiceway_app NOLOGIN" in failed.value.reason


async def test_a_role_that_may_not_create_tables_is_told_so(empty_database_url: str, owner_url: str):
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")

    with pytest.raises(MigrationFailed, match="may not create tables"):
        await migrate(owner_url, [_JARS])


@pytest.mark.parametrize(
    "membership",
    [
        "",  # What the message above asks an administrator for.
        "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",  # What PostgreSQL 16 gives to whoever creates a role.
    ],
)
async def test_an_owner_that_is_no_superuser_can_migrate_and_work(
    template: str, empty_database_url: str, owner_url: str, membership: LiteralString
):
    owner = str(conninfo_to_dict(owner_url)["user"])
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        if membership and conn.info.server_version < 160000:
            pytest.skip("a membership is only one thing before PostgreSQL 16")
        conn.execute(sql.SQL("GRANT sluiceway_app TO {} " + membership).format(sql.Identifier(owner)))

    await migrate(owner_url)

    async with Database(owner_url) as database, database.read() as tx:
        assert await fetch_one(tx, "SELECT current_user::text") == ("sluiceway_app",)


async def test_the_released_migrations_are_numbered_without_gaps_and_say_why():
    released = migrations()

    assert [migration.version for migration in released] == list(range(1, len(released) + 1))
    for migration in released:
        assert migration.sql.startswith("-- "), f"{migration.name} does not say why and which locks it takes"


@pytest.mark.parametrize(
    "names", [["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"], ["0001-a.sql"]]
)
def test_files_with_gaps_doubles_or_other_names_are_refused(tmp_path: Path, names: list[str]):
    for name in names:
        (tmp_path / name).write_text("-- Why.\nSELECT 1;")

    with pytest.raises(AssertionError):
        migrations(tmp_path)
