"""Runs the benchmarks, prints a table, writes bench/results/NAME.json; fails on errors and on a dirty audit."""

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.engine import plans_per_second
from bench.load import Target
from bench.playing import events_per_second
from bench.world import SLUICEWAY, Seeded, cpu_seconds, mixed, reads, rows, seed, server, skewed, wait_until_settled
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
COLUMNS = ("scenario", "per_second", "settled_per_second", "p50_ms", "p95_ms", "p99_ms", "max_ms", "errors")
SURROUNDINGS = frozenset({"at", "commit", "cores", "python", "packages", "postgres"})

Row = dict[str, Any]


def main() -> None:
    """Read the options and run."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="a minute's worth: fails on errors, never on times")
    options.add_argument("--seconds", type=float, default=30, help="how long each scenario runs")
    options.add_argument("--connections", type=int, default=64, help="how many callers there are at once")
    options.add_argument("--name", default="latest", help="bench/results/NAME.json")
    chosen = options.parse_args()
    seconds = 5 if chosen.quick else chosen.seconds
    with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as folder, EmbeddedPostgres(Path(folder)) as url:
        found = run(url, Path(folder), seconds, chosen.connections)
    show(found)
    if not chosen.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{chosen.name}.json").write_text(json.dumps(found, indent=2) + "\n")
    if any(row.get("errors") for row in found):
        sys.exit("the benchmark saw errors")


def run(url: str, folder: Path, seconds: float, connections: int) -> list[Row]:
    """Run every scenario against one database, then audit it."""
    asyncio.run(migrate(url))
    seeded = asyncio.run(seed(url, organizations=10, accounts=50, rules=20))
    port = free_port()
    found: list[Row] = [{"scenario": "engine", "per_second": round(plans_per_second(1.0)), "errors": 0}]
    found.append({"scenario": "playing", "per_second": round(events_per_second()), "errors": 0})
    with server(url, port) as process:
        found.append(idle(url, port, seeded))
        postgres = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        bench = Bench(url, port, process.pid, postgres, seconds, connections)
        found.append(bench.drive("triggers", seeded.triggers))
        found.append(bench.drive("zipf", skewed(seeded.triggers)))
        found.append(bench.drive("hot", seeded.hot))
        found.append(bench.drive("split", seeded.deposits))
        found.append(bench.drive("transfers", seeded.transfers))
        looked_at = reads(url, seeded.keys)
        found.append(bench.drive("reads", looked_at))
        found.append(bench.drive("mixed", mixed(looked_at, seeded.transfers, seeded.triggers)))
    clean = subprocess.run([SLUICEWAY, "audit", "--database-url", url], check=False, capture_output=True, text=True)
    if clean.returncode:
        sys.exit(f"the audit failed\n{clean.stdout}{clean.stderr}")
    found.append({"scenario": "audit", "errors": 0, "clean": True})
    where = surroundings(url)
    return [row | where for row in found]


@dataclass(frozen=True)
class Bench:
    """A server under test, and how hard to load it."""

    url: str
    port: int
    server_pid: int
    postgres_pid: int
    seconds: float
    connections: int

    def drive(self, scenario: str, targets: list[Target]) -> Row:
        """Load the server from another process and wait until everything that was accepted is settled."""
        load(self.port, targets, min(2.0, self.seconds), self.connections, f"{scenario}-warm-up")
        wait_until_settled(self.url)
        [[transfers_before]] = asyncio.run(rows(self.url, "SELECT count(*) FROM transfer"))
        server_before, postgres_before = cpu_seconds(self.server_pid), cpu_seconds(self.postgres_pid)
        started = time.perf_counter()
        measured = load(self.port, targets, self.seconds, self.connections, f"{scenario}-{time.time_ns()}")
        behind_s = wait_until_settled(self.url)
        took_s = time.perf_counter() - started
        [[transfers_after]] = asyncio.run(rows(self.url, "SELECT count(*) FROM transfer"))
        good = sum(count for status, count in measured["statuses"].items() if status.startswith("2"))
        return {
            "scenario": scenario,
            **measured,
            "connections": self.connections,
            "errors": measured["requests"] - good,
            "settled_per_second": round(good / took_s, 1),
            "behind_s": round(behind_s, 2),
            "transfers": transfers_after - transfers_before,
            "server_cpu_s": round(cpu_seconds(self.server_pid) - server_before, 2),
            "postgres_cpu_s": round(cpu_seconds(self.postgres_pid) - postgres_before, 2),
            "generator_cpu_s": measured["cpu_s"],
        }


def load(port: int, targets: list[Target], seconds: float, connections: int, name: str) -> Row:
    """Run the load generator."""
    plan = {
        "host": "127.0.0.1",
        "port": port,
        "seconds": seconds,
        "connections": connections,
        "run": name,
        "targets": [vars(target) for target in targets],
    }
    ran = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def idle(url: str, port: int, seeded: Seeded) -> Row:
    """From trigger to settled with a single caller, in milliseconds, as the database saw it."""
    load(port, seeded.triggers, 2.0, 1, f"idle-{time.time_ns()}")
    wait_until_settled(url)
    took = asyncio.run(rows(url, "SELECT extract(epoch FROM finished_at - created_at) * 1000 FROM execution"))
    ordered = sorted(float(row[0]) for row in took)
    return {
        "scenario": "idle to settled",
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[len(ordered) * 99 // 100], 2),
        "max_ms": round(ordered[-1], 2),
        "errors": 0,
    }


def surroundings(url: str) -> Row:
    """Say what was measured, on what."""
    settings = asyncio.run(
        rows(
            url,
            "SELECT name, setting FROM pg_settings WHERE name IN"
            " ('fsync', 'full_page_writes', 'synchronous_commit', 'shared_buffers', 'server_version')",
        )
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    packages = ("litestar", "psycopg", "uvicorn", "uvloop", "msgspec")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "postgres": dict(settings),
    }


def show(found: list[Row]) -> None:
    """Print a table, and the same as JSON, a line for each scenario."""
    table = Table(*COLUMNS)
    for row in found:
        table.add_row(*(cell(row.get(column)) for column in COLUMNS))
    Console().print(table)
    for row in found:
        print(json.dumps({key: value for key, value in row.items() if key not in SURROUNDINGS}))


def cell(value: object) -> str:
    """Write a value for the table."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
