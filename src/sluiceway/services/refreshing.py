"""Fetches balances and movements of external accounts: daily, on demand, and before scheduled rules run.

A movement that nobody has seen before fires the account's incoming-funds rules, once, by the bank's own identity.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.ledger import ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.retries import delay_after
from sluiceway.rails import BankTransaction, Rail, RailUnavailable
from sluiceway.services.engine import Engine
from sluiceway.services.holding import is_from_before, note_origin
from sluiceway.services.movements import Origin
from sluiceway.services.progress import load_progress
from sluiceway.services.reports import fetch_reports
from sluiceway.storage import feeds as stored
from sluiceway.storage.accounts import find_account, write_report
from sluiceway.storage.database import WriteTx
from sluiceway.storage.days import end_day
from sluiceway.storage.feeds import Feed, NewTransaction
from sluiceway.storage.organizations import Organization, find_organizations, lock_organization
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events

EVERY: Final = timedelta(hours=24)
"""How often the balance of an external account is fetched without being asked for."""
UNAVAILABLE: Final = "UNAVAILABLE"
AT_ONCE: Final = 10
MOST_TRANSACTIONS: Final = 10_000
"""So much news at once, and the rest right afterwards."""
BUSY_S: Final = 0.02
"""How long to wait for somebody else who is fetching the same."""
_AT_ONCE: Final = timedelta(0)


class _Fetched(NamedTuple):
    """What a bank says of an account. `again_in` None: look again when somebody hurries it."""

    reported: ReportedBalance | None
    transactions: Sequence[BankTransaction]
    cursor: str | None
    again_in: timedelta | None


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with something to fetch."""
    async with engine.database.read() as tx:
        return await stored.feeds_due(tx, engine.now())


async def fetch(engine: Engine, organization_id: OrganizationId) -> int:
    """Fetch what is due of one organization: its bank's reports and external accounts; return how many there were."""
    count = 0
    # One after the other, each with a lease of its own: a slow answer to one uses up none of the others' time.
    while count < AT_ONCE:
        organization, claimed = await _claim(engine, organization_id, None)
        if not claimed:
            break
        for feed in claimed:
            await _fetch(engine, organization, feed)
        count += len(claimed)
    return count


async def refresh(
    engine: Engine, organization_id: OrganizationId, account_ids: Collection[AccountId]
) -> set[AccountId]:
    """Fetch these external accounts now, due or not; give those for which the bank did not answer.

    Whoever is at one already may have asked too early. They are waited for, and then it is fetched again.
    """
    return {each for each in sorted(account_ids) if not await _refresh(engine, organization_id, each)}


async def _refresh(engine: Engine, organization_id: OrganizationId, account_id: AccountId) -> bool:
    for _ in range(max(1, int(engine.lease.total_seconds() / BUSY_S))):
        organization, claimed = await _claim(engine, organization_id, [account_id])
        if claimed:
            return all([await _fetch(engine, organization, feed) for feed in claimed])
        if not await _has_feed(engine, organization_id, account_id):
            return True  # Deleted meanwhile. Whether that matters, the plan decides.
        await asyncio.sleep(BUSY_S)
    return False


async def fetch_now(engine: Engine, organization_id: OrganizationId, subject_id: str) -> bool:
    """Fetch one thing now, due or not; False: not done, since somebody else is at it."""
    organization, claimed = await _claim(engine, organization_id, [subject_id])
    for feed in claimed:
        await _fetch(engine, organization, feed)
    return bool(claimed)


async def _has_feed(engine: Engine, organization_id: OrganizationId, subject_id: str) -> bool:
    async with engine.database.read() as tx:
        return await stored.has_feed(tx, organization_id, subject_id)


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
            leased_until=now + engine.lease,
            subject_ids=subject_ids,
            limit=1,
        )

    return await engine.database.write(work)


async def _fetch(engine: Engine, organization: Organization, feed: Feed) -> bool:
    """Fetch one thing; tell whether it was answered for."""
    with engine.tracing.span(
        "fetch from a bank",
        kind="client",
        is_apart=True,
        organization_id=organization.id,
        subject_id=feed.subject_id,
        attempt=feed.attempts,
    ) as span:
        is_answered = await _fetch_once(engine, organization, feed)
        if not is_answered:
            span.fail("NotAnswered")
        return is_answered


