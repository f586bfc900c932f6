"""Checks and makes passwords beside the event loop, one at a time: each takes 50 ms and 64 MiB, on purpose.

In a thread of its own, which the system gives the processor after everybody else, or whoever guesses passwords as fast
as they can would take both cores from all who have a key. A hash makes threads too, which are as patient as theirs.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from sluiceway.services.engine import Engine
from sluiceway.services.new_passwords import require_good
from sluiceway.services.queues import Overloaded

MOST_WAITING: Final = 8
"""Whoever comes when so many wait is told to come back: they would wait for seconds."""
PATIENCE: Final = 5
"""How much nicer its thread is than the others: it has a third of what one of theirs has, where all have work."""

T = TypeVar("T")


class Passwords:
    """The passwords of one process. Whoever finds too many waiting is refused, or signing in could starve the rest."""

    def __init__(self, engine: Engine) -> None:
        """Start with nobody waiting."""
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "passwords", initializer=_stand_back)
        self._waiting = 0
        self._nobodys: str | None = None

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """Check a password against a hash; None, for nobody, takes as long and is always wrong. Raises Overloaded."""
        if password_hash is None:
            if self._nobodys is None:
                self._nobodys = await self._beside(lambda: self._engine.hash_password("nobody has this one"))
            await self._beside(lambda: self._engine.verify_password(self._nobodys or "", password))
            return False
        return await self._beside(lambda: self._engine.verify_password(password_hash, password))

    async def hash_new(self, password: str, *names: str) -> str:
        """Hash somebody's new password for keeping; `names` are those that it must not consist of.

        Raises Overloaded, and InvalidParameters for one that is easily guessed.
        """

        def work() -> str:
            require_good(password, *names)
            return self._engine.hash_password(password)

        return await self._beside(work)

    def close(self) -> None:
        """End the thread, once it is done with what it is at."""
        self._thread.shutdown(wait=False)

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Overloaded("sign-ins")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _stand_back() -> None:
    # Where threads have no priority of their own, or it may not be changed, they have the same.
    with suppress(AttributeError, OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + PATIENCE))
