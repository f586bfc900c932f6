"""Runs the benchmarks, prints a table, writes bench/results/NAME.json; fails on errors and on a dirty audit."""

import sys

from bench.baseline.measuring import BASELINES, PLAIN, PLAIN_HOT, baselines, database_beside
from bench.baseline.tpcb import SCENARIO as TPCB
from bench.features import features
from bench.figures import Row, ratio, summary
from bench.options import Options, read_options
from bench.report import show, write
from bench.scenarios import ALONE, EVERY, IN_QUICK, LOADS, STAGED, STAGING
from bench.stage import Stage, finish, stage
from bench.surroundings import surroundings


def main() -> None:
    """Read the options and run."""
    options = read_options(None, EVERY, IN_QUICK)
    rows = run(options)
    where = surroundings()
    show(rows)
    if not options.quick:
        print(f"written to {write([row | where for row in rows], options.name)}")
    if any(row["errors"] for row in rows):
        wrong = [row["scenario"] for row in rows if row["errors"]]
        sys.exit(f"something went wrong in {', '.join(wrong)}")


def run(options: Options) -> list[Row]:
    """Run every scenario that was asked for."""
    rows = [row for name, scenario in ALONE.items() if options.wants(name) for row in scenario()]
    if any(options.wants(name) for name in (*LOADS, *STAGED)):
        with stage(options) as it:
            rows += finish(it, "loads", on_stage(it))
    return rows + [row for name, scenario in STAGING.items() if options.wants(name) for row in scenario(options)]


def on_stage(it: Stage) -> list[Row]:
    """Run what is asked of one server: first with an empty history, then the loads, each round with its baselines."""
    options = it.options
    rows = STAGED["idle"](it) if options.wants("idle") else []
    loads = [name for name in LOADS if options.wants(name)]
    if loads:
        with database_beside(it.url) as beside:
            rounds = [round_of(it, loads, beside) for _ in range(options.repeat)]
        rows += compared([summary(runs) for runs in zip(*rounds, strict=True)])
    rows += [row for name, scenario in STAGED.items() if name != "idle" and options.wants(name) for row in scenario(it)]
    return [*rows, features(it.observer)]


def round_of(it: Stage, loads: list[str], beside: str) -> list[Row]:
    """Run the baselines and every load once."""
    bases = baselines(beside, it.options.callers, it.options.seconds)
    return bases + [it.drive(name, LOADS[name](it)) for name in loads]


def compared(rows: list[Row]) -> list[Row]:
    """Say how many times the baselines of the same run each load is."""
    bases = {row["scenario"]: row["per_second"] for row in rows if row["scenario"] in BASELINES}
    return [
        row
        if row["scenario"] in bases
        else row
        | {
            "ratio_to_plain": ratio(row["per_second"], bases[PLAIN]),
            "ratio_to_plain_hot": ratio(row["per_second"], bases[PLAIN_HOT]),
            "transfers_ratio_to_plain": ratio(row["transfers_per_second"], bases[PLAIN]),
            "ratio_to_tpcb": ratio(row["per_second"], bases[TPCB]),
        }
        for row in rows
    ]


if __name__ == "__main__":
    main()
