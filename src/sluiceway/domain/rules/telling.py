"""A run in words: which steps were tried with the values they saw, and what each action asked for, lost and moved."""

from collections.abc import Iterator
from typing import assert_never

from sluiceway.domain.money import Cents
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.trace import ActionResult, ActionTrace, NodeTrace, StepTrace, Trace, Why
from sluiceway.domain.rules.words import Currencies, Names, Words

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


def explain_trace(rule: m.Rule, trace: Trace, names: Names, currencies: Currencies | None = None) -> list[str]:
    """Tell a run of a rule, in the revision that ran: a line for each step, comparison and action, details indented."""
    words = Words(rule, names, currencies)
    lines: list[str] = []
    for index, step in enumerate(trace.steps):
        lines += _step(words, rule.steps[index], index, step)
    if not any(step.result for step in trace.steps):
        lines.append("No step matched, so nothing was moved.")
    for action in trace.actions:
        lines += _action(words, action, rule.approval_above)
    return lines


def _step(words: Words, step: m.Step, index: int, seen: StepTrace) -> Iterator[str]:
    number = index + 1
    if step.condition is None:
        yield f"Step {number} ran: it has no condition."
        return
    yield f"Step {number} {_STEPS[seen.result]}."
    nodes = {node.path: node for node in seen.nodes}
    yield from _condition(words, step.condition, f"{seen.path}/conditions", nodes, 1)


def _condition(
    words: Words, condition: m.Condition, path: str, nodes: dict[str, NodeTrace], depth: int
) -> Iterator[str]:
    indent = "  " * depth
    match condition:
        case m.Comparison():
            node = nodes[path]
            yield f"{indent}{words.comparison(condition)}: {_RESULTS[node.result]} ({_values(words, condition, node)})"
            return
        case m.AllOf(children):
            key, title = "all", "all of these"
        case m.AnyOf(children):
            key, title = "any", "any of these"
        case _:
            assert_never(condition)
    yield f"{indent}{title}: {_RESULTS[nodes[path].result]}"
    for index, child in enumerate(children):
        yield from _condition(words, child, f"{path}/{key}/{index}", nodes, depth + 1)


def _values(words: Words, leaf: m.Comparison, node: NodeTrace) -> str:
    seen = [f"it was {words.seen(leaf, node.left)}"]
    if isinstance(leaf.value, m.Fact):
        right = m.Comparison(leaf.value, leaf.operator, leaf.value, leaf.right_account_id or leaf.account_id)
        seen.append(f"the other {words.seen(right, node.right)}")
    if node.why is not None:
        seen.append(WHY[Why(node.why)])
    return ", ".join(seen)


def _action(words: Words, action: ActionTrace, approval_above: Cents | None) -> Iterator[str]:
    _, step, _, index = action.path.split("/")
    said = words.action(int(step), int(index))
    if action.destination is None or action.destination != words.destination(int(step), int(index)):
        said += f" ({words.account(action.destination)})" if action.destination is not None else ""
    yield f"Action {int(index) + 1}: {said}."
    waits = approval_above is not None and action.moved > approval_above
    yield f"  {_outcome(words, action)}{', once a person approves it' if waits else ''}"


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
