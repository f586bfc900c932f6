"""Restore drills at length, each from a seed of its own: `--from` and `--drills` repeat some of them."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.drills.drill import Outcome, cluster, drill
from tests.drills.large import large
from tests.evidence import Evidence


def main() -> int:
    """Drill, and write down what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("--drills", type=int, default=20)
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--large", type=int, default=0, help="also time a database with so many transfers")
    parser.add_argument("--record", type=Path, help="write each drill here too, and do none that is here already")
    given = parser.parse_args()
    evidence = Evidence("drills", ["python", "-m", "tests.drills", *sys.argv[1:]])
    outcomes = _recorded(given.record)
    with tempfile.TemporaryDirectory(prefix="sluiceway-drills-") as folder:
        Path(folder).chmod(0o711)
        with cluster(Path(folder)) as url:
            for seed in range(given.first, given.first + given.drills):
                if seed in outcomes:
                    continue
                outcomes[seed] = outcome = asyncio.run(drill(Path(folder), url, seed))
                print(seed, outcome.figures, *outcome.violations, flush=True)
                if given.record is not None:
                    with given.record.open("a") as file:
                        file.write(json.dumps([seed, outcome.figures, outcome.violations]) + "\n")
            if given.large:
                evidence.figures["large"] = asyncio.run(large(Path(folder), url, given.large))
                print(evidence.figures["large"], flush=True)
    wanted = {seed: outcomes[seed] for seed in range(given.first, given.first + given.drills)}
    _tell(evidence, wanted)
    print(evidence.write())
    return 1 if evidence.violations else 0


def _recorded(file: Path | None) -> dict[int, Outcome]:
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {seed: Outcome(violations, figures) for seed, figures, violations in lines}


def _tell(evidence: Evidence, outcomes: dict[int, Outcome]) -> None:
    figures = [outcome.figures for outcome in outcomes.values()]
    for seed, outcome in outcomes.items():
        evidence.violations += [f"seed {seed}: {each}" for each in outcome.violations]
    evidence.figures |= {"drills": len(figures), "seeds": [min(outcomes, default=0), max(outcomes, default=0)]}
    for name in ("double_submissions", "payments", "answered_before", "asked_after", "approved", "refused_as_paid"):
        evidence.figures[name] = sum(int(each.get(name, 0)) for each in figures)
    rto = [each["rto_s"] for each in figures if "rto_s" in each]
    evidence.figures |= {"rto_s_median": statistics.median(rto), "rto_s_longest": max(rto)} if rto else {}


if __name__ == "__main__":
    sys.exit(main())
