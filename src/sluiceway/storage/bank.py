"""Owns the tables bank_*: the sandbox bank's accounts, payments, entries, reports, planned events and faults.

Only rows: what a bank does with them is in rails. Whoever writes has locked the organization's book.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, LiteralString, NamedTuple

from sluiceway.domain.ach import PaymentKind, ReturnCode
from sluiceway.domain.ids import AccountId, LegId, OrganizationId
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.rules import ErrorCode
from sluiceway.storage.bank_rows import (
    BankAccount,
    BankAccountState,
    BankCall,
    BankEntry,
    BankEvent,
    BookState,
    EventKind,
    EventState,
    Fault,
    LiabilityFigures,
    PaymentRow,
    PaymentState,
    ReportKind,
    ReportRow,
    WaitingFault,
)
from sluiceway.storage.database import ReadTx, WriteTx, count, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class BankCheck(StrEnum):
    """What is checked in the bank's own books."""

    BALANCES = "bank_balances_equal_entries"
    ONCE = "bank_payments_are_booked_once"
    REPORTS = "bank_reports_tell_every_end"
    NUMBERS = "bank_numbers_have_no_gaps"


class BankMismatch(NamedTuple):
    """One counter-example: whose, which, and the two sides that should be equal."""

    organization_id: str
    id: str
    expected: str
    found: str


_CHECKS: Final[dict[BankCheck, LiteralString]] = {
    BankCheck.BALANCES: QUERIES["accounts_unlike_their_entries"],
    BankCheck.ONCE: QUERIES["payments_unlike_their_entries"],
    BankCheck.REPORTS: QUERIES["payments_unlike_their_reports"],
    BankCheck.NUMBERS: QUERIES["numbers_with_gaps"],
}


async def lock_book(tx: WriteTx, organization_id: OrganizationId, at: datetime) -> BookState:
    """Wait for the bank's attention, and keep it until the transaction ends; the first call makes the book at `at`."""
    parameters = {"organization_id": organization_id, "at": at}
    row = await fetch_one(tx, QUERIES["lock_book"], parameters)
    if row is None:
        await execute(tx, QUERIES["insert_book"], parameters)
        row = await fetch_one(tx, QUERIES["lock_book"], parameters)
    assert row is not None, "the book was made by us or by somebody else"
    return BookState(*row)


async def write_book(tx: WriteTx, organization_id: OrganizationId, state: BookState) -> None:
    """Write how far the bank has come."""
    await execute(
        tx,
        QUERIES["write_book"],
        {
            "organization_id": organization_id,
            "at": state.reached_at,
            "entries": state.entries,
            "reports": state.reports,
        },
    )


async def insert_account(tx: WriteTx, organization_id: OrganizationId, account: BankAccount, at: datetime) -> None:
    """Open an account, unless it is there already."""
    fields = asdict(account)
    fields |= fields.pop("figures")
    await execute(tx, QUERIES["insert_account"], {"organization_id": organization_id, "at": at, **fields})


async def find_accounts(
    tx: ReadTx, organization_id: OrganizationId, ids: Collection[AccountId]
) -> dict[AccountId, BankAccount]:
    """Find accounts by id; those that the bank does not know are left out."""
    if not ids:
        return {}
    rows = await fetch_all(tx, QUERIES["find_accounts"], {"organization_id": organization_id, "ids": sorted(ids)})
    return {row[0]: _read_account(row) for row in rows}


async def write_accounts(tx: WriteTx, organization_id: OrganizationId, accounts: Iterable[BankAccount]) -> None:
    """Write back state, balances and figures."""
    columns = _columns(
        "ids states balances available last_statement_balances last_statement_dates next_payment_minimums"
        " next_payment_due_dates interest_rates original_loan_amounts",
        [(one.id, one.state, one.balance, one.available, *astuple(one.figures)) for one in accounts],
    )
    await _write_rows(tx, QUERIES["write_accounts"], organization_id, columns)


async def find_payment(tx: ReadTx, organization_id: OrganizationId, key: LegId) -> PaymentRow | None:
    """Find a payment by its key."""
    row = await fetch_one(tx, QUERIES["find_payment"], {"organization_id": organization_id, "key": key})
    return None if row is None else _read_payment(row)


async def due_payments(tx: ReadTx, organization_id: OrganizationId, at: datetime) -> list[PaymentRow]:
    """List the payments of which something becomes by `at`, in the order in which it does."""
    rows = await fetch_all(tx, QUERIES["due_payments"], {"organization_id": organization_id, "at": at})
    return [_read_payment(row) for row in rows]


async def list_payments(
    tx: ReadTx, organization_id: OrganizationId, *, after: LegId | None = None, limit: int
) -> list[PaymentRow]:
    """List an organization's payments in the order of their keys; `after` continues a list."""
    parameters = {"organization_id": organization_id, "after": after, "limit": limit}
    return [_read_payment(row) for row in await fetch_all(tx, QUERIES["list_payments"], parameters)]


async def write_payments(tx: WriteTx, organization_id: OrganizationId, payments: Iterable[PaymentRow]) -> None:
    """Add payments, or write back what became of them."""
    columns = _columns(
        "keys kinds account_ids amounts currencies beneficiary_names descriptions are_direct_deposits states refusals"
        " handed_over_at expected_at due_at settled_at ended_at return_codes are_booked calls",
        [astuple(payment) for payment in payments],
    )
    await _write_rows(tx, QUERIES["write_payments"], organization_id, columns)


