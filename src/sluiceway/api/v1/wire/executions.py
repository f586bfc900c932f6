"""Executions, triggers and traces in the words of v1."""

from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple, NoReturn

from msgspec import UNSET, Struct, UnsetType

from sluiceway.api.http import After, Call, Choice, First, Instant, Named
from sluiceway.api.v1.wire.shapes import (
    MODES,
    AtLeastZero,
    Cents,
    Envelope,
    ExecutionMode,
    Moment,
    encode,
    show_id,
    show_moment,
    show_moment_or_none,
)
from sluiceway.api.v1.wire.shapes import show_page as shapes_page
from sluiceway.domain.endings import Ending
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId, format_id, to_base32
from sluiceway.domain.rules import ActionTrace, Fields, NodeTrace, StepTrace, TriggerType
from sluiceway.domain.runs import RunView
from sluiceway.domain.transfers import Mode
from sluiceway.services.admission import TriggerRule
from sluiceway.services.idempotency import Answer
from sluiceway.services.schedules import LATE

FIRST: Final = First(default=20, maximum=100)
AFTER: Final = After()
RULE: Final = Named("rule_id", IdKind.RULE, "The rule whose executions are wanted.", is_required=True)
STATUS: Final = Choice("status", {status.value.lower(): status for status in ExecutionStatus})
# This generation's history knows three types (as the API documents it): whatever ran on demand is manual.
ON_DEMAND: Final = (TriggerType.MANUAL, TriggerType.SEQUENCE_API, TriggerType.REMOTE_API)
TRIGGER_TYPE: Final = Choice(
    "trigger_type",
    {
        "manual": ON_DEMAND,
        "scheduled": (TriggerType.SCHEDULED,),
        "on_funds_transferred": (TriggerType.ON_FUNDS_TRANSFERRED,),
    },
)
FROM: Final = Instant("from", "Not before this moment.")
TO: Final = Instant("to", "Not after this moment.", is_end=True)

TriggerWord = Literal["manual", "scheduled", "on_funds_transferred"]


class TriggerBody(Struct, forbid_unknown_fields=True):
    """How to run the rule. `simulation`, an extension of this server: nothing moves, and any rule may be simulated."""

    manual_execute_amount: AtLeastZero | None = None
    simulation: bool | None = None


class Triggered(Struct):
    """The execution that was started, to be followed at /rule-executions."""

    execution_id: str


class TriggerDetails(Struct):
    """What started the execution. `late_by_seconds`: of a run on schedule that began more than a minute late."""

    type: TriggerWord
    amount_in_cents: Cents | UnsetType | None = UNSET
    scheduled_time: Moment | UnsetType | None = UNSET
    late_by_seconds: int | UnsetType = UNSET


class ExecutionShown(Struct):
    """One run of a rule."""

    id: str
    rule_id: str
    rule_name: str | None
    trigger_type: TriggerWord
    status: Literal["in_progress", "executed", "partial", "failed"]
    created_at: Moment
    trigger_details: TriggerDetails
    step_index_matched: int | None
    conditions_not_met: bool
    transfers_attempted: int
    transfers_completed: int
    transfers_failed: int
    transfers_pending: int
    transfer_ids: list[str]
    error_message: str | None
    next_attempt_at: Moment | None
    execution_mode: ExecutionMode


EndingWord = Literal[
    "moved",
    "nothing_to_move",
    "conditions_not_met",
    "waiting",
    "moved_in_part",
    "blocked_by_limit",
    "cancelled",
    "failed",
    "simulated",
]


class TracedCondition(Struct):
    """A condition that was looked at, with the values seen; `result` is null where they were unknown."""

    path: str
    result: bool | None
    left: int | None
    right: int | None
    why: str | None


class TracedStep(Struct):
    """A step that was tried."""

    path: str
    result: bool | None
    conditions: list[TracedCondition]


class TracedCut(Struct):
    """A limit that lowered an amount."""

    reason: str
    to_in_cents: Cents


class TracedAction(Struct):
    """What an action asked for, what limited it, and what it moved."""

    path: str
    part: int
    source_id: str
    destination_id: str | None
    result: str
    asked_in_cents: Cents | None
    cuts: list[TracedCut]
    moved_in_cents: Cents
    available_in_cents: Cents | None
    why: str | None
    error_code: str | None


class TraceShown(Struct):
    """Why an execution did what it did. Empty while it has not been planned.

    `ending`, `summary` and `explanation` say it in words, as the app and the command line do.
    """

    steps: list[TracedStep]
    actions: list[TracedAction]
    ending: EndingWord
    summary: str
    explanation: list[str]


class ExecutionFilter(NamedTuple):
    """Which executions are wanted."""

    rule_id: RuleId | None
    before_id: ExecutionId | None
    first: int
    owner: str


def read_filter(call: Call) -> ExecutionFilter:
    """Read which executions are wanted, the choices of one word aside."""
    rule_id = RULE.read(call.query)
    owner = f"executions/{rule_id}"
    before_id = AFTER.read(call.query, call.owner(owner))
    return ExecutionFilter(
        None if rule_id is None else RuleId(rule_id),
        None if before_id is None else ExecutionId(before_id),
        FIRST.read(call.query),
        owner,
    )


