"""Runs: found, and told node by node."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, RuleId, format_id
from sluiceway.services import runs as services
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import runs as wire
from sluiceway.web.wire.shapes import CURSOR, LIMIT, Envelope, Page, show


@operation(
    "GET",
    "/runs",
    role=Role.VIEWER,
    summary="List runs",
    answer=Page[wire.RunListed],
    parameters=(wire.RULE, wire.ACCOUNT, wire.ENDING, wire.MODE, wire.FROM, wire.TO, CURSOR, LIMIT),
)
async def list_runs(call: AppCall) -> Reply:
    """List runs of rules, newest first. A page may be short, or empty, where what is wanted is rare: go on."""
    rule_id, account_id = (wire.read_named(call.query, named) for named in (wire.RULE, wire.ACCOUNT))
    before_id = CURSOR.read(call.query)
    page = await services.list_runs(
        call.edge.engine,
        call.principal.organization_id,
        rule_id=None if rule_id is None else RuleId(rule_id),
        ending=wire.ENDING.read(call.query),
        mode=wire.MODE.read(call.query),
        account_id=None if account_id is None else AccountId(account_id),
        from_at=wire.FROM.read(call.query),
        to_at=wire.TO.read(call.query),
        before_id=None if before_id is None else ExecutionId(before_id),
        limit=LIMIT.read(call.query),
    )
    return call.reply(wire.show_runs(page))


@operation(
    "GET",
    "/runs/{id}",
    role=Role.VIEWER,
    summary="Read a run",
    id_kind=IdKind.EXECUTION,
    answer=Envelope[wire.RunShown],
    refusals=(404,),
)
async def get_run(call: AppCall) -> Reply:
    """Read a run: the rule as it ran, the path it took, what it saw, and what it asked for, lost and moved."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    view = await services.get_run(call.edge.engine, call.principal.organization_id, execution_id, call.spelling)
    return call.reply(wire.show_run(view, call.person.role))


@operation(
    "GET",
    "/runs/{id}/trace",
    role=Role.VIEWER,
    summary="Read a run's trace",
    id_kind=IdKind.EXECUTION,
    answer=wire.TraceFile,
    refusals=(404,),
)
async def get_run_trace(call: AppCall) -> Reply:
    """Read the trace as it is kept, to take along."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    view = await services.get_run(call.edge.engine, call.principal.organization_id, execution_id, call.spelling)
    name = f'attachment; filename="{format_id(IdKind.EXECUTION, view.facts.execution.id)}.json"'
    return call.reply(wire.show_trace(view), (b"content-disposition", name.encode()))


@operation(
    "POST",
    "/run-files/read",
    role=Role.VIEWER,
    summary="Read a run from a file",
    body=wire.TraceFile,
    is_reading=True,
    answer=Envelope[wire.RunShown],
)
async def read_run_file(call: AppCall) -> Reply:
    """Read a run that was downloaded, so that it is drawn as it was. Nothing is looked up, and nothing is kept."""
    return call.reply(show(wire.read_file(call.body)))


OPERATIONS: Final[tuple[AppOperation, ...]] = (list_runs, get_run, get_run_trace, read_run_file)
