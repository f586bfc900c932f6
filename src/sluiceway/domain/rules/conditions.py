"""Three-valued conditions: true, false or unknown. Unknown never moves money."""

import calendar
import operator
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules.funds import Funds
from sluiceway.domain.rules.model import ACCOUNT_FACTS, AllOf, AnyOf, Comparison, Condition, Fact, Operator, Rule
from sluiceway.domain.rules.plans import Event
from sluiceway.domain.rules.trace import NodeTrace, StepTrace, Why

_COMPARE: dict[Operator, Callable[[int, int], bool]] = {
    Operator.EQUALS: operator.eq,
    Operator.NOT_EQUALS: operator.ne,
    Operator.GREATER_THAN: operator.gt,
    Operator.LESS_THAN: operator.lt,
    Operator.GREATER_THAN_OR_EQUAL: operator.ge,
    Operator.LESS_THAN_OR_EQUAL: operator.le,
}

Seen = tuple[int | None, Why | None]


def local_date(rule: Rule, event: Event) -> date:
    """Give the day on which the event falls, in the rule's zone."""
    return event.at.astimezone(UTC if rule.zone == "UTC" else ZoneInfo(rule.zone)).date()


def try_step(rule: Rule, index: int, event: Event, today: date, funds: Funds) -> StepTrace:
    """Evaluate the condition of one step; every node is evaluated and traced, none is cut short."""
    condition = rule.steps[index].condition
    path = f"steps/{index}"
    if condition is None:
        return StepTrace(path, True, ())  # noqa: FBT003 -- the result of a condition
    nodes: list[NodeTrace] = []
    result = _evaluate(condition, f"{path}/conditions", _Look(rule.account_id, event, today, funds), nodes)
    return StepTrace(path, result, tuple(nodes))


class _Look:
    """Where facts come from."""

    __slots__ = ("account_id", "event", "funds", "today")

    def __init__(self, account_id: AccountId | None, event: Event, today: date, funds: Funds) -> None:
        self.account_id = account_id
        self.event = event
        self.today = today
        self.funds = funds

    def at(self, fact: Fact, account_id: AccountId | None) -> Seen:
        match fact:
            case Fact.TRANSFER_AMOUNT:
                amount = self.event.transfer_amount
                return amount, None if amount is not None else Why.NO_TRANSFER_AMOUNT
            case Fact.DATE:
                return self.today.day, None
            case Fact.LAST_DAY_OF_MONTH:
                return calendar.monthrange(self.today.year, self.today.month)[1], None
            case Fact.BALANCE | Fact.NEXT_PAYMENT_MINIMUM_AMOUNT | Fact.LAST_STATEMENT_BALANCE:
                return self._of_account(fact, account_id or self.account_id)
            case _:
                assert_never(fact)

    def reported_at(self, leaf: Comparison) -> datetime | None:
        times: list[datetime | None] = []
        if leaf.fact is Fact.BALANCE:
            times.append(self.funds.reported_at(leaf.account_id or self.account_id))
        if leaf.value in ACCOUNT_FACTS:
            times.append(self.funds.reported_at(leaf.right_account_id or leaf.account_id or self.account_id))
        return min((at for at in times if at is not None), default=None)

    def _of_account(self, fact: Fact, account_id: AccountId | None) -> Seen:
        if account_id is None:
            return None, Why.NO_ACCOUNT
        account = self.funds.account(account_id)
        if account is None:
            return None, Why.ACCOUNT_DELETED
        if fact is Fact.BALANCE:
            available = self.funds.available(account_id)
            return available, None if available is not None else self.funds.why_unknown(account_id)
        if account.reported.error is not None:
            return None, self.funds.why_unknown(account_id)
        if fact is Fact.NEXT_PAYMENT_MINIMUM_AMOUNT:
            minimum = account.reported.next_payment_minimum
            return minimum, None if minimum is not None else Why.NO_MINIMUM_PAYMENT
        statement = account.reported.last_statement_balance
        return statement, None if statement is not None else Why.NO_STATEMENT_BALANCE


def _evaluate(condition: Condition, path: str, look: _Look, nodes: list[NodeTrace]) -> bool | None:
    match condition:
        case Comparison():
            return _compare(condition, path, look, nodes)
        case AllOf(children):
            decisive, key = False, "all"
        case AnyOf(children):
            decisive, key = True, "any"
        case _:
            assert_never(condition)
    position = len(nodes)
    results = [_evaluate(child, f"{path}/{key}/{index}", look, nodes) for index, child in enumerate(children)]
    result = decisive if decisive in results else None if None in results else not decisive
    nodes.insert(position, NodeTrace(path, result))
    return result


def _compare(leaf: Comparison, path: str, look: _Look, nodes: list[NodeTrace]) -> bool | None:
    left, why = look.at(leaf.fact, leaf.account_id)
    if isinstance(leaf.value, Fact):
        right, why_right = look.at(leaf.value, leaf.right_account_id or leaf.account_id)
        why = why or why_right
    else:
        right = leaf.value
    result = None if left is None or right is None else _COMPARE[leaf.operator](left, right)
    # Only a balance is anybody's report; most comparisons are of something else.
    reported_at = look.reported_at(leaf) if leaf.fact is Fact.BALANCE or isinstance(leaf.value, Fact) else None
    nodes.append(NodeTrace(path, result, left, right, why, reported_at))
    return result
