"""Calls /platform/v1 as a program would."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from sluiceway.domain.access import Grant, Permission
from sluiceway.services.edge import Edge
from sluiceway.services.keys import create_key, every_grant
from tests.api.client import PLENTY, Api, open_http, whole_grant
from tests.support import World

PREFIX = "/platform/v1"


@dataclass
class Platform:
    """A program with a key. `v1` is the same key in the other generation and at the sandbox's controls."""

    http: httpx.AsyncClient
    world: World
    secret: str | None
    headers: dict[str, str] = field(default_factory=dict)
    prefix: str = PREFIX
    edge: Edge | None = None

    @property
    def v1(self) -> Api:
        return Api(self.http, self.world, self.secret)

    def with_secret(self, secret: str | None) -> "Platform":
        return replace(self, secret=secret)

    def with_headers(self, **headers: str) -> "Platform":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers=self.headers | named)

    def under(self, prefix: str) -> "Platform":
        return replace(self, prefix=prefix)

    async def with_grants(self, *grants: Permission | tuple[Permission, Grant]) -> "Platform":
        """Call with a new key that holds exactly these grants; a bare permission stands for every resource."""
        held = dict(grant if isinstance(grant, tuple) else (grant, whole_grant(grant)) for grant in grants)
        _, secret = await create_key(self.world.engine, self.world.organization_id, "test", held, rate_limit=PLENTY)
        return self.with_secret(secret)

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = dict(self.headers)
        if self.secret is not None:
            headers.setdefault("Authorization", f"Bearer {self.secret}")
        headers |= more.pop("headers", {})
        return await self.http.request(method, self.prefix + path, headers=headers, **more)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.send("GET", path, params=query or None)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        return await self.send("POST", path, json=body, headers={} if key is None else {"idempotency-key": key})

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.send("PATCH", path, json=body)

    async def read(self, path: str, **query: Any) -> Any:
        """Give the data of an answer that must be there."""
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"data", "requestId"}
        return answer.json()["data"]

    async def items(self, path: str, **query: Any) -> list[Any]:
        """Give the entries of a page that must be there."""
        data = await self.read(path, **query)
        assert set(data) == {"items", "pagination"}
        return data["items"]

    def account(self, name: str) -> str:
        return self.world.accounts[name]

    def rule(self, name: str = "auto_save") -> str:
        return self.world.rules[name].id


@asynccontextmanager
async def open_platform(world: World, edge: Edge) -> AsyncGenerator[Platform]:
    _, secret = await create_key(world.engine, world.organization_id, "everything", every_grant(), rate_limit=PLENTY)
    async with open_http(edge) as http:
        yield Platform(http, world, secret, edge=edge)


def assert_refused(answer: httpx.Response, status: int, code: str, message: str | Iterable[str] = ()) -> None:
    """Expect an error in its documented envelope; a text is the whole message, a list what it says among others."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    body = answer.json()
    assert set(body) == {"error", "requestId"}
    assert set(body["error"]) == {"code", "message"}
    assert body["requestId"] == answer.headers["x-request-id"]
    if isinstance(message, str):
        assert body["error"]["message"] == message
    for word in () if isinstance(message, str) else message:
        assert word in body["error"]["message"], body["error"]["message"]
