"""How long things are kept that need not be kept for ever. Money, and what anybody did, is no such thing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Retention:
    """What a deployment has chosen."""

    answers: timedelta
    """How long a call with an idempotency key is answered what it was answered first."""
    simulations: timedelta
    """How long the trace and the transfers of a simulation are kept, and simulated transfers."""
    reads: timedelta
    """How long the audit log tells who has looked at something."""


DEFAULT: Final = Retention(answers=timedelta(hours=48), simulations=timedelta(days=91), reads=timedelta(days=400))

LEAST: Final = Retention(answers=timedelta(hours=24), simulations=timedelta(days=31), reads=timedelta(days=91))
"""What callers have been promised: a key works for a day, the log is listed for 90 days; and simulations are there for
as long as events that name them."""

MOST: Final = timedelta(days=36_500)
"""For ever, as far as calendars go."""
