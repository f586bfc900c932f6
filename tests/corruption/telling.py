"""Tells lies, one after the other, each in a transaction that is taken back, and asks the audit after each."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from sluiceway.services.audit import check_everything
from sluiceway.storage.database import Database, LentTx
from tests.corruption.busy import busy
from tests.corruption.lies import Liar, Lie, read_schema


@dataclass
class Told:
    """What came of the lies of one seed."""

    seed: int
    found: int = 0
    missed: list[tuple[int, Lie]] = field(default_factory=list[tuple[int, Lie]])
    refused: int = 0
    by_kind: Counter[str] = field(default_factory=Counter[str])
    by_check: Counter[str] = field(default_factory=Counter[str])
    columns: set[str] = field(default_factory=set[str])
    seconds: float = 0.0

    @property
    def injected(self) -> int:
        """Count what was told."""
        return self.found + len(self.missed)


async def tell(database: Database, seed: int, lies: int, *, first: int = 0, at_most_s: float = 1e9) -> Told:
    """Tell so many lies in a busy database, from the number `first` on: each has a seed of its own."""
    town = await busy(database)
    told, began = Told(seed), time.monotonic()
    async with database.lend() as tx:
        dsn, adapters = tx.conn.info.dsn, tx.conn
    # Everything may be written, and no foreign key is looked up.
    options = "-c session_replication_role=replica -c statement_timeout=60s -c timezone=UTC"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, context=adapters, options=options) as conn:
        schema = await read_schema(conn)
        for number in range(first, first + lies):
            if time.monotonic() - began > at_most_s:
                break
            await _tell_one(conn, Liar(conn, schema, f"{seed}/{number}"), number, town.engine.now(), told)
    told.seconds = time.monotonic() - began
    return told


async def _tell_one(
    conn: psycopg.AsyncConnection[TupleRow], liar: Liar, number: int, now: datetime, told: Told
) -> None:
    await conn.execute("BEGIN")
    try:
        lie = await liar.lie()
        results = await check_everything(LentTx(conn), None, now)
    finally:
        await conn.execute("ROLLBACK")
    broken = [result.name for result in results if result.violations]
    told.refused += liar.refused
    told.by_kind[lie.kind] += 1
    told.by_check.update(broken)
    told.columns.add(f"{lie.table}.{lie.column or '*'}")
    if broken:
        told.found += 1
    else:
        told.missed.append((number, lie))
