"""The operations of /platform/v1 on executions: what ran, and what became of it."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.platform.wire import executions
from sluiceway.api.platform.wire.shapes import FROM, MODE, PAGE, PAGE_SIZE, TO, Envelope, Page, read_mode, read_window
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId
from sluiceway.services import executions as execution_services


@operation(
    "GET",
    "/rules/{ruleId}/executions",
    summary="List a rule's executions",
    permission=Permission.READ_RULE_EXECUTIONS,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    answer=Page[executions.RuleExecutionSummary],
    parameters=(executions.STATUS, executions.TRIGGER_TYPE, MODE, FROM, TO, PAGE, PAGE_SIZE),
)
async def list_rule_executions(call: Call) -> Reply:
    """List the executions of a rule, newest first."""
    window, kind = read_window(call), executions.TRIGGER_TYPE.read(call.query)
    found = await execution_services.list_executions(
        call.edge.engine,
        call.principal,
        None if call.id is None else RuleId(call.id),
        mode=read_mode(call),
        status=executions.STATUS.read(call.query),
        trigger_types=None if kind is None else (kind,),
        from_at=FROM.read(call.query),
        to_at=TO.read(call.query),
        offset=window.offset,
        limit=window.limit,
    )
    return call.ok(executions.show_executions(call, found, window))


@operation(
    "GET",
    "/rules/{ruleId}/executions/{id}",
    summary="Read a rule execution",
    permission=Permission.READ_RULE_EXECUTIONS,
    reach=Reach.THE_ID,
    parent_kind=IdKind.RULE,
    id_kind=IdKind.EXECUTION,
    answer=Envelope[executions.RuleExecution],
    refusals=(404,),
)
async def get_rule_execution(call: Call) -> Reply:
    """Read an execution: what started it, how it ended, and which transfers it made."""
    execution = await execution_services.get_execution_of(
        call.edge.engine,
        call.principal,
        None if call.parent_id is None else RuleId(call.parent_id),
        None if call.id is None else ExecutionId(call.id),
        call.spelling,
    )
    return call.ok(executions.show_execution(call, execution))


OPERATIONS: Final[tuple[Operation, ...]] = (list_rule_executions, get_rule_execution)
