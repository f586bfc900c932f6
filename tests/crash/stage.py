"""What is killed and what watches it: a folder with a PostgreSQL, the warm process, servers, workers, the outside."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.crash.clients import Client, Line, Seen
from tests.crash.journal import Journal
from tests.crash.outside import Outside
from tests.crash.town import Asking, Numbers, Town, settle_down
from tests.crash.victims import Nursery, Victim
from tests.e2e.processes import free_port
from tests.support import SECRET_KEY

LEASE_S: Final = 2
"""Longer than any call takes on a busy machine: of two that live, none takes what the other still has in hand."""
CLIENTS: Final = 192
"""So many that what they ask makes large batches, which cost a fraction for each request."""


class Cluster:
    """The PostgreSQL of a data directory, which can be killed as a whole and started again."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._postgres = EmbeddedPostgres(data_dir)
        self.url = ""
        self.starts_s: list[float] = []

    async def start(self) -> None:
        """Start it, or find it started by somebody else; either way it stays as long as we are here."""
        began = time.monotonic()
        former, self._postgres = self._postgres, EmbeddedPostgres(self._data_dir)
        self.url = await asyncio.to_thread(self._postgres.__enter__)
        self.starts_s.append(time.monotonic() - began)
        await asyncio.to_thread(former.__exit__, None, None, None)

    async def stop(self) -> None:
        await asyncio.to_thread(self._postgres.__exit__, None, None, None)

    def kill(self) -> None:
        """End its first process and all its children on the spot."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            first = int((self._data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
            for pid in (first, *_children_of(first)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def is_running(self) -> bool:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            first = int((self._data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
            return Path(f"/proc/{first}").exists()
        return False


def _children_of(parent: int) -> list[int]:
    children: list[int] = []
    for thread in Path(f"/proc/{parent}/task").glob("*/children"):
        children += [int(pid) for pid in thread.read_text().split()]
    return children


@dataclass
class Stage:
    """Everything that a run of crashes needs."""

    folder: Path
    cluster: Cluster
    nursery: Nursery
    servers: list[Victim]
    workers: list[Victim]
    ports: list[int]
    outside: Outside
    town: Town
    journal: Journal
    seen: Seen
    dice: Random
    numbers: Numbers = field(default_factory=Numbers)

    @property
    def server(self) -> Victim:
        return self.servers[0]

    @property
    def worker(self) -> Victim:
        return self.workers[0]

    @property
    def victims(self) -> list[Victim]:
        return [*self.servers, *self.workers]

    async def until_up(self) -> None:
        """Wait until some server can be asked, but not for ever: what is told of it may be late."""
        if any(server.is_up.is_set() for server in self.servers):
            return
        waiting = [asyncio.create_task(server.is_up.wait()) for server in self.servers]
        await asyncio.wait(waiting, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()

    @contextlib.asynccontextmanager
    async def load(
        self,
        clients: int = CLIENTS,
        pause_s: float = 0.0,
        *,
        is_even: bool = False,
        patience_s: float = 20.0,
    ) -> AsyncGenerator[None]:
        """Let clients ask, until the block is left and everything that was asked has been answered."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                asking = Asking(self.town, Random(self.dice.random()), self.numbers, is_even)
                lines = [Line(port, server.is_up.is_set) for port, server in zip(self.ports, self.servers, strict=True)]
                client = Client(asking, self.journal, self.seen, lines, self.until_up, patience_s=patience_s)
                group.create_task(client.run(stop, pause_s))
            try:
                yield
            finally:
                stop.set()


@contextlib.asynccontextmanager
async def set_stage(seed: int, *, of_each: int = 2, lease_s: int = LEASE_S) -> AsyncGenerator[Stage]:
    """Set everything up, with so many servers and as many workers running; take everything down again."""
    folder = Path(tempfile.mkdtemp(prefix="sluiceway-crash-"))
    data_dir = folder / "data"
    data_dir.mkdir()
    cluster = Cluster(data_dir)
    journal = Journal(folder / "journal")
    ports = [free_port() for _ in range(of_each)]
    try:
        await cluster.start()
        async with Nursery() as nursery, Outside() as outside:
            await migrate(cluster.url)
            town = await settle_down(cluster.url, outside.url)
            outside.webhook_secret = town.webhook_secret
            environment = _environment() | {"LEASE_S": str(lease_s), "REMOTE_ALLOW": outside.url}
            stage = Stage(
                folder,
                cluster,
                nursery,
                [
                    Victim(nursery, "serve", f"serve-{n}", data_dir, environment, worker=False, port=port)
                    for n, port in enumerate(ports)
                ],
                [Victim(nursery, "worker", f"worker-{n}", data_dir, environment) for n in range(of_each)],
                ports,
                outside,
                town,
                journal,
                Seen(),
                Random(seed),
            )
            await asyncio.gather(*(victim.start() for victim in stage.victims))
            try:
                yield stage
            finally:
                for victim in stage.victims:
                    if victim.is_alive:
                        victim.send(signal.SIGCONT)
                        await victim.kill()
    finally:
        journal.close()
        await cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONUNBUFFERED": "1",
        "LOG_LEVEL": "error",
        "LOG_FORMAT": "json",
        "SECRET_KEY": SECRET_KEY,
    }
