"""Whether this process is of use to whoever asks something of it, and if not, why.

However many ask, the database is asked once at a time and once a second; and however long it takes, they are told in
time that it does.
"""

import asyncio
from dataclasses import dataclass
from functools import cache
from logging import INFO, WARNING
from typing import Final

import structlog

from sluiceway.services.engine import Engine
from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.storage.health import Standing, is_anybody_held, standing
from sluiceway.storage.migrate import migrations

BEAT_EVERY_S: Final = 5.0
"""How often a worker says that it settles."""
RECENT_S: Final = 20.0
"""How long ago that may be."""
PATIENCE_S: Final = 1.5
"""How long whoever asks waits for the database; what they say is waited for two seconds, and longer by few."""
FRESH_S: Final = 1.0
"""How long an answer of the database's counts."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a process is not ready. It says nothing of where the database is: anybody may ask."""

    code: str
    message: str


LEAVING: Final = Reason("shutting_down", "This process ends.")
UNREACHABLE: Final = Reason("database_unreachable", "The database cannot be used.")
SILENT: Final = Reason("database_unreachable", f"The database has not answered within {PATIENCE_S} seconds.")
BEHIND: Final = Reason("migrations_missing", "The database has not been brought up to date for this program.")
NO_WORKER: Final = Reason(
    "no_worker", f"No worker has said within {RECENT_S:.0f} seconds that it settles: what is asked for will wait."
)


class Readiness:
    """Knows whether one process is ready."""

    def __init__(self, engine: Engine) -> None:
        """Know nothing before somebody asks."""
        self._engine = engine
        self.is_held = False
        """Whether the database was restored and is held, as far as is known: it answers, and moves nothing."""
        self._is_leaving = False
        self._look: asyncio.Task[Standing] | None = None
        self._looked_at = 0.0
        self._told: list[Reason] | None = None

    def leave(self) -> None:
        """Be ready no more: this process ends."""
        self._is_leaving = True

    async def reasons(self) -> list[Reason]:
        """List what speaks against this process; nothing: it is ready. Takes at most `PATIENCE_S`."""
        reasons = [LEAVING] if self._is_leaving else await self._found()
        if reasons != self._told:
            # Probes come every few seconds; what has not changed needs no second line.
            log.log(WARNING if reasons else INFO, "readiness", reasons=[reason.code for reason in reasons])
            self._told = reasons
        return reasons

    async def _found(self) -> list[Reason]:
        look = self._newest_look()
        await asyncio.wait([look], timeout=PATIENCE_S)
        if not look.done():
            return [SILENT]
        if (failure := look.exception()) is not None:
            if self._told != [UNREACHABLE]:
                log.warning("database_unreachable", reason=str(failure), exc_info=_unless_known(failure))
            return [UNREACHABLE]
        found = look.result()
        # One that is newer than this program is no reason: it has been brought up to date for whoever takes over.
        reasons = [] if _wanted() <= found.applied else [BEHIND]
        if found.beat_age_s is None or found.beat_age_s > RECENT_S:
            reasons.append(NO_WORKER)
        return reasons

    def _newest_look(self) -> asyncio.Task[Standing]:
        """Give the look that is under way, or a recent one, or begin one: it belongs to nobody who may hang up."""
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked_at > FRESH_S):
            self._look, self._looked_at = asyncio.create_task(self._ask()), now
            # Whoever has gone before it failed does not ask why.
            self._look.add_done_callback(lambda look: look.cancelled() or look.exception())
        return self._look

    async def _ask(self) -> Standing:
        async with self._engine.database.read() as tx:
            found = await standing(tx)
            self.is_held = _wanted() <= found.applied and await is_anybody_held(tx)
            return found

    async def close(self) -> None:
        """Give up what is under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])


@cache
def _wanted() -> frozenset[str]:
    return frozenset(migration.sha256 for migration in migrations())


def _unless_known(failure: BaseException) -> BaseException | None:
    return None if isinstance(failure, DatabaseUnavailable) else failure
