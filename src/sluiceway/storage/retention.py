"""Owns no table: it deletes from those of others, and is the only module that deletes what has happened."""

from datetime import datetime

from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.storage.database import ReadTx, WriteTx, count, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


async def organizations_with_old_events(tx: ReadTx, before: datetime) -> list[OrganizationId]:
    """Find organizations with facts from before an instant that nobody has still to be told."""
    row = {"before_id": least_id(before)}
    return [found[0] for found in await fetch_all(tx, QUERIES["organizations_with_old_events"], row)]


async def forget_events(
    tx: WriteTx, organization_id: OrganizationId, from_id: str, before: datetime, limit: int
) -> list[str]:
    """Delete facts from an id on, the oldest first; return which."""
    row = {"organization_id": organization_id, "from_id": from_id, "before_id": least_id(before), "limit": limit}
    return [gone[0] for gone in await fetch_all(tx, QUERIES["forget_events"], row)]


async def organizations_with_old_deliveries(tx: ReadTx, before: datetime) -> list[OrganizationId]:
    """Find organizations with messages from before an instant that are delivered or given up."""
    row = {"before_id": least_id(before)}
    return [found[0] for found in await fetch_all(tx, QUERIES["organizations_with_old_deliveries"], row)]


async def forget_deliveries(
    tx: WriteTx, organization_id: OrganizationId, from_id: str, before: datetime, limit: int
) -> list[str]:
    """Delete messages from an id on, the oldest first; return which."""
    row = {"organization_id": organization_id, "from_id": from_id, "before_id": least_id(before), "limit": limit}
    return [gone[0] for gone in await fetch_all(tx, QUERIES["forget_deliveries"], row)]


async def organizations_with_old_answers(tx: ReadTx, before: datetime) -> list[OrganizationId]:
    """Find organizations that remember answers from before an instant."""
    return [row[0] for row in await fetch_all(tx, QUERIES["organizations_with_old_answers"], {"before": before})]


async def forget_answers(
    tx: WriteTx, organization_id: OrganizationId, from_at: datetime, before: datetime, limit: int
) -> list[datetime]:
    """Forget answers to idempotency keys from an instant on, the oldest first; return when each was given."""
    row = {"organization_id": organization_id, "from_at": from_at, "before": before, "limit": limit}
    return [gone[0] for gone in await fetch_all(tx, QUERIES["forget_answers"], row)]


async def organizations_with_old_simulations(tx: ReadTx, before: datetime) -> list[OrganizationId]:
    """Find organizations with simulations from before an instant that can still be stripped or forgotten."""
    row = {"before_id": least_id(before)}
    return [found[0] for found in await fetch_all(tx, QUERIES["organizations_with_old_simulations"], row)]


async def strip_simulated_runs(tx: WriteTx, organization_id: OrganizationId, before: datetime, limit: int) -> int:
    """Delete traces and transfers of simulated runs, the oldest first; return of how many runs."""
    row = {"organization_id": organization_id, "before_id": least_id(before), "limit": limit}
    old = await fetch_all(tx, QUERIES["simulations_to_strip"], row)
    planned = [transfer_id for _, transfer_ids in old for transfer_id in transfer_ids]
    await execute(
        tx, QUERIES["forget_simulated_transfers"], {"organization_id": organization_id, "transfer_ids": planned}
    )
    await execute(tx, QUERIES["strip_runs"], {"organization_id": organization_id, "ids": [run[0] for run in old]})
    return len(old)


async def forget_simulated_transfers(tx: WriteTx, organization_id: OrganizationId, before: datetime, limit: int) -> int:
    """Delete simulated transfers that are of no run, the oldest first; return how many."""
    row = {"organization_id": organization_id, "before_id": least_id(before), "limit": limit}
    old = [transfer_id for (transfer_id,) in await fetch_all(tx, QUERIES["simulated_transfers"], row)]
    forgotten = {"organization_id": organization_id, "transfer_ids": old}
    return len(await fetch_all(tx, QUERIES["forget_simulated_transfers"], forgotten)) if old else 0


async def organizations_with_old_reads(tx: ReadTx, before: datetime) -> list[OrganizationId]:
    """Find organizations whose audit log has batches of reads from before an instant."""
    row = {"before_id": least_id(before)}
    return [found[0] for found in await fetch_all(tx, QUERIES["organizations_with_old_reads"], row)]


async def cut_reads(tx: WriteTx, organization_id: OrganizationId, before: datetime, at: datetime, limit: int) -> int:
    """Cut batches of reads of about `limit` entries together, the oldest first; return how many batches."""
    row = {"organization_id": organization_id, "before_id": least_id(before), "limit": limit}
    old = await fetch_all(tx, QUERIES["reads_to_cut"], row)
    batches = {"organization_id": organization_id, "numbers": [number for (number,) in old]}
    await execute(tx, QUERIES["cut_reads"], batches)
    await execute(tx, QUERIES["mark_cut"], {**batches, "at": at})
    return len(old)


async def organizations_with_useless_buckets(tx: ReadTx, before: datetime) -> list[OrganizationId]:
    """Find organizations with counts of calls with credentials that were revoked before an instant."""
    return [row[0] for row in await fetch_all(tx, QUERIES["organizations_with_useless_buckets"], {"before": before})]


async def forget_buckets(tx: WriteTx, organization_id: OrganizationId, before: datetime) -> int:
    """Delete counts of calls with credentials that were revoked before an instant; return how many."""
    return await count(tx, QUERIES["forget_buckets"], {"organization_id": organization_id, "before": before})
