"""Whether a process is of use: /readyz says so, in time whatever the database does, and why not."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
import structlog

from sluiceway.services import readiness
from sluiceway.services.edge import Edge
from sluiceway.settings import Settings
from sluiceway.storage.database import Database, fetch_all
from sluiceway.wiring import application, running
from sluiceway.worker import loop
from tests.clocks import until
from tests.db.relay import Relay
from tests.support import plain_engine


@pytest.fixture(autouse=True)
def every_look_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 0)


def http_of(edge: Edge) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(edge)), base_url="http://sluiceway.test")


@asynccontextmanager
async def served(database: Database) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve, with a worker that has said that it settles."""
    async with running(database, Settings()) as parts, http_of(parts.edge) as http:
        await until(lambda: is_ready(http))
        yield http


async def is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 503
    told = answer.json()
    assert told["status"] == "not_ready"
    return [reason["code"] for reason in told["reasons"]]


async def test_it_is_ready_with_a_database_that_is_up_to_date_and_a_worker(database: Database):
    async with served(database) as http:
        answer = await http.get("/readyz")
        head = await http.head("/readyz")

    assert (answer.status_code, answer.json(), head.status_code) == (200, {"status": "ready"}, 200)
    assert answer.headers["x-request-id"]


async def test_without_a_worker_it_is_not_ready(database: Database):
    async with running(database, Settings(), with_worker=False) as parts, http_of(parts.edge) as http:
        answer = await http.get("/readyz")

    assert codes(answer) == ["no_worker"]


async def test_a_worker_of_another_process_is_one(database: Database, database_url: str):
    async with running(database, Settings(), with_worker=False) as parts, http_of(parts.edge) as http:
        async with Database(database_url) as other, running(other, Settings()):
            await until(lambda: is_ready(http))
        gone = await http.get("/readyz")

    assert codes(gone) == ["no_worker"]


async def test_a_worker_that_was_killed_long_ago_does_not_count(database: Database, database_url: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), now() - interval '1 h', now() - interval '21 s')"
        )
    async with running(database, Settings(), with_worker=False) as parts, http_of(parts.edge) as http:
        answer = await http.get("/readyz")

    assert codes(answer) == ["no_worker"]


async def test_a_worker_that_is_stuck_falls_silent(database: Database, monkeypatch: pytest.MonkeyPatch):
    async def never_ends(_engine: object) -> list[str]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(loop, "waiting_organizations", never_ends)
    monkeypatch.setattr(loop, "STUCK_AFTER_S", 0.1)
    monkeypatch.setattr(loop, "BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(readiness, "RECENT_S", 0.3)
    engine = plain_engine(database)
    edge, worker = Edge(engine), loop.Worker(engine)
    task = asyncio.create_task(worker.run())
    async with http_of(edge) as http:
        await until(lambda: is_ready(http))
        await asyncio.sleep(0.5)
        answer = await http.get("/readyz")
    task.cancel()
    await asyncio.wait([task])
    await edge.close()

    assert codes(answer) == ["no_worker"]


async def test_workers_that_were_killed_are_forgotten_by_those_that_end(database: Database, database_url: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), now(), now() - interval '2 h')")
    async with served(database):
        pass

    async with database.read() as tx:
        assert await fetch_all(tx, "SELECT * FROM worker_heartbeat") == []


async def test_a_database_that_was_not_brought_up_to_date_is_a_reason(database: Database, database_url: str):
    async with served(database) as http:
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("DELETE FROM schema_migration WHERE version = (SELECT max(version) FROM schema_migration)")
        behind = await http.get("/readyz")

    assert codes(behind) == ["migrations_missing"]


async def test_a_database_that_was_brought_up_to_date_for_a_newer_program_is_none(
    database: Database, database_url: str
):
    async with served(database) as http:
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("INSERT INTO schema_migration (version, name, sha256) VALUES (9999, 'later', 'x')")

        assert await is_ready(http)


async def test_a_database_that_hangs_up_is_a_reason_and_one_that_is_back_is_none(database_url: str):
    async with Relay.between(database_url) as relay, Database(relay.url) as database, served(database) as http:
        relay.hang_up()
        with structlog.testing.capture_logs() as logs:
            away = await http.get("/readyz")
        relay.is_up = True
        await until(lambda: is_ready(http))

    assert codes(away) == ["database_unreachable"]
    # Where the database is, anybody may not read.
    assert {"event": "readiness", "log_level": "warning", "reasons": ["database_unreachable"]} in logs
    assert "127.0.0.1" not in away.text


async def test_a_database_that_hangs_is_told_within_two_seconds_to_however_many_ask(database_url: str):
    async with Relay.between(database_url) as relay, Database(relay.url) as database, served(database) as http:
        relay.is_flowing.clear()
        began = time.monotonic()
        answers = await asyncio.gather(*(http.get("/readyz") for _ in range(50)))
        took_s = time.monotonic() - began
        alive = await http.get("/healthz")
        relay.is_flowing.set()

    assert {code for answer in answers for code in codes(answer)} == {"database_unreachable"}
    assert took_s < 2
    assert alive.status_code == 200


async def test_a_process_that_ends_is_not_ready(database: Database):
    async with running(database, Settings()) as parts, http_of(parts.edge) as http:
        await until(lambda: is_ready(http))
        parts.edge.readiness.leave()
        answer = await http.get("/readyz")

    assert codes(answer) == ["shutting_down"]


async def test_the_database_is_asked_once_for_all_who_ask_within_a_second(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readiness, "FRESH_S", 60)
    edge = Edge(plain_engine(database))
    asked: list[object] = []
    standing = readiness.standing

    async def counted(tx: object) -> object:
        asked.append(tx)
        return await standing(tx)  # type: ignore[arg-type]

    monkeypatch.setattr(readiness, "standing", counted)
    async with http_of(edge) as http:
        await asyncio.gather(*(http.get("/readyz") for _ in range(20)))
        await http.get("/readyz")
    await edge.close()

    assert len(asked) == 1
