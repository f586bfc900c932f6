"""The ways on which rules move money, in a few words."""

from typing import Any

import pytest

from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules import looks_at, read_rule, ways_of

_A, _B, _C = (AccountId(f"01900000-0000-7000-8000-00000000000{n}") for n in "abc")
_NAMES = {_A: "Income", _B: "Savings", _C: "Card"}


def _rule(*actions: dict[str, Any], trigger: dict[str, Any] | None = None, conditions: Any = None) -> Any:
    return read_rule(
        {
            "trigger": trigger or {"type": "MANUAL", "account_id": _A},
            "steps": [{"conditions": conditions, "actions": list(actions)}],
        }
    )


def _action(**more: Any) -> dict[str, Any]:
    return {"source": _A, "destination": _B} | more


@pytest.mark.parametrize(
    ("action", "label"),
    [
        (_action(type="FIXED", amount_in_cents=5000), "$50.00"),
        (
            _action(type="PERCENTAGE", percentage_value=20, percentage_target="INCOMING_AMOUNT"),
            "20 % of the amount given",
        ),
        (
            _action(type="PERCENTAGE", percentage_value="12.5", percentage_target="SOURCE_ACCOUNT"),
            "12.5 % of the balance",
        ),
        (_action(type="TOP_UP", amount_in_cents=190000), "up to $1,900.00"),
        (_action(type="ROUND_DOWN", amount_in_cents=10000), "down to a multiple of $100.00"),
        (_action(type="SWEEP_ABOVE", amount_in_cents=30000), "all above $300.00"),
        (_action(type="TOTAL_AMOUNT_DUE"), "all that is owed"),
    ],
)
def test_a_way_says_how_much(action: dict[str, Any], label: str):
    [way] = ways_of(_rule(action), _NAMES)

    assert (way.source, way.destination, way.label) == (_A, _B, label)


def test_a_rule_that_money_starts_speaks_of_what_arrives():
    share = _action(type="PERCENTAGE", percentage_value=20, percentage_target="INCOMING_AMOUNT")

    [way] = ways_of(_rule(share, trigger={"type": "ON_FUNDS_TRANSFERRED", "account_id": _A}), _NAMES)

    assert way.label == "20 % of what arrives"


def test_a_rule_looks_at_its_trigger_its_conditions_and_its_sources():
    leaf = {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 5, "params": {"account_id": _C}}
    rule = _rule(_action(type="FIXED", amount_in_cents=5), conditions={"condition": leaf})

    assert looks_at(rule) == {_A, _C}
