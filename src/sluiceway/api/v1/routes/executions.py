"""The operations of v1 on executions: what ran, and why."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reply, operation
from sluiceway.api.v1.wire import executions
from sluiceway.api.v1.wire.shapes import MODE, Envelope, Page, read_mode
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import ExecutionId, IdKind
from sluiceway.services import executions as execution_services
from sluiceway.services.runs import run_of


@operation(
    "GET",
    "/rule-executions",
    summary="List rule executions",
    action="LIST_RULE_EXECUTIONS",
    permission=Permission.READ_RULE_EXECUTIONS,
    answer=Page[executions.ExecutionShown],
    parameters=(
        executions.RULE,
        executions.STATUS,
        executions.TRIGGER_TYPE,
        MODE,
        executions.FROM,
        executions.TO,
        executions.FIRST,
        executions.AFTER,
    ),
)
async def list_executions(call: Call) -> Reply:
    """List the executions of a rule, newest first. The key must be allowed to read that rule's executions."""
    wanted = executions.read_filter(call)
    found = await execution_services.list_executions(
        call.edge.engine,
        call.principal,
        wanted.rule_id,
        mode=read_mode(call),
        status=executions.STATUS.read(call.query),
        trigger_types=executions.TRIGGER_TYPE.read(call.query),
        from_at=executions.FROM.read(call.query),
        to_at=executions.TO.read(call.query),
        before_id=wanted.before_id,
        limit=wanted.first + 1,
    )
    return call.ok(executions.show_executions(call, found, wanted))


@operation(
    "GET",
    "/rule-executions/{id}",
    summary="Read a rule execution",
    action="GET_RULE_EXECUTION",
    permission=Permission.READ_RULE_EXECUTIONS,
    id_kind=IdKind.EXECUTION,
    answer=Envelope[executions.ExecutionShown],
    refusals=(404,),
)
async def get_execution(call: Call) -> Reply:
    """Read an execution: what started it, how it ended, and which transfers it made."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    execution = await execution_services.get_execution(call.edge.engine, call.principal, execution_id, call.spelling)
    return call.ok(executions.show_one(call, execution))


@operation(
    "GET",
    "/rule-executions/{id}/trace",
    summary="Explain a rule execution",
    action="GET_RULE_EXECUTION_TRACE",
    permission=Permission.READ_RULE_EXECUTIONS,
    id_kind=IdKind.EXECUTION,
    answer=Envelope[executions.TraceShown],
    refusals=(404,),
)
async def get_trace(call: Call) -> Reply:
    """Read why an execution did what it did: every condition with the values seen, every action with its limits."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    execution = await execution_services.get_execution(call.edge.engine, call.principal, execution_id, call.spelling)
    return call.ok(executions.show_trace(call, await run_of(call.edge.engine, execution)))


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_executions,
    get_execution,
    get_trace,
)
