"""Whether the past slows the present: the hot paths with more and more transfers in the database."""

from bench.figures import Row, ratio
from bench.filling import fill
from bench.observing import now
from bench.options import Options
from bench.processes import still
from bench.scenarios.loads import LOADS
from bench.stage import Stage, finish, stage

PATHS = ("triggers", "transfers", "reads")
HELD_AGAINST = ("per_second", "p50_ms", "p99_ms")
_WARM_UP_S = 2.0


def history(options: Options) -> list[Row]:
    """Load the same server with every amount of history, and hold each against the first."""
    with stage(options) as it:
        # So that every rule has run: history is more of the same.
        it.load(it.seeded.triggers, options.callers, _WARM_UP_S)
        it.observer.wait_until_settled()
        rows: list[Row] = []
        first: dict[str, Row] = {}
        for count in options.history:
            began = now()
            # A worker would look at history while it is half written, and stop the money.
            with still(it.processes.worker):
                filled = fill(it.url, count)
            rows.append({"scenario": f"history-{count}-fill", **filled, "errors": 0})
            if filled["written"]:
                it.observer.wait_until_looked_at(began)
            for path in PATHS:
                row = _driven(it, path, count)
                base = first.setdefault(path, row)
                held = {f"{name}_to_{options.history[0]}": ratio(row[name], base[name]) for name in HELD_AGAINST}
                rows.append(row | held)
        return finish(it, "history", rows)


def _driven(it: Stage, path: str, count: int) -> Row:
    return it.drive(f"history-{count}-{path}", LOADS[path](it)) | {"history": count}
