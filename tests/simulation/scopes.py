"""Where a column comes from: the tables, arrays and subqueries that a statement has in reach, by their short names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlglot import exp

INDENT: Final = "    "


class NotKnown(Exception):
    """The simulation's SQL does not know a construct: the message says which, and of which query."""


@dataclass(eq=False)
class Source:
    """One item of FROM: its name, its columns, and the variable that holds its row."""

    name: str
    columns: Sequence[str]
    variable: str
    table: str | None = None
    """The base table, if it is one."""


@dataclass(eq=False)
class Scope:
    """The items of one SELECT; what it does not know its parent may."""

    parent: "Scope | None" = None
    sources: dict[str, Source] = field(default_factory=dict[str, Source])

    def find(self, column: exp.Column) -> tuple[Source, int] | None:
        """Find a column, from the inside out."""
        name, wanted = column.name, column.table
        for source in self.sources.values():
            if (not wanted or source.name == wanted) and name in source.columns:
                return source, list(source.columns).index(name)
        return None if self.parent is None else self.parent.find(column)

    def own(self, tree: exp.Expression) -> set[str]:
        """Name the sources of this very scope that an expression mentions, in subqueries too."""
        found: set[str] = set()
        for column in tree.find_all(exp.Column):
            if isinstance(column.this, exp.Star):
                continue
            inner = _hidden_by(column, tree, self)
            if not inner:
                for source in self.sources.values():
                    if (not column.table or source.name == column.table) and column.name in source.columns:
                        found.add(source.name)
                        break
        return found


def _hidden_by(column: exp.Column, tree: exp.Expression, scope: Scope) -> bool:
    """Tell whether a subquery within `tree` has a source of its own that this column means."""
    at: exp.Expression | None = column.parent
    while at is not None and at is not tree.parent:
        if isinstance(at, exp.Select):
            names = {table.alias_or_name: table for table in _sources_of(at)}
            if column.table:
                if column.table in names:
                    return True
            elif any(_has(table, column.name, scope) for table in names.values()):
                return True
        at = at.parent
    return False


def _sources_of(select: exp.Select) -> list[exp.Expression]:
    first = select.args.get("from_")
    return ([first.this] if first else []) + [join.this for join in select.args.get("joins") or []]


COLUMNS: Final[dict[str, Sequence[str]]] = {}
"""The columns of base tables; the compiler fills it in."""


def _has(table: exp.Expression, name: str, scope: Scope) -> bool:
    if isinstance(table, exp.Table):
        return name in COLUMNS.get(table.name, ())
    alias = table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return any(column.name == name for column in alias.args["columns"])
    inner = table.find(exp.Select)
    return inner is not None and name in [each.alias_or_name for each in inner.expressions]


@dataclass(eq=False)
class Function:
    """A Python function that is being written."""

    head: str
    hoisted: list[str] = field(default_factory=list[str])
    lines: list[str] = field(default_factory=list[str])
    depth: int = 0

    def emit(self, line: str) -> None:
        self.lines.append(INDENT * self.depth + line)

    def written(self) -> list[str]:
        """Give its text, what it calls first."""
        return [self.head, *(INDENT + line for line in [*self.hoisted, *self.lines])]
