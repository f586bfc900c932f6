"""`python -m tests.mutants`: plants every fault of the zoo, and writes down which test caught it."""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.evidence import Evidence
from tests.mutants.running import Outcome, hunt, unharmed
from tests.mutants.zoo import ZOO


def main() -> int:
    """Run; 1 where a fault went unnoticed, or where a test fails without one."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only those with one of these in their names; no evidence is written")
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    chosen = [mutant for mutant in ZOO if not options.words or any(word in mutant.name for word in options.words)]
    evidence = Evidence("mutants", ["python", "-m", "tests.mutants"])
    for mutant in chosen:
        mutant.check()
    tests = sorted({test for mutant in chosen for test in mutant.tests})
    if failed := unharmed(tests):
        evidence.violations.append(f"tests fail without any fault: {failed}")
        print(failed)
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(options.at_once) as pool:
        for each in pool.map(hunt, chosen):
            outcomes.append(each)
            print(f"{each.mutant:66} {each.seconds:6.1f} s  {each.caught_by or 'NOT CAUGHT'}", flush=True)
            if each.caught_by is None:
                evidence.violations.append(f"{each.mutant} went unnoticed: {each.said}")
    evidence.figures = {
        "mutants": len(outcomes),
        "caught": sum(each.caught_by is not None for each in outcomes),
        "by": {each.mutant: {"incident": each.incident, "caught_by": each.caught_by} for each in outcomes},
    }
    if not options.words:
        print(evidence.write())
    return 1 if evidence.violations else 0


if __name__ == "__main__":
    sys.exit(main())
