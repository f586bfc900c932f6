"""Owns the table outbox: facts to tell the outside, kept for a while so that they can be told again."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.webhooks import EventKind
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

__all__ = [
    "EventKind",
    "OutboxEvent",
    "end_pending",
    "events_between",
    "insert_events",
    "newest_events",
    "pending_events",
]

QUERIES = load(__file__)


class OutboxEvent(NamedTuple):
    """One fact: what happened to which transfer, execution, rule, account, organization or endpoint."""

    organization_id: OrganizationId
    id: str
    kind: EventKind
    subject_id: str
    at: datetime
    """By the organization's clock. The real time is in the id."""


async def insert_events(tx: WriteTx, events: Sequence[OutboxEvent]) -> None:
    """Record facts to tell."""
    if not events:
        return
    columns = [list(column) for column in zip(*events, strict=True)]
    names = ("organization_ids", "ids", "kinds", "subject_ids", "ats")
    await execute(tx, QUERIES["insert_events"], dict(zip(names, columns, strict=True)))


async def pending_events(tx: ReadTx, organization_id: OrganizationId, limit: int) -> list[OutboxEvent]:
    """Give facts of one organization whose deliveries have not been written yet, in order of id."""
    rows = await fetch_all(tx, QUERIES["pending_events"], {"organization_id": organization_id, "limit": limit})
    return [OutboxEvent(organization_id, row[0], EventKind(row[1]), *row[2:]) for row in rows]


async def end_pending(tx: WriteTx, organization_id: OrganizationId, event_ids: Sequence[str]) -> None:
    """Note that the deliveries of these facts have been written."""
    await execute(tx, QUERIES["end_pending"], {"organization_id": organization_id, "ids": list(event_ids)})


async def events_between(
    tx: ReadTx, organization_id: OrganizationId, from_id: str, to_id: str, limit: int
) -> list[OutboxEvent]:
    """Give facts from one id on and before another, in order of id."""
    row = {"organization_id": organization_id, "from_id": from_id, "to_id": to_id, "limit": limit}
    rows = await fetch_all(tx, QUERIES["events_between"], row)
    return [OutboxEvent(organization_id, row[0], EventKind(row[1]), *row[2:]) for row in rows]


async def newest_events(tx: ReadTx, organization_id: OrganizationId, from_id: str, limit: int) -> list[OutboxEvent]:
    """Give the newest facts from one id on, the newest first."""
    row = {"organization_id": organization_id, "from_id": from_id, "limit": limit}
    rows = await fetch_all(tx, QUERIES["newest_events"], row)
    return [OutboxEvent(organization_id, row[0], EventKind(row[1]), *row[2:]) for row in rows]
