"""A rule that somebody is still writing: everything that is wrong with it, and how its conditions stand right now.

A draft is read part by part, so that one field that is not filled in yet hides nothing about the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar, cast

from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.conditions import local_date, try_step
from sluiceway.domain.rules.fields import join
from sluiceway.domain.rules.funds import open_funds
from sluiceway.domain.rules.loading import leaves_with_paths
from sluiceway.domain.rules.notation import MAX_DEPTH, read_action, read_condition, read_rule, read_trigger
from sluiceway.domain.rules.plans import Event, Snapshot
from sluiceway.domain.rules.telling import WHY
from sluiceway.domain.rules.trace import NodeTrace
from sluiceway.domain.rules.words import Currencies, Names, Words

T = TypeVar("T")

_NOWHERE: Final = AccountId("\0unreadable")
_UNREADABLE: Final = m.Comparison(m.Fact.BALANCE, m.Operator.EQUALS, 0, _NOWHERE)
"""Stands in for a comparison that cannot be read yet: its account never exists, so it is never decided."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read of a draft.

    `rule` is None until all of it can be read. `conditions` are the steps' conditions, with stand-ins where a part
    cannot be read; `problems` say what is wrong, each with its path.
    """

    rule: m.Rule | None
    trigger: m.Trigger | None
    conditions: tuple[m.Condition | None, ...]
    problems: tuple[Problem, ...]


class State(StrEnum):
    """How a condition stands."""

    PASSES = "passes"
    FAILS = "fails"
    UNKNOWN = "unknown"
    INVALID = "invalid"


class Standing(NamedTuple):
    """How one node of a step's condition stands now, and the words for it: the values seen, or why there are none."""

    path: str
    state: State
    words: str


def read_draft(value: object) -> Draft:
    """Read as much of a rule as can be read. Never raises for what a person may have written."""
    problems: list[Problem] = []
    fields = _object(value)
    trigger = _try(problems, lambda: read_trigger(fields.get("trigger"), "trigger"))
    steps = fields.get("steps")
    conditions: list[m.Condition | None] = []
    for index, step in enumerate(_list(steps)):
        parts = _object(step)
        tree = parts.get("conditions")
        path = f"steps/{index}/conditions"
        conditions.append(None if tree is None else _condition(tree, path, MAX_DEPTH, problems))
        for place, action in enumerate(_list(parts.get("actions"))):
            problems += _problems_of(action, f"steps/{index}/actions/{place}")
    rule = _try(problems if not problems else [], lambda: read_rule(value))
    return Draft(rule if not problems else None, trigger, tuple(conditions), tuple(problems))


def stand(draft: Draft, event: Event, snapshot: Snapshot, names: Names, currencies: Currencies) -> list[Standing]:
    """Tell how every condition of a draft stands over a snapshot, by the evaluator that runs use."""
    trigger = draft.trigger or m.Remote()
    age = None if draft.rule is None else draft.rule.max_balance_age
    steps = tuple(m.Step(condition, ()) for condition in draft.conditions)
    rule = m.Rule(trigger, steps, max_balance_age=age)
    funds = open_funds(rule, event, snapshot)
    today: date = local_date(rule, event)
    words = Words(rule, names, currencies)
    found: list[Standing] = []
    for index, condition in enumerate(draft.conditions):
        if condition is None:
            continue
        leaves = dict(leaves_with_paths(condition, f"steps/{index}/conditions"))
        nodes = try_step(rule, index, event, today, funds).nodes
        found += [_standing(words, node, leaves.get(node.path)) for node in nodes]
    return found


def _standing(words: Words, node: NodeTrace, leaf: m.Comparison | None) -> Standing:
    if leaf is not None and _NOWHERE in (leaf.account_id, leaf.right_account_id):
        return Standing(node.path, State.INVALID, "not complete")
    state = State.UNKNOWN if node.result is None else State.PASSES if node.result else State.FAILS
    if leaf is None:
        said = {State.PASSES: "holds now", State.FAILS: "does not hold now", State.UNKNOWN: "cannot tell now"}[state]
        return Standing(node.path, state, said)
    if node.why is not None:
        return Standing(node.path, state, f"cannot tell now: {WHY[node.why]}")
    seen = [f"now {words.seen(leaf, node.left)}"]
    if isinstance(leaf.value, m.Fact):
        other = m.Comparison(leaf.value, leaf.operator, leaf.value, leaf.right_account_id or leaf.account_id)
        seen.append(f"against {words.seen(other, node.right)}")
    return Standing(node.path, state, " ".join(seen))


def _condition(value: object, path: str, depth: int, problems: list[Problem]) -> m.Condition:
    """Read a condition; what cannot be read becomes a stand-in, and a problem."""
    for key, group in (("all", m.AllOf), ("any", m.AnyOf)):
        rows = _list(_object(value).get(key))
        if rows and depth > 0:
            return group(
                tuple(_condition(row, f"{path}/{key}/{index}", depth - 1, problems) for index, row in enumerate(rows))
            )
    return _try(problems, lambda: read_condition(value, path, depth)) or _UNREADABLE


def _problems_of(action: object, path: str) -> list[Problem]:
    """Find what is wrong with an action: the first thing, and both of its ends where they are not filled in."""
    found: list[Problem] = []
    if _try(found, lambda: read_action(action, path)) is None and found[0].path != join(path, "type"):
        empty = [key for key in ("source", "destination") if _object(action).get(key, "") is None]
        told = {problem.path for problem in found}
        found += [Problem(at, "is required") for key in empty if (at := join(path, key)) not in told]
    return found


def _try(problems: list[Problem], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except InvalidParameters as refused:
        problems += refused.problems
        return None


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else []
