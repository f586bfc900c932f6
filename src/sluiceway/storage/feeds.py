"""Owns the tables feed, rail_report and external_transaction: what is fetched from outside, and what is known of it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.external_transactions import ExternalTransaction
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class Feed(NamedTuple):
    """Something to fetch, leased to us. The subject is the organization (its bank's reports) or an external account."""

    subject_id: str
    cursor: str | None
    fence: int
    attempts: int


class NewTransaction(NamedTuple):
    """A movement on an external account that its bank lists."""

    bank_id: str
    id: str
    amount: int
    description: str | None
    happened_at: datetime


async def insert_feed(tx: WriteTx, organization_id: OrganizationId, subject_id: str) -> None:
    """Begin to fetch something."""
    await execute(tx, QUERIES["insert_feed"], {"organization_id": organization_id, "subject_id": subject_id})


async def delete_feed(tx: WriteTx, organization_id: OrganizationId, subject_id: str) -> None:
    """Fetch it no more."""
    await execute(tx, QUERIES["delete_feed"], {"organization_id": organization_id, "subject_id": subject_id})


async def has_feed(tx: ReadTx, organization_id: OrganizationId, subject_id: str) -> bool:
    """Tell whether something is fetched at all."""
    row = {"organization_id": organization_id, "subject_id": subject_id}
    return await fetch_one(tx, QUERIES["has_feed"], row) is not None


async def feeds_due(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations with something to fetch that nobody is at; `now` is the real time."""
    return [row[0] for row in await fetch_all(tx, QUERIES["feeds_due"], {"now": now})]


async def claim_feeds(
    tx: WriteTx,
    organization_id: OrganizationId,
    *,
    at: datetime,
    now: datetime,
    leased_until: datetime,
    subject_ids: Collection[str] | None = None,
    limit: int,
) -> list[Feed]:
    """Lease what is due; with `subject_ids` these, due or not. `at` is the organization's time, the others are real."""
    rows = await fetch_all(
        tx,
        QUERIES["claim_feeds"],
        {
            "organization_id": organization_id,
            "at": at,
            "now": now,
            "leased_until": leased_until,
            "subject_ids": None if subject_ids is None else sorted(subject_ids),
            "limit": limit,
        },
    )
    return [Feed(*row) for row in rows]


async def holds_feed(tx: WriteTx, organization_id: OrganizationId, feed: Feed) -> bool:
    """Tell, under lock, whether the lease is still ours."""
    row = {"organization_id": organization_id, "subject_id": feed.subject_id, "fence": feed.fence}
    return await fetch_one(tx, QUERIES["hold_feed"], row) is not None


async def end_fetch(
    tx: WriteTx,
    organization_id: OrganizationId,
    feed: Feed,
    *,
    cursor: str | None,
    due_at: datetime | None,
    has_failed: bool = False,
) -> None:
    """Move the cursor, and say when to fetch again (None: when somebody hurries it)."""
    row = {
        "organization_id": organization_id,
        "subject_id": feed.subject_id,
        "cursor": cursor,
        "due_at": due_at,
        "attempts": feed.attempts if has_failed else 0,
    }
    await execute(tx, QUERIES["end_fetch"], row)


async def hurry(tx: WriteTx, organization_id: OrganizationId, subject_id: str, due_at: datetime) -> None:
    """Fetch no later than that."""
    await execute(
        tx, QUERIES["hurry"], {"organization_id": organization_id, "subject_id": subject_id, "due_at": due_at}
    )


async def new_reports(
    tx: WriteTx, organization_id: OrganizationId, report_ids: Sequence[str], at: datetime
) -> set[str]:
    """Tell which reports have not been applied before, and remember them all."""
    if not report_ids:
        return set()
    row = {"organization_id": organization_id, "ids": sorted(set(report_ids)), "at": at}
    return {row[0] for row in await fetch_all(tx, QUERIES["new_reports"], row)}


async def new_transactions(
    tx: WriteTx,
    organization_id: OrganizationId,
    account_id: AccountId,
    transactions: Sequence[NewTransaction],
    at: datetime,
) -> set[str]:
    """Tell which movements have not been seen before (by the bank's identity), and remember them all."""
    if not transactions:
        return set()
    names = ("bank_ids", "ids", "amounts", "descriptions", "happened_ats")
    columns = [list(column) for column in zip(*transactions, strict=True)]
    row = {"organization_id": organization_id, "account_id": account_id, "at": at}
    rows = await fetch_all(tx, QUERIES["new_transactions"], row | dict(zip(names, columns, strict=True)))
    return {row[0] for row in rows}


async def list_transactions(
    tx: ReadTx,
    organization_id: OrganizationId,
    account_ids: Collection[AccountId],
    *,
    is_in: bool | None = None,
    from_at: datetime,
    to_at: datetime | None = None,
    offset: int = 0,
    limit: int,
) -> list[ExternalTransaction]:
    """List movements on external accounts, the latest first; both ends of the time range are inclusive."""
    rows = await fetch_all(
        tx,
        QUERIES["list_transactions"],
        {
            "organization_id": organization_id,
            "account_ids": sorted(account_ids),
            "is_in": is_in,
            "from_at": from_at,
            "to_at": to_at,
            "offset": offset,
            "limit": limit,
        },
    )
    return [ExternalTransaction(*row) for row in rows]
