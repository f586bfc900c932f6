"""Rules that somebody is still writing: every problem at its place, and how each condition stands right now."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind, Balance, ExternalKind, ReportedBalance
from sluiceway.domain.rules import Event, Rule, Snapshot, TriggerType, read_draft, read_rule, stand, write_rule
from tests.unit.strategies import Case, cases, rules

ACCOUNTS = {
    AccountId("income"): Account(AccountId("income"), AccountKind.INCOME_SOURCE),
    AccountId("savings"): Account(AccountId("savings"), AccountKind.POD),
    AccountId("bank"): Account(
        AccountId("bank"), AccountKind.EXTERNAL_ACCOUNT, ExternalKind.DEPOSITORY, reported=ReportedBalance(error="DOWN")
    ),
}
NAMES = {AccountId("income"): "Income", AccountId("savings"): "Savings", AccountId("bank"): "Bank"}
SNAPSHOT = Snapshot(ACCOUNTS, dict.fromkeys(ACCOUNTS, NOTHING) | {AccountId("income"): Balance(1_005, 0, 0)})
EVENT = Event(TriggerType.MANUAL, datetime(2026, 3, 4, 10, tzinfo=UTC))
MOVE = {"type": "FIXED", "amount_in_cents": 1, "source": "income", "destination": "savings"}


def leaf(fact: str, operator: str, value: Any, **params: str) -> dict[str, Any]:
    return {"condition": {"fact": fact, "operator": operator, "value": value, "params": params}}


def standing(draft: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(path, str(state), words) for path, state, words in stand(read_draft(draft), EVENT, SNAPSHOT, NAMES, {})]


def test_every_problem_is_told_and_not_only_the_first():
    draft = read_draft(
        {
            "trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": ""},
            "steps": [
                {
                    "conditions": {"all": [leaf("BALANCE", "EQUALS", 1), leaf("BALANCE", "LIKE", 1), {"any": []}]},
                    "actions": [MOVE, MOVE | {"amount_in_cents": None}, {}],
                },
                {"conditions": None, "actions": [MOVE | {"source": ""}]},
                {"actions": [{"type": "FIXED", "amount_in_cents": None, "source": None, "destination": None}]},
                {"actions": [{"type": "AVALANCHE", "amount_in_cents": 1, "source": None, "liabilities": []}]},
            ],
        }
    )

    assert draft.rule is None
    assert [problem.path for problem in draft.problems] == [
        "trigger/account_id",
        "steps/0/conditions/all/1/condition/operator",
        "steps/0/conditions/all/2/any",
        "steps/0/actions/1/amount_in_cents",
        "steps/0/actions/2/type",
        "steps/1/actions/0/source",
        "steps/2/actions/0/amount_in_cents",
        "steps/2/actions/0/source",
        "steps/2/actions/0/destination",
        "steps/3/actions/0/liabilities",
        "steps/3/actions/0/source",
    ]


def test_what_is_wrong_with_the_whole_is_told_when_its_parts_are_right():
    trigger = {"type": "MANUAL", "account_id": "income"}

    assert [p.path for p in read_draft({"trigger": trigger, "steps": []}).problems] == ["steps"]
    assert [p.path for p in read_draft({"trigger": trigger, "steps": [{"actions": []}]}).problems] == [
        "steps/0/actions"
    ]
    assert [p.path for p in read_draft("nonsense").problems] == ["trigger"]
    assert [p.path for p in read_draft({"trigger": trigger, "steps": [5]}).problems] == ["steps/0"]


def test_conditions_stand_while_the_rest_is_not_written_yet():
    tree = {
        "all": [
            leaf("BALANCE", "GREATER_THAN", 1_000),
            {"any": [leaf("BALANCE", "LESS_THAN", 1), leaf("BALANCE", "EQUALS", 1, account_id="bank"), {}]},
            leaf("TRANSFER_AMOUNT", "EQUALS", 5),
        ]
    }
    draft = {"trigger": {"type": "MANUAL", "account_id": "income"}, "steps": [{"conditions": tree, "actions": [{}]}]}

    at = "steps/0/conditions"
    assert standing(draft) == [
        (at, "unknown", "cannot tell now"),
        (f"{at}/all/0", "passes", "now $10.05"),
        (f"{at}/all/1", "unknown", "cannot tell now"),
        (f"{at}/all/1/any/0", "fails", "now $10.05"),
        (f"{at}/all/1/any/1", "unknown", "cannot tell now: the balance could not be had"),
        (f"{at}/all/1/any/2", "invalid", "not complete"),
        (f"{at}/all/2", "unknown", "cannot tell now: no amount came with the event"),
    ]


def test_both_sides_are_told_where_both_are_looked_up():
    compared = {
        "fact": "BALANCE",
        "operator": "LESS_THAN",
        "value_fact": "BALANCE",
        "params": {"value_account_id": "savings"},
    }
    draft = {
        "trigger": {"type": "MANUAL", "account_id": "income"},
        "steps": [{"conditions": {"condition": compared}, "actions": [MOVE]}],
    }

    assert standing(draft) == [("steps/0/conditions", "fails", "now $10.05 against $0.00")]


@given(rules())
def test_a_rule_is_a_draft_with_nothing_wrong(rule: Rule):
    draft = read_draft(write_rule(rule))

    assert draft.rule == rule == read_rule(write_rule(rule))
    assert draft.problems == ()
    assert draft.conditions == tuple(step.condition for step in rule.steps)


@given(cases())
def test_every_condition_of_every_rule_stands_somehow(case: Case):
    draft = read_draft(write_rule(case.rule))

    found = stand(draft, case.event, case.snapshot, {}, {})

    assert {each.path.split("/conditions")[0] for each in found} == {
        f"steps/{index}" for index, step in enumerate(case.rule.steps) if step.condition is not None
    }
    assert all(each.words for each in found)
