"""How a run ended, out of a closed list, and the one sentence that says so: in lists, pages, commands and messages.

No run is ever skipped because another one is active: runs of one rule take their turns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sluiceway.domain.executions import Execution, ExecutionStatus, explain
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Trace, TriggerType, Why, format_money, visible
from sluiceway.domain.transfers import Mode, TransferStatus


class Ending(StrEnum):
    """What a run came to."""

    MOVED = "MOVED"
    NOTHING_TO_MOVE = "NOTHING_TO_MOVE"
    CONDITIONS_NOT_MET = "CONDITIONS_NOT_MET"
    WAITING = "WAITING"
    MOVED_IN_PART = "MOVED_IN_PART"
    BLOCKED_BY_LIMIT = "BLOCKED_BY_LIMIT"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    SIMULATED = "SIMULATED"


ENDING_WORDS: Final = {
    Ending.MOVED: "Moved",
    Ending.NOTHING_TO_MOVE: "Nothing to move",
    Ending.CONDITIONS_NOT_MET: "Conditions not met",
    Ending.WAITING: "Waiting",
    Ending.MOVED_IN_PART: "Moved in part",
    Ending.BLOCKED_BY_LIMIT: "Blocked by a limit",
    Ending.CANCELLED: "Cancelled",
    Ending.FAILED: "Failed",
    Ending.SIMULATED: "Simulated",
}
CAUSES: Final = {
    TriggerType.MANUAL: "somebody pressed Run",
    TriggerType.SEQUENCE_API: "a program asked for it",
    TriggerType.SCHEDULED: "its schedule said so",
    TriggerType.ON_FUNDS_TRANSFERRED: "money arrived",
    TriggerType.REMOTE_API: "a program asked for it with the rule's secret",
}
"""Why a run began."""
LIMITS: Final = frozenset({Why.CAP, Why.CEILING, Why.LIMIT_REACHED})

_LIMIT_MESSAGES = frozenset(
    explain(f"{period}_ACH_{side}_LIMIT_REACHED") for period in ("DAILY", "MONTHLY") for side in ("CREDIT", "DEBIT")
)
_CANCELLED_MESSAGES = frozenset(map(explain, ("CANCELLED", "APPROVAL_REFUSED", "APPROVAL_EXPIRED", "RULE_CHANGED")))
_PAUSED = explain("PAUSED")


class WaitKind(StrEnum):
    """What a run waits for."""

    TURN = "TURN"
    PAUSED = "PAUSED"
    RETRY = "RETRY"
    APPROVAL = "APPROVAL"
    BANK = "BANK"


class Waiting(NamedTuple):
    """One thing that a run waits for; `until`: when it tries again, where that is known."""

    kind: WaitKind
    said: str
    until: datetime | None = None


class Moved(NamedTuple):
    """What has moved in one currency, with so many transfers."""

    currency: str
    amount: Cents
    transfers: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a run's transfers by now."""

    moved: tuple[Moved, ...] = ()
    approvals: int = 0
    """Transfers that wait for a person."""
    on_the_way: int = 0
    """Transfers that a bank has, or is to be given."""


class TransferSum(NamedTuple):
    """How many of a run's transfers stand at one status in one currency, and their sum."""

    currency: str
    status: TransferStatus
    transfers: int
    amount: Cents


def outcome_of(sums: Iterable[TransferSum]) -> Outcome:
    """Sum up what has become of a run's transfers."""
    found = list(sums)
    counts = dict.fromkeys(TransferStatus, 0)
    for each in found:
        counts[each.status] += each.transfers
    moved = [
        Moved(each.currency, each.amount, each.transfers) for each in found if each.status is TransferStatus.COMPLETE
    ]
    return Outcome(
        tuple(sorted(moved)),
        counts[TransferStatus.PENDING_APPROVAL],
        counts[TransferStatus.PROCESSING] + counts[TransferStatus.PENDING],
    )


def is_limited(trace: Trace | None) -> bool:
    """Tell whether a limit kept an action from moving anything."""
    return trace is not None and any(action.why in LIMITS and not action.moved for action in trace.actions)


