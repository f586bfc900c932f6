"""The audit finds what somebody changes, deletes, adds or swaps behind everybody's back, whatever it is."""

import os

import pytest

from sluiceway.storage.database import Database
from tests.corruption.harmless import HARMLESS_COLUMNS, HARMLESS_TABLES
from tests.corruption.lies import read_schema
from tests.corruption.telling import tell

SEED = int(os.environ.get("CORRUPTION_SEED", "6"))
LIES = 150
AT_MOST_S = 60


async def test_random_lies_are_all_found(database: Database):
    told = await tell(database, SEED, LIES, at_most_s=AT_MOST_S)

    assert told.missed == [], f"seed {told.seed}"
    assert told.found >= 40


async def test_what_no_lie_is_drawn_from_is_there(database: Database):
    async with database.lend() as tx:
        schema = await read_schema(tx.conn)

    assert {*HARMLESS_TABLES} - {column.table for column in schema} == set()
    assert {*HARMLESS_COLUMNS} - {f"{column.table}.{column.name}" for column in schema} == set()


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_a_thousand_lies_are_all_found(database: Database):
    told = await tell(database, SEED + 1, 1000)

    assert told.missed == [], f"seed {told.seed}"
