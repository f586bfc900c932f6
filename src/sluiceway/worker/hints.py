"""Hints between processes: who admits work tells the workers, so that a single caller does not wait for their poll."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sluiceway.storage.database import Database, DatabaseUnavailable
from sluiceway.storage.hints import give_hint

AT_MOST_EVERY_S: Final = 0.05
"""Under load there is always work, and a worker that is at it needs no hint. A hundred a second cost a tenth of it."""
LISTEN_AGAIN_S: Final = 5.0


class Crier:
    """Tells workers elsewhere that something may be due."""

    def __init__(self, database: Database) -> None:
        """Tell those who listen at this database; nothing is said before `run`."""
        self._database = database
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Tell them soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Tell them whenever it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            with suppress(DatabaseUnavailable):
                async with self._database.read() as tx:
                    await give_hint(tx)
            await asyncio.sleep(AT_MOST_EVERY_S)


async def hear(database: Database, wake: Callable[[], None]) -> None:
    """Pass hints on to a worker until cancelled. While nobody can be heard, it goes by its poll."""
    while True:
        with suppress(DatabaseUnavailable):
            async for _ in database.hints():
                wake()
        await asyncio.sleep(LISTEN_AGAIN_S)
