"""What a backup is, what is not taken for one, and where it may not go."""

import asyncio
import os
import tempfile
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sluiceway.storage import backup
from sluiceway.storage.archive import ArchiveWriter, BadBackup, Manifest, open_archive
from sluiceway.storage.backup import compare, restore, take_backup
from sluiceway.storage.database import Database, DatabaseUnavailable
from sluiceway.storage.migrate import migrate, migrations
from sluiceway.wiring import new_id, now
from tests.support import World, first_story, plain_engine

KEY = b"0123456789abcdef0123456789abcdef"
OTHER_KEY = b"another key, which is as long as this"


@pytest.fixture
def folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="sluiceway-backup-") as made:
        yield Path(made)


async def take(url: str, file: Path, key: bytes | None = None) -> Manifest:
    with file.open("w+b") as opened:
        return await take_backup(url, ArchiveWriter(opened), key, backup_id=new_id(), made_by="test", now=now)


async def put_back(url: str, file: Path, key: bytes | None = None, *, is_held: bool = True) -> None:
    with open_archive(file, key) as archive:
        await restore(url, archive, now=now(), is_held=is_held)


def ask(url: str, query: str) -> Any:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


async def a_world(database: Database) -> World:
    world = await first_story(plain_engine(database))
    await world.deposit("income", 100_000)
    await world.settle()
    return world


async def test_every_table_comes_back_byte_for_byte(
    database: Database, database_url: str, empty_database_url: str, folder: Path
):
    world = await a_world(database)
    manifest = await take(database_url, folder / "a.zip")

    await put_back(empty_database_url, folder / "a.zip", is_held=False)

    await compare(empty_database_url, manifest)
    ask(empty_database_url, "UPDATE account SET name = name || '!' RETURNING id")
    with pytest.raises(BadBackup, match="account came back as something else"):
        await compare(empty_database_url, manifest)
    async with Database(empty_database_url) as again:
        twin = World(plain_engine(again), world.organization_id, world.person, world.accounts, world.rules)
        assert await twin.balances() == await world.balances()
        assert await twin.deposit("income", 100_000) is not None
        assert await twin.settle() > 0


async def test_every_table_that_lasts_is_in_it(database_url: str, folder: Path):
    manifest = await take(database_url, folder / "a.zip")

    lasting = ask(
        database_url,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND relpersistence = 'p' AND relname <> 'schema_migration' ORDER BY 1",
    )
    assert [table.name for table in manifest.tables] == [name for (name,) in lasting]


async def test_the_constraints_and_indexes_are_those_of_a_new_database(
    database_url: str, empty_database_url: str, folder: Path
):
    await take(database_url, folder / "a.zip")
    await put_back(empty_database_url, folder / "a.zip")
    schema = """
        SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tablename, indexname, indexdef, true FROM pg_indexes WHERE schemaname = 'public'
        ORDER BY 1, 2, 3
    """

    assert ask(empty_database_url, schema) == ask(database_url, schema)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def shorten(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def write_other(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as other:
        other.writestr("manifest.json", "{}")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (cut, "does not end as a backup does"),
        (shorten, "does not end as a backup does"),
        (empty, "it is empty"),
        (Path.unlink, "No such file"),
        (write_other, "does not end as a backup does"),
    ],
)
async def test_a_file_that_is_not_what_was_written_is_refused(
    database_url: str, folder: Path, spoil: Callable[[Path], object], complaint: str
):
    file = folder / "a.zip"
    await take(database_url, file)
    spoil(file)

    with pytest.raises(BadBackup, match=complaint), open_archive(file, None):
        pass


