"""The first page."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.services import overview as services
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import overview as wire
from sluiceway.web.wire.shapes import Envelope, show


@operation("GET", "/overview", role=Role.VIEWER, summary="Read the overview", answer=Envelope[wire.OverviewShown])
async def get_overview(call: AppCall) -> Reply:
    """Read what has come in and is not routed, what needs somebody, the next seven days, and the last runs."""
    found = await services.overview(call.edge.engine, call.principal.organization_id)
    return call.reply(show(wire.show_overview(found, call.person.role)))


OPERATIONS: Final[tuple[AppOperation, ...]] = (get_overview,)
