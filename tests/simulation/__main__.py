"""`python -m tests.simulation --seeds 20000`: virtual months of the program, each with its own bad luck."""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from tests.evidence import FOLDER, ROOT, Evidence
from tests.simulation.campaign import SOMETIMES, Found, explore_in_pieces, live, never
from tests.simulation.world import DAYS


def earlier() -> tuple[Found, int] | None:
    """Read what the newest evidence found, and its first seed; None: none, or what it speaks of has changed."""
    files = sorted(FOLDER.glob("simulation-*.json"))
    if not files:
        return None
    said: dict[str, Any] = json.loads(files[-1].read_text(encoding="utf-8"))
    changed = ["git", "diff", "--quiet", said["commit"], "--", "src", "tests/simulation"]
    if said["violations"] or said["is_dirty"] or subprocess.run(changed, cwd=ROOT, check=False).returncode:
        return None
    found = Found(
        seeds=said["seeds"],
        calm=said["without_faults"],
        replayed=said["replayed_with_the_same_trace"],
        same_on_postgresql=said["same_on_postgresql"],
        commits=said["commits"],
        calls=said["calls"],
        virtual_days=said["virtual_days"],
    )
    found.reached.update(said["reached"])
    return found, said["first_seed"]


def main() -> int:
    """Live through the seeds, say what was found, and write it down. Ends with 1 if anything was false."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--days", type=int, default=DAYS, help="virtual days of each")
    parser.add_argument("--jobs", type=int, default=1, help="processes beside each other")
    parser.add_argument("--replay", type=int, metavar="SEED", help="live through this one alone, and say what is wrong")
    parser.add_argument("--fidelity", type=int, default=0, metavar="N", help="so many also on PostgreSQL")
    parser.add_argument("--plants", action="store_true", help="plant known faults, too, and see that each is found")
    parser.add_argument("--more", action="store_true", help="go on after the newest evidence, and add to it")
    parser.add_argument("--minutes", type=float, default=0, help="end after so long, with the seeds that were done")
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Nothing here may depend on the order of a set; a replay elsewhere shall not even if it does.
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606 -- ourselves
    if asked.replay is not None:
        outcome = live(asked.replay, asked.days)
        print(f"seed {outcome.seed}: trace {outcome.trace}, {outcome.commits} commits", *outcome.violations, sep="\n")
        return 1 if outcome.violations else 0
    evidence = Evidence("simulation", ["python", "-m", "tests.simulation", *sys.argv[1:]])
    found, first = (earlier() if asked.more else None) or (Found(), asked.first)
    began = time.monotonic()
    for piece in explore_in_pieces(first + found.seeds, asked.seeds, asked.days, asked.jobs):
        found.add(piece)
        print(f"{found.seeds} seeds, {len(found.violations)} violations, {time.monotonic() - began:.0f} s", flush=True)
        for each in piece.violations:
            print(each, flush=True)
        if asked.minutes and time.monotonic() - began > asked.minutes * 60:
            break
    if asked.fidelity:
        from tests.simulation.fidelity import compare_on_postgresql

        differences = compare_on_postgresql(range(asked.first, asked.first + asked.fidelity))
        found.violations += differences
        found.same_on_postgresql = asked.fidelity - len(differences)
    detected: list[int] = []
    if asked.plants:
        from tests.simulation.plants import PLANTS, find_all

        for plant, seeds in zip(PLANTS, find_all(), strict=True):
            found.violations += [f"nobody found that {plant.what}"] if seeds is None else []
            detected += [] if seeds is None else [seeds]
    found.violations += never(found)
    evidence.violations += found.violations
    evidence.figures |= {
        "seeds": found.seeds,
        "first_seed": first,
        "virtual_days": found.virtual_days,
        "virtual_years": round(found.virtual_days / 365, 1),
        "without_faults": found.calm,
        "replayed_with_the_same_trace": found.replayed,
        "same_on_postgresql": found.same_on_postgresql,
        "calls": found.calls,
        "commits": found.commits,
        "detected": len(detected),
        "most_seeds_to_detect": max(detected, default=0),
        "markers": sum(found.reached[each] > 0 for each in SOMETIMES),
        "reached": dict(sorted(found.reached.items())),
    }
    print(evidence.write())
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
