"""The most that a rule can move, in one run and in one month, where its own amounts and limits say so."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules.model import (
    Action,
    Cap,
    CapPeriod,
    FixedAmount,
    Group,
    PayDown,
    RemoteAmount,
    RoundDown,
    Rule,
    Scheduled,
)
from sluiceway.domain.rules.words import DEFAULT_CURRENCY, format_money
from sluiceway.domain.schedule import ScheduleType

# At most so many calendar weeks touch one month, and at most so many times a schedule fires in one.
_WEEKS = 6
_RUNS = {
    ScheduleType.ONE_TIME: 1,
    ScheduleType.DAILY: 31,
    ScheduleType.WEEKLY: 5,
    ScheduleType.EVERY_OTHER_WEEK: 3,
    ScheduleType.BI_WEEKLY: 2,
    ScheduleType.MONTHLY: 1,
}
_TIMES = {CapPeriod.PER_WEEK: _WEEKS, CapPeriod.PER_MONTH: 1, CapPeriod.PER_YEAR: 1}

Sums = Mapping[str, int]


class Ceilings(NamedTuple):
    """The most in one run and in one calendar month, by currency; None where that depends on balances."""

    run: Sums | None
    month: Sums | None


def ceilings(rule: Rule, accounts: Mapping[AccountId, Account]) -> Ceilings:
    """Work out the ceilings of a rule.

    Of a run it is the costliest step, since one step runs. Of a month it is the lower one of what the running limits
    allow and of what the schedule's runs come to. A rule that is revised meanwhile begins to count anew.
    """

    def sums(groups: Iterable[tuple[Group, int | None]]) -> Sums | None:
        total: dict[str, int] = {}
        for group, most in groups:
            source = accounts.get(group.sources[0])
            currency = DEFAULT_CURRENCY if source is None else source.currency
            if most is None:
                return None
            total[currency] = total.get(currency, 0) + most
        return total

    steps = [step.groups for step in rule.steps]
    run = _largest([sums((group, _of_run(group)) for group in groups) for groups in steps])
    limited = sums((group, _of_month(group)) for groups in steps for group in groups)
    runs = _RUNS[rule.trigger.schedule.type] if isinstance(rule.trigger, Scheduled) else None
    fired = None if run is None or runs is None else {currency: most * runs for currency, most in run.items()}
    if limited is None or fired is None:
        return Ceilings(run, limited if fired is None else fired)
    return Ceilings(run, {currency: min(limited[currency], most) for currency, most in fired.items()})


def ceilings_in_words(rule: Rule, accounts: Mapping[AccountId, Account]) -> list[str]:
    """Say the ceilings."""
    run, month = ceilings(rule, accounts)
    return [_said(run, "one run"), _said(month, "one month")]


def at_most(action: Action, cap: Cap | None) -> int | None:
    """Tell the most that an action can ever move at once; None where that depends on balances."""
    match action.amount:
        case FixedAmount(amount):
            own: int | None = amount
        case RoundDown(multiple):
            own = multiple - 1
        case RemoteAmount(ceiling=ceiling):
            own = ceiling
        case PayDown(budget=FixedAmount(amount)):
            own = amount
        case _:
            own = None
    return own if cap is None else cap.amount if own is None else min(own, cap.amount)


def _of_run(group: Group) -> int | None:
    own = [at_most(placed.action, None) for placed in group.actions]
    total = None if None in own else sum(each for each in own if each is not None)
    if group.cap is None:
        return total
    return group.cap.amount if total is None else min(total, group.cap.amount)


def _of_month(group: Group) -> int | None:
    if group.cap is None or group.cap.period is CapPeriod.PER_TRANSFER:
        return None
    return group.cap.amount * _TIMES[group.cap.period]


def _largest(steps: list[Sums | None]) -> Sums | None:
    largest: dict[str, int] = {}
    for step in steps:
        if step is None:
            return None
        for currency, most in step.items():
            largest[currency] = max(largest.get(currency, 0), most)
    return largest


def _said(sums: Sums | None, span: str) -> str:
    if sums is None:
        return f"In {span} there is no ceiling: it depends on what is there."
    most = " and ".join(format_money(most, currency) for currency, most in sorted(sums.items()))
    return f"At most {most or 'nothing'} in {span}."
