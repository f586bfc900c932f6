"""Calls the API as a program would, and looks at the database as nobody but a test may."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import httpx
from psycopg import sql

from sluiceway.api.app import create_app
from sluiceway.api.http import App
from sluiceway.domain.access import EVERY, Grant, Permission, TransferPair
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.edge import Edge
from sluiceway.services.keys import create_key, every_grant
from sluiceway.storage.database import Database, fetch_all
from tests.support import World

PREFIX = "/api/v1"
PLENTY = 1_000_000
"""A rate limit that no test reaches, so that the fields that tell of it are there."""


@dataclass
class Api:
    """A program with a key."""

    http: httpx.AsyncClient
    world: World
    secret: str | None
    headers: dict[str, str] = field(default_factory=dict)

    def with_secret(self, secret: str | None) -> "Api":
        return replace(self, secret=secret)

    def with_headers(self, **headers: str) -> "Api":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers=self.headers | named)

    async def with_grants(self, *grants: Permission | tuple[Permission, Grant], world: World | None = None) -> "Api":
        """Call with a new key that holds exactly these grants; a bare permission stands for every resource."""
        held = dict(grant if isinstance(grant, tuple) else (grant, whole_grant(grant)) for grant in grants)
        owner = world or self.world
        _, secret = await create_key(owner.engine, owner.organization_id, "test", held, rate_limit=PLENTY)
        return self.with_secret(secret)

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = dict(self.headers)
        if self.secret is not None:
            headers.setdefault("Authorization", f"ApiKey {self.secret}")
        headers |= more.pop("headers", {})
        url = path if path.startswith(("/sandbox", "/api", "http")) or path in ("/", "/healthz") else PREFIX + path
        return await self.http.request(method, url, headers=headers, **more)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.send("GET", path, params=query or None)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.send("POST", path, json=body, headers=headers)

    async def post_raw(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        named = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.send("POST", path, content=body, headers=named)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.send("PUT", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self.send("DELETE", path)

    def account(self, name: str) -> str:
        return format_id(IdKind.ACCOUNT, self.world.accounts[name])

    def rule(self, name: str = "auto_save") -> str:
        return format_id(IdKind.RULE, self.world.rules[name].id)


def whole_grant(permission: Permission) -> Grant:
    if permission is Permission.MANUAL_TRANSFER:
        return Grant(is_for_every=True, pairs=(TransferPair(EVERY, EVERY),))
    return every_grant()[permission]


def only(permission: Permission, *ids: str) -> tuple[Permission, Grant]:
    return permission, Grant(resources=frozenset(ids))


@asynccontextmanager
async def open_api(world: World, edge: Edge, app: App | None = None) -> AsyncGenerator[Api]:
    _, secret = await create_key(world.engine, world.organization_id, "everything", every_grant(), rate_limit=PLENTY)
    async with open_http(edge, app) as http:
        yield Api(http, world, secret)


@asynccontextmanager
async def open_http(edge: Edge, app: App | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    """Open a client, of the APIs or of another `app` over the edge.

    Closes the edge, and expects that the log has every call by somebody known exactly once.
    """
    answers: list[httpx.Response] = []

    async def keep(answer: httpx.Response) -> None:
        answers.append(answer)

    transport = httpx.ASGITransport(app or create_app(edge))
    hooks = {"response": [keep]}
    async with httpx.AsyncClient(transport=transport, base_url="http://sluiceway.test", event_hooks=hooks) as http:
        yield http
    await edge.close()
    # Whoever is known is told what is left of their rate limit.
    made = [answer.headers["x-request-id"] for answer in answers if "ratelimit" in answer.headers]
    async with edge.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT request_id FROM audit_entry WHERE path IS NOT NULL")
    assert Counter(request_id for (request_id,) in rows if request_id in set(made)) == Counter(made)


async def digest(database: Database) -> dict[str, tuple[int, str]]:
    """Count and hash the rows of every table, so that two digests tell whether anything has changed."""
    async with database.read() as tx:
        tables = await fetch_all(
            tx,
            # Every call is logged and counted, also one that changes nothing.
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename !~ 'migration|^audit_|^call_bucket$|^worker_' ORDER BY 1",
        )
        found: dict[str, tuple[int, str]] = {}
        for (table,) in tables:
            query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(table))
            rows = [row[0] for row in await fetch_all(tx, query)]  # type: ignore[arg-type]
            found[table] = (len(rows), sha256("\n".join(rows).encode()).hexdigest())
    return found


def assert_refused(answer: httpx.Response, status: int, code: str, says: Iterable[str] = ()) -> None:
    """Expect an error in its documented envelope, with its request id in both places."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    body: Mapping[str, Any] = answer.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message"}
    assert body["request_id"] == answer.headers["x-request-id"]
    for word in says:
        assert word in body["error"]["message"], body["error"]["message"]
