"""One call's turn at the sandbox bank: its book locked, loaded and brought up to date; and written back."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.ids import AccountId, LegId, OrganizationId
from sluiceway.rails.sandbox_book import BankBook, advance
from sluiceway.storage import bank as stored
from sluiceway.storage.bank_rows import BankAccount, BookState, Fault, PaymentRow, WaitingFault
from sluiceway.storage.database import WriteTx


@dataclass(slots=True)
class Turn:
    """The organization's book under its lock. Everything that was due by `now` has happened and is written."""

    tx: WriteTx
    organization_id: OrganizationId
    state: BookState
    book: BankBook
    waiting: WaitingFault | None = None

    @property
    def now(self) -> datetime:
        """The bank's instant: it never goes back, where the caller's clock lags a little."""
        return self.book.now

    async def payment(self, key: LegId) -> PaymentRow | None:
        """Find a payment, and have it and its account at hand."""
        payment = await stored.find_payment(self.tx, self.organization_id, key)
        if payment is not None:
            self.book.payments[key] = payment
            await self.accounts([payment.account_id])
        return payment

    async def accounts(self, ids: Collection[AccountId]) -> dict[AccountId, BankAccount]:
        """Find those accounts that the bank knows, and have them at hand."""
        found = await stored.find_accounts(self.tx, self.organization_id, set(ids))
        self.book.accounts.update(found)
        return found

    async def account(self, account_id: AccountId) -> BankAccount | None:
        """Find one account."""
        return (await self.accounts([account_id])).get(account_id)

    async def advance(self) -> None:
        """Let everything happen that is due, and write it."""
        book = self.book
        payments = await stored.due_payments(self.tx, self.organization_id, self.now)
        events = await stored.due_events(self.tx, self.organization_id, self.now)
        if payments or events:
            book.payments.update((payment.key, payment) for payment in payments)
            book.events.update((event.id, event) for event in events)
            await self.accounts({*(one.account_id for one in payments), *(one.account_id for one in events)})
            advance(book)
        await self.write()

    async def write(self) -> None:
        """Write what has changed."""
        tx, organization_id, book = self.tx, self.organization_id, self.book
        # Payments before the entries and reports that point at them.
        await stored.write_payments(tx, organization_id, [book.payments[key] for key in sorted(book.changed_payments)])
        await stored.insert_entries(tx, organization_id, book.entries)
        await stored.insert_reports(tx, organization_id, book.reports)
        await stored.write_accounts(tx, organization_id, [book.accounts[id_] for id_ in sorted(book.changed_accounts)])
        await stored.write_events(tx, organization_id, [book.events[id_] for id_ in sorted(book.changed_events)])
        state = BookState(book.now, book.entries_so_far, book.reports_so_far)
        if state != self.state:
            await stored.write_book(tx, organization_id, state)
            self.state = state
        for written in (book.entries, book.reports):
            written.clear()
        for changed in (book.changed_payments, book.changed_accounts, book.changed_events):
            changed.clear()

    async def meets(self, fault: Fault) -> bool:
        """Tell whether this call meets a fault, and count it as met."""
        if self.waiting is None or self.waiting.fault is not fault:
            return False
        await stored.use_fault(self.tx, self.organization_id, self.waiting)
        return True


async def lock_turn(tx: WriteTx, organization_id: OrganizationId, at: datetime) -> Turn:
    """Wait for the organization's turn; nothing has happened yet that was due."""
    state = await stored.lock_book(tx, organization_id, at)
    book = BankBook(max(at, state.reached_at), state.entries, state.reports)
    return Turn(tx, organization_id, state, book)
