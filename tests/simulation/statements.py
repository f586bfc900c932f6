"""Statements ready to run: what the program's SQL says, compiled once, against tables in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import sqlglot
from sqlglot import exp

from tests.simulation import values
from tests.simulation.scopes import Function, NotKnown, Scope, Source
from tests.simulation.selects import Selects, conjuncts
from tests.simulation.tables import Index, Key, Row, Table, Unique

Values = Mapping[str, Any]
Rows = list[Row]


class View(Protocol):
    """What a transaction offers to a statement that runs in it."""

    async def lock(self, table: Table, pk: Key, mode: str) -> Row | None: ...
    async def insert(self, table: Table, row: Row, conflict: "Conflict | None") -> tuple[Row | None, bool]: ...
    async def update(self, table: Table, pk: Key, row: Row) -> None: ...
    def delete(self, table: Table, pk: Key) -> None: ...
    def current(self, table: Table, pk: Key) -> Row | None: ...
    async def check(self) -> None: ...
    def note(self, what: str) -> None: ...


Maker = Callable[[View, Values, dict[str, Rows]], Any]


@dataclass(eq=False)
class Select:
    """A SELECT; with `locks`, its rows are locked one after the other, and looked at again where they have changed."""

    make: Maker
    locks: list[Table]

    async def run(self, x: View, given: Values, named: dict[str, Rows]) -> tuple[Rows, int]:
        query = self.make(x, given, named)
        found = query()
        if not self.locks:
            return found, len(found)
        kept: Rows = []
        for row, _, locked, pins in found:
            answer: Row | None = row
            again = dict(pins)
            changed = False
            for table, seen in zip(self.locks, locked, strict=True):
                now = await x.lock(table, table.pk(seen), "NO KEY UPDATE")
                if now is None:
                    answer = None
                    break
                if now is not seen:
                    changed = True
                    again = {name: now if pin is seen else pin for name, pin in again.items()}
            if answer is not None and changed:
                x.note("a row has changed while it was waited for")
                # As the server does: the row as it is now, the others as they were, and the conditions once more.
                looked = query(again)
                answer = looked[0][0] if looked else None
            if answer is not None:
                kept.append(answer)
        return kept, len(kept)


@dataclass(eq=False)
class Conflict:
    """What an INSERT does about a row that is there: nothing, or an update."""

    columns: tuple[str, ...] | None
    has_predicate: bool
    change: Callable[[Row, Row], Row] | None

    def means(self, table: Table, unique: Unique | None) -> bool:
        """Tell whether the index that refuses (None: the primary key) is the one that was named."""
        if self.columns is None:
            return True
        if unique is None:
            return not self.has_predicate and set(self.columns) == set(table.primary)
        return set(self.columns) == set(unique.columns) and self.has_predicate == (unique.when is not None)


@dataclass(eq=False)
class Insert:
    """An INSERT of what a query or VALUES gives."""

    make: Maker
    table: Table
    places: list[int]
    is_conflict_handled: Conflict | None
    has_change: bool
    has_returning: bool

    async def run(self, x: View, given: Values, named: dict[str, Rows]) -> tuple[Rows, int]:
        query, change, returning = self.make(x, given, named)
        conflict = self.is_conflict_handled
        if conflict is not None:
            conflict = Conflict(conflict.columns, conflict.has_predicate, change if self.has_change else None)
        table, count = self.table, 0
        shown: Rows = []
        for said in query():
            cells = [None if default is None else default() for default in table.defaults]
            for place, cell in zip(self.places, said, strict=True):
                cells[place] = cell
            row, touched = await x.insert(table, tuple(cells), conflict)
            if touched and row is not None:
                count += 1
                if self.has_returning:
                    shown.append(returning(row))
        await x.check()
        return shown, count


@dataclass(eq=False)
class Change:
    """An UPDATE or a DELETE of the rows that its loops find."""

    make: Maker
    table: Table
    target: str
    is_delete: bool
    has_returning: bool

    async def run(self, x: View, given: Values, named: dict[str, Rows]) -> tuple[Rows, int]:
        query = self.make(x, given, named)
        table, done = self.table, set[Key]()
        shown: Rows = []
        for seen, new, returned, pins in query():
            pk = table.pk(seen)
            if pk in done:
                continue
            now = await x.lock(table, pk, "UPDATE" if self.is_delete else "NO KEY UPDATE")
            if now is None:
                continue
            changed, answer = new, returned
            if now is not seen:
                x.note("a row has changed while it was waited for")
                looked = query({**pins, self.target: now})
                if not looked:
                    continue
                _, changed, answer, _ = looked[0]
            done.add(pk)
            if self.is_delete:
                x.delete(table, pk)
            else:
                assert table.pk(changed) == pk, f"an update of a primary key: {table.name}"
                await x.update(table, pk, changed)
            if self.has_returning:
                shown.append(answer)
        await x.check()
        return shown, len(done)


Part = Select | Insert | Change


@dataclass(eq=False)
class Statement:
    """A statement: what WITH names, in its order, then what it is about."""

    name: str
    named: list[tuple[str, Part]] = field(default_factory=list[tuple[str, Part]])
    main: Part | None = None
    writes: bool = False
    reads: list[Table] = field(default_factory=list[Table])
    knows_time: bool = False

    def changes(self) -> tuple[int, ...] | None:
        """Count the changes of its tables: with the same counts it gives the same. None: it reads the clock, too."""
        return None if self.knows_time else tuple([table.changes for table in self.reads])

    async def run(self, x: View, given: Values) -> tuple[Rows, int]:
        """Run it and return its rows, and how many it touched."""
        found: dict[str, Rows] = {}
        for name, part in self.named:
            found[name], _ = await part.run(x, given, found)
        assert self.main is not None
        return await self.main.run(x, given, found)


class Compiler:
    """Compiles statements over a set of tables."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = tables

    def statement(self, sql: str) -> Statement:
        """Compile one. Raises NotKnown."""
        name = sql.split("*/", 1)[0].removeprefix("/*").strip() if sql.startswith("/*") else sql[:60]
        # The comments between two statements of a file stand at the end of the first.
        tree = next(each for each in sqlglot.parse(sql, dialect="postgres") if each is not None)
        statement = Statement(name)
        selects = Selects(name, self.tables)
        with_ = tree.args.get("with_")
        for each in with_.expressions if with_ else []:
            part, columns = self._part(each.this, selects)
            given = each.args["alias"].args.get("columns") or []
            selects.named[each.alias] = [column.name for column in given] or columns
            statement.named.append((each.alias, part))
        statement.main, _ = self._part(tree, selects)
        parts = [statement.main, *(part for _, part in statement.named)]
        statement.writes = any(isinstance(part, Insert | Change) for part in parts)
        used = selects.constants.values()
        tables = [each.table if isinstance(each, Index) else each for each in used if isinstance(each, Index | Table)]
        statement.reads = list(dict.fromkeys(tables))
        statement.knows_time = selects.knows_time
        return statement

    def condition(self, table: Table, sql: str) -> Callable[[Row], Any]:
        """Compile an expression over one row of a table."""
        selects = Selects(f"{table.name}: {sql}", self.tables)
        scope = Scope(None, {table.name: Source(table.name, table.columns, "r", table.name)})
        function = Function("")
        written = selects.value(sqlglot.parse_one(sql, dialect="postgres"), scope, function)
        made: Callable[[Row], Any] = eval(f"lambda r: {written}", self._globals(selects))  # noqa: S307 -- of our schema
        return made

    def _part(self, tree: exp.Expression, selects: Selects) -> tuple[Part, list[str]]:
        selects.parameters = set()
        outer = Function("def make(x, P, C):")
        if isinstance(tree, exp.Insert):
            return self._insert(tree, selects, outer)
        if isinstance(tree, exp.Update | exp.Delete):
            return self._change(tree, selects, outer)
        selected = selects.query(tree, None, outer, top=True)
        outer.emit(f"return {selected.function}")
        made = self._made(selects, outer)
        return Select(made, [selects.constants[name] for name in selected.locks]), selected.columns

    def _insert(self, tree: exp.Insert, selects: Selects, outer: Function) -> tuple[Part, list[str]]:
        schema = tree.this
        table_tree = schema.this if isinstance(schema, exp.Schema) else schema
        table = self.tables[table_tree.name]
        names = [each.name for each in schema.expressions] if isinstance(schema, exp.Schema) else list(table.columns)
        source = tree.expression
        if isinstance(source, exp.Values):
            scope = Scope()
            rows = [[selects.value(cell, scope, outer) for cell in each.expressions] for each in source.expressions]
            written = ", ".join(f"({''.join(cell + ', ' for cell in row)})" for row in rows)
            outer.hoisted.append(f"query = lambda: [{written}]")
        else:
            outer.hoisted.append("")
            selected = selects.query(source, None, outer)
            outer.hoisted.append(f"query = {selected.function}")
        scope = Scope(None, {})
        scope.sources[table_tree.alias_or_name] = Source(table_tree.alias_or_name, table.columns, "old", table.name)
        conflict, change = None, "None"
        on = tree.args.get("conflict")
        if on is not None:
            keys = [key.this.name for key in on.args.get("conflict_keys") or []]
            does_update = "UPDATE" in on.args["action"].name
            conflict = Conflict(tuple(keys) or None, on.args.get("index_predicate") is not None, None)
            if does_update:
                change = self._conflict(on, table, scope, selects, outer)
        returning = "None"
        columns: list[str] = []
        if tree.args.get("returning"):
            shown = tree.args["returning"].expressions
            columns = [each.alias_or_name for each in shown]
            cells = [selects.value(each, scope, outer) for each in shown]
            returning = f"lambda old: ({''.join(cell + ', ' for cell in cells)})"
        outer.emit(f"return query, {change}, {returning}")
        insert = Insert(
            self._made(selects, outer), table, [table.place[name] for name in names], conflict,
            has_change=change != "None", has_returning=returning != "None",
        )  # fmt: skip
        return insert, columns

    @staticmethod
    def _conflict(on: exp.OnConflict, table: Table, scope: Scope, selects: Selects, outer: Function) -> str:
        inner = Scope(None, {**scope.sources, "excluded": Source("excluded", table.columns, "new")})
        inner.sources.setdefault(table.name, Source(table.name, table.columns, "old", table.name))
        if on.args.get("where"):
            raise selects.no(on)
        body = Function("def change(old, new):")
        changed: dict[str, str] = {}
        for each in on.expressions:
            # What is unqualified is the row that is there.
            if isinstance(each.this, exp.Tuple):
                found = selects.fresh("t")
                body.emit(f"[{found}] = {selects.query(each.expression, inner, body).function}()")
                changed |= {column.name: f"{found}[{at}]" for at, column in enumerate(each.this.expressions)}
                continue
            changed[each.this.name] = selects.value(each.expression, inner, body)
        cells = [changed.get(column, f"old[{at}]") for at, column in enumerate(table.columns)]
        body.emit(f"return ({''.join(cell + ', ' for cell in cells)})")
        outer.hoisted += body.written()
        return "change"

    def _change(self, tree: exp.Update | exp.Delete, selects: Selects, outer: Function) -> tuple[Part, list[str]]:
        table = self.tables[tree.this.name]
        target = tree.this.alias_or_name
        scope = Scope()
        body = Function("def query(pins=None):")
        body.emit("out = []")
        from_ = tree.args.get("from_")
        more = [from_.this] if from_ else list(tree.args.get("using") or [])
        items = selects.items([tree.this, *more], scope, body)
        selects.loops(items, conjuncts(tree.args.get("where")), scope, body, can_pin=True)
        old = scope.sources[target].variable
        pinned = "{" + ", ".join(f"{item.source.name!r}: {item.source.variable}" for item in items) + "}"
        new = "None"
        is_delete = isinstance(tree, exp.Delete)
        if not is_delete:
            changed: dict[str, str] = {}
            for each in tree.expressions:
                if isinstance(each.this, exp.Tuple):
                    raise selects.no(each)
                changed[each.this.name] = selects.value(each.expression, scope, body)
            cells = [changed.get(column, f"{old}[{at}]") for at, column in enumerate(table.columns)]
            body.emit(f"new = ({''.join(cell + ', ' for cell in cells)})")
            new = "new"
        returned, columns = "None", list[str]()
        if tree.args.get("returning"):
            shown = tree.args["returning"].expressions
            columns = [each.alias_or_name for each in shown]
            source = scope.sources[target]
            if not is_delete:
                source.variable = "new"
            returned = f"({''.join(selects.value(each, scope, body) + ', ' for each in shown)})"
            source.variable = old
        body.emit(f"out.append(({old}, {new}, {returned}, {pinned}))")
        body.depth = 0
        body.emit("return out")
        outer.hoisted += body.written()
        outer.emit("return query")
        made = self._made(selects, outer)
        return Change(made, table, target, is_delete=is_delete, has_returning=returned != "None"), columns

    def _made(self, selects: Selects, outer: Function) -> Maker:
        outer.hoisted[:0] = [f"p_{name} = P[{name!r}]" for name in sorted(selects.parameters)]
        written = "\n".join(outer.written())
        selects.knows_time |= "server_now" in written
        space = self._globals(selects)
        try:
            exec(compile(written, f"<{selects.name}>", "exec"), space)  # noqa: S102 -- made of the program's own SQL
        except SyntaxError as failure:
            raise NotKnown(f"{selects.name}: {failure}\n{written}") from failure
        made: Maker = space["make"]
        return made

    @staticmethod
    def _globals(selects: Selects) -> dict[str, Any]:
        return {**vars(values), **selects.constants, "timedelta": timedelta, "lower": _lower, "length": _length,
                "sliced": _sliced}  # fmt: skip


def _lower(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _length(value: str | None) -> int | None:
    return None if value is None else len(value)


def _sliced(rows: Sequence[Row], limit: int | None, offset: int | None) -> Sequence[Row]:
    start = offset or 0
    return rows[start:] if limit is None else rows[start : start + limit]
