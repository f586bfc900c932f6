"""`python -m tests.audit`: how long an audit takes of a million transfers, money moving, and what going on costs."""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sluiceway.services.audit import CheckResult, run_audit
from sluiceway.services.engine import Engine
from sluiceway.services.verifying import look
from sluiceway.storage.database import Database, fetch_all
from sluiceway.storage.migrate import migrate
from tests.audit.past import Ruled, filled, founded, run, server
from tests.evidence import Evidence
from tests.support import real_engine

AT_MOST_S = 60.0
A_SECOND = 4_000
"""At how many triggers a second the cost of going on is stated."""


def main() -> int:
    """Fill, audit, go on."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--transfers", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=20, help="of new triggers at once, for the cost of going on")
    parser.add_argument("--dry", action="store_true", help="write no evidence")
    given = parser.parse_args()
    evidence = Evidence("audit", ["python", "-m", "tests.audit", *sys.argv[1:]])
    with server() as url:
        asyncio.run(_measure(url, given.transfers, given.seconds, evidence))
    for violation in evidence.violations:
        print(violation)
    if not given.dry:
        print(evidence.write())
    return 1 if evidence.violations else 0


async def _measure(url: str, transfers: int, seconds: int, evidence: Evidence) -> None:
    await migrate(url)
    async with Database(url) as database:
        engine = real_engine(database)
        towns = await founded(engine, 2)
        began = time.perf_counter()
        await filled(url, transfers)
        print(f"filled in {time.perf_counter() - began:.1f} s", flush=True)
        engine = _later(engine)
        await _seal(engine, towns, evidence)
        await _audit(engine, towns, transfers, evidence)
        await _go_on(engine, url, towns, transfers, seconds, evidence)


def _later(engine: Engine) -> Engine:
    """Let ten seconds pass, as far as who looks can tell: what was written just now is old enough."""
    now = engine.now
    return replace(engine, now=lambda: now() + timedelta(seconds=10))


async def _seal(engine: Engine, towns: list[Ruled], evidence: Evidence) -> None:
    """Look at everything for the first time, until all of it is sealed."""
    began = time.perf_counter()
    for town, _ in towns:
        while (looked := await look(engine, town.id)).is_more:
            _note(evidence, "at first", looked.results)
    evidence.figures["seconds_to_seal"] = round(time.perf_counter() - began, 1)
    print(f"sealed in {evidence.figures['seconds_to_seal']} s", flush=True)


async def _audit(engine: Engine, towns: list[Ruled], transfers: int, evidence: Evidence) -> None:
    moving = asyncio.create_task(_move(engine, towns))
    began = time.perf_counter()
    results = await run_audit(engine)
    took_s = time.perf_counter() - began
    moving.cancel()
    moved = await moving
    _note(evidence, "while money moved", results)
    rows = sum(result.examined for result in results)
    evidence.figures |= {
        "transfers": transfers,
        "seconds_for_all": round(took_s, 1),
        "rows": rows,
        "rows_a_second": round(rows / took_s),
        "runs_meanwhile": moved,
    }
    print(f"audited in {took_s:.1f} s while {moved} runs went on", flush=True)
    if transfers <= 1_000_000 and took_s > AT_MOST_S:
        evidence.violations.append(f"an audit of {transfers} transfers took {took_s:.1f} s, and may take {AT_MOST_S}")


async def _move(engine: Engine, towns: list[Ruled]) -> int:
    """Let money move until told to stop; tell how many runs that were."""
    runs = 0
    try:
        while True:
            await run(engine, towns, 10)
            runs += 10 * len(towns)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return runs


async def _go_on(
    engine: Engine, url: str, towns: list[Ruled], transfers: int, seconds: int, evidence: Evidence
) -> None:
    """Look at what so many seconds of full load leave behind; tell which part of a processor that would keep busy."""
    async with engine.database.read() as tx:
        [[there]] = await fetch_all(tx, "SELECT count(*) FROM transfer")
    for town, _ in towns:
        await look(engine, town.id)
    triggers = seconds * A_SECOND
    await filled(url, there + 2 * triggers)
    engine = _later(engine)
    spent_s, looks = 0.0, 0
    for town, _ in towns:
        is_more = True
        while is_more:
            began_s = await _processor_s(engine)
            looked = await look(engine, town.id)
            spent_s += await _processor_s(engine) - began_s
            looks, is_more = looks + 1, looked.is_more
            _note(evidence, "going on", looked.results)
    evidence.figures["going_on"] = {
        "triggers": triggers,
        "looks": looks,
        "processor_seconds": round(spent_s, 2),
        "us_a_run": round(spent_s / triggers * 1e6, 1),
        "part_of_a_core": round(spent_s / seconds, 4),
    }
    print(f"{triggers} triggers looked at with {spent_s:.2f} s of processor time", flush=True)


async def _processor_s(engine: Engine) -> float:
    """Tell how much processor time this process and the database's connections have used."""
    async with engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    return time.process_time() + sum(_used_by(pid) for (pid,) in rows)


def _used_by(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _note(evidence: Evidence, when: str, results: list[CheckResult] | tuple[CheckResult, ...]) -> None:
    evidence.violations += [
        f"{when}: {result.promise}: {result.examples[:1]}" for result in results if result.violations
    ]


if __name__ == "__main__":
    sys.exit(main())
