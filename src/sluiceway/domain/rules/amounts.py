"""How much each kind of action asks for, before caps and funds cut it (as the API documents it)."""

from typing import NamedTuple, assert_never

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import Cents, percent_of, split
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.funds import Funds
from sluiceway.domain.rules.plans import ErrorCode, Event
from sluiceway.domain.rules.trace import Why


class Failed(NamedTuple):
    """An amount that cannot be known, or an action that cannot run; it stops the step."""

    code: ErrorCode
    why: Why


class Share(NamedTuple):
    """A debt's part of a pay-down: its place in `debts`, and how much it is due."""

    part: int
    destination: AccountId
    amount: Cents


NO_MINIMUM = Failed(ErrorCode.ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT, Why.NO_MINIMUM_PAYMENT)
NO_STATEMENT = Failed(ErrorCode.ACCOUNT_NO_LAST_STATEMENT_BALANCE, Why.NO_STATEMENT_BALANCE)
NO_RATE = Failed(ErrorCode.ACCOUNT_NO_INTEREST_RATE, Why.NO_INTEREST_RATE)
NO_REMOTE = Failed(ErrorCode.REMOTE_AMOUNT_UNAVAILABLE, Why.NO_REMOTE_AMOUNT)
DELETED = Failed(ErrorCode.RESOURCE_DELETED, Why.ACCOUNT_DELETED)


def no_balance(account_id: AccountId, funds: Funds) -> Failed:
    """Fail because a figure of the account is unknown."""
    return Failed(ErrorCode.NULL_BALANCE, funds.why_unknown(account_id))


class OpenGroup(NamedTuple):
    """What the actions of a group share in one run.

    `sums` is the source balance in the sums, taken once for the group; `shares` the exact parts of percentages that add
    up to 100 (by the action's place).
    """

    sums: dict[AccountId, Cents | None]
    shares: dict[int, Cents]


def open_group(group: m.Group, event: Event, funds: Funds) -> OpenGroup:
    """Take the group's snapshot of its source balances and work out its whole splits."""
    sums = {source: funds.in_the_sums(source) for source in group.sources}
    shares: dict[int, Cents] = {}
    for source, target, places, percents in group.whole_splits:
        base = event.transfer_amount if target is m.PercentageTarget.INCOMING_AMOUNT else sums[source]
        if base is not None:
            shares.update(zip(places, split(Cents(max(0, base)), percents), strict=True))
    return OpenGroup(sums, shares)


def wanted(
    placed: m.Placed, group: OpenGroup, event: Event, funds: Funds, remote_amount: Cents | None
) -> Cents | Why | Failed:
    """Work out what an action asks for. `Why`: there is nothing to ask for; `Failed`: it cannot be known."""
    action = placed.action
    amount, destination = action.amount, action.destination
    match amount:
        case m.FixedAmount(cents):
            return cents
        case m.Percentage():
            return _percentage(amount, group, placed, event, funds)
        case m.TopUp(level):
            return _short_of(level, destination, funds)
        case m.TopUpToLevel(level, account_id):
            figure = _figure(level, account_id, funds)
            return figure if isinstance(figure, Failed) else _short_of(figure, destination, funds)
        case m.RoundDown(multiple):
            base = group.sums[action.source]
            return no_balance(action.source, funds) if base is None else Cents(max(0, base) % multiple)
        case m.SweepAbove(keep):
            base = group.sums[action.source]
            return no_balance(action.source, funds) if base is None else Cents(max(0, base - keep))
        case m.NextPaymentMinimum():
            return _figure(m.Level.NEXT_PAYMENT_MINIMUM, destination, funds)
        case m.LastStatementBalance():
            return _figure(m.Level.LAST_STATEMENT_BALANCE, destination, funds)
        case m.TotalAmountDue():
            return _figure(m.Level.CURRENT_BALANCE, destination, funds)
        case m.PercentageOfLiability(percent):
            owed = _figure(m.Level.CURRENT_BALANCE, destination, funds)
            return owed if isinstance(owed, Failed) else percent_of(max(0, owed), percent)
        case m.RemoteAmount():
            return NO_REMOTE if remote_amount is None else remote_amount
        case m.PayDown():
            return _budget(amount.budget, group, action.source, funds)
        case _:
            assert_never(amount)


