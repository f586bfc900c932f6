"""Every crash point once: the first run writes down which there are, then each ends a process that came by.

Whoever is started dies at the first of all those that are left. So nobody waits for one that is rare while there are
others, and what is left in the end is what nobody came by again.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from sluiceway.services.organizations import create_organization
from sluiceway.storage.database import Database, DatabaseOptions, fetch_all
from tests.crash.stage import Stage
from tests.crash.victims import Victim
from tests.support import plain_engine

RECORD_S: Final = 4.0
CLIENTS: Final = 6
PAUSE_S: Final = 0.02
HURRY_S: Final = 0.02
FOUND_S: Final = 0.5
DYING_S: Final = 1.0
LIVING_S: Final = 0.4
_ARE_ALL_KNOWN: Final = """
    SELECT NOT EXISTS (SELECT FROM organization WHERE id NOT IN (SELECT organization_id FROM audit_look))
"""


@dataclass
class Points:
    """Which crash points there are of a process, which of them have ended it, and which were not come by again."""

    known: list[str] = field(default_factory=list[str])
    died_at: set[str] = field(default_factory=set[str])
    died_otherwise: list[str] = field(default_factory=list[str])

    @property
    def missed(self) -> list[str]:
        """List those at which it has not ended: the circumstances did not come again in time."""
        return [point for point in self.known if point not in self.died_at]


async def record(stage: Stage) -> tuple[Points, Points]:
    """Run server and worker under every kind of load, and list the points that each of them passes."""
    files = [stage.folder / f"points-of-{victim.name}" for victim in (stage.server, stage.worker)]
    for victim in (stage.server, stage.worker):
        await victim.kill()
    for victim, file in zip((stage.server, stage.worker), files, strict=True):
        await victim.start(record=file)
    async with stage.load(CLIENTS, PAUSE_S, is_even=True), hurrying(stage):
        await asyncio.sleep(RECORD_S)
    return Points(_listed(files[0])), Points(_listed(files[1]))


def _listed(file: Path) -> list[str]:
    return sorted(set(file.read_text().splitlines()))


@dataclass(frozen=True)
class Patience:
    """How long any of those that are left is waited for, and how often in vain before they are given up."""

    seconds: float
    times: int


LITTLE: Final = Patience(seconds=4, times=20)


async def crash_at_each(
    victim: Victim, points: Points, patience: Patience, until: float, counts: Callable[[], bool] = lambda: True
) -> None:
    """Start the process again and again, each time to end at one of the points that are left; under load all the while.

    Each start is also the recovery from the crash before it. `counts`: whether what is waited for in vain now counts.
    """
    clock, file, tries = asyncio.get_running_loop().time, victim.output.with_suffix(".point"), patience.times
    while points.missed and tries and clock() < until:
        if victim.is_alive:
            await victim.kill()
        file.write_text("")
        await victim.start(crash_at=points.missed, record=file)
        try:
            async with asyncio.timeout(patience.seconds):
                status = await victim.ended()
        except TimeoutError:
            tries -= counts()
            continue
        point = file.read_text().strip()
        if status == -signal.SIGKILL:
            points.died_at.add(point)
        else:
            points.died_otherwise.append(f"{point}: {status}: {victim.said()}")
    if victim.is_alive:
        await victim.kill()
    await victim.start()


async def leave_looks(server: Victim, before_looks: Sequence[str], done: asyncio.Event) -> None:
    """Until the worker is done, let the server end now and then before it looks at what it has let happen at the bank.

    Nobody but the worker comes by what it does when it finds news, and the server is quicker as long as it lives.
    """
    file = server.output.with_suffix(".point")
    ended = asyncio.create_task(done.wait())
    while not done.is_set():
        # In between, what was repeated and cut off again and again is answered, and something else is asked for.
        for crash_at, seconds in ((before_looks, DYING_S), ([], LIVING_S)):
            if server.is_alive:
                await server.kill()
            await server.start(crash_at=crash_at, record=file if crash_at else None)
            ending = asyncio.create_task(server.ended())
            await asyncio.wait({ending, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
    ended.cancel()


async def exhaust(stage: Stage, patience: Patience, seconds: float, only: Sequence[str] = ()) -> tuple[Points, Points]:
    """Record the points, then crash at each of them: server and worker beside each other, under one load."""
    until = asyncio.get_running_loop().time() + seconds
    of_server, of_worker = await record(stage)
    before_looks = [point for point in of_server.known if point.endswith("| claim_feeds | before")]
    for points in (of_server, of_worker):
        if only:
            points.known = [point for point in points.known if any(words in point for words in only)]
    server_is_done, worker_is_done = asyncio.Event(), asyncio.Event()

    async def crash_the_server() -> None:
        try:
            await crash_at_each(stage.server, of_server, patience, until)
        finally:
            server_is_done.set()
        await leave_looks(stage.server, before_looks, worker_is_done)
        if not stage.server.is_alive:
            await stage.server.start()

    async def crash_the_worker() -> None:
        try:
            # What the server leaves to the worker comes last.
            await crash_at_each(stage.worker, of_worker, patience, until, server_is_done.is_set)
        finally:
            worker_is_done.set()

    async with stage.load(CLIENTS, PAUSE_S, is_even=True), hurrying(stage):
        await asyncio.gather(crash_the_server(), crash_the_worker())
    return of_server, of_worker


@contextlib.asynccontextmanager
async def hurrying(stage: Stage) -> AsyncGenerator[None]:
    """Let the worker look at the bank's reports and balances all the time, as it does when something is expected.

    And let there always be an organization that the audit has never looked at: some of what it does, it does once.
    """

    async def hurry() -> None:
        async with await psycopg.AsyncConnection.connect(stage.cluster.url, autocommit=True) as conn:
            while True:
                await conn.execute("UPDATE feed SET due_at = '-infinity' WHERE leased_until IS NULL")
                await asyncio.sleep(HURRY_S)

    async def found() -> None:
        async with Database(stage.cluster.url, DatabaseOptions(min_connections=1)) as database:
            while True:
                async with database.read() as tx:
                    [(are_all_known,)] = await fetch_all(tx, _ARE_ALL_KNOWN)
                if are_all_known:
                    await create_organization(plain_engine(database), "Newcomers", is_sandbox=True)
                await asyncio.sleep(FOUND_S)

    tasks = [asyncio.create_task(hurry()), asyncio.create_task(found())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
