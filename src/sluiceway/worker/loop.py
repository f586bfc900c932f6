"""The worker's loop: take what is due, settle it, look again; sleep only when there was nothing."""

import asyncio
from typing import Final

import structlog

from sluiceway.services.engine import Engine
from sluiceway.services.settlement import settle_due

POLL_S: Final = 0.05
"""How long an idle worker sleeps: work that another process admitted waits at most this long."""

AFTER_FAILURE_S: Final = 1.0

log = structlog.get_logger()


class Worker:
    """One worker of this process. `wake` hurries it; `run` goes on until `stop`."""

    def __init__(self, engine: Engine, *, organizations_at_once: int | None = None) -> None:
        """Work for an engine; nothing runs before `run`."""
        self._engine = engine
        self._organizations_at_once = organizations_at_once
        self._hint = asyncio.Event()
        self._is_stopping = False

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
                settled = await settle_due(self._engine, organizations_at_once=self._organizations_at_once)
            except Exception:
                log.exception("settlement_failed")
                await self._sleep(AFTER_FAILURE_S)
                continue
            if not settled:
                await self._sleep(POLL_S)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._hint.wait(), seconds)
        except TimeoutError:
            return
