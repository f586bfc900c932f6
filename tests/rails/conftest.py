"""A sandbox bank with one organization; in the end, the bank's books add up."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from sluiceway.storage.database import Database
from tests.rails.customer import Customer, mismatches, new_customer


@pytest_asyncio.fixture(loop_scope="session")
async def customer(database: Database) -> AsyncGenerator[Customer]:
    yield await new_customer(database)
    assert await mismatches(database) == {}


@pytest.fixture
def checking(customer: Customer) -> str:
    return customer.account_id("checking")
