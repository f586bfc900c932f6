"""docs/reference/protection-levels.md gives every column of the schema one level, and means it."""

import re
from pathlib import Path
from typing import Final

import psycopg

from tests.abuse.canaries import COLUMNS, TEXT_COLUMNS
from tests.privileges import rights
from tests.privileges.allowed import HIDDEN

PAGE: Final = (Path(__file__).parents[2] / "docs" / "reference" / "protection-levels.md").read_text(encoding="utf-8")
LEVELS: Final = ("Key", "Private", "Record", "Plain")
_ROW: Final = re.compile(r"^\| (\w+) \| (\w+) \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)


def rows() -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Read what the page says of each table: its level, and the columns that have another."""
    found = [row for row in _ROW.findall(PAGE) if row[0] != "Table"]
    assert len(found) == len({name for name, *_ in found})
    return {
        name: (level, {other: names.split() for other, names in zip(LEVELS, columns, strict=True)})
        for name, level, *columns in found
    }


def test_every_column_of_the_schema_has_one_level(module_database_url: str):
    with psycopg.connect(module_database_url, autocommit=True) as conn:
        tables = rights.columns(conn)
    levels = rows()

    assert levels.keys() == tables.keys()
    for name, (level, others) in levels.items():
        named = [column for columns in others.values() for column in columns]
        assert level in LEVELS, name
        assert others[level] == [], f"{name}: what has its table's level is not named again"
        assert len(named) == len(set(named)), f"{name}: a column has two levels"
        assert set(named) <= set(tables[name]), name


def level_of(column: str) -> str:
    table, _, name = column.partition(".")
    level, others = rows()[table]
    return next((other for other, names in others.items() if name in names), level)


def test_what_opens_a_door_is_what_the_role_for_reports_may_not_read():
    keys = {f"{table}.{name}" for table, (_, others) in rows().items() for name in others["Key"]}

    assert keys == {f"{table}.{name}" for table, names in HIDDEN.items() for name in names.split()}


def test_what_people_write_is_private_wherever_it_is_kept():
    written = {column for columns in COLUMNS.values() for column in columns} | TEXT_COLUMNS

    assert {column: level_of(column) for column in written if level_of(column) in ("Record", "Plain")} == {
        # Callers' own names for their requests: how they are found again in the log.
        "audit_entry.request_id": "Record"
    }


def test_every_level_says_how_it_is_protected():
    for what in (
        "Encrypted on the way",
        "Encrypted where it lies",
        "Whole",
        "Kept",
        "In logs",
        "Who may read it",
        "Privacy",
    ):
        [said] = re.findall(rf"^\| {what} \|(.*)\|$", PAGE, re.MULTILINE)
        assert [bool(each.strip()) for each in said.split("|")] == [True] * len(LEVELS), what
