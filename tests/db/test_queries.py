"""The format of our .sql files, and two promises about every query in them."""

import re
from pathlib import Path

import psycopg
import pytest

from sluiceway import storage
from sluiceway.storage.queries import load, parse

_STORAGE = Path(storage.__file__).parent
_SQL_FILES = sorted(_STORAGE.glob("*.sql"))
_EVERY_QUERY = [(file, name) for file in _SQL_FILES for name in parse(file.read_text(encoding="utf-8"), file.name)]

_GOOD = """\
-- What this file is about.

-- name: lock_accounts
-- In id order, so that two batches cannot lock each other out.
-- (Sorting in Python would do as well, but nobody would see it here.)
SELECT id FROM account
-- A comment inside stays.
ORDER BY id FOR UPDATE;

-- name: find_account
-- Once per request.
SELECT 1
"""


def test_a_file_gives_its_statements_by_name():
    statements = parse(_GOOD, "good.sql")

    assert list(statements) == ["lock_accounts", "find_account"]
    assert statements["find_account"] == "/* find_account */ SELECT 1"
    assert "A comment inside stays" in statements["lock_accounts"]
    assert "In id order" not in statements["lock_accounts"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names no query"),
        ("SELECT 1", "SQL before its first name"),
        ("-- name: a\nSELECT 1", "does not say why"),
        ("-- name: a\n-- Why.\n", "has no SQL"),
        ("-- name: a\n-- Why.\n;", "has no SQL"),
        ("-- name: a\n-- Why.\nSELECT 1;\n-- name: a\n-- Why.\nSELECT 2", "two queries named a"),
        ("-- name: a\n-- Why.\nSELECT 1;\n-- name: Bad Name\n-- Why.\nSELECT 2", "a name line that is not spelled"),
    ],
)
def test_a_file_that_breaks_the_format_is_refused(text: str, complaint: str):
    with pytest.raises(AssertionError, match=complaint):
        parse(text, "bad.sql")


def test_the_file_is_found_beside_its_module_and_an_unknown_name_is_refused(tmp_path: Path):
    (tmp_path / "accounts.sql").write_text(_GOOD)
    queries = load(str(tmp_path / "accounts.py"))

    assert dict(queries) == parse(_GOOD, "accounts.sql")
    with pytest.raises(AssertionError, match=r"accounts\.sql has no query named typo"):
        _ = queries["typo"]


@pytest.mark.parametrize(("file", "name"), _EVERY_QUERY, ids=lambda part: getattr(part, "stem", part))
def test_every_query_can_be_prepared_on_the_migrated_schema(module_database_url: str, file: Path, name: str):
    statement = with_numbered_parameters(load(str(file))[name])

    with psycopg.connect(module_database_url, autocommit=True) as conn:
        conn.execute(f"PREPARE checked AS {statement}".encode())


@pytest.mark.parametrize("file", _SQL_FILES, ids=lambda file: file.stem)
def test_every_query_is_used_by_its_module(file: Path):
    module = file.with_suffix(".py").read_text(encoding="utf-8")

    assert set(re.findall(r"""QUERIES\[["'](\w+)["']\]""", module)) == set(load(str(file)))


def with_numbered_parameters(query: str) -> str:
    """Write %(name)s as $1, which is what psycopg sends."""
    names: list[str] = []

    def number(matched: re.Match[str]) -> str:
        if matched[0] == "%%":
            return "%"
        if matched[1] not in names:
            names.append(matched[1])
        return f"${names.index(matched[1]) + 1}"

    return re.sub(r"%%|%\((\w+)\)s", number, query)
