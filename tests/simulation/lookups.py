"""Turns FROM, ON and WHERE into nested loops, each over an index where the conditions name its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlglot import exp

from tests.simulation.expressions import Expressions
from tests.simulation.scopes import COLUMNS, Function, Scope, Source
from tests.simulation.tables import Table

_ELEMENTS: Final = ("json_array_elements", "jsonb_array_elements")


@dataclass(eq=False)
class Item:
    """One item of FROM on its way into a loop."""

    source: Source
    rows: str | None
    """Python that gives its rows; None: a base table, whose rows are looked up."""
    needs: set[str]
    on: list[exp.Expression]
    is_left: bool
    is_full: bool = False


@dataclass(eq=False)
class Selected:
    """What became of a SELECT: the function's name, the columns of its rows, and which rows it locks, if it waits."""

    function: str
    columns: list[str]
    locks: list[str]
    """Variables of the base tables whose rows are to be locked by whoever runs it."""
    order: str = ""


class Loops(Expressions):
    """The part of the compiler that looks rows up."""

    def __init__(self, name: str, tables: Mapping[str, Table]) -> None:
        self.name = name
        self.tables = tables
        self.constants: dict[str, Any] = {}
        self.parameters: set[str] = set()
        self.named: dict[str, Sequence[str]] = {}
        """Columns of what WITH names."""
        self.knows_time = False
        """Whether what was compiled reads the clock."""
        self._count = 0
        self.sums: dict[str, str] = {}
        if not COLUMNS:
            COLUMNS.update({table.name: table.columns for table in tables.values()})

    def fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, value: Any, prefix: str) -> str:
        for name, known in self.constants.items():
            if known is value:
                return name
        name = self.fresh(prefix)
        self.constants[name] = value
        return name

    def query(
        self, tree: exp.Expression, scope: Scope | None, function: Function, *, exists: bool = False, top: bool = False
    ) -> Selected:
        raise NotImplementedError

    def items(self, trees: Sequence[exp.Expression], scope: Scope, function: Function) -> list[Item]:
        """Read what FROM names, each a table expression or a join; they come into scope in their order."""
        found: list[Item] = []
        for tree in trees:
            on: list[exp.Expression] = []
            is_left = False
            inner = tree
            if isinstance(tree, exp.Join):
                if tree.args.get("using"):
                    raise self.no(tree)
                inner, is_left = tree.this, tree.side == "LEFT"
                on = conjuncts(tree.args.get("on"))
            found.append(self._item(inner, scope, function))
            found[-1].on, found[-1].is_left = on, is_left
            found[-1].is_full = isinstance(tree, exp.Join) and tree.side == "FULL"
            for join in inner.args.get("joins") or []:
                found += self.items([join], scope, function)
        for item in found:
            if item.is_left:
                item.needs |= {name for each in item.on for name in scope.own(each)} - {item.source.name}
        return found

    def _item(self, tree: exp.Expression, scope: Scope, function: Function) -> Item:
        alias = tree.alias_or_name
        given = (
            [column.name for column in (tree.args["alias"].args.get("columns") or [])] if tree.args.get("alias") else []
        )
        variable = self.fresh("r")
        rows: str | None
        needs: set[str] = set()
        table = None
        if isinstance(tree, exp.Lateral) and isinstance(tree.this, exp.Subquery):
            needs = scope.own(tree.this)
            made = self.query(tree.this, scope, function)
            rows, columns = f"{made.function}()", made.columns
        elif isinstance(tree, exp.Subquery):
            made = self.query(tree.this, scope.parent, function)
            rows, columns = f"{made.function}()", made.columns
        elif isinstance(tree, exp.Unnest) or (isinstance(tree, exp.Lateral) and isinstance(tree.this, exp.Unnest)):
            unnest = tree.this if isinstance(tree, exp.Lateral) else tree
            arrays = ", ".join(self.value(each, scope, function) for each in unnest.expressions)
            rows, columns = f"unnested({arrays})", given or [f"column{n}" for n in range(len(unnest.expressions))]
            needs = {name for each in unnest.expressions for name in scope.own(each)}
        elif isinstance(tree, exp.Values):
            lines = [f"({''.join(self.value(cell, scope, function) + ', ' for cell in each.expressions)})"
                     for each in tree.expressions]  # fmt: skip
            rows, columns = (
                f"({', '.join(lines)},)",
                given or [f"column{n + 1}" for n in range(len(tree.expressions[0].expressions))],
            )
        elif isinstance(tree, exp.Table) and not isinstance(tree.this, exp.Identifier):
            # A function that stands where a table could gives one row of one column, named as the function is here.
            needs, columns = scope.own(tree.this), given or [alias]
            if isinstance(tree.this, exp.Anonymous) and tree.this.name.lower() in _ELEMENTS:
                [listed] = tree.this.expressions
                rows = f"[(each,) for each in {self.value(listed, scope, function)} or ()]"
            else:
                rows = f"(({self.value(tree.this, scope, function)},),)"
        elif isinstance(tree, exp.Table) and tree.name in self.named:
            rows, columns = f"C[{tree.name!r}]", list(self.named[tree.name])
        elif isinstance(tree, exp.Table) and tree.name in self.tables:
            table = tree.name
            rows, columns = None, list(self.tables[table].columns)
        else:
            raise self.no(tree)
        source = Source(alias, given or columns, variable, table)
        scope.sources[alias] = source
        return Item(source, rows, needs, [], is_left=False)

    # Loops

    def loops(
        self,
        items: list[Item],
        where: list[exp.Expression],
        scope: Scope,
        body: Function,
        *,
        can_pin: bool,
    ) -> None:
        """Open one loop for each item, cheapest look-up first; what follows stands inside all of them."""
        pending, bound = [*where], set[str]()
        if len(items) > 1 and items[1].is_full:
            bound = self._full(items[0], items[1], scope, body)
            items = items[2:]
        assert not any(item.is_full for item in items), f"{self.name}: FULL JOIN after another join"
        for item in items:
            if not item.is_left:
                pending += item.on
                item.on = []
        self._filters(pending, bound, scope, body)
        left = [*items]
        while left:
            ready = [item for item in left if item.needs <= bound]
            # A LEFT JOIN comes after what stands before it, and before what follows only if that needs it.
            inner = [item for item in ready if not item.is_left] or ready[:1]
            chosen = min(inner, key=lambda item: self._cost(item, pending, bound, scope))
            left.remove(chosen)
            self._loop(chosen, pending, bound, scope, body, can_pin=can_pin)
            bound.add(chosen.source.name)
            self._filters(pending, bound, scope, body)
        assert not pending, pending

    def _full(self, left: Item, right: Item, scope: Scope, body: Function) -> set[str]:
        """Open a loop over pairs that agree, and over what has nobody on the other side."""
        places: list[tuple[int, int]] = []
        for each in right.on:
            sides = {
                found[0].name: found[1]
                for column in (each.left, each.right)
                if isinstance(each, exp.EQ) and (found := scope.find(column)) is not None
            }
            places.append((sides[left.source.name], sides[right.source.name]))
        rows = [
            item.rows or f"x.all({self.constant(self.tables[item.source.table or ''], 'T')})" for item in (left, right)
        ]
        widths = f"{len(left.source.columns)}, {len(right.source.columns)}"
        body.emit(
            f"for {left.source.variable}, {right.source.variable} in "
            f"full_joined({rows[0]}, {rows[1]}, {places!r}, {widths}):"
        )
        body.depth += 1
        return {left.source.name, right.source.name}

    def _filters(self, pending: list[exp.Expression], bound: set[str], scope: Scope, body: Function) -> None:
        for each in [each for each in pending if scope.own(each) <= bound]:
            pending.remove(each)
            body.emit(f"if {self.condition(each, scope, body)}:")
            body.depth += 1

    def _cost(self, item: Item, pending: list[exp.Expression], bound: set[str], scope: Scope) -> int:
        if item.source.table is None:
            return 1
        table = self.tables[item.source.table]
        named = {column for column, _ in self._equal(item, item.on or pending, bound, scope)}
        if set(table.primary) <= named:
            return 0
        return 10 - min(len(named), 8)

    def _equal(
        self, item: Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope
    ) -> list[tuple[str, exp.Expression]]:
        """Find the columns of a table that are equal to what is known by now (or to one of an array)."""
        found: list[tuple[str, exp.Expression]] = []
        for each in conditions:
            if isinstance(each, exp.EQ):
                for side, other in ((each.left, each.right), (each.right, each.left)):
                    if isinstance(side, exp.Column) and self._is_of(side, item, scope) and scope.own(other) <= bound:
                        found.append((side.name, other))
                        break
            elif isinstance(each, exp.Column) and self._is_of(each, item, scope):
                found.append((each.name, exp.true()))
            elif (
                isinstance(each, exp.Not) and isinstance(each.this, exp.Column) and self._is_of(each.this, item, scope)
            ):
                found.append((each.this.name, exp.false()))
        return found

    def _either(
        self, item: Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope
    ) -> tuple[exp.Expression, list[str]] | None:
        """Find what is in one of several columns of a table: `value IN (this, that)`."""
        if any(isinstance(other, exp.Any) for _, other in self._equal(item, conditions, bound, scope)):
            return None
        for each in conditions:
            if isinstance(each, exp.In) and each.args.get("query") is None and scope.own(each.this) <= bound:
                columns = [one for one in each.expressions if isinstance(one, exp.Column)]
                if len(columns) == len(each.expressions) and all(self._is_of(one, item, scope) for one in columns):
                    return each.this, [one.name for one in columns]
        return None

    @staticmethod
    def _is_of(column: exp.Column, item: Item, scope: Scope) -> bool:
        found = scope.find(column)
        return found is not None and found[0] is item.source

    def _loop(
        self,
        item: Item,
        pending: list[exp.Expression],
        bound: set[str],
        scope: Scope,
        body: Function,
        *,
        can_pin: bool,
    ) -> None:
        source = item.source
        conditions = item.on if item.is_left else pending
        if item.rows is None:
            rows = self._look_up(item, conditions, bound, scope, body)
        else:
            rows = self._hashed(item, conditions, bound, scope, body)
        if can_pin and not item.is_left:
            rows = f"(pins[{source.name!r}],) if pins is not None and pins[{source.name!r}] is not None else {rows}"
        elif can_pin:
            rows = f"(pins[{source.name!r}],) if pins is not None else {rows}"
        if not item.is_left:
            body.emit(f"for {source.variable} in {rows}:")
            body.depth += 1
            return
        kept = self.fresh("l")
        body.emit(f"{kept} = []")
        body.emit(f"for {source.variable} in {rows}:")
        depth = body.depth
        body.depth += 1
        for each in item.on:
            body.emit(f"if {self.condition(each, scope, body)}:")
            body.depth += 1
        body.emit(f"{kept}.append({source.variable})")
        body.depth = depth
        body.emit(f"for {source.variable} in {kept} or ({(None,) * len(source.columns)!r},):")
        body.depth += 1

    def _look_up(
        self, item: Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope, body: Function
    ) -> str:
        assert item.source.table is not None
        table = self.tables[item.source.table]
        equal: dict[str, exp.Expression] = {}
        for column, other in self._equal(item, conditions, bound, scope):
            equal.setdefault(column, other)
        name = self.constant(table, "T")
        if (either := self._either(item, conditions, bound, scope)) is not None and not set(
            table.primary
        ) <= equal.keys():
            # One of several columns: a look along an index for each, since no row has the same value in two of them.
            value, columns = either
            looks: list[str] = []
            for column in columns:
                wanted = tuple(sorted({*equal, column}))
                parts = [self.value(value if each == column else equal[each], scope, body) for each in wanted]
                looks.append(f"*x.by({self.constant(table.index(wanted), 'I')}, ({', '.join(parts)},))")
            return f"[{', '.join(looks)}]"
        if not equal:
            return f"x.all({name})"
        if set(table.primary) <= equal.keys():
            wanted = table.primary
            call = f"x.get({name}, "
        else:
            wanted = tuple(sorted(equal))
            known: list[str] = []
            for each in conditions:
                if isinstance(each, exp.LT | exp.LTE | exp.GT | exp.GTE):
                    columns = [side for side in (each.left, each.right) if isinstance(side, exp.Column)]
                    known += [side.name for side in columns if self._is_of(side, item, scope)]
            call = f"x.by({self.constant(table.index(wanted, set(known) - equal.keys()), 'I')}, "
        parts: list[str] = []
        for column in wanted:
            other = equal[column]
            if isinstance(other, exp.Any):
                inner = other.this.this if isinstance(other.this, exp.Paren) else other.this
                one = self.fresh("v")
                body.emit(f"for {one} in dict.fromkeys({self.value(inner, scope, body)} or ()):")
                body.depth += 1
                parts.append(one)
            else:
                parts.append(self.value(other, scope, body))
        return f"{call}({''.join(part + ', ' for part in parts)}))"

    def _hashed(
        self, item: Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope, body: Function
    ) -> str:
        """Work out rows that depend on nothing here once, and find those with the values that are known by now."""
        assert item.rows is not None
        if item.needs - {name for each in item.on for name in scope.own(each)} or not bound:
            return item.rows
        equal = {
            column: other
            for column, other in self._equal(item, conditions, bound, scope)
            if not isinstance(other, exp.Any | exp.Boolean)
        }
        made = self.fresh("h")
        if not equal:
            body.lines.insert(0, f"{made} = {item.rows}")
            return made
        places = [list(item.source.columns).index(column) for column in equal]
        body.lines.insert(0, f"{made} = hashed({item.rows}, {places!r})")
        return f"{made}.get(({''.join(self.value(other, scope, body) + ', ' for other in equal.values())}), ())"


def conjuncts(tree: exp.Expression | None) -> list[exp.Expression]:
    """Take apart what AND holds together."""
    if tree is None:
        return []
    if isinstance(tree, exp.Where):
        return conjuncts(tree.this)
    while isinstance(tree, exp.Paren):
        tree = tree.this
    if isinstance(tree, exp.And):
        return conjuncts(tree.left) + conjuncts(tree.right)
    return [] if isinstance(tree, exp.Boolean) and tree.this else [tree]
