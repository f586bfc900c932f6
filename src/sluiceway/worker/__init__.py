"""Does what is due: one loop, woken by hints and by the clock. Polling decides; a hint only hurries."""

from sluiceway.worker.loop import Worker

__all__ = ["Worker"]
