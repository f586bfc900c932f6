"""Deposits and triggers become executions that end, and money that adds up."""

import asyncio

import pytest

from sluiceway.domain.errors import IdempotencyKeyMismatch, RuleDisabled
from sluiceway.domain.ids import ExecutionId
from sluiceway.services.admission import admit
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import disable_rule
from sluiceway.storage.database import Database
from sluiceway.storage.executions import find_execution
from tests.support import World, first_story, plain_engine


@pytest.fixture
async def world(database: Database) -> World:
    return await first_story(plain_engine(database))


async def execution(world: World, execution_id: bytes):
    async with world.engine.database.read() as tx:
        found = await find_execution(tx, world.organization_id, ExecutionId(execution_id.decode()))
    assert found is not None
    return found


async def test_a_deposit_fires_the_rule_and_a_fifth_is_saved(world: World) -> None:
    await world.deposit("income", 500_000)

    assert await world.settle() == 1
    assert await world.balances() == {"income": 400_000, "savings": 100_000, "emergency": 0}


async def test_a_small_deposit_runs_the_fallback_step(world: World) -> None:
    await world.deposit("income", 3_000)

    assert await world.settle() == 1
    assert await world.balances() == {"income": 0, "savings": 0, "emergency": 3_000}


async def test_a_trigger_with_one_key_is_one_execution_however_often_it_is_sent(world: World) -> None:
    await world.deposit("income", 1_000_000)
    await world.settle()
    commands = [world.trigger_command("auto_save", 150_000, "key") for _ in range(10)]

    batches = await asyncio.gather(*(admit(world.engine, commands) for _ in range(5)))

    answers = [answer for batch in batches for answer in batch]
    assert len({answer.body for answer in answers if isinstance(answer, Answer)}) == 1
    assert [isinstance(answer, Answer) and answer.is_replay for answer in answers].count(False) == 1
    assert await world.settle() == 1
    assert await world.balances() == {"income": 770_000, "savings": 230_000, "emergency": 0}
    ran = await execution(world, answers[0].body)
    assert ran.counts == (1, 1, 0, 0)
    assert ran.trace is not None


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    first = await world.trigger("auto_save", 150_000, "key")
    second = await world.trigger("auto_save", 150_001, "key")

    assert isinstance(first, Answer)
    assert isinstance(second, IdempotencyKeyMismatch)


async def test_a_disabled_rule_is_not_triggered_and_what_was_admitted_before_moves_nothing(world: World) -> None:
    await world.deposit("income", 1_000_000)
    admitted = await world.trigger("auto_save", None)
    await disable_rule(world.engine, world.organization_id, world.rules["auto_save"].id, "")

    refused = await world.trigger("auto_save")

    assert isinstance(refused, RuleDisabled)
    assert await world.settle() == 2
    assert await world.balances() == {"income": 1_000_000, "savings": 0, "emergency": 0}
    ran = await execution(world, admitted.body)
    assert (ran.status, ran.error_message) == (
        "FAILED",
        "The rule was changed or disabled before this run could start.",
    )
