"""Accounts at the sandbox bank in the words of the sandbox."""

from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from sluiceway.api.http import Call
from sluiceway.api.sandbox.wire.shapes import (
    MAX_TEXT,
    AtLeastZero,
    Day,
    Envelope,
    Moment,
    Name,
    Number,
    PercentNumber,
    Signed,
    Text,
    encode,
    lower,
    read_day,
    read_figure,
    read_name,
    read_name_or_none,
    read_percent,
    read_word,
    show_day,
    show_id,
    show_moment,
    show_moment_or_none,
    show_percent,
)
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import MAX_CENTS, NO_CENTS, Cents
from sluiceway.domain.rules import Fields, refuse, whole
from sluiceway.services.accounts import NewAccount
from sluiceway.services.idempotency import Answer
from sluiceway.services.sandbox import ConnectAccount, Outside
from sluiceway.storage.bank_rows import BankAccountState, BankCall, Fault, LiabilityFigures

FIGURES: Final = {
    "last_statement_balance": "last_statement_balance_in_cents",
    "last_statement_date": "last_statement_date",
    "next_payment_minimum": "next_payment_minimum_in_cents",
    "next_payment_due_date": "next_payment_due_date",
    "interest_rate": "interest_rate_percentage",
    "original_loan_amount": "original_loan_amount_in_cents",
}
"""What a liability's provider says, by the product's names: this API's."""
MOST_FAULTS: Final = 1000

ExternalWord = Literal["DEPOSITORY", "INVESTMENT", "LIABILITY"]
StateWord = Literal["open", "closed", "frozen", "disconnected"]
_STATES: Final = lower(BankAccountState)
_STATE_WORDS: Final[dict[BankAccountState, StateWord]] = {
    BankAccountState.OPEN: "open",
    BankAccountState.CLOSED: "closed",
    BankAccountState.FROZEN: "frozen",
    BankAccountState.DISCONNECTED: "disconnected",
}
_KINDS: Final = {kind.value: kind for kind in ExternalKind}
_CALLS: Final = {call.value: call for call in BankCall}
_FAULTS: Final = lower(Fault)


class NewExternalAccount(Struct, forbid_unknown_fields=True):
    """An account at the sandbox bank. For a liability a positive balance is debt."""

    name: Name
    external_account_type: ExternalWord
    beneficiary_name: Name | None = None
    institution_name: Text | None = None
    balance_in_cents: Signed | None = None
    available_balance_in_cents: Signed | None = None
    last_statement_balance_in_cents: AtLeastZero | None = None
    last_statement_date: Day | None = None
    next_payment_minimum_in_cents: AtLeastZero | None = None
    next_payment_due_date: Day | None = None
    interest_rate_percentage: PercentNumber | None = None
    original_loan_amount_in_cents: AtLeastZero | None = None
    holding_pod_name: Name | None = None


class NewStatement(Struct, forbid_unknown_fields=True):
    """All that a liability's provider says from now on; what is left out or null is not said any more.

    Only the debt (`balance_in_cents`) stays as it is where it is not given.
    """

    balance_in_cents: AtLeastZero | None = None
    last_statement_balance_in_cents: AtLeastZero | None = None
    last_statement_date: Day | None = None
    next_payment_minimum_in_cents: AtLeastZero | None = None
    next_payment_due_date: Day | None = None
    interest_rate_percentage: PercentNumber | None = None
    original_loan_amount_in_cents: AtLeastZero | None = None


class NewState(Struct, forbid_unknown_fields=True):
    """What the account at the bank shall be."""

    state: StateWord


class NewTransaction(Struct, forbid_unknown_fields=True):
    """Money that moves on an external account: positive is in (for a liability a payment), negative is out."""

    amount_in_cents: Annotated[Signed, Meta(extra_json_schema={"not": {"const": 0}})]
    description: Text | None = None


class NewFault(Struct, forbid_unknown_fields=True):
    """Which call to the bank shall fail, how, and how often."""

    call: Literal["submit", "inquire", "cancel", "reports", "balances", "transactions"]
    fault: Literal["unavailable", "lost_reply", "twice", "refused"]
    times: Annotated[int, Meta(ge=1, le=MOST_FAULTS)] = 1


class Balance(Struct):
    """What the bank has told of an account."""

    balance_in_cents: int | None
    available_balance_in_cents: int | None
    last_statement_balance_in_cents: int | None
    last_statement_date: Day | None
    next_payment_minimum_in_cents: int | None
    next_payment_due_date: Day | None
    balance_last_updated_at: Moment | None
    error: str | None
    interest_rate_percentage: Number | None
    original_loan_amount_in_cents: int | None


class ExternalAccount(Struct):
    """An account at the sandbox bank, as Sluiceway knows it now; `state` is the bank's."""

    id: str
    name: str
    type: Literal["external_account"]
    external_account_type: ExternalWord
    beneficiary_name: str | None
    institution_name: str | None
    state: StateWord
    balance: Balance
    created_at: Moment


class ConnectedAccount(ExternalAccount):
    """An account that has just been connected, with the pod in which payments to it wait, where it has one."""

    holding_pod_id: str | None


class TransactionShown(Struct):
    """A transaction that has just happened."""

    account_id: str
    amount_in_cents: int
    description: str | None
    happened_at: Moment


class FaultShown(Struct):
    """A fault that waits for its calls."""

    call: str
    fault: str
    times: int


class Figures(NamedTuple):
    """What a provider says from now on, and the debt, if that is to change."""

    figures: LiabilityFigures
    debt: Cents | None


class Failing(NamedTuple):
    """Which calls shall fail."""

    call: BankCall
    fault: Fault
    times: int


class Booking(NamedTuple):
    """Money that moves outside."""

    amount: int
    description: str | None


