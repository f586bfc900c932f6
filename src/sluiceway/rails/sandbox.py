"""The sandbox bank: a rail whose bank is simulated, with accounts and a state of its own.

It moves only with the instants that its calls carry: each call first lets happen what was due.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from sluiceway.domain.ach import ReturnCode, eastern_day
from sluiceway.domain.errors import Problem
from sluiceway.domain.ids import AccountId, LegId, OrganizationId
from sluiceway.domain.ledger import ExternalKind, ReportedBalance
from sluiceway.domain.money import NO_CENTS, Cents
from sluiceway.domain.rules import ErrorCode
from sluiceway.rails.protocol import (
    Accepted,
    Answer,
    BankTransaction,
    Deposited,
    Rail,
    RailUnavailable,
    Refused,
    Report,
    Reports,
    Returned,
    Settled,
    Submission,
    Transactions,
    Withdrawn,
)
from sluiceway.rails.sandbox_book import (
    NotDone,
    call_back,
    can_be_called_back,
    judge,
    send_back,
    settle,
    why_not_returned_by_hand,
    why_not_settled_by_hand,
)
from sluiceway.rails.sandbox_checks import (
    UNKNOWN_ACCOUNT,
    account_problems,
    event_problems,
    fault_problems,
    figure_problems,
)
from sluiceway.rails.sandbox_turn import Turn, lock_turn
from sluiceway.storage import bank as stored
from sluiceway.storage.bank_rows import (
    BankAccount,
    BankAccountState,
    BankCall,
    BankEvent,
    EventKind,
    Fault,
    LiabilityFigures,
    PaymentRow,
    PaymentState,
    ReportKind,
    ReportRow,
)
from sluiceway.storage.database import Database, WriteTx

PAGE: Final = 200
"""So many new reports or transactions are told at a time."""
DISCONNECTED: Final = "DISCONNECTED_ACCOUNT"

T = TypeVar("T")
Work = Callable[[Turn], Awaitable[T]]


class SandboxBank(Rail):
    """A rail, and what a test or a person in the sandbox may do to its bank."""

    def __init__(self, database: Database) -> None:
        """Keep the bank's books in a database."""
        self._database = database

    # ------------------------------------------------------------------------------------------------- the protocol

    async def submit(self, submission: Submission, at: datetime) -> Answer:
        """Take a payment, or refuse it. Every call is counted; the first one decides."""
        assert submission.amount > 0, "a payment moves something"

        async def work(turn: Turn) -> Answer:
            payment = await turn.payment(submission.key)
            if payment is not None:
                payment = replace(payment, calls=payment.calls + 1)
            else:
                payment = judge(submission, await turn.account(submission.account_id), turn.now)
                if await turn.meets(Fault.REFUSED):
                    payment = _refused(payment, ErrorCode.PAYMENT_FAILED)
            turn.book.put_payment(payment)
            return _answer(payment)

        return await self._call(BankCall.SUBMIT, submission.organization_id, at, work)

    async def inquire(self, organization_id: OrganizationId, key: LegId, at: datetime) -> Answer | None:
        """Tell what was answered to the first submission of a key."""

        async def work(turn: Turn) -> Answer | None:
            payment = await turn.payment(key)
            return None if payment is None else _answer(payment)

        return await self._call(BankCall.INQUIRE, organization_id, at, work)

    async def cancel(self, submission: Submission, at: datetime) -> bool:
        """Call a payment back, up to two hours before it settles; one that never came is remembered as called back."""

        async def work(turn: Turn) -> bool:
            payment = await turn.payment(submission.key)
            if payment is None:
                payment = judge(submission, await turn.account(submission.account_id), turn.now)
            if can_be_called_back(payment, turn.now):
                call_back(turn.book, payment)
            elif payment.state is PaymentState.REFUSED:
                turn.book.put_payment(payment)
            else:
                return payment.state is PaymentState.CANCELLED
            return True

        return await self._call(BankCall.CANCEL, submission.organization_id, at, work)

    async def reports(self, organization_id: OrganizationId, cursor: str | None, at: datetime) -> Reports:
        """Tell what has happened since the cursor: at most 200 reports, and those that are told again."""
        told, again_from = _read_cursor(cursor)

        async def work(turn: Turn) -> Reports:
            # One more than is told shows whether more are waiting.
            limit = told - again_from + PAGE
            rows = await stored.reports_after(turn.tx, organization_id, again_from, limit + 1)
            more, rows = len(rows) > limit, rows[:limit]
            reached = max(told, rows[-1].number) if rows else told
            is_told_twice = bool(rows) and await turn.meets(Fault.TWICE)
            return Reports(
                reports=tuple(_report(row) for row in rows),
                cursor=f"{again_from}..{reached}" if is_told_twice else str(reached),
                ask_again_at=turn.now if more else await stored.next_report_at(turn.tx, organization_id),
            )

        return await self._call(BankCall.REPORTS, organization_id, at, work)

    async def balances(
        self, organization_id: OrganizationId, account_ids: Collection[AccountId], at: datetime
    ) -> dict[AccountId, ReportedBalance]:
        """Tell the balances of those accounts that the bank knows; of a disconnected one, an error."""

        async def work(turn: Turn) -> dict[AccountId, ReportedBalance]:
            accounts = await turn.accounts(account_ids)
            return {id_: _balance(accounts[id_], turn.now) for id_ in sorted(accounts)}

        return await self._call(BankCall.BALANCES, organization_id, at, work)

    async def transactions(
        self, organization_id: OrganizationId, account_id: AccountId, cursor: str | None, at: datetime
    ) -> Transactions:
        """Tell the movements on an account since the cursor, at most 200; of a disconnected one, none."""
        told = int(cursor or 0)

        async def work(turn: Turn) -> Transactions:
            account = await turn.account(account_id)
            if account is None or account.state is BankAccountState.DISCONNECTED:
                return Transactions((), str(told))
            entries = await stored.entries_after(turn.tx, organization_id, account_id, told, PAGE)
            found = tuple(
                BankTransaction(one.id, one.amount, one.at, one.description, one.payment_key) for one in entries
            )
            return Transactions(found, str(entries[-1].number if entries else told))

        return await self._call(BankCall.TRANSACTIONS, organization_id, at, work)

    # ------------------------------------------------------------------------------------------------- the controls

    async def open_account(
        self, organization_id: OrganizationId, account: BankAccount, at: datetime
    ) -> tuple[Problem, ...]:
        """Open an account at the bank with what is in it; one that is there already stays as it is.

        Tells what contradicts itself, and then opens none. Where nothing is said to be available, all of it is.
        """
        if account.kind is not ExternalKind.LIABILITY and account.available is None:
            account = replace(account, available=account.balance)

        async def work(turn: Turn) -> tuple[Problem, ...]:
            problems = account_problems(account, eastern_day(turn.now))
            if not problems:
                await stored.insert_account(turn.tx, organization_id, account, turn.now)
            return problems

        return await self._turn(organization_id, at, work)

    async def find_account(
        self, organization_id: OrganizationId, account_id: AccountId, at: datetime
    ) -> BankAccount | None:
        """Tell how an account stands; None: the bank does not know it."""
        return await self._turn(organization_id, at, lambda turn: turn.account(account_id))

    async def find_payment(self, organization_id: OrganizationId, key: LegId, at: datetime) -> PaymentRow | None:
        """Tell how a payment stands; None: nothing was ever handed over under this key."""
        return await self._turn(organization_id, at, lambda turn: turn.payment(key))

    async def settle_now(self, organization_id: OrganizationId, key: LegId, at: datetime) -> NotDone | None:
        """Let a payment settle now (a pull that cannot is returned, as it would be in time); or tell why not."""

        async def work(turn: Turn) -> NotDone | None:
            payment = await turn.payment(key)
            obstacle = why_not_settled_by_hand(payment)
            if payment is not None and obstacle is None:
                settle(turn.book, payment, turn.now)
            return obstacle

        return await self._turn(organization_id, at, work)

    async def return_now(
        self, organization_id: OrganizationId, key: LegId, code: ReturnCode, at: datetime
    ) -> NotDone | None:
        """Let a payment be returned now, settled or not; or tell why not."""

        async def work(turn: Turn) -> NotDone | None:
            payment = await turn.payment(key)
            obstacle = why_not_returned_by_hand(payment, code, turn.now)
            if payment is not None and obstacle is None:
                send_back(turn.book, replace(payment, return_code=code), turn.now)
            return obstacle

        return await self._turn(organization_id, at, work)

    async def set_state(
        self, organization_id: OrganizationId, account_id: AccountId, state: BankAccountState, at: datetime
    ) -> tuple[Problem, ...]:
        """Close, freeze, disconnect or open an account."""

        async def work(turn: Turn) -> tuple[Problem, ...]:
            account = await turn.account(account_id)
            if account is None:
                return (UNKNOWN_ACCOUNT,)
            turn.book.put_account(replace(account, state=state))
            return ()

        return await self._turn(organization_id, at, work)

    async def set_liability(
        self,
        organization_id: OrganizationId,
        account_id: AccountId,
        figures: LiabilityFigures,
        at: datetime,
        debt: Cents | None = None,
    ) -> tuple[Problem, ...]:
        """Replace all that a liability's provider says, and, where `debt` is given, what is owed (an entry)."""

        async def work(turn: Turn) -> tuple[Problem, ...]:
            account = await turn.account(account_id)
            if account is None:
                return (UNKNOWN_ACCOUNT,)
            if account.kind is not ExternalKind.LIABILITY:
                return (Problem("account_id", "is not a liability"),)
            if problems := figure_problems(figures, eastern_day(turn.now), debt):
                return problems
            account = replace(account, figures=figures)
            turn.book.put_account(account)
            if debt is not None and debt != account.balance:
                id_ = f"adjustment/{turn.book.entries_so_far + 1}"
                turn.book.book(id_, account, account.balance - debt, turn.now, "Adjustment")
            return ()

        return await self._turn(organization_id, at, work)

    async def book_transaction(
        self,
        organization_id: OrganizationId,
        id_: str,
        account_id: AccountId,
        amount: int,
        description: str | None,
        at: datetime,
    ) -> tuple[Problem, ...]:
        """Let money move on an external account now: positive is in. The same id books once."""
        event = BankEvent(id_, EventKind.TRANSACTION, account_id, at, amount, description)
        problems = await self.plan(organization_id, [event], at)
        return tuple(replace(problem, path=problem.path.removeprefix("events/0/")) for problem in problems)

    async def plan(
        self, organization_id: OrganizationId, events: Sequence[BankEvent], at: datetime
    ) -> tuple[Problem, ...]:
        """Plan what will happen outside; what lies in the past happens now. The same id is planned once.

        Tells which events cannot happen, and then plans none.
        """

        async def work(turn: Turn) -> tuple[Problem, ...]:
            accounts = await turn.accounts({event.account_id for event in events})
            problems = event_problems(events, accounts)
            if not problems:
                coming = [event._replace(at=max(event.at, turn.now)) for event in events]
                await stored.insert_events(turn.tx, organization_id, coming)
                await turn.advance()
            return problems

        return await self._turn(organization_id, at, work)

    async def fail_next(
        self, organization_id: OrganizationId, asked_id: str, call: BankCall, fault: Fault, times: int, at: datetime
    ) -> tuple[Problem, ...]:
        """Let the next calls of a kind go wrong, after those that shall already; once for each `asked_id`."""

        async def work(turn: Turn) -> tuple[Problem, ...]:
            problems = fault_problems(call, fault, times)
            if not problems:
                await stored.insert_fault(turn.tx, organization_id, asked_id, call, fault, times)
            return problems

        return await self._turn(organization_id, at, work)

    # ---------------------------------------------------------------------------------------------------- the turns

    async def _turn(self, organization_id: OrganizationId, at: datetime, work: Work[T]) -> T:
        """Do one thing at the bank, in one transaction, after all that was due."""

        async def transact(tx: WriteTx) -> T:
            turn = await lock_turn(tx, organization_id, at)
            return await _serve(turn, work)

        return await self._database.write(transact)

    async def _call(self, call: BankCall, organization_id: OrganizationId, at: datetime, work: Work[T]) -> T:
        """Answer a call of the protocol, if no fault waits for it.

        A database that is away passes through: it is ours as well, and says nothing of a bank. Counted as a bank that
        does not answer, the call would be made again by the organization's clock, which may stand.
        """

        async def transact(tx: WriteTx) -> list[T]:
            turn = await lock_turn(tx, organization_id, at)
            turn.waiting = await stored.find_fault(tx, organization_id, call)
            if await turn.meets(Fault.UNAVAILABLE):
                return []
            answer = await _serve(turn, work)
            return [] if await turn.meets(Fault.LOST_REPLY) else [answer]

        # Faults are used up by the commit, so whoever raises here raises after it.
        answers = await self._database.write(transact)
        if not answers:
            raise RailUnavailable("the sandbox bank was told not to answer")
        return answers[0]


