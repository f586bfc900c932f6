"""Rules in words: everything that a rule can do to somebody's money is in the words that this person signs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind, Balance, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents, format_percent
from sluiceway.domain.rules import (
    AchRoom,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    ErrorCode,
    Event,
    Fact,
    FixedAmount,
    PayDown,
    PaymentSide,
    Percentage,
    PercentageOfLiability,
    RemoteAmount,
    RoundDown,
    Rule,
    Snapshot,
    SweepAbove,
    TopUp,
    TopUpToLevel,
    TriggerType,
    describe,
    explain_trace,
    format_money,
    plan,
    read_rule,
    schedule_in_words,
    visible,
)
from sluiceway.domain.schedule import Schedule, ScheduleType
from tests.unit.strategies import KINDS, RULE, Case, cases, rules

NAMES = {
    AccountId("income"): "Income",
    AccountId("savings"): "Savings",
    AccountId("emergency"): "Emergency fund",
    AccountId("card"): "Card",
    AccountId("loan"): "Loan",
}
FUNDS = {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"}


def rule_of(*steps: dict[str, Any], trigger: dict[str, Any] = FUNDS) -> Rule:
    return read_rule({"name": "A rule", "trigger": trigger, "steps": list(steps)})


def step(*actions: dict[str, Any], conditions: dict[str, Any] | None = None) -> dict[str, Any]:
    whole = [{"source": "income", "destination": "savings", **action} for action in actions]
    return {"conditions": conditions, "actions": whole}


def leaf(fact: str, operator: str, value: Any, **params: str) -> dict[str, Any]:
    key = "value_fact" if isinstance(value, str) else "value"
    return {"condition": {"fact": fact, "operator": operator, key: value, "params": params or None}}


def said(action: dict[str, Any]) -> str:
    return describe(rule_of(step(action)), NAMES)[1]


def test_the_rule_of_the_first_story():
    rule = rule_of(
        step(
            {"type": "PERCENTAGE", "percentage_value": 20, "percentage_target": "INCOMING_AMOUNT"},
            conditions=leaf("BALANCE", "GREATER_THAN", 50000),
        ),
        step({"type": "FIXED", "amount_in_cents": 5000, "destination": "emergency", "up_to_enabled": True}),
    )

    assert " ".join(describe(rule, NAMES)) == (
        "When money arrives in Income:"
        " If the balance of Income is above $500.00: move 20 % of the incoming amount from Income to Savings."
        " Otherwise: move $50.00 from Income to Emergency fund, or what is there if that is less."
    )


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"type": "FIXED", "amount_in_cents": 123456}, "Move $1,234.56 from Income to Savings."),
        (
            {"type": "PERCENTAGE", "percentage_value": "33.3333", "percentage_target": "INCOMING_AMOUNT"},
            "Move 33.3333 % of the incoming amount from Income to Savings.",
        ),
        (
            {"type": "PERCENTAGE", "percentage_value": 50, "percentage_target": "SOURCE_ACCOUNT"},
            "Move 50 % of the balance of Income from Income to Savings.",
        ),
        ({"type": "TOP_UP", "amount_in_cents": 100000}, "Fill Savings up to $1,000.00 from Income."),
        (
            {"type": "TOP_UP", "next_payment_minimum_account": "card"},
            "Fill Savings up to the next minimum payment of Card from Income.",
        ),
        (
            {"type": "TOP_UP", "current_balance_account": "card"},
            "Fill Savings up to the current balance of Card from Income.",
        ),
        (
            {"type": "TOP_UP", "last_statement_balance_account": "card"},
            "Fill Savings up to the last statement balance of Card from Income.",
        ),
        (
            {"type": "ROUND_DOWN", "amount_in_cents": 10000},
            "Bring Income down to a multiple of $100.00 and move the rest to Savings.",
        ),
        ({"type": "SWEEP_ABOVE", "amount_in_cents": 10000}, "Keep $100.00 in Income and move the rest to Savings."),
        (
            {"type": "NEXT_PAYMENT_MINIMUM", "destination": "card"},
            "Pay the next minimum payment of Card from Income.",
        ),
        ({"type": "TOTAL_AMOUNT_DUE", "destination": "card"}, "Pay all that is owed on Card from Income."),
        (
            {"type": "LAST_STATEMENT_BALANCE", "destination": "card"},
            "Pay the last statement balance of Card from Income.",
        ),
        (
            {"type": "PERCENTAGE_LIABILITY_BALANCE", "percentage_value": 5, "destination": "card"},
            "Pay 5 % of what is owed on Card from Income.",
        ),
        (
            {"type": "REMOTE_AMOUNT", "url": "https://pay@rates.example.com/x", "ceiling_in_cents": 7000},
            (
                "Move the amount that rates.example.com answers but at most $70.00 from Income to Savings,"
                " asked at https://pay@rates.example.com/x."
            ),
        ),
        (
            {
                "type": "AVALANCHE",
                "amount_in_cents": 30000,
                "destination": None,
                "liabilities": [{"account": "card", "interest_rate_percentage": "19.99"}, {"account": "loan"}],
            },
            (
                "Use $300.00 from Income to pay down Card (at 19.99 % a year) and Loan: the minimum of each, then the"
                " rest to the highest interest rate first."
            ),
        ),
        (
            {
                "type": "SNOWBALL",
                "percentage_value": 10,
                "destination": None,
                "liabilities": [{"account": "card"}],
            },
            (
                "Use 10 % of the balance of Income to pay down Card: the minimum of each, then the rest to the smallest"
                " balance first."
            ),
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_every_kind_of_amount(action: dict[str, Any], words: str):
    assert said(action) == words


@pytest.mark.parametrize(
    ("period", "words"),
    [("PER_TRANSFER", "each time"), ("PER_WEEK", "a week"), ("PER_MONTH", "a month"), ("PER_YEAR", "a year")],
)
def test_every_limit(period: str, words: str):
    limited = {"type": "FIXED", "amount_in_cents": 5000, "limit": {"period": period, "amount_in_cents": 20000}}

    assert said(limited) == f"Move $50.00 from Income to Savings, at most $200.00 {words}."


def test_what_else_an_action_says_to_the_bank():
    action = {"type": "FIXED", "amount_in_cents": 100, "ach_description": "RENT", "is_direct_deposit": True}

    assert said(action) == "Move $1.00 from Income to Savings, with “RENT” on the bank statement, as a direct deposit."


def test_groups_are_numbered_and_a_shared_limit_says_with_whom_it_is_shared():
    limit = {"period": "PER_MONTH", "amount_in_cents": 20000}
    rule = rule_of(
        step(
            {"type": "FIXED", "amount_in_cents": 300, "group_index": 7},
            {"type": "FIXED", "amount_in_cents": 100, "group_index": 0, "limit": limit},
            {"type": "FIXED", "amount_in_cents": 200, "group_index": 0, "destination": "emergency"},
        )
    )

    assert describe(rule, NAMES) == [
        "When money arrives in Income:",
        "Do this:",
        (
            "- (group 1) move $1.00 from Income to Savings,"
            " at most $200.00 a month together with the other moves of group 1."
        ),
        (
            "- (group 1) move $2.00 from Income to Emergency fund,"
            " at most $200.00 a month together with the other moves of group 1."
        ),
        "- (group 2) move $3.00 from Income to Savings.",
    ]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (leaf("TRANSFER_AMOUNT", "EQUALS", 100), "the incoming amount is $1.00"),
        (leaf("TRANSFER_AMOUNT", "NOT_EQUALS", 100), "the incoming amount is not $1.00"),
        (leaf("BALANCE", "GREATER_THAN", -100), "the balance of Income is above -$1.00"),
        (leaf("BALANCE", "LESS_THAN", 100, account_id="savings"), "the balance of Savings is below $1.00"),
        (leaf("DATE", "GREATER_THAN_OR_EQUAL", 15), "the day of the month is at least 15"),
        (leaf("DATE", "LESS_THAN_OR_EQUAL", 15), "the day of the month is at most 15"),
        (leaf("DATE", "EQUALS", "LAST_DAY_OF_MONTH"), "the day of the month is the last day of the month"),
        (
            leaf("BALANCE", "LESS_THAN", "NEXT_PAYMENT_MINIMUM_AMOUNT", value_account_id="card"),
            "the balance of Income is below the next minimum payment of Card",
        ),
        (
            leaf("BALANCE", "LESS_THAN", "LAST_STATEMENT_BALANCE", account_id="savings", value_account_id="card"),
            "the balance of Savings is below the last statement balance of Card",
        ),
        (leaf("TRANSFER_AMOUNT", "LESS_THAN", "BALANCE"), "the incoming amount is below the balance of Income"),
        (
            {"all": [leaf("DATE", "EQUALS", 1), {"any": [leaf("DATE", "EQUALS", 2), leaf("DATE", "EQUALS", 3)]}]},
            "the day of the month is 1 and (the day of the month is 2 or the day of the month is 3)",
        ),
    ],
)
def test_every_condition(condition: dict[str, Any], words: str):
    rule = rule_of(step({"type": "FIXED", "amount_in_cents": 100}, conditions=condition))

    assert describe(rule, NAMES)[1] == f"If {words}: move $1.00 from Income to Savings."


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (FUNDS, "When money arrives in Income:"),
        ({"type": "MANUAL", "account_id": "income"}, "When somebody runs it, for Income:"),
        ({"type": "REMOTE_API", "account_id": None}, "When a program asks for it with the rule's secret:"),
        (
            {
                "type": "SCHEDULED",
                "schedule_type": "WEEKLY",
                "start": "2026-01-31T09:00:00",
                "zone": "Europe/Berlin",
                "account_id": "income",
            },
            "Every Saturday at 09:00 (Europe/Berlin), from 31 January 2026 on, for Income:",
        ),
    ],
)
def test_every_trigger(trigger: dict[str, Any], words: str):
    rule = rule_of(step({"type": "FIXED", "amount_in_cents": 100}), trigger=trigger)

    assert describe(rule, NAMES)[0] == words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ScheduleType.ONE_TIME, "Once, on 31 January 2026 at 09:30:15 (UTC)"),
        (ScheduleType.DAILY, "Every day at 09:30:15 (UTC), from 31 January 2026 on"),
        (ScheduleType.WEEKLY, "Every Saturday at 09:30:15 (UTC), from 31 January 2026 on"),
        (
            ScheduleType.EVERY_OTHER_WEEK,
            "Every other Saturday (in weeks with an even number) at 09:30:15 (UTC), from 31 January 2026 on",
        ),
        (
            ScheduleType.BI_WEEKLY,
            "On the 1st and the 15th of every month at 09:30:15 (UTC), from 31 January 2026 on",
        ),
        (
            ScheduleType.MONTHLY,
            "On the 31st (or the month's last day) of every month at 09:30:15 (UTC), from 31 January 2026 on",
        ),
    ],
)
def test_every_schedule(kind: ScheduleType, words: str):
    assert schedule_in_words(Schedule(kind, datetime(2026, 1, 31, 9, 30, 15))) == words  # noqa: DTZ001 -- local time


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (123456, "USD", "$1,234.56"),
        (-5, "USD", "-$0.05"),
        (0, "EUR", "€0.00"),
        (100, "GBP", "£1.00"),
        (123456, "CHF", "1,234.56 CHF"),
        (123456, "JPY", "123,456 JPY"),
        (1234567, "KWD", "1,234.567 KWD"),
    ],
)
def test_amounts_of_every_shape(amount: int, currency: str, words: str):
    assert format_money(amount, currency) == words


def test_amounts_are_in_the_currency_of_their_account():
    rule = rule_of(
        step({"type": "FIXED", "amount_in_cents": 500}, conditions=leaf("BALANCE", "EQUALS", 500, account_id="card"))
    )

    words = describe(rule, NAMES, {AccountId("income"): "EUR", AccountId("card"): "JPY"})[1]

    assert words == "If the balance of Card is 500 JPY: move €5.00 from Income to Savings."


# ------------------------------------------------------------------------------------------------ names that pretend


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Savings", "Savings"),
        ("Mom's 2nd car & boat", "Mom's 2nd car & boat"),
        ("Sa\u200bvings", "“Sa\\u200bvings”"),
        ("\u202eIncome", "“\\u202eIncome”"),
        ("Tax\u2066", "“Tax\\u2066”"),
        ("Line\nbreak", "“Line\\u000abreak”"),
        ("Hard\u00a0space", "“Hard\\u00a0space”"),
        ("\u3164", "“\\u3164”"),
        (" Income", "“ Income”"),
        ("", "“”"),
        ("Savings. Otherwise: move $5.00", "“Savings. Otherwise: move $5.00”"),
        ("a” and “b", "“a\\u201d and \\u201cb”"),
        ("Zahlung für Ä", "Zahlung für Ä"),
    ],
)
def test_a_name_cannot_pretend_to_be_another_or_to_be_words(name: str, shown: str):
    rule = rule_of(step({"type": "FIXED", "amount_in_cents": 100}))

    words = describe(rule, {**NAMES, AccountId("savings"): name})[1]

    assert words == f"Move $1.00 from Income to {shown}."


def test_accounts_with_one_name_are_told_apart_and_unknown_ones_are_named_so():
    rule = rule_of(step({"type": "FIXED", "amount_in_cents": 100, "destination": "nobody"}))

    words = describe(rule, {**NAMES, AccountId("savings"): "Income"})

    assert words[1] == "Move $1.00 from Income (id income) to the unknown account nobody."


def test_a_host_is_the_one_that_will_be_asked():
    # A name before the @, and a Cyrillic letter: the host is neither bank.example.com nor raypal.example.net.
    words = said({"type": "REMOTE_AMOUNT", "url": "https://bank.example.com@r\u0430ypal.example.net/x"})

    assert words.startswith("Move the amount that xn--rypal-4ve.example.net answers from Income to Savings")


def test_an_address_cannot_hide_letters():
    words = said({"type": "REMOTE_AMOUNT", "url": "https://example.com\u202e/x"})

    assert "\u202e" not in words
    assert "that an unknown server answers" in words


@given(rules())
def test_everything_in_a_rule_is_in_its_words(rule: Rule):
    names = {account_id: f"Account {number}" for number, account_id in enumerate(KINDS)}
    text = " ".join(describe(rule, names))

    for account_id in accounts_in(rule):
        assert names[account_id] in text
    for expected in figures_in(rule):
        assert expected in text


@given(cases())
def test_every_run_can_be_told(case: Case):
    planned = plan(RULE, case.rule, case.event, case.snapshot)

    told = explain_trace(case.rule, planned.trace, {account_id: account_id.title() for account_id in KINDS})

    text = "\n".join(told)
    assert len([line for line in told if line.startswith("Step ")]) == len(planned.trace.steps)
    for action in planned.trace.actions:
        if action.moved:
            assert f"moved {format_money(action.moved)}" in text


ACCOUNTS = {
    AccountId("income"): Account(AccountId("income"), AccountKind.INCOME_SOURCE),
    AccountId("savings"): Account(AccountId("savings"), AccountKind.POD),
    AccountId("card"): Account(
        AccountId("card"),
        AccountKind.EXTERNAL_ACCOUNT,
        ExternalKind.LIABILITY,
        reported=ReportedBalance(balance=Cents(5_000), error="DISCONNECTED_ACCOUNT"),
    ),
    AccountId("bank"): Account(
        AccountId("bank"), AccountKind.EXTERNAL_ACCOUNT, ExternalKind.DEPOSITORY, reported=ReportedBalance(Cents(9))
    ),
}


def told_of(rule: Rule, **more: Any) -> list[str]:
    """Run a rule by hand over ten dollars and five cents, and tell what it did."""
    balances = dict.fromkeys(ACCOUNTS, NOTHING) | {AccountId("income"): Balance(1_005, 0, 0)}
    event = Event(TriggerType.MANUAL, datetime(2026, 3, 4, 10, tzinfo=UTC))
    planned = plan(RULE, rule, event, Snapshot(ACCOUNTS, balances, **more))
    return explain_trace(rule, planned.trace, NAMES | {AccountId("bank"): "Bank"})


def test_the_words_of_a_run_name_values_limits_and_reasons():
    many = {"any": [{"any": [leaf("BALANCE", "LESS_THAN", 100)]}]}
    rule = rule_of(
        step({"type": "FIXED", "amount_in_cents": 100}, conditions=many),
        step({"type": "FIXED", "amount_in_cents": 1_006}),
    )

    assert told_of(rule) == [
        "Step 1 did not run: its condition was false.",
        "  any of these: false",
        "    any of these: false",
        "      the balance of Income is below $1.00: false (it was $10.05)",
        "Step 2 ran: it has no condition.",
        "Action 1: move $10.06 from Income to Savings.",
        "  asked for $10.06; $10.05 available; not moved: there was not enough in the source",
    ]


def test_a_run_tells_what_waits_for_a_person():
    rule = settled_rule(
        {"type": "FIXED", "amount_in_cents": 400},
        {"type": "FIXED", "amount_in_cents": 401},
        approval_above_in_cents=400,
    )

    assert [line for line in told_of(rule) if "moved" in line] == [
        "  asked for $4.00; $10.05 available; moved $4.00",
        "  asked for $4.01; $6.05 available; moved $4.01, once a person approves it",
    ]


@pytest.mark.parametrize(
    ("action", "settings", "told"),
    [
        ({"destination": "card"}, {}, "$10.05 available; failed: the bank account is disconnected"),
        (
            {"source": "bank"},
            {"max_balance_age_in_minutes": 5},
            "asked for $5.00; failed: the balance was reported too long ago",
        ),
        ({"destination": "bank"}, {}, "failed: a limit on bank transfers is used up"),
    ],
)
def test_a_run_tells_what_kept_a_transfer_from_its_bank(action: dict[str, Any], settings: dict[str, Any], told: str):
    rule = settled_rule({"type": "FIXED", "amount_in_cents": 500, **action}, **settings)
    room = AchRoom(ErrorCode.DAILY_ACH_CREDIT_LIMIT_REACHED, 499, None)

    assert told_of(rule, ach={PaymentSide.CREDIT: (room,)})[-1].endswith(told)


def test_a_run_tells_that_money_is_in_its_pod_already():
    rule = settled_rule({"type": "FIXED", "amount_in_cents": 500, "destination": "bank"})

    told = told_of(rule, holding_pods={AccountId("bank"): AccountId("income")})

    assert told[-1].endswith("skipped: the money is already in the pod in which it waits")


def settled_rule(*actions: dict[str, Any], **settings: Any) -> Rule:
    return read_rule({"trigger": FUNDS, "steps": [step(*actions)], **settings})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        (
            {"approval_above_in_cents": 123_456},
            ["A transfer of more than $1,234.56 waits until a person approves it."],
        ),
        ({"approval_above_in_cents": 0}, ["A transfer of more than $0.00 waits until a person approves it."]),
        (
            {"max_balance_age_in_minutes": 1},
            ["A balance that a bank reported more than 1 minute ago counts as unknown."],
        ),
        (
            {"max_balance_age_in_minutes": 525_600},
            ["A balance that a bank reported more than 365 days ago counts as unknown."],
        ),
        (
            {"approval_above_in_cents": 1, "max_balance_age_in_minutes": 1_440 + 120 + 30},
            [
                "A transfer of more than $0.01 waits until a person approves it.",
                "A balance that a bank reported more than 1 day, 2 hours and 30 minutes ago counts as unknown.",
            ],
        ),
    ],
)
def test_the_settings_of_a_rule_are_said_after_its_steps(settings: dict[str, Any], words: list[str]):
    rule = settled_rule({"type": "FIXED", "amount_in_cents": 100}, **settings)

    assert describe(rule, NAMES)[2:] == words


def test_a_threshold_is_said_in_every_currency_that_the_rule_moves():
    rule = settled_rule(
        *({"type": "FIXED", "amount_in_cents": 100, "source": source} for source in ("income", "loan", "emergency")),
        approval_above_in_cents=50_000,
    )

    words = describe(rule, NAMES, {AccountId("loan"): "JPY"})

    assert words[-1] == "A transfer of more than $500.00 or 50,000 JPY waits until a person approves it."


def test_visible_leaves_what_can_be_seen_alone():
    assert visible("Pässe \N{MONEY BAG} 日本") == "Pässe \N{MONEY BAG} 日本"


def comparisons(condition: Condition | None) -> list[Comparison]:
    match condition:
        case None:
            return []
        case Comparison():
            return [condition]
        case AllOf(children) | AnyOf(children):
            return [leaf for child in children for leaf in comparisons(child)]


def accounts_in(rule: Rule) -> set[AccountId]:
    found = {rule.account_id} if rule.account_id is not None else set()
    for each in rule.steps:
        for compared in comparisons(each.condition):
            if compared.fact is Fact.BALANCE and compared.account_id is not None:
                found.add(compared.account_id)
        for action in each.actions:
            found |= {action.source} | ({action.destination} if action.destination is not None else set())
            if isinstance(action.amount, PayDown):
                found |= {debt.account_id for debt in action.amount.debts}
            if isinstance(action.amount, TopUpToLevel):
                found.add(action.amount.account_id)
    return found


def figures_in(rule: Rule) -> list[str]:
    found: list[str] = []
    for each in rule.steps:
        for compared in comparisons(each.condition):
            if isinstance(compared.value, int):
                is_day = compared.fact is Fact.DATE
                found.append(str(compared.value) if is_day else format_money(compared.value))
        for action in each.actions:
            if action.cap is not None:
                found.append(format_money(action.cap.amount))
            found += figures_of(action.amount)
    if rule.approval_above is not None:
        found.append(f"more than {format_money(rule.approval_above)} waits")
    if rule.max_balance_age is not None:
        found.append(
            {timedelta(minutes=30): "more than 30 minutes ago", timedelta(days=1): "more than 1 day ago"}[
                rule.max_balance_age
            ]
        )
    return found


def figures_of(amount: Any) -> list[str]:
    match amount:
        case FixedAmount(cents) | TopUp(cents) | RoundDown(cents) | SweepAbove(cents):
            return [format_money(cents)]
        case Percentage(percent=percent) | PercentageOfLiability(percent=percent):
            return [f"{format_percent(percent)} %"]
        case RemoteAmount(url, ceiling):
            return [url] + ([] if ceiling is None else [format_money(ceiling)])
        case PayDown(budget=budget, debts=debts):
            rates = [f"{format_percent(debt.rate)} %" for debt in debts if debt.rate is not None]
            return figures_of(budget) + rates
        case _:
            return []
