"""No migration holds up, or breaks, the release that still runs beside it."""

import pytest

from sluiceway.storage.migrate import Migration, migrations
from tests.upgrade.linter import DANGERS, dangers_in

BASELINE = 15
"""The last migration from before this was looked at. Those never change any more."""

_REFUSED = {
    "index": "CREATE UNIQUE INDEX newest ON transfer (organization_id, id DESC)",
    "index-dropped": "DROP INDEX transfer_from",
    "check": "ALTER TABLE transfer ADD CONSTRAINT small CHECK (amount < 100)",
    "key": "ALTER TABLE transfer ADD FOREIGN KEY (organization_id, key_id) REFERENCES api_key",
    "checked-column": "ALTER TABLE transfer ADD COLUMN odd bigint CHECK (odd > 0)",
    "unique": "ALTER TABLE transfer ADD CONSTRAINT once UNIQUE (organization_id, key_id)",
    "type": "ALTER TABLE transfer ALTER COLUMN amount TYPE numeric",
    "not-null": "ALTER TABLE transfer ALTER key_id SET NOT NULL",
    "not-null-without-default": "ALTER TABLE transfer ADD COLUMN note text NOT NULL",
    "volatile-default": "ALTER TABLE transfer ADD COLUMN note uuid DEFAULT gen_random_uuid()",
    "dropped": "ALTER TABLE transfer DROP COLUMN description",
    "table-dropped": "DROP TABLE transfer",
    "renamed": "ALTER TABLE transfer RENAME COLUMN amount TO cents",
    "rows": "UPDATE transfer SET description = 'x; y'",
    "truncated": "TRUNCATE transfer",
    "locked": "LOCK TABLE transfer IN SHARE MODE",
    "written-anew": "CLUSTER transfer USING transfer_pkey",
}
_ACCEPTED = (
    "ALTER TABLE transfer ADD COLUMN note text",
    "ALTER TABLE transfer ADD COLUMN is_odd boolean NOT NULL DEFAULT false",
    "ALTER TABLE transfer ADD CONSTRAINT small CHECK (amount < 100) NOT VALID",
    "ALTER TABLE transfer DROP CONSTRAINT small",
    "CREATE TABLE lid (id uuid NOT NULL PRIMARY KEY); CREATE INDEX lids ON lid (id); UPDATE lid SET id = id",
    "GRANT SELECT ON transfer TO sluiceway_app; INSERT INTO lid SELECT 1",
    "-- allowed: rows, because there are few\nUPDATE transfer SET amount = amount",
    "ALTER TABLE organization ADD CONSTRAINT named CHECK (name <> '')",
    "DO $$ BEGIN EXECUTE 'DROP TABLE transfer'; END $$; SELECT 'DROP TABLE transfer; x'",
)


@pytest.mark.parametrize("migration", migrations()[BASELINE:], ids=lambda each: each.name)
def test_no_migration_is_dangerous(migration: Migration):
    assert dangers_in(migration.sql) == []


@pytest.mark.parametrize("danger", DANGERS, ids=lambda each: each.name)
def test_each_danger_is_found(danger: tuple[str, ...]):
    assert [found.partition(":")[0] for found in dangers_in(_REFUSED[danger[0]])] == [danger[0]]


@pytest.mark.parametrize("statement", _ACCEPTED)
def test_what_holds_up_nobody_is_let_through(statement: str):
    assert dangers_in(statement) == []


def test_the_dangers_of_the_past_are_seen():
    found = {migration.version: len(dangers_in(migration.sql)) for migration in migrations()[:BASELINE]}

    assert found[2] > 5, "it added checks, keys and indexes to tables that were there"
    assert found[1] == found[14] == 0
