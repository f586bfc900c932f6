"""Turns a SELECT into a Python function: what it loops over, groups, sorts, locks and shows."""

from collections.abc import Mapping, Sequence

from sqlglot import exp

from tests.simulation.expressions import Grouping
from tests.simulation.lookups import Item, Loops, Selected, conjuncts
from tests.simulation.scopes import Function, Scope, Source

__all__ = ["Selects", "conjuncts"]


class Selects(Loops):
    """Compiles SELECTs, at the top or inside one another."""

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
        keys, windows = self._rows(tree, shown, items, scope, body, can_pin=can_pin)
        selected = Selected(name, columns, [])
        if locks:
            selected.locks = self._lock(tree, items, scope, body, top=top)
        else:
            self._finish(tree, shown, keys, windows, scope, body)
            body.emit("return out")
        outer.hoisted += body.written()
        return selected

    def _rows(
        self,
        tree: exp.Select,
        shown: Sequence[exp.Expression],
        items: Sequence[Item],
        scope: Scope,
        body: Function,
        *,
        can_pin: bool,
    ) -> tuple[Sequence[exp.Expression], Sequence[int]]:
        """Write what each round of the loops gives, or each group, and sort it; give the keys of ORDER BY."""
        ordered = tree.args["order"].expressions if tree.args.get("order") else []
        aliases = {each.alias: each.this for each in shown if isinstance(each, exp.Alias)}
        keys = [self._meant(each.this, shown, aliases, scope, outputs_first=True) for each in ordered]
        running = [each for one in shown for each in one.find_all(exp.Window) if _is_of_some(each)]
        windows = [n for n, each in enumerate(shown) if isinstance(each.unalias(), exp.Window) and not running]
        if running:
            self._running_sums(running, items, scope, body)
        is_grouped = any(tree.args.get(word) for word in ("group", "having"))
        if is_grouped or any(self.has_aggregate(each) for each in shown):
            plain = [exp.null() if n in windows else each for n, each in enumerate(shown)]
            self._grouped(tree, plain, keys, aliases, scope, body)
        else:
            locks = tree.args.get("locks") or []
            cells = ["None" if n in windows else self.value(each, scope, body) for n, each in enumerate(shown)]
            parts = [f"({''.join(cell + ', ' for cell in cells)})"]
            if keys or locks:
                parts.append(f"({''.join(self.value(each, scope, body) + ', ' for each in keys)})")
            if locks:
                pins = "{" + ", ".join(f"{item.source.name!r}: {item.source.variable}" for item in items) + "}"
                parts.append(f"({''.join(each.variable + ', ' for each in self._locked(locks, items))})")
                parts.append(pins if can_pin else "None")
            body.emit(f"out.append(({', '.join(parts)}))" if len(parts) > 1 else f"out.append({parts[0]})")
            body.depth = 0
        ways = [(bool(each.args.get("desc")), bool(each.args.get("nulls_first"))) for each in ordered]
        if ways:
            body.emit(f"sort_rows(out, {ways!r}, 1)")
        return keys, windows

    def _lock(self, tree: exp.Select, items: Sequence[Item], scope: Scope, body: Function, *, top: bool) -> list[str]:
        """Lock what is free here and now; give the tables of locks that are waited for, which whoever runs it takes."""
        [lock] = tree.args["locks"]
        limit = self._number(tree.args.get("limit"), scope, body)
        tables = [self.constant(self.tables[each.table or ""], "T") for each in self._locked([lock], items)]
        if lock.args.get("wait") is False:
            body.emit(f"return x.lock_free(({''.join(each + ', ' for each in tables)}), out, {limit or 'None'})")
            return []
        assert top, f"{self.name}: a lock that waits, inside a query"
        assert not limit, f"{self.name}: a limit on locks that wait"
        body.emit("return out")
        return tables

    def _finish(
        self,
        tree: exp.Select,
        shown: Sequence[exp.Expression],
        keys: Sequence[exp.Expression],
        windows: Sequence[int],
        scope: Scope,
        body: Function,
    ) -> None:
        """Write DISTINCT, counts over all rows, LIMIT and OFFSET."""
        distinct = tree.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            on = [each.this if isinstance(each, exp.Paren) else each for each in distinct.args["on"].expressions]
            assert [each.sql() for each in on] == [each.sql() for each in keys[: len(on)]], self.name
            body.emit(f"out = list({{t[1][:{len(on)}]: t for t in reversed(out)}}.values())[::-1]")
        if keys:
            body.emit("out = [t[0] for t in out]")
        if distinct is not None and not distinct.args.get("on"):
            body.emit("out = list(dict.fromkeys(out))")
        for number in windows:
            window = shown[number].find(exp.Window)
            assert window is not None
            if not isinstance(window.this, exp.Count) or window.args.get("order") or window.args.get("partition_by"):
                raise self.no(window)
            body.emit(f"out = [(*t[:{number}], len(out), *t[{number + 1}:]) for t in out]")
        limit, offset = (self._number(tree.args.get(word), scope, body) for word in ("limit", "offset"))
        if limit or offset:
            body.emit(f"out = sliced(out, {limit or 'None'}, {offset or 'None'})")

    def _running_sums(self, windows: Sequence[exp.Window], items: Sequence[Item], scope: Scope, body: Function) -> None:
        """Keep all rows first; then go over them once more, each with its sums up to there."""
        variables = "(" + "".join(item.source.variable + ", " for item in items) + ")"
        body.emit(f"found.append({variables})")
        body.depth = 0
        body.lines.insert(0, "found = []")
        names: list[str] = []
        for window in windows:
            parts = [self.value(each, scope, body) for each in window.args.get("partition_by") or []]
            ordered = window.args["order"].expressions if window.args.get("order") else []
            if not isinstance(window.this, exp.Sum | exp.Count) or any(each.args.get("desc") for each in ordered):
                raise self.no(window)
            over = window.this.this
            cells = [
                "(" + "".join(part + ", " for part in parts) + ")",
                "(" + "".join(self.value(each.this, scope, body) + ", " for each in ordered) + ")",
                "1" if isinstance(over, exp.Star) else self.value(over, scope, body),
            ]
            names.append(self.fresh("w"))
            body.emit(f"{names[-1]}s = running_sums([({', '.join(cells)}) for {variables} in found])")
            self.sums[window.sql()] = names[-1]
        body.emit(f"for {variables}, {', '.join(names)} in zip(found, {', '.join(f'{name}s' for name in names)}):")
        body.depth = 1

    def _number(self, tree: exp.Expression | None, scope: Scope, body: Function) -> str:
        return "" if tree is None else self.value(tree.expression, scope, body)

    @staticmethod
    def _locked(locks: Sequence[exp.Lock], items: Sequence[Item]) -> list[Source]:
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
        self,
        tree: exp.Expression,
        shown: Sequence[exp.Expression],
        aliases: Mapping[str, exp.Expression],
        scope: Scope,
        *,
        outputs_first: bool,
    ) -> exp.Expression:
        """Find what a key of GROUP BY or ORDER BY stands for: a number, an output's name, or itself."""
        if isinstance(tree, exp.Literal) and not tree.is_string:
            each = shown[int(tree.this) - 1]
            return each.this if isinstance(each, exp.Alias) else each
        is_name = isinstance(tree, exp.Column) and not tree.table and tree.name in aliases
        if is_name and (outputs_first or scope.find(tree) is None):
            return aliases[tree.name]
        return tree

    def _grouped(
        self, tree: exp.Select, shown: Sequence[exp.Expression], keys: Sequence[exp.Expression],
        aliases: Mapping[str, exp.Expression], scope: Scope, body: Function,
    ) -> None:  # fmt: skip
        group = tree.args.get("group")
        by = (
            [self._meant(each, shown, aliases, scope, outputs_first=False) for each in group.expressions]
            if group
            else []
        )
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


def _is_of_some(window: exp.Window) -> bool:
    """Tell whether a window is of some of the rows, and not of all of them."""
    return bool(window.args.get("order") or window.args.get("partition_by"))
