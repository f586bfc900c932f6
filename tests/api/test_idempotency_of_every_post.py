"""One key, one effect, one answer: told of every operation that takes a key, in every generation."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.keys import list_keys, revoke_key
from sluiceway.storage.database import Database
from tests.api.client import digest, open_http
from tests.api.outside import told, work
from tests.api.posts import ROWS, Row, Stage, documented, new_key, ready, rows_of, send, set_stage
from tests.invariants import violations
from tests.support import plain_engine

EVERY = pytest.mark.parametrize(("name", "path"), list(ROWS), ids=[f"{name} {path}" for name, path in ROWS])


@pytest.fixture
def engine(database: Database) -> Engine:
    return plain_engine(database)


@pytest_asyncio.fixture
async def http(engine: Engine) -> AsyncGenerator[httpx.AsyncClient]:
    async with open_http(Edge(engine)) as opened:
        yield opened


def test_every_operation_that_takes_a_key_is_told_of_here() -> None:
    assert set(ROWS) == documented()


@EVERY
async def test_fifty_at_once_leave_what_one_leaves(
    engine: Engine, http: httpx.AsyncClient, name: str, path: str
) -> None:
    once, often = [await set_stage(engine, http, f"{who}@example.com") for who in ("once", "often")]
    for stage in (once, often):
        await ready(stage, ROWS[name, path])
    first = await send(once, name, path, "key")
    answers = await asyncio.gather(*(send(often, name, path, "key") for _ in range(50)))

    assert first.is_success, first.text
    assert {answer.status_code for answer in answers} == {first.status_code}, answers[0].text
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed", "") for answer in answers].count("true") == 49
    assert await rows_of(often) == await rows_of(once)
    assert await violations(engine.database) == {}


@EVERY
async def test_a_key_keeps_its_answer_whatever_becomes_of_the_world(
    engine: Engine, http: httpx.AsyncClient, name: str, path: str
) -> None:
    stage = await set_stage(engine, http)
    row = ROWS[name, path]
    await refuse_first(stage, row, name, path)
    if row.help is not None:
        await row.help(stage)
    first = await send(stage, name, path, "key")
    await change_everything(stage)
    former, stage = stage, await with_another_key(stage)
    before = await digest_but_feeds(stage)
    again = await send(stage, name, path, "key")

    assert first.is_success, first.text
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    # Rules keep their secrets of the remote API; of all others the former key is none any more.
    assert (await send(former, name, path, "key")).status_code == (200 if name == "remote" else 401)
    if row.other is not None:
        other = await send(stage, name, path, "key", row.other(stage))
        if row.ignores_bodies:
            assert other.content == first.content
        else:
            code = other.json()["error"]["code"].lower()
            assert (other.status_code, code) == (400 if name == "platform" else 422, "idempotency_key_mismatch")
    assert await digest_but_feeds(stage) == before


async def refuse_first(stage: Stage, row: Row, name: str, path: str) -> None:
    """Let the operation be refused: under what is no key, and under the key that it is allowed with later."""
    secret = stage.powerless if row.hinder is None else None
    if row.hinder is not None:
        await row.hinder(stage)
    before = await digest_but_feeds(stage)
    for key in ("", "k" * 256):
        answer = await send(stage, name, path, key)

        assert answer.status_code == 400, answer.text
        assert "Idempotency-Key" in answer.text
    refused = await send(stage, name, path, "key", secret=secret)

    assert refused.status_code in ((403,) if row.hinder is None else (400, 403, 409)), refused.text
    assert await digest_but_feeds(stage) == before


async def digest_but_feeds(stage: Stage) -> dict[str, Any]:
    """Tell what there is, but not when its banks were last looked at: some look before they refuse."""
    return {table: rows for table, rows in (await digest(stage.api.world.engine.database)).items() if table != "feed"}


async def change_everything(stage: Stage) -> None:
    """Turn the clock, disable and delete the rule, close and delete accounts."""
    api = stage.api
    await api.world.settle()
    await work(api)
    await told(api, "/sandbox/clock/freeze")
    await told(api, "/sandbox/clock/advance", {"days": 10})
    await told(api, f"/sandbox/accounts/{stage.names['bank']}/state", {"state": "closed"})
    await stage.disable()
    assert (await api.delete(f"/rules/{stage.names['rule']}")).is_success
    # One on which something has been left stays.
    assert (await api.delete(f"/accounts/{stage.names['emergency']}")).status_code in (200, 409)


async def with_another_key(stage: Stage) -> Stage:
    """Revoke all keys, and go on with a new one."""
    world = stage.api.world
    former = await list_keys(world.engine, world.organization_id)
    secret = await new_key(world)
    for key in former:
        await revoke_key(world.engine, world.organization_id, key.id, key.id)
    return replace(stage, api=stage.api.with_secret(secret))
