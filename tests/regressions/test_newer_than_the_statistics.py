"""A look at what was new took minutes: where statistics end, the planner compared every row with every other."""

import asyncio
from typing import Final

import psycopg
import pytest
from psycopg.sql import SQL

from sluiceway.domain.ids import least_id
from sluiceway.storage import audit as stored_audit
from sluiceway.storage.audit_recent import RecentCheck, Stretch, find_recent_mismatches
from sluiceway.storage.database import Database
from tests.audit.past import filled, founded, run
from tests.support import plain_engine

RUNS: Final = 1_500
SOON_S: Final = 5.0
"""It takes a tenth of a second."""


@pytest.mark.parametrize("check", [RecentCheck.TRANSFERS, RecentCheck.RUNS])
async def test_what_is_newer_than_the_statistics_is_looked_at_soon(
    database: Database, database_url: str, check: RecentCheck
):
    engine = plain_engine(database)
    towns = await founded(engine, 1)
    with psycopg.connect(database_url) as owner:
        for table in (SQL("transfer"), SQL("posting"), SQL("execution")):
            owner.execute(SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(table))
    await filled(database_url, 4_000)
    since = least_id(engine.now())
    await run(engine, towns, RUNS)
    now = least_id(engine.now())
    [(town, _)] = towns

    async with database.snapshot() as tx, asyncio.timeout(SOON_S):
        await stored_audit.take_room(tx)
        wrong, _, rows = await find_recent_mismatches(tx, town.id, check, Stretch(since, now, now), 1)

    assert wrong == 0
    assert rows >= RUNS
