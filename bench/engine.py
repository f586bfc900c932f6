"""How fast `plan()` alone is, on one core: a rule with a condition and two percentages."""

import time
from datetime import UTC, datetime
from typing import Any

from bench.figures import Row
from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import Account, AccountKind, Balance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Event, Snapshot, TriggerType, plan, read_rule

RULE: dict[str, Any] = {
    "trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"},
    "steps": [
        {
            "conditions": {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50000}},
            "actions": [
                {
                    "type": "PERCENTAGE",
                    "percentage_value": percent,
                    "percentage_target": "INCOMING_AMOUNT",
                    "source": "income",
                    "destination": destination,
                }
                for percent, destination in ((20, "savings"), (10, "emergency"))
            ],
        }
    ],
}


_SECONDS = 1.0


def plans_per_second(seconds: float) -> float:
    """Plan the same event again and again for so many seconds; return the best of five stretches."""
    rule, rule_id = read_rule(RULE), RuleId("rule")
    names = [AccountId(name) for name in ("income", "savings", "emergency")]
    snapshot = Snapshot(
        {name: Account(name, AccountKind.POD) for name in names}, {name: Balance(10**9, 0, 0) for name in names}
    )
    event = Event(TriggerType.ON_FUNDS_TRANSFERRED, datetime(2026, 1, 31, 9, tzinfo=UTC), Cents(500_000))
    best = 0.0
    for _ in range(5):
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < seconds / 5:
            for _ in range(500):
                plan(rule_id, rule, event, snapshot)
            count += 500
        best = max(best, count / (time.perf_counter() - started))
    return best


def measure() -> list[Row]:
    """Give the figure as a row."""
    return [{"scenario": "engine", "per_second": round(plans_per_second(_SECONDS)), "errors": 0}]
