"""What is measured. A new scenario is one line here.

ALONE: without a database. LOADS: requests at one server, which are repeated and held against the baselines. STAGED:
whatever else is asked of that server. STAGING: on databases of their own.
"""

from collections.abc import Callable, Mapping
from typing import Final

from bench import engine, playing
from bench.figures import Row
from bench.options import Options
from bench.scenarios.callers import callers
from bench.scenarios.history import history
from bench.scenarios.idle import idle
from bench.scenarios.loads import LOADS
from bench.scenarios.memory import memory
from bench.scenarios.overload import overload
from bench.scenarios.remote import remote
from bench.scenarios.schedules import schedules
from bench.scenarios.startup import startup
from bench.stage import Stage

ALONE: Final[Mapping[str, Callable[[], list[Row]]]] = {"engine": engine.measure, "playing": playing.measure}

STAGED: Final[Mapping[str, Callable[[Stage], list[Row]]]] = {
    "idle": idle,
    "callers": callers,
    "remote": remote,
    "schedules": schedules,
}

STAGING: Final[Mapping[str, Callable[[Options], list[Row]]]] = {
    "history": history,
    "startup": startup,
    "memory": memory,
    "overload": overload,
}

EVERY: Final = (*ALONE, *LOADS, *STAGED, *STAGING)
IN_QUICK: Final = frozenset({*ALONE, *LOADS, "idle", "remote", "schedules", "startup"})

__all__ = ["ALONE", "EVERY", "IN_QUICK", "LOADS", "STAGED", "STAGING"]