async def _fetch_once(engine: Engine, organization: Organization, feed: Feed) -> bool:
    if feed.subject_id == organization.id:
        await fetch_reports(engine, organization, feed)
        return True
    rail = engine.rail_of(organization)
    if rail is None:
        # What a person typed in when the account was made stays until somebody knows better.
        return await _write(engine, organization.id, feed, _Fetched(None, (), feed.cursor, None))
    try:
        fetched = await _ask(rail, organization.id, feed, organization.clock.read(engine.now()))
    except RailUnavailable:
        await _fail(engine, organization.id, feed)
        return False
    return await _write(engine, organization.id, feed, fetched)


async def _ask(rail: Rail, organization_id: OrganizationId, feed: Feed, at: datetime) -> _Fetched:
    """Ask a bank for an account's balance and movements. The first look is at all of them, since it fires nothing."""
    account_id = AccountId(feed.subject_id)
    reported = (await rail.balances(organization_id, [account_id], at)).get(account_id)
    if reported is None or reported.error is not None:
        # A feed that is broken tells nothing. What it tells when it works for the first time must not count as news.
        return _Fetched(reported, (), feed.cursor, EVERY)
    found: dict[str, BankTransaction] = {}
    page = await rail.transactions(organization_id, account_id, feed.cursor, at)
    while page.transactions:
        # By identity: a movement that is listed twice is one.
        found |= {each.id: each for each in page.transactions}
        if len(found) >= MOST_TRANSACTIONS and feed.cursor is not None:
            return _Fetched(reported, tuple(found.values()), page.cursor, _AT_ONCE)
        page = await rail.transactions(organization_id, account_id, page.cursor, at)
    return _Fetched(reported, tuple(found.values()), page.cursor, EVERY)


async def _fail(engine: Engine, organization_id: OrganizationId, feed: Feed) -> None:
    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_feed(tx, organization_id, feed):
            return
        at = organization.clock.read(engine.now())
        account_id = AccountId(feed.subject_id)
        known = await find_account(tx, organization_id, account_id)
        await write_report(tx, organization_id, account_id, ReportedBalance(error=UNAVAILABLE), at)
        due_at = at + (delay_after(feed.attempts) or EVERY)
        await stored.end_fetch(tx, organization_id, feed, cursor=feed.cursor, due_at=due_at, has_failed=True)
        if known is not None and known.account.reported.error != UNAVAILABLE:
            event = OutboxEvent(organization_id, engine.new_id(), EventKind.BALANCE_UNAVAILABLE, account_id, at)
            await insert_events(tx, [event])

    await engine.database.write(work)


async def _write(engine: Engine, organization_id: OrganizationId, feed: Feed, fetched: _Fetched) -> bool:
    """Write a balance, and fire the rules of money that has come in since the last look (the first fires nothing).

    Gives False where somebody else is at it by now: then what was fetched is dropped.
    """
    account_id = AccountId(feed.subject_id)

    async def work(tx: WriteTx) -> bool:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_feed(tx, organization_id, feed):
            return False
        at = organization.clock.read(engine.now())
        await _apply(engine, tx, organization, feed, fetched.transactions)
        if fetched.reported is not None:
            await write_report(tx, organization_id, account_id, fetched.reported, at)
            if fetched.reported.balance is not None:
                await end_day(tx, organization_id, account_id, at, fetched.reported.balance)
        due_at = None if fetched.again_in is None else at + fetched.again_in
        await stored.end_fetch(tx, organization_id, feed, cursor=fetched.cursor, due_at=due_at)
        return True

    is_written = await engine.database.write(work)
    engine.wake()
    return is_written


async def _apply(
    engine: Engine, tx: WriteTx, organization: Organization, feed: Feed, transactions: Sequence[BankTransaction]
) -> None:
    account_id = AccountId(feed.subject_id)
    listed = [NewTransaction(each.id, engine.new_id(), each.amount, each.description, each.at) for each in transactions]
    at = organization.clock.read(engine.now())
    fresh = await stored.new_transactions(tx, organization.id, account_id, listed, at)
    ours = {each.id for each in transactions if each.payment_key is not None}
    arrived = [each for each in listed if each.bank_id in fresh - ours and each.amount > 0]
    if feed.cursor is None or not arrived:
        return
    progress = await load_progress(engine, tx, organization, account_ids=[account_id])
    for each in arrived:
        if is_from_before(organization, each.happened_at):
            await note_origin(tx, organization.id, each.id)
        progress.movements.arrive(organization.id, account_id, Cents(each.amount), None, Origin(each.id, -1, None))
    await progress.write(tx)
