"""An execution: one run of one revision of a rule, from admission to its end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import ApprovalId, ExecutionId, OrganizationId, RuleId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Trace, TriggerType
from sluiceway.domain.transfers import Mode

MAX_DEPTH = 16
"""How far one event may reach through rules that fire each other."""

MAX_EXECUTIONS_PER_ORIGIN = 64
"""How many executions one event may cause, all branches together."""


class ExecutionStatus(StrEnum):
    """Where an execution stands (as the API documents it)."""

    IN_PROGRESS = "IN_PROGRESS"
    EXECUTED = "EXECUTED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class Counts(NamedTuple):
    """How the amounts of the matched step ended; attempted less the other three were skipped."""

    attempted: int
    completed: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as it is kept and shown."""

    organization_id: OrganizationId
    id: ExecutionId
    rule_id: RuleId
    rule_name: str | None
    revision: int
    approval_id: ApprovalId | None
    mode: Mode
    trigger_type: TriggerType
    transfer_amount: Cents | None
    status: ExecutionStatus
    created_at: datetime
    finished_at: datetime | None
    step_matched: int | None
    conditions_not_met: bool
    counts: Counts
    transfer_ids: tuple[TransferId, ...]
    error_message: str | None
    next_attempt_at: datetime | None
    depth: int
    origin_id: str
    scheduled_for: datetime | None
    trace: Trace | None


def status_of(counts: Counts) -> ExecutionStatus:
    """Tell how an execution stands from the counts of its matched step.

    In progress while anything is pending; failed when something failed and nothing succeeded; partial when both did.
    """
    if counts.pending:
        return ExecutionStatus.IN_PROGRESS
    if not counts.failed:
        return ExecutionStatus.EXECUTED
    return ExecutionStatus.PARTIAL if counts.completed else ExecutionStatus.FAILED


_MESSAGES = {
    "INSUFFICIENT_FUNDS": "Insufficient funds in source account.",
    "TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR": "The amount is below the smallest transfer allowed.",
    "NULL_BALANCE": "The balance of an account could not be had.",
    "ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT": "The account reports no minimum payment.",
    "ACCOUNT_NO_LAST_STATEMENT_BALANCE": "The account reports no statement balance.",
    "ACCOUNT_NO_INTEREST_RATE": "The account reports no interest rate.",
    "REMOTE_AMOUNT_UNAVAILABLE": "The remote service has given no amount.",
    "RESOURCE_DELETED": "An account that the rule uses has been deleted.",
    "RULE_UNREADABLE": "The rule is not what was signed, or this version cannot read it.",
    "RULE_CHANGED": "The rule was changed or disabled before this run could start.",
    "DISCONNECTED_ACCOUNT": "An account is no longer connected to its bank, or has been closed there.",
    "NAME_MISMATCH": "The names at the two banks differ.",
    "PAYMENT_FAILED": "The bank could not carry the payment.",
    "PAYMENT_NOT_SUPPORTED": "The bank does not carry payments of this kind.",
    "DAILY_ACH_CREDIT_LIMIT_REACHED": "The day's limit for payments to other banks has been reached.",
    "MONTHLY_ACH_CREDIT_LIMIT_REACHED": "The month's limit for payments to other banks has been reached.",
    "DAILY_ACH_DEBIT_LIMIT_REACHED": "The day's limit for payments from other banks has been reached.",
    "MONTHLY_ACH_DEBIT_LIMIT_REACHED": "The month's limit for payments from other banks has been reached.",
    "CANCELLED": "The transfer was called back before it was handed over.",
    "APPROVAL_REFUSED": "A person refused the transfer.",
    "APPROVAL_EXPIRED": "Nobody approved the transfer in time.",
    "PAUSED": "Automation is paused: this run waits until it is resumed.",
}


def explain(error_code: str | None) -> str | None:
    """Say for people what went wrong; None when nothing did."""
    return None if error_code is None else _MESSAGES.get(error_code, "The transfer could not be made.")
