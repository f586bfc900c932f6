"""What has been accepted and is not settled yet: a queue in the database, which has an end as well.

Accepting is cheaper than settling. Without an end, a minute of too many calls would be followed by minutes in which
whatever is asked for happens late.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from sluiceway.domain.ids import OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.queues import Overloaded
from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.storage.executions import count_due

MOST_DUE: Final = 30_000
"""How many executions may be due before calls that make more of them are refused: some ten seconds' work."""
LOOK_AFTER: Final = 1000
"""After how many such calls the database is asked how much is due. Whoever calls less costs no look."""
CALLING_MUCH: Final = 10
"""Looked at is who has made at least a tenth of them."""
PAUSE_S: Final = 0.5


class Backlog:
    """How much is due, as this process has last seen it, of those who call much. Each of them has an equal share."""

    def __init__(self, engine: Engine, most: int = MOST_DUE, look_after: int = LOOK_AFTER) -> None:
        """Begin as if nothing were due."""
        self._engine = engine
        self._most = most
        self._look_after = look_after
        self._due: dict[OrganizationId, int] = {}
        self._calls: Counter[OrganizationId] = Counter()
        self._all_calls = 0
        self._looking: asyncio.Task[None] | None = None

    def add(self, organization_id: OrganizationId) -> None:
        """Let one more call make work for an organization. Raises Overloaded where too much of it is due already."""
        self._calls[organization_id] += 1
        self._all_calls += 1
        if self._looking is None and self._all_calls >= self._look_after:
            self._looking = asyncio.create_task(self._look())
        if self._is_full(organization_id):
            raise Overloaded("executions")

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _is_full(self, organization_id: OrganizationId) -> bool:
        due = self._due.get(organization_id, 0)
        return due >= max(1, self._most // max(1, len(self._due)))

    async def _look(self) -> None:
        """Look how much is due, and for as long as that is too much for some, look again."""
        try:
            while True:
                calls, self._calls, self._all_calls = self._calls, Counter(), 0
                much = {key for key, count in calls.items() if count >= self._look_after // CALLING_MUCH}
                with suppress(DatabaseUnavailable):
                    await self._count({*filter(self._is_full, self._due), *much})
                await asyncio.sleep(PAUSE_S)
                if not any(map(self._is_full, self._due)):
                    return
        finally:
            self._looking = None

    async def _count(self, organization_ids: Collection[OrganizationId]) -> None:
        now = self._engine.now()
        async with self._engine.database.read() as tx:
            counted = {key: await count_due(tx, key, now, self._most) for key in organization_ids}
        self._due = {key: count for key, count in counted.items() if count}
