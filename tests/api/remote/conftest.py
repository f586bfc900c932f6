"""A program that calls the remote API of a small world."""

import pytest_asyncio

from tests.api.client import Api
from tests.api.remote.client import Remote, open_remote


@pytest_asyncio.fixture
async def remote(api: Api) -> Remote:
    return await open_remote(api.http, api.world)
