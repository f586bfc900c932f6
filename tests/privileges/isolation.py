"""Runs statements of ours in the name of one organization with what belongs to another, and looks for a difference.

A statement that respects organizations cannot tell what is another's from what does not exist: it gives the same, and
changes nothing of the other's. Everything is rolled back.
"""

import random
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from sluiceway import storage
from sluiceway.storage.queries import parse
from tests.db.test_queries import with_numbered_parameters

# ruff: noqa: S608 -- names come from the catalogue; chance has a seed that is told.
_PARAMETER: Final = re.compile(r"%\((\w+)\)s")
_CHANGES: Final = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|forget_simulated_transfers|cut_reads)\b")
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "smallint": ("0", "1"),
    "integer": ("0", "1", "100"),
    "bigint": ("0", "1", "100"),
    "boolean": ("true", "false"),
    "date": ("2026-01-01", "2030-01-01"),
    "interval": ("1 hour",),
    "json": ("{}",),
    "jsonb": ("{}",),
    "timestamp with time zone": ("2020-01-01Z", "2026-07-05Z", "2035-01-01Z"),
    "timestamp without time zone": ("2026-01-01", "2035-01-01"),
}
_AT_ONCE: Final = 3
_PLACES: Final = {
    "after",
    "after_id",
    "before_id",
    "beyond_id",
    "but",
    "day_id",
    "from_id",
    "from_key",
    "to_id",
    "to_key",
}
"""Where a page begins or ends: ids are compared with them, whoever has such an id."""


OF_THEMSELVES: Final = {
    "organizations.find_organizations",
    "organizations.insert_organization",
    "organizations.lock_free_organizations",
    "organizations.lock_organizations",
    "organizations.set_clock",
    "organizations.set_paused",
    "organizations.set_stopped",
    "organizations.set_time_zone",
    "organizations.set_waits",
    "remote_access.enabled_at",
    "remote_access.set_enabled",
}
"""Those whose id, or ids, are organizations."""
_TAKEN: Final = [("23505", f"{table}_secret_hash_key") for table in ("access_token", "api_key", "rule_secret")]
"""Credentials are looked up before it is known whose they are, so no two may be alike: of 190 random bits, none are."""


@dataclass(frozen=True)
class Query:
    """A statement, its parameters and their types."""

    name: str
    text: str
    types: Mapping[str, str]

    @property
    def organizations(self) -> set[str]:
        """Name the parameters that say whose it is."""
        return {name for name in self.types if self.says_whose(name)}

    def says_whose(self, name: str) -> bool:
        """Tell whether a parameter is an organization."""
        return _is_of_one(name) or (self.name in OF_THEMSELVES and name in ("id", "ids"))

    @property
    def changes_something(self) -> bool:
        """Tell whether it could change a row."""
        return _CHANGES.search(self.text) is not None


def _is_of_one(name: str) -> bool:
    return name == "only" or "organization_id" in name


def statements() -> dict[str, str]:
    """Give every statement of the storage."""
    return {
        f"{file.stem}.{name}": text
        for file in sorted(Path(storage.__file__).parent.glob("*.sql"))
        if file.stem != "backup"  # All of everybody's, by the owner, before anybody serves.
        for name, text in parse(file.read_text(encoding="utf-8"), file.name).items()
    }


