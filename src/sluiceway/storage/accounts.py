"""Owns the table account: facts, running balances and what institutions report."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.ledger import Account, AccountKind, Balance, Book, ExternalKind, ReportedBalance, book_of
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)

AccountKey = tuple[OrganizationId, AccountId]


async def lock_accounts(tx: WriteTx, keys: Iterable[AccountKey]) -> dict[OrganizationId, Book]:
    """Lock accounts in id order and open a book for each organization. Accounts that do not exist are left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await fetch_all(
        tx,
        QUERIES["lock_accounts"],
        {
            "organization_ids": [organization_id for organization_id, _ in wanted],
            "ids": [account_id for _, account_id in wanted],
            "only": only({organization_id for organization_id, _ in wanted}),
        },
    )
    found: dict[OrganizationId, list[tuple[Account, Balance]]] = {organization_id: [] for organization_id, _ in wanted}
    for row in rows:
        found[row[0]].append(_read_account(row))
    return {organization_id: book_of(entries) for organization_id, entries in found.items()}


async def write_balances(tx: WriteTx, books: Iterable[tuple[OrganizationId, Book]]) -> None:
    """Write back every balance that a book has changed."""
    rows = [
        (organization_id, account_id, *book.balances[account_id])
        for organization_id, book in books
        for account_id in sorted(book.touched)
    ]
    if not rows:
        return
    organization_ids, ids, posted, held_out, expected_in, overdrawn = map(list, zip(*rows, strict=True))
    await execute(
        tx,
        QUERIES["write_balances"],
        {
            "organization_ids": organization_ids,
            "ids": ids,
            "posted": posted,
            "held_out": held_out,
            "expected_in": expected_in,
            "overdrawn": overdrawn,
            "only": only(set(organization_ids)),
        },
    )


class OwnAccounts(NamedTuple):
    """An organization's own accounts of one currency."""

    world: AccountId
    clearing: AccountId


async def own_accounts(
    tx: ReadTx, organization_ids: Collection[OrganizationId]
) -> dict[tuple[OrganizationId, str], OwnAccounts]:
    """Find the accounts through which money enters, leaves and passes, by organization and currency."""
    rows = await fetch_all(tx, QUERIES["own_accounts"], {"organization_ids": sorted(organization_ids)})
    found = {(organization_id, currency, kind): account_id for organization_id, currency, kind, account_id in rows}
    return {
        (organization_id, currency): OwnAccounts(account_id, found[organization_id, currency, AccountKind.CLEARING])
        for (organization_id, currency, kind), account_id in found.items()
        if kind == AccountKind.WORLD
    }


async def insert_own_account(
    tx: WriteTx, organization_id: OrganizationId, account_id: AccountId, kind: AccountKind, currency: str, at: datetime
) -> None:
    """Add the world or the clearing account of a currency, unless it is there."""
    name = "The world outside" if kind is AccountKind.WORLD else "Money between banks"
    await execute(
        tx,
        QUERIES["insert_own_account"],
        {
            "organization_id": organization_id,
            "id": account_id,
            "kind": kind.value,
            "currency": currency,
            "name": name,
            "at": at,
        },
    )


async def write_report(
    tx: WriteTx, organization_id: OrganizationId, account_id: AccountId, reported: ReportedBalance, at: datetime
) -> None:
    """Write what an institution says of an external account. With an error, the figures and their time stay."""
    row: dict[str, object] = {"organization_id": organization_id, "id": account_id, "at": at}
    if reported.error is not None:
        await execute(tx, QUERIES["write_report_error"], row | {"error": reported.error})
        return
    figures = {
        "balance": reported.balance,
        "available": reported.available,
        "last_statement_balance": reported.last_statement_balance,
        "last_statement_date": reported.last_statement_date,
        "next_payment_minimum": reported.next_payment_minimum,
        "next_payment_due_date": reported.next_payment_due_date,
        "interest_rate": reported.interest_rate,
        "original_loan_amount": reported.original_loan_amount,
    }
    await execute(tx, QUERIES["write_report"], row | figures)


