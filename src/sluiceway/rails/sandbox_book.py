"""What the sandbox bank does: its rules over a book that was loaded. Pure; docs/reference/sandbox-bank.md tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Final, assert_never

from sluiceway.domain.ach import (
    LARGEST_ENTRY,
    RETURNS,
    PaymentKind,
    ReturnCode,
    eastern_day,
    liability_posts_at,
    next_opening,
    pull_settles_at,
    push_settles_at,
    return_deadline,
)
from sluiceway.domain.ids import AccountId, LegId
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.money import NO_CENTS, Cents
from sluiceway.domain.rules import ErrorCode
from sluiceway.rails.protocol import Submission
from sluiceway.storage.bank_rows import (
    BankAccount,
    BankAccountState,
    BankEntry,
    BankEvent,
    EventKind,
    EventState,
    PaymentRow,
    PaymentState,
    ReportKind,
    ReportRow,
)

CURRENCY: Final = "USD"
WINDOW_CLOSES: Final = timedelta(hours=2)
"""So long before a payment settles it has been sent on, and cannot be called back."""
SMALLEST_MINIMUM: Final = 2500
MINIMUM_PERCENT: Final = 2
DAYS_TO_PAY: Final = timedelta(days=25)

_IN_THE_WAY: Final = {BankAccountState.CLOSED: ReturnCode.R02, BankAccountState.FROZEN: ReturnCode.R16}


class NotDone(StrEnum):
    """Why a payment cannot be settled or returned by hand."""

    UNKNOWN_PAYMENT = "UNKNOWN_PAYMENT"
    NOT_CARRIED = "NOT_CARRIED"
    """It was refused or cancelled."""
    ALREADY_SETTLED = "ALREADY_SETTLED"
    ALREADY_RETURNED = "ALREADY_RETURNED"
    WRONG_KIND = "WRONG_KIND"
    """The return code does not exist for this kind of payment."""
    TOO_LATE = "TOO_LATE"
    """The deadline for this return code has passed."""


@dataclass(slots=True)
class BankBook:
    """Some accounts, payments and events of one organization at an instant, and what has been changed or added.

    `changed_*`, `entries` and `reports` are what has to be written back.
    """

    now: datetime
    entries_so_far: int
    reports_so_far: int
    accounts: dict[AccountId, BankAccount] = field(default_factory=dict[AccountId, BankAccount])
    payments: dict[LegId, PaymentRow] = field(default_factory=dict[LegId, PaymentRow])
    events: dict[str, BankEvent] = field(default_factory=dict[str, BankEvent])
    entries: list[BankEntry] = field(default_factory=list[BankEntry])
    reports: list[ReportRow] = field(default_factory=list[ReportRow])
    changed_accounts: set[AccountId] = field(default_factory=set[AccountId])
    changed_payments: set[LegId] = field(default_factory=set[LegId])
    changed_events: set[str] = field(default_factory=set[str])

    def put_account(self, account: BankAccount) -> None:
        """Replace an account."""
        self.accounts[account.id] = account
        self.changed_accounts.add(account.id)

    def put_payment(self, payment: PaymentRow) -> None:
        """Add or replace a payment."""
        self.payments[payment.key] = payment
        self.changed_payments.add(payment.key)

    def put_event(self, event: BankEvent) -> None:
        """Replace an event."""
        self.events[event.id] = event
        self.changed_events.add(event.id)

    def book(
        self, id_: str, account: BankAccount, amount: int, at: datetime, what: str | None, key: LegId | None = None
    ) -> None:
        """Move money on an account: positive is in, which lowers a debt."""
        self.entries_so_far += 1
        self.entries.append(BankEntry(self.entries_so_far, id_, account.id, amount, at, what, key))
        if account.kind is ExternalKind.LIABILITY:
            self.put_account(replace(account, balance=Cents(account.balance - amount)))
            return
        assert account.available is not None, "only debts are not available"
        available = Cents(account.available + amount)
        self.put_account(replace(account, balance=Cents(account.balance + amount), available=available))

    def report(self, report: ReportRow) -> None:
        """Add something to tell, under the next number."""
        self.reports_so_far += 1
        self.reports.append(report._replace(number=self.reports_so_far))


def advance(book: BankBook) -> None:
    """Let everything happen that is due by the book's instant, each at its own: in time's order, ties by id."""
    due = [*_due_payments(book, book.payments), *_due_events(book)]
    heapify(due)
    while due:
        at, id_, is_payment = heappop(due)
        if not is_payment:
            _happen(book, book.events[id_])
            continue
        key = LegId(id_)
        if book.payments[key].state is PaymentState.ACCEPTED:
            settle(book, book.payments[key], at)
        else:
            send_back(book, book.payments[key], at)
        # What settles on a closed account comes back later, which may be before now as well.
        for again in _due_payments(book, [key]):
            heappush(due, again)


def _due_payments(book: BankBook, keys: Iterable[LegId]) -> list[tuple[datetime, str, bool]]:
    payments = [book.payments[key] for key in keys]
    return [(one.due_at, one.key, True) for one in payments if one.due_at is not None and one.due_at <= book.now]


def _due_events(book: BankBook) -> list[tuple[datetime, str, bool]]:
    events = book.events.values()
    return [(one.at, one.id, False) for one in events if one.state is EventState.PLANNED and one.at <= book.now]


def judge(submission: Submission, account: BankAccount | None, now: datetime) -> PaymentRow:
    """Decide on a payment that is handed over: refused with a code, or accepted and due when it settles."""
    refusal = _refusal_of(submission, account)
    at = None if refusal is not None else _settles_at(submission, account, now)
    return PaymentRow(
        key=submission.key,
        kind=submission.kind,
        account_id=submission.account_id,
        amount=submission.amount,
        currency=submission.currency,
        beneficiary_name=submission.beneficiary_name,
        description=submission.description,
        is_direct_deposit=submission.is_direct_deposit,
        state=PaymentState.ACCEPTED if refusal is None else PaymentState.REFUSED,
        refusal=refusal,
        handed_over_at=now,
        expected_at=at,
        due_at=at,
    )


def _refusal_of(submission: Submission, account: BankAccount | None) -> ErrorCode | None:
    """Tell why the bank will not carry a payment; None: it will. An account that it does not know is no reason."""
    if submission.currency != CURRENCY or submission.amount > LARGEST_ENTRY:
        return ErrorCode.PAYMENT_NOT_SUPPORTED
    if account is None:
        return None
    if account.currency != submission.currency:
        return ErrorCode.PAYMENT_NOT_SUPPORTED
    if submission.kind is PaymentKind.PULL and account.kind is not ExternalKind.DEPOSITORY:
        return ErrorCode.PAYMENT_NOT_SUPPORTED
    names = (submission.beneficiary_name, account.holder_name)
    if None not in names and len({_plain(name) for name in names if name is not None}) > 1:
        return ErrorCode.NAME_MISMATCH
    return None


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def _settles_at(submission: Submission, account: BankAccount | None, now: datetime) -> datetime:
    if submission.kind is PaymentKind.PULL:
        return pull_settles_at(now)
    if account is not None and account.kind is ExternalKind.LIABILITY:
        return liability_posts_at(now)
    return push_settles_at(now, submission.amount)


def settle(book: BankBook, payment: PaymentRow, at: datetime) -> None:
    """Settle a payment at an instant, or return it instead; a push that cannot be credited comes back later."""
    assert payment.state is PaymentState.ACCEPTED, "a payment settles once"
    account = book.accounts.get(payment.account_id)
    obstacle = _obstacle(payment, account)
    if obstacle is not None and payment.kind is PaymentKind.PULL:
        send_back(book, replace(payment, return_code=obstacle), at)
        return
    settled = replace(payment, state=PaymentState.SETTLED, settled_at=at, due_at=None)
    if obstacle is not None:
        settled = replace(settled, due_at=next_opening(at), return_code=obstacle)
    else:
        assert account is not None, "an unknown account is an obstacle"
        settled = replace(settled, is_booked=True)
        book.book(f"payment/{payment.key}", account, _signed(payment), at, payment.description, payment.key)
    book.put_payment(settled)
    book.report(ReportRow(0, f"settled/{payment.key}", ReportKind.SETTLED, at, payment.key))


def send_back(book: BankBook, payment: PaymentRow, at: datetime) -> None:
    """Return a payment with the code that it carries, and book back what it moved."""
    code = payment.return_code
    assert code is not None, "a return has a code"
    assert payment.state in (PaymentState.ACCEPTED, PaymentState.SETTLED), "a payment is returned once"
    if payment.is_booked:
        account = book.accounts[payment.account_id]
        what = f"Return {code}: {RETURNS[code].meaning}"
        book.book(f"return/{payment.key}", account, -_signed(payment), at, what, payment.key)
    book.put_payment(replace(payment, state=PaymentState.RETURNED, ended_at=at, due_at=None))
    book.report(ReportRow(0, f"returned/{payment.key}", ReportKind.RETURNED, at, payment.key, code))


def _signed(payment: PaymentRow) -> int:
    return payment.amount if payment.kind is PaymentKind.PUSH else -payment.amount


def _obstacle(payment: PaymentRow, account: BankAccount | None) -> ReturnCode | None:
    """Tell why an account cannot take part in a payment now."""
    # One that was opened after the payment was accepted may turn out to be of a kind or currency that cannot.
    if account is None or account.currency != payment.currency:
        return ReturnCode.R03
    if (code := _IN_THE_WAY.get(account.state)) is not None:
        return code
    if payment.kind is PaymentKind.PUSH:
        return None
    if account.kind is not ExternalKind.DEPOSITORY or account.available is None:
        return ReturnCode.R03
    return ReturnCode.R01 if account.available < payment.amount else None


def can_be_called_back(payment: PaymentRow, now: datetime) -> bool:
    """Tell whether a payment has not been sent on yet."""
    return (
        payment.state is PaymentState.ACCEPTED and payment.due_at is not None and now < payment.due_at - WINDOW_CLOSES
    )


def call_back(book: BankBook, payment: PaymentRow) -> None:
    """Cancel a payment: it never settles."""
    book.put_payment(replace(payment, state=PaymentState.CANCELLED, due_at=None, ended_at=book.now))


def why_not_settled_by_hand(payment: PaymentRow | None) -> NotDone | None:
    """Tell why a payment cannot be settled now; None: it can."""
    if payment is None:
        return NotDone.UNKNOWN_PAYMENT
    match payment.state:
        case PaymentState.ACCEPTED:
            return None
        case PaymentState.REFUSED | PaymentState.CANCELLED:
            return NotDone.NOT_CARRIED
        case PaymentState.SETTLED:
            return NotDone.ALREADY_SETTLED
        case PaymentState.RETURNED:
            return NotDone.ALREADY_RETURNED
        case _:
            assert_never(payment.state)


def why_not_returned_by_hand(payment: PaymentRow | None, code: ReturnCode, now: datetime) -> NotDone | None:
    """Tell why a payment cannot be returned with a code now; None: it can."""
    obstacle = why_not_settled_by_hand(payment)
    if payment is None or obstacle not in (None, NotDone.ALREADY_SETTLED):
        return obstacle
    if payment.kind not in RETURNS[code].kinds:
        return NotDone.WRONG_KIND
    if payment.settled_at is not None and now > return_deadline(code, payment.settled_at):
        return NotDone.TOO_LATE
    return None


def _happen(book: BankBook, event: BankEvent) -> None:
    state = EventState.HAPPENED
    match event.kind:
        case EventKind.DEPOSIT:
            _tell(book, event, ReportKind.DEPOSITED)
        case EventKind.WITHDRAWAL:
            _tell(book, event, ReportKind.WITHDRAWN)
        case EventKind.TRANSACTION | EventKind.STATEMENT:
            state = _happen_at_the_bank(book, event)
        case _:
            assert_never(event.kind)
    book.put_event(event._replace(state=state))


def _happen_at_the_bank(book: BankBook, event: BankEvent) -> EventState:
    account = book.accounts.get(event.account_id)
    if account is None or account.state in _IN_THE_WAY:
        return EventState.SKIPPED
    if event.kind is EventKind.STATEMENT:
        _close_statement(book, account, event.at)
    else:
        book.book(f"event/{event.id}", account, event.amount, event.at, event.description)
    return EventState.HAPPENED


def _tell(book: BankBook, event: BankEvent, kind: ReportKind) -> None:
    """Report money that comes to or goes from an account that Sluiceway keeps: the bank's own books do not have it."""
    report = ReportRow(0, f"{kind.lower()}/{event.id}", kind, event.at)
    book.report(
        report._replace(
            account_id=event.account_id,
            amount=Cents(event.amount),
            description=event.description,
            payee_name=event.payee_name,
        )
    )


def _close_statement(book: BankBook, account: BankAccount, at: datetime) -> None:
    """Close a liability's period: what is owed now is the statement, and some of it is due in 25 days."""
    day = eastern_day(at)
    # A debt that was overpaid owes nothing.
    owed = max(NO_CENTS, account.balance)
    minimum = min(owed, max(SMALLEST_MINIMUM, owed * MINIMUM_PERCENT // 100))
    figures = replace(
        account.figures,
        last_statement_balance=owed,
        last_statement_date=day,
        next_payment_minimum=Cents(minimum),
        next_payment_due_date=day + DAYS_TO_PAY,
    )
    book.put_account(replace(account, figures=figures))
