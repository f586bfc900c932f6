"""Restore drills at length, each from a seed of its own: `--from` and `--drills` repeat some of them."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.drills.drill import Outcome, drill
from tests.drills.large import large
from tests.drills.stage import cluster
from tests.evidence import Evidence, without_record

LARGE = "large"


def main() -> int:
    """Drill, and write down what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("--drills", type=int, default=20)
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--large", type=int, default=0, help="also time a database with so many transfers")
    parser.add_argument("--record", type=Path, help="write each drill here too, and do none that is here already")
    given = parser.parse_args()
    evidence = Evidence("drills", ["python", "-m", "tests.drills", *without_record(sys.argv[1:])])
    known = _recorded(given.record)
    seeds = range(given.first, given.first + given.drills)
    with tempfile.TemporaryDirectory(prefix="sluiceway-drills-") as folder:
        Path(folder).chmod(0o711)
        with cluster(Path(folder)) as url:
            for seed in seeds:
                if str(seed) not in known:
                    outcome = asyncio.run(drill(Path(folder), url, seed))
                    _keep(given.record, known, str(seed), outcome)
            if given.large and LARGE not in known:
                figures = asyncio.run(large(Path(folder), url, given.large))
                _keep(given.record, known, LARGE, Outcome([], figures))
    _tell(evidence, {int(name): outcome for name, outcome in known.items() if name != LARGE})
    if given.record is not None:
        # One after the other as there was time, perhaps not all of the same commit: the seeds say which.
        evidence.figures["is_of_several_runs"] = True
        evidence.command = ["python", "-m", "tests.drills", "--drills", str(len(known)), "--large", "1000000"]
    if LARGE in known:
        evidence.figures[LARGE] = known[LARGE].figures
    print(evidence.write())
    return 1 if evidence.violations else 0


def _recorded(file: Path | None) -> dict[str, Outcome]:
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {name: Outcome(violations, figures) for name, figures, violations in lines}


def _keep(file: Path | None, known: dict[str, Outcome], name: str, outcome: Outcome) -> None:
    known[name] = outcome
    print(name, outcome.figures, *outcome.violations, flush=True)
    if file is not None:
        with file.open("a") as lines:
            lines.write(json.dumps([name, outcome.figures, outcome.violations]) + "\n")


def _tell(evidence: Evidence, outcomes: dict[int, Outcome]) -> None:
    figures = [outcome.figures for outcome in outcomes.values()]
    for seed, outcome in outcomes.items():
        evidence.violations += [f"seed {seed}: {each}" for each in outcome.violations]
    evidence.figures |= {"drills": len(figures), "seeds": sorted(outcomes)}
    for name in ("double_submissions", "payments", "answered_before", "asked_after", "approved", "refused_as_paid"):
        evidence.figures[name] = sum(int(each.get(name, 0)) for each in figures)
    rto = [each["rto_s"] for each in figures if "rto_s" in each]
    evidence.figures |= {"rto_s_median": statistics.median(rto), "rto_s_longest": max(rto)} if rto else {}


if __name__ == "__main__":
    sys.exit(main())
