"""The operations of v1 on transfers."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reply, operation
from sluiceway.api.v1.wire import transfers
from sluiceway.api.v1.wire.shapes import MODE, Envelope, Nothing, Page, read_mode, read_nothing
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, TransferId
from sluiceway.services import approvals
from sluiceway.services import transfers as transfer_services
from sluiceway.services.idempotency import Answer


@operation(
    "GET",
    "/transfers",
    summary="List transfers",
    permission=Permission.READ_TRANSFERS,
    answer=Page[transfers.TransferShown],
    parameters=(
        transfers.ACCOUNT,
        transfers.ROLE,
        transfers.DIRECTION,
        transfers.ORIGIN,
        transfers.STATUS,
        MODE,
        transfers.FROM,
        transfers.TO,
        transfers.FIRST,
        transfers.AFTER,
    ),
)
async def list_transfers(call: Call) -> Reply:
    """List the transfers of an account, newest first. The key must be allowed to read that account's transfers."""
    wanted = transfers.read_filter(call)
    found = await transfer_services.list_transfers(
        call.edge.engine,
        call.principal,
        [wanted.account_id],
        as_source=wanted.as_source,
        as_destination=wanted.as_destination,
        mode=read_mode(call),
        direction=transfers.DIRECTION.read(call.query),
        origin=transfers.ORIGIN.read(call.query),
        status=transfers.STATUS.read(call.query),
        from_at=transfers.FROM.read(call.query),
        to_at=transfers.TO.read(call.query),
        before_id=wanted.before_id,
        limit=wanted.first + 1,
    )
    return call.ok(transfers.show_transfers(call, found, wanted))


@operation(
    "GET",
    "/transfers/{id}",
    summary="Read a transfer",
    permission=Permission.READ_TRANSFERS,
    id_kind=IdKind.TRANSFER,
    answer=Envelope[transfers.TransferShown],
    refusals=(404,),
)
async def get_transfer(call: Call) -> Reply:
    """Read a transfer. The key must be allowed to read the transfers of either end."""
    transfer_id = None if call.id is None else TransferId(call.id)
    transfer = await transfer_services.get_transfer(call.edge.engine, call.principal, transfer_id, call.spelling)
    return call.ok(transfers.show_whole(call, transfer))


@operation(
    "POST",
    "/transfers/{id}/cancel",
    summary="Cancel a transfer",
    permission=Permission.MANUAL_TRANSFER,
    id_kind=IdKind.TRANSFER,
    body=Nothing,
    is_body_required=False,
    answer=Envelope[transfers.TransferShown],
    refusals=(404, 409),
)
async def cancel_transfer(call: Call) -> Reply:
    """Call back a transfer that has not been handed to a bank, or that waits for a person. An extension of this server.

    The key must be allowed to make a transfer like it.
    """
    read_nothing(call)
    transfer_id = None if call.id is None else TransferId(call.id)
    # Before a remembered answer is given again: it is for those alone who may do what was done.
    await approvals.require_cancel(call.edge.engine, call.principal, transfer_id)

    command = approvals.CancelTransfer(
        principal=call.principal,
        transfer_id=transfer_id,
        spelling=call.spelling,
        idempotency=call.idempotency,
        show=lambda transfer: Answer(200, transfers.show_one(call, transfer)),
        act=call.act,
    )
    return call.answer(await approvals.cancel(call.edge.engine, command))


@operation(
    "POST",
    "/transfers",
    summary="Make a transfer",
    permission=Permission.MANUAL_TRANSFER,
    body=transfers.NewTransfer,
    status=201,
    answer=Envelope[transfers.TransferShown],
    refusals=(404,),
)
async def create_transfer(call: Call) -> Reply:
    """Move money between two accounts. Without the funds, the transfer is recorded as `incomplete`."""
    command = transfers.read_transfer(call)
    return call.answer(await call.edge.transfer(command))


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_transfers,
    create_transfer,
    get_transfer,
    cancel_transfer,
)
