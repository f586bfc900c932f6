"""A world whose events are sent to a server on loopback, with a clock that a test moves on."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from sluiceway.domain.ids import EndpointId, least_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.delivering import tell, waiting_organizations
from sluiceway.services.engine import Engine
from sluiceway.services.retention import forget, forgetful_organizations
from sluiceway.services.webhooks import create_endpoint, get_endpoint, list_deliveries
from sluiceway.storage.database import fetch_all
from sluiceway.storage.webhooks import Delivery, Endpoint
from tests.outbound.servers import Answer, Server, allowing, replying, serving
from tests.support import World, new_world
from tests.taxes import headers

OK = replying(204)
_TIME = slice(0, 13)


class Request(NamedTuple):
    """What arrived at a path."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Post:
    """A world, the server that hears of it, and what that answers: by path, one after the other, the last for ever."""

    world: World
    server: Server
    database_url: str
    endpoint: EndpointId = field(init=False)
    """The one made last."""
    shift: timedelta = timedelta(0)
    _answers: dict[str | None, list[Answer]] = field(default_factory=lambda: {None: [OK]})

    @property
    def engine(self) -> Engine:
        return self.world.engine

    @property
    def now(self) -> datetime:
        return self.engine.now()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.port}/{path}"

    async def listen(self, *events: str, path: str = "hook") -> str:
        """Add an endpoint; give its secret."""
        made, secret = await create_endpoint(self.engine, self.world.organization_id, self.url(path), events)
        self.endpoint = made.id
        return secret

    def answers(self, *answers: Answer, path: str | None = None) -> None:
        self._answers[path] = list(answers)

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        # Nobody else has had a turn since the request was noted.
        path = _read(self.server.requests[-1]).path
        left = self._answers.get(path, self._answers[None])
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            await answer(writer)

    def wait(self, **delay: float) -> None:
        """Let real time pass."""
        self.shift += timedelta(**delay)

    async def happen(self, times: int = 1) -> None:
        """Let money arrive, which is one event each time."""
        for _ in range(times):
            await self.world.deposit("income", 100)

    async def tell(self) -> int:
        """Send all that is due now; tell how much that was."""
        return await tell(self.engine, self.world.organization_id)

    async def is_waiting(self) -> bool:
        return await waiting_organizations(self.engine) != []

    async def forget(self) -> int:
        """Forget what is old; tell how much that was."""
        return sum([await forget(self.engine, each) for each in await forgetful_organizations(self.engine)])

    async def log(self) -> list[Delivery]:
        return await list_deliveries(self.engine, self.world.organization_id, limit=1000)

    async def found(self) -> Endpoint:
        """Read the endpoint that was made last."""
        return await get_endpoint(self.engine, self.world.organization_id, self.endpoint, self.endpoint)

    def requests(self, path: str | None = None) -> list[Request]:
        read = [_read(request) for request in self.server.requests]
        return [request for request in read if path in (None, request.path)]

    def heard(self, path: str | None = None) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests(path)]

    def kinds(self, path: str | None = None) -> list[str]:
        return [heard["type"] for heard in self.heard(path)]

    def ids(self, path: str | None = None) -> list[str]:
        """List the ids of the messages that arrived."""
        return [request.headers["webhook-id"] for request in self.requests(path)]

    async def event_ids(self) -> list[str]:
        """List the events that there are, oldest first."""
        async with self.engine.database.read() as tx:
            return [row[0] for row in await fetch_all(tx, "SELECT id FROM outbox ORDER BY id")]

    @asynccontextmanager
    async def as_owner(self) -> AsyncGenerator[psycopg.AsyncConnection]:
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as conn:
            yield conn


@asynccontextmanager
async def posting(engine: Engine, database_url: str) -> AsyncGenerator[Post]:
    """Make a world with an income and savings, and a server that its events may be sent to."""
    world = await new_world(engine)
    async with serving() as server, allowing(server) as outbound:
        post = Post(world, server, database_url)
        server.answer = post.answer
        real = engine

        def now() -> datetime:
            return real.now() + post.shift

        def new_id() -> str:
            # Ids are in the order of the same time. The shift keeps the order of those of one moment.
            made = real.new_id()
            at = timedelta(milliseconds=int(made[_TIME].replace("-", ""), 16)) + post.shift
            return least_id(_EPOCH + at)[_TIME] + made[13:]

        world.engine = replace(engine, now=now, new_id=new_id, outbound=outbound)
        await world.account("income", AccountKind.INCOME_SOURCE)
        await world.account("savings")
        yield post


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _read(request: bytes) -> Request:
    path = request.split(b" ")[1].decode().removeprefix("/")
    return Request(path, headers(request), request.partition(b"\r\n\r\n")[2].decode())
