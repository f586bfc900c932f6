"""Several worker processes over one database, one of them stopped beyond its lease and let go on: nothing twice."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.transfers import TransferStatus
from sluiceway.services.audit import run_audit
from sluiceway.storage.database import Database, DatabaseOptions, Locked, fetch_all
from tests.banked import connect, pay
from tests.clocks import run_clock, runs, scheduled, until
from tests.e2e.processes import SLUICEWAY
from tests.invariants import violations
from tests.outbound.servers import Server, allowing, replying, serving
from tests.support import World, fixed, new_world, plain_engine, whenever_money_arrives
from tests.taxes import headers, paths, remote

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LEASE_S = 2
STOPPED_S = LEASE_S + 1.5
DAYS = 6
AT_NINE = "T09:00"
LONGEST_S = max(LEASE_S, DatabaseOptions().idle_in_transaction_timeout_s) + 5
"""Whoever is stopped inside a transaction keeps its locks until the server gives it up."""

FAILURE = re.compile(r"sluiceway[\w.]+: |(?!psycopg)[\w.]*(Error|Exception)\b")

DUE = """
    SELECT 'execution ' || id FROM execution WHERE due_at = '-infinity'
    UNION ALL SELECT 'leg ' || id FROM transfer_leg WHERE due_at = '-infinity'
    UNION ALL SELECT 'rule ' || r.id FROM rule r JOIN organization o ON o.id = r.organization_id
        WHERE r.next_fire_at <= now() + o.clock_offset
    UNION ALL SELECT 'feed ' || f.subject_id FROM feed f JOIN organization o ON o.id = f.organization_id
        WHERE f.due_at <= now() + o.clock_offset
