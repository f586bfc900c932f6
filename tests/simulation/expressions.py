"""Turns SQL expressions into Python ones: `value` with NULL as None, `condition` for where only TRUE counts."""

import re
from typing import Any, Final

from sqlglot import exp

from tests.simulation.scopes import Function, NotKnown, Scope

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dZ")
"""A literal that stands for an instant: the schema has no text like it."""
_COMPARED: Final[dict[type[exp.Expression], tuple[str, str]]] = {
    exp.EQ: ("eq", "=="),
    exp.NEQ: ("ne", "!="),
    exp.LT: ("lt", "<"),
    exp.LTE: ("le", "<="),
    exp.GT: ("gt", ">"),
    exp.GTE: ("ge", ">="),
}
_TWO_SIDED: Final[dict[type[exp.Expression], str]] = {
    exp.Add: "add",
    exp.Sub: "sub",
    exp.Mul: "mul",
    exp.Div: "div",
    exp.DPipe: "concat",
}
_CALLS: Final = {
    "sha256": "sha256",
    "int8send": "int8send",
    "uuid_send": "uuid_send",
    "num_nonnulls": "num_nonnulls",
    "cardinality": "length",
    "octet_length": "length",
    "jsonb_typeof": "type_of",
    "now": "x.server_now",
    "clock_timestamp": "x.server_now",
    "statement_timestamp": "x.server_now",
}
_AGGREGATES: Final[dict[type[exp.Expression], str]] = {
    exp.Sum: "total",
    exp.Min: "lowest",
    exp.Max: "highest",
    exp.Count: "counted",
    exp.LogicalAnd: "all_of",
    exp.LogicalOr: "any_of",
    exp.GroupConcat: "joined",
    exp.ArrayAgg: "listed",
}


class Grouping:
    """How the columns of a grouped SELECT are found: in the key, in an aggregate, or in the group's first row."""

    def __init__(self, keys: list[exp.Expression]) -> None:
        self.keys = [key.sql() for key in keys]
        self.collected: list[str] = []
        """What each row of a group gives, as Python."""

    def place(self, value: str) -> int:
        if value not in self.collected:
            self.collected.append(value)
        return self.collected.index(value)


