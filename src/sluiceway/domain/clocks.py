"""An organization's clock: the real time, or in a sandbox one that is shifted and may stand still."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

NO_SHIFT = timedelta(0)


class Clock(NamedTuple):
    """How an organization's time is made from the real one. A clock never goes back."""

    offset: timedelta = NO_SHIFT
    frozen_at: datetime | None = None

    def read(self, real: datetime) -> datetime:
        """Tell the organization's time."""
        return real + self.offset if self.frozen_at is None else self.frozen_at

    @property
    def is_frozen(self) -> bool:
        """Tell whether the clock stands still."""
        return self.frozen_at is not None


def day_in_words(day: date) -> str:
    """Say a day: 28 Nov 2026."""
    return f"{day.day} {day:%b %Y}"


REAL_TIME = Clock()
