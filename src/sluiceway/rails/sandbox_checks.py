"""What the sandbox's controls refuse: each problem names its field. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Final

from sluiceway.domain.errors import Problem
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.storage.bank_rows import BankAccount, BankCall, BankEvent, EventKind, Fault, LiabilityFigures

MOST_EVENTS: Final = 10_000
MOST_FAULTS: Final = 1000
UNKNOWN_ACCOUNT: Final = Problem("account_id", "the bank does not know this account")

_ONLY: Final = {Fault.TWICE: BankCall.REPORTS, Fault.REFUSED: BankCall.SUBMIT}


def account_problems(account: BankAccount, today: date) -> tuple[Problem, ...]:
    """Find what contradicts itself in an account that is to be opened."""
    is_liability = account.kind is ExternalKind.LIABILITY
    problems: list[Problem] = []
    if abs(account.balance) > MAX_CENTS or (is_liability and account.balance < 0):
        problems.append(Problem("balance", "is out of range"))
    if is_liability:
        if account.available is not None:
            problems.append(Problem("available", "a liability has nothing available"))
        return (*problems, *figure_problems(account.figures, today))
    if account.available is not None and abs(account.available) > MAX_CENTS:
        problems.append(Problem("available", "is out of range"))
    if account.figures != LiabilityFigures():
        problems.append(Problem("figures", "only a liability has them"))
    return tuple(problems)


def figure_problems(figures: LiabilityFigures, today: date, debt: Cents | None = None) -> tuple[Problem, ...]:
    """Find what contradicts itself in what a liability's provider says."""
    amounts = {one.name: getattr(figures, one.name) for one in fields(figures)} | {"debt": debt}
    problems = [
        Problem(name, "is out of range")
        for name, value in amounts.items()
        if isinstance(value, int) and not 0 <= value <= MAX_CENTS
    ]
    minimum, statement = figures.next_payment_minimum, figures.last_statement_balance
    if minimum is not None and statement is not None and minimum > statement:
        problems.append(Problem("next_payment_minimum", "is above last_statement_balance"))
    due, closed = figures.next_payment_due_date, figures.last_statement_date
    if due is not None and closed is not None and due < closed:
        problems.append(Problem("next_payment_due_date", "is before last_statement_date"))
    if closed is not None and closed > today:
        problems.append(Problem("last_statement_date", "is in the future"))
    return tuple(problems)


def event_problems(events: Sequence[BankEvent], accounts: Mapping[AccountId, BankAccount]) -> tuple[Problem, ...]:
    """Find events that cannot happen; `accounts` are those that the bank knows."""
    if len(events) > MOST_EVENTS:
        return (Problem("events", f"at most {MOST_EVENTS} at a time"),)
    return tuple(
        Problem(f"events/{index}/{name}", message)
        for index, event in enumerate(events)
        for name, message in _event_problems(event, accounts.get(event.account_id))
    )


def _event_problems(event: BankEvent, account: BankAccount | None) -> Collection[tuple[str, str]]:
    is_of_ours = event.kind in (EventKind.DEPOSIT, EventKind.WITHDRAWAL)
    if is_of_ours and account is not None:
        return [("account_id", "is an account at the bank, not one that Sluiceway keeps")]
    if not is_of_ours and account is None:
        return [("account_id", UNKNOWN_ACCOUNT.message)]
    if event.kind is EventKind.STATEMENT:
        is_fit = account is not None and account.kind is ExternalKind.LIABILITY
        return [*_bounds(event, 0, 0), *([] if is_fit else [("account_id", "only a liability has statements")])]
    if event.kind is EventKind.TRANSACTION:
        return _bounds(event, -MAX_CENTS, MAX_CENTS) or ([] if event.amount else [("amount", "moves nothing")])
    return _bounds(event, 1, MAX_CENTS)


def _bounds(event: BankEvent, least: int, most: int) -> Collection[tuple[str, str]]:
    return [] if least <= event.amount <= most else [("amount", f"is not from {least} to {most}")]


def fault_problems(call: BankCall, fault: Fault, times: int) -> tuple[Problem, ...]:
    """Find what makes a fault impossible."""
    problems: list[Problem] = []
    if _ONLY.get(fault, call) is not call:
        problems.append(Problem("fault", f"{fault} is for {_ONLY[fault]} only"))
    if not 1 <= times <= MOST_FAULTS:
        problems.append(Problem("times", f"is not from 1 to {MOST_FAULTS}"))
    return tuple(problems)
