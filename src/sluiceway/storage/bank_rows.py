"""The shapes of the sandbox bank's rows, and its words. What becomes of them is decided in rails."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ach import PaymentKind, ReturnCode
from sluiceway.domain.ids import AccountId, LegId
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.money import Cents, Percent
from sluiceway.domain.rules import ErrorCode


class BankAccountState(StrEnum):
    """What an account at the bank lets happen."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    FROZEN = "FROZEN"
    DISCONNECTED = "DISCONNECTED"
    """Open, but the login for its feed is broken: payments work, balances and transactions cannot be had."""


class PaymentState(StrEnum):
    """How far a payment has come."""

    REFUSED = "REFUSED"
    ACCEPTED = "ACCEPTED"
    SETTLED = "SETTLED"
    RETURNED = "RETURNED"
    CANCELLED = "CANCELLED"


class ReportKind(StrEnum):
    """What a report tells."""

    SETTLED = "SETTLED"
    RETURNED = "RETURNED"
    DEPOSITED = "DEPOSITED"
    WITHDRAWN = "WITHDRAWN"


class EventKind(StrEnum):
    """What may be planned to happen outside."""

    DEPOSIT = "DEPOSIT"
    """Somebody sends money to an account that Sluiceway keeps."""
    WITHDRAWAL = "WITHDRAWAL"
    """Somebody collects money from an account that Sluiceway keeps."""
    TRANSACTION = "TRANSACTION"
    """Money moves on an external account: positive is in, for a liability too (a payment)."""
    STATEMENT = "STATEMENT"
    """A liability closes its period."""


class EventState(StrEnum):
    """What became of a planned event; SKIPPED: its account was closed, frozen or gone."""

    PLANNED = "PLANNED"
    HAPPENED = "HAPPENED"
    SKIPPED = "SKIPPED"


class BankCall(StrEnum):
    """The calls of the protocol, which can be made to fail."""

    SUBMIT = "submit"
    INQUIRE = "inquire"
    CANCEL = "cancel"
    REPORTS = "reports"
    BALANCES = "balances"
    TRANSACTIONS = "transactions"


class Fault(StrEnum):
    """How a call fails."""

    UNAVAILABLE = "UNAVAILABLE"
    """No answer, and nothing was done."""
    LOST_REPLY = "LOST_REPLY"
    """No answer, but it was done."""
    TWICE = "TWICE"
    """Reports only: what this answer tells, the following one tells again."""
    REFUSED = "REFUSED"
    """Submissions only: the bank will not carry the payment."""


@dataclass(frozen=True, slots=True)
class LiabilityFigures:
    """What a liability's provider says beside the debt; None is not said."""

    last_statement_balance: Cents | None = None
    last_statement_date: date | None = None
    next_payment_minimum: Cents | None = None
    next_payment_due_date: date | None = None
    interest_rate: Percent | None = None
    original_loan_amount: Cents | None = None


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account at the bank. `balance` is what is posted, or a liability's debt; `available` None for a liability."""

    id: AccountId
    kind: ExternalKind
    holder_name: str | None
    currency: str
    state: BankAccountState
    balance: Cents
    available: Cents | None
    figures: LiabilityFigures = LiabilityFigures()


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as the bank keeps it: what was handed over under a key, how often, and what became of it.

    `due_at`: when it will settle, or once settled, when it will come back. `is_booked`: it has moved money.
    """

    key: LegId
    kind: PaymentKind
    account_id: AccountId
    amount: Cents
    currency: str
    beneficiary_name: str | None
    description: str | None
    is_direct_deposit: bool
    state: PaymentState
    refusal: ErrorCode | None
    handed_over_at: datetime
    expected_at: datetime | None
    due_at: datetime | None
    settled_at: datetime | None = None
    ended_at: datetime | None = None
    return_code: ReturnCode | None = None
    is_booked: bool = False
    calls: int = 1


class BankEntry(NamedTuple):
    """One movement on an account at the bank: positive is money in. `id` says what it comes from."""

    number: int
    id: str
    account_id: AccountId
    amount: int
    at: datetime
    description: str | None
    payment_key: LegId | None


class ReportRow(NamedTuple):
    """One thing that the bank has to tell."""

    number: int
    id: str
    kind: ReportKind
    at: datetime
    payment_key: LegId | None = None
    return_code: ReturnCode | None = None
    account_id: AccountId | None = None
    amount: Cents | None = None
    description: str | None = None
    payee_name: str | None = None


class BankEvent(NamedTuple):
    """Something that happens outside at an instant. The same id is planned once. A statement has the amount 0."""

    id: str
    kind: EventKind
    account_id: AccountId
    at: datetime
    amount: int = 0
    description: str | None = None
    payee_name: str | None = None
    state: EventState = EventState.PLANNED


class BookState(NamedTuple):
    """How far the bank has come for one organization, and how many entries and reports there are."""

    reached_at: datetime
    entries: int
    reports: int


class WaitingFault(NamedTuple):
    """The next fault of a call."""

    call: BankCall
    number: int
    fault: Fault
    times: int
