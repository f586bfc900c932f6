"""The demo's rules by short name, in the order in which they run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import Cents, parse_percent
from sluiceway.domain.rules import (
    Action,
    Amount,
    Comparison,
    Fact,
    FixedAmount,
    LastStatementBalance,
    NextPaymentMinimum,
    OnFunds,
    Operator,
    Percentage,
    PercentageTarget,
    RemoteAmount,
    Rule,
    Scheduled,
    Step,
    SweepAbove,
    TopUp,
)
from sluiceway.domain.schedule import Schedule, ScheduleType

RULE_NAMES: Final = {
    "auto_save": "Auto-save on deposit",
    "paycheck": "Split each paycheck",
    "bills": "Fill up Bills on the 1st and the 15th",
    "groceries": "Grocery money every Monday",
    "card": "Pay the card's statement",
    "loan": "Set the car loan's payment aside",
    "emergency": "Feed the Emergency fund from Checking",
    "sweep": "Save what is above the buffer",
    "client_payment": "Tax first, then split",
    "owners_pay": "Owner's pay every other week",
}
"""By which seeding finds them again."""

_ZONE: Final = "America/New_York"

Ids = Mapping[str, AccountId]


def sample_rules(ids: Ids, tax_url: str) -> dict[str, Rule]:
    """Write the rules over accounts; the service at `tax_url` says how much of a client's payment is tax."""
    return {
        "auto_save": _auto_save(ids),
        "paycheck": _paycheck(ids),
        **_from_income(ids),
        **_to_creditors(ids),
        "client_payment": _client_payment(ids, tax_url),
        "owners_pay": _scheduled(
            "owners_pay",
            ScheduleType.EVERY_OTHER_WEEK,
            "2026-01-07T10:00",
            _move(ids, FixedAmount(Cents(1_400_00)), "owners_pay", "business_checking", up_to=True),
            "Sent to the business's bank",
        ),
    }


def _auto_save(ids: Ids) -> Rule:
    """Write the rule of the API's own example."""
    is_much = Comparison(Fact.BALANCE, Operator.GREATER_THAN, 500_00)
    return Rule(
        OnFunds(ids["income"]),
        (
            Step(is_much, (_move(ids, _of_what_came(20), "income", "savings"),)),
            Step(None, (_move(ids, FixedAmount(Cents(50_00)), "income", "emergency", up_to=True),)),
        ),
        RULE_NAMES["auto_save"],
        "Saves 20% of every incoming deposit",
    )


def _paycheck(ids: Ids) -> Rule:
    """Share out what is as large as a paycheck; what is left stays in Income for the top-ups and the sweep."""
    is_paycheck = Comparison(Fact.TRANSFER_AMOUNT, Operator.GREATER_THAN_OR_EQUAL, 2_000_00)
    actions = (
        _move(ids, FixedAmount(Cents(1_250_00)), "income", "bills", up_to=True),
        _move(ids, _of_what_came(10), "income", "groceries", up_to=True),
        _move(ids, FixedAmount(Cents(50_00)), "income", "vacation", up_to=True),
    )
    return Rule(
        OnFunds(ids["income"]),
        (Step(is_paycheck, actions),),
        RULE_NAMES["paycheck"],
        "Bills, groceries and vacation out of every paycheck",
    )


def _from_income(ids: Ids) -> dict[str, Rule]:
    return {
        "bills": _scheduled(
            "bills",
            ScheduleType.BI_WEEKLY,
            "2026-01-01T08:00",
            _move(ids, TopUp(Cents(1_900_00)), "income", "bills", up_to=True),
            "So that no bill bounces",
        ),
        "groceries": _scheduled(
            "groceries",
            ScheduleType.WEEKLY,
            "2026-01-05T07:30",
            _move(ids, FixedAmount(Cents(120_00)), "groceries", "checking", up_to=True),
            "The week's grocery money, sent to where the debit card takes it from",
        ),
        "sweep": _scheduled(
            "sweep",
            ScheduleType.MONTHLY,
            "2026-01-28T20:00",
            _move(ids, SweepAbove(Cents(300_00)), "income", "savings"),
            "Keeps $300 in Income",
        ),
    }


def _to_creditors(ids: Ids) -> dict[str, Rule]:
    return {
        "card": _scheduled(
            "card",
            ScheduleType.MONTHLY,
            "2026-01-10T09:00",
            _move(ids, LastStatementBalance(), "bills", "card"),
            "All of the statement, before it is due",
        ),
        "loan": _scheduled(
            "loan",
            ScheduleType.MONTHLY,
            "2026-01-24T09:30",
            _move(ids, NextPaymentMinimum(), "bills", "loan"),
            "Waits in a pod until the lender collects it",
        ),
        "emergency": _scheduled(
            "emergency",
            ScheduleType.MONTHLY,
            "2026-01-05T08:30",
            _move(ids, FixedAmount(Cents(150_00)), "checking", "emergency"),
            "Pulled from the outside account",
        ),
    }


def _client_payment(ids: Ids, tax_url: str) -> Rule:
    # Two groups: the second one sees what the tax has left, and gives away every cent of it.
    rest = PercentageTarget.SOURCE_ACCOUNT
    actions = (
        _move(ids, RemoteAmount(tax_url), "studio_income", "tax"),
        _move(ids, Percentage(parse_percent(70), rest), "studio_income", "owners_pay", group=1),
        _move(ids, Percentage(parse_percent(30), rest), "studio_income", "operating", group=1),
    )
    return Rule(
        OnFunds(ids["studio_income"]),
        (Step(None, actions),),
        RULE_NAMES["client_payment"],
        "A small service says how much of a payment is tax; the rest is shared out",
    )


def _scheduled(short: str, kind: ScheduleType, start: str, action: Action, description: str) -> Rule:
    schedule = Schedule(kind, datetime.fromisoformat(start), _ZONE)
    return Rule(Scheduled(schedule), (Step(None, (action,)),), RULE_NAMES[short], description)


def _move(ids: Ids, amount: Amount, source: str, destination: str, *, group: int = 0, up_to: bool = False) -> Action:
    return Action(amount, ids[source], ids[destination], group, up_to)


def _of_what_came(percent: int) -> Percentage:
    return Percentage(parse_percent(percent), PercentageTarget.INCOMING_AMOUNT)
