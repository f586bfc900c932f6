"""Forgets what need not be kept for ever, a little at a time, by the real time. What moved money always stays."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.domain.webhooks import KEPT
from sluiceway.services.engine import Engine
from sluiceway.storage import retention as stored
from sluiceway.storage.database import WriteTx

BATCH: Final = 500
"""How many rows one statement deletes, so that nobody waits for a large one."""
MOST_BATCHES: Final = 200
"""How many of one kind before it is another kind's turn, and another organization's."""
REST: Final = 2
"""How many times as long as a statement took to rest after it: whatever there is to forget, calls hardly notice."""
BUCKETS_KEPT: Final = timedelta(hours=1)
"""How long after its end a credential's calls stay counted: far longer than a batch of calls that still had it live."""

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
Place = TypeVar("Place", str, datetime)


async def forgetful_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with something that need not be kept any longer."""
    now, kept = engine.now(), engine.retention
    async with engine.database.read() as tx:
        found = {
            *await stored.organizations_with_old_events(tx, now - KEPT),
            *await stored.organizations_with_old_deliveries(tx, now - KEPT),
            *await stored.organizations_with_old_answers(tx, now - kept.answers),
            *await stored.organizations_with_old_simulations(tx, now - kept.simulations),
            *await stored.organizations_with_old_reads(tx, now - kept.reads),
            *await stored.organizations_with_useless_buckets(tx, now - BUCKETS_KEPT),
        }
    return sorted(found)


async def forget(engine: Engine, organization_id: OrganizationId) -> int:
    """Forget some of each kind in one organization, each statement in a transaction of its own; return how much."""
    now, kept = engine.now(), engine.retention
    answers, simulations, reads = now - kept.answers, now - kept.simulations, now - kept.reads

    async def events(place: str, tx: WriteTx) -> list[str]:
        return await stored.forget_events(tx, organization_id, place, now - KEPT, BATCH)

    async def deliveries(place: str, tx: WriteTx) -> list[str]:
        return await stored.forget_deliveries(tx, organization_id, place, now - KEPT, BATCH)

    async def given(place: datetime, tx: WriteTx) -> list[datetime]:
        return await stored.forget_answers(tx, organization_id, place, answers, BATCH)

    steps: tuple[Callable[[WriteTx], Awaitable[int]], ...] = (
        lambda tx: stored.strip_simulated_runs(tx, organization_id, simulations, BATCH),
        lambda tx: stored.forget_simulated_transfers(tx, organization_id, simulations, BATCH),
        lambda tx: stored.cut_reads(tx, organization_id, reads, now, BATCH),
        lambda tx: stored.forget_buckets(tx, organization_id, now - BUCKETS_KEPT),
    )
    count = await _walk(engine, least_id(_FIRST), events)
    count += await _walk(engine, least_id(_FIRST), deliveries)
    count += await _walk(engine, _FIRST, given)
    return count + sum([await _gently(engine, step) for step in steps])


async def _walk(engine: Engine, place: Place, step: Callable[[Place, WriteTx], Awaitable[list[Place]]]) -> int:
    """Forget from a place on, each time from where it ended: not once more over all that has gone already."""
    count = 0
    for _ in range(MOST_BATCHES):
        gone = await _gently(engine, partial(step, place))
        count += len(gone)
        if len(gone) < BATCH:
            break
        place = max(gone)
    return count


async def _gently(engine: Engine, step: Callable[[WriteTx], Awaitable[T]]) -> T:
    """Take a step, and rest after it."""
    clock = asyncio.get_running_loop().time
    began = clock()
    result = await engine.database.write(step)
    await asyncio.sleep(REST * (clock() - began))
    return result
