"""What the benchmarks say: a table for people, a file for whoever compares."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Row
from bench.processes import ROOT

_WIDTH = 180
RESULTS = ROOT / "bench" / "results"
COLUMNS = (
    "scenario",
    "callers",
    "per_second",
    "ratio_to_plain",
    "ratio_to_tpcb",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "server_cpu_s",
    "postgres_cpu_s",
    "generator_cpu_s",
    "bytes_per_execution",
    "wal_bytes_per_execution",
    "errors",
)


def show(rows: Sequence[Row]) -> None:
    """Print the figures of every scenario."""
    table = Table()
    for column in COLUMNS:
        is_name = column == "scenario"
        table.add_column(column.replace("_", " "), justify="left" if is_name else "right", no_wrap=is_name)
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in COLUMNS))
    Console(width=_WIDTH).print(table)


def write(rows: Sequence[Row], name: str) -> Path:
    """Write everything that was measured to the file of that name."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return path


def cell(value: object) -> str:
    """Write a value for the table."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)
