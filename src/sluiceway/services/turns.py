"""Turns: so many calls are worked on at once, and who else asks waits, each owner as long as any other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sluiceway.services.queues import FairQueue

Result = TypeVar("Result")


class Turns:
    """Lets few in at a time, so that everybody's reading leaves connections to the database for everything else."""

    def __init__(self, at_once: int, waiting: FairQueue[asyncio.Future[None]]) -> None:
        """Let `at_once` calls in at once; the others are `waiting`."""
        self._waiting = waiting
        self._free = at_once
        self._at_once = at_once

    async def run(self, owner: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do something in its turn. Raises Overloaded where that would be too late."""
        clock = asyncio.get_running_loop().time
        if self._free:
            self._free -= 1
        else:
            await self._wait(owner)
        is_pressed, began = self._waiting.is_pressed(), clock()
        try:
            return await work()
        finally:
            self._pass_on()
            if is_pressed:
                self._waiting.measure(self._at_once, clock() - began)

    async def _wait(self, owner: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(owner, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It came just as the caller left.
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give a turn to who waits for one, or keep it for the next who asks."""
        while self._waiting:
            [turn] = self._waiting.take(1)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
