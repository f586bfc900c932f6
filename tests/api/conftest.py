"""The real application over a real database, called without a socket."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from sluiceway.services.edge import Edge
from sluiceway.storage.database import Database
from tests.api.client import Api, open_api
from tests.support import World, first_story, plain_engine


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
    await edge.close()
