"""What may be chosen of a run of the benchmarks."""

import argparse
from collections.abc import Collection
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Options:
    """How long, how hard, how often, and what; `only` of nothing is everything."""

    only: frozenset[str] = frozenset()
    seconds: float = 30
    callers: int = 64
    repeat: int = 1
    history: tuple[int, ...] = (0, 1_000_000, 10_000_000)
    """With how many transfers in the database, one after the other."""
    rules: int = 10_000
    """How many are due at one instant."""
    asked: int = 2_000
    """How many amounts are asked for."""
    minutes: float = 30
    """For how long memory is watched."""
    quick: bool = False
    name: str = "latest"

    def wants(self, scenario: str) -> bool:
        """Tell whether a scenario is among those to run."""
        return not self.only or scenario in self.only


QUICK = Options(seconds=1.5, rules=200, asked=100, quick=True)
"""A minute's worth."""


def read_options(words: list[str] | None, scenarios: Collection[str], in_quick: frozenset[str]) -> Options:
    """Read the command line. Ends the process for what makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Sluiceway, and audit what it did.")
    parser.add_argument("--quick", action="store_true", help="a minute's worth, which is not written down")
    parser.add_argument("--only", type=_names, help=f"some of {', '.join(scenarios)}", metavar="A,B")
    parser.add_argument("--seconds", type=float, help="how long each scenario is loaded (30)")
    parser.add_argument("--callers", type=int, help="how many callers there are at once (64)")
    parser.add_argument("--repeat", type=int, help="run the loads so often, and tell the median and the spread (1)")
    parser.add_argument("--history", type=_counts, help="transfers in the database (0,1000000,10000000)", metavar="N,N")
    parser.add_argument("--rules", type=int, help="how many rules are due at one instant (10000)")
    parser.add_argument("--asked", type=int, help="how many amounts are asked for (2000)")
    parser.add_argument("--minutes", type=float, help="for how long memory is watched (30)")
    parser.add_argument("--name", help="bench/results/NAME.json (latest)")
    given = {name: value for name, value in vars(parser.parse_args(words)).items() if value is not None}
    unknown = given.get("only", frozenset()) - set(scenarios)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(scenarios)}")
    return replace(replace(QUICK, only=in_quick) if given["quick"] else Options(), **given)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split(","))


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(number) for number in text.split(",")))
