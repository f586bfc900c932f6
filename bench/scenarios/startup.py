"""How long a server takes to its first answer, with embedded PostgreSQL: in an empty folder, and again."""

import statistics
import tempfile
import time
from pathlib import Path

from bench.figures import Row
from bench.options import Options
from bench.processes import SLUICEWAY, free_port, running, wait_until_ready

TIMES = 3


def startup(options: Options) -> list[Row]:
    """Start a server in a folder that it has to fill, and then in the same one; with several folders in turn."""
    empty_s: list[float] = []
    existing_s: list[float] = []
    for _ in range(1 if options.quick else TIMES):
        with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as name:
            empty_s.append(_first_answer_s(Path(name)))
            existing_s.append(_first_answer_s(Path(name)))
    return [_row("startup-empty", empty_s), _row("startup-existing", existing_s)]


def _first_answer_s(folder: Path) -> float:
    port = free_port()
    began = time.perf_counter()
    with running([SLUICEWAY, "serve", "--port", str(port), "--data-dir", folder], {"DATABASE_URL": ""}):
        wait_until_ready(port)
        return time.perf_counter() - began


def _row(scenario: str, took_s: list[float]) -> Row:
    return {
        "scenario": scenario,
        "requests": len(took_s),
        "p50_ms": round(statistics.median(took_s) * 1000, 2),
        "max_ms": round(max(took_s) * 1000, 2),
        "errors": 0,
    }
