"""Fetches what banks report and applies it: the cursor moves in the transaction that applies what it has passed."""

from datetime import datetime, timedelta
from typing import Final

from sluiceway.domain.advancing import LegReturned, LegSettled
from sluiceway.domain.ids import AccountId, OrganizationId, TransferId
from sluiceway.domain.retries import DELAYS, delay_after
from sluiceway.domain.rules import ErrorCode
from sluiceway.domain.transfers import Direction, Mode, TransferStatus
from sluiceway.domain.transfers import Origin as TransferOrigin
from sluiceway.rails import Deposited, RailUnavailable, Report, Reports, Returned, Settled, Withdrawn
from sluiceway.services.engine import Engine
from sluiceway.services.holding import is_from_before, note_origin
from sluiceway.services.movements import Origin
from sluiceway.services.progress import Progress, load_progress
from sluiceway.storage import feeds as stored
from sluiceway.storage.accounts import find_account
from sluiceway.storage.database import WriteTx
from sluiceway.storage.feeds import Feed
from sluiceway.storage.organizations import Organization, lock_organization
from sluiceway.storage.transfers import NewTransfer

LIVE_POLL: Final = timedelta(minutes=15)
"""How often a bank that does not say when it will have news is asked."""


async def fetch_reports(engine: Engine, organization: Organization, feed: Feed) -> None:
    """Fetch what the organization's bank reports, and apply it."""
    rail = engine.rail_of(organization)
    if rail is None:
        await _end(engine, organization.id, feed, None, has_failed=False)
        return
    try:
        fetched = await rail.reports(organization.id, feed.cursor, organization.clock.read(engine.now()))
    except RailUnavailable:
        delay = delay_after(feed.attempts) or DELAYS[-1]
        await _end(engine, organization.id, feed, organization.clock.read(engine.now()) + delay, has_failed=True)
        return
    await _apply(engine, organization, feed, fetched)
    engine.wake()


async def _end(
    engine: Engine, organization_id: OrganizationId, feed: Feed, due_at: datetime | None, *, has_failed: bool
) -> None:
    async def work(tx: WriteTx) -> None:
        if await stored.holds_feed(tx, organization_id, feed):
            await stored.end_fetch(tx, organization_id, feed, cursor=feed.cursor, due_at=due_at, has_failed=has_failed)

    await engine.database.write(work)


async def _apply(engine: Engine, known: Organization, feed: Feed, fetched: Reports) -> None:
    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, known.id)
        if not await stored.holds_feed(tx, known.id, feed):
            return
        at = organization.clock.read(engine.now())
        fresh = await stored.new_reports(tx, known.id, [report.id for report in fetched.reports], at)
        # A report that comes twice in one answer is applied once too.
        reports = {report.id: report for report in fetched.reports if report.id in fresh}
        await _apply_reports(engine, tx, organization, list(reports.values()))
        due_at = fetched.ask_again_at
        if due_at is None and not organization.is_sandbox:
            due_at = at + LIVE_POLL
        # More may have been waiting than one answer holds.
        if fetched.reports and fetched.cursor != feed.cursor:
            due_at = at
        await stored.end_fetch(tx, known.id, feed, cursor=fetched.cursor, due_at=due_at)

    await engine.database.write(work)


async def _apply_reports(engine: Engine, tx: WriteTx, organization: Organization, reports: list[Report]) -> None:
    if not reports:
        return
    outside = [report for report in reports if isinstance(report, Deposited | Withdrawn)]
    progress = await load_progress(
        engine,
        tx,
        organization,
        leg_ids=[report.key for report in reports if isinstance(report, Settled | Returned)],
        account_ids=[report.account_id for report in outside],
    )
    for report in reports:
        match report:
            case Settled(_, key, at):
                progress.news(key, LegSettled(at))
            case Returned(_, key, at, code):
                progress.news(key, LegReturned(at, code))
            case Deposited():
                await _deposit(tx, progress, report)
            case Withdrawn():
                _withdraw(progress, report)
    await progress.write(tx)


async def _deposit(tx: WriteTx, progress: Progress, report: Deposited) -> None:
    """Post money that somebody outside has sent; under another name than the owner's it goes back."""
    book = progress.movements.books[progress.organization_id]
    account = book.accounts.get(report.account_id)
    if account is None or not account.is_kept:
        return
    record = await find_account(tx, progress.organization_id, report.account_id)
    owner = None if record is None else record.beneficiary_name
    is_mismatch = owner is not None and report.payee_name is not None and _folded(owner) != _folded(report.payee_name)
    transfer_id = TransferId(progress.movements.engine.new_id())
    if not is_mismatch:
        progress.reopen(account.id)
        world = progress.own[progress.organization_id, account.currency].world
        book.post(transfer_id, world, account.id, report.amount)
    if is_from_before(progress.movements.organizations[progress.organization_id], report.at):
        await note_origin(tx, progress.organization_id, transfer_id)
    transfer = _outside(progress, transfer_id, report, is_deposit=True)
    if is_mismatch:
        transfer = transfer._replace(status=TransferStatus.ERROR, error_code=ErrorCode.NAME_MISMATCH)
    progress.movements.add(transfer, Origin(transfer_id, -1, None))


def _withdraw(progress: Progress, report: Withdrawn) -> None:
    """Let somebody outside collect money; what is not there is not paid."""
    book = progress.movements.books[progress.organization_id]
    account = book.accounts.get(report.account_id)
    if account is None or not account.is_kept or account.is_deleted:
        return
    transfer_id = TransferId(progress.movements.engine.new_id())
    transfer = _outside(progress, transfer_id, report, is_deposit=False)
    spendable = book.spendable(account.id)
    if spendable is not None and spendable >= report.amount:
        world = progress.own[progress.organization_id, account.currency].world
        book.post(transfer_id, account.id, world, report.amount)
    else:
        transfer = transfer._replace(status=TransferStatus.INCOMPLETE, error_code=ErrorCode.INSUFFICIENT_FUNDS)
    progress.movements.add(transfer, Origin(transfer_id, -1, None))


def _outside(
    progress: Progress, transfer_id: TransferId, report: Deposited | Withdrawn, *, is_deposit: bool
) -> NewTransfer:
    account_id = AccountId(report.account_id)
    return NewTransfer(
        organization_id=progress.organization_id,
        id=transfer_id,
        execution_id=None,
        rule_id=None,
        step=None,
        action=None,
        part=None,
        source_account_id=None if is_deposit else account_id,
        destination_account_id=account_id if is_deposit else None,
        amount=report.amount,
        direction=Direction.MONEY_IN if is_deposit else Direction.MONEY_OUT,
        origin=TransferOrigin.DIRECT_DEPOSIT if is_deposit else TransferOrigin.EXTERNAL_PULL,
        mode=Mode.LIVE,
        status=TransferStatus.COMPLETE,
        error_code=None,
        description=report.description,
    )


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
