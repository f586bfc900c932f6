"""Forward-only migrations: plain SQL files, each applied once, in order, in a transaction of its own."""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, LiteralString

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.storage.roles import keep_reading_rights

_FILE_NAME: Final = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
# Whoever else migrates holds up nobody but migrators.
_WAIT_FOR_MIGRATORS: Final[LiteralString] = "SET LOCAL lock_timeout = '30s'"
# Who waits for a table's lock makes everybody wait who comes after, even readers; and a request may need several.
_WAIT_FOR_TABLES: Final[LiteralString] = "SET LOCAL lock_timeout = '200ms'"
PATIENCE_S: Final = 60.0
"""For how long a migration that finds its tables locked is tried again, from its beginning."""
_BREATH_S: Final = 1.0
"""How long everybody else has between two tries."""
_IN_THE_WAY: Final = (errors.LockNotAvailable, errors.DeadlockDetected)
"""How others who hold locks keep a migration from having them; it has done nothing then."""
_APPLIED: Final[LiteralString] = "SELECT version, name, sha256 FROM schema_migration ORDER BY version"
_HISTORY: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        version integer PRIMARY KEY,
        name text NOT NULL,
        sha256 text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the folder `migrations`."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Identify the file's contents."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(eq=False)
class MigrationFailed(Exception):
    """The schema could not be brought up to date; what was applied before stays, nothing is half applied."""

    reason: str

    def __str__(self) -> str:
        """Say why."""
        return self.reason


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """Read the migrations that were released with this code, or those of `folder`, in order."""
    folder = folder or resources.files("sluiceway.storage") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    found: list[Migration] = []
    for number, file in enumerate(files, start=1):
        matched = _FILE_NAME.match(file.name)
        assert matched, f"{file.name} is not called NNNN_what.sql"
        assert int(matched[1]) == number, f"{file.name} should be number {number}: there is a gap or a double"
        found.append(Migration(number, matched[2], file.read_text(encoding="utf-8")))
    return found


async def migrate(
    url: str, wanted: list[Migration] | None = None, *, patience_s: float = PATIENCE_S
) -> list[Migration]:
    """Apply what is missing, as the role that `url` names, which becomes the owner; return what was applied.

    A role that is not the owner may find out in this way that nothing is missing. Safe to run from many processes at
    once, and beside those that serve: they wait for its locks, and never long for it to get them. Raises
    MigrationFailed and DatabaseUnavailable.
    """
    wanted = migrations() if wanted is None else wanted
    applied: list[Migration] = []
    try:
        async with await AsyncConnection[TupleRow].connect(url, autocommit=True, connect_timeout=5) as conn:
            if not await _is_complete(conn, wanted):
                await _create_history(conn)
                while (migration := await _apply_next_patiently(conn, wanted, patience_s)) is not None:
                    applied.append(migration)
            await keep_reading_rights(conn)
    except _IN_THE_WAY as failure:
        raise MigrationFailed("other sessions kept its tables locked; try again when they are done") from failure
    except psycopg.OperationalError as failure:
        raise DatabaseUnavailable(str(failure)) from failure
    return applied


async def _is_complete(conn: AsyncConnection[TupleRow], wanted: list[Migration]) -> bool:
    try:
        applied = await (await conn.execute(_APPLIED)).fetchall()
    except (errors.UndefinedTable, errors.InsufficientPrivilege):
        return False
    return _next(wanted, applied) is None


async def _create_history(conn: AsyncConnection[TupleRow]) -> None:
    try:
        await conn.execute(_HISTORY)
    except (errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
        # IF NOT EXISTS does not hold between two sessions at once: the slower one stumbles over the table, its type or
        # an index of the catalogue. The table is there then, which is all that was wanted.
        return
    except errors.InsufficientPrivilege as failure:
        user = conn.info.user
        raise MigrationFailed(
            f"the role {user} may not create tables in this database ({failure}):"
            " name its owner with DATABASE_OWNER_URL"
        ) from failure


async def _apply_next_patiently(
    conn: AsyncConnection[TupleRow], wanted: list[Migration], patience_s: float
) -> Migration | None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience_s
    while True:
        try:
            return await _apply_next(conn, wanted)
        except _IN_THE_WAY:
            if clock() > deadline:
                raise
        await asyncio.sleep(_BREATH_S)


async def _apply_next(conn: AsyncConnection[TupleRow], wanted: list[Migration]) -> Migration | None:
    async with conn.transaction():
        await conn.execute(_WAIT_FOR_MIGRATORS)
        # One migrator at a time, while readers of the history go on. Whoever waited here sees what the other applied.
        await conn.execute("LOCK TABLE schema_migration IN EXCLUSIVE MODE")
        migration = _next(wanted, await (await conn.execute(_APPLIED)).fetchall())
        if migration is not None:
            await conn.execute(_WAIT_FOR_TABLES)
            await _apply(conn, migration)
        return migration


def _next(wanted: list[Migration], applied: list[TupleRow]) -> Migration | None:
    """Choose the first migration that is missing, after checking that the others are the ones we know."""
    by_version = {migration.version: migration for migration in wanted}
    for version, name, sha256 in applied:
        known = by_version.pop(version, None)
        if known is None:
            raise MigrationFailed(f"the database has migration {version} ({name}), which is newer than this program")
        if known.sha256 != sha256:
            raise MigrationFailed(f"migration {version} ({name}) was changed after it had been applied")
    return min(by_version.values(), key=lambda migration: migration.version, default=None)


async def _apply(conn: AsyncConnection[TupleRow], migration: Migration) -> None:
    try:
        # Without parameters a text may hold many statements.
        await conn.execute(migration.sql.encode())
    except errors.InsufficientPrivilege as failure:
        raise MigrationFailed(_missing_right(conn.info.user, migration, failure)) from failure
    except psycopg.OperationalError:
        raise
    except psycopg.Error as failure:
        raise MigrationFailed(f"migration {migration.version} ({migration.name}): {failure}") from failure
    await conn.execute(
        "INSERT INTO schema_migration (version, name, sha256) VALUES (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )


def _missing_right(user: str, migration: Migration, failure: psycopg.Error) -> str:
    what = f"migration {migration.version} ({migration.name}): {failure.diag.message_primary}"
    if "role" not in str(failure.diag.message_primary):
        return f"{what}; it has to run as the owner of the schema, and runs as {user} (DATABASE_OWNER_URL)"
    return (
        f"{what}; either let {user} create it (ALTER ROLE {user} CREATEROLE) or have an administrator run:"
        f" CREATE ROLE sluiceway_app NOLOGIN; GRANT sluiceway_app TO {user}; CREATE ROLE sluiceway_read NOLOGIN;"
        f" GRANT sluiceway_read TO sluiceway_app"
    )
