"""More calls than can be answered: who is refused, in which words; and that nothing is lost or doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from sluiceway.api.app import create_app
from sluiceway.api.http import Door
from sluiceway.domain.errors import Unauthenticated
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.queues import Overloaded
from sluiceway.storage.database import fetch_all
from tests.clocks import until
from tests.invariants import violations
from tests.support import World, fixed, on_demand

V1 = {"error": {"code": "service_unavailable"}}
PLATFORM = {"error": {"code": "SERVICE_UNAVAILABLE"}}
REMOTE = {"code": "UNEXPECTED_ERROR"}


@asynccontextmanager
async def calling(edge: Edge, door: Door | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(edge, door))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluiceway.test") as http:
        yield http
    await edge.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/accounts", V1),
        ("POST", "/sandbox/deposits", V1),
        ("GET", "/nowhere", V1),
        ("GET", "/platform/v1/accounts", PLATFORM),
        ("POST", "/api/platform/v1/transfers", PLATFORM),
        ("POST", "/accounts", REMOTE),
        ("POST", "/remote-api/rules/x/trigger", REMOTE),
    ],
)
async def test_where_there_is_no_room_every_generation_says_so_in_its_own_envelope(world: World, method, path, body):
    async with calling(Edge(world.engine), Door(most_inside=0)) as http:
        answer = await http.request(method, path, headers={"X-Request-ID": "mine"})

    told = answer.json()
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["x-request-id"]) == (503, "1", "mine")
    assert (told.get("request_id") or told.get("requestId")) == "mine"
    for key, value in body.items():
        assert (told[key]["code"] if isinstance(value, dict) else told[key]) == (
            value["code"] if isinstance(value, dict) else value
        )


async def test_whoever_asks_whether_the_server_lives_is_told_so_however_full_it_is(world: World):
    async with calling(Edge(world.engine), Door(most_inside=0)) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/")).status_code == 200


class Full(Edge):
    """An edge that has no time for anybody, and counts who asks."""

    asked = 0

    async def identify(self, secret: str):  # noqa: ARG002 -- nobody is looked up
        self.asked += 1
        raise Overloaded("calls")


async def test_who_comes_back_too_soon_is_told_again_without_being_let_in(world: World):
    edge = Full(world.engine)
    async with calling(edge) as http:
        mine = {"Authorization": "ApiKey mine"}
        answers = [await http.get("/api/v1/accounts", headers=mine) for _ in range(5)]
        assert ([answer.status_code for answer in answers], edge.asked) == ([503] * 5, 1)

        # Who wants something done, and somebody else, were not told anything yet.
        await http.post("/api/v1/rules/x/trigger", headers=mine)
        await http.get("/api/v1/accounts", headers={"Authorization": "ApiKey another"})
        assert edge.asked == 3

        await asyncio.sleep(0.25)
        await http.get("/api/v1/accounts", headers=mine)
        assert edge.asked == 4


class Crowded(Edge):
    """An edge with so much room, where one is answered whenever it is told to. It knows nobody."""

    def __init__(self, engine: Engine, room: int) -> None:
        super().__init__(engine)
        self.room = room
        self.inside = 0
        self.asked = 0
        self.let_go = asyncio.Semaphore(0)

    async def identify(self, secret: str):  # noqa: ARG002 -- everybody is alike
        self.asked += 1
        if self.inside >= self.room:
            raise Overloaded("calls")
        self.inside += 1
        await self.let_go.acquire()
        self.inside -= 1
        raise Unauthenticated


async def test_of_a_caller_who_brings_too_much_one_more_comes_in_for_each_that_is_answered(world: World):
    edge = Crowded(world.engine, room=20)
    statuses: Counter[int] = Counter()
    is_over = False

    async def are_answered(count: int) -> bool:
        return statuses[401] == count

    async def is_full() -> bool:
        return edge.inside == edge.room

    async def impatient(http: httpx.AsyncClient) -> None:
        while not is_over:
            statuses[(await http.get("/api/v1/accounts", headers={"Authorization": "ApiKey mine"})).status_code] += 1

    async with calling(edge) as http:
        callers = [asyncio.create_task(impatient(http)) for _ in range(40)]
        await until(is_full)
        for number in range(1, 201):
            edge.let_go.release()
            await until(lambda number=number: are_answered(number))
            await until(is_full)
        answered, asked = statuses[401], edge.asked
        is_over = True
        for _ in callers:
            edge.let_go.release()
        await asyncio.gather(*callers)

    assert answered == 200
    # What there is room for, one for each answer, and an eighth more, to see whether there is room by now; and if this
    # machine stands still for a while, all of them once more.
    assert edge.room + answered <= asked <= 2 * len(callers) + answered * 1.25
    turned_away = asked - answered - edge.room
    assert statuses[503] > turned_away


async def test_of_a_rush_what_there_is_room_for_is_done_and_the_rest_refused_at_once_and_done_when_asked_again(
    world: World,
):
    await world.deposit("income", 1_000_000)
    await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
    await world.settle()
    runs, saved = len(await world.executions()), (await world.balances())["savings"]
    _, secret = await create_key(world.engine, world.organization_id, "busy", every_grant(), rate_limit=None)
    path = f"/api/v1/rules/{format_id(IdKind.RULE, world.rules['save'].id)}/trigger"

    async def trigger(number: int) -> httpx.Response:
        headers = {"Authorization": f"ApiKey {secret}", "Idempotency-Key": f"rush-{number}"}
        return await http.post(path, headers=headers, json={})

    async with calling(Edge(world.engine, most_waiting=5)) as http:
        first = await asyncio.gather(*(trigger(number) for number in range(100)))
        refused = [number for number, answer in enumerate(first) if answer.status_code == 503]
        assert {answer.status_code for answer in first} == {200, 503}
        assert {first[number].headers["retry-after"] for number in refused} == {"1"}
        left = refused
        for _ in range(60):
            await asyncio.sleep(0.25)
            again = await asyncio.gather(*(trigger(number) for number in left))
            left = [number for number, answer in zip(left, again, strict=True) if answer.status_code == 503]
            if not left:
                break
        assert not left
    await world.settle()

    assert len(await world.executions()) - runs == 100
    assert (await world.balances())["savings"] - saved == 100 * 100
    assert await recorded(world) == (100, 0)
    assert await violations(world.engine.database) == {}


async def recorded(world: World) -> tuple[int, int]:
    """Count what the log has of triggers: done, and refused."""
    async with world.engine.database.read() as tx:
        [[done, refused]] = await fetch_all(
            tx,
            "SELECT count(*) FILTER (WHERE outcome = 'SUCCESS'), count(*) FILTER (WHERE outcome <> 'SUCCESS')"
            " FROM audit_entry WHERE action = 'TRIGGER_RULE'",
        )
    return done, refused
