"""The map of the money, and one run to replay on it."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import ExecutionId, IdKind
from sluiceway.services import money_map as services
from sluiceway.services.money_map import Period
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import money_map as wire
from sluiceway.web.wire.shapes import Envelope, show


@operation(
    "GET",
    "/map",
    role=Role.VIEWER,
    summary="Read the map",
    answer=Envelope[wire.MapShown],
    parameters=(wire.PERIOD,),
)
async def get_map(call: AppCall) -> Reply:
    """Read the accounts, the ways on which rules can move money between them, and what moved there in a period."""
    period = wire.PERIOD.read(call.query) or Period.LAST_30_DAYS
    found = await services.money_map(call.edge.engine, call.principal.organization_id, period)
    return call.reply(show(wire.show_map(found, call.person.role)))


@operation(
    "GET",
    "/map/runs/{id}",
    role=Role.VIEWER,
    summary="Read a run to replay on the map",
    id_kind=IdKind.EXECUTION,
    answer=Envelope[wire.RunOnMapShown],
    refusals=(404,),
)
async def get_run_on_map(call: AppCall) -> Reply:
    """Read what one run moved between accounts, in the order in which it did."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    organization_id = call.principal.organization_id
    found = await services.run_on_map(call.edge.engine, organization_id, execution_id, call.spelling)
    return call.reply(show(wire.show_run(found)))


OPERATIONS: Final[tuple[AppOperation, ...]] = (get_map, get_run_on_map)
