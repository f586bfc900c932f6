"""Accounts in the words of /platform/v1."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from sluiceway.api.http import Call, Choice
from sluiceway.api.platform.wire.shapes import (
    ACCOUNT_TYPES,
    AccountType,
    Cents,
    Day,
    Id,
    Moment,
    Number,
    Window,
    show,
    show_day,
    show_moment,
    show_moment_or_none,
    show_page,
    show_percent,
    show_type,
)
from sluiceway.domain.access import Permission, holds
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId

TYPE: Final = Choice("type", ACCOUNT_TYPES, "Only accounts of this type.")
STATE: Final = Choice("state", {"ACTIVE": False, "ALL": True}, "`ALL`: also the deleted ones. Without it `ACTIVE`.")

_VISIBLE_DIGITS: Final = 4

Digits = Annotated[
    str | None, Meta(description="In full only for a key with `READ_ACCOUNT_NUMBERS`, else the last four digits.")
]

Linked = Mapping[AccountId, AccountRecord]


class LinkedAccountSummary(Struct, rename="camel", kw_only=True):
    """What lists show of an account."""

    id: Id
    name: str
    type: AccountType
    description: str | None
    external_account_type: Literal["DEPOSITORY", "INVESTMENT", "LIABILITY"] | None
    beneficiary_name: str | None
    institution_name: str | None
    can_be_source: bool
    can_be_destination: bool
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class AccountSummary(LinkedAccountSummary, kw_only=True):
    """An account as lists show it. A holding pod is linked to the liability whose payments wait in it."""

    linked_account: LinkedAccountSummary | None


class Balance(Struct, rename="camel"):
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


class LinkedAccount(LinkedAccountSummary, kw_only=True):
    """An account with its balance and numbers."""

    routing_number: Digits
    bank_account_number: Digits
    balance: Balance | None
    savings_target_in_cents: Cents | None


class Account(LinkedAccount, kw_only=True):
    """An account with its balance and numbers, and a holding pod with its liability."""

    linked_account: LinkedAccount | None


def show_accounts(call: Call, records: list[AccountRecord], linked: Linked, window: Window) -> bytes:
    """Write a page of accounts."""
    items = [
        AccountSummary(
            **_facts(record), linked_account=None if other is None else LinkedAccountSummary(**_facts(other))
        )
        for record in records
        for other in [_other(record, linked)]
    ]
    return show_page(call, items, window)


def show_account(call: Call, record: AccountRecord, linked: Linked) -> bytes:
    """Write one account."""
    in_full, other = holds(call.principal, Permission.READ_ACCOUNT_NUMBERS), _other(record, linked)
    shown = Account(
        **_details(record, in_full=in_full),
        linked_account=None if other is None else LinkedAccount(**_details(other, in_full=in_full)),
    )
    return show(call, shown)


def _other(record: AccountRecord, linked: Linked) -> AccountRecord | None:
    other_id = record.account.linked_account_id
    return None if other_id is None else linked.get(other_id)


def _facts(record: AccountRecord) -> dict[str, Any]:
    account = record.account
    return {
        "id": account.id,
        "name": record.name,
        "type": show_type(account.kind),
        "description": record.description,
        "external_account_type": None if account.external_kind is None else account.external_kind.value,
        "beneficiary_name": record.beneficiary_name,
        "institution_name": record.institution_name,
        "can_be_source": account.can_be_source,
        "can_be_destination": account.can_be_destination,
        "created_at": show_moment(record.created_at),
        "updated_at": show_moment(record.updated_at),
        "deleted_at": show_moment_or_none(record.deleted_at),
    }


def _details(record: AccountRecord, *, in_full: bool) -> dict[str, Any]:
    return _facts(record) | {
        "routing_number": _digits(record.routing_number, in_full=in_full),
        "bank_account_number": _digits(record.account_number, in_full=in_full),
        "balance": _balance(record),
        # Goals are not kept here; the documented field is there, and empty.
        "savings_target_in_cents": None,
    }


def _balance(record: AccountRecord) -> Balance:
    account, reported = record.account, record.account.reported
    return Balance(
        balance_in_cents=account.current(record.balance),
        available_balance_in_cents=None if account.is_liability else account.available(record.balance),
        last_statement_balance_in_cents=reported.last_statement_balance,
        last_statement_date=show_day(reported.last_statement_date),
        next_payment_minimum_in_cents=reported.next_payment_minimum,
        next_payment_due_date=show_day(reported.next_payment_due_date),
        balance_last_updated_at=show_moment_or_none(reported.updated_at),
        error=reported.error,
        interest_rate_percentage=None if reported.interest_rate is None else show_percent(reported.interest_rate),
        original_loan_amount_in_cents=reported.original_loan_amount,
    )


def _digits(number: str | None, *, in_full: bool) -> str | None:
    return number if number is None or in_full else "****" + number[-_VISIBLE_DIGITS:]
