"""Owns the table outbox: facts that have still to be told to the outside."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.storage.database import WriteTx, execute
from sluiceway.storage.queries import load

QUERIES = load(__file__)


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


class OutboxEvent(NamedTuple):
    """One fact: what happened to which transfer, execution or rule."""

    organization_id: OrganizationId
    id: str
    kind: EventKind
    subject_id: str
    at: datetime


async def insert_events(tx: WriteTx, events: Sequence[OutboxEvent]) -> None:
    """Record facts to tell."""
    if not events:
        return
    columns = [list(column) for column in zip(*events, strict=True)]
    names = ("organization_ids", "ids", "kinds", "subject_ids", "ats")
    await execute(tx, QUERIES["insert_events"], dict(zip(names, columns, strict=True)))
