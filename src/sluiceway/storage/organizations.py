"""Owns the table organization, whose row lock is the gate of settlement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization: `is_sandbox` ones have a simulated bank, live ones refuse sandbox operations."""

    id: OrganizationId
    name: str
    is_sandbox: bool
    minimum_transfer: Cents


async def insert_organization(
    tx: WriteTx, organization_id: OrganizationId, name: str, *, is_sandbox: bool, at: datetime
) -> None:
    """Add an organization."""
    mode = "sandbox" if is_sandbox else "live"
    await execute(tx, QUERIES["insert_organization"], {"id": organization_id, "name": name, "mode": mode, "at": at})


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


def _read(row: tuple[object, ...]) -> Organization:
    organization_id, name, mode, minimum = row
    return Organization(OrganizationId(str(organization_id)), str(name), mode == "sandbox", Cents(int(str(minimum))))
