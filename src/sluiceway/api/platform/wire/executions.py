"""Executions and triggers in the words of /platform/v1."""

from datetime import timedelta
from typing import Final, Literal, NoReturn

from msgspec import UNSET, Struct, UnsetType

from sluiceway.api.http import Call, Choice
from sluiceway.api.platform.wire.shapes import (
    MODES,
    AtLeastZero,
    Cents,
    ExecutionMode,
    Id,
    Moment,
    Window,
    show,
    show_moment,
    show_moment_or_none,
    show_page,
    show_word,
)
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId
from sluiceway.domain.rules import Fields, TriggerType
from sluiceway.domain.transfers import Mode
from sluiceway.services.admission import TriggerRule
from sluiceway.services.idempotency import Answer
from sluiceway.services.schedules import LATE

STATUS: Final = Choice("status", {status.value: status for status in ExecutionStatus})
TRIGGER_TYPE: Final = Choice("triggerType", {kind.value: kind for kind in TriggerType}, "What set it off.")

AnyStatus = Literal["IN_PROGRESS", "EXECUTED", "PARTIAL", "FAILED"]
AnyTrigger = Literal["MANUAL", "SEQUENCE_API", "SCHEDULED", "ON_FUNDS_TRANSFERRED", "REMOTE_API"]


class TriggerBody(Struct, rename="camel", forbid_unknown_fields=True):
    """How to run the rule. `executeAmount` becomes the transfer amount; a simulation moves nothing."""

    execute_amount: AtLeastZero | None = None
    simulation: bool = False


class Triggered(Struct, rename="camel"):
    """The execution that was started, to be followed among the rule's executions."""

    execution_id: Id


class TriggerDetails(Struct, rename="camel"):
    """What started the execution: an amount, or when it was scheduled for.

    `lateBySeconds`, an extension of this server: of a run on schedule that began more than a minute late.
    """

    type: AnyTrigger
    amount_in_cents: Cents | UnsetType | None = UNSET
    scheduled_time: Moment | UnsetType | None = UNSET
    late_by_seconds: int | UnsetType = UNSET


class RuleExecutionSummary(Struct, rename="camel"):
    """One run of a rule as lists show it."""

    id: Id
    rule_id: Id
    status: AnyStatus
    execution_mode: ExecutionMode
    created_at: Moment


class RuleExecution(RuleExecutionSummary):
    """One run of a rule."""

    trigger_details: TriggerDetails
    step_index_matched: int | None
    conditions_not_met: bool
    transfers_attempted: int
    transfers_completed: int
    transfers_failed: int
    transfers_pending: int
    transfer_ids: list[Id]
    error_message: str | None
    next_attempt_at: Moment | None


def read_trigger(call: Call) -> TriggerRule:
    """Read the request for a run. Raises NotFound for a malformed id."""
    fields = Fields.of(call.body, "")
    amount = fields.cents_or_none("executeAmount", low=0)
    mode = Mode.SIMULATION if fields.flag("simulation") else Mode.LIVE
    fields.end()

    def answer(execution_id: ExecutionId) -> Answer:
        return Answer(202, show(call, Triggered(execution_id)))

    return TriggerRule(
        organization_id=call.principal.organization_id,
        rule_id=RuleId(call.id) if call.id is not None else _unknown_rule(call),
        spelling=call.spelling,
        trigger_type=TriggerType.SEQUENCE_API,
        amount=amount,
        idempotency=call.idempotency,
        act=call.act,
        show=answer,
        mode=mode,
        approval_above=call.principal.approval_above,
    )


def _unknown_rule(call: Call) -> NoReturn:
    raise NotFound(IdKind.RULE, call.spelling)


def show_executions(call: Call, executions: list[Execution], window: Window) -> bytes:
    """Write a page of executions."""
    items = [
        RuleExecutionSummary(
            id=execution.id,
            rule_id=execution.rule_id,
            status=execution.status.value,
            execution_mode=MODES[execution.mode],
            created_at=show_moment(execution.created_at),
        )
        for execution in executions
    ]
    return show_page(call, items, window)


def show_execution(call: Call, execution: Execution) -> bytes:
    """Write one execution."""
    counts = execution.counts
    shown = RuleExecution(
        id=execution.id,
        rule_id=execution.rule_id,
        status=execution.status.value,
        execution_mode=MODES[execution.mode],
        created_at=show_moment(execution.created_at),
        trigger_details=_details(execution),
        step_index_matched=execution.step_matched,
        conditions_not_met=execution.conditions_not_met,
        transfers_attempted=counts.attempted,
        transfers_completed=counts.completed,
        transfers_failed=counts.failed,
        transfers_pending=counts.pending,
        transfer_ids=list(execution.transfer_ids),
        error_message=execution.error_message,
        next_attempt_at=show_moment_or_none(execution.next_attempt_at),
    )
    return show(call, shown)


def _details(execution: Execution) -> TriggerDetails:
    match execution.trigger_type:
        case TriggerType.SCHEDULED:
            late_by = timedelta(0)
            if execution.scheduled_for is not None:
                late_by = execution.created_at - execution.scheduled_for
            return TriggerDetails(
                "SCHEDULED",
                scheduled_time=show_moment_or_none(execution.scheduled_for),
                late_by_seconds=int(late_by.total_seconds()) if late_by > LATE else UNSET,
            )
        case TriggerType.REMOTE_API:
            return TriggerDetails("REMOTE_API")
        case _:
            return TriggerDetails(show_word(execution.trigger_type), amount_in_cents=execution.transfer_amount)
