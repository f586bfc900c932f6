"""The written form of a rule says all of it, nothing else, and refuses whatever it does not say."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.domain import rules as r
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import MAX_CENTS, Cents, Percent
from sluiceway.domain.schedule import Schedule, ScheduleType
from tests.unit.strategies import make_rule, rules

Change = Callable[[dict[str, Any]], object]

LONGEST_NAME = 200
LONGEST_TEXT = 4_096
DEEPEST = 16


def written() -> dict[str, Any]:
    """Write a rule that uses most of the notation."""
    leaf = {
        "fact": "BALANCE",
        "operator": "GREATER_THAN",
        "value": None,
        "value_fact": "NEXT_PAYMENT_MINIMUM_AMOUNT",
        "params": {"account_id": "pod", "value_account_id": "card"},
    }
    day = {"fact": "DATE", "operator": "LESS_THAN_OR_EQUAL", "value": 15, "value_fact": None, "params": None}
    return {
        "name": "Payday",
        "description": "Fill the jars.",
        "approval_above_in_cents": 50_000,
        "max_balance_age_in_minutes": 1_440,
        "trigger": {
            "type": "SCHEDULED",
            "account_id": "income",
            "schedule_type": "MONTHLY",
            "start": "2026-01-31T09:00:00",
            "zone": "Europe/Berlin",
        },
        "steps": [
            {
                "conditions": {"all": [{"condition": leaf}, {"any": [{"condition": day}]}]},
                "actions": [
                    an_action("FIXED", amount_in_cents=2_500, limit={"period": "PER_WEEK", "amount_in_cents": 9_000}),
                    an_action("PERCENTAGE", percentage_value="12.5", percentage_target="SOURCE_ACCOUNT"),
                    an_action("TOP_UP", current_balance_account="card"),
                    an_action("REMOTE_AMOUNT", url="https://example.com/", ceiling_in_cents=700),
                    an_action(
                        "AVALANCHE",
                        percentage_value="50",
                        destination=None,
                        liabilities=[
                            {"account": "card", "interest_rate_percentage": "19.99"},
                            {"account": "loan", "interest_rate_percentage": None},
                        ],
                    ),
                ],
            }
        ],
    }


def an_action(kind: str, **fields: object) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "source": "income",
        "destination": "pod",
        "group_index": 0,
        "up_to_enabled": True,
        "limit": None,
        "ach_description": "RENT",
        "is_direct_deposit": False,
    }
    return {"type": kind, **shared, **fields}


def changed(*path: str | int, to: object) -> dict[str, Any]:
    """Write the same rule with one value replaced (or added)."""
    value = written()
    inner: Any = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return value


def without(*path: str | int) -> dict[str, Any]:
    value = written()
    inner: Any = value
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return value


def refusal_of(value: object) -> str:
    """Give the path of the one problem that reading finds."""
    with pytest.raises(InvalidParameters) as refused:
        r.read_rule(value)
    [problem] = refused.value.problems
    assert problem.message
    return problem.path


# ---------------------------------------------------------------------------------------------------------- round trips


def test_what_is_written_is_read_and_written_again():
    assert r.write_rule(r.read_rule(written())) == written()


@settings(max_examples=300, deadline=None)
@given(rules())
def test_every_rule_survives_writing_and_reading(rule: r.Rule):
    form = r.write_rule(rule)

    assert r.read_rule(form) == rule
    assert r.read_rule(json.loads(r.canonical(rule))) == rule
    assert r.write_rule(r.read_rule(form)) == form


def test_many_rules_survive_writing_and_reading():
    for seed in range(3_000):
        rule = make_rule(Random(seed))
        assert r.read_rule(json.loads(r.canonical(rule))) == rule, seed


def test_what_may_be_left_out_has_one_meaning():
    shortest = {
        "trigger": {"type": "MANUAL", "account_id": "income"},
        "steps": [
            {
                "conditions": {"condition": {"fact": "DATE", "operator": "EQUALS", "value": 1}},
                "actions": [{"type": "FIXED", "amount_in_cents": 100, "source": "income", "destination": "pod"}],
            }
        ],
    }
    first_of_month = r.Comparison(r.Fact.DATE, r.Operator.EQUALS, 1)
    action = r.Action(r.FixedAmount(Cents(100)), AccountId("income"), AccountId("pod"))

    assert r.read_rule(shortest) == r.Rule(r.Manual(AccountId("income")), (r.Step(first_of_month, (action,)),))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("steps", 0, "actions", 1, "percentage_value"), 12.5),
        (("steps", 0, "actions", 1, "percentage_value"), "12.50"),
        (("steps", 0, "actions", 1, "percentage_value"), Decimal("12.500")),
        (("trigger", "start"), "2026-01-31T09:00"),
        (("trigger", "start"), "2026-01-31 09:00:00.000"),
        (("steps", 0, "conditions", "all", 1, "any", 0, "condition", "params"), {}),
    ],
)
def test_spellings_of_the_same_value_are_the_same_rule(path: tuple[str | int, ...], value: object):
    given_form = changed(*path, to=Decimal(str(value)) if isinstance(value, float) else value)

    assert r.read_rule(given_form) == r.read_rule(written())
    assert r.fingerprint(r.read_rule(given_form)) == r.fingerprint(r.read_rule(written()))


# --------------------------------------------------------------------------------------------------------- fingerprints


def test_the_canonical_form_is_fixed():
    rule = r.Rule(
        r.OnFunds(AccountId("income")),
        (r.Step(None, (r.Action(r.FixedAmount(Cents(100)), AccountId("income"), AccountId("pod")),)),),
        "Größe \N{MONEY BAG}",
    )

    assert r.canonical(rule).decode() == (
        '{"description":null,"name":"Größe \N{MONEY BAG}","steps":[{"actions":[{"ach_description":null,'
        '"amount_in_cents":100,"destination":"pod","group_index":0,"is_direct_deposit":false,"limit":null,'
        '"source":"income","type":"FIXED","up_to_enabled":false}],"conditions":null}],'
        '"trigger":{"account_id":"income","type":"ON_FUNDS_TRANSFERRED"}}'
    )
    # What people approved is bound to this: another answer would take every approval away.
    assert r.fingerprint(rule).hex() == "1661b4abf225c8ee0c6e5d788821d55d7b25d768258b5b14e152c3e3ce95e60b"


def test_settings_that_a_rule_does_not_have_leave_no_trace_in_what_is_signed():
    plain = without("approval_above_in_cents")
    del plain["max_balance_age_in_minutes"]

    assert r.write_rule(r.read_rule(plain)) == plain
    for key in ("approval_above_in_cents", "max_balance_age_in_minutes"):
        assert r.canonical(r.read_rule({**plain, key: None})) == r.canonical(r.read_rule(plain))
    # As it was before rules had settings.
    assert r.fingerprint(r.read_rule(plain)).hex() == "8b89f0200fd713b0a8f6b691c1a7e25913b765bf85c1a7a3d332fc8e977d2440"


INCOME, POD, CARD, LOAN = AccountId("income"), AccountId("pod"), AccountId("card"), AccountId("loan")
SCHEDULE = Schedule(ScheduleType.MONTHLY, datetime(2026, 1, 31, 9))  # noqa: DTZ001 -- schedules are local


def with_action(**fields: Any) -> r.Rule:
    base = r.Action(r.FixedAmount(Cents(100)), INCOME, POD)
    return r.Rule(r.OnFunds(INCOME), (r.Step(None, (replace(base, **fields),)),))


def with_amount(amount: r.Amount) -> r.Rule:
    return with_action(amount=amount, destination=None if isinstance(amount, r.PayDown) else POD)


def with_condition(condition: r.Condition | None) -> r.Rule:
    return r.Rule(r.OnFunds(INCOME), (r.Step(condition, with_action().steps[0].actions),))


def with_trigger(trigger: r.Trigger) -> r.Rule:
    return r.Rule(trigger, with_action().steps)


def a_leaf(**fields: Any) -> r.Rule:
    return with_condition(replace(r.Comparison(r.Fact.BALANCE, r.Operator.EQUALS, r.Fact.BALANCE), **fields))


def a_pay_down(**fields: Any) -> r.Rule:
    base = r.PayDown(r.Strategy.AVALANCHE, r.FixedAmount(Cents(100)), (r.Debt(CARD), r.Debt(LOAN)))
    return with_amount(replace(base, **fields))


DATE_LEAF = r.Comparison(r.Fact.DATE, r.Operator.EQUALS, 1)
OTHER_LEAF = r.Comparison(r.Fact.DATE, r.Operator.EQUALS, 2)
STEP = with_action().steps[0]

ALL_DIFFERENT: dict[str, list[r.Rule]] = {
    "rule": [
        with_action(),
        replace(with_action(), name="A"),
        replace(with_action(), name=""),
        replace(with_action(), name="a"),
        replace(with_action(), description="A"),
        replace(with_action(), description=""),
        replace(with_action(), approval_above=Cents(0)),
        replace(with_action(), approval_above=Cents(1)),
        replace(with_action(), max_balance_age=timedelta(minutes=1)),
        replace(with_action(), max_balance_age=timedelta(days=1)),
        replace(with_action(), steps=(STEP, STEP)),
        replace(with_action(), steps=(r.Step(None, STEP.actions * 2),)),
    ],
    "trigger": [
        with_trigger(r.OnFunds(INCOME)),
        with_trigger(r.OnFunds(POD)),
        with_trigger(r.Manual(INCOME)),
        with_trigger(r.Remote(INCOME)),
        with_trigger(r.Remote()),
        with_trigger(r.Scheduled(SCHEDULE)),
        with_trigger(r.Scheduled(SCHEDULE, INCOME)),
        with_trigger(r.Scheduled(replace(SCHEDULE, zone="Europe/Berlin"))),
        with_trigger(r.Scheduled(replace(SCHEDULE, start=datetime(2026, 1, 31, 9, 0, 1)))),  # noqa: DTZ001
        *[
            with_trigger(r.Scheduled(replace(SCHEDULE, type=kind)))
            for kind in ScheduleType
            if kind is not ScheduleType.MONTHLY
        ],
    ],
    "condition": [
        with_condition(None),
        with_condition(DATE_LEAF),
        with_condition(r.AllOf((DATE_LEAF,))),
        with_condition(r.AnyOf((DATE_LEAF,))),
        with_condition(r.AllOf((DATE_LEAF, OTHER_LEAF))),
        with_condition(r.AllOf((OTHER_LEAF, DATE_LEAF))),
        with_condition(r.AllOf((DATE_LEAF, DATE_LEAF))),
        with_condition(r.AllOf((r.AnyOf((DATE_LEAF, OTHER_LEAF)),))),
    ],
    "comparison": [
        *[a_leaf(operator=operator) for operator in r.Operator],
        *[a_leaf(value=fact) for fact in r.Fact if fact is not r.Fact.BALANCE],
        a_leaf(fact=r.Fact.TRANSFER_AMOUNT),
        a_leaf(fact=r.Fact.DATE),
        a_leaf(value=0),
        a_leaf(value=-1),
        a_leaf(account_id=POD),
        a_leaf(right_account_id=POD),
        a_leaf(account_id=POD, right_account_id=POD),
    ],
    "action": [
        with_action(),
        with_action(source=POD),
        with_action(destination=CARD),
        with_action(source=POD, destination=INCOME),
        with_action(group=1),
        with_action(up_to=True),
        with_action(is_direct_deposit=True),
        with_action(ach_description="RENT"),
        with_action(ach_description=""),
        *[with_action(cap=r.Cap(period, Cents(100))) for period in r.CapPeriod],
        with_action(cap=r.Cap(r.CapPeriod.PER_WEEK, Cents(0))),
    ],
    "amount": [
        with_amount(r.FixedAmount(Cents(100))),
        with_amount(r.FixedAmount(Cents(101))),
        with_amount(r.TopUp(Cents(100))),
        with_amount(r.RoundDown(Cents(100))),
        with_amount(r.SweepAbove(Cents(100))),
        *[with_amount(r.Percentage(Percent(100), target)) for target in r.PercentageTarget],
        with_amount(r.Percentage(Percent(101), r.PercentageTarget.SOURCE_ACCOUNT)),
        with_amount(r.PercentageOfLiability(Percent(100))),
        with_amount(r.PercentageOfLiability(Percent(101))),
        with_amount(r.NextPaymentMinimum()),
        with_amount(r.TotalAmountDue()),
        with_amount(r.LastStatementBalance()),
        *[with_amount(r.TopUpToLevel(level, CARD)) for level in r.Level],
        with_amount(r.TopUpToLevel(r.Level.CURRENT_BALANCE, LOAN)),
        with_amount(r.RemoteAmount("https://example.com/")),
        with_amount(r.RemoteAmount("https://example.com/a")),
        with_amount(r.RemoteAmount("https://example.com/", Cents(100))),
        with_amount(r.RemoteAmount("https://example.com/", Cents(101))),
    ],
    "pay-down": [
        a_pay_down(),
        a_pay_down(strategy=r.Strategy.SNOWBALL),
        a_pay_down(budget=r.FixedAmount(Cents(101))),
        a_pay_down(budget=r.Percentage(Percent(100), r.PercentageTarget.SOURCE_ACCOUNT)),
        a_pay_down(debts=(r.Debt(CARD),)),
        a_pay_down(debts=(r.Debt(LOAN), r.Debt(CARD))),
        a_pay_down(debts=(r.Debt(CARD, Percent(0)), r.Debt(LOAN))),
        a_pay_down(debts=(r.Debt(CARD, Percent(1)), r.Debt(LOAN))),
        a_pay_down(debts=(r.Debt(CARD), r.Debt(LOAN, Percent(1)))),
    ],
}


@pytest.mark.parametrize("part", ALL_DIFFERENT)
def test_any_single_difference_changes_the_fingerprint(part: str):
    different = ALL_DIFFERENT[part]

    assert len({r.fingerprint(rule) for rule in different}) == len(different)
    assert all(r.read_rule(r.write_rule(rule)) == rule for rule in different)


def test_equal_rules_have_equal_fingerprints_and_others_do_not():
    by_fingerprint: dict[bytes, r.Rule] = {}
    for seed in range(2_000):
        rule = make_rule(Random(seed))
        assert by_fingerprint.setdefault(r.fingerprint(rule), rule) == rule
        assert r.fingerprint(deepcopy(rule)) == r.fingerprint(rule)


def test_every_field_of_the_written_form_counts():
    for path in every_path(written()):
        replaced = changed(*path, to=None)
        try:
            rule = r.read_rule(replaced)
        except InvalidParameters:
            continue  # Without a value it is no rule; another value is tried above.
        same = r.fingerprint(rule) == r.fingerprint(r.read_rule(written()))
        assert same == (value_at(written(), path) in (None, 0, False, {})), path


def every_path(value: object, before: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [before] if before else []
    for key, child in inner:
        found += every_path(child, (*before, key))
    return found


def value_at(value: Any, path: tuple[str | int, ...]) -> object:
    for key in path:
        value = value[key]
    return value


# ------------------------------------------------------------------------------------------------------------- refusals

ACTION = ("steps", 0, "actions", 0)
SHARE = ("steps", 0, "actions", 1)
TOP_UP = ("steps", 0, "actions", 2)
REMOTE = ("steps", 0, "actions", 3)
PAY_DOWN = ("steps", 0, "actions", 4)
LEAF = ("steps", 0, "conditions", "all", 0, "condition")
DAY = ("steps", 0, "conditions", "all", 1, "any", 0, "condition")

NO_AMOUNTS = ["100", 1.0, Decimal("1.0"), Decimal(100), True, False, -1, MAX_CENTS + 1, [], {}, 10**100]
NO_TEXTS = [1, True, [], {}, "\x00", "a\x00b", "\ud800", "a\udfff", "\ud83d"]
NO_WORDS = ["", "fixed", "FIXED ", "UNKNOWN", 1, True, [], {}, None, "\ud800"]
NO_FLAGS = ["true", "false", 0, 1, [], {}, "x"]
NO_PERCENTAGES = ["", "12,5", "101", -1, 101, True, [], {}, "0.0000001", "NaN", "Infinity", 12.5, None, "1/2"]
NO_OBJECTS = [1, True, "", "x", [], [{}], [["type", "FIXED"]]]
NO_LISTS = [1, True, "x", {}, {"0": {}}]


def refused(where: tuple[str | int, ...], values: list[Any]) -> list[Any]:
    """List cases in which one value is replaced and the refusal names its path."""
    path = "/".join(map(str, where))
    return [pytest.param(where, value, path, id=f"{path}={value!r:.30}") for value in values]


@pytest.mark.parametrize(
    ("where", "value", "path"),
    [
        # Amounts in cents: whole numbers, written as such, up to 10^13.
        *refused((*ACTION, "amount_in_cents"), [*NO_AMOUNTS, 0, None]),
        *refused((*ACTION, "limit", "amount_in_cents"), [*NO_AMOUNTS, None]),
        *refused((*REMOTE, "ceiling_in_cents"), [*NO_AMOUNTS, 0]),
        *refused((*ACTION, "group_index"), [*NO_AMOUNTS, 1_001]),
        *refused((*DAY, "value"), ["100", 1.0, Decimal("1.0"), True, [], {}, MAX_CENTS + 1, -MAX_CENTS - 1]),
        # Texts.
        *refused(("name",), [*NO_TEXTS, "n" * (LONGEST_NAME + 1)]),
        *refused(("description",), [*NO_TEXTS, "d" * (LONGEST_TEXT + 1)]),
        *refused((*ACTION, "source"), [*NO_TEXTS, None, "i" * 101]),
        *refused((*ACTION, "destination"), [*NO_TEXTS, None, "i" * 101]),
        *refused((*ACTION, "ach_description"), [*NO_TEXTS, "a" * 101]),
        *refused((*REMOTE, "url"), [*NO_TEXTS, None, "u" * 2_049]),
        *refused((*TOP_UP, "current_balance_account"), NO_TEXTS),
        *refused((*PAY_DOWN, "liabilities", 0, "account"), [*NO_TEXTS, None]),
        *refused((*LEAF, "params", "account_id"), NO_TEXTS),
        *refused((*LEAF, "params", "value_account_id"), NO_TEXTS),
        *refused(("trigger", "account_id"), NO_TEXTS),
        *refused(("trigger", "start"), ["", "tomorrow", "2026-02-30T09:00:00", 1, None, True]),
        *refused(("trigger", "zone"), [1, True, [], {}]),
        # Words of a fixed set.
        *refused((*ACTION, "type"), NO_WORDS),
        *refused((*ACTION, "limit", "period"), [*NO_WORDS, "PER_DAY"]),
        *refused(("approval_above_in_cents",), [-1, MAX_CENTS + 1, 1.5, "100", True, [], {}]),
        *refused(("max_balance_age_in_minutes",), [-1, 0, 525_601, 1.5, "60", True, [], {}]),
        *refused((*SHARE, "percentage_target"), NO_WORDS),
        *refused((*LEAF, "fact"), [*NO_WORDS, "LAST_DAY_OF_MONTH", "NEXT_PAYMENT_MINIMUM_AMOUNT"]),
        *refused((*LEAF, "operator"), [*NO_WORDS, "equals", "="]),
        *refused((*LEAF, "value_fact"), ["", "UNKNOWN", 1, True, [], {}]),
        *refused(("trigger", "type"), [*NO_WORDS, "SEQUENCE_API"]),
        *refused(("trigger", "schedule_type"), [*NO_WORDS, "YEARLY"]),
        # Percentages.
        *refused((*SHARE, "percentage_value"), NO_PERCENTAGES),
        *refused(
            (*PAY_DOWN, "liabilities", 0, "interest_rate_percentage"), [v for v in NO_PERCENTAGES if v is not None]
        ),
        # Flags.
        *refused((*ACTION, "up_to_enabled"), NO_FLAGS),
        *refused((*ACTION, "is_direct_deposit"), NO_FLAGS),
        # Shapes.
        *refused(("trigger",), [*NO_OBJECTS, None]),
        *refused(("steps",), [*NO_LISTS, None, []]),
        *refused(("steps", 0), [*NO_OBJECTS, None]),
        *refused(("steps", 0, "conditions"), [*NO_OBJECTS, {}, {"all": [], "any": []}, {"none": []}]),
        *refused(("steps", 0, "conditions", "all"), [*NO_LISTS, []]),
        *refused(("steps", 0, "conditions", "all", 0), [*NO_OBJECTS, None, {}]),
        *refused(LEAF, [*NO_OBJECTS, None]),
        *refused((*LEAF, "params"), [1, True, "x", [], [{}]]),
        *refused(("steps", 0, "actions"), [*NO_LISTS, None, []]),
        *refused(ACTION, [*NO_OBJECTS, None]),
        *refused((*ACTION, "limit"), [1, True, "x", [], [{}]]),
        *refused((*PAY_DOWN, "liabilities"), [*NO_LISTS, None, []]),
        *refused((*PAY_DOWN, "liabilities", 0), [*NO_OBJECTS, None]),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(where: tuple[str | int, ...], value: object, path: str):
    named = refusal_of(changed(*where, to=value))

    # Where one of two may be given and neither is there, the pair is what is wrong.
    assert named in {path, *([path.rpartition("/")[0]] if value in (None, {}) else [])}


OBJECTS = [
    (),
    ("trigger",),
    ("steps", 0),
    ("steps", 0, "conditions"),
    ("steps", 0, "conditions", "all", 1),
    LEAF,
    (*LEAF, "params"),
    ACTION,
    (*ACTION, "limit"),
    PAY_DOWN,
    (*PAY_DOWN, "liabilities", 0),
]


@pytest.mark.parametrize("where", OBJECTS, ids=lambda where: "/".join(map(str, where)) or "the rule")
@pytest.mark.parametrize("key", ["surprise", "Type", "id", ""])
def test_an_unknown_field_is_refused_wherever_it_is(where: tuple[str | int, ...], key: str):
    assert refusal_of(changed(*where, key, to=1)) == "/".join(map(str, (*where, key)))


@pytest.mark.parametrize(
    ("where", "field"),
    [
        (ACTION, "percentage_value"),
        (ACTION, "liabilities"),
        (SHARE, "amount_in_cents"),
        (REMOTE, "amount_in_cents"),
        (TOP_UP, "percentage_target"),
        (PAY_DOWN, "percentage_target"),
    ],
)
def test_a_field_of_another_kind_of_action_is_unknown(where: tuple[str | int, ...], field: str):
    assert refusal_of(changed(*where, field, to="1")) == "/".join(map(str, (*where, field)))


@pytest.mark.parametrize(
    "where",
    [
        ("trigger",),
        ("trigger", "type"),
        ("trigger", "schedule_type"),
        ("trigger", "start"),
        ("steps",),
        ("steps", 0, "actions"),
        (*LEAF, "fact"),
        (*LEAF, "operator"),
        (*ACTION, "type"),
        (*ACTION, "source"),
        (*ACTION, "destination"),
        (*ACTION, "amount_in_cents"),
        (*ACTION, "limit", "period"),
        (*ACTION, "limit", "amount_in_cents"),
        (*SHARE, "percentage_value"),
        (*SHARE, "percentage_target"),
        (*REMOTE, "url"),
        (*PAY_DOWN, "liabilities"),
        (*PAY_DOWN, "liabilities", 0, "account"),
    ],
    ids=lambda where: "/".join(map(str, where)),
)
def test_a_missing_field_is_refused_by_its_path(where: tuple[str | int, ...]):
    assert refusal_of(without(*where)) == "/".join(map(str, where))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param(
            lambda v: v["trigger"].update(start="2026-01-31T09:00:00Z"), "trigger", id="a_start_with_an_offset"
        ),
        pytest.param(lambda v: v["trigger"].update(zone="Mars/Olympus"), "trigger", id="no_such_zone"),
        pytest.param(lambda v: v["trigger"].update(zone=""), "trigger", id="an_empty_zone"),
        pytest.param(lambda v: v["trigger"].update(zone="../etc/passwd"), "trigger", id="a_zone_that_is_a_path"),
        pytest.param(
            lambda v: v.update(trigger={"type": "MANUAL"}), "trigger/account_id", id="a_manual_rule_of_no_account"
        ),
        pytest.param(
            lambda v: v.update(trigger={"type": "MANUAL", "account_id": "a", "zone": "UTC"}),
            "trigger/zone",
            id="a_zone_without_a_schedule",
        ),
        pytest.param(lambda v: at(v, LEAF).update(value=5), "/".join(map(str, LEAF)), id="a_value_and_a_fact"),
        pytest.param(lambda v: at(v, LEAF).update(value_fact=None), "/".join(map(str, LEAF)), id="nothing_to_compare"),
        pytest.param(
            lambda v: at(v, LEAF[:2]).update(conditions={"all": [], "condition": {}}),
            "steps/0/conditions",
            id="two_kinds_of_node",
        ),
        pytest.param(lambda v: at(v, TOP_UP).update(amount_in_cents=5), "steps/0/actions/2", id="two_levels"),
        pytest.param(
            lambda v: at(v, TOP_UP).update(last_statement_balance_account="card"),
            "steps/0/actions/2",
            id="two_accounts",
        ),
        pytest.param(lambda v: at(v, TOP_UP).pop("current_balance_account"), "steps/0/actions/2", id="no_level"),
        pytest.param(lambda v: at(v, PAY_DOWN).update(amount_in_cents=5), "steps/0/actions/4", id="two_budgets"),
        pytest.param(lambda v: at(v, PAY_DOWN).pop("percentage_value"), "steps/0/actions/4", id="no_budget"),
    ],
)
def test_what_does_not_go_together_is_refused(change: Change, path: str):
    value = written()
    change(value)

    assert refusal_of(value) == path


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    return value_at(value, path)


@pytest.mark.parametrize("value", [None, 1, "", "{}", True, [], [written()]])
def test_only_an_object_is_a_rule(value: object):
    assert refusal_of(value) == ""


def nested(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {"condition": {"fact": "DATE", "operator": "EQUALS", "value": 1}}
    for level in range(depth - 1):
        node = {"any" if level % 2 else "all": [node]}
    return changed("steps", 0, "conditions", to=node)


def test_conditions_nest_so_deep_and_no_deeper():
    r.read_rule(nested(DEEPEST))

    assert refusal_of(nested(DEEPEST + 1)).count("/") == 2 + 2 * DEEPEST
    # Far deeper than Python's own stack: refused long before.
    assert refusal_of(nested(50_000)).count("/") == 2 + 2 * DEEPEST


@pytest.mark.parametrize(
    "where",
    [("steps",), ("steps", 0, "actions"), ("steps", 0, "conditions", "all"), (*PAY_DOWN, "liabilities")],
    ids=lambda where: where[-1],
)
def test_a_list_holds_a_hundred_and_no_more(where: tuple[str | int, ...]):
    rows = value_at(written(), where)
    assert isinstance(rows, list)

    r.read_rule(changed(*where, to=rows[:1] * 100))
    assert refusal_of(changed(*where, to=rows[:1] * 101)) == "/".join(map(str, where))


@pytest.mark.parametrize(
    ("where", "longest"),
    [
        (("name",), "n" * LONGEST_NAME),
        (("description",), "\N{MONEY BAG}" * LONGEST_TEXT),
        (("approval_above_in_cents",), 0),
        (("approval_above_in_cents",), MAX_CENTS),
        (("max_balance_age_in_minutes",), 1),
        (("max_balance_age_in_minutes",), 525_600),
        ((*ACTION, "amount_in_cents"), MAX_CENTS),
        ((*ACTION, "limit", "amount_in_cents"), 0),
        ((*ACTION, "group_index"), 1_000),
        ((*DAY, "value"), -MAX_CENTS),
        ((*SHARE, "percentage_value"), 0),
        ((*SHARE, "percentage_value"), "100"),
        ((*PAY_DOWN, "liabilities", 0, "interest_rate_percentage"), "0.000001"),
    ],
)
def test_the_largest_and_smallest_values_are_taken(where: tuple[str | int, ...], longest: object):
    r.read_rule(changed(*where, to=longest))


@pytest.mark.parametrize("where", [("trigger", "account_id"), (*ACTION, "source"), (*ACTION, "destination")])
def test_an_account_has_a_name(where: tuple[str | int, ...]):
    assert refusal_of(changed(*where, to="")) == "/".join(map(str, where))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(every_path(written())), json_values)
def test_whatever_is_put_anywhere_is_read_or_refused(path: tuple[str | int, ...], value: object):
    try:
        rule = r.read_rule(changed(*path, to=value))
    except InvalidParameters:
        return
    assert r.read_rule(json.loads(r.canonical(rule))) == rule
