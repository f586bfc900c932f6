"""What the roles may do is what is written down, no more and no less, and no more than our statements need."""

from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sluiceway import storage
from sluiceway.storage.database import APPLICATION_ROLE, READING_ROLE, Database, fetch_one
from sluiceway.storage.embedded import as_role
from sluiceway.storage.migrate import Migration, MigrationFailed, migrate, migrations
from sluiceway.storage.queries import parse
from sluiceway.storage.roles import HIDDEN as KEPT_HIDDEN
from tests.db.citus_rules import Statement
from tests.db.node_trees import walk
from tests.privileges import rights
from tests.privileges.allowed import APPLICATION, FUNCTIONS, HIDDEN

OWNERS = {"backup"}
"""Whose statements run as the owner: a backup is restored before anybody serves."""
_INSERT, _UPDATE, _DELETE = 1, 4, 8
_FIRST_COLUMN = 7
"""What PostgreSQL adds to the number of a column in its sets of columns, for those of the system."""


@pytest.fixture(scope="module")
def conn(module_database_url: str) -> Generator[psycopg.Connection]:
    with psycopg.connect(module_database_url, autocommit=True) as opened:
        yield opened


def test_every_table_and_column_that_is_spoken_of_is_there(conn: psycopg.Connection):
    tables = rights.columns(conn)

    assert tables.keys() == APPLICATION.keys()
    assert {
        f"{table}.{name}"
        for spoken in ({table: each.changes for table, each in APPLICATION.items()}, HIDDEN)
        for table, names in spoken.items()
        for name in names.split()
        if name not in tables[table]
    } == set()
    assert {f"{table}.{name}" for table, names in HIDDEN.items() for name in names.split()} == set(KEPT_HIDDEN)


def test_each_role_may_do_what_is_written_down_and_is_refused_everything_else(conn: psycopg.Connection):
    tried = list(rights.attempts(rights.columns(conn)))

    assert rights.surprises(conn, tried) == []
    assert sum(not attempt.is_allowed for attempt in tried) > 2_000


def test_the_application_may_do_nothing_that_no_statement_of_ours_needs(conn: psycopg.Connection):
    if conn.info.server_version < 160000:
        pytest.skip("older servers keep what a statement needs elsewhere in its tree")
    names = {oid: table for table, oid in conn.execute("SELECT relname, oid::text FROM pg_class").fetchall()}
    numbers = defaultdict[str, dict[int, str]](dict)
    for table, number, name in conn.execute(
        "SELECT attrelid::regclass::text, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
    ).fetchall():
        numbers[table][number] = name
    needed = defaultdict[str, set[str]](set)
    for file in sorted(Path(storage.__file__).parent.glob("*.sql")):
        if file.stem in OWNERS:
            continue
        for text in parse(file.read_text(encoding="utf-8"), file.name).values():
            for node in walk(Statement(conn, text).tree):
                if node.kind != "RTEPERMISSIONINFO":
                    continue
                table, asked = names.get(str(node["relid"]), ""), node.number("requiredPerms")
                needed[table] |= {word for bit, word in ((_INSERT, "insert"), (_DELETE, "delete")) if asked & bit}
                changed = node["updatedCols"]
                assert isinstance(changed, list)
                needed[table] |= {numbers[table][int(each) - _FIRST_COLUMN] for each in changed[1:]}
                if asked & _UPDATE and not changed[1:]:
                    needed[table].add("lock")

    allowed = {
        table: {
            *(["insert"] if each.adds else []),
            *(["delete"] if each.deletes else []),
            *each.changes.split(),
            *(["lock"] if "lock" in needed[table] and each.changes else []),
        }
        for table, each in APPLICATION.items()
    }
    assert {table: needed[table] for table in APPLICATION} == allowed


@pytest.mark.parametrize(
    ("grant", "found"),
    [
        ("GRANT UPDATE (amount) ON posting TO sluiceway_app", "sluiceway_app may update posting.amount"),
        ("GRANT TRUNCATE ON webhook_delivery TO sluiceway_app", "sluiceway_app may TRUNCATE webhook_delivery"),
        ("GRANT SELECT ON totp TO sluiceway_read", "sluiceway_read may read totp.secret"),
        ("REVOKE INSERT ON posting FROM sluiceway_app", "sluiceway_app may not insert into posting"),
        ("GRANT DELETE ON audit_entry TO PUBLIC", "sluiceway_read may delete from audit_entry"),
    ],
)
def test_a_right_too_many_or_too_few_is_found(database_url: str, grant: str, found: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(grant.encode())
        tried = [
            one
            for one in rights.attempts(rights.columns(conn))
            if one.what == found.partition("may ")[2].removeprefix("not ")
        ]

        assert found in rights.surprises(conn, tried)


def test_nothing_else_was_ever_granted_to_anybody(conn: psycopg.Connection):
    rows = conn.execute(
        "SELECT relname, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable"
        " FROM pg_class c, aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner"
        " UNION ALL SELECT c.relname || '.' || attname, coalesce(r.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable"
        " FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a"
        " LEFT JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner"
    ).fetchall()

    assert {role for _, role, *_ in rows} == {APPLICATION_ROLE, READING_ROLE}
    assert {what for *_, what, _ in rows} == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert not any(may_hand_on for *_, may_hand_on in rows)


def test_only_these_functions_do_more_than_who_calls_them_may(conn: psycopg.Connection):
    rows = conn.execute(
        "SELECT proname, proconfig, has_function_privilege('sluiceway_app', oid, 'EXECUTE'),"
        " has_function_privilege('sluiceway_read', oid, 'EXECUTE') FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    ).fetchall()

    assert {name for name, *_ in rows} == FUNCTIONS
    for _, settings, application, reading in rows:
        assert (settings, application, reading) == (["search_path=pg_catalog, pg_temp"], True, False)


async def test_who_logs_in_as_the_application_cannot_become_anybody_else(module_database_url: str):
    if "@/" not in module_database_url:
        pytest.skip("only on a server that trusts whoever reaches its socket")
    async with Database(as_role(module_database_url, APPLICATION_ROLE)) as database, database.lend() as tx:
        for statement in ("RESET ROLE", "SET ROLE NONE", "RESET SESSION AUTHORIZATION"):
            await tx.conn.execute(statement.encode())
            assert await fetch_one(tx, "SELECT session_user::text, current_user::text") == (APPLICATION_ROLE,) * 2
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await tx.conn.execute("SET ROLE sluiceway")


def test_who_may_be_the_application_may_also_only_read(conn: psycopg.Connection):
    [(may,)] = conn.execute("SELECT pg_has_role('sluiceway_app', 'sluiceway_read', 'MEMBER')").fetchall()

    assert may


async def test_a_server_with_a_login_of_its_own_finds_that_nothing_is_missing_and_migrates_nothing(
    module_database_url: str,
):
    with psycopg.connect(module_database_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE sluiceway_test_guest LOGIN PASSWORD 'x' IN ROLE sluiceway_app")
        url = make_conninfo(module_database_url, user="sluiceway_test_guest", password="x")
        try:
            assert await migrate(url) == []
            with pytest.raises(MigrationFailed, match="DATABASE_OWNER_URL"):
                await migrate(url, [*migrations(), Migration(len(migrations()) + 1, "more", "SELECT 1")])
        finally:
            owner.execute(sql.SQL("DROP ROLE sluiceway_test_guest"))
