"""`make prove`: every part of the proof at length, each writing down what it found. Ends with 1 if anything was false.

A part is a folder of tests/ with a `__main__` that takes its own options; `make test` runs each for a few seconds.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Final

from tests.evidence import ROOT

PARTS: Final[Mapping[str, str]] = {
    "cut-commits": "tests.cuts",
    "privileges": "tests.privileges --rounds 20 --kills 200",
    "simulation": "tests.simulation --seeds 20000 --fidelity 200 --plants",
    "concurrency": "tests.concurrency",
    "drills": "tests.drills",
    "upgrade": "tests.upgrade",
    "audit": "tests.audit",
    "corruption": "tests.corruption",
    "mutants": "tests.mutants",
    "abuse": "tests.abuse",
    "crash": "tests.crash --servers 2000 --workers 2000 --postgres 500 --everything 50 --stops 50 --points",
}
"""What is run for each, after `python -m`."""


def main() -> int:
    """Run the parts that were asked for, one after the other; what fails does not stop the rest."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all of them, if none is named")
    failed: list[str] = []
    for part in parser.parse_args().parts or PARTS:
        began = time.monotonic()
        ran = subprocess.run([sys.executable, "-m", *shlex.split(PARTS[part])], cwd=ROOT, check=False)
        print(f"{part}: {'ok' if ran.returncode == 0 else 'FAILED'}, {time.monotonic() - began:.0f} s", flush=True)
        if ran.returncode:
            failed.append(part)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