async def insert_account(tx: WriteTx, record: AccountRecord) -> None:
    """Add an account; its ledger balances start at zero."""
    account, reported = record.account, record.account.reported
    await execute(
        tx,
        QUERIES["insert_account"],
        {
            "organization_id": record.organization_id,
            "id": account.id,
            "kind": account.kind.value,
            "external_kind": account.external_kind and account.external_kind.value,
            "currency": account.currency,
            "floor": account.floor,
            "name": record.name,
            "description": record.description,
            "icon": record.icon,
            "beneficiary_name": record.beneficiary_name,
            "institution_name": record.institution_name,
            "routing_number": record.routing_number,
            "account_number": record.account_number,
            "reported_balance": reported.balance,
            "reported_available": reported.available,
            "last_statement_balance": reported.last_statement_balance,
            "last_statement_date": reported.last_statement_date,
            "next_payment_minimum": reported.next_payment_minimum,
            "next_payment_due_date": reported.next_payment_due_date,
            "interest_rate": reported.interest_rate,
            "original_loan_amount": reported.original_loan_amount,
            "reported_at": reported.updated_at,
            "reported_error": reported.error,
            "linked_account_id": account.linked_account_id,
            "at": record.created_at,
        },
    )


async def external_accounts(tx: ReadTx, organization_id: OrganizationId) -> frozenset[AccountId]:
    """Name the external accounts of an organization that are not deleted."""
    rows = await fetch_all(tx, QUERIES["external_accounts"], {"organization_id": organization_id})
    return frozenset(row[0] for row in rows)


async def reopen_accounts(
    tx: WriteTx, organization_id: OrganizationId, account_ids: Collection[AccountId], at: datetime
) -> None:
    """Bring deleted accounts back, because a return has come for them."""
    row = {"organization_id": organization_id, "ids": sorted(account_ids), "at": at}
    await execute(tx, QUERIES["reopen_accounts"], row)


async def delete_account(tx: WriteTx, organization_id: OrganizationId, account_id: AccountId, at: datetime) -> None:
    """Mark an account as deleted."""
    await execute(tx, QUERIES["delete_account"], {"organization_id": organization_id, "id": account_id, "at": at})


async def find_account(tx: ReadTx, organization_id: OrganizationId, account_id: AccountId) -> AccountRecord | None:
    """Find an account, deleted or not."""
    row = await fetch_one(tx, QUERIES["find_account"], {"organization_id": organization_id, "id": account_id})
    return None if row is None else _read_record(row)


async def find_accounts(
    tx: ReadTx, organization_id: OrganizationId, account_ids: Collection[AccountId]
) -> dict[AccountId, Account]:
    """Find the facts of accounts, deleted or not. Accounts that do not exist are left out."""
    rows = await fetch_all(
        tx, QUERIES["find_accounts"], {"organization_id": organization_id, "ids": sorted(account_ids)}
    )
    return {account.id: account for account, _ in map(_read_account, rows)}


async def list_accounts(
    tx: ReadTx,
    organization_id: OrganizationId,
    *,
    kind: AccountKind | None = None,
    ids: Collection[str] | None = None,
    with_deleted: bool = False,
    before_id: str | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> list[AccountRecord]:
    """List accounts, newest first; `ids` restricts them (None: all), `before_id` or `offset` continues a list."""
    rows = await fetch_all(
        tx,
        QUERIES["list_accounts"],
        {
            "organization_id": organization_id,
            "kind": kind and kind.value,
            "with_deleted": with_deleted,
            "ids": None if ids is None else sorted(ids),
            "before_id": before_id,
            "offset": offset,
            "limit": limit,
        },
    )
    return [_read_record(row) for row in rows]


def _read_account(row: Sequence[Any]) -> tuple[Account, Balance]:
    account = Account(
        id=row[1],
        kind=AccountKind(row[2]),
        external_kind=None if row[3] is None else ExternalKind(row[3]),
        currency=row[4],
        floor=row[5],
        is_deleted=row[6],
        reported=ReportedBalance(*row[7:17]) if row[3] is not None else NOT_REPORTED,
        name=row[21],
        linked_account_id=row[22],
    )
    return account, Balance(row[17], row[18], row[19], row[20])


NOT_REPORTED = ReportedBalance()


def _read_record(row: Sequence[Any]) -> AccountRecord:
    account, balance = _read_account(row)
    return AccountRecord(row[0], account, balance, row[21], *row[23:32])
