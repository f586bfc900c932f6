"""Accounts in the words of v1."""

from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from sluiceway.api.http import After, Call, Choice, First
from sluiceway.api.v1.wire.shapes import (
    ACCOUNT_TYPES,
    MAX_TEXT,
    AccountType,
    AtLeastZero,
    Cents,
    Day,
    Envelope,
    Moment,
    Name,
    Number,
    PercentNumber,
    Text,
    encode,
    read_name,
    read_percent,
    show_id,
    show_moment,
    show_moment_or_none,
    show_page,
    show_percent,
    show_type,
)
from sluiceway.domain import money
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.rules import Fields, refuse, whole
from sluiceway.services.accounts import CreateAccount, NewAccount
from sluiceway.services.idempotency import Answer

# The documented list takes no page parameters, so without them it gives what such a caller expects: all there is.
FIRST: Final = First(default=1000, maximum=1000)
AFTER: Final = After()
TYPE: Final = Choice("type", ACCOUNT_TYPES, "Only accounts of this type.")

_VISIBLE_DIGITS: Final = 4

Figure = Annotated[int, Meta(ge=-money.MAX_CENTS, le=money.MAX_CENTS)]


class AccountSummary(Struct):
    """An account as lists show it."""

    id: str
    name: str
    type: AccountType
    description: str | None
    icon: str | None
    external_account_type: Literal["DEPOSITORY", "INVESTMENT", "LIABILITY"] | None
    beneficiary_name: str | None
    institution_name: str | None
    can_be_source: bool
    can_be_destination: bool
    linked_account_id: Annotated[
        str | None, Meta(description="Of a holding pod: the liability whose payments wait in it. An extension.")
    ]
    created_at: Moment
    updated_at: Moment


class Balance(Struct):
    """What is in an account. For a liability a positive balance is debt."""

    balance_in_cents: Cents | None
    available_balance_in_cents: Cents | None
    last_statement_balance_in_cents: Cents | None
    last_statement_date: Day | None
    next_payment_minimum_in_cents: Cents | None
    next_payment_due_date: Day | None
    balance_last_updated_at: Moment | None
    error: str | None
    interest_rate_percentage: Number | None
    original_loan_amount_in_cents: Cents | None


class Account(AccountSummary):
    """An account with its balance and its masked numbers."""

    routing_number: str | None
    account_number: str | None
    balance: Balance


class NewIncomeSource(Struct, forbid_unknown_fields=True):
    """What makes an income source."""

    nickname: Name
    icon: Text | None = None
    beneficiary_name: Text | None = None


class NewPod(Struct, forbid_unknown_fields=True):
    """What makes a pod."""

    nickname: Name
    icon: Text | None = None
    description: Text | None = None
    beneficiary_name: Text | None = None


class NewExternalAccount(Struct, forbid_unknown_fields=True):
    """What makes an external account, with what its institution reports."""

    nickname: Name
    external_account_type: Literal["DEPOSITORY", "INVESTMENT", "LIABILITY"]
    icon: Text | None = None
    description: Text | None = None
    institution_name: Text | None = None
    balance_in_cents: Figure | None = None
    available_balance_in_cents: Figure | None = None
    last_statement_balance_in_cents: Figure | None = None
    last_statement_date: Day | None = None
    next_payment_minimum_in_cents: AtLeastZero | None = None
    next_payment_due_date: Day | None = None
    interest_rate_percentage: PercentNumber | None = None
    original_loan_amount_in_cents: AtLeastZero | None = None


class _ExternalKind(StrEnum):
    DEPOSITORY = "DEPOSITORY"
    INVESTMENT = "INVESTMENT"
    LIABILITY = "LIABILITY"


def read_income_source(call: Call) -> CreateAccount:
    """Read the request for an income source."""
    fields = Fields.of(call.body, "")
    account = NewAccount(
        AccountKind.INCOME_SOURCE,
        read_name(fields, "nickname"),
        icon=fields.text_or_none("icon", MAX_TEXT),
        beneficiary_name=fields.text_or_none("beneficiary_name", MAX_TEXT),
    )
    fields.end()
    return _create(call, account)


def read_pod(call: Call) -> CreateAccount:
    """Read the request for a pod."""
    fields = Fields.of(call.body, "")
    account = NewAccount(
        AccountKind.POD,
        read_name(fields, "nickname"),
        icon=fields.text_or_none("icon", MAX_TEXT),
        description=fields.text_or_none("description", MAX_TEXT),
        beneficiary_name=fields.text_or_none("beneficiary_name", MAX_TEXT),
    )
    fields.end()
    return _create(call, account)


