"""How much memory the processes keep under a mixed load, and whether it grows."""

import json
import subprocess
import sys
import time
from dataclasses import asdict

from bench.figures import Row, growth
from bench.options import Options
from bench.processes import ROOT, memory_mib
from bench.stage import Stage, finish, stage
from bench.world import mixed, reads

LIMIT_MIB = 256
_LOOK_EVERY_S = 2.0
_SETTLING_IN = 0.25
"""The share of the time at the beginning in which caches fill, which says nothing about growth."""
_WARM_UP_S = 2.0
_HOUR_S = 3600


def memory(options: Options) -> list[Row]:
    """Watch a server that only serves and a worker that only settles."""
    with stage(options) as it:
        return finish(it, "memory", _watched(it))


def _watched(it: Stage) -> list[Row]:
    seeded, callers = it.seeded, it.options.callers
    it.load(seeded.triggers, callers, _WARM_UP_S)
    it.observer.wait_until_settled()
    targets = mixed(reads(it.observer, seeded.towns), seeded.transfers, seeded.triggers)
    pids = {"server": it.processes.server, "worker": it.processes.worker}
    kept: dict[str, list[tuple[float, float]]] = {name: [] for name in pids}
    before = it.usage()
    plan = json.dumps(asdict(it.plan(targets, callers, it.options.minutes * 60)))
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as generator:
        assert generator.stdin is not None, "its standard input is a pipe"
        assert generator.stdout is not None, "so is its standard output"
        generator.stdin.write(plan)
        generator.stdin.close()
        while generator.poll() is None:
            for name, pid in pids.items():
                kept[name].append((time.perf_counter() - before.clock, memory_mib(pid)))
            time.sleep(_LOOK_EVERY_S)
        seen = json.loads(generator.stdout.read())
    it.observer.wait_until_settled()
    load = {**seen, "callers": callers, **it.spent_since(before, seen["requests"])}
    return [{"scenario": f"memory-{name}", **load, **_told(points)} for name, points in kept.items()]


def _told(points: list[tuple[float, float]]) -> Row:
    settled_in = [point for point in points if point[0] >= points[-1][0] * _SETTLING_IN]
    most = max(mib for _, mib in points)
    return {
        "first_mib": round(points[0][1], 1),
        "last_mib": round(points[-1][1], 1),
        "most_mib": round(most, 1),
        "growth_mib_per_hour": round(growth(settled_in) * _HOUR_S, 1),
        "limit_mib": LIMIT_MIB,
        "is_within_limit": most <= LIMIT_MIB,
    }
