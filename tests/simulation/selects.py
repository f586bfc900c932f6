"""Turns a SELECT into a Python function of nested loops, each over an index where the conditions name its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from tests.simulation.expressions import Expressions, Grouping
from tests.simulation.scopes import COLUMNS, Function, Scope, Source
from tests.simulation.tables import Table


@dataclass(eq=False)
class _Item:
    """One item of FROM on its way into a loop."""

    source: Source
    rows: str | None
    """Python that gives its rows; None: a base table, whose rows are looked up."""
    needs: set[str]
    on: list[exp.Expression]
    is_left: bool


@dataclass(eq=False)
class Selected:
    """What became of a SELECT: the function's name, the columns of its rows, and which rows it locks, if it waits."""

    function: str
    columns: list[str]
    locks: list[str]
    """Variables of the base tables whose rows are to be locked by whoever runs it."""
    order: str = ""


class Selects(Expressions):
    """Compiles SELECTs, at the top or inside one another."""

    def __init__(self, name: str, tables: Mapping[str, Table]) -> None:
        self.name = name
        self.tables = tables
        self.constants: dict[str, Any] = {}
        self.parameters: set[str] = set()
        self.named: dict[str, Sequence[str]] = {}
        """Columns of what WITH names."""
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

    def subquery(self, tree: exp.Expression, scope: Scope, function: Function, *, exists: bool = False) -> str:
        return self.query(tree, scope, function, exists=exists).function

    def query(
        self, tree: exp.Expression, scope: Scope | None, function: Function, *, exists: bool = False, top: bool = False
    ) -> Selected:
        """Write a SELECT or a UNION as a function among those that `function` begins with."""
        while isinstance(tree, exp.Subquery | exp.Paren):
            tree = tree.this
        if isinstance(tree, exp.Union):
            return self._union(tree, scope, function)
        assert isinstance(tree, exp.Select), tree
        return self._select(tree, Scope(scope), function, exists=exists, top=top)

    # FROM

    def items(self, trees: Sequence[exp.Expression], scope: Scope, function: Function) -> list[_Item]:
        """Read what FROM names, each a table expression or a join; they come into scope in their order."""
        found: list[_Item] = []
        for tree in trees:
            on: list[exp.Expression] = []
            is_left = False
            inner = tree
            if isinstance(tree, exp.Join):
                if tree.side == "FULL" or tree.args.get("using"):
                    raise self.no(tree)
                inner, is_left = tree.this, tree.side == "LEFT"
                on = conjuncts(tree.args.get("on"))
            found.append(self._item(inner, scope, function))
            found[-1].on, found[-1].is_left = on, is_left
            for join in inner.args.get("joins") or []:
                found += self.items([join], scope, function)
        for item in found:
            if item.is_left:
                item.needs |= {name for each in item.on for name in scope.own(each)} - {item.source.name}
        return found

    def _item(self, tree: exp.Expression, scope: Scope, function: Function) -> _Item:
        alias = tree.alias_or_name
        given = [column.name for column in (tree.args["alias"].args.get("columns") or [])] if tree.args.get("alias") else []
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
            rows, columns = f"({', '.join(lines)},)", given or [
                f"column{n + 1}" for n in range(len(tree.expressions[0].expressions))
            ]
        elif isinstance(tree, exp.Table) and not isinstance(tree.this, exp.Identifier):
            # A function that stands where a table could gives one row of one column, named as the function is here.
            rows, columns, needs = f"(({self.value(tree.this, scope, function)},),)", [alias], scope.own(tree.this)
        elif isinstance(tree, exp.Table) and tree.name in self.named:
            rows, columns = f"C[{tree.name!r}]", list(self.named[tree.name])
        elif isinstance(tree, exp.Table) and tree.name in self.tables:
            table = tree.name
            rows, columns = None, list(self.tables[table].columns)
        else:
            raise self.no(tree)
        source = Source(alias, given or columns, variable, table)
        scope.sources[alias] = source
        return _Item(source, rows, needs, [], is_left=False)

    # Loops

    def loops(
        self,
        items: list[_Item],
        where: list[exp.Expression],
        scope: Scope,
        body: Function,
        *,
        can_pin: bool,
    ) -> None:
        """Open one loop for each item, cheapest look-up first; what follows stands inside all of them."""
        pending = [*where]
        for item in items:
            if not item.is_left:
                pending += item.on
                item.on = []
        bound: set[str] = set()
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

    def _filters(self, pending: list[exp.Expression], bound: set[str], scope: Scope, body: Function) -> None:
        for each in [each for each in pending if scope.own(each) <= bound]:
            pending.remove(each)
            body.emit(f"if {self.condition(each, scope, body)}:")
            body.depth += 1

    def _cost(self, item: _Item, pending: list[exp.Expression], bound: set[str], scope: Scope) -> int:
        if item.source.table is None:
            return 1
        table = self.tables[item.source.table]
        named = {column for column, _ in self._equal(item, item.on or pending, bound, scope)}
        if set(table.primary) <= named:
            return 0
        return 10 - min(len(named), 8)

    def _equal(
        self, item: _Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope
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
            elif isinstance(each, exp.Not) and isinstance(each.this, exp.Column) and self._is_of(each.this, item, scope):
                found.append((each.this.name, exp.false()))
        return found

    def _either(
        self, item: _Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope
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
    def _is_of(column: exp.Column, item: _Item, scope: Scope) -> bool:
        found = scope.find(column)
        return found is not None and found[0] is item.source

    def _loop(
        self, item: _Item, pending: list[exp.Expression], bound: set[str], scope: Scope, body: Function, *, can_pin: bool
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
        self, item: _Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope, body: Function
    ) -> str:
        assert item.source.table is not None
        table = self.tables[item.source.table]
        equal: dict[str, exp.Expression] = {}
        for column, other in self._equal(item, conditions, bound, scope):
            equal.setdefault(column, other)
        name = self.constant(table, "T")
        if (either := self._either(item, conditions, bound, scope)) is not None and not set(table.primary) <= equal.keys():
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
                    for side in (each.left, each.right):
                        if isinstance(side, exp.Column) and self._is_of(side, item, scope) and side.name not in equal:
                            known.append(side.name)
            call = f"x.by({self.constant(table.index(wanted, set(known)), 'I')}, "
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
        self, item: _Item, conditions: Sequence[exp.Expression], bound: set[str], scope: Scope, body: Function
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

    # SELECT

    def _select(self, tree: exp.Select, scope: Scope, outer: Function, *, exists: bool, top: bool) -> Selected:
        name = self.fresh("q")
        body = Function(f"def {name}({'pins=None' if top else ''}):")
        body.emit("out = []")
        first = tree.args.get("from_")
        trees: list[exp.Expression] = [first.this] if first else []
        if not trees and len(tree.expressions) == 1 and isinstance(tree.expressions[0], exp.Explode):
            # SELECT unnest(x) is SELECT * FROM unnest(x).
            alias = exp.TableAlias(this=exp.to_identifier("u"))
            trees = [exp.Unnest(expressions=[tree.expressions[0].this], alias=alias)]
            tree.set("from_", exp.From(this=trees[0]))
            tree.set("expressions", [exp.Star()])
        items = self.items([*trees, *(tree.args.get("joins") or [])], scope, body)
        locks = tree.args.get("locks") or []
        can_pin = top and bool(locks)
        self.loops(items, conjuncts(tree.args.get("where")), scope, body, can_pin=can_pin)
        if exists:
            body.emit("return True")
            body.depth = 0
            body.emit("return False")
            outer.hoisted += body.written()
            return Selected(name, [], [])
        shown = self._expanded(tree, scope)
        columns = [each.alias_or_name or f"column{n}" for n, each in enumerate(shown)]
        group = tree.args.get("group")
        having = tree.args.get("having")
        ordered = tree.args["order"].expressions if tree.args.get("order") else []
        aliases = {each.alias: each.this for each in shown if isinstance(each, exp.Alias)}
        keys = [self._meant(each.this, shown, aliases, scope, outputs_first=True) for each in ordered]
        distinct = tree.args.get("distinct")
        is_grouped = group is not None or having is not None or any(self.has_aggregate(each) for each in shown)
        running = [each for tree_ in shown for each in tree_.find_all(exp.Window) if each.args.get("order")]
        windows = [n for n, each in enumerate(shown) if isinstance(each.unalias(), exp.Window) and not running]
        if running:
            self._running_sums(running, items, scope, body)
        if is_grouped:
            plain = [exp.null() if n in windows else each for n, each in enumerate(shown)]
            self._grouped(tree, plain, keys, aliases, scope, body)
        else:
            cells = ["None" if n in windows else self.value(each, scope, body) for n, each in enumerate(shown)]
            row = f"({''.join(cell + ', ' for cell in cells)})"
            key = f"({''.join(self.value(each, scope, body) + ', ' for each in keys)})" if keys else "None"
            locked = self._locked(locks, items) if locks else []
            pinned = "{" + ", ".join(f"{item.source.name!r}: {item.source.variable}" for item in items) + "}"
            meta = f"({''.join(each.variable + ', ' for each in locked)}), {pinned if can_pin else None}" if locks else ""
            body.emit(f"out.append(({row}, {key}, {meta}))" if locks or keys else f"out.append({row})")
            body.depth = 0
        ways = [(bool(each.args.get("desc")), bool(each.args.get("nulls_first"))) for each in ordered]
        has_key = bool(keys) or bool(locks)
        if ways:
            body.emit(f"sort_rows(out, {ways!r}, 1)")
        selected = Selected(name, columns, [])
        limit, offset = (self._number(tree.args.get(word), scope, body) for word in ("limit", "offset"))
        if locks:
            [lock] = locks
            tables = [self.constant(self.tables[each.table or ""], "T") for each in self._locked(locks, items)]
            if lock.args.get("wait") is False and lock.args.get("wait") is not None:
                body.emit(f"return x.lock_free(({''.join(each + ', ' for each in tables)}), out, {limit or 'None'})")
            else:
                assert top, f"{self.name}: a lock that waits, inside a query"
                assert not limit, f"{self.name}: a limit on locks that wait"
                selected.locks = tables
                body.emit("return out")
            outer.hoisted += body.written()
            return selected
        if distinct is not None and distinct.args.get("on"):
            on = [each.this if isinstance(each, exp.Paren) else each for each in distinct.args["on"].expressions]
            assert [each.sql() for each in on] == [each.sql() for each in keys[: len(on)]], self.name
            body.emit(f"out = list({{t[1][:{len(on)}]: t for t in reversed(out)}}.values())[::-1]")
        if has_key:
            body.emit("out = [t[0] for t in out]")
        if distinct is not None and not distinct.args.get("on"):
            body.emit("out = list(dict.fromkeys(out))")
        for number in windows:
            window = shown[number].find(exp.Window)
            assert window is not None
            if not isinstance(window.this, exp.Count) or window.args.get("order") or window.args.get("partition_by"):
                raise self.no(window)
            body.emit(f"out = [(*t[:{number}], len(out), *t[{number + 1}:]) for t in out]")
        if limit or offset:
            body.emit(f"out = sliced(out, {limit or 'None'}, {offset or 'None'})")
        body.emit("return out")
        outer.hoisted += body.written()
        return selected

    def _running_sums(
        self, windows: Sequence[exp.Window], items: Sequence[_Item], scope: Scope, body: Function
    ) -> None:
        """Keep all rows first; then go over them once more, each with its sums up to there."""
        variables = "(" + "".join(item.source.variable + ", " for item in items) + ")"
        body.emit(f"found.append({variables})")
        body.depth = 0
        body.lines.insert(0, "found = []")
        names: list[str] = []
        for window in windows:
            [ordered] = window.args["order"].expressions
            if not isinstance(window.this, exp.Sum) or window.args.get("partition_by") or ordered.args.get("desc"):
                raise self.no(window)
            names.append(self.fresh("w"))
            key, value = (self.value(each, scope, body) for each in (ordered.this, window.this.this))
            body.emit(f"{names[-1]}s = running_sums([({key}, {value}) for {variables} in found])")
            self.sums[window.sql()] = names[-1]
        body.emit(f"for {variables}, {', '.join(names)} in zip(found, {', '.join(f'{name}s' for name in names)}):")
        body.depth = 1

    def _number(self, tree: exp.Expression | None, scope: Scope, body: Function) -> str:
        return "" if tree is None else self.value(tree.expression, scope, body)

    @staticmethod
    def _locked(locks: Sequence[exp.Lock], items: Sequence[_Item]) -> list[Source]:
        [lock] = locks
        named = [table.name for table in lock.expressions]
        found = [item.source for item in items if item.source.table and (not named or item.source.name in named)]
        assert found, "nothing to lock"
        return found

    def _expanded(self, tree: exp.Select, scope: Scope) -> list[exp.Expression]:
        shown: list[exp.Expression] = []
        for each in tree.expressions:
            if isinstance(each, exp.Star) or (isinstance(each, exp.Column) and isinstance(each.this, exp.Star)):
                wanted = each.table if isinstance(each, exp.Column) else None
                for source in scope.sources.values():
                    if wanted in (None, source.name):
                        shown += [exp.column(column, source.name) for column in source.columns]
            else:
                shown.append(each)
        return shown

    def _meant(
        self, tree: exp.Expression, shown: Sequence[exp.Expression], aliases: Mapping[str, exp.Expression], scope: Scope,
        *, outputs_first: bool,
    ) -> exp.Expression:  # fmt: skip
        """Find what a key of GROUP BY or ORDER BY stands for: a number, an output's name, or itself."""
        if isinstance(tree, exp.Literal) and not tree.is_string:
            each = shown[int(tree.this) - 1]
            return each.this if isinstance(each, exp.Alias) else each
        if isinstance(tree, exp.Column) and not tree.table and tree.name in aliases:
            if outputs_first or scope.find(tree) is None:
                return aliases[tree.name]
        return tree

    def _grouped(
        self, tree: exp.Select, shown: Sequence[exp.Expression], keys: Sequence[exp.Expression],
        aliases: Mapping[str, exp.Expression], scope: Scope, body: Function,
    ) -> None:  # fmt: skip
        group = tree.args.get("group")
        by = [self._meant(each, shown, aliases, scope, outputs_first=False) for each in group.expressions] if group else []
        grouping = Grouping(by)
        cells = [self.value(each, scope, body, grouping) for each in shown]
        order = [self.value(each, scope, body, grouping) for each in keys]
        having = tree.args.get("having")
        kept = f"if {self.value(having.this, scope, body, grouping)} is True:" if having else "if True:"
        key = f"({''.join(self.value(each, scope, body) + ', ' for each in by)})"
        body.emit(f"groups.setdefault({key}, []).append(({''.join(each + ', ' for each in grouping.collected)}))")
        body.depth = 0
        body.lines.insert(0, "groups = {}" if by else "groups = {(): []}")
        body.emit("for k, g in groups.items():")
        body.emit(f"    {kept}")
        row = f"({''.join(cell + ', ' for cell in cells)})"
        body.emit(f"        out.append(({row}, ({''.join(each + ', ' for each in order)})))" if keys
                  else f"        out.append({row})")  # fmt: skip

    def _union(self, tree: exp.Union, scope: Scope | None, outer: Function) -> Selected:
        name = self.fresh("q")
        body = Function(f"def {name}():")
        left, right = (self.query(side, scope, body) for side in (tree.left, tree.right))
        body.emit(f"out = {left.function}() + {right.function}()")
        if tree.args.get("distinct"):
            body.emit("out = list(dict.fromkeys(out))")
        if tree.args.get("order"):
            ordered = tree.args["order"].expressions
            places = [
                int(each.this.this) - 1 if isinstance(each.this, exp.Literal) else left.columns.index(each.this.name)
                for each in ordered
            ]
            ways = [(bool(each.args.get("desc")), bool(each.args.get("nulls_first"))) for each in ordered]
            body.emit(f"out = [(t, ({''.join(f't[{place}], ' for place in places)})) for t in out]")
            body.emit(f"sort_rows(out, {ways!r}, 1)")
            body.emit("out = [t[0] for t in out]")
        inner = scope or Scope()
        limit, offset = (self._number(tree.args.get(word), inner, body) for word in ("limit", "offset"))
        if limit or offset:
            body.emit(f"out = sliced(out, {limit or 'None'}, {offset or 'None'})")
        body.emit("return out")
        outer.hoisted += body.written()
        return Selected(name, left.columns, [])


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
