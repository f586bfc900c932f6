"""The app over a real database, called as a browser would: `visitor` is signed out; `admin`, `writer`, `viewer`."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from sluiceway.domain.access import Role
from sluiceway.storage.database import Database
from tests.api.app.client import Browser, open_browser
from tests.support import World, first_story, plain_engine


@pytest_asyncio.fixture
async def world(database: Database) -> World:
    """Make the accounts and the rule of the first story, enabled, in a sandbox."""
    return await first_story(plain_engine(database))


@pytest_asyncio.fixture
async def visitor(world: World) -> AsyncGenerator[Browser]:
    """Open a browser where nobody is signed in."""
    async with open_browser(world) as browser:
        yield browser


@pytest_asyncio.fixture
async def admin(visitor: Browser) -> Browser:
    """Sign in as the person who made the rules: an admin, who has just shown the password."""
    return await visitor.other().sign_in()


@pytest_asyncio.fixture
async def writer(visitor: Browser) -> Browser:
    """Sign in as a writer of the same organization."""
    return await visitor.person(Role.WRITER)


@pytest_asyncio.fixture
async def viewer(visitor: Browser) -> Browser:
    """Sign in as a viewer of the same organization."""
    return await visitor.person(Role.VIEWER)
