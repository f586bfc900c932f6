"""What the stories of the services begin with: an engine, a second one beside it, and an empty organization."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database
from tests.invariants import violations
from tests.support import World, new_world, plain_engine


@pytest.fixture
def engine(database: Database) -> Engine:
    return plain_engine(database)


@pytest_asyncio.fixture(loop_scope="session")
async def other_engine(database_url: str) -> AsyncGenerator[Engine]:
    """Another process, as far as the database can tell: a pool and memory of its own."""
    async with Database(database_url) as opened:
        yield plain_engine(opened)


@pytest_asyncio.fixture(loop_scope="session")
async def world(engine: Engine) -> AsyncGenerator[World]:
    """Make an empty organization; in the end, nothing that must always hold is broken."""
    yield await new_world(engine)
    assert await violations(engine.database) == {}
