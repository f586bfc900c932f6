"""The kills: a server, a worker, the whole of PostgreSQL, or everything, at moments that dice choose; then back up."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.crash.stage import Stage
from tests.crash.victims import Victim

MOMENT_S: Final = (0.05, 0.5)
"""How long it goes well, once what was killed is ready again, before the next kill."""
AGAIN: Final = 0.1
"""How often it is killed a second time while it is still getting up."""
STOPPED_LEASE_S: Final = 1
STOPPED_S: Final = (1.2 * STOPPED_LEASE_S, 2.5 * STOPPED_LEASE_S)
PATIENCE_S: Final = 30.0


@dataclass
class Kills:
    """How often what was killed, and how long it took to get up again; how much longer it goes well between kills."""

    calm_s: float = 0.0
    count: Counter[str] = field(default_factory=Counter[str])
    under_load: Counter[str] = field(default_factory=Counter[str])
    """Of those, kills since whose predecessor at least one request had been acknowledged."""
    recoveries_s: list[float] = field(default_factory=list)
    """From a kill of PostgreSQL to the first request that was acknowledged after it."""

    def add(self, stage: Stage, what: str) -> None:
        self.count[what] += 1
        self.under_load[what] += stage.seen.acknowledged_since > 0
        stage.seen.acknowledged_since = 0


async def kill_again_and_again(
    stage: Stage, victims: Sequence[Victim], what: str, times: int, kills: Kills, until: float, dice: Random
) -> None:
    """Kill one of them at a time, so often or until it is time to stop; the others go on, at the end all run."""
    clock = asyncio.get_running_loop().time
    while kills.count[what] < times and clock() < until:
        await asyncio.sleep(dice.uniform(*MOMENT_S) + kills.calm_s)
        victim = dice.choice(victims)
        await victim.kill()
        kills.add(stage, what)
        while kills.count[what] < times and dice.random() < AGAIN:
            await victim.begin()
            await asyncio.sleep(dice.uniform(0, 0.15))
            await victim.kill()
            kills.count[what] += 1
        await victim.start()


async def kill_postgres(stage: Stage, times: int, kills: Kills, until: float, dice: Random) -> None:
    """Kill the first process of PostgreSQL and all its children; start it and wait for the next acknowledgement."""
    clock = asyncio.get_running_loop().time
    while kills.count["postgres"] < times and clock() < until:
        await asyncio.sleep(dice.uniform(*MOMENT_S) + kills.calm_s)
        stage.cluster.kill()
        began = clock()
        kills.add(stage, "postgres")
        await stage.cluster.start()
        await _until_acknowledged(stage)
        kills.recoveries_s.append(clock() - began)


async def kill_everything(stage: Stage, times: int, kills: Kills, until: float, dice: Random) -> None:
    """Kill servers, workers and PostgreSQL at once. Whoever is started first starts PostgreSQL."""
    clock = asyncio.get_running_loop().time
    while kills.count["everything"] < times and clock() < until:
        await asyncio.sleep(dice.uniform(*MOMENT_S) + kills.calm_s)
        stage.cluster.kill()
        await asyncio.gather(*(victim.kill() for victim in stage.victims))
        began = clock()
        kills.add(stage, "everything")
        await asyncio.gather(*(victim.start() for victim in stage.victims))
        await stage.cluster.start()
        await _until_acknowledged(stage)
        kills.recoveries_s.append(clock() - began)


async def stop_beyond_leases(stage: Stage, times: int, dice: Random) -> None:
    """Let one of them stand still for longer than a lease, so that others take over its work; then let it go on."""
    for _ in range(times):
        await asyncio.sleep(dice.uniform(0.1, 0.4))
        victim = dice.choice(stage.victims)
        victim.send(signal.SIGSTOP)
        await asyncio.sleep(dice.uniform(*STOPPED_S))
        victim.send(signal.SIGCONT)


async def _until_acknowledged(stage: Stage) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE_S
    while not stage.seen.acknowledged_since:
        assert clock() < deadline, f"nobody was answered for {PATIENCE_S} s: {stage.server.said()}"
        await asyncio.sleep(0.005)
