"""Ten times as many callers as usual, none of whom waits as told; and one organization that is as loud as that alone.

How much is done under overload, how fast the rest is refused, whether all is as before at once afterwards, and what a
loud neighbour costs another organization, with and without it in turns.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from bench.crowd import REFUSALS
from bench.figures import Row, ratio
from bench.load import Target
from bench.options import Options
from bench.processes import ROOT
from bench.stage import Stage, finish, stage

TENFOLD = 10
FAR_TOO_MANY = 3000
_QUIET = 6
"""How many callers the one organization has whose waiting is compared."""
_TURNS = 3
_TURN = 1 / 3
"""Of the time that a scenario is loaded."""
_AFTERWARDS_S = 5.0
_LOOK_S = 1.0
_NORMAL_WITHIN_S = 30.0
_AS_USUAL = 1.5
"""A second is as usual when nobody is refused and the p99 is at most so much longer."""


class Share(NamedTuple):
    """So many callers, and what they ask for."""

    callers: int
    targets: Sequence[Target]


def overload(options: Options) -> list[Row]:
    """Load a server as usual, far too hard, and as usual again; then with a loud neighbour and without."""
    with stage(options) as it:
        return finish(it, "overload", [*_too_much(it), _neighbour(it)])


def _too_much(it: Stage) -> list[Row]:
    seconds, callers, triggers = it.options.seconds, it.options.callers, it.seeded.triggers
    many = callers * TENFOLD
    usually = it.drive("overload-usual", triggers)
    rows = [usually]
    for name, count in (("overload-tenfold", many), ("overload-crowd", FAR_TOO_MANY)):
        seen = _crowd(it, seconds, all=Share(count, triggers))["all"]
        # As soon as the crowd has gone: what it has left behind is part of what follows.
        normal_after_s, wrong = _wait_until_normal(it, usually)
        after = _crowd(it, min(_AFTERWARDS_S, seconds), all=Share(callers, triggers))["all"]
        behind_s = round(it.observer.wait_until_settled(), 2)
        rows.append(
            {
                "scenario": name,
                **seen,
                "of_usual": ratio(seen["per_second"], usually["per_second"]),
                "normal_after_s": normal_after_s,
                "after_of_usual": ratio(after["per_second"], usually["per_second"]),
                "after_p99_ms": after["p99_ms"],
                "behind_s": behind_s,
                "errors": seen["errors"] + wrong + after["errors"] + _refused(after),
            }
        )
    return rows


def _wait_until_normal(it: Stage, usually: Row) -> tuple[float, int]:
    """Load as usual, a second at a time, until that is as usual; say how long it was not, and what went wrong.

    That it takes too long is something that has gone wrong.
    """
    began, wrong = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - began) < _NORMAL_WITHIN_S:
        seen = _crowd(it, _LOOK_S, all=Share(it.options.callers, it.seeded.triggers))["all"]
        wrong += seen["errors"]
        if not _refused(seen) and seen["p99_ms"] <= _AS_USUAL * usually["p99_ms"]:
            return round(passed_s, 2), wrong
    return round(passed_s, 2), wrong + 1


def _refused(row: Row) -> int:
    return sum(row["statuses"].get(status, 0) for status in REFUSALS)


def _neighbour(it: Stage) -> Row:
    callers, quiet, loud = it.options.callers, it.seeded.towns[1].key, it.seeded.towns[2].key
    own = [target for target in it.seeded.triggers if target.key == quiet]
    noise = [target for target in it.seeded.triggers if target.key == loud]
    rest = [target for target in it.seeded.triggers if target.key not in (quiet, loud)]
    turn_s = it.options.seconds * _TURN
    usual: list[Row] = []
    beside: list[Row] = []
    for _ in range(_TURNS):
        it.observer.wait_until_settled()
        alike = Share(callers - _QUIET, [*rest, *noise])
        usual.append(_crowd(it, turn_s, quiet=Share(_QUIET, own), alike=alike))
        it.observer.wait_until_settled()
        alike = Share(callers - 2 * _QUIET, rest)
        beside.append(_crowd(it, turn_s, quiet=Share(_QUIET, own), alike=alike, loud=Share(callers * TENFOLD, noise)))
    rows = [row for groups in (*usual, *beside) for row in groups.values()]
    p99_ms, p99_ms_beside = (
        statistics.median(groups["quiet"]["p99_ms"] for groups in turns) for turns in (usual, beside)
    )
    return {
        "scenario": "overload-neighbour",
        "per_second": statistics.median(groups["quiet"]["per_second"] for groups in beside),
        "p99_ms": p99_ms_beside,
        "p99_ms_without": p99_ms,
        "of_p99_without": ratio(p99_ms_beside, p99_ms),
        "loud": beside[-1]["loud"],
        "errors": sum(row["errors"] for row in rows),
    }


def _crowd(it: Stage, seconds: float, **shares: Share) -> dict[str, Row]:
    """Run the load generator for crowds, in a process of its own."""
    plans = {name: asdict(it.plan(share.targets, share.callers, seconds)) for name, share in shares.items()}
    ran = subprocess.run(
        [sys.executable, "-m", "bench.crowd"],
        cwd=ROOT,
        input=json.dumps(plans),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seen: dict[str, Row] = json.loads(ran.stdout)
    return seen
