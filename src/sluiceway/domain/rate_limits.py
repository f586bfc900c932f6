"""How many calls a credential may make: a bucket that holds a minute's worth and fills steadily."""

from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60
DEFAULT_PER_MINUTE: Final = 100
MOST_PER_MINUTE: Final = 1_000_000
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a call has left its credential: `remaining` calls at once, and the whole minute's worth in `reset_s`.

    `wait_s`: the call came too early by so many seconds, and was not let through; None: it was.
    """

    per_minute: int
    remaining: int
    reset_s: int
    wait_s: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch of calls with one credential has taken: `granted` calls; the bucket is full again in `full_us`.

    Every call takes `each_us` microseconds of filling, and the bucket holds `per_minute` of them.
    """

    per_minute: int
    each_us: int
    granted: int
    full_us: int

    def allowance(self, nth: int) -> Allowance:
        """Tell the nth call of the batch, counted from 0, where it stands: the first ones are let through."""
        # The bucket after this call, not after the batch.
        full_us = self.full_us - max(0, self.granted - 1 - nth) * self.each_us
        remaining = self.per_minute - _up(full_us, self.each_us)
        if nth < self.granted:
            return Allowance(self.per_minute, max(0, remaining), _up(full_us, _SECOND_US))
        early_us = full_us + self.each_us - self.per_minute * self.each_us
        return Allowance(self.per_minute, 0, _up(full_us, _SECOND_US), max(1, _up(early_us, _SECOND_US)))


def _up(amount: int, unit: int) -> int:
    return -(-amount // unit)
