"""A run in words: which steps were tried with the values they saw, and what each action asked for, lost and moved.

One set of sentences: `explain_trace` gives them as lines, `nodes_of` hangs them on the rule, node by node.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, assert_never

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.trace import ActionResult, ActionTrace, NodeTrace, Trace, Why
from sluiceway.domain.rules.words import DEFAULT_CURRENCY, Currencies, Names, Words

WHY = {
    Why.NO_TRANSFER_AMOUNT: "no amount came with the event",
    Why.BALANCE_UNKNOWN: "the balance could not be had",
    Why.NO_ACCOUNT: "no account is named",
    Why.ACCOUNT_DELETED: "the account has been deleted",
    Why.NO_MINIMUM_PAYMENT: "the account reports no minimum payment",
    Why.NO_STATEMENT_BALANCE: "the account reports no statement balance",
    Why.NO_INTEREST_RATE: "the account reports no interest rate",
    Why.NO_REMOTE_AMOUNT: "the remote service has given no amount",
    Why.NOTHING_TO_MOVE: "there was nothing to move",
    Why.CAP: "the limit of its period",
    Why.CEILING: "the ceiling of the remote amount",
    Why.AVAILABLE_FUNDS: "what was there",
    Why.INSUFFICIENT_FUNDS: "there was not enough in the source",
    Why.BELOW_MINIMUM: "the amount is below the smallest transfer allowed",
    Why.STOPPED: "the step had stopped before",
    Why.BALANCE_TOO_OLD: "the balance was reported too long ago",
    Why.ALREADY_THERE: "the money is already in the pod in which it waits",
    Why.DISCONNECTED: "the bank account is disconnected",
    Why.LIMIT_REACHED: "a limit on bank transfers is used up",
}
_SKIPPED = {
    Why.CAP: "the limit of its period is used up",
    Why.AVAILABLE_FUNDS: "there was nothing in the source",
}
_STEPS = {
    True: "ran: its condition was true",
    False: "did not run: its condition was false",
    None: "did not run: its condition could not be decided",
}
_RESULTS = {True: "true", False: "false", None: "unknown"}
_NO_STEP = "No step matched, so nothing was moved."


class NodeKind(StrEnum):
    """What a node of a rule is."""

    STEP = "step"
    ALL = "all"
    ANY = "any"
    COMPARISON = "comparison"
    ACTION = "action"


class Observed(NamedTuple):
    """A value that a run saw: `value` is a day, or cents of `currency`; None: unknown."""

    fact: str
    """Named in words."""
    value: int | None
    currency: str | None
    said: str


class Limit(NamedTuple):
    """What lowered an amount, what it lowered it to, and that in words."""

    why: Why
    to: Cents
    said: str


class Move(NamedTuple):
    """What an action did: asked, limited by, moved. A pay-down has one for each debt."""

    path: str
    part: int
    source: AccountId
    destination: AccountId | None
    currency: str
    result: ActionResult
    asked: Cents | None
    limits: tuple[Limit, ...]
    moved: Cents
    available: Cents | None
    """What the source had as the action ran."""
    why: Why | None
    error_code: str | None
    title: str
    said: str
    """What came of it, in words."""


class Node(NamedTuple):
    """A node of the rule as it ran, with what the run did there.

    `result` is true, false or unknown (None) of steps and conditions. `said` is empty where the run did not come.
    """

    path: str
    kind: NodeKind
    depth: int
    words: str
    is_reached: bool
    result: bool | None
    said: str
    seen: tuple[Observed, ...]
    reported_at: datetime | None
    moves: tuple[Move, ...]


def explain_trace(rule: m.Rule, trace: Trace, names: Names, currencies: Currencies | None = None) -> list[str]:
    """Tell a run of a rule, in the revision that ran: a line for each step, comparison and action, details indented."""
    lines = [
        f"{'  ' * node.depth}{node.said}"
        for node in nodes_of(rule, trace, names, currencies)
        if node.is_reached and node.kind is not NodeKind.ACTION
    ]
    if not any(step.result for step in trace.steps):
        lines.append(_NO_STEP)
    for move in moves_of(rule, trace, names, currencies):
        lines += [f"Action {int(move.path.rpartition('/')[2]) + 1}: {move.title}.", f"  {move.said}"]
    return lines


def moves_of(rule: m.Rule, trace: Trace, names: Names, currencies: Currencies | None = None) -> list[Move]:
    """Tell what each action of the matched step did, in the order in which they ran."""
    words = Words(rule, names, currencies)
    return [_move(words, action, rule.approval_above, currencies or {}) for action in trace.actions]


def nodes_of(rule: m.Rule, trace: Trace | None, names: Names, currencies: Currencies | None = None) -> tuple[Node, ...]:
    """List the nodes of a rule in their order, with what a run did at each (None: it has not been planned)."""
    known = trace or Trace((), ())
    return tuple(_Nodes(rule, known, names, currencies or {}).nodes())


class _Nodes:
    """The nodes of one rule, and what one run left at each."""

    def __init__(self, rule: m.Rule, trace: Trace, names: Names, currencies: Currencies) -> None:
        self._rule = rule
        self._words = Words(rule, names, currencies)
        self._currencies = currencies
        self._steps = {step.path: step for step in trace.steps}
        self._seen = {node.path: node for step in trace.steps for node in step.nodes}
        self._moves: dict[str, list[Move]] = {}
        for action in trace.actions:
            move = _move(self._words, action, rule.approval_above, currencies)
            self._moves.setdefault(move.path, []).append(move)

    def nodes(self) -> Iterator[Node]:
        for index, step in enumerate(self._rule.steps):
            yield self._step(index, step)
            if step.condition is not None:
                yield from self._condition(step.condition, f"steps/{index}/conditions", 1)
            for at in range(len(step.actions)):
                yield self._action(index, at)

    def _step(self, index: int, step: m.Step) -> Node:
        title = f"Step {index + 1}"
        node = _unreached(f"steps/{index}", NodeKind.STEP, 0, title)
        tried = self._steps.get(node.path)
        if tried is None:
            return node
        ran = "ran: it has no condition" if step.condition is None else _STEPS[tried.result]
        return node._replace(is_reached=True, result=tried.result, said=f"{title} {ran}.")

    def _condition(self, condition: m.Condition, path: str, depth: int) -> Iterator[Node]:
        seen = self._seen.get(path)
        match condition:
            case m.Comparison():
                yield self._comparison(condition, path, depth, seen)
                return
            case m.AllOf(children):
                kind, title = NodeKind.ALL, "all of these"
            case m.AnyOf(children):
                kind, title = NodeKind.ANY, "any of these"
            case _:
                assert_never(condition)
        node = _unreached(path, kind, depth, title)
        if seen is not None:
            node = node._replace(is_reached=True, result=seen.result, said=f"{title}: {_RESULTS[seen.result]}")
        yield node
        for index, child in enumerate(children):
            yield from self._condition(child, f"{path}/{kind.value}/{index}", depth + 1)

    def _comparison(self, leaf: m.Comparison, path: str, depth: int, node: NodeTrace | None) -> Node:
        words = self._words.comparison(leaf)
        if node is None:
            return _unreached(path, NodeKind.COMPARISON, depth, words)
        seen = tuple(self._observed(leaf, node))
        said = f"{words}: {_RESULTS[node.result]} ({_values(seen, node)})"
        return _unreached(path, NodeKind.COMPARISON, depth, words)._replace(
            is_reached=True, result=node.result, said=said, seen=seen, reported_at=node.reported_at
        )

    def _observed(self, leaf: m.Comparison, node: NodeTrace) -> Iterator[Observed]:
        yield self._value(leaf, node.left)
        if isinstance(leaf.value, m.Fact):
            account_id = leaf.right_account_id or leaf.account_id
            yield self._value(m.Comparison(leaf.value, leaf.operator, leaf.value, account_id), node.right)

    def _value(self, leaf: m.Comparison, value: int | None) -> Observed:
        is_day = leaf.fact in (m.Fact.DATE, m.Fact.LAST_DAY_OF_MONTH)
        account_id = leaf.account_id or self._rule.account_id
        currency = DEFAULT_CURRENCY if account_id is None else self._currencies.get(account_id, DEFAULT_CURRENCY)
        return Observed(
            self._words.fact(leaf.fact, leaf.account_id),
            value,
            None if is_day else currency,
            self._words.seen(leaf, value),
        )

    def _action(self, index: int, at: int) -> Node:
        path = f"steps/{index}/actions/{at}"
        moves = tuple(self._moves.get(path, ()))
        said = " ".join(_capital(f"{move.said}.") for move in moves)
        node = _unreached(path, NodeKind.ACTION, 1, _capital(self._words.action(index, at)))
        return node._replace(is_reached=bool(moves), said=said, moves=moves)


def _unreached(path: str, kind: NodeKind, depth: int, words: str) -> Node:
    return Node(path, kind, depth, words, False, None, "", (), None, ())  # noqa: FBT003 -- a field of a named tuple


def _values(seen: Sequence[Observed], node: NodeTrace) -> str:
    said = [f"it was {seen[0].said}", *(f"the other {other.said}" for other in seen[1:])]
    if node.why is not None:
        said.append(WHY[Why(node.why)])
    return ", ".join(said)


def _move(words: Words, action: ActionTrace, approval_above: Cents | None, currencies: Mapping[AccountId, str]) -> Move:
    _, step, _, index = action.path.split("/")
    title = words.action(int(step), int(index))
    if action.destination is not None and action.destination != words.destination(int(step), int(index)):
        title += f" ({words.account(action.destination)})"
    waits = approval_above is not None and action.moved > approval_above
    return Move(
        path=action.path,
        part=action.part,
        source=action.source,
        destination=action.destination,
        currency=currencies.get(action.source, DEFAULT_CURRENCY),
        result=ActionResult(action.result),
        asked=action.asked,
        limits=tuple(
            Limit(Why(cut.why), cut.to, f"limited to {words.money(cut.to, action.source)} by {WHY[Why(cut.why)]}")
            for cut in action.cuts
        ),
        moved=action.moved,
        available=action.available,
        why=None if action.why is None else Why(action.why),
        error_code=action.error_code,
        title=title,
        said=f"{_outcome(words, action)}{', once a person approves it' if waits else ''}",
    )


def _outcome(words: Words, action: ActionTrace) -> str:
    said: list[str] = []
    if action.asked is not None:
        said.append(f"asked for {words.money(action.asked, action.source)}")
    said += [f"limited to {words.money(cut.to, action.source)} by {WHY[Why(cut.why)]}" for cut in action.cuts]
    if action.available is not None:
        said.append(f"{words.money(action.available, action.source)} available")
    why = None if action.why is None else Why(action.why)
    reason = "" if why is None else f": {_SKIPPED.get(why, WHY[why])}"
    match ActionResult(action.result):
        case ActionResult.MOVED:
            said.append(f"moved {words.money(action.moved, action.source)}")
        case ActionResult.SKIPPED:
            said.append(f"skipped{reason}")
        case ActionResult.INCOMPLETE:
            said.append(f"not moved{reason}")
        case ActionResult.ERROR:
            said.append(f"failed{reason}")
    return "; ".join(said)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
