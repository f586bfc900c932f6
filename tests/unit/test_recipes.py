"""Recipes: each makes a rule that can be saved and that moves what it says."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind, Balance, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import (
    RECIPES,
    RECIPES_BY_KEY,
    Event,
    FieldKind,
    Recipe,
    Scheduled,
    Severity,
    Snapshot,
    TriggerType,
    check,
    plan,
    read_rule,
    recipe,
    write_rule,
)
from sluiceway.domain.rules.vocabulary import Field

AT = datetime(2026, 3, 4, 10, tzinfo=UTC)


def debt(name: str, owed: int, minimum: int, rate: int) -> Account:
    reported = ReportedBalance(
        balance=Cents(owed),
        last_statement_balance=Cents(owed // 2),
        next_payment_minimum=Cents(minimum),
        interest_rate=rate * 1_000_000,
        updated_at=AT,
    )
    return Account(AccountId(name), AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY, reported=reported)


PODS = (
    "needs",
    "wants",
    "savings",
    "profit",
    "owner",
    "tax",
    "operating",
    "bills",
    "account",
    "reserve",
    "destination",
)
ACCOUNTS = {
    account.id: account
    for account in (
        Account(AccountId("income"), AccountKind.INCOME_SOURCE),
        Account(AccountId("source"), AccountKind.POD),
        *(Account(AccountId(name), AccountKind.POD) for name in PODS),
        debt("card", 80_000, 5_000, 20),
        debt("loan", 30_000, 4_000, 8),
    )
}
BALANCES = dict.fromkeys(ACCOUNTS, NOTHING) | {
    AccountId("income"): Balance(100_000, 0, 0),
    AccountId("source"): Balance(123_456, 0, 0),
    AccountId("reserve"): Balance(9_000, 0, 0),
    AccountId("account"): Balance(5_000, 0, 0),
    AccountId("bills"): Balance(20_000, 0, 0),
}
WHEN = {"schedule_type": "MONTHLY", "start": "2026-03-04T09:00:00", "zone": "UTC"}
DEBTS = [{"account": "card"}, {"account": "loan"}]

MADE: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "pay_yourself_first": ({}, {"savings": 20_000}),
    "fifty_thirty_twenty": ({}, {"needs": 50_000, "wants": 30_000, "savings": 20_000}),
    "profit_first": ({}, {"profit": 5_000, "owner": 50_000, "tax": 15_000, "operating": 30_000}),
    "tax_set_aside": ({"most": 22_000}, {"tax": 22_000}),
    "bills_pod": ({"level": 50_000}, {"bills": 30_000}),
    "sweep_above": ({"keep": 100_000}, {"destination": 23_456}),
    "keep_a_buffer": ({"level": 20_000}, {"account": 9_000}),
    "card_in_full": ({}, {"card": 40_000}),
    "minimum_plus_avalanche": ({"amount": 20_000, "debts": DEBTS}, {"card": 16_000, "loan": 4_000}),
    "minimum_plus_snowball": ({"amount": 20_000, "debts": DEBTS}, {"card": 5_000, "loan": 15_000}),
    "save_until": ({"goal": 500_000}, {"savings": 10_000}),
    "spare_change": ({"multiple": 10_000}, {"savings": 3_456}),
    "allowance": ({"amount": 2_500}, {"destination": 2_500}),
}


def answers_to(asked: Recipe) -> dict[str, Any]:
    own = MADE[asked.key][0]
    return {field.key: own[field.key] if field.key in own else answer_to(field) for field in asked.fields}


def answer_to(field: Field) -> Any:
    match field.kind:
        case FieldKind.ACCOUNT:
            return field.key
        case FieldKind.PERCENT:
            return field.default
        case FieldKind.OBJECT:
            return WHEN
        case _:
            pytest.fail(f"the story of this recipe has no {field.key}")


def test_there_are_ten_and_each_has_its_story():
    assert len(RECIPES) >= 10
    assert set(MADE) == set(RECIPES_BY_KEY)
    assert len({each.title for each in RECIPES}) == len(RECIPES)


@pytest.mark.parametrize("asked", RECIPES, ids=lambda each: each.key)
def test_a_recipe_moves_what_it_says(asked: Recipe):
    rule = recipe(asked, answers_to(asked))

    is_scheduled = isinstance(rule.trigger, Scheduled)
    event = (
        Event(TriggerType.SCHEDULED, AT)
        if is_scheduled
        else Event(TriggerType.ON_FUNDS_TRANSFERRED, AT, Cents(100_000))
    )
    planned = plan(RuleId("rule"), rule, event, Snapshot(ACCOUNTS, BALANCES))

    assert [finding for finding in check(rule, ACCOUNTS, now=AT) if finding.severity is Severity.ERROR] == []
    assert {transfer.destination: transfer.amount for transfer in planned.transfers} == MADE[asked.key][1]
    assert planned.failed == 0
    assert read_rule(write_rule(rule)) == rule


@pytest.mark.parametrize("asked", RECIPES, ids=lambda each: each.key)
def test_every_answer_is_asked_for_by_its_path(asked: Recipe):
    for field in asked.fields:
        answers = {key: value for key, value in answers_to(asked).items() if key != field.key}

        with pytest.raises(InvalidParameters) as refused:
            recipe(asked, answers)

        assert [problem.path for problem in refused.value.problems] == [field.key]


@pytest.mark.parametrize(
    ("key", "wrong", "path"),
    [
        ("pay_yourself_first", {"share": "200"}, "share"),
        ("pay_yourself_first", {"income": 5}, "income"),
        ("tax_set_aside", {"most": -1}, "most"),
        ("card_in_full", {"when": WHEN | {"start": "soon"}}, "when/start"),
        ("card_in_full", {"when": WHEN | {"schedule_type": "HOURLY"}}, "when/schedule_type"),
        ("card_in_full", {"when": WHEN | {"zone": "Nowhere"}}, "when"),
        ("card_in_full", {"when": WHEN | {"nonsense": 1}}, "when/nonsense"),
        ("minimum_plus_snowball", {"debts": [{"account": ""}]}, "debts/0/account"),
        ("minimum_plus_snowball", {"debts": [{"account": "card", "more": 1}]}, "debts/0/more"),
        ("allowance", {"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_answer_is_told_at_its_field(key: str, wrong: dict[str, Any], path: str):
    asked = RECIPES_BY_KEY[key]

    with pytest.raises(InvalidParameters) as refused:
        recipe(asked, answers_to(asked) | wrong)

    assert [problem.path for problem in refused.value.problems] == [path]


def test_accounts_are_asked_for_by_what_they_are_wanted_for():
    for asked in RECIPES:
        for field in asked.fields:
            assert (field.kind is FieldKind.ACCOUNT) == (field.role is not None)
