"""Calls the app as one of its pages would: with a session's cookie, and with the headers that a browser adds."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from psycopg import AsyncConnection

from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, PersonId, format_id
from sluiceway.services.edge import Edge
from sluiceway.services.organizations import create_person
from sluiceway.storage.credentials import Person
from sluiceway.wiring import application
from tests.support import PASSWORD, World

HOST = "http://sluiceway.test"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "X-Requested-By": "sluiceway"}
"""What a browser and our pages send with what changes something."""


@dataclass
class Browser:
    """A browser at the app: signed in or not, with a cookie jar of its own."""

    http: httpx.AsyncClient
    world: World
    edge: Edge
    email: str

    def __post_init__(self) -> None:
        self.cookies: dict[str, str] = {}

    async def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Send a request as a page does, and keep the cookie that comes back."""
        sent = {} if method in ("GET", "HEAD") else dict(OWN_PAGE)
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.http.request(method, f"/app{path}", headers=sent | (headers or {}), **more)
        for name, value in answer.cookies.items():
            self.cookies[name] = value
        self.http.cookies.clear()
        return answer

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.send("GET", path, params=query or None)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("POST", path, json=body, headers=named)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.send("PUT", path, json=body)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.send("PATCH", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self.send("DELETE", path)

    async def sign_in(self, password: str = PASSWORD) -> "Browser":
        """Sign in, which must work."""
        answer = await self.post("/sign-in", {"email": self.email, "password": password})
        assert answer.status_code == 200, answer.text
        return self

    async def reauthenticate(self, password: str = PASSWORD) -> None:
        """Show the password again, which must work."""
        assert (await self.post("/reauthenticate", {"password": password})).status_code == 200

    async def age(self, minutes: int) -> None:
        """Let it be so many minutes ago that this organization's people have shown a password."""
        async with self.edge.engine.database.lend() as tx:
            conn: AsyncConnection = tx.conn
            await conn.execute(
                "UPDATE session SET reauthenticated_at = reauthenticated_at - make_interval(mins => %s::integer)",
                [minutes],
            )

    def other(self, email: str | None = None) -> "Browser":
        """Open another browser, where nobody is signed in."""
        return replace(self, email=email or self.email)

    async def person(self, role: Role, email: str | None = None) -> "Browser":
        """Add a person to the organization, and sign them in from a browser of their own."""
        email = email or f"{role.lower()}@example.com"
        await add_person(self.world, role, email)
        return await self.other(email).sign_in()

    def account(self, name: str) -> str:
        return format_id(IdKind.ACCOUNT, self.world.accounts[name])

    def rule(self, name: str = "auto_save") -> str:
        return format_id(IdKind.RULE, self.world.rules[name].id)


async def add_person(world: World, role: Role, email: str) -> PersonId:
    """Add a person with the password that all people of tests have."""
    return await create_person(world.engine, world.organization_id, email, PASSWORD, role)


@asynccontextmanager
async def open_browser(world: World) -> AsyncGenerator[Browser]:
    """Open a browser where nobody is signed in; it knows the address of the organization's first person."""
    edge = Edge(world.engine)
    person: Person = world.person
    transport = httpx.ASGITransport(application(edge))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
        yield Browser(http, world, edge, person.email)
    await edge.close()


def assert_refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Expect a refusal in the app's envelope; give what it says."""
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told.get("error", {}).get("code")) == (status, code), answer.text
    assert set(told) == {"error", "requestId"}
    assert set(told["error"]) == {"code", "message", "errors"}
    assert told["requestId"] == answer.headers["x-request-id"]
    return told["error"]
