"""Servers of our own to read from, on loopback, which do with a request what a test says."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from sluiceway.api.app import create_app
from sluiceway.cli.serving import _quiet_server
from sluiceway.domain.access import Grant, Permission
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key

READING = {Permission.READ_ACCOUNTS: Grant(is_for_every=True), Permission.READ_RULES: Grant(is_for_every=True)}

App = Callable[..., Awaitable[None]]


@dataclass
class Source:
    """A server, and a key that may read; `faults` says which of its requests are answered otherwise."""

    engine: Engine
    organization_id: OrganizationId
    accounts: Mapping[str, AccountId]
    url: str = ""
    key: str = ""
    asked: list[str] = field(default_factory=list)
    faults: dict[int, tuple[int, list[tuple[bytes, bytes]], bytes]] = field(default_factory=dict)

    async def key_for(self, **grants: Grant) -> str:
        """Make a key that may call as often as it likes."""
        held = READING | {Permission(name): grant for name, grant in grants.items()}
        return (await create_key(self.engine, self.organization_id, "import", held, rate_limit=None))[1]

    def around(self, app: App) -> App:
        async def called(scope: Any, receive: Any, send: Any) -> None:
            self.asked.append(scope["path"])
            fault = self.faults.pop(len(self.asked), None)
            if fault is None:
                await app(scope, receive, send)
                return
            status, headers, body = fault
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return called


@asynccontextmanager
async def serving_source(
    engine: Engine, organization_id: OrganizationId, accounts: Mapping[str, AccountId]
) -> AsyncGenerator[Source]:
    """Serve on a free port of this machine."""
    made = Source(engine, organization_id, accounts)
    made.key = await made.key_for()
    edge, ready = Edge(engine), asyncio.Event()
    config = uvicorn.Config(made.around(create_app(edge)), log_config=None, access_log=False, lifespan="off")
    server = _quiet_server(config, ready.set)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        made.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        task = asyncio.create_task(server.serve(sockets=[sock]))
        await asyncio.wait_for(ready.wait(), 30)
        yield made
        server.should_exit = True
        await task
    await edge.close()
