"""What /platform/v1 answers, as values.

Fields that are not known here are ignored, and words that may grow (types, statuses, codes) are plain text, so that a
newer server does not break an older client. What a structure has only on some servers is None elsewhere. Amounts are
whole cents, moments are aware datetimes.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, Generic, TypeVar

from msgspec import Struct

T_co = TypeVar("T_co", covariant=True)

_ENDED_EXECUTION: Final = ("EXECUTED", "PARTIAL", "FAILED")
_ENDED_TRANSFER: Final = ("COMPLETE", "INCOMPLETE", "ERROR", "CANCELLED")


class Model(Struct, rename="camel", kw_only=True, frozen=True):
    """A value in this API's spelling."""


class AccountNode(Struct, rename="camel", frozen=True, omit_defaults=True):
    """An account as rules name it: its id and its type. Answers add the name."""

    id: str
    type: str
    name: str | None = None


class LinkedAccountSummary(Model, kw_only=True, frozen=True):
    """What lists show of an account."""

    id: str
    name: str
    type: str
    """`INCOME_SOURCE`, `POD` or `EXTERNAL_ACCOUNT`."""
    description: str | None = None
    external_account_type: str | None = None
    """Of an external account: `DEPOSITORY`, `INVESTMENT` or `LIABILITY`."""
    beneficiary_name: str | None = None
    institution_name: str | None = None
    can_be_source: bool
    can_be_destination: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @property
    def node(self) -> AccountNode:
        """The account as a rule names it."""
        return AccountNode(self.id, self.type)


class AccountSummary(LinkedAccountSummary, kw_only=True, frozen=True):
    """An account as lists show it. A holding pod is linked to the liability whose payments wait in it."""

    linked_account: LinkedAccountSummary | None = None


class Balance(Model, kw_only=True, frozen=True):
    """What is in an account. For a liability a positive balance is debt. With `error`, it could not be had."""

    balance_in_cents: int | None = None
    available_balance_in_cents: int | None = None
    last_statement_balance_in_cents: int | None = None
    last_statement_date: date | None = None
    next_payment_minimum_in_cents: int | None = None
    next_payment_due_date: date | None = None
    balance_last_updated_at: datetime | None = None
    error: str | None = None
    interest_rate_percentage: Decimal | None = None
    original_loan_amount_in_cents: int | None = None


class LinkedAccount(LinkedAccountSummary, kw_only=True, frozen=True):
    """An account with its balance and numbers."""

    routing_number: str | None = None
    bank_account_number: str | None = None
    balance: Balance | None = None
    savings_target_in_cents: int | None = None


class Account(LinkedAccount, kw_only=True, frozen=True):
    """An account with its balance and numbers, and a holding pod with its liability."""

    linked_account: LinkedAccount | None = None


class TransferAccountRef(Model, kw_only=True, frozen=True):
    """One end of a transfer. An `EXTERNAL_ENTITY` is somebody outside who has no account here."""

    id: str | None = None
    name: str
    type: str
    is_deleted: bool | None = None


class Leg(Model, kw_only=True, frozen=True):
    """A payment that a bank carries for a transfer. An extension of Sluiceway."""

    id: str
    purpose: str
    account: TransferAccountRef | None = None
    amount_in_cents: int
    status: str
    expected_at: datetime | None = None
    settled_at: datetime | None = None
    error_code: str | None = None
    return_code: str | None = None


class Transfer(Model, kw_only=True, frozen=True):
    """Money that moved, moves or did not. An end that is somebody unknown outside is None.

    From `status_reason` on, the fields are extensions of Sluiceway.
    """

    id: str
    amount_in_cents: int
    direction: str
    """`MONEY_IN`, `MONEY_OUT` or `INTERNAL`."""
    origin: str
    source: TransferAccountRef | None = None
    destination: TransferAccountRef | None = None
    status: str
    """`PENDING_APPROVAL`, `PROCESSING`, `PENDING`, `COMPLETE`, `INCOMPLETE`, `ERROR` or `CANCELLED`."""
    execution_mode: str
    rule_id: str | None = None
    rule_execution_id: str | None = None
    error_code: str | None = None
    created_at: datetime
    completed_at: datetime | None = None
    status_reason: str | None = None
    return_code: str | None = None
    returned_at: datetime | None = None
    approval_expires_at: datetime | None = None
    legs: list[Leg] | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended. Only a bank that sends money back changes it after that."""
        return self.status in _ENDED_TRANSFER


class Triggered(Model, kw_only=True, frozen=True):
    """The execution that was started."""

    execution_id: str


class TriggerDetails(Model, kw_only=True, frozen=True):
    """What started an execution."""

    type: str
    """`MANUAL`, `SEQUENCE_API`, `SCHEDULED`, `ON_FUNDS_TRANSFERRED` or `REMOTE_API`."""
    amount_in_cents: int | None = None
    scheduled_time: datetime | None = None
    late_by_seconds: int | None = None


class ExecutionSummary(Model, kw_only=True, frozen=True):
    """One run of a rule as lists show it."""

    id: str
    rule_id: str
    status: str
    """`IN_PROGRESS`, `EXECUTED`, `PARTIAL` or `FAILED`."""
    execution_mode: str
    created_at: datetime

    @property
    def is_final(self) -> bool:
        """Whether it has ended: nothing of it is under way."""
        return self.status in _ENDED_EXECUTION


class Execution(ExecutionSummary, kw_only=True, frozen=True):
    """One run of a rule: what started it, how it went, which transfers it made."""

    trigger_details: TriggerDetails
    step_index_matched: int | None = None
    conditions_not_met: bool
    transfers_attempted: int
    transfers_completed: int
    transfers_failed: int
    transfers_pending: int
    transfer_ids: list[str]
    error_message: str | None = None
    next_attempt_at: datetime | None = None


class ExternalTransaction(Model, kw_only=True, frozen=True):
    """A movement on an external account, as its bank lists it."""

    id: str
    account_id: str
    amount_in_cents: int
    direction: str
    status: str
    description: str
    transaction_date: datetime


class CardTransaction(Model, kw_only=True, frozen=True):
    """A purchase by card, or a refund."""

    id: str
    card_id: str
    card_type: str
    account: TransferAccountRef
    direction: str
    subtype: str
    status: str
    amount_in_cents: int
    description: str
    created_at: datetime
    completed_at: datetime | None = None


class AuditLogEntry(Model, kw_only=True, frozen=True):
    """One call that was made with a key. The last two fields are extensions of Sluiceway."""

    id: str
    created_at: datetime
    api_key_id: str
    api_key_name: str
    path: str
    action: str | None = None
    request_id: str
    outcome: str
    error_code: str | None = None
    called_reason: str | None = None
    is_replay: bool | None = None


class Page(Struct, Generic[T_co], frozen=True):
    """A part of a list."""

    items: list[T_co]
    number: int
    """Counted from 1."""
    has_next: bool
