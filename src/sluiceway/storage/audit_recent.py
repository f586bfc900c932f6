"""Reads what the audit that goes on looks at: what was made since the last look. Owns no table and changes nothing."""

from enum import StrEnum
from typing import Final, LiteralString, NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.storage.audit import Mismatch
from sluiceway.storage.database import ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class RecentCheck(StrEnum):
    """What is checked in SQL every few seconds."""

    TRANSFERS = "new_transfers_did_what_they_say"
    RUNS = "new_runs_were_approved"
    ACCOUNTS = "accounts_hold_what_their_days_say"


_CHECKS: Final[dict[RecentCheck, LiteralString]] = {
    RecentCheck.TRANSFERS: QUERIES["transfers_made"],
    RecentCheck.RUNS: QUERIES["runs_made"],
    RecentCheck.ACCOUNTS: QUERIES["accounts_held"],
}


class Link(NamedTuple):
    """A batch of the audit log, as its chain has it."""

    number: int
    digest: bytes
    hash: bytes


class Stretch(NamedTuple):
    """Between which ids: without the first, with the second. `beyond_id`: where its runs' transfers end."""

    from_id: str
    to_id: str
    beyond_id: str


async def find_recent_mismatches(
    tx: ReadTx, organization_id: OrganizationId, check: RecentCheck, stretch: Stretch, limit: int
) -> tuple[int, list[Mismatch], int]:
    """Run one check: how many counter-examples there are, the first of them, and how many rows were looked at."""
    row = {"organization_id": organization_id, "limit": limit, **stretch._asdict()}
    rows = await fetch_all(tx, _CHECKS[check], row)
    found = [Mismatch(*each[:4]) for each in rows if each[1] is not None]
    return (rows[0][4] if found else 0), found, rows[0][5]


async def batches_after(tx: ReadTx, organization_id: OrganizationId, number: int, limit: int) -> list[Link]:
    """Give the links of an organization's audit log after a batch."""
    row = {"organization_id": organization_id, "number": number, "limit": limit}
    rows = await fetch_all(tx, QUERIES["batches_after"], row)
    return [Link(each[0], bytes(each[1]), bytes(each[2])) for each in rows]