def read_account(call: Call) -> ConnectAccount:
    """Read the request for an account at the bank."""
    fields = Fields.of(call.body, "")
    name = read_name(fields, "name")
    kind = _KINDS[read_word(fields, "external_account_type", _KINDS)]
    figures = _read_figures(fields)
    pod = read_name_or_none(fields, "holding_pod_name")
    if kind is not ExternalKind.LIABILITY:
        given = [field for own, field in FIGURES.items() if getattr(figures, own) is not None]
        if pod is not None:
            given.append("holding_pod_name")
        if given:
            refuse(given[0], "only a liability has one")
    account = NewAccount(
        AccountKind.EXTERNAL_ACCOUNT,
        name,
        external_kind=kind,
        beneficiary_name=read_name_or_none(fields, "beneficiary_name"),
        institution_name=fields.text_or_none("institution_name", MAX_TEXT),
        reported=ReportedBalance(
            read_figure(fields, "balance_in_cents", -MAX_CENTS) or NO_CENTS,
            read_figure(fields, "available_balance_in_cents", -MAX_CENTS),
            figures.last_statement_balance,
            figures.last_statement_date,
            figures.next_payment_minimum,
            figures.next_payment_due_date,
            figures.interest_rate,
            figures.original_loan_amount,
        ),
    )
    fields.end()

    def show(record: AccountRecord, holding: AccountRecord | None) -> Answer:
        shown = _account(record, BankAccountState.OPEN)
        more = {name: getattr(shown, name) for name in shown.__struct_fields__}
        pod_id = None if holding is None else holding.account.id
        connected = ConnectedAccount(**more, holding_pod_id=show_id(IdKind.ACCOUNT, pod_id))
        return Answer(201, encode(Envelope(call.request_id, connected)))

    return ConnectAccount(call.principal.organization_id, account, pod, call.idempotency, show, call.act)


def _read_figures(fields: Fields) -> LiabilityFigures:
    return LiabilityFigures(
        last_statement_balance=read_figure(fields, "last_statement_balance_in_cents"),
        last_statement_date=read_day(fields, "last_statement_date"),
        next_payment_minimum=read_figure(fields, "next_payment_minimum_in_cents"),
        next_payment_due_date=read_day(fields, "next_payment_due_date"),
        interest_rate=read_percent(fields, "interest_rate_percentage"),
        original_loan_amount=read_figure(fields, "original_loan_amount_in_cents"),
    )


def read_statement(call: Call) -> Figures:
    """Read what a liability's provider says. A body without any field is refused: it would wipe out everything."""
    fields = Fields.of(call.body, "")
    if not fields.values:
        refuse("", "must have at least one field")
    found = Figures(_read_figures(fields), read_figure(fields, "balance_in_cents"))
    fields.end()
    return found


def read_state(call: Call) -> BankAccountState:
    """Read what an account shall be."""
    fields = Fields.of(call.body, "")
    state = read_word(fields, "state", _STATES)
    fields.end()
    return state


def read_transaction(call: Call) -> Booking:
    """Read what moves on an external account."""
    fields = Fields.of(call.body, "")
    amount = whole(fields.raw("amount_in_cents"), "amount_in_cents", -MAX_CENTS, MAX_CENTS)
    if not amount:
        refuse("amount_in_cents", "must not be 0")
    found = Booking(amount, fields.text_or_none("description", MAX_TEXT))
    fields.end()
    return found


def read_fault(call: Call) -> Failing:
    """Read which calls shall fail."""
    fields = Fields.of(call.body, "")
    times = whole(fields.raw("times", 1), "times", 1, MOST_FAULTS)
    found = Failing(read_word(fields, "call", _CALLS), read_word(fields, "fault", _FAULTS), times)
    fields.end()
    return found


def show_account(call: Call, outside: Outside) -> Answer:
    """Write an account as it is known now."""
    return Answer(200, encode(Envelope(call.request_id, _account(outside.record, outside.state))))


def show_transaction(call: Call, account_id: str, booking: Booking, at: Moment) -> Answer:
    """Write what has happened."""
    shown = TransactionShown(format_id(IdKind.ACCOUNT, account_id), booking.amount, booking.description, at)
    return Answer(201, encode(Envelope(call.request_id, shown)))


def show_fault(call: Call, failing: Failing) -> Answer:
    """Write which calls will fail."""
    shown = FaultShown(failing.call.value, failing.fault.value.lower(), failing.times)
    return Answer(201, encode(Envelope(call.request_id, shown)))


def _account(record: AccountRecord, state: BankAccountState) -> ExternalAccount:
    account, reported = record.account, record.account.reported
    assert account.external_kind is not None, "only external accounts are at the bank"
    return ExternalAccount(
        id=format_id(IdKind.ACCOUNT, account.id),
        name=record.name,
        type="external_account",
        external_account_type=account.external_kind.value,
        beneficiary_name=record.beneficiary_name,
        institution_name=record.institution_name,
        state=_STATE_WORDS[state],
        balance=Balance(
            balance_in_cents=account.current(record.balance),
            available_balance_in_cents=None if account.is_liability else account.available(record.balance),
            last_statement_balance_in_cents=reported.last_statement_balance,
            last_statement_date=show_day(reported.last_statement_date),
            next_payment_minimum_in_cents=reported.next_payment_minimum,
            next_payment_due_date=show_day(reported.next_payment_due_date),
            balance_last_updated_at=show_moment_or_none(reported.updated_at),
            error=reported.error,
            interest_rate_percentage=show_percent(reported.interest_rate),
            original_loan_amount_in_cents=reported.original_loan_amount,
        ),
        created_at=show_moment(record.created_at),
    )
