"""The worker's loops: take what is due, do it, look again; sleep only when there was nothing.

Settlement has a loop of its own, so that a bank or a remote service that answers slowly never holds it up.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from sluiceway.domain.ids import OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.errands import ERRANDS, Errand
from sluiceway.services.settlement import settle, waiting_organizations
from sluiceway.storage.database import DatabaseUnavailable, Locked

POLL_S: Final = 0.05
"""How long an idle worker sleeps: work that another process admitted waits at most this long."""

ERRAND_POLL_S: Final = 0.25
"""As much for what banks, clocks and remote services wait for: nobody waits for it with a connection open."""
ERRANDS_AT_ONCE: Final = 8

AFTER_FAILURE_S: Final = 1.0

SET_ASIDE: Final = timedelta(minutes=1)
"""How long an organization waits whose settlement breaks a promise of ours: its money stands still, others' moves."""

WHILE_LOCKED: Final = timedelta(seconds=5)
"""How long an organization waits of which somebody outside keeps an account locked."""

log = structlog.get_logger()


class Worker:
    """One worker of this process. `wake` hurries it; `run` goes on until `stop`."""

    def __init__(self, engine: Engine, *, organizations_at_once: int | None = None) -> None:
        """Work for an engine; nothing runs before `run`."""
        self._engine = engine
        self._organizations_at_once = organizations_at_once
        self._hint = asyncio.Event()
        self._is_stopping = False
        self._set_aside: dict[OrganizationId, float] = {}

    def wake(self) -> None:
        """Say that something may be due."""
        self._hint.set()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._is_stopping = True
        self._hint.set()

    async def run(self) -> None:
        """Do what is due until `stop`. A failure is logged and tried again: what is due stays due."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._settle_forever())
            for errand in ERRANDS:
                loops.create_task(self._run_forever(errand))

    async def _run_forever(self, errand: Errand) -> None:
        """Do one kind of work, for several organizations at once; for those in which it fails, later again."""
        failed: dict[OrganizationId, float] = {}
        while not self._is_stopping:
            now = asyncio.get_running_loop().time()
            failed = {key: until for key, until in failed.items() if until > now}
            try:
                waiting = [key for key in await errand.waiting(self._engine) if key not in failed]
                runs = [self._run_errand(errand, key, failed) for key in waiting[:ERRANDS_AT_ONCE]]
                done = sum(await asyncio.gather(*runs))
            except Exception:
                log.exception("errand_failed", errand=errand.name)
                await asyncio.sleep(AFTER_FAILURE_S)
                continue
            if not done:
                await asyncio.sleep(ERRAND_POLL_S)

    async def _run_errand(
        self, errand: Errand, organization_id: OrganizationId, failed: dict[OrganizationId, float]
    ) -> int:
        try:
            return await errand.run(self._engine, organization_id)
        except Exception as failure:
            if _is_everybodys(failure):
                raise
            wait = WHILE_LOCKED if isinstance(failure, Locked) else SET_ASIDE
            log.exception("errand_failed", errand=errand.name, organization_id=organization_id)
            failed[organization_id] = asyncio.get_running_loop().time() + wait.total_seconds()
            return 0

    async def _settle_forever(self) -> None:
        while not self._is_stopping:
            self._hint.clear()
            try:
                settled = await self._settle()
            except Exception:
                log.exception("settlement_failed")
                # Not a sleep that a hint ends: under load there is always a hint, and this would spin.
                await asyncio.sleep(AFTER_FAILURE_S)
                continue
            if not settled:
                await self._sleep(POLL_S)

    async def _settle(self) -> int:
        # By the loop's clock, which nobody sets back: an organization must not stand still for longer than was said.
        now = asyncio.get_running_loop().time()
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > now}
        waiting = [key for key in await waiting_organizations(self._engine) if key not in self._set_aside]
        chosen = waiting[: self._organizations_at_once]
        if len(chosen) > 1:
            try:
                return await settle(self._engine, chosen)
            except Exception as failure:
                if _is_everybodys(failure):
                    raise
                log.exception("settlement_failed", organizations=len(chosen))
        return sum([await self._settle_alone(organization_id) for organization_id in chosen])

    async def _settle_alone(self, organization_id: OrganizationId) -> int:
        """Settle one organization, so that a broken promise or a locked account in it stops it alone."""
        try:
            return await settle(self._engine, [organization_id])
        except Exception as failure:
            if _is_everybodys(failure):
                raise
            log.exception("settlement_failed", organizations=1)
            self._put_aside(organization_id, WHILE_LOCKED if isinstance(failure, Locked) else SET_ASIDE)
            return 0

    def _put_aside(self, organization_id: OrganizationId, wait: timedelta) -> None:
        log.error("organization_set_aside", organization_id=organization_id, for_s=wait.total_seconds())
        self._set_aside[organization_id] = asyncio.get_running_loop().time() + wait.total_seconds()

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._hint.wait(), seconds)
        except TimeoutError:
            return


def _is_everybodys(failure: Exception) -> bool:
    """Tell a database that is not there from what goes wrong in one organization."""
    return isinstance(failure, DatabaseUnavailable) and not isinstance(failure, Locked)
