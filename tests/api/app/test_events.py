"""Being told what changes: as it happens, from where one left off, for as long as one is signed in."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from sluiceway.domain.ids import IdKind, format_id, least_id
from sluiceway.domain.webhooks import EventKind
from sluiceway.services import changes
from sluiceway.services.changes import KINDS, MOST_OF_SESSION
from sluiceway.services.organizations import pause
from sluiceway.storage.database import WriteTx
from sluiceway.storage.outbox import OutboxEvent, insert_events
from sluiceway.web import events
from sluiceway.wiring import application
from tests.api.app.client import Browser
from tests.support import new_world


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look round often, so that tests need not wait."""
    monkeypatch.setattr(events, "LOOK_ROUND_S", 0.2)
    monkeypatch.setattr(changes, "LOOK_EVERY_S", 0.02)


class Stream:
    """An open stream of events, heard message by message."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.said = b""
        self.is_over = False
        self.leave = asyncio.Event()
        self._more = asyncio.Event()

    async def receive(self) -> dict[str, object]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.said += message["body"]
            self.is_over = not message.get("more_body")
        self._more.set()

    async def until(self, is_enough: Callable[["Stream"], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_enough(self):
                self._more.clear()
                await self._more.wait()

    def heard(self) -> list[dict]:
        return [json.loads(line[6:]) for line in self.said.decode().splitlines() if line.startswith("data: ")]

    def last_id(self) -> str:
        return [line[4:] for line in self.said.decode().splitlines() if line.startswith("id: ")][-1]


@asynccontextmanager
async def listening(browser: Browser, after: str | None = None) -> AsyncGenerator[Stream]:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = [(b"host", b"sluiceway.test"), (b"cookie", cookie.encode())]
    if after is not None:
        headers.append((b"last-event-id", after.encode()))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/app/events",
        "raw_path": b"/app/events",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("sluiceway.test", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    stream = Stream()
    asking = asyncio.create_task(application(browser.edge)(scope, stream.receive, stream.send))
    await stream.until(lambda one: one.status > 0)
    yield stream
    stream.leave.set()
    with suppress(asyncio.CancelledError):
        await asking


def test_everything_that_is_told_outside_is_told_to_pages() -> None:
    assert KINDS.keys() == set(EventKind)
    assert set(KINDS.values()) == set(events.KINDS_OF_IDS)


async def test_a_deposit_is_heard_of_with_the_run_and_the_transfers_that_it_sets_off(admin: Browser) -> None:
    async with listening(admin) as stream:
        await admin.world.deposit("income", 100_000)
        await admin.world.settle()
        await stream.until(lambda one: len(one.heard()) >= 3)
        [run] = await admin.world.executions()

    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert {told["kind"] for told in stream.heard()} == {"transfer", "execution"}
    assert {"kind": "execution", "id": format_id(IdKind.EXECUTION, run.id)} in stream.heard()


async def test_whoever_comes_back_is_told_what_has_changed_meanwhile(admin: Browser) -> None:
    async with listening(admin) as stream:
        await admin.world.deposit("income", 100_000)
        await stream.until(lambda one: bool(one.heard()))
    await admin.world.settle()
    async with listening(admin, after=stream.last_id()) as again:
        await again.until(lambda one: any(told["kind"] == "execution" for told in one.heard()))


async def test_what_commits_late_with_an_earlier_id_is_heard_of(admin: Browser) -> None:
    world = admin.world
    early = least_id(world.engine.now())
    async with listening(admin) as stream:
        await admin.world.deposit("income", 100_000)
        await stream.until(lambda one: bool(one.heard()))

        async def late(tx: WriteTx) -> None:
            event = OutboxEvent(
                world.organization_id, early, EventKind.RULE_DISABLED, world.rules["auto_save"].id, world.engine.now()
            )
            await insert_events(tx, [event])

        await world.engine.database.write(late)
        async with listening(admin, after=stream.last_id()) as again:
            await again.until(lambda one: any(told["kind"] == "rule" for told in one.heard()))


async def test_what_happens_elsewhere_is_not_heard_of(admin: Browser) -> None:
    other = await new_world(admin.world.engine, email="other@example.com")
    async with listening(admin) as stream:
        await pause(admin.world.engine, other.organization_id)
        await pause(admin.world.engine, admin.world.organization_id)
        await stream.until(lambda one: bool(one.heard()))
        await asyncio.sleep(0.3)

    assert [told["id"] for told in stream.heard()] == [format_id(IdKind.ORGANIZATION, admin.world.organization_id)]


async def test_a_flood_is_told_as_kinds(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "AT_ONCE", 5)
    async with listening(admin) as stream:
        for _ in range(3):
            await admin.world.deposit("income", 100_000)
        await admin.world.settle()
        await stream.until(lambda one: any(told["id"] is None for told in one.heard()))

    assert len(stream.heard()) < 50


async def test_the_stream_ends_with_the_session(admin: Browser) -> None:
    async with listening(admin) as stream:
        await stream.until(lambda one: events.HEARTBEAT in one.said)
        await admin.post("/sign-out")
        await stream.until(lambda one: one.is_over)


async def test_the_stream_ends_when_the_server_is_about_to(admin: Browser) -> None:
    async with listening(admin) as stream:
        admin.edge.changes.end()
        await stream.until(lambda one: one.is_over)


async def test_a_session_watches_from_a_few_places_and_no_more(admin: Browser) -> None:
    async def open_many(left: int) -> int:
        async with listening(admin) as stream:
            return stream.status if not left else await open_many(left - 1)

    assert await open_many(MOST_OF_SESSION) == 204
    assert await open_many(0) == 200, "who has left has left a place"


@pytest.mark.parametrize("bound", ["MOST_OF_PERSON", "MOST_STREAMS"])
async def test_where_there_is_no_place_to_watch_from_the_rest_can_still_be_read(
    admin: Browser, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(changes, bound, 1)
    elsewhere = await admin.other().sign_in()
    async with listening(admin), listening(elsewhere) as stream:
        refused, read = stream.status, (await elsewhere.get("/overview")).status_code

    assert (refused, read) == (204, 200)
