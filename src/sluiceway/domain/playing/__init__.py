"""Playing rules over the past or the future on copied balances: no database, no clock, nothing moves.

Give a `Player` a `Beginning` and `Terms`, then dated events in order, then `finish`; read its runs, shortfalls and
daily balances. `replay` makes the events of a backtest out of what happened; `detect` and `expected_events` make those
of a forecast out of what comes and goes regularly.
"""

from sluiceway.domain.playing.events import (
    Arrives,
    Beginning,
    LimitUsed,
    MoneyArrives,
    MoneyLeaves,
    MoneyMoved,
    OnTheWay,
    PlayedRule,
    PlayEvent,
    RuleRuns,
    Terms,
    arrives_by_ach,
)
from sluiceway.domain.playing.expecting import (
    Detected,
    Expectation,
    Rhythm,
    Seen,
    Told,
    detect,
    expected_events,
    times_of,
)
from sluiceway.domain.playing.past import (
    Draft,
    Past,
    PastExecution,
    PastPosting,
    PastUse,
    balances_before,
    replay,
    used_before,
)
from sluiceway.domain.playing.player import Low, Player, Run, Shortfall, is_below_floor

__all__ = [
    "Arrives",
    "Beginning",
    "Detected",
    "Draft",
    "Expectation",
    "LimitUsed",
    "Low",
    "MoneyArrives",
    "MoneyLeaves",
    "MoneyMoved",
    "OnTheWay",
    "Past",
    "PastExecution",
    "PastPosting",
    "PastUse",
    "PlayEvent",
    "PlayedRule",
    "Player",
    "Rhythm",
    "RuleRuns",
    "Run",
    "Seen",
    "Shortfall",
    "Terms",
    "Told",
    "arrives_by_ach",
    "balances_before",
    "detect",
    "expected_events",
    "is_below_floor",
    "replay",
    "times_of",
    "used_before",
]
