"""What backtest and forecast share: playing many events without holding up whoever else the process serves."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sluiceway.domain.playing import Player, PlayEvent

Tell = Callable[[int, int], None]
"""Is told how many events have been played, of how many."""

STRETCH_S: Final = 0.02
"""How long is played between two looks at the rest of the process: what a rule costs to run is up to who wrote it."""


def tell_nobody(_done: int, _total: int) -> None:
    """Keep the progress to oneself."""


async def play_through(player: Player, events: Sequence[PlayEvent], until: datetime, tell: Tell) -> None:
    """Play events in their order, then let time pass until the end."""
    clock = asyncio.get_running_loop().time
    looked_at = clock() - STRETCH_S
    for done, event in enumerate(events):
        if clock() - looked_at >= STRETCH_S:
            tell(done, len(events))
            await asyncio.sleep(0)
            looked_at = clock()
        player.play(event)
    player.finish(until)
    tell(len(events), len(events))