class Expressions:
    """The part of the compiler that writes expressions; `Selects` adds queries to it."""

    name = ""
    constants: dict[str, Any]
    parameters: set[str]
    sums: dict[str, str]
    """The variables that hold running sums, by what they are the sums of."""

    def subquery(self, tree: exp.Expression, scope: Scope, function: Function, *, exists: bool = False) -> str:
        raise NotImplementedError

    def no(self, tree: exp.Expression) -> NotKnown:
        return NotKnown(f"{self.name}: {type(tree).__name__}: {tree.sql('postgres')[:120]}")

    def condition(self, tree: exp.Expression, scope: Scope, function: Function) -> str:
        """Write what is true where the SQL is TRUE, and false where it is FALSE or NULL."""
        if isinstance(tree, exp.Paren):
            return self.condition(tree.this, scope, function)
        if isinstance(tree, exp.And | exp.Or):
            word = "and" if isinstance(tree, exp.And) else "or"
            sides = [self.condition(side, scope, function) for side in (tree.left, tree.right)]
            return f"({sides[0]} {word} {sides[1]})"
        if isinstance(tree, exp.Exists):
            return f"{self.subquery(tree.this, scope, function, exists=True)}()"
        if isinstance(tree, exp.Not) and isinstance(tree.this, exp.Exists):
            return f"not {self.subquery(tree.this.this, scope, function, exists=True)}()"
        if isinstance(tree, exp.Is | exp.NullSafeEQ | exp.NullSafeNEQ | exp.Boolean):
            return self.value(tree, scope, function)
        if isinstance(tree, exp.In) and (among := _texts(tree)):
            # NULL is none of the texts: where only TRUE counts it is left out, as it should be.
            return f"({self.value(tree.this, scope, function)} in {among})"
        kind = type(tree)
        if kind in _COMPARED and not isinstance(tree.expression, exp.Any):
            left, right = (self.value(side, scope, function) for side in (tree.left, tree.right))
            sign = _COMPARED[kind][1]
            known = [f"{side} is not None" for side in (left, right) if not _is_constant(side)]
            if all(_is_simple(side) for side in (left, right)):
                if kind is exp.EQ and known:
                    known = known[:1]
                return "(" + " and ".join([*known, f"{left} {sign} {right}"]) + ")"
        return f"({self.value(tree, scope, function)} is True)"

    def value(self, tree: exp.Expression, scope: Scope, function: Function, group: Grouping | None = None) -> str:  # noqa: C901, PLR0915 -- one case for each construct
        """Write the value."""

        def of(inner: exp.Expression) -> str:
            return self.value(inner, scope, function, group)

        if group is not None:
            written = tree.sql()
            if written in group.keys:
                return f"k[{group.keys.index(written)}]"
            if type(tree) in _AGGREGATES or isinstance(tree, exp.Filter):
                return self._aggregate(tree, scope, function, group)
            if isinstance(tree, exp.Column):
                return f"g[0][{group.place(self.value(tree, scope, function))}]"
        kind = type(tree)
        if kind in _COMPARED:
            if isinstance(tree.expression, exp.Any):
                inner = tree.expression.this
                listed = inner.this if isinstance(inner, exp.Paren) else inner
                return f"in_list({of(tree.this)}, {of(listed)})"
            return f"{_COMPARED[kind][0]}({of(tree.left)}, {of(tree.right)})"
        if kind in _TWO_SIDED:
            return f"{_TWO_SIDED[kind]}({of(tree.left)}, {of(tree.right)})"
        match tree:
            case exp.Column():
                found = scope.find(tree)
                if found is None:
                    raise self.no(tree)
                return f"{found[0].variable}[{found[1]}]"
            case exp.Placeholder():
                self.parameters.add(tree.name)
                return f"p_{tree.name}"
            case exp.Literal():
                if tree.is_string and tree.this in ("infinity", "-infinity"):
                    return "INFINITY" if tree.this == "infinity" else "MINUS_INFINITY"
                if tree.is_string and _INSTANT.fullmatch(tree.this):
                    return f"cast({tree.this!r}, 'TIMESTAMPTZ')"
                if tree.is_string and tree.this == "{}":
                    return "[]"
                return repr(tree.this) if tree.is_string else str(tree.this)
            case exp.Null():
                return "None"
            case exp.Boolean():
                return "True" if tree.this else "False"
            case exp.Paren() | exp.Alias():
                return of(tree.this)
            case exp.And() | exp.Or():
                return f"{'and3' if isinstance(tree, exp.And) else 'or3'}({of(tree.left)}, {of(tree.right)})"
            case exp.Not():
                return f"not3({of(tree.this)})"
            case exp.Neg():
                return f"neg({of(tree.this)})"
            case exp.Is():
                sign = "is not" if tree.args.get("negate") else "is"
                return f"({of(tree.this)} {sign} {of(tree.expression)})"
            case exp.NullSafeEQ() | exp.NullSafeNEQ():
                return f"({of(tree.this)} {'==' if isinstance(tree, exp.NullSafeEQ) else '!='} {of(tree.expression)})"
            case exp.Between():
                low, high = (
                    f"ge({of(tree.this)}, {of(tree.args['low'])})",
                    f"le({of(tree.this)}, {of(tree.args['high'])})",
                )
                return f"and3({low}, {high})"
            case exp.In():
                if tree.args.get("query") is not None:
                    rows = self.subquery(tree.args["query"], scope, function)
                    return f"in_list({of(tree.this)}, [t[0] for t in {rows}()])"
                value, among = of(tree.this), _texts(tree)
                if among and _is_simple(value):
                    return f"(None if {value} is None else {value} in {among})"
                return f"in_list({value}, ({''.join(of(each) + ', ' for each in tree.expressions)}))"
            case exp.Exists():
                return f"{self.subquery(tree.this, scope, function, exists=True)}()"
            case exp.Subquery():
                return f"scalar({self.subquery(tree.this, scope, function)}())"
            case exp.Array() if isinstance(tree.expressions[0], exp.Select):
                return f"[t[0] for t in {self.subquery(tree.expressions[0], scope, function)}()]"
            case exp.Array():
                return f"[{', '.join(of(each) for each in tree.expressions)}]"
            case exp.Tuple():
                return f"({''.join(of(each) + ', ' for each in tree.expressions)})"
            case exp.Coalesce() | exp.Least() | exp.Greatest():
                word = type(tree).__name__.lower()
                return f"{word}({', '.join(of(each) for each in [tree.this, *tree.expressions])})"
            case exp.Nullif():
                return f"nullif({of(tree.this)}, {of(tree.expression)})"
            case exp.Case():
                return self._case(tree, scope, function, group)
            case exp.Cast():
                return self._cast(tree, of(tree.this))
            case exp.Interval():
                return f"timedelta({tree.args['unit'].name.lower()}s={tree.this.this})"
            case exp.Extract():
                return f"epoch({of(tree.expression)})"
            case exp.AtTimeZone():
                return f"at_zone({of(tree.this)}, {of(tree.args['zone'])})"
            case exp.JSONExtractScalar():
                return f"key_of({of(tree.this)}, {tree.expression.expressions[-1].this!r})"
            case exp.StringToArray():
                return f"string_to_array({of(tree.this)}, {of(tree.expression)})"
            case exp.SHA2Digest():
                return f"sha256({of(tree.this)})"
            case exp.Replace():
                parts = (tree.this, tree.expression, tree.args["replacement"])
                return f"replaced({', '.join(of(each) for each in parts)})"
            case exp.Lower():
                return f"lower({of(tree.this)})"
            case exp.Length():
                return f"length({of(tree.this)})"
            case exp.Window() if tree.sql() in self.sums:
                return self.sums[tree.sql()]
            case exp.TimestampTrunc():
                return f"truncated({of(tree.args['unit'])}, {of(tree.this)})"
            case exp.MD5():
                return f"md5({of(tree.this)})"
            case exp.Like():
                return f"like({of(tree.this)}, {of(tree.expression)})"
            case exp.Var():
                return repr(tree.name)
            case exp.Format():
                return f"format_text({', '.join(of(each) for each in [tree.this, *tree.expressions])})"
            case exp.ConcatWs():
                return f"concat_ws({', '.join(of(each) for each in tree.expressions)})"
            case exp.Encode():
                return f"hex_of({of(tree.this)})"
            case exp.JSONExtract():
                return f"part_of({of(tree.this)}, {of(tree.expression)})"
            case exp.JSONPath():
                return repr(tree.expressions[-1].this)
            case exp.RegexpLike():
                return f"matches({of(tree.this)}, {of(tree.expression)})"
            case exp.CurrentTimestamp():
                return "x.server_now()"
            case exp.Anonymous() if tree.name.lower() in _CALLS:
                return f"{_CALLS[tree.name.lower()]}({', '.join(of(each) for each in tree.expressions)})"
        raise self.no(tree)

    def _case(self, tree: exp.Case, scope: Scope, function: Function, group: Grouping | None) -> str:
        default = tree.args.get("default")
        written = "None" if default is None else self.value(default, scope, function, group)
        for each in reversed(tree.args["ifs"]):
            if tree.this is not None:
                sides = [self.value(side, scope, function, group) for side in (tree.this, each.this)]
                test = " == ".join(sides)
            elif group is not None:
                test = f"{self.value(each.this, scope, function, group)} is True"
            else:
                test = self.condition(each.this, scope, function)
            written = f"({self.value(each.args['true'], scope, function, group)} if {test} else {written})"
        return written

    def _cast(self, tree: exp.Cast, inner: str) -> str:
        kind = tree.to.this.name
        if kind in ("UUID", "BYTEA", "VARBINARY", "BOOLEAN", "JSON", "TIMESTAMP") or inner in ("None", "[]"):
            return inner
        if kind == "TIMESTAMPTZ" and inner in ("INFINITY", "MINUS_INFINITY"):
            return inner
        if kind == "ARRAY":
            return inner
        if isinstance(tree.this, exp.Placeholder) and kind in ("TEXT", "BIGINT", "INT", "SMALLINT", "DATE", "INTERVAL"):
            return inner
        return f"cast({inner}, {kind!r})"

    def _aggregate(self, tree: exp.Expression, scope: Scope, function: Function, group: Grouping) -> str:
        called = tree.this if isinstance(tree, exp.Filter) else tree
        over = called.this
        order: list[exp.Ordered] = []
        if isinstance(over, exp.Order):
            over, order = over.this, over.expressions
        distinct = isinstance(over, exp.Distinct)
        if isinstance(over, exp.Distinct):
            [over] = over.expressions
        value = "1" if over is None or isinstance(over, exp.Star) else self.value(over, scope, function)
        place = group.place(value)
        rows = "g"
        if isinstance(tree, exp.Filter):
            kept = group.place(f"({self.condition(tree.expression.this, scope, function)})")
            rows = f"[r for r in g if r[{kept}]]"
        if order:
            [by] = [group.place(self.value(each.this, scope, function)) for each in order]
            rows = f"sorted({rows}, key=lambda r: r[{by}])"
        values = f"[r[{place}] for r in {rows}]"
        if distinct:
            values = f"list(set({values}))"
        if isinstance(called, exp.GroupConcat):
            return f"joined({values}, {self.value(called.args['separator'], scope, function)})"
        return f"{_AGGREGATES[type(called)]}({values})"

    @staticmethod
    def has_aggregate(tree: exp.Expression) -> bool:
        """Tell whether an expression of this SELECT, and not of one inside it, aggregates."""
        for node in tree.find_all(*_AGGREGATES):
            at = node.parent
            while at is not None and not isinstance(at, exp.Select | exp.Window):
                at = at.parent
            inside = node if at is None else at
            if not isinstance(inside, exp.Window) and (at is None or at is tree.find_ancestor(exp.Select)):
                return True
        return False


def _is_simple(written: str) -> bool:
    """Whether it may be written twice: a column, a parameter, a constant."""
    return "(" not in written


def _texts(tree: exp.In) -> str | None:
    """Write the set of texts in which a value is looked for; None: it is looked for among something else."""
    texts = [each.this for each in tree.expressions if isinstance(each, exp.Literal) and each.is_string]
    if not texts or len(texts) < len(tree.expressions) or any(_INSTANT.fullmatch(each) for each in texts):
        return None
    return f"{{{', '.join(map(repr, texts))}}}"


def _is_constant(written: str) -> bool:
    return written in ("INFINITY", "MINUS_INFINITY", "True", "False") or written[0] in "'0123456789"