def ending_of(execution: Execution, *, is_limited: bool) -> Ending:
    """Tell how a run ended. `is_limited`: a limit kept an action from moving anything."""
    counts, message = execution.counts, execution.error_message
    match execution.status:
        case ExecutionStatus.IN_PROGRESS:
            return Ending.WAITING
        case _ if execution.mode is Mode.SIMULATION:
            return Ending.SIMULATED
        case ExecutionStatus.FAILED if message in _CANCELLED_MESSAGES:
            return Ending.CANCELLED
        case ExecutionStatus.FAILED if message in _LIMIT_MESSAGES:
            return Ending.BLOCKED_BY_LIMIT
        case ExecutionStatus.FAILED:
            return Ending.FAILED
        case ExecutionStatus.PARTIAL:
            return Ending.MOVED_IN_PART
        case _ if execution.conditions_not_met:
            return Ending.CONDITIONS_NOT_MET
        case _ if counts.completed:
            return Ending.MOVED
        case _:
            return Ending.BLOCKED_BY_LIMIT if is_limited else Ending.NOTHING_TO_MOVE


STATUSES: Final = {
    Ending.MOVED: ExecutionStatus.EXECUTED,
    Ending.NOTHING_TO_MOVE: ExecutionStatus.EXECUTED,
    Ending.CONDITIONS_NOT_MET: ExecutionStatus.EXECUTED,
    Ending.WAITING: ExecutionStatus.IN_PROGRESS,
    Ending.MOVED_IN_PART: ExecutionStatus.PARTIAL,
    Ending.BLOCKED_BY_LIMIT: None,
    Ending.CANCELLED: ExecutionStatus.FAILED,
    Ending.FAILED: ExecutionStatus.FAILED,
    Ending.SIMULATED: None,
}
"""At which status a run with an ending always stands; None: at several."""


def waits_of(execution: Execution, outcome: Outcome) -> list[Waiting]:
    """List what a run waits for."""
    if execution.status is not ExecutionStatus.IN_PROGRESS:
        return []
    waits: list[Waiting] = []
    if outcome.approvals:
        waits.append(Waiting(WaitKind.APPROVAL, f"a person to approve {_transfers(outcome.approvals)}"))
    if outcome.on_the_way:
        waits.append(Waiting(WaitKind.BANK, f"the bank to carry {_transfers(outcome.on_the_way)}"))
    if waits:
        return waits
    if execution.error_message == _PAUSED:
        return [Waiting(WaitKind.PAUSED, "automation to be resumed")]
    if execution.next_attempt_at is not None:
        return [Waiting(WaitKind.RETRY, "its next attempt", execution.next_attempt_at)]
    return [Waiting(WaitKind.TURN, "its turn")]


def ending_in_words(execution: Execution, ending: Ending, outcome: Outcome) -> str:
    """Say in a sentence how a run ended, or what it waits for."""
    moved = _moved(outcome)
    reason = "" if execution.error_message is None else f" {visible(execution.error_message)}"
    match ending:
        case Ending.WAITING:
            waits = " and ".join(each.said for each in waits_of(execution, outcome))
            so_far = f"Moved {moved} so far; it waits" if moved else "It waits"
            return f"{so_far} for {waits}.{'' if execution.error_message == _PAUSED else reason}"
        case Ending.MOVED:
            return f"Moved {moved}."
        case Ending.MOVED_IN_PART:
            return f"Moved {moved}; {_transfers(execution.counts.failed)} failed.{reason}"
        case Ending.CONDITIONS_NOT_MET:
            return "Nothing was moved: the conditions of no step were met."
        case Ending.NOTHING_TO_MOVE:
            return "Nothing was moved: there was nothing to move."
        case Ending.BLOCKED_BY_LIMIT:
            return f"Nothing was moved: a limit was used up.{reason}"
        case Ending.CANCELLED | Ending.FAILED:
            return f"Nothing was moved.{reason}"
        case Ending.SIMULATED:
            return _rehearsed(execution, moved, reason)


def _rehearsed(execution: Execution, moved: str, reason: str) -> str:
    if execution.conditions_not_met:
        return "Simulated: it would have moved nothing, since the conditions of no step were met."
    if execution.counts.completed and not moved:
        # Its transfers have been forgotten, as those of old simulations are.
        return "Simulated: what it would have moved is no longer kept."
    failed = f"; {_transfers(execution.counts.failed)} would have failed" if execution.counts.failed else ""
    return f"Simulated: it would have moved {moved or 'nothing'}{failed}.{reason if failed else ''}"


def _moved(outcome: Outcome) -> str:
    sums = " and ".join(format_money(each.amount, each.currency) for each in outcome.moved)
    count = sum(each.transfers for each in outcome.moved)
    return f"{sums} in {_transfers(count)}" if sums else ""


def _transfers(count: int) -> str:
    return f"{count} transfer{'' if count == 1 else 's'}"
