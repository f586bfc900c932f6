"""What the stories of the services begin with: an engine, a second one beside it, and an empty organization."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from sluiceway.domain.ledger import AccountKind
from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database
from tests.invariants import violations
from tests.services.town import Town, check, new_town
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


@pytest_asyncio.fixture(loop_scope="session")
async def town(engine: Engine) -> AsyncGenerator[Town]:
    """Make a world with a bank; in the end, nothing that must always hold is broken, and the audit agrees."""
    made = await new_town(engine)
    yield made
    await check(made)


@pytest_asyncio.fixture(loop_scope="session")
async def home(town: Town) -> Town:
    """Have an income with $1,000.00, a pod, and accounts at two banks, one of them with $5,000.00."""
    await town.account("income", AccountKind.INCOME_SOURCE)
    await town.account("savings")
    await town.connect("landlord")
    await town.connect("salary", 500_000)
    await town.deposit("income", 100_000)
    return town
