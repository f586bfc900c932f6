"""MAX_CONNECTIONS=1 could not be started with: two connections were wanted from the beginning, whatever was allowed."""

import asyncio

import pytest

from sluiceway.storage.database import Database, DatabaseOptions, WriteTx, fetch_all


@pytest.mark.parametrize("connections", [1, 2])
async def test_a_pool_may_be_as_small_as_one(database_url: str, connections: int):
    async def ask(tx: WriteTx) -> int:
        return (await fetch_all(tx, "SELECT 7"))[0][0]

    async with Database(database_url, DatabaseOptions(max_connections=connections)) as database:
        assert await asyncio.gather(*(database.write(ask) for _ in range(10))) == [7] * 10
