"""A transfer: the story of one movement of money, and which way it goes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sluiceway.domain.ids import AccountId, ExecutionId, LegId, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import Account, AccountKind
from sluiceway.domain.money import Cents


class TransferStatus(StrEnum):
    """Where a transfer stands (as the API documents it)."""

    PENDING_APPROVAL = "PENDING_APPROVAL"
    PROCESSING = "PROCESSING"
    PENDING = "PENDING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"


class Direction(StrEnum):
    """Which way money goes, seen from the accounts that we keep."""

    MONEY_IN = "MONEY_IN"
    MONEY_OUT = "MONEY_OUT"
    INTERNAL = "INTERNAL"


class Origin(StrEnum):
    """What set a transfer off (as the API documents it)."""

    DIRECT_DEPOSIT = "DIRECT_DEPOSIT"
    CHECK_DEPOSIT = "CHECK_DEPOSIT"
    CASHBACK = "CASHBACK"
    USER_PULL = "USER_PULL"
    RULE = "RULE"
    USER = "USER"
    EXTERNAL_PULL = "EXTERNAL_PULL"
    UNKNOWN = "UNKNOWN"


class Mode(StrEnum):
    """Whether money moves, or only the books of a rehearsal."""

    LIVE = "LIVE"
    SIMULATION = "SIMULATION"


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a transfer, with the account's last name; None in its place is somebody unknown outside."""

    id: AccountId
    name: str
    kind: AccountKind
    is_deleted: bool


class LegPurpose(StrEnum):
    """What a leg is for: to take money from an external account, to send it there, to send it back."""

    PULL = "PULL"
    PUSH = "PUSH"
    REVERSAL = "REVERSAL"


class LegStatus(StrEnum):
    """Where a leg stands: to be handed over, at the bank, or ended."""

    PROCESSING = "PROCESSING"
    PENDING = "PENDING"
    SETTLED = "SETTLED"
    RETURNED = "RETURNED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Leg:
    """One payment that a bank carries for a transfer, as it is kept and shown."""

    id: LegId
    transfer_id: TransferId
    sequence: int
    purpose: LegPurpose
    account_id: AccountId
    amount: Cents
    status: LegStatus
    attempts: int
    error_code: str | None
    return_code: str | None
    expected_at: datetime | None
    settled_at: datetime | None
    submitted_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it may still move money."""
        return self.status in (LegStatus.PROCESSING, LegStatus.PENDING)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement of money as it is kept and shown. `amount` is in minor units of `currency`.

    `legs` are filled where a single transfer is read; lists go without.
    """

    organization_id: OrganizationId
    id: TransferId
    source: Party | None
    destination: Party | None
    amount: Cents
    currency: str
    direction: Direction
    origin: Origin
    mode: Mode
    status: TransferStatus
    error_code: str | None
    execution_id: ExecutionId | None
    rule_id: RuleId | None
    description: str | None
    created_at: datetime
    completed_at: datetime | None
    status_reason: str | None = None
    returned_at: datetime | None = None
    return_code: str | None = None
    approval_expires_at: datetime | None = None
    staged_account_id: AccountId | None = None
    legs: tuple[Leg, ...] = ()


def direction_of(source: Account, destination: Account) -> Direction:
    """Tell which way money goes between two accounts. External to external counts as going out (its push leg)."""
    if destination.kind is AccountKind.EXTERNAL_ACCOUNT:
        return Direction.MONEY_OUT
    return Direction.INTERNAL if source.is_kept else Direction.MONEY_IN
