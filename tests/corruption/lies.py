"""Lies: what somebody who may write everything does to a row behind our back, drawn from the schema itself."""

import random
from dataclasses import dataclass
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql

from tests.corruption.harmless import HARMLESS_COPIES, HARMLESS_LOSSES, HARMLESS_TABLES, is_harmless

REDRAWS: Final = 200
KINDS: Final = ("change",) * 10 + ("swap",) * 3 + ("delete",) * 4 + ("duplicate",) * 3 + ("cent",) * 2 + ("cut",) * 1
BACKDATED: Final = ("1 second", "1 minute", "1 hour", "1 day", "31 days", "400 days")

_COLUMNS: Final = """
    SELECT c.table_name, c.column_name, c.udt_name, c.is_nullable = 'YES',
           EXISTS (
               SELECT FROM information_schema.table_constraints k
               JOIN information_schema.key_column_usage u USING (constraint_schema, constraint_name)
               WHERE k.table_schema = 'public' AND k.table_name = c.table_name AND u.column_name = c.column_name
                   AND k.constraint_type IN ('PRIMARY KEY', 'UNIQUE')
           )
    FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
    ORDER BY c.table_name, c.ordinal_position
"""


class Column(NamedTuple):
    """A column as the schema has it."""

    table: str
    name: str
    type: str
    is_nullable: bool
    is_in_key: bool


@dataclass(frozen=True)
class Lie:
    """What was done, in words that are also the statement."""

    kind: str
    table: str
    column: str | None
    said: str


class Refused(Exception):
    """The schema does not let this lie be told, or it would change nothing."""


async def read_schema(conn: AsyncConnection[Any]) -> list[Column]:
    """Read what there is to lie about, and what is left out."""
    rows = await (await conn.execute(_COLUMNS)).fetchall()
    return [Column(*row) for row in rows]


