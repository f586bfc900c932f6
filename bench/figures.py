"""What the benchmarks compute of what they measured: percentiles, ratios, medians with their spread, growth."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
"""What is written down of one scenario: names to what JSON can hold."""

PERCENTS = (50, 95, 99)
SPREAD = ("per_second", "p99_ms")
"""Of what the least and the most of several runs are told, beside the median."""
ADDED_UP = ("errors", "lost")


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Give the least of the ordered values that so many percent of them do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def latencies(seconds: Sequence[float]) -> Row:
    """Tell how long answers took, in milliseconds: three percentiles and the longest; None without any answer."""
    ordered = sorted(seconds)
    shares = {f"p{percent}_ms": percentile(ordered, percent) if ordered else None for percent in PERCENTS}
    shares["max_ms"] = ordered[-1] if ordered else None
    return {name: None if value is None else round(value * 1000, 2) for name, value in shares.items()}


def ratio(value: float | None, base: float | None) -> float | None:
    """Say how many times `base` a value is; None where either was not measured."""
    return round(value / base, 3) if value is not None and base else None


def each(total: float, count: int) -> float | None:
    """Share a total out; None where there is nobody to share it."""
    return round(total / count, 1) if count else None


def summary(runs: Sequence[Row]) -> Row:
    """Make one row of several runs of the same scenario.

    Every figure is the median of its own; what went wrong is added up, so that no run can hide it.
    """
    if len(runs) == 1:
        return runs[0]
    row = {name: _middle([run.get(name) for run in runs]) for name in runs[0]}
    row |= {name: sum(run[name] for run in runs) for name in ADDED_UP if name in runs[0]}
    for name in SPREAD:
        values = [run[name] for run in runs if run.get(name) is not None]
        if values:
            row |= {f"{name}_least": min(values), f"{name}_most": max(values)}
    return row | {"repeats": len(runs)}


def growth(points: Sequence[tuple[float, float]]) -> float:
    """Give the slope of the straight line that lies closest to the points (least squares); 0 for fewer than two."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _middle(values: Sequence[object]) -> object:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return round(statistics.median(numbers), 3) if len(numbers) == len(values) else values[0]
