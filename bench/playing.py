"""How many events a second a play takes, on one core: deposits over 90 days through a rule of two steps."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.engine import RULE
from bench.figures import Row
from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import Beginning, MoneyArrives, PlayedRule, Player, Terms
from sluiceway.domain.rules import read_rule

EVENTS = 100_000
DAYS = 90

_OTHERWISE: dict[str, Any] = {
    "conditions": None,
    "actions": [{"type": "FIXED", "amount_in_cents": 100, "source": "income", "destination": "emergency"}],
}


def events_per_second(events: int = EVENTS) -> float:
    """Play so many deposits, each of which runs the rule; return how many a second."""
    rule = read_rule({**RULE, "steps": [*RULE["steps"], _OTHERWISE]})
    names = [AccountId(name) for name in ("income", "savings", "emergency")]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    beginning = Beginning(
        start,
        {name: Account(name, AccountKind.POD) for name in names},
        dict.fromkeys(names, NOTHING),
        [PlayedRule(RuleId("rule"), rule)],
    )
    step = timedelta(days=DAYS) / events
    deposits = [MoneyArrives(start + number * step, names[0], Cents(500 + number % 1000)) for number in range(events)]
    player = Player(beginning, Terms())
    started = time.perf_counter()
    for each in deposits:
        player.play(each)
    player.finish(start + timedelta(days=DAYS))
    took = time.perf_counter() - started
    assert len(player.runs) == events, "every deposit runs the rule"
    return events / took


def measure() -> list[Row]:
    """Give the figure as a row."""
    return [{"scenario": "playing", "per_second": round(events_per_second()), "errors": 0}]


if __name__ == "__main__":
    print(f"{events_per_second():,.0f} events/s")
