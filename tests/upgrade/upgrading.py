"""Migrates a database with a past while the release before serves it, and tells how long anybody waited."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench.founding import Town
from sluiceway.storage.migrate import migrate, migrations
from tests.e2e.processes import free_port
from tests.upgrade.baseline import BASELINE

CALLERS = 4
START_TIMEOUT_S = 60.0

_SERVE = "import sys; from sluiceway.cli import main; sys.argv = ['sluiceway', *sys.argv[1:]]; sys.exit(main())"
_KILLED = """
    CREATE FUNCTION stand_still() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('statements') = %d THEN
            PERFORM pg_sleep(60);
        END IF;
    END $$;
    CREATE SEQUENCE statements;
    CREATE EVENT TRIGGER standing_still ON ddl_command_end EXECUTE FUNCTION stand_still();
"""
_NOT_KILLED = "DROP EVENT TRIGGER standing_still; DROP FUNCTION stand_still; DROP SEQUENCE statements"
_STANDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
_WAITED = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND a.datname = current_database() AND a.application_name = 'sluiceway'
"""
_MIGRATE = "import asyncio, sys; from sluiceway.storage.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"


@dataclass
class Waits:
    """How long requests took, in seconds, and what was answered that should not have been."""

    before: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    longest_lock_s: float = 0.0
    """How long whoever waited longest for a lock waited for it, by the server's own account, but for migrators."""

    @property
    def slowest_before_s(self) -> float:
        """How long the slowest request took while nobody migrated: so busy is the machine."""
        return max(self.before, default=0.0)

    @property
    def slowest_s(self) -> float:
        """How long the slowest request took from the first migration on."""
        return max(self.during, default=0.0)


@contextmanager
def served_by(release: Path, url: str) -> Generator[str]:
    """Serve a database with the code of a folder."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(release / "src"),
        "PYTHONUNBUFFERED": "1",
        "ALLOW_UNSAFE_POSTGRES": "1",
    }
    environment.pop("DATABASE_URL", None)
    output = release / "served.txt"
    with output.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "serve", "--port", str(port), "--database-url", url],
            cwd=release,
            stdout=told,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Sluiceway is at" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


async def migrate_under_load(url: str, address: str, town: Town, *, calm_s: float = 1.5) -> Waits:
    """Call, and meanwhile apply one migration after the other, each with a while of calm around it."""
    waits, over, is_migrating = Waits(), asyncio.Event(), asyncio.Event()
    callers = [
        asyncio.create_task(_call(address, town, waits, number, over, is_migrating)) for number in range(CALLERS)
    ]
    watching = asyncio.create_task(_watch(url, waits, over))
    await asyncio.sleep(calm_s)
    is_migrating.set()
    for version in range(BASELINE + 1, len(migrations()) + 1):
        began = time.monotonic()
        [applied] = await migrate(url, migrations()[:version])
        waits.took[applied.name] = round(time.monotonic() - began, 3)
        await asyncio.sleep(calm_s)
    over.set()
    await asyncio.gather(*callers, watching)
    return waits


async def _watch(url: str, waits: Waits, over: asyncio.Event) -> None:
    """Look all the time for who waits for a lock: on a busy machine, requests are slow for other reasons too."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        while not over.is_set():
            [(waited_s,)] = await (await conn.execute(_WAITED)).fetchall()
            waits.longest_lock_s = max(waits.longest_lock_s, float(waited_s))
            await asyncio.sleep(0.005)


async def _call(
    address: str, town: Town, waits: Waits, number: int, over: asyncio.Event, is_migrating: asyncio.Event
) -> None:
    """Move money, and read, one after the other; each request is one that must succeed."""
    headers = {"Authorization": f"ApiKey {town.key}"}
    count = 0
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
        while not over.is_set():
            count += 1
            began = time.monotonic()
            answer = await _ask(client, town, f"{number}-{count}", count)
            (waits.during if is_migrating.is_set() else waits.before).append(time.monotonic() - began)
            if answer.status_code not in (200, 201):
                waits.wrong.append(f"{answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(0.005)


async def _ask(client: httpx.AsyncClient, town: Town, key: str, count: int) -> httpx.Response:
    if count % 3 == 0:
        return await client.get("/api/v1/transfers", params={"account_id": town.pods[2]})
    if count % 3 == 1:
        return await client.get("/api/v1/accounts")
    body: dict[str, Any] = {
        "source_account_id": town.pods[2],
        "destination_account_id": town.pods[3],
        "amount_in_cents": 100,
    }
    return await client.post("/api/v1/transfers", json=body, headers={"Idempotency-Key": key})


def kill_at(url: str, statement: int) -> bool:
    """Kill a migrator with -9 right after its statement of this number; False: it has fewer, and has done them all."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute((_KILLED % statement).encode())
        migrator = subprocess.Popen([sys.executable, "-c", _MIGRATE, url])
        try:
            while not (standing := conn.execute(_STANDS).fetchall()):
                if migrator.poll() is not None:
                    assert migrator.returncode == 0
                    conn.execute(_NOT_KILLED)
                    return False
                time.sleep(0.01)
        finally:
            migrator.kill()
            migrator.wait()
        for (pid,) in standing:
            # What the server finds out by itself when it next speaks to whom it serves.
            conn.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        conn.execute(_NOT_KILLED)
        return True
