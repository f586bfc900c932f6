"""What Citus would refuse of a statement, as far as PostgreSQL itself can tell: from how it reads and how it plans it.

The rules are those of Citus 13's planner (multi_router_planner.c, insert_select_planner.c) and its documentation. They
are a little stricter than Citus where that is simpler, and stricter where a statement would work on every node at once
although it belongs to one. A statement is read as a node tree, and planned with values for one organization.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import psycopg

from sluiceway.storage.scale_out import ON_EVERY_NODE, ON_THE_COORDINATOR
from tests.db.node_trees import Node, read_tree, walk
from tests.db.test_queries import with_numbered_parameters

ORGANIZATION: Final = "0198c0de-0000-7000-8000-000000000001"
_EXAMPLES: Final = {
    "uuid": f"'{ORGANIZATION}'",
    "text": "'x'",
    "bytea": "'x'",
    "jsonb": "'{}'",
    "smallint": "1",
    "integer": "1",
    "bigint": "1",
    "interval": "'1 hour'",
    "date": "'2026-01-01'",
    "timestamp with time zone": "'2026-01-01Z'",
    "timestamp without time zone": "'2026-01-01'",
}
_SELECT, _UPDATE, _INSERT, _DELETE, _MERGE = 1, 2, 3, 4, 5
_RELATION, _SUBQUERY, _FUNCTION = 0, 1, 3
_EXISTS_SUBLINK = 0
_CONDITIONS: Final = ("Index Cond", "Filter", "Recheck Cond")


@dataclass
class Statement:
    """A statement on a database, as PostgreSQL reads it."""

    conn: psycopg.Connection
    text: str
    across: bool = False
    """It reads all organizations, and is asked of all nodes."""
    types: list[str] = field(init=False)
    tree: object = field(init=False)

    def __post_init__(self) -> None:
        numbered = with_numbered_parameters(self.text)
        self._run(f"PREPARE checked AS {numbered}")
        try:
            [(self.types,)] = self._ask(
                "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'checked'"
            )
        finally:
            self._run("DEALLOCATE checked")
        self._run(
            f"CREATE FUNCTION pg_temp.checked({', '.join(self.types)}) RETURNS void BEGIN ATOMIC {numbered}\n; END"
        )
        try:
            [(body,)] = self._ask("SELECT prosqlbody::text FROM pg_proc WHERE pronamespace = pg_my_temp_schema()")
        finally:
            self._run(f"DROP FUNCTION pg_temp.checked({', '.join(self.types)})")
        self.tree = read_tree(body)

    def complaints(self) -> list[str]:
        """List what Citus would refuse."""
        if not self._kinds & {"spread", "everywhere"}:
            return []
        found = [complaint for query in self._queries for complaint in self._of_query(query)]
        if self.across:
            found += self._across()
        elif "spread" in self._kinds:
            found += self._unnamed()
        if self._changed & {"spread", "everywhere"}:
            found += self._of_changes()
        return sorted(set(found))

    @cached_property
    def _queries(self) -> list[Node]:
        return [node for node in walk(self.tree) if node.kind == "QUERY"]

    @cached_property
    def _kinds(self) -> set[str]:
        return {self._kind(table) for query in self._queries for table in _relations(query)}

    @cached_property
    def _changed(self) -> set[str]:
        return {self._kind(_target(query)) for query in self._queries if query.number("commandType") != _SELECT}

    def _kind(self, table: Node) -> str:
        name = self._name(table)
        if name in ON_EVERY_NODE:
            return "everywhere"
        return "local" if name in ON_THE_COORDINATOR or name.startswith("pg_") else "spread"

    def _name(self, table: Node) -> str:
        [(name,)] = self._ask("SELECT relname FROM pg_class WHERE oid = %s::oid", [table["relid"]])
        return str(name)

    def _column(self, table: Node) -> int:
        """Give the number of the column by which a table is spread."""
        name = "id" if self._name(table) == "organization" else "organization_id"
        [(number,)] = self._ask(
            "SELECT attnum FROM pg_attribute WHERE attrelid = %s::oid AND attname = %s", [table["relid"], name]
        )
        return int(number)

    def _of_changes(self) -> Iterator[str]:
        for query in self._queries[1:]:
            if query.number("commandType") != _SELECT and self._kind(_target(query)) != "local":
                yield "changes rows in a WITH"
        if "local" in self._kinds:
            yield "changes rows with the coordinator's own tables beside them"
        if self._changed == {"everywhere"} and "spread" in self._kinds:
            yield "changes what is on every node by what only one has"
        if any(self._volatility(node) == "v" for node in walk(self.tree)):
            yield "calls a volatile function"

    def _of_query(self, query: Node) -> Iterator[str]:
        command = query.number("commandType")
        if query.nodes("rowMarks") and self.across:
            yield "locks rows of all organizations"
        if command == _MERGE:
            yield "is a MERGE"
        if command == _SELECT or self._kind(_target(query)) == "local":
            return
        if self._is_mutable(query["returningList"]):
            yield "returns what a function that is not immutable says"
        if self._kind(_target(query)) == "spread":
            changed = {entry.number("resno") for entry in query.nodes("targetList") if entry["resjunk"] == "false"}
            if (self._column(_target(query)) in changed) != (command == _INSERT) and command != _DELETE:
                yield "moves a row to another organization, or says of none whose it is"
        if command == _INSERT:
            yield from self._of_insert(query)
        else:
            yield from self._of_update(query)

    def _of_insert(self, query: Node) -> Iterator[str]:
        if query["hasSubLinks"] == "true":
            yield "has a sub-query within an INSERT"
        conflict = query.node("onConflict")
        if conflict is not None:
            if self._is_mutable([conflict["onConflictSet"], conflict["arbiterWhere"], conflict["onConflictWhere"]]):
                yield "calls a function that is not immutable in ON CONFLICT"
            changed = {entry.number("resno") for entry in conflict.nodes("onConflictSet")}
            if self._kind(_target(query)) == "spread" and self._column(_target(query)) in changed:
                yield "moves a row to another organization"

    def _of_update(self, query: Node) -> Iterator[str]:
        join = query.node("jointree")
        for part in (query["targetList"], join and join["quals"]):
            for node in walk(part):
                if self._volatility(node) == "s" and any(one.kind == "VAR" for one in walk(list(node.fields.values()))):
                    yield "calls a stable function with a column in an UPDATE"
                if node.kind in {"CASE", "CASEEXPR", "COALESCE", "COALESCEEXPR"} and self._is_mutable(node):
                    yield "calls a function that is not immutable in CASE or COALESCE in an UPDATE"

    def _is_mutable(self, part: object) -> bool:
        return any(self._volatility(node) in {"s", "v"} for node in walk(part))

    def _volatility(self, node: Node) -> str:
        if node.kind == "SQLVALUEFUNCTION":
            return "s"
        if node.kind == "COERCEVIAIO":
            argument = next(
                (one for one in walk(node["arg"]) if "vartype" in one.fields or "paramtype" in one.fields), None
            )
            source = "25" if argument is None else argument.fields.get("vartype", argument.fields.get("paramtype"))
            rows = self._ask(
                "SELECT provolatile FROM pg_proc WHERE oid IN ((SELECT typinput FROM pg_type WHERE oid = %s::oid),"
                " (SELECT typoutput FROM pg_type WHERE oid = %s::oid))",
                [node["resulttype"], source],
            )
        else:
            name = next((name for name in ("funcid", "opfuncid", "aggfnoid", "winfnoid") if name in node.fields), None)
            if name is None:
                return "i"
            # Some operators' functions are looked up only when they are planned.
            rows = self._ask(
                "SELECT provolatile FROM pg_proc WHERE oid = CASE %s WHEN '0'"
                " THEN (SELECT oprcode::oid FROM pg_operator WHERE oid = %s::oid) ELSE %s::oid END",
                [node[name], node.fields.get("opno", "0"), node[name]],
            )
        found = {str(row[0]) for row in rows}
        return "v" if "v" in found else "s" if "s" in found else "i"

    def _unnamed(self) -> Iterator[str]:
        """Look for tables that are not asked for one organization: then the statement would go to every node."""
        for flag in ("true", "false"):
            for node in _plan_nodes(self._plan(flag)):
                name = str(node.get("Relation Name"))
                if node["Node Type"] == "ModifyTable" or "Relation Name" not in node:
                    continue
                if name in ON_EVERY_NODE or name in ON_THE_COORDINATOR:
                    continue
                column = "id" if name == "organization" else "organization_id"
                given = " ".join(
                    str(one.get(condition, "")) for one in (node, *node.get("Plans", ())) for condition in _CONDITIONS
                )
                value = rf"('{ORGANIZATION}'::uuid|ANY \('\{{{ORGANIZATION}\}}'::uuid\[\]\))"
                if not re.search(rf"\b{column} = {value}", given):
                    yield f"does not name the organization of {name} {node.get('Alias')}"

    def _plan(self, flag: str) -> dict[str, Any]:
        arguments = ", ".join(_example(name, flag) for name in self.types)
        self._run("SET plan_cache_mode = force_custom_plan")
        self._run(f"PREPARE checked AS {with_numbered_parameters(self.text)}")
        try:
            execute = f"EXECUTE checked({arguments})" if arguments else "EXECUTE checked"
            [(plans,)] = self._ask(f"EXPLAIN (VERBOSE, FORMAT JSON) {execute}")
        finally:
            self._run("DEALLOCATE checked")
        plan: dict[str, Any] = plans[0]["Plan"]
        return plan

    def _across(self) -> Iterator[str]:
        if self._changed:
            yield "changes rows of all organizations"
        top, *below = self._queries
        if top["setOperations"] != "<>":
            yield "unites what it reads of all organizations"
        sublinks = [node for node in walk(self.tree) if node.kind == "SUBLINK"]
        if len(below) != len(sublinks) or any(link.number("subLinkType") != _EXISTS_SUBLINK for link in sublinks):
            yield "has a sub-query that is more than EXISTS"
        for query in self._queries:
            for clause in ("limitCount", "limitOffset", "windowClause", "distinctClause", "groupClause"):
                if query[clause] != "<>":
                    yield f"has a {clause} across organizations"
            if any(one.number("rtekind") in {_SUBQUERY, _FUNCTION} for one in query.nodes("rtable")):
                yield "reads a sub-query or a function beside all organizations"
        if not self._is_joined_by_organization(top, below):
            yield "joins organizations with each other"

    def _is_joined_by_organization(self, top: Node, below: list[Node]) -> bool:
        """Tell whether every table is held to the organization of the first."""
        # A place is how deep a query lies, and which of its tables.
        spread = [
            (depth, index, table)
            for depth, query in [(0, top), *((1, query) for query in below)]
            for index, table in enumerate(query.nodes("rtable"), start=1)
            if table.number("rtekind") == _RELATION and self._kind(table) == "spread"
        ]
        columns = {(depth, index): self._column(table) for depth, index, table in spread}
        joined = 1
        for depth, query in [(0, top), *((1, query) for query in below)]:
            for node in walk(query.node("jointree")):
                if node.kind != "OPEXPR" or len(sides := [one for one in node.nodes("args") if one.kind == "VAR"]) != 2:
                    continue
                places = [(depth - one.number("varlevelsup"), one.number("varno")) for one in sides]
                if all(columns.get(p) == one.number("varattno") for p, one in zip(places, sides, strict=True)):
                    joined += places[0] != places[1] and depth == max(place[0] for place in places)
        return joined >= len(spread)

    def _run(self, statement: str) -> None:
        self.conn.execute(statement.encode())

    def _ask(self, query: str, values: list[object] | None = None) -> list[tuple[Any, ...]]:
        return self.conn.execute(query.encode(), values).fetchall()


def _relations(query: Node) -> list[Node]:
    return [table for table in query.nodes("rtable") if table.number("rtekind") == _RELATION]


def _target(query: Node) -> Node:
    return query.nodes("rtable")[query.number("resultRelation") - 1]


def _example(name: str, flag: str) -> str:
    if name == "boolean":
        return flag
    if name.endswith("[]"):
        return f"ARRAY[{_example(name.removesuffix('[]'), flag)}]::{name}"
    return f"{_EXAMPLES[name]}::{name}"


def _plan_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _plan_nodes(below)
