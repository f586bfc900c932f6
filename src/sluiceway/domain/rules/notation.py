"""The canonical written form of a rule: plain dictionaries with fixed keys, the form that is stored and hashed.

Every API generation and the scenario files translate into this form, so that one reader checks them all. Ids are
canonical UUID text (or any other names, in scenario files). Percentages are decimal text. Unknown keys are refused.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, assert_never

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import MAX_CENTS, Cents, Percent, format_percent
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.fields import Fields, join, refuse, whole
from sluiceway.domain.schedule import BadSchedule, Schedule, ScheduleType

MAX_STEPS = 100
MAX_ACTIONS = 100
MAX_CHILDREN = 100
MAX_DEPTH = 16
MAX_NAME = 200
MAX_TEXT = 4096
MAX_URL = 2048
MAX_GROUP = 1000
MAX_ID = 100
MAX_AGE = 525_600

_MINUTE = timedelta(minutes=1)


def fingerprint(rule: m.Rule) -> bytes:
    """Hash the canonical form with SHA-256: what a person's approval is bound to."""
    return sha256(canonical(rule)).digest()


def canonical(rule: m.Rule) -> bytes:
    """Write a rule as canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(write_rule(rule), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_rule(value: object) -> m.Rule:
    """Read a rule; raise InvalidParameters with the path of the first thing that is wrong."""
    fields = Fields.of(value, "")
    rule = m.Rule(
        name=fields.text_or_none("name", MAX_NAME),
        description=fields.text_or_none("description", MAX_TEXT),
        trigger=read_trigger(fields.raw("trigger"), "trigger"),
        steps=tuple(read_step(step, f"steps/{index}") for index, step in enumerate(fields.rows("steps", 1, MAX_STEPS))),
        approval_above=fields.cents_or_none("approval_above_in_cents", low=0),
        max_balance_age=_read_age(fields),
    )
    fields.end()
    return rule


def write_rule(rule: m.Rule) -> dict[str, Any]:
    """Write a rule in the canonical form. A setting that it does not have is left out: older signatures stay good."""
    settings: dict[str, Any] = {}
    if rule.approval_above is not None:
        settings["approval_above_in_cents"] = rule.approval_above
    if rule.max_balance_age is not None:
        settings["max_balance_age_in_minutes"] = rule.max_balance_age // _MINUTE
    return settings | {
        "name": rule.name,
        "description": rule.description,
        "trigger": _write_trigger(rule.trigger),
        "steps": [
            {
                "conditions": None if step.condition is None else _write_condition(step.condition),
                "actions": [_write_action(action) for action in step.actions],
            }
            for step in rule.steps
        ],
    }


def _read_age(fields: Fields) -> timedelta | None:
    key = "max_balance_age_in_minutes"
    return None if fields.raw(key, None) is None else fields.whole(key, 1, MAX_AGE) * _MINUTE


def _account(fields: Fields, key: str) -> AccountId:
    return AccountId(fields.text(key, MAX_ID))


def _account_or_none(fields: Fields, key: str) -> AccountId | None:
    return None if fields.raw(key, None) is None else _account(fields, key)


def read_trigger(value: object, path: str) -> m.Trigger:
    """Read what starts a rule."""
    fields = Fields.of(value, path)
    match fields.text("type", MAX_ID):
        case "ON_FUNDS_TRANSFERRED":
            trigger: m.Trigger = m.OnFunds(_account(fields, "account_id"))
        case "MANUAL":
            trigger = m.Manual(_account(fields, "account_id"))
        case "REMOTE_API":
            trigger = m.Remote(_account_or_none(fields, "account_id"))
        case "SCHEDULED":
            trigger = m.Scheduled(_read_schedule(fields), _account_or_none(fields, "account_id"))
        case _:
            refuse(fields.at("type"), "must be one of ON_FUNDS_TRANSFERRED, SCHEDULED, MANUAL, REMOTE_API")
    fields.end()
    return trigger


def _read_schedule(fields: Fields) -> Schedule:
    kind = fields.one_of("schedule_type", ScheduleType)
    written = fields.text("start", MAX_ID)
    zone = fields.raw("zone", "UTC")
    try:
        start = datetime.fromisoformat(written)
    except ValueError:
        refuse(fields.at("start"), "must be a local date and time such as 2026-01-31T09:00:00")
    if not isinstance(zone, str):
        refuse(fields.at("zone"), "must be text")
    try:
        return Schedule(kind, start, zone)
    except BadSchedule as problem:
        refuse(fields.path, str(problem))


def _write_trigger(trigger: m.Trigger) -> dict[str, Any]:
    match trigger:
        case m.OnFunds(account_id):
            return {"type": "ON_FUNDS_TRANSFERRED", "account_id": account_id}
        case m.Manual(account_id):
            return {"type": "MANUAL", "account_id": account_id}
        case m.Remote(account_id):
            return {"type": "REMOTE_API", "account_id": account_id}
        case m.Scheduled(schedule, account_id):
            return {
                "type": "SCHEDULED",
                "account_id": account_id,
                "schedule_type": str(schedule.type),
                "start": schedule.start.isoformat(),
                "zone": schedule.zone,
            }
        case _:
            assert_never(trigger)


def read_step(value: object, path: str) -> m.Step:
    """Read one step."""
    fields = Fields.of(value, path)
    tree = fields.raw("conditions", None)
    step = m.Step(
        condition=None if tree is None else read_condition(tree, fields.at("conditions"), MAX_DEPTH),
        actions=tuple(
            read_action(action, join(fields.at("actions"), index))
            for index, action in enumerate(fields.rows("actions", 1, MAX_ACTIONS))
        ),
    )
    fields.end()
    return step


def read_condition(value: object, path: str, depth: int) -> m.Condition:
    """Read a condition that nests at most `depth` deep."""
    fields = Fields.of(value, path)
    present = [key for key in ("condition", "all", "any") if key in fields.values]
    if len(present) != 1:
        refuse(path, "must have exactly one of condition, all, any")
    if depth == 0:
        refuse(path, f"conditions nest at most {MAX_DEPTH} deep")
    [key] = present
    if key == "condition":
        leaf = _read_comparison(fields.raw(key), fields.at(key))
        fields.end()
        return leaf
    children = tuple(
        read_condition(child, join(fields.at(key), index), depth - 1)
        for index, child in enumerate(fields.rows(key, 1, MAX_CHILDREN))
    )
    fields.end()
    return m.AllOf(children) if key == "all" else m.AnyOf(children)


def _read_comparison(value: object, path: str) -> m.Comparison:
    fields = Fields.of(value, path)
    fact = fields.one_of("fact", m.Fact)
    if fact not in m.LEFT_FACTS:
        refuse(fields.at("fact"), f"must be one of {', '.join(sorted(m.LEFT_FACTS))}")
    operator = fields.one_of("operator", m.Operator)
    given, other = fields.raw("value", None), fields.raw("value_fact", None)
    if (given is None) == (other is None):
        refuse(path, "must have exactly one of value, value_fact")
    right = fields.one_of("value_fact", m.Fact) if given is None else _read_value(given, fields.at("value"))
    params = Fields.of(fields.raw("params", {}), fields.at("params"))
    leaf = m.Comparison(
        fact, operator, right, _account_or_none(params, "account_id"), _account_or_none(params, "value_account_id")
    )
    params.end()
    fields.end()
    return leaf


def _read_value(value: object, path: str) -> int:
    return whole(value, path, -MAX_CENTS, MAX_CENTS)


def _write_condition(condition: m.Condition) -> dict[str, Any]:
    match condition:
        case m.AllOf(children):
            return {"all": [_write_condition(child) for child in children]}
        case m.AnyOf(children):
            return {"any": [_write_condition(child) for child in children]}
        case m.Comparison():
            return {"condition": _write_comparison(condition)}
        case _:
            assert_never(condition)


def _write_comparison(leaf: m.Comparison) -> dict[str, Any]:
    params = {"account_id": leaf.account_id, "value_account_id": leaf.right_account_id}
    is_fact = isinstance(leaf.value, m.Fact)
    return {
        "fact": str(leaf.fact),
        "operator": str(leaf.operator),
        "value": None if is_fact else leaf.value,
        "value_fact": str(leaf.value) if is_fact else None,
        "params": {key: value for key, value in params.items() if value is not None} or None,
    }


def read_action(value: object, path: str) -> m.Action:
    """Read one action."""
    fields = Fields.of(value, path)
    kind = fields.text("type", MAX_ID)
    if kind not in AMOUNT_READERS:
        refuse(fields.at("type"), f"must be one of {', '.join(AMOUNT_READERS)}")
    amount = AMOUNT_READERS[kind](fields)
    cap = fields.raw("limit", None)
    action = m.Action(
        amount=amount,
        source=_account(fields, "source"),
        destination=None if isinstance(amount, m.PayDown) else _account(fields, "destination"),
        group=fields.whole("group_index", 0, MAX_GROUP) if fields.has("group_index") else 0,
        up_to=fields.flag("up_to_enabled"),
        cap=None if cap is None else _read_cap(cap, fields.at("limit")),
        ach_description=fields.text_or_none("ach_description", MAX_ID),
        is_direct_deposit=fields.flag("is_direct_deposit"),
    )
    if isinstance(amount, m.PayDown):
        fields.raw("destination", None)
    fields.raw("group_index", 0)
    fields.end()
    return action


def _read_cap(value: object, path: str) -> m.Cap:
    fields = Fields.of(value, path)
    cap = m.Cap(fields.one_of("period", m.CapPeriod), fields.cents("amount_in_cents", low=0))
    fields.end()
    return cap


def _read_top_up(fields: Fields) -> m.TopUp | m.TopUpToLevel:
    levels = {
        "next_payment_minimum_account": m.Level.NEXT_PAYMENT_MINIMUM,
        "current_balance_account": m.Level.CURRENT_BALANCE,
        "last_statement_balance_account": m.Level.LAST_STATEMENT_BALANCE,
    }
    amount = fields.cents_or_none("amount_in_cents", low=0)
    named = [(level, account) for key, level in levels.items() if (account := _account_or_none(fields, key))]
    if (amount is not None) + len(named) != 1:
        refuse(fields.path, f"must have exactly one of amount_in_cents, {', '.join(levels)}")
    return m.TopUp(amount) if amount is not None else m.TopUpToLevel(*named[0])


def _read_pay_down(strategy: m.Strategy) -> Callable[[Fields], m.PayDown]:
    def read(fields: Fields) -> m.PayDown:
        amount = fields.cents_or_none("amount_in_cents")
        percent = fields.raw("percentage_value", None)
        if (amount is None) == (percent is None):
            refuse(fields.path, "must have exactly one of amount_in_cents, percentage_value")
        budget = (
            m.Percentage(fields.percent("percentage_value"), m.PercentageTarget.SOURCE_ACCOUNT)
            if amount is None
            else m.FixedAmount(amount)
        )
        rows = fields.rows("liabilities", 1, MAX_CHILDREN)
        debts = tuple(_read_debt(row, join(fields.at("liabilities"), index)) for index, row in enumerate(rows))
        return m.PayDown(strategy, budget, debts)

    return read


def _read_debt(value: object, path: str) -> m.Debt:
    fields = Fields.of(value, path)
    has_rate = fields.raw("interest_rate_percentage", None) is not None
    debt = m.Debt(_account(fields, "account"), fields.percent("interest_rate_percentage") if has_rate else None)
    fields.end()
    return debt


AMOUNT_READERS: dict[str, Callable[[Fields], m.Amount]] = {
    "FIXED": lambda fields: m.FixedAmount(fields.cents("amount_in_cents")),
    "PERCENTAGE": lambda fields: m.Percentage(
        fields.percent("percentage_value"), fields.one_of("percentage_target", m.PercentageTarget)
    ),
    "TOP_UP": _read_top_up,
    "ROUND_DOWN": lambda fields: m.RoundDown(fields.cents("amount_in_cents")),
    "SWEEP_ABOVE": lambda fields: m.SweepAbove(fields.cents("amount_in_cents", low=0)),
    "NEXT_PAYMENT_MINIMUM": lambda _: m.NextPaymentMinimum(),
    "TOTAL_AMOUNT_DUE": lambda _: m.TotalAmountDue(),
    "LAST_STATEMENT_BALANCE": lambda _: m.LastStatementBalance(),
    "PERCENTAGE_LIABILITY_BALANCE": lambda fields: m.PercentageOfLiability(fields.percent("percentage_value")),
    "REMOTE_AMOUNT": lambda fields: m.RemoteAmount(
        fields.text("url", MAX_URL), fields.cents_or_none("ceiling_in_cents")
    ),
    "AVALANCHE": _read_pay_down(m.Strategy.AVALANCHE),
    "SNOWBALL": _read_pay_down(m.Strategy.SNOWBALL),
}


def _write_action(action: m.Action) -> dict[str, Any]:
    return _write_amount(action.amount) | {
        "source": action.source,
        "destination": action.destination,
        "group_index": action.group,
        "up_to_enabled": action.up_to,
        "limit": None
        if action.cap is None
        else {"period": str(action.cap.period), "amount_in_cents": action.cap.amount},
        "ach_description": action.ach_description,
        "is_direct_deposit": action.is_direct_deposit,
    }


def _percent(percent: Percent) -> dict[str, str]:
    return {"percentage_value": format_percent(percent)}


def _cents(amount: Cents) -> dict[str, int]:
    return {"amount_in_cents": amount}


def _write_amount(amount: m.Amount) -> dict[str, Any]:
    match amount:
        case m.FixedAmount(cents):
            return {"type": "FIXED", **_cents(cents)}
        case m.Percentage(percent, target):
            return {"type": "PERCENTAGE", **_percent(percent), "percentage_target": str(target)}
        case m.TopUp(cents):
            return {"type": "TOP_UP", **_cents(cents)}
        case m.TopUpToLevel(level, account_id):
            return {"type": "TOP_UP", f"{level.lower()}_account": account_id}
        case m.RoundDown(cents):
            return {"type": "ROUND_DOWN", **_cents(cents)}
        case m.SweepAbove(cents):
            return {"type": "SWEEP_ABOVE", **_cents(cents)}
        case m.NextPaymentMinimum():
            return {"type": "NEXT_PAYMENT_MINIMUM"}
        case m.TotalAmountDue():
            return {"type": "TOTAL_AMOUNT_DUE"}
        case m.LastStatementBalance():
            return {"type": "LAST_STATEMENT_BALANCE"}
        case m.PercentageOfLiability(percent):
            return {"type": "PERCENTAGE_LIABILITY_BALANCE", **_percent(percent)}
        case m.RemoteAmount(url, ceiling):
            return {"type": "REMOTE_AMOUNT", "url": url, "ceiling_in_cents": ceiling}
        case m.PayDown(strategy, budget, debts):
            sum_ = _cents(budget.amount) if isinstance(budget, m.FixedAmount) else _percent(budget.percent)
            return {"type": str(strategy), **sum_, "liabilities": [_write_debt(debt) for debt in debts]}
        case _:
            assert_never(amount)


def _write_debt(debt: m.Debt) -> dict[str, Any]:
    rate = None if debt.rate is None else format_percent(debt.rate)
    return {"account": debt.account_id, "interest_rate_percentage": rate}
