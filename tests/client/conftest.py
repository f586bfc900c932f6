"""The client against the real application: over a transport in memory, and over a socket."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import httpx
import pytest_asyncio

from sluiceway.api.app import create_app
from sluiceway.cli.serving import serve_until
from sluiceway.client import AsyncSluiceway
from sluiceway.services.edge import Edge
from sluiceway.services.keys import create_key, every_grant
from sluiceway.settings import Settings
from sluiceway.storage.database import Database
from sluiceway.wiring import running
from tests.client.scripted import URL
from tests.invariants import violations
from tests.support import World, first_story, plain_engine


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncGenerator[World]:
    """Make the accounts and the rule of the first story, enabled; in the end, everything adds up."""
    made = await first_story(plain_engine(database))
    yield made
    assert await violations(database) == {}


@pytest_asyncio.fixture
async def secret(world: World) -> str:
    """Make a key that may do everything."""
    _, secret = await create_key(world.engine, world.organization_id, "everything", every_grant())
    return secret


@pytest_asyncio.fixture
async def application(world: World) -> AsyncGenerator[httpx.ASGITransport]:
    """Call the application without a socket."""
    edge = Edge(world.engine)
    yield httpx.ASGITransport(create_app(edge))
    await edge.close()


@pytest_asyncio.fixture
async def client(application: httpx.ASGITransport, secret: str) -> AsyncGenerator[AsyncSluiceway]:
    """Open a client that awaits."""
    async with AsyncSluiceway(URL, secret, transport=application) as opened:
        yield opened


@pytest_asyncio.fixture
async def url(world: World, database: Database) -> AsyncGenerator[str]:
    """Serve on a free port of this machine, with a worker beside it; give the address."""
    ready, stop = asyncio.Event(), asyncio.Event()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        async with running(database, Settings()) as parts:
            serving = asyncio.create_task(serve_until(stop, parts, sock, ready.set))
            await asyncio.wait_for(ready.wait(), 30)
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
            stop.set()
            await serving
