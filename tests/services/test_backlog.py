"""A long queue of work that is due: whose calls are refused for it, and whose work is done meanwhile."""

import asyncio

import pytest

from sluiceway.services.admission import admit
from sluiceway.services.backlog import Backlog
from sluiceway.services.engine import Engine
from sluiceway.services.queues import Overloaded
from sluiceway.services.settlement import settle_due
from sluiceway.storage.database import fetch_all
from tests.support import World, fixed, new_world, on_demand

A_BATCH = 1000


async def world_with_a_rule(engine: Engine) -> World:
    world = await new_world(engine)
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 10_000_000)
    await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
    return world


async def trigger_often(world: World, count: int) -> None:
    for _ in range(0, count, A_BATCH):
        await admit(world.engine, [world.trigger_command("save") for _ in range(min(A_BATCH, count))])


async def due_of(world: World) -> int:
    async with world.engine.database.read() as tx:
        [[due]] = await fetch_all(
            tx,
            "SELECT count(*) FROM execution WHERE organization_id = %(id)s::uuid AND due_at IS NOT NULL",
            {"id": world.organization_id},
        )
    return due


async def test_one_trigger_beside_twenty_thousand_of_another_organization_is_settled_in_the_next_batch(engine: Engine):
    noisy, quiet = await world_with_a_rule(engine), await world_with_a_rule(engine)
    await trigger_often(noisy, 20_000)
    asked = await quiet.trigger("save")

    await settle_due(engine)

    assert (await quiet.execution(asked)).finished_at is not None
    assert await due_of(noisy) >= 19_500


async def test_who_has_too_much_due_is_refused_until_it_is_settled_and_nobody_else(engine: Engine):
    noisy, quiet = await world_with_a_rule(engine), await world_with_a_rule(engine)
    backlog = Backlog(engine, most=10, look_after=1)
    try:
        await trigger_often(noisy, 20)
        backlog.add(noisy.organization_id)
        await until(lambda: refuses(backlog, noisy))
        assert not refuses(backlog, quiet)

        await noisy.settle()
        await until(lambda: not refuses(backlog, noisy))
    finally:
        await backlog.close()


async def test_a_share_is_as_large_as_those_of_all_others_who_have_something_due(engine: Engine):
    worlds = [await world_with_a_rule(engine) for _ in range(3)]
    backlog = Backlog(engine, most=30, look_after=1)
    try:
        for world, count in zip(worlds, (9, 10, 11), strict=True):
            await trigger_often(world, count)
        await until(lambda: [refuses(backlog, world) for world in worlds] == [False, True, True])
    finally:
        await backlog.close()
        for world in worlds:
            await world.settle()


def refuses(backlog: Backlog, world: World) -> bool:
    try:
        backlog.add(world.organization_id)
    except Overloaded:
        return True
    return False


async def until(holds) -> None:
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it never came true")
