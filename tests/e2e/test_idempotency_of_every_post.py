"""One key, one effect, one answer, of everything that takes a key: over two servers at once, and across kill -9."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database
from tests.api.client import open_http
from tests.api.posts import ROWS, Stage, ready, rows_of, send, set_stage
from tests.e2e.processes import Serving, free_port
from tests.e2e.test_idempotency import some_are_answered
from tests.invariants import violations
from tests.support import plain_engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

AT_ONCE = 50
Place = tuple[str, str]


@pytest.fixture
def engine(database: Database, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Build an engine over a database that servers of the test may use, though it is not durable."""
    monkeypatch.setenv("ALLOW_UNSAFE_POSTGRES", "1")
    return plain_engine(database)


@pytest_asyncio.fixture
async def inside(engine: Engine) -> AsyncGenerator[httpx.AsyncClient]:
    async with open_http(Edge(engine)) as opened:
        yield opened


async def stages_for_all(engine: Engine, inside: httpx.AsyncClient, who: str) -> dict[Place, Stage]:
    """Set a stage for each operation, with nothing in its way."""
    stages: dict[Place, Stage] = {}
    for number, (place, row) in enumerate(ROWS.items()):
        stages[place] = await set_stage(engine, inside, f"{who}-{number}@example.com")
        await ready(stages[place], row)
    return stages


async def do_once(stages: Mapping[Place, Stage]) -> dict[Place, dict[str, object]]:
    """Ask for each operation once; tell what that leaves."""
    left: dict[Place, dict[str, object]] = {}
    for place, stage in stages.items():
        answer = await send(stage, *place, "key")
        assert answer.is_success, (place, answer.text)
        left[place] = await rows_of(stage)
    return left


def called_through(stage: Stage, http: httpx.AsyncClient) -> Stage:
    return replace(stage, api=replace(stage.api, http=http))


def served(tmp_path: Path, database_url: str, number: int) -> Serving:
    # What is due waits, so that there is nothing but the calls.
    folder = tmp_path / f"server-{number}"
    folder.mkdir()
    return Serving("serve", folder / "data", free_port(), "--no-worker", "--database-url", database_url)


async def test_fifty_at_once_over_two_servers_leave_what_one_leaves(
    engine: Engine, inside: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    once = await do_once(await stages_for_all(engine, inside, "once"))
    often = await stages_for_all(engine, inside, "often")
    async with AsyncExitStack() as outside:
        servers = [outside.enter_context(served(tmp_path, database_url, number)) for number in range(2)]
        clients = [
            await outside.enter_async_context(httpx.AsyncClient(base_url=server.url, timeout=60)) for server in servers
        ]
        for place, stage in often.items():
            callers = [called_through(stage, client) for client in clients]
            answers = await asyncio.gather(*(send(callers[n % 2], *place, "key") for n in range(AT_ONCE)))

            assert all(answer.is_success for answer in answers), (place, {answer.text for answer in answers})
            assert len({answer.content for answer in answers}) == 1, place
            replayed = [answer.headers.get("idempotent-replayed") for answer in answers].count("true")
            assert replayed == AT_ONCE - 1, place
            assert await rows_of(stage) == once[place], place
    assert await violations(engine.database) == {}


async def test_killed_in_the_middle_of_all_of_them_each_has_happened_once_when_it_is_repeated(
    engine: Engine, inside: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    dice = random.Random(20261128)
    once = await do_once(await stages_for_all(engine, inside, "once"))
    with served(tmp_path, database_url, 0) as server:
        for answered_before in (0, len(ROWS) // 2):
            stages = await stages_for_all(engine, inside, f"killed-{answered_before}")
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                callers = {place: called_through(stage, client) for place, stage in stages.items()}
                sent = {place: asyncio.create_task(send(caller, *place, "key")) for place, caller in callers.items()}
                await some_are_answered(list(sent.values()), answered_before, dice)
                await asyncio.to_thread(server.kill)
                await asyncio.wait(sent.values())
                await asyncio.to_thread(server.start)
            told = {place: task.result() for place, task in sent.items() if task.exception() is None}
            assert len(told) >= answered_before
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                for place, stage in stages.items():
                    caller = called_through(stage, client)
                    again, replay = await send(caller, *place, "key"), await send(caller, *place, "key")

                    assert again.is_success, (place, again.text)
                    assert replay.headers["idempotent-replayed"] == "true", place
                    assert replay.content == again.content == told.get(place, again).content, place
                    assert await rows_of(stage) == once[place], place
    assert await violations(engine.database) == {}
