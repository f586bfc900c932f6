"""`make crash`: kill servers, workers and PostgreSQL for as long as is wanted, and write down what came of it.

Runs add up: what evidence/ has of crashes is gone on with, each run listed with its commit and seed.
"""

import argparse
import fcntl
import json
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from tests.crash.campaign import Outcome, Plan, run_piece
from tests.crash.exhausting import Patience
from tests.evidence import FOLDER, Evidence, where

PIECE_S = 300.0
POINTS_S = 1800.0
PATIENCE = Patience(seconds=25, times=20)
"""Longer than the audit rests between two looks."""
MAIN = ("kills", "server_kills", "worker_kills", "postgres_kills", "everything_kills", "acknowledged", "crash_points")


def main() -> int:
    """Run as many pieces as it takes; end with 1 if anything was false."""
    asked = _parser().parse_args()
    evidence = Evidence("crash", [sys.executable.rpartition("/")[2], "-m", "tests.crash", *sys.argv[1:]])
    left = {name: getattr(asked, name) for name in ("servers", "workers", "postgres", "everything", "stops")}
    points, seed = asked.points, asked.seed or secrets.randbelow(2**31)
    wrong: list[str] = []
    deadline = time.monotonic() + asked.seconds
    while any(left.values()) or points:
        # What stands still, and then the points, come last, in pieces of their own.
        is_for_points = not any(left.values())
        stops = 0 if any(value for name, value in left.items() if name != "stops") else left["stops"]
        seconds = min(POINTS_S if is_for_points else PIECE_S, deadline - time.monotonic())
        if seconds <= 0:
            print(f"out of time; not done: {left}", flush=True)
            break
        plan = Plan(
            **{**left, "stops": stops}, points=is_for_points, patience=PATIENCE, calm_s=asked.calm, seconds=seconds
        )
        began = datetime.now(UTC)
        print(f"seed {seed}: {plan}", flush=True)
        outcome = uvloop.run(run_piece(seed, plan))
        print(json.dumps(outcome.counts | {"wrong": outcome.wrong}), flush=True)
        wrong += outcome.wrong
        for name, what in (("servers", "server"), ("workers", "worker"), ("postgres",) * 2, ("everything",) * 2):
            left[name] = max(0, left[name] - outcome.counts[f"{what}_kills"])
        print(_write_down(evidence, _piece(seed, began, outcome)), flush=True)
        left["stops"] -= stops
        points, seed = points and not is_for_points, seed + 1
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--servers", type=int, default=0, help="kills of the server")
    parser.add_argument("--workers", type=int, default=0, help="kills of the worker")
    parser.add_argument("--postgres", type=int, default=0, help="kills of all of PostgreSQL")
    parser.add_argument("--everything", type=int, default=0, help="kills of all three at once")
    parser.add_argument("--stops", type=int, default=0, help="times that something stands still beyond its lease")
    parser.add_argument("--points", action="store_true", help="crash at every crash point once")
    parser.add_argument("--calm", type=float, default=0.0, help="seconds more between kills, under full load")
    parser.add_argument("--seconds", type=float, default=24 * 3600.0, help="begin nothing new after so long")
    parser.add_argument("--seed", type=int, help="for all dice")
    return parser


def _write_down(evidence: Evidence, piece: dict[str, Any]) -> Path:
    """Add a piece to those that there are already, also when somebody else is about to do the same."""
    folder = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        before = evidence.earlier()
        pieces = [*([] if before is None else before["pieces"]), piece]
        evidence.violations = [sentence for each in pieces for sentence in each["what_was_violated"]]
        evidence.figures = _summed(pieces)
        return evidence.write()
    finally:
        os.close(folder)


def _piece(seed: int, began: datetime, outcome: Outcome) -> dict[str, Any]:
    place = where()
    return {
        "seed": seed,
        "began_at": began.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - began).total_seconds(), 1),
        "commit": place["commit"],
        "is_dirty": place["is_dirty"],
        **outcome.counts,
        **outcome.notes,
        "what_was_violated": outcome.wrong,
    }


def _summed(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up what adds up; of crash points, the most that one piece has crashed at."""
    names = [name for piece in pieces for name, value in piece.items() if type(value) is int and name != "seed"]
    sums = {name: sum(piece.get(name, 0) for piece in pieces) for name in dict.fromkeys(names)}
    for name in ("crash_points", "crash_points_died_at"):
        sums[name] = max((piece.get(name, 0) for piece in pieces), default=0)
    sums["kills"] = sum(sums.get(f"{what}_kills", 0) for what in ("server", "worker", "postgres", "everything"))
    first = {name: sums.pop(name) for name in MAIN if name in sums}
    return {
        **first,
        **sums,
        "seconds_of_all_pieces": round(sum(piece["seconds"] for piece in pieces), 1),
        "pieces": pieces,
    }


if __name__ == "__main__":
    sys.exit(main())
