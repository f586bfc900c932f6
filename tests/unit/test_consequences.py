"""What a rule would lead to, told before it is enabled: one row for each warning."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account, AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.rules import Severity, check, read_rule

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)


def pod(name: str) -> Account:
    return Account(AccountId(name.lower()), AccountKind.POD, name=name)


def bank(name: str, **reported: Any) -> Account:
    external = AccountKind.EXTERNAL_ACCOUNT
    return Account(
        AccountId(name.lower()), external, ExternalKind.DEPOSITORY, name=name, reported=ReportedBalance(**reported)
    )


ACCOUNTS = {
    account.id: account
    for account in (
        *map(pod, ("Income", "Savings", "Spare", "Rent")),
        bank("Fresh", updated_at=NOW - timedelta(hours=1)),
        bank("Old", updated_at=NOW - timedelta(days=4, hours=2)),
        bank("Broken", error="DISCONNECTED_ACCOUNT"),
    )
}


def move(source: str = "income", destination: str = "savings", **more: Any) -> dict[str, Any]:
    return {"type": "FIXED", "amount_in_cents": 1_000, "source": source, "destination": destination, **more}


def share(percent: int, destination: str = "savings", **more: Any) -> dict[str, Any]:
    whole = {"type": "PERCENTAGE", "percentage_value": percent, "percentage_target": "SOURCE_ACCOUNT"}
    return whole | {"source": "income", "destination": destination} | more


def rule_of(*actions: dict[str, Any], on: str = "income", conditions: Any = None, **more: Any) -> dict[str, Any]:
    steps = [{"conditions": conditions, "actions": list(actions)}]
    return {"trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": on}, "steps": steps, **more}


def found(rule: dict[str, Any], *others: dict[str, Any]) -> list[tuple[str, str, str]]:
    findings = check(read_rule(rule), ACCOUNTS, [read_rule(other) for other in others], NOW)
    assert {finding.severity for finding in findings} <= {Severity.WARNING}
    return [finding[1:] for finding in findings]


def test_a_loop_is_named_with_its_accounts_and_rules() -> None:
    on = rule_of(move("savings", "spare"), on="savings", name="On")
    back = rule_of(move("rent", "rent"), move("spare", "income"), on="spare")

    assert found(rule_of(move(destination="rent"), move()), on, back) == [
        (
            "cycle",
            "steps/0/actions/1",
            (
                "money that it moves can come back and start it again: Income → Savings → Spare → Income,"
                " through the rule “On”, a rule without a name"
            ),
        )
    ]


def test_a_rule_that_feeds_itself_is_a_loop() -> None:
    assert found(rule_of(move("spare", "income"))) == [
        (
            "cycle",
            "steps/0/actions/0",
            "money that it moves can come back and start it again: Income → Income",
        )
    ]


def test_rules_that_the_same_money_starts_compete_for_it() -> None:
    rival = rule_of(move(destination="rent"), name="Rent first")
    elsewhere = rule_of(move("income", "spare"), on="spare")
    from_elsewhere = rule_of(move("savings", "spare"))

    assert found(rule_of(share(10)), rival, elsewhere, from_elsewhere) == [
        (
            "competes",
            "steps/0/actions/0/source",
            (
                "the same money starts the rule “Rent first”, which takes from Income too:"
                " whichever runs later finds less there"
            ),
        )
    ]


LIMIT = {"period": "PER_MONTH", "amount_in_cents": 1_500}


@pytest.mark.parametrize(
    ("actions", "paths"),
    [
        ([move(limit=LIMIT), move(), move()], ["steps/0/actions/2"]),
        ([move(limit=LIMIT), move()], []),
        ([move(limit=LIMIT, up_to_enabled=True), move(up_to_enabled=True), move()], []),
        ([move(limit=LIMIT | {"amount_in_cents": 0})], ["steps/0/actions/0"]),
    ],
)
def test_a_limit_that_leaves_a_move_nothing(actions: list[dict[str, Any]], paths: list[str]) -> None:
    assert [(code, path) for code, path, _ in found(rule_of(*actions))] == [
        ("limit_leaves_nothing", path) for path in paths
    ]


@pytest.mark.parametrize(
    ("actions", "paths"),
    [
        ([share(60), share(40, "spare"), move(group_index=1)], ["steps/0/actions/2"]),
        ([share(60), share(30, "spare"), move(group_index=1)], []),
        ([share(100), move(source="rent", destination="income", group_index=1), move(group_index=2)], []),
        (
            [move(type="SWEEP_ABOVE", amount_in_cents=0), move(group_index=1, destination="rent")],
            ["steps/0/actions/1"],
        ),
        ([move(type="SWEEP_ABOVE", amount_in_cents=1), move(group_index=1, destination="rent")], []),
        ([share(100, limit={"period": "PER_TRANSFER", "amount_in_cents": 5}), move(group_index=1)], []),
    ],
)
def test_moves_out_of_what_has_been_emptied(actions: list[dict[str, Any]], paths: list[str]) -> None:
    codes = [(code, path) for code, path, _ in found(rule_of(*actions, on="fresh"))]

    assert codes == [("nothing_left", path) for path in paths]


@pytest.mark.parametrize(
    ("operator", "value", "is_possible"),
    [
        ("EQUALS", 32, False),
        ("EQUALS", 31, True),
        ("NOT_EQUALS", 99, True),
        ("GREATER_THAN", 31, False),
        ("GREATER_THAN_OR_EQUAL", 31, True),
        ("GREATER_THAN_OR_EQUAL", 32, False),
        ("LESS_THAN", 1, False),
        ("LESS_THAN_OR_EQUAL", 0, False),
        ("LESS_THAN_OR_EQUAL", 1, True),
    ],
)
def test_a_day_that_no_month_has(operator: str, value: int, is_possible: bool) -> None:
    leaf = {"condition": {"fact": "DATE", "operator": operator, "value": value}}
    rule = rule_of(move(), conditions={"any": [{"all": [leaf]}]})

    expected = [] if is_possible else [("never_true", "steps/0/conditions/any/0/all/0")]
    assert [(code, path) for code, path, _ in found(rule)] == expected


@pytest.mark.parametrize(
    ("rule", "warnings"),
    [
        (rule_of(move("fresh")), []),
        (
            rule_of(move("old")),
            [
                (
                    "stale_feed",
                    "steps/0/actions/0/source",
                    "the balance of Old was reported 4 days and 2 hours ago",
                )
            ],
        ),
        (rule_of(move("old"), max_balance_age_in_minutes=5 * 1_440), []),
        (
            rule_of(move("fresh"), max_balance_age_in_minutes=30),
            [("stale_feed", "steps/0/actions/0/source", "the balance of Fresh was reported 1 hour ago")],
        ),
        (
            rule_of(move("rent", "spare"), on="broken"),
            [
                (
                    "stale_feed",
                    "trigger/account_id",
                    "the bank gives no balance of Broken (DISCONNECTED_ACCOUNT)",
                )
            ],
        ),
    ],
)
def test_a_bank_that_has_not_told_for_long(rule: dict[str, Any], warnings: list[tuple[str, str, str]]) -> None:
    assert found(rule) == warnings
