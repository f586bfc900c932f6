"""The simulated database's schema, from the catalogue of a migrated one: `python -m tests.simulation.schema`."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg

from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.simulation.tables import SCHEMA

_COLUMNS: Final[LiteralString] = """
    SELECT c.relname, a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
    ORDER BY c.relname, a.attnum
"""
_CONSTRAINTS: Final[LiteralString] = """
    SELECT c.relname, n.conname, n.contype::text, pg_get_expr(n.conbin, n.conrelid),
           ARRAY(SELECT a.attname::text FROM unnest(n.conkey) WITH ORDINALITY AS k (num, place)
                 JOIN pg_attribute a ON a.attrelid = n.conrelid AND a.attnum = k.num ORDER BY k.place),
           t.relname,
           ARRAY(SELECT a.attname::text FROM unnest(n.confkey) WITH ORDINALITY AS k (num, place)
                 JOIN pg_attribute a ON a.attrelid = n.confrelid AND a.attnum = k.num ORDER BY k.place)
    FROM pg_constraint n
    JOIN pg_class c ON c.oid = n.conrelid
    LEFT JOIN pg_class t ON t.oid = n.confrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND n.contype IN ('p', 'f', 'c', 'u')
    ORDER BY c.relname, n.conname
"""
_UNIQUE: Final[LiteralString] = """
    SELECT c.relname, i.relname, x.indnullsnotdistinct, pg_get_expr(x.indpred, x.indrelid),
           ARRAY(SELECT pg_get_indexdef(x.indexrelid, n, true) FROM generate_series(1, x.indnkeyatts) AS n)
    FROM pg_index x
    JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indisunique AND NOT x.indisprimary AND c.relnamespace = current_schema()::regnamespace
    ORDER BY c.relname, i.relname
"""


async def schema_of(url: str) -> dict[str, Any]:
    """Read the tables of a database: columns, keys, checks."""
    tables: dict[str, Any] = {}
    async with await psycopg.AsyncConnection.connect(url) as conn:
        for table, name, kind, nullable, default in await (await conn.execute(_COLUMNS)).fetchall():
            said = tables.setdefault(table, {"columns": [], "primary": None, "unique": [], "foreign": [], "checks": []})
            said["columns"].append({"name": name, "type": kind, "nullable": nullable, "default": default})
        rows = await (await conn.execute(_CONSTRAINTS)).fetchall()
        for table, name, kind, check, columns, target, target_columns in rows:
            if kind == "p":
                tables[table]["primary"] = {"name": name, "columns": columns}
            elif kind == "c":
                tables[table]["checks"].append({"name": name, "check": check})
            elif kind == "f":
                tables[table]["foreign"].append(
                    {"name": name, "columns": columns, "target": target, "target_columns": target_columns}
                )
        for table, name, nulls, predicate, columns in await (await conn.execute(_UNIQUE)).fetchall():
            tables[table]["unique"].append(
                {"name": name, "columns": columns, "when": predicate, "nulls_not_distinct": nulls}
            )
    return tables


def write(tables: dict[str, Any], file: Path = SCHEMA) -> None:
    """Write it down, a line for each column and constraint."""
    lines = [
        f'  "{name}": {{\n' + ",\n".join(_part(part, said) for part, said in tables[name].items()) + "\n  }"
        for name in sorted(tables)
    ]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _part(name: str, said: Any) -> str:
    if not isinstance(said, list):
        return f'    "{name}": {json.dumps(said)}'
    inner = ",\n".join(f"      {json.dumps(each)}" for each in said)
    return f'    "{name}": [\n{inner}\n    ]' if said else f'    "{name}": []'


def main() -> None:
    """Migrate a new database and write its schema down."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data") as url:
            asyncio.run(migrate(url))
            write(asyncio.run(schema_of(url)))


if __name__ == "__main__":
    main()
