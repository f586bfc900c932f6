"""Playing many events leaves time for whoever else the process serves."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, cast

from sluiceway.domain.playing import Player
from sluiceway.services.playing import STRETCH_S, play_through, tell_nobody


class Slow:
    """Plays nothing, and takes its time; notes how often somebody else had a turn before each event."""

    def __init__(self) -> None:
        self.turns = 0
        self.seen: list[int] = []

    async def somebody_else(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    def play(self, _event: object) -> None:
        self.seen.append(self.turns)
        time.sleep(STRETCH_S)

    def finish(self, _until: datetime) -> None:
        self.seen.append(self.turns)


async def test_events_that_take_long_let_others_have_a_turn_between_them() -> None:
    slow = Slow()
    somebody = asyncio.create_task(slow.somebody_else())
    events = cast("list[Any]", [None] * 4)
    await play_through(cast("Player", slow), events, datetime.now(UTC), tell_nobody)
    somebody.cancel()

    assert sorted(set(slow.seen[:4])) == slow.seen[:4]
