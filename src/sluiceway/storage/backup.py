"""Backs a database up and restores it: every table as COPY text, read in one snapshot, written in one transaction.

The schema is not in a backup: it is what the program's own migrations make, up to the one that the backup names. So a
backup may be restored into any PostgreSQL that Sluiceway runs on, whatever it was taken from.
"""

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from sluiceway.storage.archive import Archive, ArchiveWriter, AuditHead, BadBackup, Manifest, TableCopy
from sluiceway.storage.database import APPLICATION_ROLE, DatabaseUnavailable
from sluiceway.storage.migrate import Migration, MigrationFailed, migrate, migrations
from sluiceway.storage.queries import load

QUERIES = load(__file__)

HOLDS_SINCE: Final = "restored_from_a_backup"
"""The migration from which on a database can be held: one without it is migrated before it is backed up."""

# The same text for the same value, whatever the server, the role or the environment prefer.
_SPELLING: Final[LiteralString] = """
    SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),
           set_config('IntervalStyle', 'postgres', false), set_config('extra_float_digits', '1', false),
           set_config('bytea_output', 'hex', false), set_config('statement_timeout', '0', false),
           set_config('idle_in_transaction_session_timeout', '0', false), set_config('lock_timeout', '10s', false),
           set_config('row_security', 'off', false), set_config('synchronize_seqscans', 'off', false)
"""


class _Table(NamedTuple):
    name: str
    columns: list[str]


async def take_backup(
    url: str,
    writer: ArchiveWriter,
    key: bytes | None,
    *,
    backup_id: str,
    made_by: str,
    now: Callable[[], datetime],
) -> Manifest:
    """Write every table, as the role that `url` names, while everybody goes on. Raises BadBackup, DatabaseUnavailable.

    What was committed before this was called is in it; what began after it had read the first table is not.
    """
    try:
        return await _take(url, writer, key, now, partial(Manifest, backup_id=backup_id, made_by=made_by))
    except BaseException:
        writer.abandon()
        raise


async def _take(
    url: str,
    writer: ArchiveWriter,
    key: bytes | None,
    now: Callable[[], datetime],
    manifest_of: Callable[..., Manifest],
) -> Manifest:
    async with _connected(url) as conn:
        taken_at = now()
        await conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        schema = await _schema_of(conn)
        if HOLDS_SINCE not in (name for name, _ in schema):
            raise BadBackup("the database has not been brought up to date: sluiceway migrate")
        cursor = await conn.execute(QUERIES["is_spread"])
        if await cursor.fetchone() == (True,):
            raise BadBackup(
                "its tables are spread over machines, of which there is no one state: back each of them up together,"
                " with citus_create_restore_point and PostgreSQL's own backups"
            )
        tables = [await _write_table(conn, writer, table) for table in await _tables(conn)]
        cursor = await conn.execute(QUERIES["audit_heads"])
        heads = tuple(AuditHead(str(row[0]), row[1], row[2]) for row in await cursor.fetchall())
        manifest = manifest_of(
            taken_at=taken_at,
            postgresql=str(conn.info.server_version // 10_000),
            schema=schema,
            tables=tuple(tables),
            heads=heads,
        )
        writer.finish(manifest, key)
        return manifest


async def restore(url: str, archive: Archive, *, now: datetime, is_held: bool = True) -> None:
    """Fill an empty database with what is in a backup, held, and bring it up to date.

    All of it or nothing: what is cut off leaves no row. Raises BadBackup, MigrationFailed and DatabaseUnavailable.
    """
    wanted = _migrations_of(archive.manifest)
    async with _connected(url) as conn:
        await _refuse_unless_empty(conn, wanted)
    await migrate(url, wanted)
    async with _connected(url) as conn, conn.transaction():
        # Nobody brings it further up to date, and nobody who came first has begun to use it.
        await conn.execute("LOCK TABLE schema_migration IN EXCLUSIVE MODE")
        await _refuse_unless_empty(conn, wanted)
        await _fill(conn, archive)
        if is_held:
            said = {"backup_id": archive.manifest.backup_id, "taken_at": archive.manifest.taken_at, "at": now}
            await conn.execute(QUERIES["hold_all"], said)
            await conn.execute(QUERIES["end_all_sessions"], said)
            await conn.execute(QUERIES["insert_restorations"], said)
    async with _connected(url) as conn:
        await conn.execute("ANALYZE")
    await migrate(url)


async def compare(url: str, manifest: Manifest) -> None:
    """Read every table again, and compare it with what was written. Raises BadBackup."""
    async with _connected(url) as conn:
        await conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table in manifest.tables:
            digest = hashlib.sha256()
            async with conn.cursor().copy(_copy_out(_Table(table.name, list(table.columns)))) as copy:
                async for piece in copy:
                    digest.update(piece)
            if digest.hexdigest() != table.sha256:
                raise BadBackup(f"the table {table.name} came back as something else")


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[AsyncConnection[TupleRow]]:
    try:
        async with await AsyncConnection[TupleRow].connect(
            url, autocommit=True, connect_timeout=5, client_encoding="utf8"
        ) as conn:
            await conn.execute(_SPELLING)
            yield conn
    except psycopg.OperationalError as failure:
        raise DatabaseUnavailable(str(failure)) from failure


async def _schema_of(conn: AsyncConnection[TupleRow]) -> tuple[tuple[str, str], ...]:
    cursor = await conn.execute(QUERIES["has_history"])
    if await cursor.fetchone() != (True,):
        raise BadBackup("there is no database of Sluiceway to back up")
    cursor = await conn.execute(QUERIES["schema"])
    return tuple((row[0], row[1]) for row in await cursor.fetchall())


async def _tables(conn: AsyncConnection[TupleRow]) -> list[_Table]:
    cursor = await conn.execute(QUERIES["tables"], {"role": APPLICATION_ROLE})
    return [_Table(name, columns) for name, columns in await cursor.fetchall()]


def _copy_out(table: _Table) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    return sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(table.name), columns)