@pytest.mark.parametrize("key", [None, KEY])
async def test_one_altered_byte_anywhere_is_found(database_url: str, folder: Path, key: bytes | None):
    file = folder / "a.zip"
    await take(database_url, file, key)
    content = file.read_bytes()

    for at in sorted({0, 1, len(content) - 1, *range(7, len(content), max(1, len(content) // 150))}):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(BadBackup), open_archive(file, key):
            pass


@pytest.mark.parametrize(
    ("sealed_with", "opened_with", "complaint"),
    [
        (KEY, OTHER_KEY, "sealed with another key"),
        (KEY, None, "name it with --key-file"),
        (None, KEY, "sealed without a key"),
    ],
)
async def test_another_key_opens_nothing(
    database_url: str, folder: Path, sealed_with: bytes | None, opened_with: bytes | None, complaint: str
):
    await take(database_url, folder / "a.zip", sealed_with)

    with pytest.raises(BadBackup, match=complaint), open_archive(folder / "a.zip", opened_with):
        pass
    with open_archive(folder / "a.zip", sealed_with) as archive:
        assert archive.manifest.tables


async def test_a_backup_of_a_newer_program_is_refused(
    database_url: str, empty_database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    await take(database_url, folder / "a.zip")
    monkeypatch.setattr("sluiceway.storage.backup.migrations", lambda: migrations()[:-1])

    with pytest.raises(BadBackup, match="made by a newer program"):
        await put_back(empty_database_url, folder / "a.zip")


async def test_a_backup_goes_into_an_empty_database_only(database: Database, database_url: str, folder: Path):
    await a_world(database)
    await take(database_url, folder / "a.zip")

    with pytest.raises(BadBackup, match="not empty: there are rows in account"):
        await put_back(database_url, folder / "a.zip")


async def test_a_database_of_somebody_elses_is_not_touched(database_url: str, empty_database_url: str, folder: Path):
    await take(database_url, folder / "a.zip")
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE jar (id bigint)")

    with pytest.raises(BadBackup, match="not empty: it has the table jar"):
        await put_back(empty_database_url, folder / "a.zip")


async def test_what_was_cut_off_leaves_no_row_and_may_begin_again(
    database: Database, database_url: str, empty_database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    await a_world(database)
    await take(database_url, folder / "a.zip")
    with monkeypatch.context() as patch:
        # The last thing before the commit.
        killed = {**backup.QUERIES, "insert_restorations": "SELECT pg_terminate_backend(pg_backend_pid())"}
        patch.setattr(backup, "QUERIES", killed)
        with pytest.raises(DatabaseUnavailable):
            await put_back(empty_database_url, folder / "a.zip")

    assert ask(empty_database_url, "SELECT count(*) FROM account") == [(0,)]
    await put_back(empty_database_url, folder / "a.zip")
    assert ask(empty_database_url, "SELECT count(*) > 0 FROM account WHERE posted > 0") == [(True,)]


async def test_an_altered_row_is_found_even_under_a_new_seal(
    database: Database, database_url: str, empty_database_url: str, folder: Path
):
    await a_world(database)
    manifest = await take(database_url, folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as honest, (folder / "b.zip").open("w+b") as file:
        writer = ArchiveWriter(file)
        for table in manifest.tables:
            text = honest.read(f"{table.name}.copy")
            with writer.table(table.name) as member:
                member.write(text.replace(b"income", b"outgo!") if table.name == "account" else text)
        writer.finish(manifest, None)

    with pytest.raises(BadBackup, match="account is not what the manifest says"):
        await put_back(empty_database_url, folder / "b.zip")
    assert ask(empty_database_url, "SELECT count(*) FROM account") == [(0,)]


async def test_a_backup_is_one_state_while_money_moves(
    database: Database, database_url: str, empty_database_url: str, folder: Path
):
    world = await a_world(database)
    over = asyncio.Event()

    async def keep_moving() -> int:
        moved = 0
        while not over.is_set():
            await world.deposit("income", 60_000)
            moved += await world.settle()
        return moved

    moving = asyncio.create_task(keep_moving())
    await asyncio.sleep(0.2)
    await take(database_url, folder / "a.zip")
    await asyncio.sleep(0.1)
    over.set()

    assert await moving > 0
    await put_back(empty_database_url, folder / "a.zip")
    assert ask(empty_database_url, "SELECT sum(posted)::bigint FROM account") == [(0,)]
    assert ask(empty_database_url, "SELECT held_since IS NOT NULL FROM organization") == [(True,)]


async def test_the_schema_must_have_come_so_far_that_it_can_be_held(empty_database_url: str, folder: Path):
    await migrate(empty_database_url, migrations()[:15])

    with pytest.raises(BadBackup, match="sluiceway migrate"):
        await take(empty_database_url, folder / "a.zip")
