"""What can be found wrong with a rule before it runs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account
from sluiceway.domain.money import WHOLE
from sluiceway.domain.rules.ceilings import at_most
from sluiceway.domain.rules.consequences import consequences
from sluiceway.domain.rules.findings import Finding, error, warning
from sluiceway.domain.rules.loading import leaves_with_paths, needs
from sluiceway.domain.rules.model import (
    ACCOUNT_FACTS,
    Action,
    Comparison,
    Fact,
    LastStatementBalance,
    NextPaymentMinimum,
    PayDown,
    Percentage,
    PercentageOfLiability,
    PercentageTarget,
    Rule,
    Scheduled,
    TopUpToLevel,
    TotalAmountDue,
    destinations_of,
)
from sluiceway.domain.schedule import ScheduleType, next_fire

LONGEST_WAIT_YEARS = 100


def check(
    rule: Rule,
    accounts: Mapping[AccountId, Account],
    others: Iterable[Rule] | None = None,
    now: datetime | None = None,
) -> list[Finding]:
    """Find what can be found before running.

    `accounts` are the organization's, `others` its other enabled rules; `now`, an aware time, is when a schedule would
    begin to count: without it nothing is said about when the rule starts.
    """
    found = [*_trigger(rule, accounts)]
    if now is not None:
        found += _start(rule, now)
    for index, step in enumerate(rule.steps):
        path = f"steps/{index}"
        if index > 0 and rule.steps[index - 1].condition is None:
            found.append(error("unreachable_step", path, "never runs: the step before it always matches"))
        if not step.actions:
            found.append(error("empty_step", path, "has no action"))
        for leaf_path, leaf in leaves_with_paths(step.condition, f"{path}/conditions"):
            found += _comparison(rule, leaf, leaf_path, accounts)
        for action_index, action in enumerate(step.actions):
            found += _action(rule, action, f"{path}/actions/{action_index}", accounts)
        found += _groups(rule, index)
    found += _settings(rule, accounts)
    found += consequences(rule, accounts, list(others or ()), now)
    return found


def _known(account_id: AccountId | None, path: str, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    if account_id is None:
        return
    account = accounts.get(account_id)
    if account is None:
        yield error("unknown_account", path, f"no account with id '{account_id}'")
    elif account.is_deleted:
        yield error("deleted_account", path, f"the account '{account_id}' is deleted")


def _trigger(rule: Rule, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    yield from _known(rule.account_id, "trigger/account_id", accounts)


def _start(rule: Rule, now: datetime) -> Iterator[Finding]:
    if not isinstance(rule.trigger, Scheduled):
        return
    schedule = rule.trigger.schedule
    if schedule.type is ScheduleType.ONE_TIME and next_fire(schedule, now) is None:
        # Also when it is now: a schedule that is enabled fires after that.
        yield error("start_is_past", "trigger", "the start lies in the past: it would never run")
    today, start = now.astimezone(UTC), schedule.start
    if (start.year - LONGEST_WAIT_YEARS, start.month, start.day) > (today.year, today.month, today.day):
        yield error("start_too_far", "trigger", f"the start lies more than {LONGEST_WAIT_YEARS} years ahead")


def _settings(rule: Rule, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    """Warn about a protection that protects from nothing."""
    most = [
        at_most(action, group.cap) for step in rule.steps for group in step.groups for _, action, _ in group.actions
    ]
    if rule.approval_above is not None and all(each is not None and each <= rule.approval_above for each in most):
        yield warning("approval_never_needed", "approval_above_in_cents", "no transfer of this rule can be so large")
    if rule.max_balance_age is not None:
        named = [accounts[account_id] for account_id in needs(rule).accounts if account_id in accounts]
        if all(account.is_kept for account in named):
            yield warning(
                "no_reported_balance", "max_balance_age_in_minutes", "no account of this rule is reported by a bank"
            )


def _comparison(rule: Rule, leaf: Comparison, path: str, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    yield from _known(leaf.account_id, path, accounts)
    yield from _known(leaf.right_account_id, path, accounts)
    right = leaf.value if isinstance(leaf.value, Fact) else None
    for fact, account_id in (
        (leaf.fact, leaf.account_id),
        (right, leaf.right_account_id or leaf.account_id),
    ):
        if fact in ACCOUNT_FACTS and account_id is None and rule.account_id is None:
            yield error("account_required", path, f"{fact} needs params.account_id: the trigger names no account")


def _action(rule: Rule, action: Action, path: str, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    yield from _known(action.source, f"{path}/source", accounts)
    yield from _known(action.destination, f"{path}/destination", accounts)
    if action.source == action.destination:
        yield error("same_account", path, "the source and the destination are the same account")
    source = accounts.get(action.source)
    if source is not None and not source.can_be_source:
        yield error("cannot_be_source", f"{path}/source", "money cannot be taken from an account of this type")
    yield from _amount(action, path, accounts)
    for destination in destinations_of(action):
        account = accounts.get(destination)
        if account is not None and not account.can_be_destination:
            yield error("cannot_be_destination", f"{path}/destination", "money cannot be sent to this account")
        if source is not None and source.linked_account_id == destination:
            yield error("already_there", path, "the source is the pod in which payments to this liability wait")
        if source is not None and account is not None and source.currency != account.currency:
            yield error("currencies_differ", path, "the source and the destination have different currencies")
    figure = accounts.get(_figure_of(rule, action) or action.source)
    if source is not None and figure is not None and source.currency != figure.currency:
        yield error("currencies_differ", path, "the amount is taken from a figure in another currency")


def _figure_of(rule: Rule, action: Action) -> AccountId | None:
    """Name the account whose currency the amount is counted in, where that is neither end of the action."""
    match action.amount:
        case TopUpToLevel(account_id=account_id):
            return account_id
        case Percentage(target=PercentageTarget.INCOMING_AMOUNT):
            return rule.account_id
        case _:
            return None


def _amount(action: Action, path: str, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    match action.amount:
        case NextPaymentMinimum() | LastStatementBalance() | TotalAmountDue() | PercentageOfLiability():
            account = None if action.destination is None else accounts.get(action.destination)
            if account is not None and not account.is_liability:
                yield error("not_a_liability", f"{path}/destination", "this amount needs a liability as destination")
        case TopUpToLevel(account_id=account_id):
            yield from _known(account_id, path, accounts)
        case PayDown(debts=debts):
            seen: set[AccountId] = set()
            for index, debt in enumerate(debts):
                where = f"{path}/liabilities/{index}"
                yield from _known(debt.account_id, where, accounts)
                account = accounts.get(debt.account_id)
                if account is not None and not account.is_liability:
                    yield error("not_a_liability", where, "only liabilities can be paid down")
                if debt.account_id in seen:
                    yield error("repeated_liability", where, "is listed twice")
                seen.add(debt.account_id)
        case _:
            return


def _groups(rule: Rule, index: int) -> Iterator[Finding]:
    for group in rule.steps[index].groups:
        path = f"steps/{index}/actions/{group.actions[0].at}"
        caps = {placed.action.cap for placed in group.actions if placed.action.cap is not None}
        if len(caps) > 1:
            yield error("limits_differ", f"{path}/limit", f"the actions of group {group.number} share one limit")
        totals: dict[tuple[AccountId, PercentageTarget], int] = defaultdict(int)
        for _, action, _ in group.actions:
            if isinstance(action.amount, Percentage):
                totals[action.source, action.amount.target] += action.amount.percent
        if any(total > WHOLE for total in totals.values()):
            yield error("over_100_percent", path, f"the percentages of group {group.number} add up to more than 100")
