"""Storms: many clients on one account, many copies of one key, many requests that are broken off: some of each."""

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import LiteralString

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from sluiceway.storage.database import Database, ReadTx
from sluiceway.storage.transactions import Params
from tests.concurrency.cancelling import break_off
from tests.concurrency.duplicates import storm
from tests.concurrency.hanging_up import hang_up
from tests.concurrency.hot_account import contest
from tests.concurrency.previewing import compare
from tests.e2e.processes import Serving
from tests.support import plain_engine

SEED = int(os.environ.get("SLUICEWAY_TEST_SEED", random.randrange(1 << 32)))


@pytest.mark.e2e
async def test_of_64_clients_who_want_the_money_of_one_account_exactly_half_get_theirs(
    database_url: str, serve: Callable[[], Serving]
):
    found = await contest(database_url, serve().url, attempts=1_000)

    assert found.violations == []


@pytest.mark.e2e
async def test_a_key_that_is_sent_fifty_times_at_once_has_one_effect_though_a_server_is_killed(
    database_url: str, serve: Callable[[], Serving]
):
    print(f"SLUICEWAY_TEST_SEED={SEED}")
    found = await storm(database_url, [serve(), serve()], 20, 2, random.Random(SEED))

    assert found.violations == []
    assert found.cut_off > 0


async def test_nobody_reads_what_belongs_to_another_after_requests_were_broken_off(database_url: str):
    print(f"SLUICEWAY_TEST_SEED={SEED}")
    found = await break_off(database_url, 1_000, random.Random(SEED))

    assert found.violations == []
    assert found.foreign == 0
    assert len(found.by_kind) == 7, "each kind of request was broken off"


@pytest.mark.e2e
async def test_nobody_hears_what_belongs_to_another_after_clients_hung_up(
    database_url: str, serve: Callable[[], Serving]
):
    print(f"SLUICEWAY_TEST_SEED={SEED}")
    found = await hang_up(database_url, serve().url, 200, random.Random(SEED))

    assert found.violations == []
    assert found.foreign == 0


class _InOrder(ReadTx):
    """A mistake that clients have made: whoever asks takes the next answer, also one that nobody waited for."""

    def __init__(self, conn: AsyncConnection[TupleRow]) -> None:
        self.conn = conn
        self._turn = asyncio.Lock()
        self._answers: asyncio.Queue[list[TupleRow]] = asyncio.Queue()
        self._asking: set[asyncio.Task[None]] = set()

    async def fetch_all(self, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
        task = asyncio.create_task(self._ask(query, params))
        self._asking.add(task)
        return await self._answers.get()

    async def _ask(self, query: LiteralString, params: Params | None) -> None:
        async with self._turn:
            cursor = await self.conn.execute(query, params)
            self._answers.put_nowait(await cursor.fetchall())


class _Mistaken(Database):
    """A database whose reads have that mistake."""

    async def open(self) -> None:
        await super().open()
        self._reads = _InOrder(await AsyncConnection.connect(self._pool._conninfo, autocommit=True))

    async def close(self) -> None:
        await self._reads.conn.close()
        await super().close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadTx]:
        yield self._reads


async def test_an_answer_that_is_left_for_the_next_one_to_read_is_caught(database_url: str):
    found = await break_off(database_url, 20, random.Random(1), kinds=["account"], make=_Mistaken)

    assert found.foreign > 0
    assert any("red has read ['blue" in violation for violation in found.violations)


async def test_what_is_said_of_a_transfer_or_a_run_beforehand_is_what_happens(database: Database):
    print(f"SLUICEWAY_TEST_SEED={SEED}")
    found = await compare(plain_engine(database), 200, random.Random(SEED))

    assert found.violations == []
    assert len(found.endings) > 8, found.endings
