"""What planning is given and what it gives: event, snapshot, plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import Account, Balance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules.model import CapPeriod, TriggerType
from sluiceway.domain.rules.trace import Trace

DEFAULT_MINIMUM = Cents(100)


class ErrorCode(StrEnum):
    """Why a transfer did not happen (as the API documents it); open-ended on the wire."""

    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR = "TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR"
    NULL_BALANCE = "NULL_BALANCE"
    ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT = "ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT"
    ACCOUNT_NO_LAST_STATEMENT_BALANCE = "ACCOUNT_NO_LAST_STATEMENT_BALANCE"
    ACCOUNT_NO_INTEREST_RATE = "ACCOUNT_NO_INTEREST_RATE"
    REMOTE_AMOUNT_UNAVAILABLE = "REMOTE_AMOUNT_UNAVAILABLE"
    RESOURCE_DELETED = "RESOURCE_DELETED"
    DISCONNECTED_ACCOUNT = "DISCONNECTED_ACCOUNT"
    NAME_MISMATCH = "NAME_MISMATCH"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    PAYMENT_NOT_SUPPORTED = "PAYMENT_NOT_SUPPORTED"
    DAILY_ACH_CREDIT_LIMIT_REACHED = "DAILY_ACH_CREDIT_LIMIT_REACHED"
    MONTHLY_ACH_CREDIT_LIMIT_REACHED = "MONTHLY_ACH_CREDIT_LIMIT_REACHED"
    DAILY_ACH_DEBIT_LIMIT_REACHED = "DAILY_ACH_DEBIT_LIMIT_REACHED"
    MONTHLY_ACH_DEBIT_LIMIT_REACHED = "MONTHLY_ACH_DEBIT_LIMIT_REACHED"


@dataclass(frozen=True, slots=True)
class Event:
    """What started a run.

    `transfer_amount` is the cents that arrived, or `executeAmount`. `stands_in` says that it is the latter: then it
    stands in for the balance of the trigger's account in the sums (of every source, where the trigger has no account).
    """

    type: TriggerType
    at: datetime
    transfer_amount: Cents | None = None
    stands_in: bool = False


class PaymentSide(StrEnum):
    """Which of the organization's ACH limits a payment counts towards."""

    CREDIT = "CREDIT"
    """A push to an external account."""
    DEBIT = "DEBIT"
    """A pull from one."""


class AchRoom(NamedTuple):
    """What is left of one limit in its period, as cents and as transfers (None: no limit), and the code beyond it."""

    code: ErrorCode
    amount: int | None
    transfers: int | None


class CapKey(NamedTuple):
    """Which running total a capped group adds to. `starts_on` is the first day of the period, in the rule's zone."""

    rule_id: RuleId
    step: int
    group: int
    period: CapPeriod
    starts_on: date


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan may look at, loaded under lock: it holds every account that `needs` named and that exists."""

    accounts: Mapping[AccountId, Account]
    balances: Mapping[AccountId, Balance]
    caps_used: Mapping[CapKey, int] = field(default_factory=dict[CapKey, int])
    remote_amounts: Mapping[tuple[int, int], Cents] = field(default_factory=dict[tuple[int, int], Cents])
    """By (step, action): what the person's server answered for this execution."""
    minimum: Cents = DEFAULT_MINIMUM
    at: datetime | None = None
    """Now, by the organization's clock; without it, the event's own time counts."""
    ach: Mapping[PaymentSide, tuple[AchRoom, ...]] = field(default_factory=dict[PaymentSide, tuple[AchRoom, ...]])
    holding_pods: Mapping[AccountId, AccountId] = field(default_factory=dict[AccountId, AccountId])
    """By manual liability: the pod in which payments to it wait. Its accounts and balances hold these pods too."""


class PlannedTransfer(NamedTuple):
    """A transfer to record. With an `error_code` it moves nothing; `amount` is then what was asked for.

    With `needs_approval` it waits for a person, its money held. `destination` is what the rule names: of a manual
    liability not its holding pod.
    """

    step: int
    action: int
    part: int
    source: AccountId
    destination: AccountId
    amount: Cents
    error_code: ErrorCode | None = None
    needs_approval: bool = False


class Plan(NamedTuple):
    """What one execution does: which step, which transfers in order, and why.

    `attempted` counts every amount the matched step came to or would have (skipped and unreached ones too); `failed`
    those that ended in an error, including the ones whose amount could not be known and that have no transfer.
    """

    step: int | None
    transfers: tuple[PlannedTransfer, ...]
    attempted: int
    failed: int
    cap_uses: Mapping[CapKey, int]
    trace: Trace

    @property
    def first_error(self) -> str | None:
        """Give the code of the first failure, or None."""
        return next((action.error_code for action in self.trace.actions if action.error_code), None)
