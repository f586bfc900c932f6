"""A database that is away, full or silent: what whoever asks the server for something is told meanwhile, and when."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sluiceway.services.edge import Edge
from sluiceway.services.organizations import create_person
from sluiceway.services.remote_access import create_token
from sluiceway.storage.database import Database
from tests.api.client import open_http
from tests.api.posts import Stage, set_stage
from tests.cuts.campaign import served
from tests.db.relay import Relay, Way
from tests.support import PASSWORD, real_engine

TOLD_WITHIN_S: Final = 2.0
NORMAL_WITHIN_S: Final = 5.0
NOTICED_WITHIN_S: Final = 15.0
AT_ONCE: Final = 2
"""How many ask for each thing at once."""
_OWN_PAGE: Final = {"Sec-Fetch-Site": "same-origin", "X-Requested-By": "sluiceway"}


@dataclass(frozen=True)
class Ask:
    """One kind of request, and what is answered when all is well."""

    method: str
    path: str
    body: dict[str, Any] | None
    headers: dict[str, str]
    status: int
    at_once: int = AT_ONCE
    is_endless: bool = False
    """Whether it is answered by a stream, of which only the head is awaited."""


@dataclass(frozen=True)
class Told:
    """One answer."""

    ask: Ask
    status: int
    retry_after: str | None
    took_s: float
    at: float


@dataclass
class Scene:
    """A real server behind a line that can be troubled, and one of each kind of request."""

    relay: Relay
    http: httpx.AsyncClient
    asks: list[Ask]
    at_start: int
    """How many connections the server made in its first seconds, with everybody asking."""
    odd: dict[str, int] = field(default_factory=dict[str, int])
    """What was last answered in another way than when all is well."""

    async def ask(self, ask: Ask) -> Told:
        began = time.monotonic()
        async with self.http.stream(ask.method, ask.path, json=ask.body, headers=ask.headers) as answer:
            if not ask.is_endless or answer.status_code != ask.status:
                await answer.aread()
                assert answer.json(), "a refusal says something"
        now = time.monotonic()
        self.http.cookies.clear()
        return Told(ask, answer.status_code, answer.headers.get("retry-after"), now - began, now)

    async def everybody(self) -> list[Told]:
        """Ask for everything, by several at once."""
        return await asyncio.gather(*(self.ask(ask) for ask in self.asks for _ in range(ask.at_once)))

    async def for_a_while(self, seconds: float) -> list[Told]:
        """Ask for everything again and again."""
        until, told = time.monotonic() + seconds, list[Told]()
        while time.monotonic() < until:
            told += await self.everybody()
            await asyncio.sleep(0.1)
        return told

    async def is_normal(self) -> bool:
        self.odd = {told.ask.path: told.status for told in await self.everybody() if told.status != told.ask.status}
        return not self.odd

    async def heal(self) -> tuple[float, int]:
        """Wait until all is as ever; tell how long that took, and how many connections were made by then and after."""
        began = time.monotonic()
        odd: list[dict[str, int]] = []
        while not await self.is_normal():
            odd.append(self.odd)
            assert time.monotonic() - began < 4 * NORMAL_WITHIN_S, f"it does not heal: {self.odd}"
            await asyncio.sleep(0.05)
        took_s = time.monotonic() - began
        assert took_s <= NORMAL_WITHIN_S, (took_s, odd)
        await self.for_a_while(max(0.5, NORMAL_WITHIN_S - took_s))
        return took_s, sum(at >= began for at in self.relay.connected_at)


@asynccontextmanager
async def scene(database_url: str) -> AsyncGenerator[Scene]:
    """Set the stage; everything that is asked for is there."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        engine = real_engine(database)
        async with open_http(Edge(engine)) as inside:
            stage = await set_stage(engine, inside, "away@example.com")
        # Whoever signs in again and again has too many sessions soon, and their first ones end: somebody else's stay.
        await create_person(engine, stage.api.world.organization_id, SIGNS_IN, PASSWORD)
        _, token = await create_token(engine, stage.api.world.organization_id, "away", None)
        relay = await stack.enter_async_context(Relay.between(database_url))
        server = await stack.enter_async_context(served(relay.url))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, timeout=60, limits=_MANY))
        before = len(relay.connected_at)
        made = Scene(relay, http, await _asks(stage, http, token), 0)
        deadline = time.monotonic() + 20
        while not await made.is_normal():
            assert time.monotonic() < deadline, await made.everybody()
        await made.for_a_while(NORMAL_WITHIN_S - 2)
        made.at_start = len(relay.connected_at) - before
        yield made


SIGNS_IN: Final = "again-and-again@example.com"
_MANY: Final = httpx.Limits(max_connections=200)


