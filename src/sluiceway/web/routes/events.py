"""What changes while a page is open."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import canonical_uuid
from sluiceway.web.events import EventStream, Told
from sluiceway.web.operations import AppCall, AppOperation, operation


@operation("GET", "/events", role=Role.VIEWER, summary="Be told what changes", answer=Told)
async def watch(call: AppCall) -> Reply:
    """Be told what changes, as server-sent events (`text/event-stream`), each of which is this structure.

    `kind`: `account`, `approval`, `execution`, `organization`, `rule`, `transfer` or `webhook`. Whoever comes back with
    `Last-Event-ID` is told what has changed meanwhile; a little may be told twice. The stream ends with the session.
    204: this session, this person or everybody together watch from as many places as they may.
    """
    heard = call.visit.last_event_id
    after_id = None if heard is None else canonical_uuid(heard)
    return EventStream(
        status=200,
        body=b"",
        request_id=call.request_id,
        engine=call.edge.engine,
        changes=call.edge.changes,
        session=call.session,
        token=call.visit.token or "",
        after_id=after_id,
    )


OPERATIONS: Final[tuple[AppOperation, ...]] = (watch,)
