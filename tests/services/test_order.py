"""Several rules on one account: they run in their order, each seeing what the one before left."""

import asyncio

from sluiceway.services.engine import Engine
from sluiceway.services.rules import disable_rule, enable_rule
from sluiceway.services.settlement import settle_due
from tests.support import (
    PASSWORD,
    World,
    locked_from_outside,
    percent,
    somebody_waits,
    whenever_money_arrives,
)


async def halves(world: World) -> None:
    """Three rules that each take half of what they find in the same account."""
    await world.account("income")
    for name in ("first", "second", "third"):
        await world.account(name)
        await world.rule(name, whenever_money_arrives("income", percent(50, "income", name)))


async def test_each_rule_sees_what_the_one_before_left(world: World):
    await halves(world)

    await world.deposit("income", 80_000)

    assert await world.settle() == 3
    assert await world.balances() == {"income": 10_000, "first": 40_000, "second": 20_000, "third": 10_000}
    assert [rule.position for rule in world.rules.values()] == [1, 2, 3]


async def test_the_order_is_the_position_and_not_when_a_rule_was_enabled(world: World):
    await halves(world)
    first = world.rules["first"]
    await disable_rule(world.engine, world.organization_id, first.id, "")
    await enable_rule(world.engine, world.person, PASSWORD, first.id, first.fingerprint)

    await world.deposit("income", 80_000)
    await world.settle()

    assert await world.balances() == {"income": 10_000, "first": 40_000, "second": 20_000, "third": 10_000}


async def test_the_order_holds_when_every_batch_has_one_execution(world: World):
    await halves(world)
    await world.deposit("income", 80_000)

    while await settle_due(world.engine, limit=1):
        pass

    assert await world.balances() == {"income": 10_000, "first": 40_000, "second": 20_000, "third": 10_000}


async def test_the_order_holds_with_two_workers_at_once(world: World, other_engine: Engine):
    await halves(world)
    await world.deposit("income", 80_000)

    async def work(engine: Engine) -> None:
        for _ in range(10):
            await settle_due(engine, limit=1)

    await asyncio.gather(work(world.engine), work(other_engine))

    assert await world.balances() == {"income": 10_000, "first": 40_000, "second": 20_000, "third": 10_000}


async def test_the_rules_of_one_deposit_all_run_before_those_of_the_next(world: World):
    await halves(world)
    await world.deposit("income", 8_000)
    await world.deposit("income", 8_000)

    await world.settle()

    order = [run.rule_id for run in await world.executions()]
    assert order == [world.rules[name].id for name in ("first", "second", "third") * 2]
    assert await world.balances() == {"income": 250, "first": 9_000, "second": 4_500, "third": 2_250}


async def test_while_one_worker_is_inside_another_leaves_the_organization_to_it(
    world: World, other_engine: Engine, database_url: str
):
    await halves(world)
    await world.deposit("income", 80_000)
    async with locked_from_outside(database_url, world.accounts["income"]) as holder:
        inside = asyncio.create_task(settle_due(world.engine, limit=1))
        await somebody_waits(database_url, "lock_accounts")

        assert await settle_due(other_engine) == 0
        await holder.rollback()
        assert await inside == 1

    await world.settle()
    assert await world.balances() == {"income": 10_000, "first": 40_000, "second": 20_000, "third": 10_000}
