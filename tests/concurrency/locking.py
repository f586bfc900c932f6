"""Watches which rows a transaction locks after which, in every transaction that is stepped: one order, and no circle.

What is locked with SKIP LOCKED waits for nobody and is left out; so is what a transaction has locked already.
"""

import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg.pq.abc import PGresult

_NAME: Final = re.compile(r"/\* (\w+) \*/")
_LOCKS: Final = re.compile(r"\bFOR (NO KEY )?UPDATE\b(?!.*SKIP LOCKED)", re.DOTALL)
_ENDS: Final = ("BEGIN", "COMMIT", "ROLLBACK")

CLASSES: Final = {
    "lock_organizations": "gate",
    "lock_free_organizations": "gate",
    "on_the_way": "transfers",
    "lock_legs": "legs",
    "hold_leg": "legs",
    "lock_cards": "cards",
    "lock_accounts": "accounts",
    "limits": "limits",
    "lock_executions": "executions",
    "hold_gathering": "executions",
    "hold_feed": "feeds",
    "lock_book": "the bank's book",
    "use": "what limits count",
    "lock_person": "people",
    "claim": "keys",
    "move_heads": "heads of audit logs",
}
"""What the statements lock that may wait for somebody: rows of which kind."""
_IN_KEY_ORDER: Final = {"gate": (0,), "accounts": (0, 1)}
"""Whose rows have to come in the order of their keys, and in which columns those are."""
_LAST: Final = "heads of audit logs"


def name_of(query: str) -> str:
    """Tell what a statement is called, or its first word."""
    found = _NAME.match(query)
    return found[1] if found else query.split(maxsplit=1)[0]


@dataclass
class _Held:
    classes: list[str] = field(default_factory=list[str])
    highest: dict[str, tuple[bytes, ...]] = field(default_factory=dict[str, tuple[bytes, ...]])
    keys: set[tuple[str, tuple[bytes, ...]]] = field(default_factory=set[tuple[str, tuple[bytes, ...]]])


class LockWatch:
    """What was locked after what, over all transactions that were watched."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Any, _Held] = WeakKeyDictionary()
        self._after: dict[str, set[str]] = {}
        self.acquisitions = 0
        self.broken: set[str] = set()
        """What was wrong, in words."""

    def saw(self, conn: Any, query: str, result: PGresult | None) -> None:
        """Note what a statement has locked."""
        name = name_of(query)
        if name in _ENDS:
            self._held.pop(conn, None)
            return
        kind = CLASSES.get(name)
        if kind is None:
            if _LOCKS.search(query):
                self.broken.add(f"nobody knows what {name} locks")
            return
        held = self._held.setdefault(conn, _Held())
        self.acquisitions += 1
        if _LAST in held.classes and kind != _LAST:
            self.broken.add(f"{kind} were locked after the {_LAST}")
        for earlier in held.classes:
            if earlier != kind and kind not in held.classes:
                self._after.setdefault(kind, set()).add(earlier)
        if kind not in held.classes:
            held.classes.append(kind)
        if kind in _IN_KEY_ORDER and result is not None:
            self._check_keys(kind, held, result)

    def _check_keys(self, kind: str, held: _Held, result: PGresult) -> None:
        for row in range(result.ntuples):
            key = tuple(result.get_value(row, column) or b"" for column in _IN_KEY_ORDER[kind])
            if (kind, key) in held.keys:
                continue
            if kind in held.highest and key < held.highest[kind]:
                self.broken.add(f"{kind} were not locked in the order of their keys")
            held.keys.add((kind, key))
            held.highest[kind] = max(key, held.highest.get(kind, key))

    def order(self) -> list[str]:
        """Give the one order in which everything was locked. Empty, and `broken` says why, if there is none."""
        try:
            return list(TopologicalSorter(self._after).static_order())
        except CycleError as circle:
            self.broken.add("locked in a circle: " + " -> ".join(circle.args[1]))
            return []
