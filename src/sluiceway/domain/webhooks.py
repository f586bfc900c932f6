"""Webhooks, decided: which events there are, which ones an endpoint hears, what follows from an attempt. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from sluiceway.domain.errors import Problem

DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=24),
)
"""How long after each attempt that failed the next one comes, before jitter: three days in all."""

JITTER: Final = 0.2
"""By which part of itself a delay may grow, so that those who failed together do not all come back together."""

LONGEST_ASKED: Final = timedelta(hours=24)
"""How long an endpoint may ask us to wait (`Retry-After`)."""

SILENT_AFTER: Final = timedelta(days=5)
"""How long an endpoint may fail without one success. Then it is disabled at its next failure."""

OLD_SECRET_LASTS: Final = timedelta(hours=24)
KEPT: Final = timedelta(days=30)
"""How long events can be replayed and deliveries are listed."""
MOST_ENDPOINTS: Final = 20
"""As many enabled ones may an organization have."""
MOST_FILTERS: Final = 50
EVERYTHING: Final = "*"

_ANY_OF: Final = ".*"


class EventKind(StrEnum):
    """What happened."""

    TRANSFER_CREATED = "transfer.created"
    TRANSFER_UPDATED = "transfer.updated"
    TRANSFER_RETURNED = "transfer.returned"
    TRANSFER_STRANDED = "transfer.stranded"
    APPROVAL_REQUESTED = "approval.requested"
    ACCOUNT_OVERDRAWN = "account.overdrawn"
    ACCOUNT_REOPENED = "account.reopened"
    BALANCE_UNAVAILABLE = "balance.unavailable"
    ORGANIZATION_PAUSED = "organization.paused"
    ORGANIZATION_RESUMED = "organization.resumed"
    EXECUTION_FINISHED = "execution.finished"
    EXECUTION_FAILED = "execution.failed"
    AUTOMATION_STOPPED = "automation.stopped"
    RULE_ENABLED = "rule.enabled"
    RULE_DISABLED = "rule.disabled"
    ENDPOINT_DISABLED = "endpoint.disabled"


class DeliveryStatus(StrEnum):
    """How a message to an endpoint stands. What is pending waits for its first attempt, its turn, or the next try."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Because(StrEnum):
    """Why an endpoint is disabled: somebody did it, it said that it is gone (410), or it has failed for too long."""

    BY_HAND = "BY_HAND"
    GONE = "GONE"
    SILENT = "SILENT"


class Delivered(NamedTuple):
    """The endpoint took it (any 2xx)."""


class NotDelivered(NamedTuple):
    """It did not. The reason is a sentence for people and holds nothing that the endpoint said but its status."""

    reason: str
    retry_after: timedelta | None = None
    """How long the endpoint asks us to wait."""
    is_gone: bool = False


Outcome = Delivered | NotDelivered


class Verdict(NamedTuple):
    """What follows from an attempt, for the message and for its endpoint."""

    status: DeliveryStatus
    retry_at: datetime | None = None
    failing_since: datetime | None = None
    """Since when every attempt has failed, that one included."""
    disabled: Because | None = None
    """The endpoint gets nothing more. What is pending stays, for when it is enabled again."""


def decide(outcome: Outcome, *, attempts: int, failing_since: datetime | None, now: datetime, jitter: float) -> Verdict:
    """Decide what follows from an attempt; `attempts` counts it, `jitter` is from 0 to 1."""
    if isinstance(outcome, Delivered):
        return Verdict(DeliveryStatus.DELIVERED)
    since = failing_since or now
    if outcome.is_gone:
        return Verdict(DeliveryStatus.PENDING, failing_since=since, disabled=Because.GONE)
    if now - since >= SILENT_AFTER:
        return Verdict(DeliveryStatus.PENDING, failing_since=since, disabled=Because.SILENT)
    if attempts > len(DELAYS):
        return Verdict(DeliveryStatus.FAILED, failing_since=since)
    delay = DELAYS[attempts - 1] * (1 + JITTER * jitter)
    # Never earlier than by the schedule: otherwise whoever asks for two seconds uses all attempts up in half a minute.
    asked = min(outcome.retry_after or delay, LONGEST_ASKED)
    return Verdict(DeliveryStatus.PENDING, retry_at=now + max(delay, asked), failing_since=since)


def check_filters(filters: Sequence[str]) -> tuple[Problem, ...]:
    """Tell what is wrong with the events that somebody wants to hear: names, `transfer.*` and the like, or `*`."""
    if not filters:
        return (Problem("events", "name at least one event, or * for all"),)
    if len(filters) > MOST_FILTERS:
        return (Problem("events", f"name at most {MOST_FILTERS} events"),)
    # A misspelled name would be an endpoint that never hears of anything.
    return tuple(
        Problem(f"events/{index}", f"there is no event '{each}'; there are {', '.join(EventKind)}")
        for index, each in enumerate(filters)
        if not any(_is_meant(each, kind) for kind in EventKind)
    )


def hears(filters: Iterable[str], kind: EventKind) -> bool:
    """Tell whether an endpoint with these filters hears of an event."""
    return any(_is_meant(each, kind) for each in filters)


def _is_meant(written: str, kind: EventKind) -> bool:
    if written.endswith(_ANY_OF):
        return kind.startswith(written.removesuffix(EVERYTHING))
    return written in (EVERYTHING, kind)
