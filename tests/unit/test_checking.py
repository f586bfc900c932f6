"""What can be found wrong with a rule before it runs: one row for each finding."""

from typing import Any

import pytest

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account, AccountKind, ExternalKind
from sluiceway.domain.rules import Manual, Rule, Severity, Step, check, read_rule

EXTERNAL = AccountKind.EXTERNAL_ACCOUNT
ACCOUNTS = {
    AccountId(name): Account(AccountId(name), *facts)
    for name, facts in {
        "income": (AccountKind.INCOME_SOURCE,),
        "savings": (AccountKind.POD,),
        "spare": (AccountKind.POD,),
        "yen": (AccountKind.POD, None, "JPY"),
        "gone": (AccountKind.POD, None, "USD", 0, True),
        "world": (AccountKind.WORLD,),
        "fund": (EXTERNAL, ExternalKind.INVESTMENT),
        "card": (EXTERNAL, ExternalKind.LIABILITY),
    }.items()
}


def move(**more: Any) -> dict[str, Any]:
    return {"type": "FIXED", "amount_in_cents": 1_000, "source": "income", "destination": "savings"} | more


def share(percent: int, **more: Any) -> dict[str, Any]:
    part = {"type": "PERCENTAGE", "percentage_value": percent, "percentage_target": "SOURCE_ACCOUNT"}
    return part | {"source": "income", "destination": "savings"} | more


def limited(cents: int) -> dict[str, Any]:
    return move(limit={"period": "PER_MONTH", "amount_in_cents": cents})


def pay(name: str, **more: Any) -> dict[str, Any]:
    return {"type": name, "source": "income", "destination": "savings"} | more


def rule_of(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    steps = [{"conditions": None, "actions": list(actions)}]
    return {"trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"}, "steps": steps} | more


DEBTS = [{"account": "card"}, {"account": "card"}]
BALANCE = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 1}}
NOBODYS = {"type": "REMOTE_API"}


@pytest.mark.parametrize(
    ("rule", "code", "path"),
    [
        (rule_of(move(destination="nowhere")), "unknown_account", "steps/0/actions/0/destination"),
        (rule_of(move(source="gone")), "deleted_account", "steps/0/actions/0/source"),
        (rule_of(move(destination="income")), "same_account", "steps/0/actions/0"),
        (rule_of(move(source="fund")), "cannot_be_source", "steps/0/actions/0/source"),
        (rule_of(move(source="card")), "cannot_be_source", "steps/0/actions/0/source"),
        (rule_of(move(source="world")), "cannot_be_source", "steps/0/actions/0/source"),
        (rule_of(move(destination="world")), "cannot_be_destination", "steps/0/actions/0/destination"),
        (rule_of(move(destination="yen")), "currencies_differ", "steps/0/actions/0"),
        (rule_of(share(60), share(41, destination="spare")), "over_100_percent", "steps/0/actions/0"),
        (rule_of(limited(1), limited(2)), "limits_differ", "steps/0/actions/0/limit"),
        (rule_of(pay("TOTAL_AMOUNT_DUE")), "not_a_liability", "steps/0/actions/0/destination"),
        (
            rule_of({"type": "SNOWBALL", "amount_in_cents": 1, "source": "income", "liabilities": DEBTS}),
            "repeated_liability",
            "steps/0/actions/0/liabilities/1",
        ),
        (
            rule_of(steps=[{"conditions": None, "actions": [move()]}, {"conditions": BALANCE, "actions": [move()]}]),
            "unreachable_step",
            "steps/1",
        ),
        (
            rule_of(trigger=NOBODYS, steps=[{"conditions": BALANCE, "actions": [move()]}]),
            "account_required",
            "steps/0/conditions",
        ),
    ],
)
def test_what_is_wrong_is_found_where_it_is(rule: dict[str, Any], code: str, path: str) -> None:
    findings = check(read_rule(rule), ACCOUNTS)

    assert (Severity.ERROR, code, path) in [finding[:3] for finding in findings]


@pytest.mark.parametrize(
    "rule",
    [
        rule_of(move()),
        rule_of(share(60), share(40, destination="spare")),
        rule_of(share(60), share(60, destination="spare", group_index=1)),
        rule_of(limited(1), limited(1)),
        rule_of(pay("TOTAL_AMOUNT_DUE", destination="card")),
        rule_of(move(destination="fund")),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(rule: dict[str, Any]) -> None:
    assert check(read_rule(rule), ACCOUNTS) == []


def test_money_that_can_come_back_is_a_warning() -> None:
    back = rule_of(move(source="savings", destination="income"))
    back["trigger"] = {"type": "ON_FUNDS_TRANSFERRED", "account_id": "savings"}

    findings = check(read_rule(rule_of(move())), ACCOUNTS, [read_rule(back)])

    assert [(finding.severity, finding.code) for finding in findings] == [(Severity.WARNING, "cycle")]


def test_a_step_without_actions_is_found() -> None:
    findings = check(Rule(Manual(AccountId("income")), (Step(None, ()),)), ACCOUNTS)

    assert [(finding.code, finding.path) for finding in findings] == [("empty_step", "steps/0")]
