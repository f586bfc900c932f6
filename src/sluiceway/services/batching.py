"""Group commit: calls that arrive while a batch is under way form the next one. Nobody waits for a batch to fill."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from sluiceway.domain.errors import Refusal
from sluiceway.storage.database import DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Turns single calls into batches for a function that takes one batch at a time.

    `run` returns a result or a Refusal for each item, in order. A caller that is cancelled leaves its item behind:
    the work is the batcher's own task, so a client that hangs up never cuts off a statement.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Refusal]]],
        *,
        limit: int = 500,
        lanes: int = 1,
        group_of: Callable[[Item], Hashable] = lambda _: None,
        groups_at_once: int | None = None,
    ) -> None:
        """Run at most `lanes` batches at once, each of at most `limit` items of at most `groups_at_once` groups."""
        self._run = run
        self._limit = limit
        self._lanes = lanes
        self._group_of = group_of
        self._groups_at_once = groups_at_once
        self._waiting: deque[tuple[Item, asyncio.Future[Result | Refusal]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._busy_lanes = 0

    async def submit(self, item: Item) -> Result:
        """Give one item to the next batch and wait for its result. Raises the item's Refusal."""
        future: asyncio.Future[Result | Refusal] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._busy_lanes < self._lanes:
            self._busy_lanes += 1
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        result = await future
        if isinstance(result, Refusal):
            raise result
        return result

    async def close(self) -> None:
        """Wait until everything that was submitted is answered."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._run_batch(self._next_batch())
        finally:
            # Here and not when the task is done: an answered caller runs before that, and may submit again.
            self._busy_lanes -= 1

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Result | Refusal]]]:
        """Take the first that wait. Those of further groups keep their places for the next batch."""
        batch: list[tuple[Item, asyncio.Future[Result | Refusal]]] = []
        passed: list[tuple[Item, asyncio.Future[Result | Refusal]]] = []
        groups: set[Hashable] = set()
        while self._waiting and len(batch) < self._limit:
            waiting = self._waiting.popleft()
            group = self._group_of(waiting[0])
            if group in groups or self._groups_at_once is None or len(groups) < self._groups_at_once:
                groups.add(group)
                batch.append(waiting)
            else:
                passed.append(waiting)
        self._waiting.extendleft(reversed(passed))
        return batch

    async def _run_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Result | Refusal]]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except DatabaseUnavailable as failure:
            # The commit may have happened: only a caller with an idempotency key can find out by asking again.
            _fail(batch, failure)
            return
        except Exception as failure:  # noqa: BLE001 -- the failure belongs to the callers, who are waiting for it
            if len(batch) == 1:
                _fail(batch, failure)
                return
            # One bad item must not fail its neighbours; nothing was committed, so each is tried alone.
            for single in batch:
                await self._run_batch([single])
            return
        if len(results) != len(batch):
            # What was committed is unknown here too, and nobody must wait for an answer that never comes.
            _fail(batch, AssertionError("a batch answers every item"))
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


def _fail(
    batch: Sequence[tuple[Item, asyncio.Future[Result | Refusal]]],
    failure: Exception,
) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(failure)
