"""Owns the tables restoration and restored_origin: what was restored, who released it, what has come again since."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.ids import AccountId, LegId, OrganizationId, RuleId, TransferId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class Restoration:
    """One restore of one organization: of which backup, of when, and who has released it (None: it is held)."""

    organization_id: OrganizationId
    epoch: int
    backup_id: str
    taken_at: datetime
    restored_at: datetime
    is_recorded: bool
    released_at: datetime | None
    released_by: str | None


async def list_restorations(tx: ReadTx) -> list[Restoration]:
    """List them all, the latest of each organization last."""
    rows = await fetch_all(tx, QUERIES["list_restorations"])
    return [Restoration(OrganizationId(row[0]), *row[1:]) for row in rows]


async def mark_recorded(tx: WriteTx, restoration: Restoration) -> None:
    """Say that the audit log has it."""
    await execute(
        tx,
        QUERIES["mark_recorded"],
        {"organization_id": restoration.organization_id, "epoch": restoration.epoch},
    )


async def release(tx: WriteTx, restoration: Restoration, by: str, at: datetime) -> None:
    """Let an organization move again, inside its gate."""
    row = {"organization_id": restoration.organization_id, "epoch": restoration.epoch, "by": by, "at": at}
    await execute(tx, QUERIES["release"], row)
    await execute(tx, QUERIES["hold_no_more"], {"organization_id": restoration.organization_id})


async def insert_origin(tx: WriteTx, organization_id: OrganizationId, origin_id: str) -> None:
    """Add an event that has come again."""
    await execute(tx, QUERIES["insert_origin"], {"organization_id": organization_id, "origin_id": origin_id})


async def find_origins(tx: ReadTx, events: Sequence[tuple[OrganizationId, str]]) -> set[tuple[OrganizationId, str]]:
    """Give those of these events that have come again."""
    if not events:
        return set()
    columns = {"organization_ids": [key for key, _ in events], "origin_ids": [origin_id for _, origin_id in events]}
    rows = await fetch_all(tx, QUERIES["find_origins"], columns)
    return {(OrganizationId(row[0]), row[1]) for row in rows}


class UnsettledLeg(NamedTuple):
    """A payment that was on its way when the backup was taken."""

    id: LegId
    transfer_id: TransferId
    purpose: str
    account_name: str
    account_id: AccountId
    amount: int
    currency: str
    status: str
    attempts: int


class Waiting(NamedTuple):
    """How much waits in one organization, of each kind."""

    executions: int
    gathering: int
    approvals: int
    events: int
    messages: int


class Cursor(NamedTuple):
    """How far one thing that banks tell had been read; `account_name` None: it is the bank's reports."""

    subject_id: str
    cursor: str | None
    account_name: str | None


class PassedSchedule(NamedTuple):
    """A rule whose time has come."""

    rule_id: RuleId
    name: str
    at: datetime


async def unsettled_legs(tx: ReadTx, organization_id: OrganizationId, limit: int) -> list[UnsettledLeg]:
    """List payments that have not ended, at most `limit`."""
    rows = await fetch_all(tx, QUERIES["unsettled_legs"], {"organization_id": organization_id, "limit": limit})
    return [UnsettledLeg(*row) for row in rows]


async def unknown_payments(tx: ReadTx, organization_id: OrganizationId, keys: Collection[str]) -> set[str]:
    """Give those of these payments that are none of ours."""
    row = {"organization_id": organization_id, "ids": sorted(keys)}
    return {str(found) for (found,) in await fetch_all(tx, QUERIES["unknown_payments"], row)} if keys else set()


async def cursors(tx: ReadTx, organization_id: OrganizationId) -> list[Cursor]:
    """Tell how far what banks tell has been read."""
    return [Cursor(*row) for row in await fetch_all(tx, QUERIES["cursors"], {"organization_id": organization_id})]


async def waiting(tx: ReadTx, organization_id: OrganizationId) -> Waiting:
    """Count what waits."""
    [row] = await fetch_all(tx, QUERIES["waiting"], {"organization_id": organization_id})
    return Waiting(*row)


async def schedules_passed(tx: ReadTx, organization_id: OrganizationId, at: datetime) -> list[PassedSchedule]:
    """List the rules whose time has come by an instant of the organization's clock."""
    rows = await fetch_all(tx, QUERIES["schedules_passed"], {"organization_id": organization_id, "at": at})
    return [PassedSchedule(*row) for row in rows]
