"""When an attempt that failed for the infrastructure's sake is made again. Never for lack of funds."""

from datetime import timedelta

DELAYS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)


def delay_after(attempts: int) -> timedelta | None:
    """Tell how long to wait after so many attempts (>= 1); None: there is no other one."""
    return DELAYS[attempts - 1] if attempts <= len(DELAYS) else None