def read_trigger(call: Call) -> TriggerRule:
    """Read the request for a run. Raises NotFound for a malformed id."""
    fields = Fields.of(call.body, "")
    amount = fields.cents_or_none("manual_execute_amount", low=0)
    mode = Mode.SIMULATION if fields.flag("simulation") else Mode.LIVE
    fields.end()

    def show(execution_id: ExecutionId) -> Answer:
        # The trigger says exec_ where reads say rex_, as documented; both prefixes are read everywhere.
        triggered = Triggered(f"exec_{to_base32(execution_id)}")
        return Answer(200, encode(Envelope(call.request_id, triggered)))

    return TriggerRule(
        organization_id=call.principal.organization_id,
        rule_id=RuleId(call.id) if call.id is not None else _unknown_rule(call),
        spelling=call.spelling,
        trigger_type=TriggerType.SEQUENCE_API,
        amount=amount,
        idempotency=call.idempotency,
        act=call.act,
        show=show,
        mode=mode,
        approval_above=call.principal.approval_above,
    )


def _unknown_rule(call: Call) -> NoReturn:
    raise NotFound(IdKind.RULE, call.spelling)


def show_executions(call: Call, executions: list[Execution], wanted: ExecutionFilter) -> bytes:
    """Write a page of executions."""
    ids = [execution.id for execution in executions]
    return shapes_page(call, [_execution(execution) for execution in executions], ids, wanted.first, wanted.owner)


def show_one(call: Call, execution: Execution) -> bytes:
    """Write one execution."""
    return encode(Envelope(call.request_id, _execution(execution)))


def show_trace(call: Call, view: RunView) -> bytes:
    """Write why an execution did what it did."""
    trace = view.facts.execution.trace
    steps = [] if trace is None else [_step(step) for step in trace.steps]
    actions = [] if trace is None else [_action(action) for action in trace.actions]
    return encode(
        Envelope(
            call.request_id, TraceShown(steps, actions, _ending(view.ending), view.ending_said, list(view.explanation))
        )
    )


def _execution(execution: Execution) -> ExecutionShown:
    counts = execution.counts
    return ExecutionShown(
        id=format_id(IdKind.EXECUTION, execution.id),
        rule_id=format_id(IdKind.RULE, execution.rule_id),
        rule_name=execution.rule_name,
        trigger_type=TRIGGER_WORDS[execution.trigger_type],
        status=STATUS_WORDS[execution.status],
        created_at=show_moment(execution.created_at),
        trigger_details=_details(execution),
        step_index_matched=execution.step_matched,
        conditions_not_met=execution.conditions_not_met,
        transfers_attempted=counts.attempted,
        transfers_completed=counts.completed,
        transfers_failed=counts.failed,
        transfers_pending=counts.pending,
        transfer_ids=[format_id(IdKind.TRANSFER, transfer_id) for transfer_id in execution.transfer_ids],
        error_message=execution.error_message,
        next_attempt_at=show_moment_or_none(execution.next_attempt_at),
        execution_mode=MODES[execution.mode],
    )


def _details(execution: Execution) -> TriggerDetails:
    word = TRIGGER_WORDS[execution.trigger_type]
    if execution.trigger_type is TriggerType.SCHEDULED:
        late_by = timedelta(0)
        if execution.scheduled_for is not None:
            late_by = execution.created_at - execution.scheduled_for
        return TriggerDetails(
            word,
            scheduled_time=show_moment_or_none(execution.scheduled_for),
            late_by_seconds=int(late_by.total_seconds()) if late_by > LATE else UNSET,
        )
    return TriggerDetails(word, amount_in_cents=execution.transfer_amount)


def _ending(ending: Ending) -> Any:  # noqa: ANN401 -- one of EndingWord
    return ending.lower()


def _step(step: StepTrace) -> TracedStep:
    return TracedStep(step.path, step.result, [_condition(node) for node in step.nodes])


def _condition(node: NodeTrace) -> TracedCondition:
    return TracedCondition(node.path, node.result, node.left, node.right, None if node.why is None else node.why.value)


def _action(action: ActionTrace) -> TracedAction:
    return TracedAction(
        path=action.path,
        part=action.part,
        source_id=format_id(IdKind.ACCOUNT, action.source),
        destination_id=show_id(IdKind.ACCOUNT, action.destination),
        result=action.result.value,
        asked_in_cents=action.asked,
        cuts=[TracedCut(cut.why.value, cut.to) for cut in action.cuts],
        moved_in_cents=action.moved,
        available_in_cents=action.available,
        why=None if action.why is None else action.why.value,
        error_code=action.error_code,
    )


TRIGGER_WORDS: Final[dict[TriggerType, TriggerWord]] = {
    TriggerType.MANUAL: "manual",
    TriggerType.SEQUENCE_API: "manual",
    TriggerType.REMOTE_API: "manual",
    TriggerType.SCHEDULED: "scheduled",
    TriggerType.ON_FUNDS_TRANSFERRED: "on_funds_transferred",
}

STATUS_WORDS: Final[dict[ExecutionStatus, Literal["in_progress", "executed", "partial", "failed"]]] = {
    ExecutionStatus.IN_PROGRESS: "in_progress",
    ExecutionStatus.EXECUTED: "executed",
    ExecutionStatus.PARTIAL: "partial",
    ExecutionStatus.FAILED: "failed",
}
