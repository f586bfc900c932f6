"""Fetches balances and movements of external accounts: daily, on demand, and before scheduled rules run.

A movement that nobody has seen before fires the account's incoming-funds rules, once, by the bank's own identity.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.ledger import ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.retries import delay_after
from sluiceway.rails import BankTransaction, Rail, RailUnavailable, Transactions
from sluiceway.services.engine import Engine
from sluiceway.services.handover import LEASE
from sluiceway.services.movements import Origin
from sluiceway.services.progress import load_progress
from sluiceway.services.reports import fetch_reports
from sluiceway.storage import feeds as stored
from sluiceway.storage.accounts import write_report
from sluiceway.storage.database import WriteTx
from sluiceway.storage.feeds import Feed, NewTransaction
from sluiceway.storage.organizations import Organization, find_organizations, lock_organization
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events

EVERY: Final = timedelta(hours=24)
"""How often the balance of an external account is fetched without being asked for."""
UNAVAILABLE: Final = "UNAVAILABLE"
AT_ONCE: Final = 10
MOST_TRANSACTIONS: Final = 10_000


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with something to fetch."""
    async with engine.database.read() as tx:
        return await stored.feeds_due(tx, engine.now())


async def fetch(engine: Engine, organization_id: OrganizationId) -> int:
    """Fetch what is due of one organization: its bank's reports and external accounts; return how many there were."""
    organization, claimed = await _claim(engine, organization_id, None)
    for feed in claimed:
        await _fetch(engine, organization, feed)
    return len(claimed)


async def refresh(
    engine: Engine, organization_id: OrganizationId, account_ids: Collection[AccountId]
) -> set[AccountId]:
    """Fetch these external accounts now, due or not; give those for which the bank did not answer.

    An account that somebody else is fetching at this moment is left to them.
    """
    if not account_ids:
        return set()
    organization, claimed = await _claim(engine, organization_id, account_ids)
    return {AccountId(feed.subject_id) for feed in claimed if not await _fetch(engine, organization, feed)}


async def fetch_now(engine: Engine, organization_id: OrganizationId, subject_id: str) -> bool:
    """Fetch one thing now, due or not; False: not done, since somebody else is at it."""
    organization, claimed = await _claim(engine, organization_id, [subject_id])
    for feed in claimed:
        await _fetch(engine, organization, feed)
    return bool(claimed)


async def _claim(
    engine: Engine, organization_id: OrganizationId, subject_ids: Collection[str] | None
) -> tuple[Organization, list[Feed]]:
    async def work(tx: WriteTx) -> tuple[Organization, list[Feed]]:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        now = engine.now()
        return organization, await stored.claim_feeds(
            tx,
            organization_id,
            at=organization.clock.read(now),
            now=now,
            leased_until=now + LEASE,
            subject_ids=subject_ids,
            limit=AT_ONCE if subject_ids is None else len(subject_ids),
        )

    return await engine.database.write(work)


async def _fetch(engine: Engine, organization: Organization, feed: Feed) -> bool:
    """Fetch one thing; tell whether it was answered for."""
    if feed.subject_id == organization.id:
        await fetch_reports(engine, organization, feed)
        return True
    account_id = AccountId(feed.subject_id)
    rail = engine.rail_of(organization)
    if rail is None:
        # What a person typed in when the account was made stays until somebody knows better.
        await _write(engine, organization.id, feed, None, None)
        return True
    at = organization.clock.read(engine.now())
    try:
        balances = await rail.balances(organization.id, [account_id], at)
        transactions = await _all_transactions(rail, organization.id, feed, at)
    except RailUnavailable:
        await _fail(engine, organization.id, feed)
        return False
    await _write(engine, organization.id, feed, balances.get(account_id), transactions)
    return True


async def _all_transactions(rail: Rail, organization_id: OrganizationId, feed: Feed, at: datetime) -> Transactions:
    """Fetch every page: what the first look does not see would count as news at the second."""
    account_id = AccountId(feed.subject_id)
    found: list[BankTransaction] = []
    page = await rail.transactions(organization_id, account_id, feed.cursor, at)
    while page.transactions and len(found) < MOST_TRANSACTIONS:
        found += page.transactions
        page = await rail.transactions(organization_id, account_id, page.cursor, at)
    return Transactions(tuple(found), page.cursor)


async def _fail(engine: Engine, organization_id: OrganizationId, feed: Feed) -> None:
    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_feed(tx, organization_id, feed):
            return
        at = organization.clock.read(engine.now())
        account_id = AccountId(feed.subject_id)
        await write_report(tx, organization_id, account_id, ReportedBalance(error=UNAVAILABLE), at)
        due_at = at + (delay_after(feed.attempts) or EVERY)
        await stored.end_fetch(tx, organization_id, feed, cursor=feed.cursor, due_at=due_at, has_failed=True)
        if feed.attempts == 1:
            event = OutboxEvent(organization_id, engine.new_id(), EventKind.BALANCE_UNAVAILABLE, account_id, at)
            await insert_events(tx, [event])

    await engine.database.write(work)


async def _write(
    engine: Engine,
    organization_id: OrganizationId,
    feed: Feed,
    reported: ReportedBalance | None,
    transactions: Transactions | None,
) -> None:
    """Write a balance, and fire the rules of money that has come in since the last look (the first fires nothing)."""
    account_id = AccountId(feed.subject_id)

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_feed(tx, organization_id, feed):
            return
        at = organization.clock.read(engine.now())
        if transactions is not None:
            await _apply(engine, tx, organization, feed, transactions)
        if reported is not None:
            await write_report(tx, organization_id, account_id, reported, at)
        cursor = feed.cursor if transactions is None else transactions.cursor
        due_at = None if transactions is None else at + EVERY
        await stored.end_fetch(tx, organization_id, feed, cursor=cursor, due_at=due_at)

    await engine.database.write(work)
    engine.wake()


async def _apply(
    engine: Engine, tx: WriteTx, organization: Organization, feed: Feed, transactions: Transactions
) -> None:
    account_id = AccountId(feed.subject_id)
    listed = [
        NewTransaction(each.id, engine.new_id(), each.amount, each.description, each.at)
        for each in transactions.transactions
    ]
    at = organization.clock.read(engine.now())
    fresh = await stored.new_transactions(tx, organization.id, account_id, listed, at)
    ours = {each.id for each in transactions.transactions if each.payment_key is not None}
    arrived = [each for each in listed if each.bank_id in fresh - ours and each.amount > 0]
    if feed.cursor is None or not arrived:
        return
    progress = await load_progress(engine, tx, organization, account_ids=[account_id])
    for each in arrived:
        progress.movements.arrive(organization.id, account_id, Cents(each.amount), None, Origin(each.id, -1, None))
    await progress.write(tx)
