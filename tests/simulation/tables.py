"""Tables in memory: rows by primary key, indexes made as statements ask for them, the schema of the real catalogue."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

Row = tuple[Any, ...]
Key = tuple[Any, ...]

SCHEMA: Final = Path(__file__).with_name("schema.json")


def getter(places: Sequence[int]) -> Callable[[Row], Key]:
    """Make what picks a key out of a row, always a tuple."""
    if len(places) == 1:
        [only] = places
        return lambda row: (row[only],)
    return itemgetter(*places) if places else lambda _: ()


class Index:
    """Rows by the values of some columns; those in which one of `known` is NULL are left out."""

    def __init__(self, table: "Table", columns: Sequence[str], known: Sequence[str] = ()) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.key = getter([table.place[name] for name in columns])
        self.known = tuple(table.place[name] for name in known)
        self.found: dict[Key, dict[Key, None]] = {}
        for pk, row in table.rows.items():
            self.add(pk, row)

    def holds(self, row: Row) -> bool:
        return not any(row[place] is None for place in self.known)

    def add(self, pk: Key, row: Row) -> None:
        if not self.known or self.holds(row):
            self.found.setdefault(self.key(row), {})[pk] = None

    def remove(self, pk: Key, row: Row) -> None:
        if not self.known or self.holds(row):
            key = self.key(row)
            kept = self.found[key]
            del kept[pk]
            if not kept:
                del self.found[key]


@dataclass(eq=False)
class Unique:
    """A unique index beside the primary key's; `when` is its predicate."""

    name: str
    columns: tuple[str, ...]
    key: Callable[[Row], Key]
    when: Callable[[Row], bool] | None
    nulls_not_distinct: bool
    found: dict[Key, Key] = field(default_factory=dict[Key, Key])

    def key_of(self, row: Row) -> Key | None:
        """Give the key that a row holds here, None: it holds none."""
        if self.when is not None and not self.when(row):
            return None
        key = self.key(row)
        return None if None in key and not self.nulls_not_distinct else key


@dataclass(eq=False)
class ForeignKey:
    """Rows of one table point at rows of another."""

    name: str
    table: str
    key: Callable[[Row], Key]
    target: str
    target_columns: tuple[str, ...]


class Table:
    """The committed rows of one table."""

    def __init__(self, name: str, said: Mapping[str, Any]) -> None:
        self.name = name
        # A row of a table without a primary key is known by its place, as the server's own ctid is.
        primary = said["primary"] or {"name": f"{name}_ctid", "columns": ["ctid"]}
        columns = [
            *said["columns"],
            *([] if said["primary"] else [{"name": "ctid", "type": "bigint", "nullable": True}]),
        ]
        self.columns: tuple[str, ...] = tuple(column["name"] for column in columns)
        self.types = [column["type"] for column in columns]
        self.place = {column: at for at, column in enumerate(self.columns)}
        self.required = [(at, column["name"]) for at, column in enumerate(columns) if not column["nullable"]]
        self.primary: tuple[str, ...] = tuple(primary["columns"])
        self.primary_name: str = primary["name"]
        self.pk = getter([self.place[column] for column in self.primary])
        self.rows: dict[Key, Row] = {}
        self.changes = 0
        """How often a row has become another, or all are forgotten: never the same number twice."""
        self.indexes: dict[tuple[tuple[str, ...], tuple[str, ...]], Index] = {}
        self.uniques: list[Unique] = []
        self.foreign: list[ForeignKey] = []
        self.referring: list[tuple[str, ForeignKey]] = []
        self.defaults: list[Callable[[], Any] | None] = [None] * len(self.columns)
        self.broken: Callable[[Row], str | None] = lambda _: None
        """Names the check that a row breaks."""

    def index(self, columns: Iterable[str], known: Iterable[str] = ()) -> Index:
        """Give the index over these columns, making it if there is none."""
        wanted = (tuple(sorted(columns)), tuple(sorted(known)))
        if wanted not in self.indexes:
            self.indexes[wanted] = Index(self, *wanted)
        return self.indexes[wanted]

    def empty(self) -> None:
        """Forget all rows; the indexes stay."""
        self.changes += 1
        self.rows.clear()
        for index in self.indexes.values():
            index.found.clear()
        for unique in self.uniques:
            unique.found.clear()

    def put(self, pk: Key, row: Row | None) -> None:
        """Make a row what it is now; None: it is gone."""
        self.changes += 1
        before = self.rows.get(pk)
        if before is not None:
            for index in self.indexes.values():
                index.remove(pk, before)
            for unique in self.uniques:
                if (key := unique.key_of(before)) is not None and unique.found.get(key) == pk:
                    del unique.found[key]
        if row is None:
            self.rows.pop(pk, None)
            return
        self.rows[pk] = row
        for index in self.indexes.values():
            index.add(pk, row)
        for unique in self.uniques:
            if (key := unique.key_of(row)) is not None:
                unique.found[key] = pk


def read_schema() -> dict[str, Any]:
    """Read what `python -m tests.simulation.schema` has taken from a migrated database."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found