async def _asks(stage: Stage, http: httpx.AsyncClient, token: str) -> list[Ask]:
    key = {"Authorization": f"ApiKey {stage.api.secret}"}
    bearer = {"Authorization": f"Bearer {stage.api.secret}"}
    email = {"email": stage.api.world.person.email, "password": PASSWORD}
    signed_in = await http.post("/app/sign-in", json=email, headers=_OWN_PAGE)
    assert signed_in.status_code == 200, signed_in.text
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in signed_in.cookies.items())}
    http.cookies.clear()
    names = stage.names
    money = {
        "source_account_id": names["savings"],
        "destination_account_id": names["emergency"],
        "amount_in_cents": 100,
    }
    camel = {"sourceAccountId": names["savings"], "destinationAccountId": names["emergency"], "amountInCents": 100}
    return [
        Ask("GET", "/readyz", None, {}, 200),
        Ask("GET", "/api/v1/accounts", None, key, 200),
        Ask("GET", f"/api/v1/rules/{names['rule']}", None, key, 200),
        Ask("POST", f"/api/v1/rules/{names['rule']}/trigger", {"manual_execute_amount": 1}, key, 200),
        Ask("POST", "/api/v1/transfers", money, key, 201),
        Ask("POST", "/sandbox/deposits", {"account_id": names["income"], "amount_in_cents": 1}, key, 201),
        Ask("GET", "/sandbox/clock", None, key, 200),
        Ask("GET", "/platform/v1/accounts", None, bearer, 200),
        Ask("POST", "/platform/v1/transfers", camel, bearer, 201),
        Ask("POST", "/accounts", {}, {"x-sequence-access-token": f"Bearer {token}"}, 200),
        Ask(
            "POST",
            f"/remote-api/rules/{names['ru']}/trigger",
            {},
            {"x-sequence-signature": f"Bearer {stage.remote_secret}"},
            200,
        ),
        Ask("GET", "/app/session", None, cookie, 200),
        Ask("GET", "/app/accounts", None, cookie, 200),
        Ask("GET", "/app/overview", None, cookie, 200),
        Ask("GET", "/app/events", None, cookie, 200, at_once=1, is_endless=True),
        Ask("POST", "/app/sign-in", email | {"email": SIGNS_IN}, dict(_OWN_PAGE), 200, at_once=1),
    ]


Trouble = Callable[[Relay], Awaitable[None]]


async def nobody_there(relay: Relay) -> None:
    await relay.refuse()


async def hanging_up(relay: Relay) -> None:
    relay.hang_up()


async def full(relay: Relay) -> None:
    relay.way = Way.FULL
    relay.drop()


async def silent(relay: Relay) -> None:
    relay.is_flowing.clear()


async def deaf(relay: Relay) -> None:
    relay.is_asking.clear()


async def mute(relay: Relay) -> None:
    relay.is_answering.clear()


async def well(relay: Relay) -> None:
    """End whatever trouble there was."""
    was_away = relay.way is Way.OPEN and not relay.is_listening
    relay.way = Way.OPEN
    relay.flow()
    if was_away:
        await relay.listen()


AWAY: Final[dict[str, Trouble]] = {"nobody_there": nobody_there, "hanging_up": hanging_up, "full": full}
HALF_OPEN: Final[dict[str, Trouble]] = {"silent": silent, "deaf": deaf, "mute": mute}


async def lives_through(scene: Scene, trouble: Trouble, seconds: float = 3.0) -> dict[str, float]:
    """Have everybody told in time that the database is away; then have all be normal soon, with no rush of connections.

    Gives what was measured. Raises AssertionError.
    """
    before, began = len(scene.relay.connected_at), time.monotonic()
    await trouble(scene.relay)
    told = await scene.for_a_while(seconds)
    attempts = len(scene.relay.connected_at) - before
    wrong = [each for each in told if not _is_told_in_time(each, began)]
    assert not wrong, wrong[:5]
    await well(scene.relay)
    healed_s, connections = await scene.heal()
    assert connections <= 2 * max(scene.at_start, 1), (connections, scene.at_start)
    return {
        "answers": len(told),
        "slowest_s": round(max(each.took_s for each in told), 3),
        "attempts_to_connect": attempts,
        "healed_s": round(healed_s, 3),
        "connections_after": connections,
        "connections_at_start": scene.at_start,
    }


def _is_told_in_time(told: Told, began: float) -> bool:
    # Whether it is ready is looked at once a second, for whoever asks.
    was_fresh = told.ask.path == "/readyz" and told.at - began < TOLD_WITHIN_S
    return told.took_s <= TOLD_WITHIN_S and (was_fresh or (told.status == 503 and bool(told.retry_after)))


async def notices(scene: Scene, trouble: Trouble) -> dict[str, float]:
    """Have who was being served told within 15 s that nobody answers, and from then on everybody at once."""
    busy = asyncio.create_task(scene.for_a_while(0.5))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await trouble(scene.relay)
    caught = await busy
    noticed_s = time.monotonic() - began
    late = [each for each in caught if each.took_s > NOTICED_WITHIN_S]
    assert not late, late[:5]
    assert noticed_s <= NOTICED_WITHIN_S + 1, noticed_s
    told = await scene.for_a_while(3)
    wrong = [each for each in told if not _is_told_in_time(each, began)]
    assert not wrong, wrong[:5]
    await well(scene.relay)
    healed_s, connections = await scene.heal()
    return {
        "noticed_s": round(max(each.took_s for each in caught), 3),
        "slowest_then_s": round(max(each.took_s for each in told), 3),
        "healed_s": round(healed_s, 3),
        "connections_after": connections,
    }


def printed(measured: dict[str, Any]) -> str:
    return json.dumps(measured)
