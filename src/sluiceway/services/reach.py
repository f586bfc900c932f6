"""How far back programs may look into lists of what has happened."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sluiceway.domain.rules import refuse

REACH: Final = timedelta(days=90)
"""To the beginning of that day in UTC: whoever asks for 90 days counts from a moment ago."""


def reach(now: datetime, from_at: datetime | None) -> datetime:
    """Give from when on to list: from when was asked, or all that is in reach. Raises InvalidParameters beyond it."""
    earliest = (now.astimezone(UTC) - REACH).replace(hour=0, minute=0, second=0, microsecond=0)
    if from_at is not None and from_at < earliest:
        refuse("from", f"must be within the last {REACH.days} days")
    return from_at or earliest
