"""Promises of reading: many callers share a round trip, and none of them notices."""

import asyncio
import random

import psycopg
import pytest

from sluiceway.storage.database import Database, DatabaseUnavailable, fetch_all, fetch_one
from tests.db.relay import Relay


async def say(database: Database, text: str, wait_s: float = 0) -> str:
    async with database.read() as tx:
        row = await fetch_one(tx, "SELECT %(text)s FROM pg_sleep(%(wait_s)s)", {"text": text, "wait_s": wait_s})
    assert row is not None
    return row[0]


async def test_everybody_gets_the_answer_to_what_they_asked(jars: Database):
    names = [f"caller {number}" for number in range(500)]

    assert await asyncio.gather(*(say(jars, name) for name in names)) == names


async def test_a_caller_that_is_cancelled_leaves_nobody_with_its_answer(jars: Database):
    chance = random.Random(1)
    for _ in range(30):
        names = [f"caller {number}" for number in range(40)]
        calls = [asyncio.create_task(say(jars, name)) for name in names]
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
        gone = set(chance.sample(range(len(calls)), 15))
        for number in gone:
            calls[number].cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [answers[number] for number in range(40) if number not in gone] == [
            name for number, name in enumerate(names) if number not in gone
        ]


async def test_a_bad_statement_fails_its_caller_alone(jars: Database):
    async def stumble() -> None:
        async with jars.read() as tx:
            await fetch_all(tx, "SELECT 1 / 0")

    answers = await asyncio.gather(
        *(say(jars, "before") for _ in range(5)),
        stumble(),
        *(say(jars, "after") for _ in range(5)),
        return_exceptions=True,
    )

    assert isinstance(answers.pop(5), psycopg.errors.DivisionByZero)
    assert answers == ["before"] * 5 + ["after"] * 5


async def test_what_one_statement_commits_the_next_one_of_its_caller_sees(jars: Database):
    async def pour(jar: int) -> int:
        async with jars.read() as tx:
            await fetch_all(tx, "UPDATE jar SET cents = cents + 1 WHERE id = %(jar)s RETURNING id", {"jar": jar})
            row = await fetch_one(tx, "SELECT cents FROM jar WHERE id = %(jar)s", {"jar": jar})
        assert row is not None
        return row[0]

    assert await asyncio.gather(pour(1), pour(2), say(jars, "hello")) == [101, 101, "hello"]


async def test_a_slow_statement_does_not_hold_up_those_that_come_later(jars: Database):
    slow = asyncio.create_task(say(jars, "slow", 1))
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()

    assert await asyncio.gather(*(say(jars, "quick") for _ in range(50))) == ["quick"] * 50
    assert asyncio.get_running_loop().time() - began < 0.7
    assert await slow == "slow"


@pytest.mark.slow
async def test_a_database_that_is_away_fails_everybody_at_once(jars_url: str):
    async with Relay.between(jars_url) as relay, Database(relay.url) as database:
        await say(database, "hello")
        relay.hang_up()
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(say(database, "anybody?") for _ in range(30)), return_exceptions=True)

    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert asyncio.get_running_loop().time() - began < 12, "one after the other it takes half a minute"
