"""The audit log: who did what, when, and how it ended; on a page, and as a file."""

from collections.abc import AsyncGenerator
from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import to_base32
from sluiceway.services import audit_log as services
from sluiceway.storage.audit_log import ListedEntry
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import audit_log as wire
from sluiceway.web.wire.shapes import CURSOR, LIMIT, Page

AT_ONCE: Final = 1000
MOST_EXPORTED: Final = 50_000
FILTERS: Final = (wire.ACTOR, wire.ACTION, wire.FROM, wire.TO)


@operation(
    "GET",
    "/audit-log",
    role=Role.ADMIN,
    summary="Read the audit log",
    answer=Page[wire.EntryShown],
    parameters=(*FILTERS, CURSOR, LIMIT),
)
async def list_audit_log(call: AppCall) -> Reply:
    """List what anybody did, newest first, by the real time."""
    limit = LIMIT.read(call.query)
    found = await _list(call, CURSOR.read(call.query), limit + 1)
    following = to_base32(found[limit - 1].entry.id) if len(found) > limit else None
    return call.reply(wire.show_entries(found[:limit], following))


@operation(
    "GET",
    "/audit-log/export",
    role=Role.ADMIN,
    summary="Take the audit log along",
    answer=str,
    parameters=(*FILTERS, wire.FORMAT),
)
async def export_audit_log(call: AppCall) -> Reply:
    """Give what the filters leave as a file, newest first: at most the 50,000 newest entries."""
    written = bytearray()
    is_table = wire.FORMAT.read(call.query) != "jsonl"
    async for entries in _every(call):
        written += wire.write_table(entries, has_head=not written) if is_table else wire.write_lines(entries)
    name, kind = ("audit-log.csv", b"text/csv") if is_table else ("audit-log.jsonl", b"application/jsonl")
    heading = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    return Reply(200, bytes(written), call.request_id, (heading,), (b"content-type", kind + b"; charset=utf-8"))


async def _every(call: AppCall) -> AsyncGenerator[list[ListedEntry]]:
    before, given = None, 0
    while given < MOST_EXPORTED:
        entries = await _list(call, before, AT_ONCE)
        if entries or not given:
            yield entries
        if len(entries) < AT_ONCE:
            return
        given += len(entries)
        before = entries[-1].entry.id


async def _list(call: AppCall, before_id: str | None, limit: int) -> list[ListedEntry]:
    return await services.list_entries(
        call.edge.engine,
        call.principal.organization_id,
        actor_id=wire.read_actor(wire.ACTOR.read(call.query)),
        action=wire.ACTION.read(call.query),
        from_at=wire.FROM.read(call.query),
        to_at=wire.TO.read(call.query),
        before_id=before_id,
        limit=limit,
    )


OPERATIONS: Final[tuple[AppOperation, ...]] = (list_audit_log, export_audit_log)
