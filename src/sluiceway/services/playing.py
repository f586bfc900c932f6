"""What backtest and forecast share: playing many events without holding up whoever else the process serves."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from sluiceway.domain.playing import Player, PlayEvent

Tell = Callable[[int, int], None]
"""Is told how many events have been played, of how many."""

_STRETCH = 1_000
"""Events between two looks at the rest of the process: some hundredths of a second."""


def tell_nobody(_done: int, _total: int) -> None:
    """Keep the progress to oneself."""


async def play_through(player: Player, events: Sequence[PlayEvent], until: datetime, tell: Tell) -> None:
    """Play events in their order, then let time pass until the end."""
    for done, event in enumerate(events):
        if done % _STRETCH == 0:
            tell(done, len(events))
            await asyncio.sleep(0)
        player.play(event)
    player.finish(until)
    tell(len(events), len(events))
