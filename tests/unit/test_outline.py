"""A rule as an outline and as one sentence: what a person reviews is all that they sign."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account, AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import (
    Rule,
    ceilings_in_words,
    describe,
    format_money,
    oddities,
    outline,
    read_rule,
    sentence,
    write_rule,
)
from tests.unit.strategies import KINDS, rules

NAMES = {
    AccountId("payroll"): "Payroll",
    AccountId("checking"): "Checking",
    AccountId("tax"): "Tax",
    AccountId("rent"): "Rent",
    AccountId("savings"): "Savings",
}
FUNDS = {"type": "ON_FUNDS_TRANSFERRED", "account_id": "payroll"}


def low(account: str, value: int) -> dict[str, Any]:
    leaf = {"fact": "BALANCE", "operator": "LESS_THAN", "value": value, "params": {"account_id": account}}
    return {"condition": leaf}


def move(kind: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "source": "payroll", "destination": destination, **more}


SHARE = move("PERCENTAGE", "tax", percentage_value=20, percentage_target="INCOMING_AMOUNT")
STORY = read_rule(
    {
        "name": "Payday",
        "trigger": FUNDS,
        "steps": [
            {
                "conditions": low("checking", 100_000),
                "actions": [SHARE, move("TOP_UP", "rent", amount_in_cents=120_000, group_index=1)],
            },
            {"conditions": None, "actions": [move("SWEEP_ABOVE", "savings", amount_in_cents=0)]},
        ],
        "approval_above_in_cents": 500_000,
    }
)


def test_a_rule_is_one_sentence():
    assert sentence(STORY, NAMES) == (
        "When money arrives in Payroll, and the balance of Checking is below $1,000.00, move 20 % of the incoming"
        " amount from Payroll to Tax, then fill Rent up to $1,200.00 from Payroll; otherwise keep $0.00 in Payroll and"
        " move the rest to Savings. A transfer of more than $5,000.00 waits until a person approves it."
    )


def test_an_outline_says_each_node_at_its_path():
    assert [(line.path, str(line.kind), line.depth, line.text) for line in outline(STORY, NAMES)] == [
        ("name", "name", 0, "Called “Payday”"),
        ("trigger", "trigger", 0, "When money arrives in Payroll"),
        ("steps/0", "step", 0, "If"),
        ("steps/0/conditions", "comparison", 1, "the balance of Checking is below $1,000.00"),
        ("steps/0/actions/0", "action", 1, "(group 1) move 20 % of the incoming amount from Payroll to Tax"),
        ("steps/0/actions/1", "action", 1, "(group 2) fill Rent up to $1,200.00 from Payroll"),
        ("steps/1", "step", 0, "Otherwise"),
        ("steps/1/actions/0", "action", 1, "keep $0.00 in Payroll and move the rest to Savings"),
        (
            "approval_above_in_cents",
            "setting",
            0,
            "A transfer of more than $5,000.00 waits until a person approves it.",
        ),
    ]


@given(rules())
@settings(max_examples=500)
def test_everything_in_the_canonical_form_is_in_the_outline_and_in_the_sentence(rule: Rule):
    names = {account_id: f"Account number {number}." for number, account_id in enumerate(KINDS, 1)}
    text = "\n".join(line.text for line in outline(rule, names))
    said = sentence(rule, names)

    for expected in signed(write_rule(rule), names):
        assert expected in text
    # The sentence has all that the rule does; its title stands above it, and what has no effect is left to the outline.
    told = " ".join(describe(rule, names))
    for expected in signed({**write_rule(rule), "name": None, "description": None}, names):
        assert expected in said or expected not in told


def signed(value: Any, names: dict[AccountId, str], key: str = "") -> Iterator[str]:
    """List what has to be legible of a canonical form: its accounts, figures, texts, addresses and times."""
    match value:
        case dict():
            is_day = value.get("fact") == "DATE"
            for inner, each in value.items():
                yield from signed(each, names, "day" if is_day and inner == "value" else inner)
        case list():
            for each in value:
                yield from signed(each, names, key)
        case bool():
            yield from {"is_direct_deposit": ["as a direct deposit"], "up_to_enabled": ["or what is there"]}[
                key
            ] * value
        case int() if key == "max_balance_age_in_minutes":
            yield {30: "30 minutes", 1440: "1 day"}[value]
        case int() if key == "day":
            yield str(value)
        case int() if key != "group_index":
            yield format_money(value)
        case str() if value in names:
            yield names[AccountId(value)]
        case str() if key == "start":
            at = datetime.fromisoformat(value)
            yield at.strftime("%H:%M")
        case str() if key in ("percentage_value", "interest_rate_percentage"):
            yield f"{value} %"
        case str() if key in ("url", "name", "description", "ach_description", "zone"):
            yield value
        case _:
            return


@pytest.mark.parametrize(
    ("name", "others", "kinds"),
    [
        ("Savings", [], []),
        ("Ersparnisse für Ä & Ö", [], []),
        ("Сбережения", [], []),
        ("Sav\u200bings", [], ["invisible"]),
        ("\u202eSavings", [], ["reorders"]),
        ("Savings\u200f", [], ["reorders"]),
        ("Savings ", [], ["spaces"]),
        ("S\u0430vings", ["Savings"], ["mixed_letters", "looks_like_another"]),
        ("Savlngs", ["Savings"], ["looks_like_another"]),
        ("Sav\u200bings", ["Savings"], ["invisible", "looks_like_another"]),
        ("Rеnt", ["Rent"], ["mixed_letters", "looks_like_another"]),  # noqa: RUF001 -- the point of it
        ("Savings", ["Savings"], ["same_name"]),
        ("Savings", ["Saving", "Savings 2"], []),
    ],
)
def test_a_name_that_could_pretend_is_flagged(name: str, others: list[str], kinds: list[str]):
    rule = read_rule({"trigger": FUNDS, "steps": [{"actions": [move("FIXED", "savings", amount_in_cents=1)]}]})
    names = {AccountId("payroll"): "Payroll", AccountId("savings"): name}
    names |= {AccountId(f"other {number}"): other for number, other in enumerate(others)}

    found = oddities(rule, names)

    assert [str(oddity.kind) for oddity in found] == kinds
    assert all("\u202e" not in oddity.message and "\u200b" not in oddity.message for oddity in found)


def test_the_texts_of_a_rule_are_looked_at_too():
    action = move("FIXED", "savings", amount_in_cents=1, ach_description="RE\u2066NT")
    rule = read_rule({"name": "Ru\u200ble", "trigger": FUNDS, "steps": [{"actions": [action]}]})

    assert [(str(oddity.kind), oddity.account_id) for oddity in oddities(rule, NAMES)] == [
        ("invisible", None),
        ("reorders", None),
    ]


ACCOUNTS = {name: Account(name, AccountKind.POD) for name in NAMES} | {
    AccountId("yen"): Account(AccountId("yen"), AccountKind.POD, currency="JPY")
}


def fixed(cents: int, **more: Any) -> dict[str, Any]:
    return move("FIXED", "savings", amount_in_cents=cents) | more


@pytest.mark.parametrize(
    ("steps", "schedule", "said"),
    [
        ([[fixed(100), fixed(200)], [fixed(50)]], None, ("At most $3.00 in one run.", None)),
        ([[fixed(100), fixed(200)]], "BI_WEEKLY", ("At most $3.00 in one run.", "At most $6.00 in one month.")),
        ([[SHARE]], "DAILY", (None, None)),
        (
            [[SHARE | {"limit": {"period": "PER_WEEK", "amount_in_cents": 100}}]],
            None,
            ("At most $1.00 in one run.", "At most $6.00 in one month."),
        ),
        (
            [[fixed(50) | {"limit": {"period": "PER_MONTH", "amount_in_cents": 500}}]],
            "MONTHLY",
            ("At most $0.50 in one run.", "At most $0.50 in one month."),
        ),
        (
            [[fixed(100), fixed(7, source="yen", group_index=1)]],
            "MONTHLY",
            ("At most 7 JPY and $1.00 in one run.", "At most 7 JPY and $1.00 in one month."),
        ),
    ],
)
def test_ceilings(steps: list[list[dict[str, Any]]], schedule: str | None, said: tuple[str | None, str | None]):
    trigger = FUNDS
    if schedule is not None:
        trigger = {
            "type": "SCHEDULED",
            "schedule_type": schedule,
            "start": "2026-01-01T09:00:00",
            "account_id": "payroll",
        }
    rule = read_rule({"trigger": trigger, "steps": [{"conditions": None, "actions": step} for step in steps]})

    none = "there is no ceiling: it depends on what is there."
    assert ceilings_in_words(rule, ACCOUNTS) == [
        said[0] or f"In one run {none}",
        said[1] or f"In one month {none}",
    ]


def test_a_rule_that_moves_nothing_has_a_ceiling():
    nothing = fixed(1) | {"limit": {"period": "PER_MONTH", "amount_in_cents": Cents(0)}}
    rule = read_rule({"trigger": FUNDS, "steps": [{"actions": [nothing]}], "max_balance_age_in_minutes": 5})

    assert rule.max_balance_age == timedelta(minutes=5)
    assert ceilings_in_words(rule, ACCOUNTS)[0] == "At most $0.00 in one run."
