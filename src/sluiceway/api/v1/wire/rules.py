"""Shows rules in the words of v1."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from sluiceway.api.http import After, Call, First, Named
from sluiceway.api.v1.wire import rule_shapes as shapes
from sluiceway.api.v1.wire.shapes import (
    Envelope,
    NamedAccount,
    encode,
    show_id,
    show_moment,
    show_page,
    show_percent,
    show_ref,
    show_type,
)
from sluiceway.domain import rules as m
from sluiceway.domain.ids import AccountId, IdKind, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.schedule import Schedule

FIRST: Final = First(default=1000, maximum=1000)
AFTER: Final = After()
SOURCE: Final = Named("source_id", IdKind.ACCOUNT, "Only rules with this account as their source.")

MINUTE: Final = timedelta(minutes=1)

NOBODY: Final = "00000000-0000-0000-0000-000000000000"

TRIGGER_WORDS: Final[Mapping[type[m.Trigger], shapes.TriggerWord]] = {
    m.OnFunds: "ON_FUNDS_TRANSFERRED",
    m.Manual: "MANUAL",
    m.Remote: "REMOTE_API",
    m.Scheduled: "SCHEDULED",
}

Accounts = Mapping[AccountId, Account]


def show_rules(call: Call, records: list[RuleRecord], accounts: Accounts, first: int) -> bytes:
    """Write a page of rules."""
    ids = [record.id for record in records]
    return show_page(call, [_summary(record, accounts) for record in records], ids, first, "rules")


def show_one(call: Call, record: RuleRecord, accounts: Accounts) -> bytes:
    """Write one rule."""
    return encode(Envelope(call.request_id, _rule(record, accounts)))


def _status(record: RuleRecord) -> shapes.Status:
    return "enabled" if record.is_enabled else "disabled"


def _summary(record: RuleRecord, accounts: Accounts) -> shapes.RuleSummary:
    rule = record.rule
    source = accounts[rule.account_id or rule.steps[0].actions[0].source]
    return shapes.RuleSummary(
        id=format_id(IdKind.RULE, record.id),
        nickname=rule.name,
        description=rule.description,
        status=_status(record),
        trigger_type=TRIGGER_WORDS[type(rule.trigger)],
        source=NamedAccount(format_id(IdKind.ACCOUNT, source.id), source.name, show_type(source.kind)),
        created_at=show_moment(record.created_at),
        updated_at=show_moment(record.updated_at),
    )


def _rule(record: RuleRecord, accounts: Accounts) -> shapes.RuleShown:
    rule = record.rule
    return shapes.RuleShown(
        id=format_id(IdKind.RULE, record.id),
        nickname=rule.name,
        description=rule.description,
        status=_status(record),
        trigger=_trigger(rule.trigger),
        steps=[
            shapes.Step(
                conditions=None if step.condition is None else _condition(step.condition),
                actions=[_action(action, accounts) for action in step.actions],
            )
            for step in rule.steps
        ],
        created_at=show_moment(record.created_at),
        updated_at=show_moment(record.updated_at),
        approval_above_in_cents=UNSET if rule.approval_above is None else rule.approval_above,
        max_balance_age_in_minutes=UNSET if rule.max_balance_age is None else rule.max_balance_age // MINUTE,
    )


def _trigger(trigger: m.Trigger) -> shapes.Trigger:
    match trigger:
        case m.OnFunds(account_id):
            return shapes.OnFundsTransferred(format_id(IdKind.ACCOUNT, account_id))
        case m.Manual(account_id):
            return shapes.Manual(format_id(IdKind.ACCOUNT, account_id))
        case m.Remote(account_id):
            return shapes.Remote(show_id(IdKind.ACCOUNT, account_id))
        case m.Scheduled(schedule, account_id):
            return shapes.Scheduled(
                account_id=show_id(IdKind.ACCOUNT, account_id),
                schedule_type=schedule.type.value,
                start_date=_start(schedule),
                zone=schedule.zone,
            )
        case _:
            assert_never(trigger)


def _start(schedule: Schedule) -> str:
    if schedule.zone == "UTC":
        return schedule.start.isoformat() + "Z"
    return schedule.start.replace(tzinfo=ZoneInfo(schedule.zone)).isoformat()


def _condition(condition: m.Condition) -> shapes.Condition:
    match condition:
        case m.AllOf(children):
            return shapes.Condition(all=[_condition(child) for child in children])
        case m.AnyOf(children):
            return shapes.Condition(any=[_condition(child) for child in children])
        case m.Comparison():
            return shapes.Condition(condition=_comparison(condition))
        case _:
            assert_never(condition)


def _comparison(leaf: m.Comparison) -> shapes.Comparison:
    params: shapes.Params | UnsetType = UNSET
    if leaf.account_id is not None or leaf.right_account_id is not None:
        params = shapes.Params(_id_or_unset(leaf.account_id), _id_or_unset(leaf.right_account_id))
    is_fact = isinstance(leaf.value, m.Fact)
    return shapes.Comparison(
        fact=_word(leaf.fact),
        operator=_word(leaf.operator),
        value=None if isinstance(leaf.value, m.Fact) else leaf.value,
        value_fact=_word(leaf.value) if is_fact else UNSET,
        params=params,
    )


def _word(value: object) -> Any:  # noqa: ANN401 -- one of the words that the structure lists
    return str(value)


def _id_or_unset(account_id: AccountId | None) -> str | UnsetType:
    return UNSET if account_id is None else format_id(IdKind.ACCOUNT, account_id)


def _action(action: m.Action, accounts: Accounts) -> shapes.AnyAction:
    cap = action.cap
    common: dict[str, Any] = {
        "source": show_ref(accounts[action.source]),
        "destination": UNSET if action.destination is None else show_ref(accounts[action.destination]),
        "group_index": action.group,
        "up_to_enabled": action.up_to,
        "is_direct_deposit": action.is_direct_deposit,
        "limit": UNSET if cap is None else shapes.Limit(_word(cap.period), cap.amount),
        "ach_description": UNSET if action.ach_description is None else action.ach_description,
    }
    return _amount(action.amount, common, accounts)


def _amount(amount: m.Amount, common: dict[str, Any], accounts: Accounts) -> shapes.AnyAction:
    match amount:
        case m.FixedAmount(cents):
            return shapes.FixedAmount(amount_in_cents=cents, **common)
        case m.Percentage(percent, target):
            return shapes.Percentage(percentage_value=show_percent(percent), percentage_target=_word(target), **common)
        case m.TopUp(cents):
            return shapes.TopUp(amount_in_cents=cents, **common)
        case m.TopUpToLevel(level, account_id):
            named: dict[str, Any] = {f"{level.lower()}_account": show_ref(accounts[account_id])}
            return shapes.TopUp(**named, **common)
        case m.RoundDown(cents):
            return shapes.RoundDown(amount_in_cents=cents, **common)
        case m.SweepAbove(cents):
            return shapes.SweepAbove(amount_in_cents=cents, **common)
        case m.NextPaymentMinimum():
            return shapes.NextPaymentMinimum(**common)
        case m.TotalAmountDue():
            return shapes.TotalAmountDue(**common)
        case m.LastStatementBalance():
            return shapes.LastStatementBalance(**common)
        case m.PercentageOfLiability(percent):
            return shapes.PercentageOfLiability(percentage_value=show_percent(percent), **common)
        case m.RemoteAmount(url, ceiling):
            return shapes.RemoteAmount(url=url, ceiling_in_cents=UNSET if ceiling is None else ceiling, **common)
        case m.PayDown(strategy, budget, debts):
            shown = PAY_DOWNS[strategy]
            return shown(liabilities=[_debt(debt) for debt in debts], **_budget(budget), **common)
        case _:
            assert_never(amount)


PAY_DOWNS: Final[dict[m.Strategy, type[shapes.Avalanche] | type[shapes.Snowball]]] = {
    m.Strategy.AVALANCHE: shapes.Avalanche,
    m.Strategy.SNOWBALL: shapes.Snowball,
}


def _budget(budget: m.FixedAmount | m.Percentage) -> dict[str, Any]:
    if isinstance(budget, m.FixedAmount):
        return {"amount_in_cents": budget.amount}
    return {"percentage_value": show_percent(budget.percent)}


def _debt(debt: m.Debt) -> shapes.Debt:
    return shapes.Debt(
        format_id(IdKind.ACCOUNT, debt.account_id), UNSET if debt.rate is None else show_percent(debt.rate)
    )
