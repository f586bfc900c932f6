"""Checks and makes passwords beside the event loop, a few at a time: each takes 50 ms and 64 MiB, on purpose."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.services.engine import Engine
from sluiceway.services.queues import Overloaded

SHORTEST: Final = 10
LONGEST: Final = 200
AT_ONCE: Final = 2
MOST_WAITING: Final = 20

T = TypeVar("T")


class Passwords:
    """The passwords of one process. Whoever finds too many waiting is refused, or signing in could starve the rest."""

    def __init__(self, engine: Engine) -> None:
        """Start with nobody waiting."""
        self._engine = engine
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys: str | None = None

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """Check a password against a hash; None, for nobody, takes as long and is always wrong. Raises Overloaded."""
        if password_hash is None:
            if self._nobodys is None:
                self._nobodys = await self.hash("nobody has this one")
            await self._beside(lambda: self._engine.verify_password(self._nobodys or "", password))
            return False
        return await self._beside(lambda: self._engine.verify_password(password_hash, password))

    async def hash(self, password: str) -> str:
        """Hash a password for keeping. Raises Overloaded."""
        return await self._beside(lambda: self._engine.hash_password(password))

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Overloaded("sign-ins")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def require_good(password: str, path: str = "password") -> None:
    """Refuse a new password that is too short or longer than anybody types. Raises InvalidParameters."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidParameters((Problem(path, f"must have {SHORTEST} to {LONGEST} characters"),))
