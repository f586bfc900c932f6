"""Goes through the orders in which calls' statements can run: each is played anew, in an organization of its own.

From each order that was played, every other choice that could have been made on the way is an order to play. So all
are found, and none twice. Where all are too many, `preemptions` bounds how often somebody is stopped who could go on.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

from sluiceway.domain.errors import Refusal
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.storage.database import fetch_all
from tests.concurrency.stepping import Played, Stepper, Stuck
from tests.invariants import violations

AUDITED_EVERY: Final = 50
_MOST_TOLD: Final = 2

Call = Callable[[], Awaitable[object]]
Check = Callable[[Sequence[object]], Awaitable[None]]


class Act(NamedTuple):
    """Calls to be made at once in an organization made for them, and what must hold of what came of them."""

    organization_id: OrganizationId
    calls: Sequence[Call]
    check: Check
    """Raises AssertionError. It is given what each call returned or raised."""


@dataclass
class Stage:
    """What a scene is made with: an engine that is not stepped, and one for each caller that is."""

    house: Engine
    engines: Sequence[Engine]
    _moments: "count[int]" = field(default_factory=count)

    def moment(self) -> int:
        """Give a number that is higher than all before it."""
        return next(self._moments)


Scene = Callable[[Stage], Awaitable[Act]]


@dataclass
class Enumerated:
    """What came of the orders of one scene."""

    schedules: int = 0
    is_exhausted: bool = False
    shortest: int = 0
    longest: int = 0
    waits: int = 0
    diverged: int = 0
    refusals: int = 0
    outcomes: set[str] = field(default_factory=set[str])
    """How the calls ended, together."""
    violations: list[str] = field(default_factory=list[str])
    told: Counter[str] = field(default_factory=Counter[str])
    """How often each of them was found."""


async def play_orders(
    stepper: Stepper,
    house: Engine,
    scene: Scene,
    *,
    most: int,
    preemptions: int | None = None,
    dice: random.Random,
    until: Callable[[], bool] = lambda: False,
) -> Enumerated:
    """Play at most so many orders of a scene, drawn from those that are left, and audit each of them."""
    stage = Stage(house, [caller.engine for caller in stepper.callers])
    found = Enumerated()
    left: list[tuple[int, ...]] = [()]
    played_in: dict[str, str] = {}
    while left and found.schedules < most and not until():
        at = dice.randrange(len(left))
        left[at], left[-1] = left[-1], left[at]
        prefix = left.pop()
        act = await scene(stage)
        played = await _play(stepper, act, prefix, found)
        if played is None:
            continue
        played_in[act.organization_id] = played.told()
        left.extend(_others(played, len(prefix), preemptions))
        if found.schedules % AUDITED_EVERY == 0:
            await _audit(house, played_in, found)
    await _audit(house, played_in, found)
    found.is_exhausted = not left
    return found


async def _play(stepper: Stepper, act: Act, prefix: tuple[int, ...], found: Enumerated) -> Played | None:
    found.schedules += 1
    try:
        played = await stepper.play(act.calls, prefix)
    except (Stuck, TimeoutError) as stuck:
        _tell(found, f"stuck: {stuck!r}", f"the order {prefix}")
        return None
    found.shortest = min(found.shortest or len(played.steps), len(played.steps))
    found.longest = max(found.longest, len(played.steps))
    found.waits += played.waits
    found.diverged += played.has_diverged
    found.outcomes.add(", ".join(_in_a_word(outcome) for outcome in played.outcomes))
    broken = [outcome for outcome in played.outcomes if isinstance(outcome, Exception)]
    found.refusals += sum(isinstance(outcome, Refusal) for outcome in broken)
    for outcome in broken:
        if not isinstance(outcome, Refusal):
            _tell(found, repr(outcome), played.told())
    try:
        await act.check(played.outcomes)
    except AssertionError as broken_promise:
        _tell(found, str(broken_promise), played.told())
    return played


def _others(played: Played, known: int, preemptions: int | None) -> list[tuple[int, ...]]:
    """List the orders that leave this one at a choice that nobody has decided yet."""
    others: list[tuple[int, ...]] = []
    choices, stopped = played.choices, 0
    for index, decision in enumerate(played.decisions):
        if index >= known:
            for other in decision.ready:
                is_allowed = preemptions is None or stopped + decision.is_preemption(other) <= preemptions
                if other != decision.chosen and is_allowed:
                    others.append((*choices[:index], other))
        stopped += decision.is_preemption(decision.chosen)
    return others


async def _audit(house: Engine, played_in: dict[str, str], found: Enumerated) -> None:
    """Hold every organization since the last time against everything that must hold."""
    if not played_in:
        return
    for sentence, rows in (await violations(house.database)).items():
        for organization_id, *rest in rows:
            if str(organization_id) in played_in:
                _tell(found, f"not true: {sentence}", f"{played_in[str(organization_id)]}: {rest}")
    async with house.database.read() as tx:
        rows = await fetch_all(tx, _CHAINS, {"organization_ids": list(played_in)})
    for (organization_id,) in rows:
        _tell(found, "an audit log has a gap", played_in[organization_id])
    played_in.clear()


_CHAINS: Final = """
    SELECT h.organization_id FROM audit_head h
    LEFT JOIN audit_batch b ON b.organization_id = h.organization_id
    WHERE h.organization_id = ANY (%(organization_ids)s::uuid[])
    GROUP BY h.organization_id, h.number, h.entries, h.hash
    HAVING h.number <> count(b.number) OR h.entries <> coalesce(sum(b.entries), 0)
        OR h.number <> coalesce(max(b.number), 0)
        OR (h.number > 0 AND h.hash <> (array_agg(b.hash ORDER BY b.number DESC))[1])
"""


def _tell(found: Enumerated, what: str, where: str) -> None:
    """Add a violation; of each kind the first few are enough."""
    found.told[what] += 1
    if found.told[what] <= _MOST_TOLD:
        found.violations.append(f"{what} in {where}")


def _in_a_word(outcome: object) -> str:
    status = getattr(outcome, "status", None)
    if isinstance(outcome, list):
        return "+".join(_in_a_word(each) for each in outcome)
    return type(outcome).__name__ if status is None or isinstance(outcome, Exception) else f"{status}"
