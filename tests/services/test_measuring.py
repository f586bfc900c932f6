"""What waits in the database is counted as it is, and nobody waits for one that hangs."""

import time

import pytest

from sluiceway.services import measuring
from sluiceway.services.measuring import AWAY, GAUGES, Measurer, measure
from sluiceway.storage.database import Database
from tests.db.relay import Relay
from tests.support import World, first_story, plain_engine


@pytest.fixture
async def world(database: Database) -> World:
    return await first_story(plain_engine(database))


async def test_what_is_due_is_counted_and_settled_it_is_no_more(world: World):
    before = await measure(world.engine)
    await world.deposit("income", 500_000)
    due = await measure(world.engine)
    await world.settle()
    after = await measure(world.engine)

    assert [found["executions_due"] for found in (before, due, after)] == [0, 1, 0]
    assert 0 <= due["executions_due_age_seconds"] < 60
    assert due.keys() <= GAUGES.keys()
    # Nobody settles, and nobody has looked.
    assert GAUGES.keys() - due.keys() == {"worker_heartbeat_age_seconds", "verified_age_seconds"}


async def test_what_was_committed_is_counted_by_its_ending(world: World):
    await world.deposit("income", 500_000)
    await world.settle()

    assert world.engine.tally.counted("executions") == {("executed",): 1}
    assert world.engine.tally.counted("transfers") == {("complete",): 2}


async def test_a_database_that_hangs_is_told_in_time(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measuring, "PATIENCE_S", 0.2)
    async with Relay.between(database_url) as relay, Database(relay.url) as database:
        measurer = Measurer(plain_engine(database))
        relay.is_flowing.clear()
        began = time.monotonic()
        found = await measurer.figures()
        took_s = time.monotonic() - began
        relay.is_flowing.set()
        await measurer.close()

    assert found == AWAY
    assert took_s < 1
