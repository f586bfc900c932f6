"""Queues with an end: whoever waits for too long anyway is told so at once, and nobody's haste is another's delay."""

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

PATIENCE_S: Final = 0.5
"""How long a queue may be, in time: a call waits in two of them, and who would have to wait longer is refused."""
FEWEST: Final = 128
"""So many may wait however slow it goes: a queue that is short is no overload."""
MOST: Final = 10_000
AT_FIRST: Final = 500
"""How many may wait until it is known how fast it goes."""
NEWEST_SHARE: Final = 0.5
"""How much the newest measurement counts against all before it."""
AT_LEAST: Final = 4
"""How many places in a turn an owner has at least who wants far more than all others."""
TOGETHER: Final = 24
"""What others leave of so many places is his as well: a turn takes hardly longer for these than for a few."""
REMEMBERED_TURNS: Final = 32
"""For so many turns an owner counts as there: who asks, is answered and asks again is away for one or two of them."""
MOST_REMEMBERED: Final = 64
"""So many owners: there may be very many where credentials are made up."""


class _Last(NamedTuple):
    turn: int
    places: int


@dataclass(eq=False)
class Overloaded(Exception):
    """There is more to do than can be done soon. Nothing has been done: whoever asks again later asks anew."""

    what: str

    def __str__(self) -> str:
        """Say of what there is too much."""
        return f"too many {self.what} are waiting"


class FairQueue(Generic[Item]):
    """A line for each owner, taken from in turns; as long together as what can be had from it soon.

    No owner's line is longer than an equal part of that, so one who brings too much is the one who is refused.
    """

    def __init__(self, what: str, at_first: int = AT_FIRST) -> None:
        """Begin empty; `what` says in the plural what waits here. `at_first` may, until it is measured."""
        self._what = what
        self._lines: dict[str, deque[Item]] = {}
        self._count = 0
        self._turn = 0
        self._last: dict[str, _Last] = {}
        """When each owner who is remembered last had places, and how many; the longest ago first."""
        self._room = float(at_first)
        self._has_refused = False

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._lines)

    def __len__(self) -> int:
        """Count what waits."""
        return self._count

    def put(self, owner: str, item: Item) -> None:
        """Let an item wait. Raises Overloaded."""
        line = self._lines.get(owner)
        longest = max(1, self._room // max(1, len(self._lines)))
        # Owners have an end too: some are only said to be one, by whoever makes up a credential for each call.
        if len(self._lines) >= self._room if line is None else len(line) >= longest:
            self._has_refused = True
            raise Overloaded(self._what)
        if line is None:
            line = self._lines[owner] = deque()
        line.append(item)
        self._count += 1

    def take(self, limit: int, owners_at_once: int | None = None) -> list[Item]:
        """Take at most `limit` items of at most `owners_at_once` owners, the oldest of each first.

        Beside others, no owner has more than an equal share of the places, nor many more than the next one wants. Who
        was there a moment ago wants what he had then: he has to wait for what is taken now, when he is back. Who has
        not had a place this time has one before the others next time.
        """
        owners, share = self._next(limit, owners_at_once)
        self._turn += 1
        taken: list[Item] = []
        for owner in owners:
            line = self._lines.pop(owner)
            places = min(share, len(line))
            taken.extend(line.popleft() for _ in range(places))
            if line:
                self._lines[owner] = line
            self._last.pop(owner, None)
            self._last[owner] = _Last(self._turn, places)
        self._count -= len(taken)
        self._forget()
        return taken

    def at_hand(self, limit: int) -> int:
        """Count what `take` would take."""
        owners, share = self._next(limit, None)
        return sum(min(share, len(self._lines[owner])) for owner in owners)

    def is_one_owners_surplus(self, limit: int) -> bool:
        """Tell whether only one owner waits, who wants more than his share, of which little is left by those away."""
        if len(self._lines) != 1:
            return False
        [owner], share = self._next(limit, None)
        return share < min(limit, TOGETHER) // 2 and share < len(self._lines[owner])

    def _next(self, limit: int, owners_at_once: int | None) -> tuple[list[str], int]:
        """Tell whose turn it is, and how many places each of them may have.

        Who wants most has as many as the next one, or what all others leave of some, if that is more.
        """
        owners = list(islice(self._lines, limit if owners_at_once is None else min(limit, owners_at_once)))
        if limit == 1:
            return owners, 1
        # Where few owners share a batch, those who are away do not wait for it: they have others of their own.
        remembered = self._last if owners_at_once is None else {}
        away = [last.places for owner, last in remembered.items() if owner not in self._lines]
        if not owners or len(owners) + len(away) == 1:
            return owners, limit if len(owners) == len(self._lines) else max(1, limit // 2)
        *others, _ = sorted([*away, *(len(self._lines[owner]) for owner in owners)])
        return owners, max(1, min(limit // len(owners), max(AT_LEAST, others[-1], TOGETHER - sum(others))))

    def _forget(self) -> None:
        while self._last:
            owner, last = next(iter(self._last.items()))
            if last.turn > self._turn - REMEMBERED_TURNS and len(self._last) <= MOST_REMEMBERED:
                return
            del self._last[owner]

    def is_pressed(self) -> bool:
        """Tell whether more want to wait here than are taken at a time: only then it shows how fast it goes.

        Whoever was refused since the last time counts. Otherwise a queue that has become very short would remain so.
        """
        has_refused, self._has_refused = self._has_refused, False
        return bool(self._lines) or has_refused

    def measure(self, count: int, seconds: float) -> None:
        """Learn how fast it goes: so many were done in so long, while the queue was pressed."""
        within_patience = PATIENCE_S * count / max(seconds, 1e-6)
        self._room += NEWEST_SHARE * (min(MOST, max(FEWEST, within_patience)) - self._room)
