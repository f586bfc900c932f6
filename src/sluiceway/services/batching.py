"""Group commit: calls that arrive while a batch is under way form the next one. Nobody waits for a batch to fill.

Only what one owner wants beyond his share waits, for a few milliseconds, for others who were there a moment ago.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from sluiceway.domain.errors import Refusal
from sluiceway.services.queues import FairQueue
from sluiceway.services.tracing import NO_SPAN, Place, Span, current, here
from sluiceway.storage.database import DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
PAUSE_S: Final = 0.005
"""How long one owner's surplus waits for others to be back, who were there a moment ago."""

Waiting = tuple[Item, asyncio.Future[Result | Refusal], Place | None]
"""What waits, what it waits for, and the span that it is a part of."""


class Batcher(Generic[Item, Result]):
    """Turns single calls into batches for a function that takes one batch at a time.

    `run` returns a result or a Refusal for each item, in order. A caller that is cancelled leaves its item behind:
    the work is the batcher's own task, so a client that hangs up never cuts off a statement. Where more wait than one
    batch takes, each owner has an equal share of it; where more wait than can be answered soon, they are refused.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Refusal]]],
        waiting: FairQueue[Waiting[Item, Result]] | None = None,
        *,
        note: Callable[[int, float], None] = lambda _items, _seconds: None,
        span: Callable[[Sequence[Place | None]], Span] = lambda _: NO_SPAN,
        limit: int = 128,
        lanes: int = 1,
        owners_at_once: int | None = None,
    ) -> None:
        """Run at most `lanes` batches at once, each of at most `limit` items of at most `owners_at_once` owners.

        Beside others, a batch begins once it would take as many items as the smallest of those did.

        `note` is told of each batch how many items it had and how many seconds it took. `span` makes the span of one,
        given those of its items.
        """
        self._run = run
        self._note = note
        self._span = span
        self._limit = limit
        self._lanes = lanes
        self._owners_at_once = owners_at_once
        # An empty queue is false.
        self._waiting = FairQueue[Waiting[Item, Result]]("calls") if waiting is None else waiting
        self._running: set[asyncio.Task[None]] = set()
        self._busy_lanes = 0
        self._under_way: list[int] = []
        self._pausing: asyncio.Future[None] | None = None

    async def submit(self, item: Item, owner: str = "") -> Result:
        """Give one item to the next batch and wait for its result. Raises the item's Refusal, and Overloaded."""
        future: asyncio.Future[Result | Refusal] = asyncio.get_running_loop().create_future()
        self._waiting.put(owner, (item, future, here()))
        if self._pausing is not None and not self._is_surplus():
            self._go_on()
        if self._busy_lanes < self._lanes and self._is_worth_a_batch():
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
        clock = asyncio.get_running_loop().time
        try:
            while self._waiting and self._is_worth_a_batch():
                if not self._under_way and self._is_surplus():
                    await self._pause()
                    if not self._is_worth_a_batch():
                        break
                batch = self._waiting.take(self._limit, self._owners_at_once)
                is_pressed, began = self._waiting.is_pressed(), clock()
                self._under_way.append(len(batch))
                try:
                    with self._span([place for _, _, place in batch]):
                        await self._run_batch(batch)
                finally:
                    self._under_way.remove(len(batch))
                took_s = clock() - began
                self._note(len(batch), took_s)
                if is_pressed:
                    self._waiting.measure(len(batch) * self._lanes, took_s)
        finally:
            # Here and not when the task is done: an answered caller runs before that, and may submit again.
            self._busy_lanes -= 1

    def _is_worth_a_batch(self) -> bool:
        """Tell whether what waits begins a batch beside those under way: fewer than those took wait for the next turn.

        Each batch has a price, whatever its size. Where one takes few owners, what waits is others', and does begin.
        """
        if self._owners_at_once is not None:
            return True
        if self._under_way:
            fewest = min(self._under_way)
            return len(self._waiting) >= fewest and self._waiting.at_hand(self._limit) >= fewest
        return self._pausing is None or not self._is_surplus()

    def _is_surplus(self) -> bool:
        return self._owners_at_once is None and self._waiting.is_one_owners_surplus(self._limit)

    async def _pause(self) -> None:
        """Wait a moment for others than the one who wants more than his share."""
        loop = asyncio.get_running_loop()
        self._pausing = loop.create_future()
        timer = loop.call_later(PAUSE_S, self._go_on)
        try:
            await self._pausing
        finally:
            timer.cancel()
            self._pausing = None

    def _go_on(self) -> None:
        if self._pausing is not None and not self._pausing.done():
            self._pausing.set_result(None)

    async def _run_batch(self, batch: Sequence[Waiting[Item, Result]]) -> None:
        try:
            results = await self._run([item for item, _, _ in batch])
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
        for (_, future, _), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


def _fail(
    batch: Sequence[Waiting[Item, Result]],
    failure: Exception,
) -> None:
    current().fail(type(failure).__name__)
    for _, future, _ in batch:
        if not future.done():
            future.set_exception(failure)
