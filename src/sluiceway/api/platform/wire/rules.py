"""Shows rules in the words of /platform/v1. A rule that has no such words is refused, and lists say so."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

from msgspec import UNSET

from sluiceway.api.http import Call, Named
from sluiceway.api.platform.wire import rule_shapes as shapes
from sluiceway.api.platform.wire.shapes import (
    NOBODY,
    Window,
    camel,
    show,
    show_moment,
    show_moment_or_none,
    show_page,
    show_percent,
    show_type,
    show_word,
)
from sluiceway.domain import rules as m
from sluiceway.domain.errors import RuleNotSupported
from sluiceway.domain.ids import AccountId, IdKind
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.schedule import Schedule

SOURCE: Final = Named("sourceId", IdKind.ACCOUNT, "Only rules with this account as their source.")
MINUTE: Final = timedelta(minutes=1)

Accounts = Mapping[AccountId, Account]


def read_source(call: Call) -> AccountId | None:
    """Read which source is wanted; None: any."""
    # A malformed id names no account, and the nil id is one that no account has.
    return AccountId(SOURCE.read(call.query) or NOBODY) if SOURCE.name in call.query else None


def is_supported(rule: m.Rule) -> bool:
    """Tell whether this API has words for a rule: not for remote triggers and amounts, nor for pay-downs."""
    amounts = [action.amount for step in rule.steps for action in step.actions]
    return not isinstance(rule.trigger, m.Remote) and not any(
        isinstance(amount, m.RemoteAmount | m.PayDown) for amount in amounts
    )


def show_rules(call: Call, records: list[RuleRecord], window: Window) -> bytes:
    """Write a page of rules."""
    return show_page(call, [_summary(record) for record in records], window)


def show_rule(call: Call, record: RuleRecord, accounts: Accounts) -> bytes:
    """Write one rule. Raises RuleNotSupported."""
    if not is_supported(record.rule):
        raise RuleNotSupported
    return show(call, _rule(record, accounts))


def _facts(record: RuleRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.rule.name,
        "description": record.rule.description,
        "status": "ENABLED" if record.is_enabled else "DISABLED",
        "created_at": show_moment(record.created_at),
        "updated_at": show_moment(record.updated_at),
        "deleted_at": show_moment_or_none(record.deleted_at),
    }


def _summary(record: RuleRecord) -> shapes.RuleSummary:
    return shapes.RuleSummary(**_facts(record), is_supported=is_supported(record.rule))


def _rule(record: RuleRecord, accounts: Accounts) -> shapes.RuleShown:
    rule = record.rule
    return shapes.RuleShown(
        **_facts(record),
        trigger=_trigger(rule.trigger),
        steps=[
            shapes.RuleStep(
                [_action(action, accounts) for action in step.actions],
                None if step.condition is None else _condition(step.condition),
            )
            for step in rule.steps
        ],
        sentence=m.sentence(
            rule,
            {account_id: account.name for account_id, account in accounts.items()},
            {account_id: account.currency for account_id, account in accounts.items()},
        ),
        approval_above_in_cents=UNSET if rule.approval_above is None else rule.approval_above,
        max_balance_age_in_minutes=UNSET if rule.max_balance_age is None else rule.max_balance_age // MINUTE,
    )


def _trigger(trigger: m.Trigger) -> shapes.Trigger:
    match trigger:
        case m.OnFunds(account_id):
            return shapes.OnFundsTransferred(account_id)
        case m.Manual(account_id):
            return shapes.Manual(account_id)
        case m.Scheduled(schedule, account_id):
            zone = UNSET if schedule.zone == "UTC" else schedule.zone
            return shapes.Scheduled(schedule.type.value, _start(schedule), account_id, zone)
        case m.Remote():
            raise RuleNotSupported
        case _:
            assert_never(trigger)


def _start(schedule: Schedule) -> str:
    return show_moment(schedule.start.replace(tzinfo=ZoneInfo(schedule.zone)))


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
    params = None
    if leaf.account_id is not None or leaf.right_account_id is not None:
        params = shapes.Params(leaf.account_id, UNSET if leaf.right_account_id is None else leaf.right_account_id)
    return shapes.Comparison(
        fact=show_word(leaf.fact),
        operator=show_word(leaf.operator),
        value=None if isinstance(leaf.value, m.Fact) else leaf.value,
        value_fact=show_word(leaf.value) if isinstance(leaf.value, m.Fact) else None,
        params=params,
    )


def _node(account_id: AccountId, accounts: Accounts) -> shapes.AccountNode:
    account = accounts[account_id]
    return shapes.AccountNode(account.id, show_type(account.kind), account.name)


def _action(action: m.Action, accounts: Accounts) -> shapes.AnyAction:
    cap = action.cap
    if action.destination is None:
        raise RuleNotSupported
    common: dict[str, Any] = {
        "source": _node(action.source, accounts),
        "destination": _node(action.destination, accounts),
        "group_index": action.group,
        "up_to_enabled": action.up_to,
        "is_direct_deposit": action.is_direct_deposit,
        "limit": None if cap is None else shapes.TransferCap(show_word(cap.period), cap.amount),
        "ach_description": action.ach_description,
    }
    return _amount(action.amount, common, accounts)


def _amount(amount: m.Amount, common: dict[str, Any], accounts: Accounts) -> shapes.AnyAction:
    match amount:
        case m.FixedAmount(cents):
            return shapes.Fixed(amount_in_cents=cents, **common)
        case m.Percentage(percent, target):
            return shapes.Percentage(
                percentage_value=show_percent(percent), percentage_target=show_word(target), **common
            )
        case m.TopUp(cents):
            return shapes.TopUp(amount_in_cents=cents, **common)
        case m.TopUpToLevel(level, account_id):
            named: dict[str, Any] = {f"{level.lower()}_account": _node(account_id, accounts)}
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
        case m.RemoteAmount() | m.PayDown():
            raise RuleNotSupported
        case _:
            assert_never(amount)


LEVELS: Final = tuple(camel(f"{level.lower()}_account") for level in m.Level)
