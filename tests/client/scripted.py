"""A network that does what a test says: answers, faults, and the real server behind them."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sluiceway.client import AsyncSluiceway, Environment, Retries, Sluiceway

URL: Final = "https://sluiceway.test/platform/v1"
KEY: Final = "sk_test"
ACCOUNT: Final[dict[str, Any]] = {
    "id": "01a1fe2a-23c9-7087-9301-88004bdd2979",
    "name": "Savings",
    "type": "POD",
    "canBeSource": True,
    "canBeDestination": True,
    "createdAt": "2026-01-05T14:00:00.000Z",
    "updatedAt": "2026-01-05T14:00:00.000Z",
}
TRIGGERED: Final = {"data": {"executionId": "an-execution"}, "requestId": "req-1"}

Reply = httpx.Response | Exception


def told(data: Any, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"data": data, "requestId": "req-1"}, headers=named)


def page(items: list[Any], *, has_next: bool | None = None) -> httpx.Response:
    pagination = {"page": 1, "pageSize": 2} | ({} if has_next is None else {"hasNextPage": has_next})
    return told({"items": items, "pagination": pagination})


def refused(status: int, code: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"error": {"code": code, "message": "It says why"}, "requestId": "req-7"}
    return httpx.Response(status, json=body, headers=named)


@dataclass
class Script(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives one reply after the other, the last for ever, and notes what was asked."""

    replies: list[Reply]
    asked: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        # A response is read once, so each one that is given is a new one.
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("idempotency-key") for request in self.asked]

    @property
    def pages(self) -> list[str]:
        return [request.url.params["page"] for request in self.asked]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.asked]


@dataclass
class LosingAnswers(httpx.AsyncBaseTransport):
    """Passes everything on to the real server, and loses its first answers."""

    behind: httpx.AsyncBaseTransport
    left: int
    replayed: list[bool] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.behind.handle_async_request(request)
        await response.aread()
        if self.left:
            self.left -= 1
            raise httpx.ReadError("the connection broke")
        self.replayed.append(response.headers.get("idempotent-replayed") == "true")
        return response


@dataclass
class Clock:
    """Time that passes only by sleeping; chance that is always the same; keys that are counted."""

    chance: float = 1.0
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    made: int = 0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)

    def new_key(self) -> str:
        self.made += 1
        return f"key-{self.made}"

    @property
    def environment(self) -> Environment:
        return Environment(new_key=self.new_key, chance=lambda: self.chance, monotonic=lambda: self.now)


def blocking(clock: Clock, *replies: Reply, retries: Retries | None = None) -> tuple[Sluiceway, Script]:
    script = Script(list(replies))
    client = Sluiceway(URL, KEY, transport=script, environment=clock.environment, sleep=clock.sleep, retries=retries)
    return client, script


def awaiting(clock: Clock, *replies: Reply, retries: Retries | None = None) -> tuple[AsyncSluiceway, Script]:
    script = Script(list(replies))
    client = AsyncSluiceway(
        URL, KEY, transport=script, environment=clock.environment, sleep=clock.sleep_async, retries=retries
    )
    return client, script
