"""PostgreSQL's own measure: the TPC-B of pgbench, which comes with the server, with prepared statements."""

import subprocess
import tempfile
from pathlib import Path

from bench.figures import Row, latencies
from sluiceway.storage.programs import program

SCENARIO = "tpcb"
SCALE = 10
"""So many branches, and 100,000 accounts in each."""
_THREADS = 2
_LATENCY_US = 2
"""The column of the log that says how long a transaction took."""


def fill(url: str) -> None:
    """Make the tables."""
    _pgbench(url, "--initialize", "--quiet", f"--scale={SCALE}")


def measure(url: str, callers: int, seconds: float) -> Row:
    """Run the transactions for so many seconds, at least one, and say how that went."""
    whole_s = max(1, round(seconds))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        clients, threads = f"--client={callers}", f"--jobs={min(_THREADS, callers)}"
        logged = ("--log", f"--log-prefix={log}")
        _pgbench(url, clients, threads, f"--time={whole_s}", "--protocol=prepared", "--no-vacuum", *logged)
        lines = [line for file in Path(folder).iterdir() for line in file.read_text(encoding="utf-8").splitlines()]
    took_s = [int(line.split()[_LATENCY_US]) / 1_000_000 for line in lines]
    return {
        "scenario": SCENARIO,
        "requests": len(took_s),
        "seconds": whole_s,
        "per_second": round(len(took_s) / whole_s, 1),
        **latencies(took_s),
        "callers": callers,
        "scale": SCALE,
        "errors": 0,
    }


def _pgbench(url: str, *words: str) -> None:
    subprocess.run([program("pgbench"), *words, url], check=True, capture_output=True)
