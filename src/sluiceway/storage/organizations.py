"""Owns the table organization, whose row lock is the gate of settlement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from sluiceway.domain.clocks import REAL_TIME, Clock
from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.schedule import zone_of
from sluiceway.storage.audit_log import insert_head
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.feeds import insert_feed
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization: `is_sandbox` ones have a simulated bank, live ones refuse sandbox operations.

    `paused_at`: since when its automation stands still; None: it runs. `approval_lasts`: how long a transfer waits for
    a person. `handover_delay`: how long a payment can be cancelled before it goes to the bank. `held_since`: since when
    nothing of it moves, because it was restored from a backup; `restored_at`: when that was, also once it is released.
    """

    id: OrganizationId
    name: str
    is_sandbox: bool
    minimum_transfer: Cents
    clock: Clock = REAL_TIME
    paused_at: datetime | None = None
    approval_lasts: timedelta = timedelta(hours=24)
    handover_delay: timedelta = timedelta(0)
    held_since: datetime | None = None
    restored_at: datetime | None = None
    stopped_for: str | None = None
    """Which broken promise all its money stands still for, in words; None: it moves."""
    time_zone: str = "UTC"
    """In which zone of the IANA database its people read times; nothing runs by it."""

    @property
    def zone(self) -> tzinfo:
        """Give the zone in which times are shown."""
        return zone_of(self.time_zone)

    def day(self, at: datetime) -> date:
        """Tell which day it is for its people."""
        return at.astimezone(self.zone).date()


async def insert_organization(
    tx: WriteTx, organization_id: OrganizationId, name: str, *, is_sandbox: bool, at: datetime
) -> None:
    """Add an organization, with the feed of what its bank reports, and the beginning of its audit log."""
    mode = "sandbox" if is_sandbox else "live"
    await execute(tx, QUERIES["insert_organization"], {"id": organization_id, "name": name, "mode": mode, "at": at})
    await insert_head(tx, organization_id)
    await insert_feed(tx, organization_id, organization_id)


async def find_organizations(
    tx: ReadTx, organization_ids: Collection[OrganizationId]
) -> dict[OrganizationId, Organization]:
    """Find organizations by id."""
    rows = await fetch_all(tx, QUERIES["find_organizations"], {"ids": sorted(organization_ids)})
    return {row[0]: _read(row) for row in rows}


async def list_organizations(tx: ReadTx) -> list[Organization]:
    """List all organizations."""
    return [_read(row) for row in await fetch_all(tx, QUERIES["list_organizations"])]


async def lock_organization(tx: WriteTx, organization_id: OrganizationId) -> Organization:
    """Pass the gate of one organization that exists, waiting for whoever is inside."""
    [row] = await fetch_all(tx, QUERIES["lock_organizations"], {"ids": [organization_id]})
    return _read(row)


async def lock_free_organizations(
    tx: WriteTx, organization_ids: Collection[OrganizationId]
) -> dict[OrganizationId, Organization]:
    """Pass the gates that are free now."""
    rows = await fetch_all(tx, QUERIES["lock_free_organizations"], {"ids": sorted(organization_ids)})
    return {row[0]: _read(row) for row in rows}


async def set_clock(tx: WriteTx, organization_id: OrganizationId, clock: Clock) -> None:
    """Set a sandbox organization's clock, inside its gate."""
    await execute(
        tx,
        QUERIES["set_clock"],
        {"id": organization_id, "offset": clock.offset, "frozen_at": clock.frozen_at},
    )


async def set_paused(tx: WriteTx, organization_id: OrganizationId, paused_at: datetime | None) -> None:
    """Pause an organization's automation, or let it go on (None), inside its gate."""
    await execute(tx, QUERIES["set_paused"], {"id": organization_id, "paused_at": paused_at})


async def set_stopped(
    tx: WriteTx, organization_id: OrganizationId, stopped_at: datetime | None, stopped_for: str | None
) -> None:
    """Stop all money of an organization, or let it move again (None), inside its gate."""
    row = {"id": organization_id, "stopped_at": stopped_at, "stopped_for": stopped_for}
    await execute(tx, QUERIES["set_stopped"], row)


async def set_waits(
    tx: WriteTx, organization_id: OrganizationId, *, approval_lasts: timedelta, handover_delay: timedelta
) -> None:
    """Set how long approvals are waited for and how long payments can be cancelled."""
    await execute(
        tx,
        QUERIES["set_waits"],
        {"id": organization_id, "approval_lasts": approval_lasts, "handover_delay": handover_delay},
    )


async def set_time_zone(tx: WriteTx, organization_id: OrganizationId, time_zone: str) -> None:
    """Set in which zone times are shown."""
    await execute(tx, QUERIES["set_time_zone"], {"id": organization_id, "time_zone": time_zone})


def _read(row: tuple[Any, ...]) -> Organization:
    organization_id, name, mode, minimum, offset, frozen_at, paused_at, approval_lasts, handover_delay, *restored = row
    held_since, restored_at, stopped_for, time_zone = restored
    return Organization(
        id=OrganizationId(organization_id),
        name=name,
        is_sandbox=mode == "sandbox",
        minimum_transfer=Cents(minimum),
        clock=Clock(offset, frozen_at),
        paused_at=paused_at,
        approval_lasts=approval_lasts,
        handover_delay=handover_delay,
        held_since=held_since,
        restored_at=restored_at,
        stopped_for=stopped_for,
        time_zone=time_zone,
    )
