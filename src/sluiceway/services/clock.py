"""A sandbox organization's clock: freeze it, let it run on, move it forward past everything that is due in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sluiceway.domain.clocks import Clock
from sluiceway.domain.errors import ClockRefused, SandboxOnly
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.errands import work_off
from sluiceway.storage.database import WriteTx
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


async def read_clock(engine: Engine, organization_id: OrganizationId) -> ClockState:
    """Tell an organization's time."""
    organization = await _find(engine, organization_id)
    return ClockState(organization.clock.read(engine.now()), organization.clock.is_frozen)


async def freeze(engine: Engine, organization_id: OrganizationId) -> ClockState:
    """Stop the clock where it is. Raises SandboxOnly."""
    return await _set(engine, organization_id, lambda now, _: Clock(frozen_at=now))


async def resume(engine: Engine, organization_id: OrganizationId) -> ClockState:
    """Let the clock run on from where it is. Raises SandboxOnly."""
    return await _set(engine, organization_id, lambda now, real: Clock(offset=now - real))


async def advance(
    engine: Engine,
    organization_id: OrganizationId,
    to: datetime,
    watch: Callable[[datetime], None] | None = None,
) -> ClockState:
    """Move the clock forward, stopping wherever something is due and doing all of it before going on.

    A clock that ran runs on afterwards; if this is interrupted, it stands still where it had come to. `watch` is told
    of every stop before its work is done. Raises SandboxOnly, and ClockRefused for a time in the past or too far ahead.
    """
    organization = await _find(engine, organization_id)
    was_frozen = organization.clock.is_frozen
    now = organization.clock.read(engine.now())
    if to < now:
        raise ClockRefused("the clock never goes back")
    if to.year > LAST_YEAR:
        raise ClockRefused(f"the clock goes no further than the year {LAST_YEAR}")
    await freeze(engine, organization_id)
    stops = await _work_off(engine, organization_id)
    while (following := await _next(engine, organization_id, to)) is not None:
        await _move(engine, organization_id, following)
        if watch is not None:
            watch(following)
        stops += await _work_off(engine, organization_id)
    await _move(engine, organization_id, to)
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
        now = engine.now()
        is_paused = organization.paused_at is not None
        return await is_unfinished(tx, organization_id, at=organization.clock.read(now), now=now, is_paused=is_paused)


async def _next(engine: Engine, organization_id: OrganizationId, to: datetime) -> datetime | None:
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        now = organization.clock.read(engine.now())
        found = await next_due(tx, organization_id, now, is_paused=organization.paused_at is not None)
    return None if found is None or found > to else found


async def _move(engine: Engine, organization_id: OrganizationId, to: datetime) -> None:
    """Set a clock that stands still. Somebody else may have moved it further: it never goes back."""

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        now = organization.clock.read(engine.now())
        await set_clock(tx, organization_id, Clock(frozen_at=max(now, to)))

    await engine.database.write(work)


async def _set(
    engine: Engine, organization_id: OrganizationId, change: Callable[[datetime, datetime], Clock]
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

    return await engine.database.write(work)


async def _find(engine: Engine, organization_id: OrganizationId) -> Organization:
    async with engine.database.read() as tx:
        return (await find_organizations(tx, [organization_id]))[organization_id]