def read_external_account(call: Call) -> CreateAccount:
    """Read the request for an external account."""
    fields = Fields.of(call.body, "")
    account = NewAccount(
        AccountKind.EXTERNAL_ACCOUNT,
        read_name(fields, "nickname"),
        external_kind=ExternalKind(fields.one_of("external_account_type", _ExternalKind)),
        icon=fields.text_or_none("icon", MAX_TEXT),
        description=fields.text_or_none("description", MAX_TEXT),
        institution_name=fields.text_or_none("institution_name", MAX_TEXT),
        reported=_read_reported(fields, call.edge.engine.now),
    )
    fields.end()
    return _create(call, account)


def _create(call: Call, account: NewAccount) -> CreateAccount:
    def show(record: AccountRecord) -> Answer:
        return Answer(201, show_one(call, record))

    return CreateAccount(call.principal.organization_id, account, call.idempotency, show, call.act)


def _read_reported(fields: Fields, now: Callable[[], datetime]) -> ReportedBalance:
    has_rate = fields.raw("interest_rate_percentage", None) is not None
    reported = ReportedBalance(
        balance=_figure(fields, "balance_in_cents", -money.MAX_CENTS),
        available=_figure(fields, "available_balance_in_cents", -money.MAX_CENTS),
        last_statement_balance=_figure(fields, "last_statement_balance_in_cents", -money.MAX_CENTS),
        last_statement_date=_day(fields, "last_statement_date"),
        next_payment_minimum=_figure(fields, "next_payment_minimum_in_cents", 0),
        next_payment_due_date=_day(fields, "next_payment_due_date"),
        interest_rate=read_percent(fields, "interest_rate_percentage") if has_rate else None,
        original_loan_amount=_figure(fields, "original_loan_amount_in_cents", 0),
    )
    if reported == ReportedBalance():
        return reported
    return ReportedBalance(
        reported.balance,
        reported.available,
        reported.last_statement_balance,
        reported.last_statement_date,
        reported.next_payment_minimum,
        reported.next_payment_due_date,
        reported.interest_rate,
        reported.original_loan_amount,
        now(),
    )


def _figure(fields: Fields, key: str, low: int) -> money.Cents | None:
    value = fields.raw(key, None)
    return None if value is None else money.Cents(whole(value, fields.at(key), low, money.MAX_CENTS))


def _day(fields: Fields, key: str) -> date | None:
    text = fields.text_or_none(key, MAX_TEXT)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        refuse(fields.at(key), "must be a date such as 2024-04-23")
    return day


def show_accounts(call: Call, records: list[AccountRecord], first: int) -> bytes:
    """Write a page of accounts."""
    ids = [record.account.id for record in records]
    return show_page(call, [_summary(record) for record in records], ids, first, "accounts")


def show_one(call: Call, record: AccountRecord) -> bytes:
    """Write one account."""
    return encode(Envelope(call.request_id, _account(record)))


def _summary(record: AccountRecord) -> AccountSummary:
    account = record.account
    return AccountSummary(
        id=format_id(IdKind.ACCOUNT, account.id),
        name=record.name,
        type=show_type(account.kind),
        description=record.description,
        icon=record.icon,
        external_account_type=None if account.external_kind is None else account.external_kind.value,
        beneficiary_name=record.beneficiary_name,
        institution_name=record.institution_name,
        can_be_source=account.can_be_source,
        can_be_destination=account.can_be_destination,
        linked_account_id=show_id(IdKind.ACCOUNT, account.linked_account_id),
        created_at=show_moment(record.created_at),
        updated_at=show_moment(record.updated_at),
    )


def _account(record: AccountRecord) -> Account:
    summary = _summary(record)
    return Account(
        **{name: getattr(summary, name) for name in summary.__struct_fields__},
        routing_number=_masked(record.routing_number),
        account_number=_masked(record.account_number),
        balance=_balance(record),
    )


def _balance(record: AccountRecord) -> Balance:
    account, reported = record.account, record.account.reported
    return Balance(
        balance_in_cents=account.current(record.balance),
        available_balance_in_cents=None if account.is_liability else account.available(record.balance),
        last_statement_balance_in_cents=reported.last_statement_balance,
        last_statement_date=_show_day(reported.last_statement_date),
        next_payment_minimum_in_cents=reported.next_payment_minimum,
        next_payment_due_date=_show_day(reported.next_payment_due_date),
        balance_last_updated_at=show_moment_or_none(reported.updated_at),
        error=reported.error,
        interest_rate_percentage=None if reported.interest_rate is None else show_percent(reported.interest_rate),
        original_loan_amount_in_cents=reported.original_loan_amount,
    )


def _show_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _masked(number: str | None) -> str | None:
    return None if number is None else "****" + number[-_VISIBLE_DIGITS:]
