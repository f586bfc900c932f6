"""The platform generation of the real application over a real database, called without a socket."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from sluiceway.services.edge import Edge
from tests.api.client import digest
from tests.api.platform.client import Platform, open_platform
from tests.support import World


@pytest_asyncio.fixture
async def platform(world: World) -> AsyncGenerator[Platform]:
    """Open a client with a key that may do everything."""
    edge = Edge(world.engine)
    async with open_platform(world, edge) as opened:
        yield opened


@pytest_asyncio.fixture
async def untouched(platform: Platform) -> AsyncGenerator[None]:
    """Compare every row before and after the test."""
    before = await digest(platform.world.engine.database)
    yield
    assert await digest(platform.world.engine.database) == before
