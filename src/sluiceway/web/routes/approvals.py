"""Transfers that wait for a person: listed, approved exactly as shown, refused."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import IdKind, TransferId
from sluiceway.domain.rules import Fields
from sluiceway.services import approvals as services
from sluiceway.services.runs import summaries_of
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import transfers as wire
from sluiceway.web.wire.runs import show_listed
from sluiceway.web.wire.shapes import Envelope, Nothing, Page, show


@operation(
    "GET",
    "/approvals",
    role=Role.VIEWER,
    summary="List what waits for a person",
    answer=Page[wire.ApprovalShown],
)
async def list_approvals(call: AppCall) -> Reply:
    """List the transfers that wait for a person, the one that expires first at the top. All of them are on one page."""
    engine, organization_id = call.edge.engine, call.principal.organization_id
    waiting = await services.list_waiting(engine, organization_id)
    ids = [one.transfer.execution_id for one in waiting if one.transfer.execution_id is not None]
    runs = {run.execution.id: show_listed(run) for run in await summaries_of(engine, organization_id, ids)}
    shown = [
        (one, None if one.transfer.execution_id is None else runs.get(one.transfer.execution_id)) for one in waiting
    ]
    return call.reply(wire.show_approvals(shown, call.person.role))


@operation(
    "POST",
    "/approvals/{id}/approve",
    role=Role.ADMIN,
    needs_proof=True,
    summary="Approve a transfer",
    id_kind=IdKind.TRANSFER,
    body=wire.Approve,
    answer=Envelope[Nothing],
    refusals=(404, 409),
    action="APPROVE_TRANSFER",
)
async def approve_transfer(call: AppCall) -> Reply:
    """Let a transfer go that waits for a person, if it is still exactly what was shown."""
    fields = Fields.of(call.body, "")
    digest = fields.text("digest", 64)
    fields.end()
    shown = bytes.fromhex(digest) if _is_hex(digest) else b""
    await services.approve(call.edge.engine, call.person, call.proof, _waiting(call), shown)
    return call.reply(show(Nothing()))


@operation(
    "POST",
    "/approvals/{id}/refuse",
    role=Role.ADMIN,
    needs_proof=True,
    summary="Refuse a transfer",
    id_kind=IdKind.TRANSFER,
    answer=Envelope[Nothing],
    refusals=(404,),
    action="REFUSE_TRANSFER",
)
async def refuse_transfer(call: AppCall) -> Reply:
    """Refuse a transfer that waits for a person: it is cancelled, and what it held is free again."""
    await services.refuse(call.edge.engine, call.person, call.proof, _waiting(call))
    return call.reply(show(Nothing()))


def _waiting(call: AppCall) -> TransferId:
    if call.id is None:
        raise NotFound(IdKind.TRANSFER, call.spelling)
    return TransferId(call.id)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)  # noqa: PLR2004 -- of SHA-256


OPERATIONS: Final[tuple[AppOperation, ...]] = (list_approvals, approve_transfer, refuse_transfer)
