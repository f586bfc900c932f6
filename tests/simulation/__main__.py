"""`python -m tests.simulation --seeds 20000`: virtual months of the program, each with its own bad luck.

With `--more`, runs add up: what the newest evidence has is gone on with, each piece listed with its commit and seeds.
With `--again`, the seeds that it found wrong are lived through once more, and those in which nothing is wrong any more
are listed as mended, with what was found and the commit in which it is not. A seed draws the same world only under the
same version of Python.
"""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tests.evidence import Evidence, where
from tests.simulation.campaign import SOMETIMES, Found, explore_in_pieces, live, never
from tests.simulation.world import DAYS, Outcome

COUNTED: Final = (
    *("seeds", "virtual_days", "without_faults", "replayed_with_the_same_trace", "same_on_postgresql", "calls"),
    "commits",
)
MOST: Final = ("detected", "most_seeds_to_detect")
"""What is planted is planted anew in each piece that plants: these do not add up."""


def summed(pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up what pieces have found, whichever commits they are of."""
    reached = Counter[str]()
    for piece in pieces:
        reached.update(piece["reached"])
    sums = {name: sum(piece[name] for piece in pieces) for name in COUNTED}
    return {
        **sums,
        **{name: max(piece[name] for piece in pieces) for name in MOST},
        "virtual_years": round(sums["virtual_days"] / 365, 1),
        "markers": sum(reached[each] > 0 for each in SOMETIMES),
        "seconds_of_all_pieces": round(sum(piece["seconds"] for piece in pieces), 1),
        "reached": dict(sorted(reached.items())),
        "pieces": list(pieces),
    }


def live_again(pieces: Sequence[dict[str, Any]], commit: str, living: Callable[[int], Outcome] = live) -> None:
    """Live once more through seeds that were found wrong, and list as mended in which nothing is wrong any more."""
    for piece in pieces:
        still: list[str] = []
        for sentence in piece["what_was_violated"]:
            seed = re.match(r"seed (\d+): ", sentence)
            violations = [sentence] if seed is None else living(int(seed[1])).violations
            if violations:
                still += [sentence if seed is None else f"seed {seed[1]}: {each}" for each in violations]
            else:
                piece.setdefault("mended", []).append({"was": sentence, "not_in": commit})
        piece["what_was_violated"] = still


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
    parser.add_argument("--again", action="store_true", help="those first in which something was wrong, with --more")
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
    before = evidence.earlier() if asked.more else None
    pieces = [] if before is None else before["pieces"]
    if asked.again:
        live_again(pieces, str(where()["commit"]))
    pieces.append(_piece(asked, max((each["first_seed"] + each["seeds"] for each in pieces), default=asked.first)))
    figures = summed(pieces)
    evidence.violations += [sentence for each in pieces for sentence in each["what_was_violated"]]
    evidence.violations += never(figures["seeds"], figures["reached"])
    evidence.figures |= figures
    print(evidence.write())
    return 1 if evidence.violations else 0


def _piece(asked: argparse.Namespace, first: int) -> dict[str, Any]:
    """Live through the seeds from `first` on; give what was found, and of which commit."""
    # What runs is what stands there now, whatever is committed meanwhile.
    place, began_at, began = where(), datetime.now(UTC), time.monotonic()
    found = Found()
    for some in explore_in_pieces(first, asked.seeds, asked.days, asked.jobs):
        found.add(some)
        print(f"{found.seeds} seeds, {len(found.violations)} violations, {time.monotonic() - began:.0f} s", flush=True)
        for each in some.violations:
            print(each, flush=True)
        if asked.minutes and time.monotonic() - began > asked.minutes * 60:
            break
    if asked.fidelity:
        from tests.simulation.fidelity import compare_on_postgresql

        differences = compare_on_postgresql(range(first, first + asked.fidelity))
        found.violations += differences
        found.same_on_postgresql = asked.fidelity - len(differences)
    detected: list[int] = []
    if asked.plants:
        from tests.simulation.plants import PLANTS, find_all

        for plant, seeds in zip(PLANTS, find_all(), strict=True):
            found.violations += [f"nobody found that {plant.what}"] if seeds is None else []
            detected += [] if seeds is None else [seeds]
    run = {"began_at": began_at.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - began, 1)}
    return piece_of(first, found, detected, run | {name: place[name] for name in ("commit", "is_dirty", "python")})


def piece_of(first: int, found: Found, detected: Sequence[int], run: Mapping[str, Any]) -> dict[str, Any]:
    """Write down one run: what it found from the seed `first` on, and after how many seeds what was planted."""
    return {
        "first_seed": first,
        "seeds": found.seeds,
        **run,
        "virtual_days": found.virtual_days,
        "without_faults": found.calm,
        "replayed_with_the_same_trace": found.replayed,
        "same_on_postgresql": found.same_on_postgresql,
        "calls": found.calls,
        "commits": found.commits,
        "detected": len(detected),
        "most_seeds_to_detect": max(detected, default=0),
        "reached": dict(sorted(found.reached.items())),
        "what_was_violated": found.violations,
    }


if __name__ == "__main__":
    sys.exit(main())
