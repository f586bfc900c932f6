"""Accounts: create pods, income sources and external accounts, delete them softly, read them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.access import Permission, Principal, require, visible
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.audit import Act
from sluiceway.domain.errors import AccountNotEmpty, NotFound, Refusal
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind, ExternalKind, ReportedBalance
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.storage import accounts as stored
from sluiceway.storage.cards import has_active_card
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.days import end_day
from sluiceway.storage.feeds import delete_feed, insert_feed
from sluiceway.storage.organizations import find_organizations, lock_organization

NOT_REPORTED = ReportedBalance()


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a new account is called and is. Texts are checked by whoever reads them in."""

    kind: AccountKind
    name: str
    external_kind: ExternalKind | None = None
    currency: str = "USD"
    description: str | None = None
    icon: str | None = None
    beneficiary_name: str | None = None
    institution_name: str | None = None
    routing_number: str | None = None
    account_number: str | None = None
    reported: ReportedBalance = NOT_REPORTED
    linked_account_id: AccountId | None = None
    """Of a pod: the manual liability whose payments wait in it."""


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """Create an account. `show` writes the answer, which is remembered under the idempotency key."""

    organization_id: OrganizationId
    account: NewAccount
    idempotency: Idempotency | None
    show: Callable[[AccountRecord], Answer]
    act: Act | None = None


async def create_account(engine: Engine, command: CreateAccount) -> Answer:
    """Create an account. Raises the refusals of idempotency."""

    async def effect(tx: WriteTx, _: object) -> list[Answer | Refusal]:
        return [command.show(await insert_account(engine, tx, command.organization_id, command.account))]

    [answer] = await run_idempotently(engine, [command], effect)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def insert_account(
    engine: Engine,
    tx: WriteTx,
    organization_id: OrganizationId,
    new: NewAccount,
    account_id: AccountId | None = None,
) -> AccountRecord:
    """Add an account (under the id that its bank knows already), with our own of its currency where it is the first."""
    assert new.kind not in (AccountKind.WORLD, AccountKind.CLEARING), "our own are made when they are first needed"
    at = (await find_organizations(tx, [organization_id]))[organization_id].clock.read(engine.now())
    if (organization_id, new.currency) not in await stored.own_accounts(tx, [organization_id]):
        for kind in (AccountKind.WORLD, AccountKind.CLEARING):
            own_id = AccountId(engine.new_id())
            await stored.insert_own_account(tx, organization_id, own_id, kind, new.currency, at)
    record = _record(account_id or AccountId(engine.new_id()), organization_id, new, at)
    await stored.insert_account(tx, record)
    if new.kind is AccountKind.EXTERNAL_ACCOUNT:
        await insert_feed(tx, organization_id, record.account.id)
        if new.reported.balance is not None:
            await end_day(tx, organization_id, record.account.id, at, new.reported.balance)
    return record


def _record(account_id: AccountId, organization_id: OrganizationId, new: NewAccount, at: datetime) -> AccountRecord:
    return AccountRecord(
        organization_id=organization_id,
        account=Account(
            id=account_id,
            kind=new.kind,
            external_kind=new.external_kind,
            currency=new.currency,
            reported=new.reported,
            name=new.name,
            linked_account_id=new.linked_account_id,
        ),
        balance=NOTHING,
        name=new.name,
        description=new.description,
        icon=new.icon,
        beneficiary_name=new.beneficiary_name,
        institution_name=new.institution_name,
        routing_number=new.routing_number,
        account_number=new.account_number,
        created_at=at,
        updated_at=at,
        deleted_at=None,
    )


async def delete_account(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> AccountRecord:
    """Delete an account softly.

    Raises NotFound, and AccountNotEmpty while it holds or expects money, is where payments to a liability wait, or is
    what an active card pays from. Cards that are not active stay on it, and cannot be made active any more.
    """

    async def work(tx: WriteTx) -> AccountRecord:
        # The gate keeps settlement out, the row lock keeps transfers and deposits out.
        at = (await lock_organization(tx, organization_id)).clock.read(engine.now())
        books = await stored.lock_accounts(tx, [(organization_id, account_id)] if account_id is not None else [])
        record = None if account_id is None else await stored.find_account(tx, organization_id, account_id)
        if record is None or record.deleted_at is not None:
            raise NotFound(IdKind.ACCOUNT, spelling)
        if books[organization_id].balances[record.account.id] != NOTHING or await _is_needed(tx, record):
            raise AccountNotEmpty
        await stored.delete_account(tx, organization_id, record.account.id, at)
        await delete_feed(tx, organization_id, record.account.id)
        return record

    return await do(engine, act, work)


async def _is_needed(tx: ReadTx, record: AccountRecord) -> bool:
    """Tell whether payments to a liability wait in the account, or a card pays from it: what would become of them?"""
    if await has_active_card(tx, record.organization_id, record.account.id):
        return True
    linked = record.account.linked_account_id
    liability = None if linked is None else await stored.find_account(tx, record.organization_id, linked)
    return liability is not None and liability.deleted_at is None


async def get_account(
    engine: Engine, principal: Principal, account_id: AccountId | None, spelling: str, *, with_deleted: bool = False
) -> AccountRecord:
    """Read an account, a deleted one only when that is asked for. Raises PermissionDenied and NotFound."""
    require(principal, Permission.READ_ACCOUNTS, account_id)
    record = None
    if account_id is not None:
        async with engine.database.read() as tx:
            record = await stored.find_account(tx, principal.organization_id, account_id)
    if record is None or (record.deleted_at is not None and not with_deleted):
        raise NotFound(IdKind.ACCOUNT, spelling)
    return record


async def list_accounts(
    engine: Engine,
    principal: Principal,
    *,
    permission: Permission = Permission.LIST_ACCOUNTS,
    kind: AccountKind | None = None,
    with_deleted: bool = False,
    before_id: AccountId | None = None,
    offset: int = 0,
    limit: int,
) -> list[AccountRecord]:
    """List the accounts that the permission covers, newest first. Raises PermissionDenied."""
    ids = visible(principal, permission)
    async with engine.database.read() as tx:
        return await stored.list_accounts(
            tx,
            principal.organization_id,
            kind=kind,
            ids=ids,
            with_deleted=with_deleted,
            before_id=before_id,
            offset=offset,
            limit=limit,
        )


async def linked_accounts(
    engine: Engine, principal: Principal, records: Collection[AccountRecord]
) -> dict[AccountId, AccountRecord]:
    """Read the liabilities whose payments wait in these pods, as far as the principal may read them."""
    ids = {record.account.linked_account_id for record in records} - {None}
    seen = visible(principal, Permission.READ_ACCOUNTS)
    wanted = {each for each in ids if each is not None and (seen is None or each in seen)}
    if not wanted:
        return {}
    async with engine.database.read() as tx:
        found = await stored.list_accounts(tx, principal.organization_id, ids=wanted, with_deleted=True)
    return {record.account.id: record for record in found}
