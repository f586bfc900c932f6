"""A sandbox organization's clock: freeze it, let it run on, move it forward past everything that is due in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.audit import Act
from sluiceway.domain.clocks import Clock
from sluiceway.domain.errors import ClockRefused, SandboxOnly
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.errands import work_off
from sluiceway.services.holding import refuse_while_held
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.organizations import Organization, find_organizations, lock_organization, set_clock
from sluiceway.storage.schedules import is_unfinished, next_due

BUSY_S: Final = 0.02
"""How long to wait for somebody else who is at something that is due."""
LAST_YEAR: Final = 9000
"""Schedules and banks need room to look ahead, so a clock stops well before the calendar's end."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """An organization's time, and whether it stands still. `stops` is at how many instants an advance had work."""

    now: datetime
    is_frozen: bool
    stops: int = 0


class _Move(NamedTuple):
    """How far a clock was moved: to an instant at which something is due, to the end, or not at all."""

    stop: datetime | None
    is_there: bool


async def read_clock(engine: Engine, organization_id: OrganizationId) -> ClockState:
    """Tell an organization's time."""
    organization = await _find(engine, organization_id)
    return ClockState(organization.clock.read(engine.now()), organization.clock.is_frozen)


async def freeze(engine: Engine, organization_id: OrganizationId, *, act: Act | None = None) -> ClockState:
    """Stop the clock where it is. Raises SandboxOnly."""
    return await _set(engine, organization_id, lambda now, _: Clock(frozen_at=now), act)


async def resume(engine: Engine, organization_id: OrganizationId, *, act: Act | None = None) -> ClockState:
    """Let the clock run on from where it is. Raises SandboxOnly."""
    return await _set(engine, organization_id, lambda now, real: Clock(offset=now - real), act)


async def advance(
    engine: Engine,
    organization_id: OrganizationId,
    to: datetime,
    watch: Callable[[datetime], None] | None = None,
    *,
    act: Act | None = None,
) -> ClockState:
    """Move the clock forward, stopping wherever something is due and doing all of it before going on.

    A clock that ran runs on afterwards; if this is interrupted, it stands still where it had come to. `watch` is told
    of every stop before its work is done. `act` is recorded at once, as this may be broken off on the way; None:
    whoever calls records it. Raises SandboxOnly, HeldAfterRestore, and ClockRefused for a time in the past or too far
    ahead.
    """
    organization = await _find(engine, organization_id)
    refuse_while_held([organization])
    was_frozen = organization.clock.is_frozen
    now = organization.clock.read(engine.now())
    if to < now:
        raise ClockRefused("the clock never goes back")
    if to.year > LAST_YEAR:
        raise ClockRefused(f"the clock goes no further than the year {LAST_YEAR}")
    await freeze(engine, organization_id, act=act)
    stops = await _work_off(engine, organization_id)
    while not (move := await _move_on(engine, organization_id, to)).is_there:
        if watch is not None and move.stop is not None:
            watch(move.stop)
        stops += await _work_off(engine, organization_id)
    state = await read_clock(engine, organization_id) if was_frozen else await resume(engine, organization_id)
    return ClockState(state.now, state.is_frozen, stops)


async def _work_off(engine: Engine, organization_id: OrganizationId) -> int:
    """Do everything that is due by now, with the workers' help or without; tell whether there was anything (1 or 0)."""
    had_work = 0
    while True:
        if await work_off(engine, organization_id):
            had_work = 1
        elif await _is_busy(engine, organization_id):
            await asyncio.sleep(BUSY_S)
        else:
            return had_work


async def _is_busy(engine: Engine, organization_id: OrganizationId) -> bool:
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        return await _is_anything_due(engine, tx, organization)


async def _is_anything_due(engine: Engine, tx: ReadTx, organization: Organization) -> bool:
    now = engine.now()
    is_paused = organization.paused_at is not None
    return await is_unfinished(tx, organization.id, at=organization.clock.read(now), now=now, is_paused=is_paused)


async def _move_on(engine: Engine, organization_id: OrganizationId, to: datetime) -> _Move:
    """Move the clock to the next instant at which something is due, or to where it shall go.

    In one turn inside the gate: somebody else may be moving it too, and what they have reached is not done yet.
    """

    async def work(tx: WriteTx) -> _Move:
        organization = await lock_organization(tx, organization_id)
        if await _is_anything_due(engine, tx, organization):
            return _Move(None, is_there=False)
        now = organization.clock.read(engine.now())
        found = await next_due(tx, organization_id, now, is_paused=organization.paused_at is not None)
        stop = None if found is None or found > to else found
        # Somebody else may have moved it further: it never goes back.
        await set_clock(tx, organization_id, Clock(frozen_at=max(now, stop or to)))
        return _Move(stop, is_there=stop is None)

    return await engine.database.write(work)


async def _set(
    engine: Engine, organization_id: OrganizationId, change: Callable[[datetime, datetime], Clock], act: Act | None
) -> ClockState:
    async def work(tx: WriteTx) -> ClockState:
        organization = await lock_organization(tx, organization_id)
        if not organization.is_sandbox:
            raise SandboxOnly
        real = engine.now()
        now = organization.clock.read(real)
        clock = change(now, real)
        await set_clock(tx, organization_id, clock)
        return ClockState(now, clock.is_frozen)

    return await do(engine, act, work)


async def _find(engine: Engine, organization_id: OrganizationId) -> Organization:
    async with engine.database.read() as tx:
        return (await find_organizations(tx, [organization_id]))[organization_id]
