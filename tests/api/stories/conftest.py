"""The stage on which every story is told, in a world where in the end nothing is broken."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from sluiceway.storage.database import Database, DatabaseOptions
from tests.api.client import Api
from tests.api.stories.stage import SPEAKERS, Stage
from tests.invariants import violations
from tests.watching import watching


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """Tell the stories as on a cluster, where no statement may name two organizations."""
    async with Database(database_url, DatabaseOptions(organizations_at_once=1)) as opened:
        with watching() as watch:
            yield opened
        assert watch.seen
        assert watch.crossing == []


@pytest_asyncio.fixture
async def stage(api: Api, request: pytest.FixtureRequest) -> AsyncGenerator[Stage]:
    """Let everybody arrive; `told_by` says who tells the story."""
    speakers = [await speaker.arrive(api.http, api.world) for speaker in SPEAKERS]
    yield Stage(api, [*speakers], getattr(request, "param", None))
    assert await violations(api.world.engine.database) == {}
