"""What has to be loaded before a rule can be planned."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.rules.model import (
    AllOf,
    AnyOf,
    CapPeriod,
    Comparison,
    Condition,
    PayDown,
    RemoteAmount,
    Rule,
    Step,
    accounts_of,
)
from sluiceway.domain.rules.planning import period_start
from sluiceway.domain.rules.plans import CapKey

WEIGHT_OF_A_MOVE = 10
"""Measured with everything that is written: a move costs about as much as ten nodes of a condition."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The accounts to lock, the capped groups whose totals count, and the actions that ask a remote service."""

    accounts: frozenset[AccountId]
    capped: tuple[tuple[int, int, CapPeriod], ...]
    """(step index, group index, period) of every group with a running cap."""
    remote: tuple[tuple[int, int], ...]
    """(step index, action index)."""
    weight: int
    """How much work a run can be, in comparisons: all conditions, and the moves of the longest step."""

    def cap_keys(self, rule_id: RuleId, today: date) -> list[CapKey]:
        """Name the running totals that count today (in the rule's zone)."""
        return [
            CapKey(rule_id, step, group, period, period_start(period, today)) for step, group, period in self.capped
        ]


def needs(rule: Rule) -> Needs:
    """Find everything that planning the rule may look at, whichever step matches."""
    accounts: set[AccountId] = set()
    capped: list[tuple[int, int, CapPeriod]] = []
    remote: list[tuple[int, int]] = []
    if rule.account_id is not None:
        accounts.add(rule.account_id)
    for step_index, step in enumerate(rule.steps):
        accounts.update(account_id for leaf in leaves(step.condition) for account_id in _accounts_of_leaf(leaf))
        for action_index, action in enumerate(step.actions):
            accounts.update(accounts_of(action))
            if isinstance(action.amount, RemoteAmount):
                remote.append((step_index, action_index))
        capped += [
            (step_index, group.number, group.cap.period)
            for group in step.groups
            if group.cap is not None and group.cap.period is not CapPeriod.PER_TRANSFER
        ]
    weight = sum(_nodes(step.condition) for step in rule.steps) + WEIGHT_OF_A_MOVE * max(
        map(_moves, rule.steps), default=0
    )
    return Needs(frozenset(accounts), tuple(capped), tuple(remote), weight)


def leaves(condition: Condition | None) -> Iterator[Comparison]:
    """Go through the comparisons of a condition tree."""
    match condition:
        case None:
            return
        case Comparison():
            yield condition
        case AllOf(children) | AnyOf(children):
            for child in children:
                yield from leaves(child)


def leaves_with_paths(condition: Condition | None, path: str) -> Iterator[tuple[str, Comparison]]:
    """Go through the comparisons of a condition tree that stands at `path`, each with its own path."""
    match condition:
        case None:
            return
        case Comparison():
            yield path, condition
        case AllOf(children) | AnyOf(children):
            key = "all" if isinstance(condition, AllOf) else "any"
            for index, child in enumerate(children):
                yield from leaves_with_paths(child, f"{path}/{key}/{index}")


def _nodes(condition: Condition | None) -> int:
    match condition:
        case AllOf(children) | AnyOf(children):
            return 1 + sum(map(_nodes, children))
        case _:
            return 1


def _moves(step: Step) -> int:
    return sum(len(action.amount.debts) if isinstance(action.amount, PayDown) else 1 for action in step.actions)


def _accounts_of_leaf(leaf: Comparison) -> list[AccountId]:
    return [account_id for account_id in (leaf.account_id, leaf.right_account_id) if account_id is not None]
