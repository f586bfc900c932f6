"""Owns the table cap_used: how much of each group's cap has been used in each period."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.rules import CapKey, CapPeriod
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)


class OrganizationCap(NamedTuple):
    """A running total of one organization."""

    organization_id: OrganizationId
    key: CapKey


async def caps_used(tx: ReadTx, keys: Iterable[OrganizationCap]) -> dict[OrganizationCap, int]:
    """Read running totals; those never used are left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await fetch_all(
        tx, QUERIES["caps_used"], {**_columns(wanted), "only": only({cap.organization_id for cap in wanted})}
    )
    return {OrganizationCap(row[0], CapKey(row[1], row[2], row[3], CapPeriod(row[4]), row[5])): row[6] for row in rows}


async def add_caps_used(tx: WriteTx, uses: Mapping[OrganizationCap, int]) -> None:
    """Add to running totals."""
    if not uses:
        return
    wanted = sorted(uses)
    await execute(tx, QUERIES["add_caps_used"], {**_columns(wanted), "used": [uses[cap] for cap in wanted]})


def _columns(caps: list[OrganizationCap]) -> dict[str, object]:
    return {
        "organization_ids": [cap.organization_id for cap in caps],
        "rule_ids": [cap.key.rule_id for cap in caps],
        "steps": [cap.key.step for cap in caps],
        "groups": [cap.key.group for cap in caps],
        "periods": [cap.key.period.value for cap in caps],
        "starts_on": [cap.key.starts_on for cap in caps],
    }
