"""The operation of /platform/v1 on the audit log."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.platform.wire import audit_logs
from sluiceway.api.platform.wire.shapes import FROM, PAGE, PAGE_SIZE, TO, Page, read_window
from sluiceway.domain.access import Permission
from sluiceway.services import audit_log as services


@operation(
    "GET",
    "/audit-logs",
    summary="List the calls of API keys",
    action="LIST_AUDIT_LOGS",
    permission=Permission.READ_AUDIT_LOGS,
    reach=Reach.EVERYTHING,
    answer=Page[audit_logs.AuditLogEntry],
    parameters=(audit_logs.KEY, audit_logs.ACTION, FROM, TO, PAGE, PAGE_SIZE),
)
async def list_audit_logs(call: Call) -> Reply:
    """List the calls that the organization's keys made in the last 90 days, newest first, of whichever API takes keys.

    What changes something is there as soon as it is answered; reads and refusals follow within a second. Times are
    real ones, also in a sandbox.
    """
    window = read_window(call)
    found = await services.list_calls(
        call.edge.engine,
        call.principal,
        key_id=audit_logs.read_key(call),
        action=audit_logs.ACTION.read(call.query),
        from_at=FROM.read(call.query),
        to_at=TO.read(call.query),
        offset=window.offset,
        limit=window.limit,
    )
    return call.ok(audit_logs.show_entries(call, found, window))


OPERATIONS: Final[tuple[Operation, ...]] = (list_audit_logs,)
