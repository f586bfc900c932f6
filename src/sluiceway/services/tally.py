"""What a process counts of what it does: plain numbers, added up once a batch, with no id and no amount among them.

Nobody who counts waits for anybody, and whoever asks gets a copy. Several processes' tallies add up to one.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

Labels = tuple[str, ...]


class Metric(NamedTuple):
    """Something that is counted or measured."""

    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """The upper ends, for what is spread over some range."""


SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ITEMS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)

COUNTERS: Final[Mapping[str, Metric]] = {
    "requests": Metric("Requests answered, by API generation and first digit of the status.", ("generation", "status")),
    "refused": Metric("Requests refused because there was too much to do."),
    "executions": Metric("Executions planned, simulations too, by how they ended.", ("ending",)),
    "transfers": Metric("Transfers that came to a status.", ("status",)),
    "verified_rows": Metric("Rows that workers have verified, all the time."),
    "verified_seconds": Metric("How long they took for it, waiting for the database included."),
    "database_failures": Metric("What the database did not do, by kind.", ("kind",)),
}
DISTRIBUTIONS: Final[Mapping[str, Metric]] = {
    "request_seconds": Metric("How long answers took, by API generation.", ("generation",), SECONDS),
    "batch_items": Metric("How many calls or executions one transaction took, by kind.", ("kind",), ITEMS),
    "batch_seconds": Metric("How long one transaction of a batch took, by kind.", ("kind",), SECONDS),
}


WAITING: Final = "waiting"
NOW: Final[Mapping[str, Metric]] = {
    WAITING: Metric("Calls that wait for their batch, by queue.", ("queue",)),
    "processes": Metric("Processes that these figures are of."),
}
"""What is so at this moment, and ends with the process."""

Copied = list[tuple[str, Labels, list[float]]]


class Tally:
    """The numbers of one process, or of several together."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._counts: defaultdict[tuple[str, Labels], float] = defaultdict(float)
        self._spread: dict[tuple[str, Labels], list[float]] = {}
        """For each range how many were in it, then how many were above all, then the sum."""

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Count something."""
        self._counts[name, labels] += by

    def add_each(self, name: str, labels: Iterable[str]) -> None:
        """Count things that have one label each."""
        for label, by in Counter(labels).items():
            self._counts[name, (label,)] += by

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Count something by how large it is."""
        buckets = DISTRIBUTIONS[name].buckets
        found = self._spread.get((name, labels))
        if found is None:
            found = self._spread[name, labels] = [0.0] * (len(buckets) + 2)
        found[bisect_left(buckets, value)] += 1
        found[-1] += value

    def batch(self, kind: str, items: int, seconds: float) -> None:
        """Count a batch."""
        self.observe("batch_items", items, kind)
        self.observe("batch_seconds", seconds, kind)

    def counted(self, name: str) -> dict[Labels, float]:
        """Give what was counted under a name, by label."""
        return {labels: value for (of, labels), value in self._counts.items() if of == name}

    def spread(self, name: str) -> dict[Labels, list[float]]:
        """Give how what was observed under a name is spread, by label."""
        return {labels: list(values) for (of, labels), values in self._spread.items() if of == name}

    def copy(self) -> Copied:
        """Give all of it as it is now, in a form that can be sent to another process."""
        counts = [(name, labels, [value]) for (name, labels), value in self._counts.items()]
        return counts + [(name, labels, list(values)) for (name, labels), values in self._spread.items()]

    def absorb(self, copied: Iterable[tuple[str, Iterable[str], list[float]]]) -> None:
        """Add what another process has counted, or has now."""
        for name, given, values in copied:
            labels = tuple(given)
            if name in COUNTERS or name in NOW:
                self.add(name, *labels, by=values[0])
            elif name in DISTRIBUTIONS:
                sums = self._spread.get((name, labels), [0.0] * len(values))
                self._spread[name, labels] = [before + more for before, more in zip(sums, values, strict=True)]


def of_the_past(copied: Copied) -> Copied:
    """Keep of a process that has ended what it has counted; what it had at a moment, it has no more."""
    return [one for one in copied if one[0] not in NOW]
