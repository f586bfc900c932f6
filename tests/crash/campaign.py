"""One piece of a campaign: set up, load, crash in some way, come to rest, compare. Pieces add up."""

import asyncio
import statistics
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.crash.comparing import come_to_rest, compare
from tests.crash.exhausting import LITTLE, Patience, exhaust
from tests.crash.killing import (
    STOPPED_LEASE_S,
    Kills,
    kill_again_and_again,
    kill_everything,
    kill_postgres,
    stop_beyond_leases,
)
from tests.crash.stage import CLIENTS, LEASE_S, Stage, set_stage

CLIENTS_THAT_WAIT: Final = 16


@dataclass(frozen=True)
class Plan:
    """How often what is killed, under whose load, in how long; how often something stands still; if at every point."""

    servers: int = 0
    workers: int = 0
    postgres: int = 0
    everything: int = 0
    stops: int = 0
    points: bool = False
    patience: Patience = LITTLE
    calm_s: float = 0.0
    """How much longer it goes well between kills: what has come in by then is more."""
    clients: int = CLIENTS
    seconds: float = 150.0


@dataclass
class Outcome:
    """What came of it: counts that add up over pieces, others that do not, and what is wrong."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    notes: dict[str, float | str | list[str]] = field(default_factory=dict[str, float | str | list[str]])
    wrong: list[str] = field(default_factory=list[str])


async def run_piece(seed: int, plan: Plan) -> Outcome:
    """Do what the plan says. One seed for all dice: what is asked, and when something is killed."""
    outcome = Outcome()
    # At a point that is named dies the only one of its kind, or the other would do the work and never come by.
    of_each, lease_s = 1 if plan.points else 2, STOPPED_LEASE_S if plan.stops else LEASE_S
    async with set_stage(seed, of_each=of_each, lease_s=lease_s) as stage:
        kills = Kills(plan.calm_s)
        if plan.servers or plan.workers or plan.postgres or plan.everything:
            await _kill(stage, plan, kills)
        if plan.stops:
            await _stop(stage, plan.stops)
            outcome.counts["stops"] = plan.stops
        if plan.points:
            await _exhaust(stage, plan, outcome)
        await come_to_rest(stage)
        verdict = await compare(stage, may_be_handed_over_again=bool(plan.stops))
        seen = stage.seen
        outcome.wrong += verdict.wrong
        outcome.counts |= {
            f"{what}_kills": kills.count[what] for what in ("server", "worker", "postgres", "everything")
        }
        outcome.counts |= {
            "kills_under_load": kills.under_load.total(),
            "acknowledged": seen.acknowledged,
            "refused": seen.refused,
            "replays": seen.replays,
            "requests_cut_off": seen.cuts,
            "lost_answers": seen.lost_answers,
            **verdict.figures,
        }
        outcome.notes |= {
            "server_start_s_median": _median([took for server in stage.servers for took in server.starts_s]),
            "worker_start_s_median": _median([took for worker in stage.workers for took in worker.starts_s]),
            "postgres_start_s_median": _median(stage.cluster.starts_s[1:]),
            "postgres_kill_to_next_answer_s_median": _median(kills.recoveries_s),
            "postgres_kill_to_next_answer_s_longest": round(max(kills.recoveries_s, default=0.0), 3),
        }
    return outcome


async def _kill(stage: Stage, plan: Plan, kills: Kills) -> None:
    clock = asyncio.get_running_loop().time
    wanted = (max(plan.servers, plan.workers) * 0.5, plan.postgres * 2.0, plan.everything * 2.5)
    began = clock()
    async with stage.load(plan.clients):
        dice = [Random(stage.dice.random()) for _ in range(4)]
        until = began + plan.seconds * wanted[0] / sum(wanted)
        await asyncio.gather(
            kill_again_and_again(stage, stage.servers, "server", plan.servers, kills, until, dice[0]),
            kill_again_and_again(stage, stage.workers, "worker", plan.workers, kills, until, dice[1]),
        )
        until = began + plan.seconds * sum(wanted[:2]) / sum(wanted)
        await kill_postgres(stage, plan.postgres, kills, until, dice[2])
        await kill_everything(stage, plan.everything, kills, began + plan.seconds, dice[3])


async def _stop(stage: Stage, times: int) -> None:
    """Two servers and two workers, of which one at a time stands still beyond its leases; the others go on."""
    stage.outside.takes_s = 0.05
    async with stage.load(CLIENTS_THAT_WAIT, patience_s=0.5):
        await stop_beyond_leases(stage, times, Random(stage.dice.random()))
    stage.outside.takes_s = 0.0


async def _exhaust(stage: Stage, plan: Plan, outcome: Outcome) -> None:
    of_server, of_worker = await exhaust(stage, plan.patience, plan.seconds)
    for points in (of_server, of_worker):
        outcome.wrong += [f"a process ended by itself at {each}" for each in points.died_otherwise]
    outcome.counts["crash_points"] = len(of_server.known) + len(of_worker.known)
    outcome.counts["crash_points_died_at"] = len(of_server.died_at) + len(of_worker.died_at)
    outcome.notes["crash_points_not_come_by_again"] = [*of_server.missed, *of_worker.missed]


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3) if values else 0.0
