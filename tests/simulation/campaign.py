"""Many seeds, one after the other or in several processes: what was false, how it replays, what was reached."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.transactions import Store
from tests.simulation.world import DAYS, Outcome, Simulation

TWICE: Final = 100
"""Every hundredth seed is lived through twice, and has to leave the same trace."""
PIECE: Final = 25


SOMETIMES: Final = (
    "a call is answered as before",
    "a call is repeated after DatabaseUnavailable",
    "a call is repeated after Died",
    "a clock is wrong",
    "a commit was applied and its answer lost",
    "a lock is waited for",
    "a locked row is passed over",
    "a process dies",
    "a process stands still",
    "a remote server misbehaves",
    "a row has changed while it was waited for",
    "a unique key is waited for",
    "a unique key refuses a row",
    "database: lost_before",
    "database: no_connection",
    "database: serialization",
    "database: slow",
    "whoever had a lease finds it taken",
    *("add_rule", "cancel", "change_state", "decide", "delete_account", "delete_rule", "deposit", "disable", "enable"),
    *("fail_at_the_bank", "happen_outside", "limit", "move_clock", "pause", "refresh", "rehearse", "revise"),
    *("send_back", "set_waits", "transfer", "trigger", "use_key"),
)
"""What many seeds have to come past, or they prove less than they seem to."""
ENOUGH: Final = 500


@dataclass
class Found:
    """What came of some seeds."""

    seeds: int = 0
    calm: int = 0
    replayed: int = 0
    same_on_postgresql: int = 0
    commits: int = 0
    calls: int = 0
    virtual_days: int = 0
    violations: list[str] = field(default_factory=list[str])
    reached: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: "Found") -> None:
        """Count what another part has found, too."""
        for name in ("seeds", "calm", "replayed", "same_on_postgresql", "commits", "calls", "virtual_days"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.violations += other.violations
        self.reached += other.reached


_STORES: Final[list[Store]] = []
"""The one store of this process: its statements are compiled once, its rows belong to one seed at a time."""


def live(seed: int, days: int = DAYS) -> Outcome:
    """Live through one seed."""
    simulation = Simulation(seed, _STORES[0] if _STORES else None, days=days)
    _STORES[:] = [simulation.store]
    return simulation.run()


def explore(seeds: Iterable[int], days: int = DAYS) -> Found:
    """Live through some seeds, one after the other."""
    found = Found()
    for seed in seeds:
        outcome = live(seed, days)
        found.seeds += 1
        found.calm += seed % 5 == 0
        found.virtual_days += days
        found.commits += outcome.commits
        found.calls += outcome.calls
        found.reached.update(outcome.reached)
        found.violations += [f"seed {seed}: {each}" for each in outcome.violations]
        if seed % TWICE == 0:
            found.replayed += 1
            if (again := live(seed, days)).trace != outcome.trace:
                found.violations.append(f"seed {seed}: replayed otherwise, {outcome.trace} and {again.trace}")
    return found


def never(seeds: int, reached: Mapping[str, int]) -> list[str]:
    """Name what enough seeds have never come past."""
    if seeds < ENOUGH:
        return []
    return [f"never in {seeds} seeds: {each}" for each in SOMETIMES if not reached.get(each)]


def explore_in_pieces(first: int, count: int, days: int, jobs: int) -> Iterator[Found]:
    """Live through many seeds in several processes; give what each piece found, in the order in which they end."""
    pieces = [range(start, min(start + PIECE, first + count)) for start in range(first, first + count, PIECE)]
    if jobs == 1:
        yield from (explore(piece, days) for piece in pieces)
        return
    with ProcessPoolExecutor(min(jobs, os.cpu_count() or 1)) as pool:
        yield from pool.map(explore, pieces, [days] * len(pieces))
