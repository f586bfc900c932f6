"""The worker's loop: take what is due, settle it, look again; sleep only when there was nothing."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from sluiceway.domain.ids import OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.settlement import settle, waiting_organizations
from sluiceway.storage.database import DatabaseUnavailable, Locked

POLL_S: Final = 0.05
"""How long an idle worker sleeps: work that another process admitted waits at most this long."""

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
        """Settle what is due until `stop`. A failure is logged and tried again: what is due stays due."""
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