def _percentage(
    amount: m.Percentage, group: OpenGroup, placed: m.Placed, event: Event, funds: Funds
) -> Cents | Why | Failed:
    exact = group.shares.get(placed.at)
    if exact is not None:
        return exact
    if amount.target is m.PercentageTarget.INCOMING_AMOUNT:
        incoming = event.transfer_amount
        return Why.NO_TRANSFER_AMOUNT if incoming is None else percent_of(incoming, amount.percent)
    base = group.sums[placed.action.source]
    return no_balance(placed.action.source, funds) if base is None else percent_of(max(0, base), amount.percent)


def _budget(budget: m.FixedAmount | m.Percentage, group: OpenGroup, source: AccountId, funds: Funds) -> Cents | Failed:
    if isinstance(budget, m.FixedAmount):
        return budget.amount
    base = group.sums[source]
    return no_balance(source, funds) if base is None else percent_of(max(0, base), budget.percent)


def _short_of(level: Cents, destination: AccountId | None, funds: Funds) -> Cents | Failed:
    assert destination is not None, "only a pay-down has no destination"
    current = funds.current(destination)
    if current is None:
        return no_balance(destination, funds)
    return Cents(max(0, level - current - funds.expected(destination)))


def _figure(level: m.Level, account_id: AccountId | None, funds: Funds) -> Cents | Failed:
    account = funds.account(account_id)
    assert account is not None, "deleted accounts are refused before amounts are worked out"
    if account.reported.error is not None:
        return no_balance(account.id, funds)
    match level:
        case m.Level.CURRENT_BALANCE:
            current = funds.current(account.id)
            return no_balance(account.id, funds) if current is None else current
        case m.Level.NEXT_PAYMENT_MINIMUM:
            minimum = account.reported.next_payment_minimum
            return NO_MINIMUM if minimum is None else minimum
        case m.Level.LAST_STATEMENT_BALANCE:
            statement = account.reported.last_statement_balance
            return NO_STATEMENT if statement is None else statement
        case _:
            assert_never(level)


class _Owed(NamedTuple):
    part: int
    account_id: AccountId
    owed: int
    minimum: int
    rate: int


def share_out(pay_down: m.PayDown, budget: Cents, funds: Funds) -> list[Share] | Failed:
    """Share a budget over debts: the minimum to each, then the extra, both in the strategy's order."""
    debts = _debts(pay_down, funds)
    if isinstance(debts, Failed):
        return debts
    by_snowball = pay_down.strategy is m.Strategy.SNOWBALL
    debts.sort(key=lambda debt: debt.owed if by_snowball else -debt.rate)
    shares: dict[int, int] = {}
    left: int = budget
    for debt in debts:
        shares[debt.part] = min(debt.minimum, debt.owed, left)
        left -= shares[debt.part]
    for debt in debts:
        extra = min(debt.owed - shares[debt.part], left)
        shares[debt.part] += extra
        left -= extra
    assert sum(shares.values()) + left == budget, "a pay-down spends its budget and no more"
    return [Share(debt.part, debt.account_id, Cents(shares[debt.part])) for debt in debts if shares[debt.part] > 0]


def _debts(pay_down: m.PayDown, funds: Funds) -> list[_Owed] | Failed:
    found: list[_Owed] = []
    for part, debt in enumerate(pay_down.debts):
        account = funds.account(debt.account_id)
        if account is None:
            return DELETED
        current = funds.current(debt.account_id)
        if current is None:
            return no_balance(debt.account_id, funds)
        owed = current - funds.expected(debt.account_id)
        if owed <= 0:
            continue
        minimum = account.reported.next_payment_minimum
        if minimum is None:
            return NO_MINIMUM
        rate = debt.rate if debt.rate is not None else account.reported.interest_rate
        if rate is None and pay_down.strategy is m.Strategy.AVALANCHE:
            return NO_RATE
        found.append(_Owed(part, debt.account_id, owed, max(0, minimum), rate or 0))
    return found
