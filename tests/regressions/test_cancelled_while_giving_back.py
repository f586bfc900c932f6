"""Somebody who was cancelled while giving a connection back took it along: after enough of them the pool had none."""

import asyncio

import pytest

from sluiceway.storage.database import Database, DatabaseOptions, WriteTx, fetch_all

ONE = DatabaseOptions(min_connections=1, max_connections=1, wait_for_connection_s=1)


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_connection_comes_back_though_its_borrower_is_cancelled_meanwhile(database_url: str, turns: int):
    async with Database(database_url, ONE) as database:
        has_begun, may_end = asyncio.Event(), asyncio.Event()

        async def borrow() -> None:
            async with database.lend() as tx:
                await fetch_all(tx, "SELECT 1")
                has_begun.set()
                await may_end.wait()

        borrower = asyncio.create_task(borrow())
        await has_begun.wait()
        # The pool is busy, so that giving back takes a while.
        async with database._pool.connections._lock:
            may_end.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            borrower.cancel()
            await asyncio.gather(borrower, return_exceptions=True)

        async def work(tx: WriteTx) -> int:
            return (await fetch_all(tx, "SELECT 2"))[0][0]

        assert await database.write(work) == 2
