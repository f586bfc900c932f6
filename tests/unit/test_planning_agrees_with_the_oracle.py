"""The engine and a naive second reading of the same rules agree on every run, and the runs reach every corner."""

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from sluiceway.domain import rules as r
from tests.unit.oracle import foretell
from tests.unit.strategies import AMOUNT_TYPES, LARGEST, RULE, Case, cases, make_case, plain_event, plain_world

BLOCK = 12_500
BLOCKS = 4
BANKS_WORDS = {r.ErrorCode.NAME_MISMATCH, r.ErrorCode.PAYMENT_FAILED, r.ErrorCode.PAYMENT_NOT_SUPPORTED}
"""What only a bank can say of a transfer; no plan does."""
OFTEN = 20
"""How often a block meets each outcome at least. A generator that never reaches a corner proves nothing about it."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_engine_and_oracle_agree_and_meet_every_outcome(block: int):
    met = agree_on(range(block * BLOCK, (block + 1) * BLOCK))

    assert {what: times for what in corners() if (times := met[what]) < OFTEN} == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_engine_and_oracle_agree_for_a_very_long_time():
    agree_on(range(1_000_000, 1_500_000))


@settings(max_examples=300, deadline=None)
@given(cases())
def test_engine_and_oracle_agree_on_what_hypothesis_finds(case: Case):
    written, foretold = tell(case)

    assert planned(case) == foretold, written


def agree_on(seeds: range) -> Counter[str]:
    met: Counter[str] = Counter()
    for seed in seeds:
        case = make_case(Random(seed), size_of(seed))
        written, foretold = tell(case)
        if planned(case) != foretold:
            explain(smallest_like(seed, lambda other: planned(other) != tell(other)[1]))
        met.update(outcomes(case, written, foretold))
    return met


def size_of(seed: int) -> int:
    return 1 + seed % LARGEST


def smallest_like(seed: int, is_wrong: Callable[[Case], bool]) -> tuple[int, int]:
    """Look for the same kind of trouble in smaller cases; give the seed and size."""
    for size in range(1, size_of(seed)):
        for other in range(3_000):
            if is_wrong(make_case(Random(other), size)):
                return other, size
    return seed, size_of(seed)


def explain(found: tuple[int, int]) -> None:
    seed, size = found
    case = make_case(Random(seed), size)
    written, foretold = tell(case)
    plan = planned(case)
    different = {key: (plan[key], foretold[key]) for key in plan if plan[key] != foretold[key]}
    pytest.fail(
        f"make_case(Random({seed}), {size})\nrule {written}\nevent {plain_event(case.event)}\n"
        f"world {plain_world(case.snapshot)}\n"
        + "\n".join(f"{key}:\n  engine {ours}\n  oracle {theirs}" for key, (ours, theirs) in different.items()),
        pytrace=False,
    )


def tell(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    written = r.write_rule(case.rule)
    return written, foretell(written, plain_event(case.event), plain_world(case.snapshot))


def planned(case: Case) -> dict[str, Any]:
    """Put the engine's plan in the oracle's words."""
    plan = r.plan(RULE, case.rule, case.event, case.snapshot)
    return {
        "step": plan.step,
        "steps": [(step.path, step.result) for step in plan.trace.steps],
        "nodes": {
            node.path: (
                node.result,
                node.left,
                node.right,
                node.why,
            )
            for step in plan.trace.steps
            for node in step.nodes
        },
        "actions": [
            {
                "path": action.path,
                "part": action.part,
                "source": action.source,
                "destination": action.destination,
                "result": action.result,
                "moved": action.moved,
                "cuts": [tuple(cut) for cut in action.cuts],
                "why": action.why,
                "error": action.error_code,
                "asked": action.asked,
                "available": action.available,
            }
            for action in plan.trace.actions
        ],
        "transfers": [tuple(transfer) for transfer in plan.transfers],
        "attempted": plan.attempted,
        "failed": plan.failed,
        "cap_uses": {
            (key.step, key.group, key.period, key.starts_on): used for key, used in plan.cap_uses.items() if used
        },
    }


def corners() -> set[str]:
    """List everything that the generated cases have to reach."""
    return (
        {f"why {why}" for why in r.Why}
        | {f"error {code}" for code in r.ErrorCode if code not in BANKS_WORDS}
        | {f"action {result}" for result in r.ActionResult}
        | {f"{operator} {result}" for operator in r.Operator for result in (True, False, None)}
        | {f"{tree} {result}" for tree in ("all", "any") for result in (True, False, None)}
        | {f"left {fact}" for fact in ("TRANSFER_AMOUNT", "BALANCE", "DATE")}
        | {f"right {fact}" for fact in r.Fact}
        | {f"{kind} moved" for kind in AMOUNT_TYPES}
        | {f"level {level}" for level in r.Level}
        | {f"cut {cut}" for cut in ("ceiling", "cap", "available_funds")}
        | {f"cap {period}" for period in r.CapPeriod}
        | {f"trigger {kind}" for kind in ("ON_FUNDS_TRANSFERRED", "SCHEDULED", "MANUAL", "REMOTE_API")}
        | {"no step", "a later step", "two groups moved", "left-over cents", "stands in", "stands in everywhere"}
        | {"two parts", "stopped after a move", "goes on after an error"}
        | {f"{source} to {to}" for source in ("kept", "external") for to in ("kept", "external", "held")}
        | {f"{source} to {to}, waiting" for source in ("kept", "external") for to in ("kept", "external", "held")}
        | {"an action looks at an old balance", "an ACH limit is nearly used up", "a pod counts as on its way"}
    )


def outcomes(case: Case, written: dict[str, Any], foretold: dict[str, Any]) -> Iterator[str]:
    yield f"trigger {written['trigger']['type']}"
    yield "no step" if foretold["step"] is None else "a later step" if foretold["step"] else "the first step"
    for path, node in foretold["nodes"].items():
        yield from outcomes_of_node(at_path(written, path), node)
    if foretold["step"] is not None:
        yield from outcomes_of_step(case, case.rule.steps[foretold["step"]], foretold)


def at_path(written: dict[str, Any], path: str) -> dict[str, Any]:
    found: Any = written
    for key in path.split("/"):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def outcomes_of_node(node: dict[str, Any], seen: tuple[Any, ...]) -> Iterator[str]:
    result, _, _, why = seen
    yield f"why {why}"
    if "condition" in node:
        yield f"{node['condition']['operator']} {result}"
        yield f"left {node['condition']['fact']}"
        yield f"right {node['condition']['value_fact']}"
    else:
        yield f"{next(iter(node))} {result}"


def outcomes_of_step(case: Case, step: r.Step, foretold: dict[str, Any]) -> Iterator[str]:
    groups_moved = set[int]()
    for seen in foretold["actions"]:
        action = step.actions[int(seen["path"].rpartition("/")[2])]
        yield f"why {seen['why']}"
        yield f"error {seen['error']}"
        yield f"action {seen['result']}"
        if seen["why"] == "balance_too_old":
            yield "an action looks at an old balance"
        yield from (f"cut {why}" for why, _ in seen["cuts"])
        if seen["moved"]:
            groups_moved.add(action.group)
            waits = case.rule.approval_above is not None and seen["moved"] > case.rule.approval_above
            yield from outcomes_of_move(case, action, seen, is_waiting=waits)
    if len(groups_moved) > 1:
        yield "two groups moved"
    results = [seen["result"] for seen in foretold["actions"]]
    whys = [seen["why"] for seen in foretold["actions"]]
    if "moved" in results and "stopped" in whys:
        yield "stopped after a move"
    if "below_minimum" in whys and "moved" in results[whys.index("below_minimum") :]:
        yield "goes on after an error"


def outcomes_of_move(case: Case, action: r.Action, seen: dict[str, Any], *, is_waiting: bool) -> Iterator[str]:
    amount, event = action.amount, case.event
    written = r.write_rule(r.Rule(case.rule.trigger, (r.Step(None, (action,)),)))["steps"][0]["actions"][0]
    is_level = isinstance(amount, r.TopUpToLevel)
    yield f"{written['type']}{'_TO_LEVEL' if is_level else ''} moved"
    if isinstance(amount, r.TopUpToLevel):
        yield f"level {amount.level}"
    if action.cap is not None and any(why == "cap" for why, _ in seen["cuts"]):
        yield f"cap {action.cap.period}"
    if isinstance(amount, r.Percentage) and seen["asked"] * 1_000_000 * 100 % amount.percent:
        yield "left-over cents"
    if seen["part"]:
        yield "two parts"
    if event.stands_in and case.rule.account_id in {None, action.source}:
        yield "stands in everywhere" if case.rule.account_id is None else "stands in"
    yield from outcomes_of_ways(case, action, seen, is_waiting=is_waiting)


def outcomes_of_ways(case: Case, action: r.Action, seen: dict[str, Any], *, is_waiting: bool) -> Iterator[str]:
    accounts, pods, to = case.snapshot.accounts, case.snapshot.holding_pods, seen["destination"]
    kept = {True: "kept", False: "external"}
    receiver = "held" if to in pods else kept[accounts[to].is_kept]
    yield f"{kept[accounts[action.source].is_kept]} to {receiver}{', waiting' if is_waiting else ''}"
    rooms = [room for rooms in case.snapshot.ach.values() for room in rooms]
    if any(room.amount is not None and seen["moved"] <= room.amount < 2 * seen["moved"] for room in rooms):
        yield "an ACH limit is nearly used up"
    if (
        to in pods
        and isinstance(action.amount, r.TopUp | r.TopUpToLevel | r.PayDown)
        and case.snapshot.balances[pods[to]].posted
    ):
        yield "a pod counts as on its way"
