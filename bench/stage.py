"""A server under test over a filled database of its own, and how it is loaded from another process."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from bench.figures import Row, each
from bench.load import Plan, Target
from bench.observing import Observer, Size, now
from bench.options import Options
from bench.processes import ROOT, audit, cpu_seconds, free_port, server, worker
from bench.world import Seeded, seed
from sluiceway.settings import read_settings
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from sluiceway.storage.scale_out import keep_spread

HOST = "127.0.0.1"
ORGANIZATIONS, ACCOUNTS, RULES = 10, 50, 20
_WARM_UP_S = 2.0
_MOST_WARM_UP = 1 / 3
"""Of a short run, so that a quick one is quick."""
_OUR_CONNECTIONS = 40
"""What the server, a worker, the audit and the benchmark need beside the callers of a baseline."""
_LEAST_CONNECTIONS = 100


@dataclass(frozen=True)
class Processes:
    """The numbers of the processes under test; `postgres` may be far away."""

    server: int
    postgres: int | None
    worker: int


@dataclass(frozen=True)
class Stage:
    """What the scenarios play on."""

    options: Options
    url: str
    port: int
    amounts_port: int
    """Where the server may ask for amounts: nobody listens there before a scenario does."""
    processes: Processes
    observer: Observer
    seeded: Seeded
    settings: Row

    def drive(
        self, scenario: str, targets: Sequence[Target], callers: int | None = None, seconds: float | None = None
    ) -> Row:
        """Load the server, wait until everything that was accepted is settled, and say what that took."""
        callers, seconds = callers or self.options.callers, seconds or self.options.seconds
        warm = self.load(targets, callers, min(_WARM_UP_S, seconds * _MOST_WARM_UP))
        self.observer.wait_until_settled()
        before = self.usage()
        seen = self.load(targets, callers, seconds)
        behind_s = self.observer.wait_until_settled()
        took_s, good = time.perf_counter() - before.clock, seen["requests"] - seen["errors"]
        return {
            "scenario": scenario,
            **seen,
            "callers": callers,
            "settled_per_second": round(good / took_s, 1),
            "behind_s": round(behind_s, 2),
            **self.spent_since(before, good),
            "errors": seen["errors"] + warm["errors"],
        }

    def load(self, targets: Sequence[Target], callers: int, seconds: float, most: int | None = None) -> Row:
        """Run the load generator, in a process of its own."""
        ran = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            input=json.dumps(asdict(self.plan(targets, callers, seconds, most))),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seen: Row = json.loads(ran.stdout)
        return seen

    def plan(self, targets: Sequence[Target], callers: int, seconds: float, most: int | None = None) -> Plan:
        """Write down a load under a name of its own, so that no idempotency key is sent in two loads."""
        return Plan(HOST, self.port, seconds, callers, f"run-{time.time_ns()}", list(targets), most)

    def usage(self) -> "Usage":
        """Read what everything has used so far."""
        pids = self.processes
        return Usage(
            time.perf_counter(),
            now(),
            self.observer.size(),
            {name: cpu_seconds(pid) for name, pid in asdict(pids).items() if pid is not None},
        )

    def spent_since(self, before: "Usage", writes: int) -> Row:
        """Say what was used and made since, and how much the database has grown by each execution and transfer.

        What an execution takes is only to be seen where each of the `writes` made one.
        """
        after, made = self.usage(), self.observer.made(before.at)
        runs = made.executions if made.executions == writes else 0
        took_s = after.clock - before.clock
        grown, logged = after.size.database - before.size.database, after.size.wal - before.size.wal
        return {
            "executions": made.executions,
            "transfers": made.transfers,
            "transfers_per_second": round(made.transfers / took_s, 1),
            **{f"{name}_cpu_s": round(cpu_s - before.cpu_s[name], 2) for name, cpu_s in after.cpu_s.items()},
            "bytes_per_execution": each(grown, runs),
            "wal_bytes_per_execution": each(logged, runs),
            "bytes_per_transfer": each(grown, made.transfers),
            "wal_bytes_per_transfer": each(logged, made.transfers),
        }


@dataclass(frozen=True)
class Usage:
    """A reading of every meter: times of the processor in seconds, and the size of the database."""

    clock: float
    at: datetime
    size: Size
    cpu_s: dict[str, float]
    """Of each process that there is, by what it is."""


@contextmanager
def stage(options: Options) -> Generator[Stage]:
    """Set a stage: a database with towns, a server that only serves, and a worker that settles."""
    amounts_port, port = free_port(), free_port()
    with ExitStack() as stack:
        url, postgres = stack.enter_context(_database(options))
        asyncio.run(migrate(url))
        asyncio.run(keep_spread(url, read_settings().organizations_per_transaction))
        seeded = asyncio.run(seed(url, ORGANIZATIONS, ACCOUNTS, RULES))
        observer = stack.enter_context(Observer(url))
        environment = {"REMOTE_ALLOW": f"http://{HOST}:{amounts_port}"}
        processes = Processes(
            stack.enter_context(server(url, port, "--no-worker", environment=environment)),
            postgres,
            stack.enter_context(worker(url, environment)),
        )
        settings = {"server": {"words": ["--no-worker"], **environment}, "postgres": observer.settings()}
        yield Stage(options, url, port, amounts_port, processes, observer, seeded, settings)


@contextmanager
def _database(options: Options) -> Generator[tuple[str, int | None]]:
    """Give the database that `DATABASE_URL` names, or one of our own, with the number of the process that serves it."""
    if given := os.environ.get("DATABASE_URL"):
        yield given, None
        return
    # As many as there are by default, unless a baseline with a connection for each caller needs more.
    connections = str(max(_LEAST_CONNECTIONS, options.callers + _OUR_CONNECTIONS))
    with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder, {"max_connections": connections}) as url:
            yield url, int((folder / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])


def finish(it: Stage, what: str, rows: list[Row]) -> list[Row]:
    """Audit what was done on a stage, and say with every row how everything was set."""
    it.observer.wait_until_settled()
    return [{**row, "settings": it.settings} for row in [*rows, audit(it.url, what)]]
