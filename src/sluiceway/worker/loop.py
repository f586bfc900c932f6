"""The worker's loops: take what is due, do it, look again; sleep only when there was nothing.

Settlement has a loop of its own, so that a bank or a remote service that answers slowly never holds it up. As long as
it goes round, another one says so in the database.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from sluiceway.domain.ids import OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.errands import ERRANDS, Errand
from sluiceway.services.readiness import BEAT_EVERY_S
from sluiceway.services.settlement import BATCH, settle, waiting_organizations
from sluiceway.storage.database import DatabaseUnavailable, Locked
from sluiceway.storage.health import beat, forget_workers

POLL_S: Final = 0.05
"""How long an idle worker sleeps: work that it got no hint of waits at most this long."""

REST_S: Final = 0.03
"""How long a worker rests at most after a batch that was not full, and never longer than that took: what is admitted
meanwhile makes the next one larger. Without, a busy server settles a few executions at a time, at a third more each."""

ERRAND_POLL_S: Final = 0.25
"""As much for what banks, clocks and remote services wait for: nobody waits for it with a connection open."""
ERRANDS_AT_ONCE: Final = 8

GOODBYE_S: Final = 3.0
"""How long an errand may go on when the worker is stopped. What is cut off is done again once its lease has ended."""

AFTER_FAILURE_S: Final = 1.0

STUCK_AFTER_S: Final = 60.0
"""After how long a settlement counts as stuck, which may take half as long; then this worker is silent."""

SET_ASIDE: Final = timedelta(minutes=1)
"""How long an organization waits whose settlement breaks a promise of ours: its money stands still, others' moves."""

WHILE_LOCKED: Final = timedelta(seconds=5)
"""How long an organization waits of which somebody outside keeps an account locked."""

log = structlog.get_logger()


class Worker:
    """One worker of this process. `wake` hurries it; `run` goes on until `stop`."""

    def __init__(self, engine: Engine) -> None:
        """Work for an engine; nothing runs before `run`."""
        self._engine = engine
        self._hint = asyncio.Event()
        self._stopped = asyncio.Event()
        self._set_aside: dict[OrganizationId, float] = {}
        self._turns: dict[OrganizationId, float] = {}
        """When those that wait were last the first of their batch, which has more of it than the others."""
        self._went_round_at = 0.0

    def wake(self) -> None:
        """Say that something may be due."""
        self._hint.set()

    def stop(self) -> None:
        """End after the batch at hand; a bank or service that takes long over its answer is not waited for."""
        self._stopped.set()
        self._hint.set()

    async def run(self) -> None:
        """Do what is due until `stop`. A failure is logged and tried again: what is due stays due."""
        self._went_round_at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._settle_forever())
            loops.create_task(self._beat_forever())
            for errand in ERRANDS:
                loops.create_task(_ErrandLoop(self._engine, errand, self._stopped).run())

    async def _settle_forever(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._stopped.is_set():
            self._hint.clear()
            began = clock()
            try:
                settled = await self._settle()
            except Exception:
                log.exception("settlement_failed")
                # Not a sleep that a hint ends: under load there is always a hint, and this would spin.
                await _pause(self._stopped, AFTER_FAILURE_S)
                continue
            if not settled:
                await self._sleep(POLL_S)
            elif settled < BATCH:
                await _pause(self._stopped, min(clock() - began, REST_S))

    async def _beat_forever(self) -> None:
        """Say that this worker settles, for as long as it does; at its end, that it has ended."""
        clock, worker_id = asyncio.get_running_loop().time, self._engine.new_id()
        while not self._stopped.is_set():
            try:
                if clock() - self._went_round_at < STUCK_AFTER_S:
                    async with self._engine.database.read() as tx:
                        await beat(tx, worker_id)
                await _pause(self._stopped, BEAT_EVERY_S)
            except Exception:
                log.exception("heartbeat_failed")
                # Servers say that nobody settles until it is heard of again.
                await _pause(self._stopped, AFTER_FAILURE_S)
        try:
            async with self._engine.database.read() as tx:
                await forget_workers(tx, worker_id)
        except Exception as failure:  # noqa: BLE001 -- it is forgotten all the same, a little later
            log.warning("heartbeat_failed", reason=str(failure))

    async def _settle(self) -> int:
        # By the loop's clock, which nobody sets back: an organization must not stand still for longer than was said.
        now = asyncio.get_running_loop().time()
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > now}
        waiting = [key for key in await waiting_organizations(self._engine) if key not in self._set_aside]
        self._turns = {key: self._turns.get(key, 0) for key in waiting}
        waiting.sort(key=self._turns.__getitem__)
        at_once = self._engine.database.options.organizations_at_once or len(waiting)
        settled = 0
        for start in range(0, len(waiting), max(at_once, 1)):
            if self._stopped.is_set():
                break
            chosen = waiting[start : start + at_once]
            began = self._turns[chosen[0]] = asyncio.get_running_loop().time()
            count = await self._settle_together(chosen)
            self._went_round_at = asyncio.get_running_loop().time()
            if count:
                self._engine.tally.batch("executions", count, self._went_round_at - began)
            settled += count
        self._went_round_at = asyncio.get_running_loop().time()
        return settled

    async def _settle_together(self, chosen: list[OrganizationId]) -> int:
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