"""


@contextmanager
def worker(url: str, remote_port: int, output: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run a worker process; end it, whatever it is doing, stopped or not."""
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "LEASE_S": str(LEASE_S),
        "ALLOW_UNSAFE_POSTGRES": "1",
        "REMOTE_ALLOW": f"http://127.0.0.1:{remote_port}",
        "PYTHONUNBUFFERED": "1",
    }
    with output.open("wb") as file:
        process = subprocess.Popen(
            [SLUICEWAY, "worker"], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


async def tenth(writer: asyncio.StreamWriter, server: Server) -> None:
    """Answer with a tenth of what has come in, after a while."""
    question = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    await asyncio.sleep(0.05)
    writer.write(replying(200, b'{"amountInCents":%d}' % (question["transfer_amount_in_cents"] // 10)))


@asynccontextmanager
async def taxes() -> AsyncGenerator[Server]:
    async with serving() as server:
        server.answer = lambda writer: tenth(writer, server)
        yield server


async def busy_world(world: World, server: Server) -> World:
    """Give a world rules of every kind."""
    async with allowing(server) as outbound:
        world = replace(world, engine=replace(world.engine, outbound=outbound))
        await run_clock(world, "2027-03-01T08:00")
        for name in ("income", "savings", "taxes"):
            await world.account(name)
        await world.deposit("savings", 1_000_000)
        await connect(world, "checking", 1_000_000)
        start = f"2027-03-02{AT_NINE}"
        await world.rule("save", scheduled("DAILY", start, fixed(100, "savings", "income")))
        await world.rule("rent", scheduled("DAILY", start, fixed(700, "savings", "checking")))
        await world.rule("pull", scheduled("DAILY", start, fixed(300, "checking", "savings")))
        await world.rule("tax", whenever_money_arrives("income", remote(server)))
        await world.rule("on pay", whenever_money_arrives("checking", fixed(500, "savings", "taxes")))
    return world


class Watch:
    """Sees for how long anything that is due stays due."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.since: dict[str, float] = {}
        self.longest = (0.0, "")

    async def look(self) -> bool:
        """Look once; tell whether nothing is due."""
        async with self.database.read() as tx:
            due = [row[0] for row in await fetch_all(tx, DUE)]
        now = time.monotonic()
        self.since = {what: self.since.get(what, now) for what in due}
        for what, since in self.since.items():
            self.longest = max(self.longest, (now - since, what))
        return not due

    async def forever(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.1)


async def patiently(call: Callable[[], Awaitable[object]]) -> None:
    """Do something although a worker may have been stopped that keeps what it needs locked."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            try:
                await call()
            except Locked:
                continue
            return


async def live_a_day(world: World, day: int) -> None:
    """Let it become nine o'clock, with money coming in from everywhere."""
    await patiently(lambda: run_clock(world, f"2027-03-{day:02}{AT_NINE}"))
    for number in range(1, 9):
        await patiently(lambda number=number: world.deposit("income", 10_000 * day + 1_000 * number))
    await patiently(lambda: pay(world, "checking", 10_000 + day))


async def stop_for_a_while(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_S)
    process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("count", [2, 4])
async def test_whatever_stops_a_worker_nothing_happens_twice_and_nothing_is_stuck(
    database: Database, database_url: str, tmp_path: Path, count: int
):
    engine = plain_engine(database)
    watch = Watch(database)
    async with taxes() as server:
        worlds = [await busy_world(await new_world(engine, email=f"{n}@example.com"), server) for n in (1, 2)]
        with ExitStack() as stack:
            processes = [
                stack.enter_context(worker(database_url, server.port, tmp_path / f"{number}.txt"))
                for number in range(count)
            ]
            await until(Watch(database).look, within_s=30)
            watching = asyncio.create_task(watch.forever())
            stack.callback(watching.cancel)
            stops: list[asyncio.Task[None]] = []
            for day in range(2, 2 + DAYS):
                await asyncio.gather(*[live_a_day(world, day) for world in worlds])
                if day in (3, 5):
                    # In the middle of it, and with others who go on.
                    await until(lambda day=day: are_asked(server, 16 * (day - 1)), within_s=30)
                    stops.append(asyncio.create_task(stop_for_a_while(processes[day % count])))
                await until(lambda day=day: have_fired(worlds, day), within_s=30)
            await asyncio.gather(*stops)
            for day in (12, 18, 24):
                await until(watch.look, within_s=30)
                for world in worlds:
                    await patiently(lambda world=world, day=day: run_clock(world, f"2027-03-{day}T08:00"))
            await until(watch.look, within_s=30)
            for process in processes:
                process.send_signal(signal.SIGTERM)
            assert [process.wait(20) for process in processes] == [0] * count

    for world in worlds:
        await everything_happened_once(world)
    questions = Counter(headers(request)["webhook-id"] for request in server.requests)
    assert len(questions) == 2 * (9 * DAYS + 3)
    assert paths(server) == ["amount"] * len(server.requests)
    assert len(server.requests) - len(questions) <= 2 * 16, "asked again only where a worker was stopped in the middle"
    assert [(check.name, check.examples) for check in await run_audit(engine) if check.violations] == []
    assert await violations(database) == {}
    assert watch.longest[0] < LONGEST_S, watch.longest
    logged = "".join((tmp_path / f"{number}.txt").read_text() for number in range(count))
    failures = {line for line in logged.splitlines() if FAILURE.match(line)}
    assert failures <= {"sluiceway.storage.database.Locked: canceling statement due to lock timeout"}, logged


async def are_asked(server: Server, count: int) -> bool:
    return len(server.requests) >= count


async def have_fired(worlds: list[World], day: int) -> bool:
    fired = [await world.executions(name) for world in worlds for name in ("save", "rent", "pull")]
    return all(len(each) == day - 1 for each in fired)


async def everything_happened_once(world: World) -> None:
    days = [*range(2, 2 + DAYS), 11, 17, 23]
    for name in ("save", "rent", "pull"):
        ran = await world.executions(name)
        assert runs(ran) == [f"2027-03-{day:02} 09:00" for day in days]
        assert {run.status for run in ran[:-1]} == {ExecutionStatus.EXECUTED}
    paid_in = [10_000 * day + 1_000 * number for day in range(2, 2 + DAYS) for number in range(1, 9)]
    taxed = [run.transfer_amount for run in await world.executions("tax")]
    assert sorted(amount or 0 for amount in taxed) == sorted([*paid_in, *[100] * len(days)])
    transfers = await world.transfers()
    tax = [transfer.amount for transfer in transfers if transfer.rule_id == world.rules["tax"].id]
    # A tenth of a dollar is below the smallest transfer, which is told by a transfer that failed.
    assert sorted(tax) == sorted([*[amount // 10 for amount in paid_in], *[10] * len(days)])
    arrived = Counter(run.transfer_amount for run in await world.executions("on pay"))
    rents = sum(
        transfer.status is TransferStatus.COMPLETE and transfer.rule_id == world.rules["rent"].id
        for transfer in transfers
    )
    assert arrived == {**{10_000 + day: 1 for day in range(2, 2 + DAYS)}, 700: rents}
    async with world.engine.database.read() as tx:
        of = {"of": world.organization_id}
        legs = await fetch_all(tx, "SELECT id FROM transfer_leg WHERE organization_id = %(of)s ORDER BY id", of)
        payments = await fetch_all(tx, "SELECT key FROM bank_payment WHERE organization_id = %(of)s ORDER BY key", of)
        booked = await fetch_all(
            tx,
            "SELECT payment_key, count(*) FROM bank_entry WHERE organization_id = %(of)s AND payment_key IS NOT NULL"
            " GROUP BY payment_key HAVING count(*) > 1",
            of,
        )
    assert legs == payments
    assert len(legs) == 2 * len(days)
    assert booked == []
