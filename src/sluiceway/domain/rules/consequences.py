"""What a rule would lead to: money that comes back, rules that compete, moves that never happen, balances gone stale.

All of these are warnings: the rule can run, and a person should know before enabling it.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account
from sluiceway.domain.money import WHOLE
from sluiceway.domain.rules.findings import Finding, warning
from sluiceway.domain.rules.loading import leaves_with_paths, needs
from sluiceway.domain.rules.model import (
    Action,
    Comparison,
    Fact,
    FixedAmount,
    Group,
    OnFunds,
    Operator,
    Percentage,
    PercentageTarget,
    RoundDown,
    Rule,
    SweepAbove,
    destinations_of,
)
from sluiceway.domain.rules.words import duration, quoted, visible

STALE_AFTER = timedelta(days=3)
"""How old a reported balance may be before it is worth a word, where the rule itself says nothing."""

_LAST_DAY = 31


def consequences(
    rule: Rule, accounts: Mapping[AccountId, Account], others: Sequence[Rule], now: datetime | None
) -> Iterator[Finding]:
    """Warn about what a rule leads to. `others` are the enabled rules beside it; without `now` no age is known."""
    yield from _cycles(rule, accounts, others)
    yield from _competitors(rule, accounts, others)
    for index in range(len(rule.steps)):
        yield from _never(rule, index)
        yield from _emptied(rule, index, accounts)
    yield from _stale(rule, accounts, now)


def _name(account_id: AccountId, accounts: Mapping[AccountId, Account]) -> str:
    account = accounts.get(account_id)
    return visible(account.name or account_id) if account is not None else visible(account_id)


def _called(rule: Rule) -> str:
    return "a rule without a name" if rule.name is None else f"the rule {quoted(rule.name)}"


def _actions(rule: Rule) -> Iterator[tuple[str, Action]]:
    for step_index, step in enumerate(rule.steps):
        for index, action in enumerate(step.actions):
            yield f"steps/{step_index}/actions/{index}", action


def _cycles(rule: Rule, accounts: Mapping[AccountId, Account], others: Sequence[Rule]) -> Iterator[Finding]:
    """Warn when money that this rule moves can come back to its trigger through incoming-funds rules."""
    if not isinstance(rule.trigger, OnFunds):
        return
    home = rule.trigger.account_id
    ways: dict[AccountId, list[tuple[AccountId, Rule]]] = defaultdict(list)
    for other in others:
        if isinstance(other.trigger, OnFunds):
            ways[other.trigger.account_id] += [
                (to, other) for _, move in _actions(other) for to in destinations_of(move)
            ]
    for path, action in _actions(rule):
        for first in destinations_of(action):
            loop = _way_home(first, home, ways)
            if loop is not None:
                stops = [_name(home, accounts), _name(first, accounts), *(_name(to, accounts) for to, _ in loop)]
                through = ", ".join(dict.fromkeys(_called(other) for _, other in loop))
                by = f", through {through}" if through else ""
                yield warning(
                    "cycle", path, f"money that it moves can come back and start it again: {' → '.join(stops)}{by}"
                )
                return


def _way_home(
    first: AccountId, home: AccountId, ways: Mapping[AccountId, list[tuple[AccountId, Rule]]]
) -> list[tuple[AccountId, Rule]] | None:
    """Find the shortest way on from an account to another."""
    waiting = deque([(first, list[tuple[AccountId, Rule]]())])
    seen = {first}
    while waiting:
        at, way = waiting.popleft()
        if at == home:
            return way
        for to, other in ways.get(at, ()):
            if to not in seen:
                seen.add(to)
                waiting.append((to, [*way, (to, other)]))
    return None


def _competitors(rule: Rule, accounts: Mapping[AccountId, Account], others: Sequence[Rule]) -> Iterator[Finding]:
    """Warn when another rule that the same money starts takes from the same account: the later one finds less."""
    if not isinstance(rule.trigger, OnFunds):
        return
    told = set[AccountId]()
    for path, action in _actions(rule):
        if action.source in told:
            continue
        rivals = [
            other
            for other in others
            if other.trigger == rule.trigger and any(move.source == action.source for _, move in _actions(other))
        ]
        if rivals:
            told.add(action.source)
            named = ", ".join(dict.fromkeys(_called(other) for other in rivals))
            yield warning(
                "competes",
                f"{path}/source",
                f"the same money starts {named}, which takes from {_name(action.source, accounts)} too: "
                "whichever runs later finds less there",
            )


def _never(rule: Rule, index: int) -> Iterator[Finding]:
    """Warn about a comparison that can never hold, and about a limit that leaves a move nothing."""
    for path, leaf in leaves_with_paths(rule.steps[index].condition, f"steps/{index}/conditions"):
        if not _can_hold(leaf):
            yield warning("never_true", path, "no day of a month is like that: it never holds")
    for group in rule.steps[index].groups:
        if group.cap is None:
            continue
        left: int = group.cap.amount
        for at, action, _ in group.actions:
            path = f"steps/{index}/actions/{at}"
            if left <= 0:
                why = "is nothing" if group.cap.amount == 0 else "is used up by the moves before it"
                yield warning("limit_leaves_nothing", path, f"never moves anything: the limit {why}")
            # Only what is surely moved first counts: a fixed amount that is not cut to what is there.
            if isinstance(action.amount, FixedAmount) and not action.up_to:
                left -= action.amount.amount


def _can_hold(leaf: Comparison) -> bool:
    if leaf.fact is not Fact.DATE or isinstance(leaf.value, Fact):
        return True
    day = leaf.value
    match leaf.operator:
        case Operator.EQUALS:
            return 1 <= day <= _LAST_DAY
        case Operator.NOT_EQUALS:
            return True
        case Operator.GREATER_THAN:
            return day < _LAST_DAY
        case Operator.GREATER_THAN_OR_EQUAL:
            return day <= _LAST_DAY
        case Operator.LESS_THAN:
            return day > 1
        case Operator.LESS_THAN_OR_EQUAL:
            return day >= 1


def _emptied(rule: Rule, index: int, accounts: Mapping[AccountId, Account]) -> Iterator[Finding]:
    """Warn about moves out of an account that the moves before them have emptied."""
    empty: dict[AccountId, str] = {}
    for group in rule.steps[index].groups:
        for at, action, _ in group.actions:
            path = f"steps/{index}/actions/{at}"
            if action.source in empty and not isinstance(action.amount, RoundDown):
                yield warning(
                    "nothing_left",
                    path,
                    f"never finds anything: {empty[action.source]} moves all of {_name(action.source, accounts)}",
                )
        for _, action, _ in group.actions:
            for destination in destinations_of(action):
                empty.pop(destination, None)
        for account_id in group.sources:
            if _takes_all(group, account_id):
                empty[account_id] = "the group before it"


def _takes_all(group: Group, source: AccountId) -> bool:
    """Tell whether a group leaves an account at nothing, whatever was in it."""
    if group.cap is not None:
        return False
    actions = [action for _, action, _ in group.actions if action.source == source]
    shares = [
        action.amount.percent
        for action in actions
        if isinstance(action.amount, Percentage) and action.amount.target is PercentageTarget.SOURCE_ACCOUNT
    ]
    sweeps = any(isinstance(action.amount, SweepAbove) and action.amount.keep == 0 for action in actions)
    return sweeps or (sum(shares) == WHOLE and len(shares) == len(actions))


def _stale(rule: Rule, accounts: Mapping[AccountId, Account], now: datetime | None) -> Iterator[Finding]:
    """Warn about accounts whose bank has not told their balance, or not for long."""
    oldest = rule.max_balance_age or STALE_AFTER
    for account_id in sorted(needs(rule).accounts):
        account = accounts.get(account_id)
        if account is None or account.is_kept or account.is_deleted:
            continue
        path = _first_path(rule, account_id)
        if account.reported.error is not None:
            said = f"the bank gives no balance of {_name(account_id, accounts)} ({visible(account.reported.error)})"
            yield warning("stale_feed", path, said)
            continue
        at = account.reported.updated_at
        if now is not None and at is not None and now - at > oldest:
            age = duration(timedelta(minutes=(now - at) // timedelta(minutes=1)))
            yield warning("stale_feed", path, f"the balance of {_name(account_id, accounts)} was reported {age} ago")


def _first_path(rule: Rule, account_id: AccountId) -> str:
    """Find where a rule names an account first."""
    if rule.account_id == account_id:
        return "trigger/account_id"
    for index, step in enumerate(rule.steps):
        for path, leaf in leaves_with_paths(step.condition, f"steps/{index}/conditions"):
            if account_id in (leaf.account_id, leaf.right_account_id):
                return path
    for path, action in _actions(rule):
        if account_id == action.source:
            return f"{path}/source"
        if account_id in destinations_of(action):
            return f"{path}/destination"
    return ""