async def insert_entries(tx: WriteTx, organization_id: OrganizationId, entries: Sequence[BankEntry]) -> None:
    """Book movements."""
    columns = _columns("numbers ids account_ids amounts booked_at descriptions payment_keys", entries)
    await _write_rows(tx, QUERIES["insert_entries"], organization_id, columns)


async def entries_after(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId, after: int, limit: int
) -> list[BankEntry]:
    """List the movements on an account with a number above `after`, in order."""
    parameters = {"organization_id": organization_id, "account_id": account_id, "after": after, "limit": limit}
    return [BankEntry(*row) for row in await fetch_all(tx, QUERIES["entries_after"], parameters)]


async def insert_reports(tx: WriteTx, organization_id: OrganizationId, reports: Sequence[ReportRow]) -> None:
    """Add what is to be told."""
    columns = _columns(
        "numbers ids kinds happened_at payment_keys return_codes account_ids amounts descriptions payee_names", reports
    )
    await _write_rows(tx, QUERIES["insert_reports"], organization_id, columns)


async def reports_after(tx: ReadTx, organization_id: OrganizationId, after: int, limit: int) -> list[ReportRow]:
    """List the reports with a number above `after`, in order."""
    parameters = {"organization_id": organization_id, "after": after, "limit": limit}
    rows = await fetch_all(tx, QUERIES["reports_after"], parameters)
    return [ReportRow(*_read(row, {2: ReportKind, 5: ReturnCode})) for row in rows]


async def next_report_at(tx: ReadTx, organization_id: OrganizationId) -> datetime | None:
    """Tell when there will next be something to report, as far as is known."""
    row = await fetch_one(tx, QUERIES["next_report_at"], {"organization_id": organization_id})
    assert row is not None, "a query without FROM has one row"
    at: datetime | None = row[0]
    return at


async def insert_events(tx: WriteTx, organization_id: OrganizationId, events: Sequence[BankEvent]) -> None:
    """Plan events; those whose id was planned before stay as they are."""
    columns = _columns("ids kinds account_ids happens_at amounts descriptions payee_names states", events)
    await _write_rows(tx, QUERIES["insert_events"], organization_id, columns)


async def due_events(tx: ReadTx, organization_id: OrganizationId, at: datetime) -> list[BankEvent]:
    """List the planned events that happen by `at`, in order."""
    rows = await fetch_all(tx, QUERIES["due_events"], {"organization_id": organization_id, "at": at})
    return [BankEvent(*_read(row, {1: EventKind, 7: EventState})) for row in rows]


async def write_events(tx: WriteTx, organization_id: OrganizationId, events: Iterable[BankEvent]) -> None:
    """Write back what became of events."""
    columns = _columns("ids states", [(event.id, event.state) for event in events])
    await _write_rows(tx, QUERIES["write_events"], organization_id, columns)


async def insert_fault(
    tx: WriteTx, organization_id: OrganizationId, asked_id: str, call: BankCall, fault: Fault, times: int
) -> None:
    """Let a call fail, after the faults that wait for it already; nothing for an `asked_id` that has asked before."""
    if not await count(tx, QUERIES["insert_asked"], {"organization_id": organization_id, "asked_id": asked_id}):
        return
    parameters = {"organization_id": organization_id, "call": call.value, "fault": fault.value, "times": times}
    await execute(tx, QUERIES["insert_fault"], parameters)


async def find_fault(tx: ReadTx, organization_id: OrganizationId, call: BankCall) -> WaitingFault | None:
    """Find the fault that a call meets next."""
    row = await fetch_one(tx, QUERIES["find_fault"], {"organization_id": organization_id, "call": call.value})
    return None if row is None else WaitingFault(call, row[0], Fault(row[1]), row[2])


async def use_fault(tx: WriteTx, organization_id: OrganizationId, waiting: WaitingFault) -> None:
    """Count a fault as met once."""
    query = QUERIES["use_fault"] if waiting.times > 1 else QUERIES["delete_fault"]
    parameters = {"organization_id": organization_id, "call": waiting.call.value, "number": waiting.number}
    await execute(tx, query, parameters)


async def find_bank_mismatches(
    tx: ReadTx, only: OrganizationId | None, check: BankCheck, limit: int
) -> tuple[int, list[BankMismatch]]:
    """Run one check over an organization, or over all (None): how many counter-examples there are, and the first."""
    rows = await fetch_all(tx, _CHECKS[check], {"only": only, "limit": limit})
    return (rows[0][4] if rows else 0), [BankMismatch(*row[:4]) for row in rows]


def _columns(names: str, rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    wanted = names.split()
    return dict(zip(wanted, (list(column) for column in zip(*rows, strict=True)), strict=False))


async def _write_rows(
    tx: WriteTx, query: LiteralString, organization_id: OrganizationId, columns: dict[str, list[Any]]
) -> None:
    if columns:
        await execute(tx, query, {"organization_id": organization_id, **columns})


def _read(row: Sequence[Any], readers: Mapping[int, Callable[[str], StrEnum]]) -> list[Any]:
    """Read the words of a row, by their place; what is not there stays None."""
    return [readers[at](value) if at in readers and value is not None else value for at, value in enumerate(row)]


def _read_account(row: Sequence[Any]) -> BankAccount:
    fields: list[Any] = [*_read(row[:7], {1: ExternalKind, 4: BankAccountState}), LiabilityFigures(*row[7:])]
    return BankAccount(*fields)


def _read_payment(row: Sequence[Any]) -> PaymentRow:
    return PaymentRow(*_read(row, {1: PaymentKind, 8: PaymentState, 9: ErrorCode, 15: ReturnCode}))
