"""A server under test over a filled database of its own, and how it is loaded from another process."""

import asyncio
import json
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
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate

HOST = "127.0.0.1"
ORGANIZATIONS, ACCOUNTS, RULES = 10, 50, 20
_WARM_UP_S = 2.0
_OUR_CONNECTIONS = 40
"""What the server, a worker, the audit and the benchmark need beside the callers of a baseline."""
_LEAST_CONNECTIONS = 100


@dataclass(frozen=True)
class Processes:
    """The numbers of the processes under test; without `worker` the server settles too."""

    server: int
    postgres: int
    worker: int | None


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
        self.load(targets, callers, min(_WARM_UP_S, seconds))
        self.observer.wait_until_settled()
        before = self.usage()
        seen = self.load(targets, callers, seconds)
        behind_s = self.observer.wait_until_settled()
        took_s, good = time.perf_counter() - before.clock, seen["requests"] - seen["errors"]
        spent = self.spent_since(before)
        if spent["executions"] != good:
            # Other requests have written too, so what an execution takes is not to be seen here.
            spent |= {"bytes_per_execution": None, "wal_bytes_per_execution": None}
        return {
            "scenario": scenario,
            **seen,
            "callers": callers,
            "settled_per_second": round(good / took_s, 1),
            "behind_s": round(behind_s, 2),
            **spent,
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
            cpu_seconds(pids.server),
            cpu_seconds(pids.postgres),
            cpu_seconds(pids.worker) if pids.worker else None,
        )

    def spent_since(self, before: "Usage") -> Row:
        """Say what was used and made since, and how much the database has grown by each execution and transfer."""
        after, made = self.usage(), self.observer.made(before.at)
        took_s = after.clock - before.clock
        grown, logged = after.size.database - before.size.database, after.size.wal - before.size.wal
        row: Row = {
            "executions": made.executions,
            "transfers": made.transfers,
            "transfers_per_second": round(made.transfers / took_s, 1),
            "server_cpu_s": round(after.server_s - before.server_s, 2),
            "postgres_cpu_s": round(after.postgres_s - before.postgres_s, 2),
            "bytes_per_execution": each(grown, made.executions),
            "wal_bytes_per_execution": each(logged, made.executions),
            "bytes_per_transfer": each(grown, made.transfers),
            "wal_bytes_per_transfer": each(logged, made.transfers),
        }
        if after.worker_s is not None and before.worker_s is not None:
            row["worker_cpu_s"] = round(after.worker_s - before.worker_s, 2)
        return row


@dataclass(frozen=True)
class Usage:
    """A reading of every meter: times of the processor in seconds, and the size of the database."""

    clock: float
    at: datetime
    size: Size
    server_s: float
    postgres_s: float
    worker_s: float | None


@contextmanager
def stage(options: Options, *, has_worker: bool = False) -> Generator[Stage]:
    """Set a stage: PostgreSQL as it is embedded, a migrated and filled database, the server, and perhaps a worker."""
    amounts_port, port = free_port(), free_port()
    # As many as there are by default, unless a baseline with a connection for each caller needs more.
    connections = str(max(_LEAST_CONNECTIONS, options.callers + _OUR_CONNECTIONS))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sluiceway-bench-")))
        url = stack.enter_context(EmbeddedPostgres(folder, {"max_connections": connections}))
        asyncio.run(migrate(url))
        seeded = asyncio.run(seed(url, ORGANIZATIONS, ACCOUNTS, RULES))
        observer = stack.enter_context(Observer(url))
        environment = {"REMOTE_ALLOW": f"http://{HOST}:{amounts_port}"}
        words = ["--no-worker"] if has_worker else []
        processes = Processes(
            stack.enter_context(server(url, port, *words, environment=environment)),
            int((folder / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]),
            stack.enter_context(worker(url)) if has_worker else None,
        )
        settings = {"server": {"words": words, **environment}, "postgres": observer.settings()}
        yield Stage(options, url, port, amounts_port, processes, observer, seeded, settings)


def finish(it: Stage, what: str, rows: list[Row]) -> list[Row]:
    """Audit what was done on a stage, and say with every row how everything was set."""
    it.observer.wait_until_settled()
    return [{**row, "settings": it.settings} for row in [*rows, audit(it.url, what)]]