async def _serve(turn: Turn, work: Work[T]) -> T:
    await turn.advance()
    answer = await work(turn)
    await turn.write()
    return answer


def _refused(payment: PaymentRow, code: ErrorCode) -> PaymentRow:
    return replace(payment, state=PaymentState.REFUSED, refusal=code, expected_at=None, due_at=None)


def _answer(payment: PaymentRow) -> Answer:
    if payment.refusal is not None:
        return Refused(payment.key, payment.refusal)
    assert payment.expected_at is not None, "what was accepted is expected"
    return Accepted(payment.key, payment.expected_at)


def _read_cursor(cursor: str | None) -> tuple[int, int]:
    """Read up to which report all has been told, and after which one to begin (earlier, if they are told again)."""
    again_from, _, told = (cursor or "0").rpartition("..")
    return int(told), int(again_from or told)


def _report(row: ReportRow) -> Report:
    if row.payment_key is not None:
        if row.return_code is not None:
            return Returned(row.id, row.payment_key, row.at, row.return_code)
        return Settled(row.id, row.payment_key, row.at)
    assert row.account_id is not None, "a report is of a payment or of an account"
    amount = row.amount or NO_CENTS
    if row.kind is ReportKind.DEPOSITED:
        return Deposited(row.id, row.account_id, amount, row.at, row.description, row.payee_name)
    return Withdrawn(row.id, row.account_id, amount, row.at, row.description)


def _balance(account: BankAccount, now: datetime) -> ReportedBalance:
    if account.state is BankAccountState.DISCONNECTED:
        return ReportedBalance(updated_at=now, error=DISCONNECTED)
    figures = account.figures
    return ReportedBalance(
        account.balance,
        account.available,
        figures.last_statement_balance,
        figures.last_statement_date,
        figures.next_payment_minimum,
        figures.next_payment_due_date,
        figures.interest_rate,
        figures.original_loan_amount,
        now,
    )
