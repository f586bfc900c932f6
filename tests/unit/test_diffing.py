"""What an edit changed, in words, at the path where it stands."""

from typing import Any

import pytest
from hypothesis import given

from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules import Rule, diff, read_rule
from tests.unit.strategies import KINDS, rules

NAMES = {AccountId("income"): "Income", AccountId("savings"): "Savings", AccountId("rent"): "Rent"}
NOBODY = {account_id: account_id.title() for account_id in KINDS}


def move(cents: int, destination: str = "savings", **more: Any) -> dict[str, Any]:
    return {"type": "FIXED", "amount_in_cents": cents, "source": "income", "destination": destination, **more}


def day(number: int) -> dict[str, Any]:
    return {"condition": {"fact": "DATE", "operator": "EQUALS", "value": number}}


def step(*actions: dict[str, Any], conditions: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"conditions": conditions, "actions": list(actions)}


def rule_of(*steps: dict[str, Any], **more: Any) -> Rule:
    trigger = {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"}
    return read_rule({"trigger": trigger, "steps": list(steps), **more})


A, B, C = move(100), move(200, "rent"), move(300)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (rule_of(step(A)), rule_of(step(A)), []),
        (
            rule_of(step(A)),
            rule_of(step(move(150))),
            [
                (
                    "changed",
                    "steps/0/actions/0",
                    "move $1.00 from Income to Savings",
                    "move $1.50 from Income to Savings",
                )
            ],
        ),
        (
            rule_of(step(A)),
            rule_of(step(A, B)),
            [("added", "steps/0/actions/1", None, "move $2.00 from Income to Rent")],
        ),
        (
            rule_of(step(A, B, C)),
            rule_of(step(A, C)),
            [("removed", "steps/0/actions/1", "move $2.00 from Income to Rent", None)],
        ),
        (
            rule_of(step(A, B, C)),
            rule_of(step(C, A, B)),
            [("moved", "steps/0/actions/0", "move $3.00 from Income to Savings", "move $3.00 from Income to Savings")],
        ),
        (
            rule_of(step(A, conditions=day(1))),
            rule_of(step(A, conditions=day(2))),
            [("changed", "steps/0/conditions", "if the day of the month is 1", "if the day of the month is 2")],
        ),
        (
            rule_of(step(A)),
            rule_of(step(A, conditions=day(2))),
            [("added", "steps/0/conditions", None, "if the day of the month is 2")],
        ),
        (
            rule_of(step(A, conditions={"all": [day(1), day(2)]})),
            rule_of(step(A, conditions={"all": [day(1), {"any": [day(3)]}, day(2)]})),
            [
                (
                    "added",
                    "steps/0/conditions/all/1",
                    None,
                    "at least one of these: the day of the month is 3",
                )
            ],
        ),
        (
            rule_of(step(A, conditions={"all": [day(1), day(2)]})),
            rule_of(step(A, conditions={"any": [day(1), day(2)]})),
            [
                (
                    "changed",
                    "steps/0/conditions",
                    "if all of these: the day of the month is 1 and the day of the month is 2",
                    "if at least one of these: the day of the month is 1 or the day of the month is 2",
                )
            ],
        ),
        (
            rule_of(step(A), name="Old"),
            rule_of(step(A), name="New", approval_above_in_cents=5),
            [
                ("changed", "name", "name: “Old”", "name: “New”"),
                (
                    "added",
                    "approval_above_in_cents",
                    None,
                    "A transfer of more than $0.05 waits until a person approves it.",
                ),
            ],
        ),
        (
            rule_of(step(A, conditions=day(1)), step(B)),
            rule_of(step(C, conditions=day(9)), step(A, conditions=day(1)), step(B)),
            [("added", "steps/0", None, "step 1: if the day of the month is 9, move $3.00 from Income to Savings")],
        ),
    ],
)
def test_changes_are_told_at_their_nodes(
    before: Rule, after: Rule, changes: list[tuple[str, str, str | None, str | None]]
):
    assert [(str(kind), *rest) for kind, *rest in diff(before, after, NAMES)] == changes


@given(rules(), rules())
def test_a_diff_is_empty_exactly_for_the_same_rule(one: Rule, other: Rule):
    assert diff(one, one, NOBODY) == []
    assert (diff(one, other, NOBODY) == []) == (one == other)
