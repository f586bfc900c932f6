"""An organization at the sandbox bank, in short words: accounts by name, Eastern wall time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from sluiceway.domain.ach import EASTERN, PaymentKind, ReturnCode
from sluiceway.domain.errors import Problem
from sluiceway.domain.ids import AccountId, LegId, OrganizationId
from sluiceway.domain.ledger import ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.rails import Answer, Report, Reports, Submission
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.storage.bank import BankCheck, entries_after, find_bank_mismatches, list_payments
from sluiceway.storage.bank_rows import (
    BankAccount,
    BankAccountState,
    BankEntry,
    BankEvent,
    EventKind,
    LiabilityFigures,
    PaymentRow,
)
from sluiceway.storage.database import Database, WriteTx, execute, fetch_all

BEFORE = "2026-07-01 09:00"
TUESDAY = "2026-07-07 09:00"
_NAMES = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def eastern(written: str) -> datetime:
    """Read Eastern wall time."""
    return datetime.fromisoformat(written).replace(tzinfo=EASTERN).astimezone(UTC)


def wall(at: datetime | None) -> str | None:
    """Write Eastern wall time."""
    return None if at is None else at.astimezone(EASTERN).strftime("%Y-%m-%d %H:%M")


@dataclass
class Customer:
    """An organization. Accounts and payments are named by words, which give their ids."""

    database: Database
    bank: SandboxBank
    organization_id: OrganizationId

    def account_id(self, name: str) -> AccountId:
        """Name an account."""
        return AccountId(str(uuid5(_NAMES, f"account {name}")))

    def key(self, name: str) -> LegId:
        """Name a payment."""
        return LegId(str(uuid5(_NAMES, f"payment {name}")))

    async def open(
        self,
        name: str,
        balance: int = 0,
        kind: ExternalKind = ExternalKind.DEPOSITORY,
        at: str = BEFORE,
        **more: Any,
    ) -> tuple[Problem, ...]:
        """Open an account."""
        account = BankAccount(
            id=self.account_id(name),
            kind=kind,
            holder_name=None,
            currency="USD",
            state=BankAccountState.OPEN,
            balance=Cents(balance),
            available=None,
        )
        return await self.bank.open_account(self.organization_id, replace(account, **more), eastern(at))

    async def hand_over(
        self, key: str, kind: PaymentKind, account: str, amount: int, at: str = TUESDAY, **more: Any
    ) -> Answer:
        """Hand a payment over."""
        submission = Submission(
            self.organization_id, self.key(key), kind, self.account_id(account), Cents(amount), "USD"
        )
        return await self.bank.submit(replace(submission, **more), eastern(at))

    async def cancel(self, key: str, at: str = TUESDAY) -> bool:
        """Call a push of 100 to the checking account back."""
        account_id = self.account_id("checking")
        submission = Submission(self.organization_id, self.key(key), PaymentKind.PUSH, account_id, Cents(100), "USD")
        return await self.bank.cancel(submission, eastern(at))

    async def push(self, key: str, account: str, amount: int, at: str = TUESDAY, **more: Any) -> Answer:
        """Hand a push over."""
        return await self.hand_over(key, PaymentKind.PUSH, account, amount, at, **more)

    async def pull(self, key: str, account: str, amount: int, at: str = TUESDAY, **more: Any) -> Answer:
        """Hand a pull over."""
        return await self.hand_over(key, PaymentKind.PULL, account, amount, at, **more)

    async def ask(self, at: str, cursor: str | None = None) -> Reports:
        """Ask for reports."""
        return await self.bank.reports(self.organization_id, cursor, eastern(at))

    async def told(self, at: str, cursor: str | None = None) -> list[str]:
        """Tell in words what has been reported."""
        return [self.words(report) for report in (await self.ask(at, cursor)).reports]

    def words(self, report: Report) -> str:
        """Tell one report in words."""
        fields = report._asdict()
        named = {self.key(name): name for name in ("a", "b", "c", "d", "first", "second")}
        what = named.get(fields.get("key", ""), str(fields.get("amount", "")))
        code = f" {fields['code']}" if "code" in fields else ""
        return f"{wall(report.at)} {type(report).__name__} {what}{code}"

    async def balance(self, name: str, at: str) -> ReportedBalance:
        """Ask for one balance."""
        account_id = self.account_id(name)
        return (await self.bank.balances(self.organization_id, [account_id], eastern(at)))[account_id]

    async def set_state(self, name: str, state: BankAccountState, at: str = BEFORE) -> tuple[Problem, ...]:
        """Change an account's state."""
        return await self.bank.set_state(self.organization_id, self.account_id(name), state, eastern(at))

    async def return_now(self, key: str, code: ReturnCode, at: str) -> str | None:
        """Return a payment by hand."""
        return await self.bank.return_now(self.organization_id, self.key(key), code, eastern(at))

    def event(self, number: int, kind: EventKind, account: str, at: str, amount: int = 0, **more: Any) -> BankEvent:
        """Write a planned event."""
        id_ = str(uuid5(_NAMES, f"event {number}"))
        return BankEvent(id_, kind, self.account_id(account), eastern(at), amount, **more)

    async def plan(self, events: Sequence[BankEvent], at: str = TUESDAY) -> tuple[Problem, ...]:
        """Plan events."""
        return await self.bank.plan(self.organization_id, events, eastern(at))

    async def figures(self, name: str, figures: LiabilityFigures, at: str, **more: Any) -> tuple[Problem, ...]:
        """Set what a liability's provider says."""
        account_id = self.account_id(name)
        return await self.bank.set_liability(self.organization_id, account_id, figures, eastern(at), **more)

    async def entries(self, name: str) -> list[BankEntry]:
        """List the entries of an account, as they are kept."""
        async with self.database.read() as tx:
            return await entries_after(tx, self.organization_id, self.account_id(name), 0, 10_000)

    async def amounts(self, name: str) -> list[int]:
        """List the amounts of the entries of an account."""
        return [entry.amount for entry in await self.entries(name)]

    async def payments(self) -> list[PaymentRow]:
        """List all payments, as they are kept."""
        async with self.database.read() as tx:
            return await list_payments(tx, self.organization_id, limit=1000)

    async def payment(self, key: str) -> PaymentRow:
        """Give one payment, as it is kept."""
        [payment] = [payment for payment in await self.payments() if payment.key == self.key(key)]
        return payment

    async def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Read all rows of one of the bank's tables, without whose they are."""
        queries = {
            "bank_entry": "SELECT * FROM bank_entry WHERE organization_id = %(o)s::uuid ORDER BY number",
            "bank_report": "SELECT * FROM bank_report WHERE organization_id = %(o)s::uuid ORDER BY number",
            "bank_event": "SELECT * FROM bank_event WHERE organization_id = %(o)s::uuid ORDER BY id",
            "bank_payment": "SELECT * FROM bank_payment WHERE organization_id = %(o)s::uuid ORDER BY key",
            "bank_account": "SELECT * FROM bank_account WHERE organization_id = %(o)s::uuid ORDER BY id",
        }
        async with self.database.read() as tx:
            rows = await fetch_all(tx, queries[table], {"o": self.organization_id})
        return [row[1:] for row in rows]


async def new_customer(database: Database, number: int = 1) -> Customer:
    """Make an organization."""
    organization_id = OrganizationId(str(uuid5(_NAMES, f"organization {number}")))

    async def work(tx: WriteTx) -> None:
        query = "INSERT INTO organization (id, name, mode, created_at) VALUES (%(o)s::uuid, 'Us', 'sandbox', now())"
        await execute(tx, query, {"o": organization_id})

    await database.write(work)
    return Customer(database, SandboxBank(database), organization_id)


async def mismatches(database: Database) -> dict[BankCheck, list[Any]]:
    """Find what does not add up in the bank's books."""
    async with database.snapshot() as tx:
        found = {check: (await find_bank_mismatches(tx, None, check, 10))[1] for check in BankCheck}
    return {check: rows for check, rows in found.items() if rows}
