"""Moving money by hand: first what it would do, then doing it."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.transfers import Transfer
from sluiceway.services import transfers as services
from sluiceway.services.account_pages import titles_of
from sluiceway.services.idempotency import Answer
from sluiceway.services.sessions import prove_fresh
from sluiceway.services.transfers import CreateTransfer
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import moving as wire
from sluiceway.web.wire.shapes import Envelope, show
from sluiceway.web.wire.transfers import TransferListed, show_made


@operation(
    "POST",
    "/transfers/preview",
    role=Role.WRITER,
    summary="See what moving money would do",
    body=wire.TransferAsked,
    answer=Envelope[wire.PreviewShown],
    is_reading=True,
)
async def preview_transfer(call: AppCall) -> Reply:
    """Tell what a transfer would do now: at both ends, by which way, and which rules it would start. Nothing moves."""
    preview = await services.preview_transfer(call.edge.engine, _read(call))
    names = await titles_of(call.edge.engine, call.principal.organization_id, preview.fires)
    return call.reply(show(wire.show_preview(preview, names)))


@operation(
    "POST",
    "/transfers",
    role=Role.WRITER,
    summary="Move money by hand",
    body=wire.TransferAsked,
    status=201,
    answer=Envelope[TransferListed],
    takes_key=True,
    refusals=(409, 422),
)
async def create_transfer(call: AppCall) -> Reply:
    """Move money between two accounts. What a writer asks for waits until an admin has approved it.

    What an admin asks for moves at once, as if approved: only within five minutes of showing a password or passkey.
    """
    command = _read(call)
    if command.principal.approval_above is None:
        prove_fresh(call.edge.engine, call.session)
    return call.answer(await call.edge.transfer(command))


def _read(call: AppCall) -> CreateTransfer:
    return wire.read_transfer(call.body, call.principal, call.idempotency, call.act, _answer)


def _answer(transfer: Transfer) -> Answer:
    return Answer(201, show(show_made(transfer)))


OPERATIONS: Final[tuple[AppOperation, ...]] = (preview_transfer, create_transfer)