class _ErrandLoop:
    """Does one kind of work, for several organizations at once; where it fails, later again.

    Whoever is done makes room for the next one, so that a slow service of one organization delays no other.
    """

    def __init__(self, engine: Engine, errand: Errand, stopped: asyncio.Event) -> None:
        """Work for an engine until `stopped` is set."""
        self._engine = engine
        self._errand = errand
        self._stopped = stopped
        self._running: dict[OrganizationId, asyncio.Task[int]] = {}
        self._set_aside: dict[OrganizationId, float] = {}
        self._turns: dict[OrganizationId, float] = {}
        """When those that wait had their last turn."""

    async def run(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    await self._start()
                    pause_s = await self._finish()
                except Exception:
                    log.exception("errand_failed", errand=self._errand.name)
                    pause_s = AFTER_FAILURE_S
                if pause_s:
                    await _pause(self._stopped, pause_s)
            if self._running:
                await asyncio.wait(self._running.values(), timeout=GOODBYE_S)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _start(self) -> None:
        """Begin with those that wait, as far as there is room; whoever has waited longest for a turn first."""
        waiting = await self._errand.waiting(self._engine)
        now = asyncio.get_running_loop().time()
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > now}
        self._turns = {key: self._turns.get(key, 0) for key in {*waiting, *self._running}}
        free = [key for key in waiting if key not in self._set_aside and key not in self._running]
        at_once = self._errand.at_once or ERRANDS_AT_ONCE
        for key in sorted(free, key=self._turns.__getitem__)[: at_once - len(self._running)]:
            self._turns[key] = now
            self._running[key] = asyncio.create_task(self._run(key))

    async def _finish(self) -> float:
        """Wait until one has ended, or it is time to look again; tell how long to sleep."""
        idle_s = self._errand.poll_s or ERRAND_POLL_S
        if not self._running:
            return idle_s
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait(
                {*self._running.values(), stopping}, timeout=ERRAND_POLL_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopping.cancel()
        done = [self._running.pop(key) for key, task in list(self._running.items()) if task.done()]
        ended = await asyncio.gather(*done, return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure
        # Where there was something to do, there may be more.
        return idle_s if done and not any(ended) else 0

    async def _run(self, organization_id: OrganizationId) -> int:
        try:
            return await self._errand.run(self._engine, organization_id)
        except Exception as failure:
            if _is_everybodys(failure):
                raise
            wait = WHILE_LOCKED if isinstance(failure, Locked) else SET_ASIDE
            log.exception("errand_failed", errand=self._errand.name, organization_id=organization_id)
            self._set_aside[organization_id] = asyncio.get_running_loop().time() + wait.total_seconds()
            return 0


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than until the worker is stopped."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return


def _is_everybodys(failure: Exception) -> bool:
    """Tell a database that is not there from what goes wrong in one organization."""
    return isinstance(failure, DatabaseUnavailable) and not isinstance(failure, Locked)