class Liar:
    """Tells one lie at a time, by a seed."""

    def __init__(self, conn: AsyncConnection[Any], schema: list[Column], seed: str) -> None:
        """Draw from everything but what is harmless."""
        self._conn = conn
        self._chance = random.Random(seed)
        self._by_table: dict[str, list[Column]] = {}
        for column in schema:
            if column.table not in HARMLESS_TABLES:
                self._by_table.setdefault(column.table, []).append(column)
        self._columns = [
            column
            for columns in self._by_table.values()
            for column in columns
            if not is_harmless(column.table, column.name)
        ]
        self.refused = 0

    async def lie(self) -> Lie:
        """Tell one inside the transaction at hand: redrawn while the schema itself refuses it."""
        for _ in range(REDRAWS):
            await self._conn.execute("SAVEPOINT lie")
            try:
                return await self._draw()
            except (psycopg.Error, Refused) as refused:
                self.refused += isinstance(refused, psycopg.IntegrityError)
                await self._conn.execute("ROLLBACK TO SAVEPOINT lie")
        raise AssertionError("the schema lets nothing be changed")

    async def _draw(self) -> Lie:
        kind = self._chance.choice(KINDS)
        match kind:
            case "change":
                return await self._change(self._chance.choice(self._columns))
            case "swap":
                return await self._swap(self._chance.choice(self._columns))
            case "delete":
                return await self._delete(self._chance.choice(sorted(self._by_table)))
            case "duplicate":
                return await self._duplicate(self._chance.choice(sorted(self._by_table)))
            case "cent":
                return await self._cent()
            case _:
                return await self._cut()

    async def _row(self, table: str, but: str | None = None, leaving: LiteralString = "false") -> str:
        """Draw a row, by where it lies, leaving some out."""
        query = sql.SQL("SELECT t.ctid::text FROM {} t WHERE ({}) IS NOT TRUE ORDER BY t.ctid").format(
            sql.Identifier(table), sql.SQL(leaving)
        )
        rows = [row[0] for row in await (await self._conn.execute(query)).fetchall() if row[0] != but]
        if not rows:
            raise Refused
        return self._chance.choice(rows)

    async def _change(self, column: Column) -> Lie:
        row = await self._row(column.table)
        how = self._how(column)
        return await self._run(
            "change",
            column,
            sql.SQL(
                "UPDATE {table} SET {name} = {how} WHERE ctid = {row}::tid AND {name} IS DISTINCT FROM {how}"
            ).format(
                table=sql.Identifier(column.table), name=sql.Identifier(column.name), how=how, row=sql.Literal(row)
            ),
        )

    def _how(self, column: Column) -> sql.Composable:
        name, chance = sql.Identifier(column.name), self._chance
        if column.is_nullable and chance.random() < 0.15:
            return sql.SQL("NULL")
        other = sql.SQL(
            "(SELECT o.{name} FROM {table} o WHERE o.{name} IS NOT NULL ORDER BY md5(o::text || {salt}) LIMIT 1)"
        )
        others = other.format(name=name, table=sql.Identifier(column.table), salt=sql.Literal(str(chance.random())))
        match column.type:
            case "int2" | "int4" | "int8":
                return sql.SQL("coalesce({}, 0) + {}").format(name, sql.Literal(chance.choice((1, -1, 100, 7, -50))))
            case "bool":
                return sql.SQL("NOT {}").format(name)
            case "timestamptz" | "timestamp":
                ago = sql.Literal(chance.choice(BACKDATED))
                return sql.SQL("coalesce({} - {}::interval, {})").format(name, ago, others)
            case "date":
                return sql.SQL("coalesce({} - 1, '2026-01-01')").format(name)
            case "interval":
                return sql.SQL("{} + interval '1 minute'").format(name)
            case "uuid":
                return others if chance.random() < 0.6 else sql.Literal(self._uuid())
            case "bytea":
                return sql.SQL("set_byte({0}, 0, (get_byte({0}, 0) + 1) % 256)").format(name)
            case "json" | "jsonb":
                changed = sql.SQL("regexp_replace({}::text, '([0-9a-z])([^0-9a-z]*)$', '\\1{}\\2')::{}")
                whole = sql.SQL("json" if column.type == "json" else "jsonb")
                return changed.format(name, sql.Literal(chance.randint(1, 9)), whole)
            case "_int8":
                return sql.SQL("{}[2:]").format(name)
            case "_uuid":
                return sql.SQL("array_append({}, {}::uuid)").format(name, sql.Literal(self._uuid()))
            case "_text":
                return sql.SQL("array_append({}, 'x')").format(name)
            case "text":
                return others if chance.random() < 0.6 else sql.SQL("coalesce({}, '') || 'x'").format(name)
            case _:
                raise AssertionError(f"nobody has said how to lie about {column}")

    async def _swap(self, column: Column) -> Lie:
        first = await self._row(column.table)
        second = await self._row(column.table, first)
        query = sql.SQL(
            "UPDATE {table} t SET {name} = o.{name} FROM {table} o WHERE t.ctid IN ({a}::tid, {b}::tid)"
            " AND o.ctid IN ({a}::tid, {b}::tid) AND t.ctid <> o.ctid"
            " AND t.{name}::text IS DISTINCT FROM o.{name}::text"
        ).format(
            table=sql.Identifier(column.table),
            name=sql.Identifier(column.name),
            a=sql.Literal(first),
            b=sql.Literal(second),
        )
        return await self._run("swap", column, query)

    async def _delete(self, table: str) -> Lie:
        query = sql.SQL("DELETE FROM {} WHERE ctid = {}::tid")
        row = await self._row(table, leaving=HARMLESS_LOSSES.get(table, ("false", ""))[0])
        return await self._run("delete", table, query.format(sql.Identifier(table), sql.Literal(row)))

    async def _duplicate(self, table: str) -> Lie:
        """Add a row again, with another key where it has one of its own."""
        columns = self._by_table[table]
        row = await self._row(table, leaving=HARMLESS_COPIES.get(table, ("false", ""))[0])
        keys = [column for column in columns if column.is_in_key and column.name != "organization_id"]
        fresh = keys[-1] if keys else None
        values = [self._fresh(column) if column is fresh else sql.Identifier(column.name) for column in columns]
        query = sql.SQL("INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE ctid = {row}::tid").format(
            table=sql.Identifier(table),
            names=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
            values=sql.SQL(", ").join(values),
            row=sql.Literal(row),
        )
        return await self._run("duplicate", table, query)

    def _fresh(self, column: Column) -> sql.Composable:
        name = sql.Identifier(column.name)
        match column.type:
            case "uuid":
                return sql.Literal(self._uuid())
            case "int2" | "int4" | "int8":
                return sql.SQL("{} + 1000").format(name)
            case "date":
                return sql.SQL("{} + 100").format(name)
            case "bytea":
                return sql.SQL("sha256({})").format(name)
            case _:
                return sql.SQL("{} || 'x'").format(name)

    async def _cent(self) -> Lie:
        """Move a cent from one account, posting, transfer or limit to another of the same table."""
        amounts = [
            column
            for column in self._columns
            if column.type == "int8" and column.name in {"posted", "amount", "balance", "moved", "used", "held_out"}
        ]
        column = self._chance.choice(amounts)
        first = await self._row(column.table)
        second = await self._row(column.table, first)
        query = sql.SQL(
            "UPDATE {table} SET {name} = {name} + CASE WHEN ctid = {a}::tid THEN 1 ELSE -1 END"
            " WHERE ctid IN ({a}::tid, {b}::tid) AND {name} IS NOT NULL"
        ).format(
            table=sql.Identifier(column.table),
            name=sql.Identifier(column.name),
            a=sql.Literal(first),
            b=sql.Literal(second),
        )
        return await self._run("cent", column, query)

    async def _cut(self) -> Lie:
        """Cut the end of an organization's log off, with or without its head set back to fit."""
        chosen = sql.Literal(await self._row("audit_head"))
        back = sql.SQL(
            "WITH h AS (SELECT organization_id, number FROM audit_head WHERE ctid = {row}::tid AND number > 1),"
            " gone AS (DELETE FROM audit_entry e USING h"
            " WHERE e.organization_id = h.organization_id AND e.batch = h.number)"
            " DELETE FROM audit_batch b USING h WHERE b.organization_id = h.organization_id AND b.number = h.number"
        )
        return await self._run("cut", "audit_batch", back.format(row=chosen))

    def _uuid(self) -> str:
        bits = self._chance.getrandbits(128)
        digits = f"{bits:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    async def _run(self, kind: str, what: Column | str, query: sql.Composed) -> Lie:
        done = await self._conn.execute(query)
        if not done.rowcount:
            raise Refused
        table, column = (what, None) if isinstance(what, str) else (what.table, what.name)
        return Lie(kind, table, column, query.as_string(self._conn))
