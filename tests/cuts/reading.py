"""Reads over a line that carries single bytes, or breaks in the middle of answers: what is answered is never wrong."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from sluiceway.storage.database import Database
from tests.cuts.campaign import served
from tests.cuts.households import Household, move_in
from tests.db.frames import first_word
from tests.db.relay import Relay
from tests.support import real_engine

CALLERS = 8


@dataclass
class Reads:
    """What was read, and how often an answer did not come."""

    answered: int = 0
    refused: int = 0
    broken: int = 0
    wrong: list[str] = field(default_factory=list[str])


async def read_over(database_url: str, seed: int, *, broken: int = 0, splitting: int = 0) -> Reads:
    """Read until so many answers of the database broke off, and so many reads came over a line of single bytes."""
    reads, dice = Reads(), random.Random(seed)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        [household, *_] = await move_in(real_engine(database), None)
        relay = await stack.enter_async_context(Relay.between(database_url, seed))
        server = await stack.enter_async_context(served(relay.url))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, timeout=60))
        await _until_quiet(http, household)
        right = {path: (await _get(http, household, path)).json()["data"] for path in _paths(household)}
        for path, data in right.items():
            assert data, path

        async def read(is_enough: Any) -> None:
            while not is_enough():
                path = dice.choice(sorted(right))
                answer = await _get(http, household, path)
                if answer.status_code == 503 and answer.headers.get("retry-after"):
                    reads.refused += 1
                    await asyncio.sleep(0.01)
                elif answer.status_code != 200 or answer.json()["data"] != right[path]:
                    reads.wrong.append(f"{path}: {answer.status_code} {answer.text}")
                else:
                    reads.answered += 1

        if broken:
            relay.breaks_answer = lambda statement: first_word(statement) not in _NOT_READS and dice.random() < 0.1
            await asyncio.gather(*(read(lambda: relay.broken_answers >= broken) for _ in range(CALLERS)))
            relay.breaks_answer = None
            reads.broken = relay.broken_answers
        if splitting:
            relay.is_splitting = True
            enough = reads.answered + splitting
            await asyncio.gather(*(read(lambda: reads.answered >= enough) for _ in range(CALLERS)))
    return reads


_NOT_READS = ("BEGIN", "COMMIT", "ROLLBACK")


async def _until_quiet(http: httpx.AsyncClient, household: Household) -> None:
    """Wait until the worker has done what the households moved in with."""
    before: list[Any] = []
    while True:
        now = [(await _get(http, household, path)).text for path in _paths(household)]
        if [_without_request(text) for text in now] == before:
            return
        before = [_without_request(text) for text in now]
        await asyncio.sleep(0.5)


def _without_request(text: str) -> str:
    return text.partition('"request_id"')[0]


def _paths(household: Household) -> list[str]:
    income = household.account("income")
    return ["/api/v1/accounts", f"/api/v1/accounts/{income}", "/api/v1/rules", f"/api/v1/transfers?account_id={income}"]


async def _get(http: httpx.AsyncClient, household: Household, path: str) -> httpx.Response:
    return await http.get(path, headers={"Authorization": f"ApiKey {household.secret}"})
