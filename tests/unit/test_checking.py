"""What can be found wrong with a rule before it runs: one row for each finding."""

from datetime import UTC, datetime
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
ACCOUNTS[AccountId("pod of card")] = Account(
    AccountId("pod of card"), AccountKind.POD, linked_account_id=AccountId("card")
)
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)


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
        (rule_of(move(source="pod of card", destination="card")), "already_there", "steps/0/actions/0"),
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
        rule_of(limited(9_999), limited(9_999)),
        rule_of(pay("TOTAL_AMOUNT_DUE", destination="card")),
        rule_of(move(destination="fund")),
        rule_of(move(source="pod of card", destination="savings")),
        rule_of(move(), approval_above_in_cents=999),
        rule_of(share(10), approval_above_in_cents=10**12),
        rule_of(move(), limited(99_999), share(5), approval_above_in_cents=1_000),
        rule_of(move(destination="card"), max_balance_age_in_minutes=60),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(rule: dict[str, Any]) -> None:
    assert check(read_rule(rule), ACCOUNTS) == []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (rule_of(move(), approval_above_in_cents=1_000), "approval_never_needed"),
        (rule_of(share(5), limited(500), approval_above_in_cents=1_000), "approval_never_needed"),
        (rule_of(pay("ROUND_DOWN", amount_in_cents=1_001), approval_above_in_cents=1_000), "approval_never_needed"),
        (
            rule_of(
                pay("REMOTE_AMOUNT", url="https://example.com", ceiling_in_cents=7),
                {"type": "SNOWBALL", "amount_in_cents": 7, "source": "income", "liabilities": DEBTS[:1]},
                approval_above_in_cents=7,
            ),
            "approval_never_needed",
        ),
        (rule_of(move(), max_balance_age_in_minutes=60), "no_reported_balance"),
    ],
)
def test_a_protection_that_protects_from_nothing_is_a_warning(rule: dict[str, Any], code: str) -> None:
    findings = check(read_rule(rule), ACCOUNTS)

    assert [(finding.severity, finding.code) for finding in findings] == [(Severity.WARNING, code)]


def test_the_most_that_a_rule_moves_is_above_the_threshold_by_one_cent() -> None:
    rules = [
        rule_of(pay("ROUND_DOWN", amount_in_cents=1_002), approval_above_in_cents=1_000),
        rule_of(pay("REMOTE_AMOUNT", url="https://example.com", ceiling_in_cents=8), approval_above_in_cents=7),
        rule_of(pay("REMOTE_AMOUNT", url="https://example.com"), approval_above_in_cents=10**12),
        rule_of(pay("TOP_UP", amount_in_cents=5), approval_above_in_cents=10),
    ]

    assert [check(read_rule(rule), ACCOUNTS) for rule in rules] == [[], [], [], []]


def scheduled(kind: str, start: str, zone: str = "UTC") -> dict[str, Any]:
    return rule_of(move(), trigger={"type": "SCHEDULED", "schedule_type": kind, "start": start, "zone": zone})


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        (scheduled("ONE_TIME", "2026-03-04T10:00:00"), ["start_is_past"]),
        (scheduled("ONE_TIME", "2026-03-04T10:00:00.000001"), []),
        (scheduled("ONE_TIME", "2026-03-04T10:00:00", "Europe/Berlin"), ["start_is_past"]),
        (scheduled("ONE_TIME", "2026-03-04T09:00:00", "America/New_York"), []),
        (scheduled("DAILY", "2001-01-01T09:00:00"), []),
        (scheduled("ONE_TIME", "2126-03-04T09:00:00"), []),
        (scheduled("ONE_TIME", "2126-03-05T09:00:00"), ["start_too_far"]),
        (scheduled("MONTHLY", "9999-12-31T09:00:00"), ["start_too_far"]),
        (rule_of(move()), []),
    ],
)
def test_a_start_is_neither_past_nor_a_century_away(rule: dict[str, Any], codes: list[str]) -> None:
    findings = check(read_rule(rule), ACCOUNTS, now=NOW)

    assert [(finding.severity, finding.code, finding.path) for finding in findings] == [
        (Severity.ERROR, code, "trigger") for code in codes
    ]
    assert check(read_rule(rule), ACCOUNTS) == []


def test_money_that_can_come_back_is_a_warning() -> None:
    back = rule_of(move(source="savings", destination="income"))
    back["trigger"] = {"type": "ON_FUNDS_TRANSFERRED", "account_id": "savings"}

    findings = check(read_rule(rule_of(move())), ACCOUNTS, [read_rule(back)])

    assert [(finding.severity, finding.code) for finding in findings] == [(Severity.WARNING, "cycle")]


def test_a_step_without_actions_is_found() -> None:
    findings = check(Rule(Manual(AccountId("income")), (Step(None, ()),)), ACCOUNTS)

    assert [(finding.code, finding.path) for finding in findings] == [("empty_step", "steps/0")]
