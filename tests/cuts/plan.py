"""Which COMMITs are cut: so many of each kind and on each side, as dice say."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from tests.db.relay import Cut

_QUERY: Final = re.compile(r"/\* (\w+) \*/")

# The first that fits. The names are those of our queries, which travel with the statements.
_KINDS: Final = {
    "sign_in": {"insert_session"},
    "schedule": {"set_next_fire"},
    "settlement": {"finish_executions", "send_to_gather"},
    "rule": {"insert_rule"},
    "webhooks": {"end_attempt", "insert_deliveries", "claim_endpoints", "hold_endpoint", "keep_endpoint"},
    "bank_hand_over": {"claim_legs", "hold_leg", "retry_leg", "let_go_of_leg", "end_steps"},
    "bank_itself": {"write_payments", "write_book", "use_fault"},
    "money": {"insert_transfers"},
    "trigger": {"insert_executions"},
    "key": {"claim"},
    "audit_log": {"insert_entries"},
}
_CHANCES: Final = {"audit_log": 0.05, "other": 0.05, "bank_itself": 0.4, "bank_hand_over": 0.4, "schedule": 0.9}
"""How likely a cut is: less where there is little at stake or much of it on the way to the rest."""
_ELSE: Final = 0.6


def kind_of(statements: Sequence[str]) -> str:
    """Name what a transaction is about."""
    names = {found[1] for statement in statements if (found := _QUERY.match(statement))}
    return next((kind for kind, marks in _KINDS.items() if marks & names), "other")


class Plan:
    """Cuts `each_side` COMMITs before and as many after, and then no more."""

    def __init__(self, dice: random.Random, each_side: int) -> None:
        self._dice = dice
        self._each_side = each_side
        self.planned: Counter[Cut] = Counter()
        self.missed: Callable[[], int] = lambda: 0
        """Tells how many of those that were planned after a COMMIT could not be made."""
        self._by_kind: Counter[tuple[str, Cut]] = Counter()

    def __call__(self, statements: Sequence[str]) -> Cut | None:
        kind = kind_of(statements)
        if self._dice.random() > _CHANCES.get(kind, _ELSE):
            return None
        # What is cut rarely is cut on both sides in turn.
        side = min(Cut, key=lambda cut: (self._by_kind[kind, cut], self._dice.random()))
        if self.is_done(side):
            side = Cut.AFTER if side is Cut.BEFORE else Cut.BEFORE
        if self.is_done(side):
            return None
        self.planned[side] += 1
        self._by_kind[kind, side] += 1
        return side

    def is_done(self, side: Cut) -> bool:
        """Tell whether there are enough on this side."""
        return self.planned[side] - (self.missed() if side is Cut.AFTER else 0) >= self._each_side