async def _write_table(conn: AsyncConnection[TupleRow], writer: ArchiveWriter, table: _Table) -> TableCopy:
    digest = hashlib.sha256()
    with writer.table(table.name) as member:
        async with conn.cursor() as cursor:
            async with cursor.copy(_copy_out(table)) as copy:
                async for piece in copy:
                    digest.update(piece)
                    member.write(piece)
            rows = cursor.rowcount
    return TableCopy(table.name, tuple(table.columns), rows, digest.hexdigest())


def _migrations_of(manifest: Manifest) -> list[Migration]:
    """Find the migrations that made the backup's schema. Raises BadBackup where this program has others."""
    known = migrations()
    if len(manifest.schema) > len(known):
        newest = manifest.schema[-1][0]
        raise BadBackup(
            f"it was made by a newer program ({manifest.made_by}, migration {len(manifest.schema)} {newest}):"
            " restore it with that one"
        )
    for migration, (name, sha256) in zip(known, manifest.schema, strict=False):
        if (migration.name, migration.sha256) != (name, sha256):
            raise BadBackup(f"its migration {migration.version} ({name}) is not the one that this program has")
    return known[: len(manifest.schema)]


async def _refuse_unless_empty(conn: AsyncConnection[TupleRow], wanted: Sequence[Migration]) -> None:
    """Let a database be filled that has no table, or ours without a row: a restore that was cut off may begin again."""
    cursor = await conn.execute(QUERIES["relations"])
    relations = [row[0] for row in await cursor.fetchall()]
    if not relations:
        return
    if "schema_migration" not in relations:
        raise BadBackup(f"the database is not empty: it has the table {relations[0]}")
    schema = await _schema_of(conn)
    if schema != tuple((migration.name, migration.sha256) for migration in wanted[: len(schema)]):
        raise BadBackup("the database is not empty: it has been brought up to date for another program than the backup")
    for name in relations:
        if name == "schema_migration":
            continue
        cursor = await conn.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name)))
        if await cursor.fetchone() == (True,):
            raise BadBackup(f"the database is not empty: there are rows in {name}")


async def _fill(conn: AsyncConnection[TupleRow], archive: Archive) -> None:
    """Write all rows. The foreign keys are made anew afterwards, which checks them all at once and in no order."""
    there = {table.name: table.columns for table in await _tables(conn)}
    for table in archive.manifest.tables:
        if there.pop(table.name, None) != list(table.columns):
            raise BadBackup(f"the table {table.name} has other columns in it")
    if there:
        raise BadBackup(f"the table {next(iter(there))} is missing in it")
    await conn.execute("SELECT set_config('maintenance_work_mem', '256MB', true)")
    cursor = await conn.execute(QUERIES["foreign_keys"])
    keys = [
        (sql.Identifier(table), sql.Identifier(name), sql.SQL(definition))
        for table, name, definition in await cursor.fetchall()
    ]
    for keyed, name, _ in keys:
        await conn.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(keyed, name))
    for table in archive.manifest.tables:
        await _fill_table(conn, archive, table)
    for keyed, name, definition in keys:
        await conn.execute(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(keyed, name, definition))


async def _fill_table(conn: AsyncConnection[TupleRow], archive: Archive, table: TableCopy) -> None:
    name, columns = sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    # In the transaction that has emptied it, a table may be filled with rows that need no vacuum afterwards.
    await conn.execute(sql.SQL("TRUNCATE {}").format(name))
    try:
        async with conn.cursor() as cursor:
            async with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN WITH (FREEZE)").format(name, columns)) as copy:
                for piece in archive.pieces(table):
                    await copy.write(piece)
            rows = cursor.rowcount
    except psycopg.DataError as failure:
        raise BadBackup(f"the table {table.name} in it does not fit: {failure}") from failure
    if rows != table.rows:
        raise BadBackup(f"the table {table.name} has {rows} rows and not {table.rows}")


__all__ = ["BadBackup", "MigrationFailed", "compare", "restore", "take_backup"]
