"""Statements for every table, privilege and column, and whether a role may: what is expected, and what is so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import errors, sql

from sluiceway.storage.database import APPLICATION_ROLE, READING_ROLE
from tests.privileges.allowed import APPLICATION, HIDDEN, Rights

# ruff: noqa: S608 -- names come from the catalogue.
_COLUMNS: Final = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') GROUP BY c.relname
"""
# What only an owner may do to a table. None of it is ever allowed.
_OWNERS: Final = (
    "TRUNCATE {table}",
    "DROP TABLE {table}",
    "ALTER TABLE {table} ADD COLUMN planted integer",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "ALTER TABLE {table} RENAME TO planted",
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    "CREATE INDEX ON {table} ({column})",
    "CREATE TRIGGER planted BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE planted AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "CREATE POLICY planted ON {table} USING (true)",
    "COMMENT ON TABLE {table} IS 'planted'",
)
# What nobody may who moves money.
ELSEWHERE: Final = (
    "CREATE TABLE planted (id integer)",
    "CREATE VIEW planted AS SELECT 1",
    "CREATE SCHEMA planted",
    "CREATE FUNCTION planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP EXTENSION plpgsql",
    "CREATE ROLE planted",
    "CREATE SUBSCRIPTION planted CONNECTION '' PUBLICATION planted WITH (connect = false)",
    "ALTER ROLE sluiceway_app SUPERUSER",
    "ALTER ROLE sluiceway_app BYPASSRLS",
    "ALTER DEFAULT PRIVILEGES FOR ROLE pg_read_all_data GRANT ALL ON TABLES TO PUBLIC",
    "DROP FUNCTION cut_reads",
    "DROP SCHEMA public CASCADE",
    "GRANT pg_read_all_data TO sluiceway_app",
    "SET session_replication_role = replica",
    "SET zero_damaged_pages = on",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT pg_switch_wal()",
    "SELECT pg_reload_conf()",
    "SELECT * FROM pg_authid",
    "COPY schema_migration TO PROGRAM 'cat'",
    "COPY schema_migration TO '/tmp/planted'",
)


@dataclass(frozen=True)
class Attempt:
    """One statement, and whether the role may."""

    role: str
    what: str
    statement: str
    is_allowed: bool


def columns(conn: psycopg.Connection) -> dict[str, list[str]]:
    """Give the columns of every table."""
    return {str(table): list(names) for table, names in conn.execute(_COLUMNS).fetchall()}


def attempts(tables: dict[str, list[str]]) -> Iterator[Attempt]:
    """Write a statement for every role, table and privilege, and for every column where it makes a difference."""
    for role in (APPLICATION_ROLE, READING_ROLE):
        for table, names in tables.items():
            yield from _of_table(role, table, names)
        for statement in ELSEWHERE:
            yield Attempt(role, statement, statement, is_allowed=False)


def _of_table(role: str, table: str, names: list[str]) -> Iterator[Attempt]:
    is_reader = role == READING_ROLE
    rights = Rights(adds=False) if is_reader else APPLICATION[table]
    hidden = set(HIDDEN.get(table, "").split()) if is_reader else set[str]()
    changes = set(rights.changes.split())
    for name in names:
        yield Attempt(role, f"read {table}.{name}", f'SELECT "{name}" FROM {table} LIMIT 0', name not in hidden)
        change = f'UPDATE {table} SET "{name}" = DEFAULT WHERE false'
        yield Attempt(role, f"update {table}.{name}", change, name in changes)
    whole = (
        ("insert into", f"INSERT INTO {table} SELECT t.* FROM {table} t WHERE false", rights.adds),
        ("delete from", f"DELETE FROM {table} WHERE false", rights.deletes),
        ("lock rows of", f"SELECT 1 FROM {table} WHERE false FOR UPDATE", bool(changes)),
        # Whoever may delete all rows may as well keep everybody away from them.
        ("lock the whole of", f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", rights.deletes),
    )
    for what, statement, is_allowed in whole:
        yield Attempt(role, f"{what} {table}", statement, is_allowed)
    for statement in _OWNERS:
        written = statement.format(table=table, column=f'"{names[0]}"')
        yield Attempt(role, written, written, is_allowed=False)


def is_refused(conn: psycopg.Connection, attempt: Attempt) -> bool:
    """Try a statement as a role, and take it back; tell whether the role was refused."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(attempt.role)))
            conn.execute(attempt.statement.encode())
    except errors.InsufficientPrivilege:
        return True
    return False


def surprises(conn: psycopg.Connection, tried: list[Attempt]) -> list[str]:
    """Try statements; list those that are allowed and should not be, and those that are refused and should not be."""
    found: list[str] = []
    for attempt in tried:
        refused = is_refused(conn, attempt)
        if refused == attempt.is_allowed:
            found.append(f"{attempt.role} {'may not' if refused else 'may'} {attempt.what}")
    return found
