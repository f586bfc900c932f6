"""Leases: nobody takes more at once than was meant, and what is taken is taken by one."""

import asyncio
from datetime import timedelta

import pytest_asyncio

from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.storage import executions, feeds, legs
from sluiceway.storage.database import WriteTx
from tests.banked import connect, time_of
from tests.support import World, on_demand
from tests.taxes import make_taxed


@pytest_asyncio.fixture(loop_scope="session")
async def taxed(world: World) -> World:
    return await make_taxed(world)


async def claimed(world: World, engine: Engine, kind: str, limit: int) -> list[str]:
    """Lease some of what is due; name it."""
    at, now = await time_of(world), engine.now()
    until = now + timedelta(seconds=30)
    of = world.organization_id

    async def work(tx: WriteTx) -> list[str]:
        if kind == "gathering":
            runs = await executions.claim_gathering(tx, of, at=at, now=now, leased_until=until, limit=limit)
            return [run.id for run in runs]
        if kind == "feeds":
            found = await feeds.claim_feeds(tx, of, at=at, now=now, leased_until=until, limit=limit)
            return [feed.subject_id for feed in found]
        taken = await legs.claim_legs(tx, of, at=at, now=now, leased_until=until, is_paused=False, limit=limit)
        return [leg.id for leg in taken]

    return await engine.database.write(work)


async def make_due(world: World, count: int) -> None:
    """Let so many runs wait for amounts, so many payments for their bank, and so many accounts for a look."""
    for number in range(count):
        await connect(world, f"bank {number}", 1_000)
        await world.transfer("income", f"bank {number}", 100)
    url = "https://tax.example/amount"
    action = {"type": "REMOTE_AMOUNT", "url": url, "source": "income", "destination": "taxes"}
    await world.rule("tax", on_demand("income", action))
    await admit(world.engine, [world.trigger_command("tax") for _ in range(count)])
    await world.settle()


async def test_no_more_is_claimed_than_was_asked_for(taxed: World):
    await make_due(taxed, 25)

    for kind, more in (("gathering", 0), ("feeds", 1), ("legs", 0)):
        taken = [await claimed(taxed, taxed.engine, kind, limit) for limit in (1, 8, 10, 100, 100)]
        assert [len(each) for each in taken] == [1, 8, 10, 6 + more, 0], kind
        together = [id_ for each in taken for id_ in each]
        assert len(set(together)) == len(together), kind


async def test_what_several_claim_at_once_is_claimed_by_one_of_them(taxed: World, other_engine: Engine):
    await make_due(taxed, 25)

    for kind in ("gathering", "feeds", "legs"):
        engines = [taxed.engine, other_engine] * 4
        taken = await asyncio.gather(*[claimed(taxed, engine, kind, 5) for engine in engines])
        together = [id_ for each in taken for id_ in each]
        assert len(set(together)) == len(together) >= 20, kind
        assert max(map(len, taken)) <= 5, kind
