"""The loads: what is asked in each, by callers that ask again as soon as they are answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.load import Target
from bench.stage import Stage
from bench.world import mixed, reads, skewed

LOADS: Final[Mapping[str, Callable[[Stage], Sequence[Target]]]] = {
    "triggers": lambda it: it.seeded.triggers,
    "zipf": lambda it: skewed(it.seeded.triggers),
    "hot": lambda it: it.seeded.hot,
    "split": lambda it: it.seeded.deposits,
    "transfers": lambda it: it.seeded.transfers,
    "reads": lambda it: reads(it.observer, it.seeded.towns),
    "mixed": lambda it: mixed(reads(it.observer, it.seeded.towns), it.seeded.transfers, it.seeded.triggers),
}
