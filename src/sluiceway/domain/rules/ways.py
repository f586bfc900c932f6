"""The ways on which a rule can move money: from which account to which, and how much in a few words."""

from collections.abc import Iterator
from typing import NamedTuple, assert_never
from urllib.parse import urlsplit

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import format_percent
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.loading import leaves
from sluiceway.domain.rules.model import accounts_of, destinations_of
from sluiceway.domain.rules.words import Currencies, Names, format_money, visible

_LEVELS = {
    m.Level.NEXT_PAYMENT_MINIMUM: "the minimum payment of",
    m.Level.CURRENT_BALANCE: "the balance of",
    m.Level.LAST_STATEMENT_BALANCE: "the statement of",
}


class Way(NamedTuple):
    """One action's way to one account. `label` says how much: `20 % of what arrives`, `$50.00`."""

    step: int
    action: int
    source: AccountId
    destination: AccountId
    label: str


def ways_of(rule: m.Rule, names: Names, currencies: Currencies | None = None) -> Iterator[Way]:
    """List every way on which a rule can move money, in the order of its steps and actions."""
    for step_index, step in enumerate(rule.steps):
        for action_index, action in enumerate(step.actions):
            said = _label(rule, action, names, currencies or {})
            for destination in destinations_of(action):
                yield Way(step_index, action_index, action.source, destination, said)


def looks_at(rule: m.Rule) -> frozenset[AccountId]:
    """Name the accounts on which it depends whether and how much a rule moves: trigger, conditions, levels, sources."""
    found = set[AccountId]() if rule.account_id is None else {rule.account_id}
    for step in rule.steps:
        for leaf in leaves(step.condition):
            found |= {each for each in (leaf.account_id, leaf.right_account_id) if each is not None}
        for action in step.actions:
            found |= {action.source, *(set(accounts_of(action)) - set(destinations_of(action)))}
    return frozenset(found)


def _label(rule: m.Rule, action: m.Action, names: Names, currencies: Currencies) -> str:
    amount = action.amount
    currency = currencies.get(action.source, "USD")
    match amount:
        case m.FixedAmount(cents):
            return format_money(cents, currency)
        case m.Percentage():
            return _share(rule, amount)
        case m.TopUp(cents):
            return f"up to {format_money(cents, currency)}"
        case m.TopUpToLevel(level, account_id):
            return f"up to {_LEVELS[level]} {visible(names.get(account_id, 'an unknown account'))}"
        case m.RoundDown(multiple):
            return f"down to a multiple of {format_money(multiple, currency)}"
        case m.SweepAbove(keep):
            return f"all above {format_money(keep, currency)}"
        case m.NextPaymentMinimum():
            return "the minimum payment"
        case m.TotalAmountDue():
            return "all that is owed"
        case m.LastStatementBalance():
            return "the statement balance"
        case m.PercentageOfLiability(percent):
            return f"{format_percent(percent)} % of what is owed"
        case m.RemoteAmount():
            return f"what {_host(amount.url)} answers"
        case m.PayDown():
            budget = amount.budget
            said = format_money(budget.amount, currency) if isinstance(budget, m.FixedAmount) else _share(rule, budget)
            return f"pay down with {said}"
        case _:
            assert_never(amount)


def _share(rule: m.Rule, amount: m.Percentage) -> str:
    percent = format_percent(amount.percent)
    if amount.target is m.PercentageTarget.SOURCE_ACCOUNT:
        return f"{percent} % of the balance"
    return f"{percent} % of {'what arrives' if isinstance(rule.trigger, m.OnFunds) else 'the amount given'}"


def _host(url: str) -> str:
    try:
        return visible(urlsplit(url).hostname or "a server")
    except ValueError:
        return "a server"
