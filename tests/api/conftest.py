"""The real application over a real database, called without a socket."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from sluiceway.domain.ledger import AccountKind
from sluiceway.services.edge import Edge
from sluiceway.storage.database import Database
from tests.api.client import Api, digest, open_api
from tests.support import World, first_story, new_world, plain_engine


@pytest_asyncio.fixture
async def world(database: Database) -> World:
    """Make the accounts and the rule of the first story, enabled."""
    return await first_story(plain_engine(database))


@pytest_asyncio.fixture
async def api(world: World) -> AsyncGenerator[Api]:
    """Open a client with a key that may do everything."""
    edge = Edge(world.engine)
    async with open_api(world, edge) as opened:
        yield opened


@pytest_asyncio.fixture
async def live(database: Database) -> AsyncGenerator[Api]:
    """Open a client of an organization whose money is real."""
    world = await new_world(plain_engine(database), is_sandbox=False)
    await world.account("income", AccountKind.INCOME_SOURCE)
    edge = Edge(world.engine)
    async with open_api(world, edge) as opened:
        yield opened


@pytest_asyncio.fixture
async def unchanged(api: Api) -> AsyncGenerator[None]:
    """Compare every row before and after the test."""
    before = await digest(api.world.engine.database)
    yield
    assert await digest(api.world.engine.database) == before
