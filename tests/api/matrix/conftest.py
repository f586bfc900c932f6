"""One stage for a module's combinations: the real application over a real database, called without a socket."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from sluiceway.services.edge import Edge
from sluiceway.services.keys import create_key, every_grant
from sluiceway.storage.database import Database
from tests.api.client import PLENTY, Api, open_api
from tests.api.matrix.keys import remote_secrets
from tests.api.matrix.stage import Stage, set_stage
from tests.api.outside import on_monday
from tests.support import first_story, plain_engine


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(module_database_url: str) -> AsyncGenerator[Stage]:
    """Furnish our organization and a neighbour's, their clocks standing still."""
    async with Database(module_database_url) as database:
        engine = plain_engine(database)
        async with open_api(await first_story(engine), Edge(engine, most_guesses=PLENTY)) as ours:
            world = await first_story(engine)
            _, secret = await create_key(engine, world.organization_id, "neighbour", every_grant(), rate_limit=PLENTY)
            theirs = Api(ours.http, world, secret)
            for api in (ours, theirs):
                await on_monday(api)
            furnished = await set_stage(ours, theirs)
            await remote_secrets(furnished)
            yield furnished
