"""Clocks and schedules of a small world: set its time, move it forward, and read when its rules ran."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway.domain.clocks import Clock
from sluiceway.domain.executions import Execution
from sluiceway.services.clock import advance
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import set_clock
from tests.support import World


def utc(written: str) -> datetime:
    """Read an instant, written without its zone, as UTC."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def shown(moment: datetime | None) -> str | None:
    """Write an instant as UTC, to the minute."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


async def stop_clock(world: World, at: str) -> None:
    """Set the world's clock to an instant and let it stand there, whatever lies between."""
    await _set(world, Clock(frozen_at=utc(at)))


async def run_clock(world: World, at: str) -> None:
    """Set the world's clock to an instant and let it run on from there, whatever lies between."""
    await _set(world, Clock(offset=utc(at) - world.engine.now()))


async def _set(world: World, clock: Clock) -> None:
    async def work(tx: WriteTx) -> None:
        await set_clock(tx, world.organization_id, clock)

    await world.engine.database.write(work)


async def go_to(world: World, at: str) -> None:
    """Move the world's clock forward, doing everything that is due on the way."""
    await advance(world.engine, world.organization_id, utc(at))


def scheduled(
    kind: str, start: str, *actions: dict[str, Any], zone: str = "UTC", steps: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Write a rule that runs on a schedule."""
    trigger = {"type": "SCHEDULED", "account_id": None, "schedule_type": kind, "start": start, "zone": zone}
    return {"name": None, "trigger": trigger, "steps": [*steps] or [{"conditions": None, "actions": list(actions)}]}


def runs(executions: Sequence[Execution]) -> list[str | None]:
    """Tell which occurrences executions stand for."""
    return [shown(each.scheduled_for) for each in executions]


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.002)