@dataclass
class Ground:
    """A database with several organizations, and what is in one of them."""

    conn: psycopg.Connection
    theirs: str
    ours: str
    chance: random.Random
    twins: dict[str, str] = field(default_factory=dict[str, str])
    """For each id of theirs one that is nobody's. What comes before another does so there too."""
    values: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What the other organization has in columns of text or bytes, by their names."""
    tables: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        """Look at all that is theirs."""
        rows = self.conn.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND EXISTS ("
            "  SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = 'organization_id')"
        ).fetchall()
        self.tables = sorted({table for table, *_ in rows})
        ids: set[str] = set()
        for table, column, kind in rows:
            if kind not in ("uuid", "text", "bytea") or column == "organization_id":
                continue
            name = f'"{column}"'
            query = f"SELECT DISTINCT {name}::text FROM {table} WHERE organization_id = %s AND {name} IS NOT NULL"
            # What ours has as well is not only theirs.
            only_theirs = f"{query} EXCEPT {query}".encode()
            found = self.conn.execute(only_theirs, (self.theirs, self.ours)).fetchall()
            if kind == "uuid":
                ids |= {value for (value,) in found}
            else:
                self.values.setdefault(column, []).extend(sorted(value for (value,) in found))
        self.twins = _between(sorted(ids - {self.theirs, self.ours}))

    def read(self, name: str, text: str) -> Query:
        """Find out which types a statement's parameters have, and prepare it."""
        self.conn.execute("DEALLOCATE ALL")
        self.conn.execute(f"PREPARE asked AS {with_numbered_parameters(text)}".encode())
        [(types,)] = self.conn.execute(
            "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'asked'"
        ).fetchall()
        names = list(dict.fromkeys(_PARAMETER.findall(text)))
        return Query(name, text, dict(zip(names, types, strict=True)))

    def violations(self, query: Query, whose: str | None) -> list[str]:
        """Run a statement that was just read, in the name of `whose`, with what is theirs and with what is nobody's."""
        theirs, nobodys = self._parameters(query, whose)
        found, expected = self._run(query, theirs), self._run(query, nobodys)
        told = f"{query.name} in the name of {'nobody' if whose is None else 'another'}"
        wrong: list[str] = []
        if found[0] != expected[0] and found[0] not in _TAKEN:
            wrong.append(f"{told} tells what is another's from what is not there")
        if found[1]:
            wrong.append(f"{told} changes what is another's")
        return wrong

    def _run(self, query: Query, parameters: Sequence[str | None]) -> tuple[object, bool]:
        """Give what a statement answers, with names for what it was given; and whether it changed what is theirs."""
        given = {
            value.strip('"'): f"#{at}.{part}"
            for at, parameter in enumerate(parameters) if parameter is not None
            for part, value in enumerate(parameter.strip("{}").split(","))
            if len(value) > _AT_ONCE
        }  # fmt: skip
        try:
            with self.conn.transaction(force_rollback=True):
                self.conn.execute("SET LOCAL ROLE sluiceway_app")
                before = self._digest(query)
                call = sql.SQL("EXECUTE asked({})" if parameters else "EXECUTE asked").format(
                    sql.SQL(", ").join(sql.Literal(value) for value in parameters)
                )
                cursor = self.conn.execute(call)
                rows = cursor.fetchall() if cursor.description else []
                answer = sorted(repr([given.get(str(cell), str(cell)) for cell in row]) for row in rows)
                return (answer, cursor.rowcount), self._digest(query) != before
        except psycopg.Error as failure:
            return (failure.sqlstate, failure.diag.constraint_name), False

    def _digest(self, query: Query) -> list[object]:
        if not query.changes_something:
            return []
        named = [table for table in self.tables if re.search(rf"\b{table}\b", query.text)]
        query = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} t WHERE organization_id = %s"
        return [
            self.conn.execute(query.format(table).encode(), (self.theirs,)).fetchone()
            for table in named or ["transfer", "audit_entry", "audit_batch"]
        ]

    def _parameters(self, query: Query, whose: str | None) -> tuple[list[str | None], list[str | None]]:
        theirs: list[str | None] = []
        nobodys: list[str | None] = []
        for name, kind in query.types.items():
            is_list = kind.endswith("[]")
            one = kind.removesuffix("[]")
            if query.says_whose(name):
                values = (None if whose is None else _written([whose] * _AT_ONCE, is_list=is_list),) * 2
            else:
                values = self._pair(name, one, is_list=is_list)
            theirs.append(values[0])
            nobodys.append(values[1])
        return theirs, nobodys

    def _pair(self, name: str, kind: str, *, is_list: bool) -> tuple[str, str]:
        if kind == "uuid":
            mine = self.chance.sample(list(self.twins), _AT_ONCE)
            others = mine if name in _PLACES else [self.twins[each] for each in mine]
        elif kind in ("text", "bytea"):
            known = self.values.get(name) or self.values.get(re.sub(r"(?<=s)es$|s$", "", name)) or []
            mine = [self.chance.choice(known) for _ in range(_AT_ONCE)] if known else ["x"] * _AT_ONCE
            # Words of a vocabulary are nobody's: the same for both.
            is_secret = kind == "bytea" or name in ("key", "keys", "email", "id", "ids")
            unlike = {value: self._like(value, kind) for value in mine}
            others = [unlike[value] for value in mine] if known and is_secret else mine
        else:
            mine = others = self.chance.choices(_PLAIN[kind], k=_AT_ONCE)
        return _written(mine, is_list=is_list), _written(others, is_list=is_list)

    def _like(self, value: str, kind: str) -> str:
        return f"\\x{self.chance.randbytes(32).hex()}" if kind == "bytea" else f"{self.chance.getrandbits(64):x}{value}"


def _between(ids: Sequence[str]) -> dict[str, str]:
    """Give for each id one that lies half-way to the next; none where there is no room."""
    numbers = [uuid.UUID(each).int for each in ids]
    ends = [*numbers[1:], (1 << 128) - 1]
    halves = {each: (number + end) // 2 for each, number, end in zip(ids, numbers, ends, strict=True)}
    return {each: str(uuid.UUID(int=half)) for each, half in halves.items() if half != uuid.UUID(each).int}


def _written(values: Sequence[str], *, is_list: bool) -> str:
    if not is_list:
        return values[0]
    return "{" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "}"


def foreign_keys(conn: psycopg.Connection) -> Iterator[tuple[str, str, str, list[str], list[str]]]:
    """Give every foreign key: its name, its table, the one that it refers to, and the columns of both."""
    yield from conn.execute(
        "SELECT conname, conrelid::regclass::text, confrelid::regclass::text,"
        " (SELECT array_agg(attname::text ORDER BY n) FROM unnest(conkey) WITH ORDINALITY k (number, n)"
        "  JOIN pg_attribute ON attrelid = conrelid AND attnum = number),"
        " (SELECT array_agg(attname::text ORDER BY n) FROM unnest(confkey) WITH ORDINALITY k (number, n)"
        "  JOIN pg_attribute ON attrelid = confrelid AND attnum = number)"
        " FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 2, 1"
    ).fetchall()
