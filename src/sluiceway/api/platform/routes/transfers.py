"""The operations of /platform/v1 on transfers."""

from collections.abc import Sequence
from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.platform.errors import TRANSFER_IN_PROGRESS
from sluiceway.api.platform.wire import transfers
from sluiceway.api.platform.wire.shapes import (
    FROM,
    MODE,
    PAGE,
    PAGE_SIZE,
    TO,
    Envelope,
    Page,
    known,
    read_mode,
    read_window,
)
from sluiceway.domain.access import Permission
from sluiceway.domain.errors import IdempotencyKeyInUse
from sluiceway.domain.ids import AccountId, IdKind, TransferId
from sluiceway.services import transfers as transfer_services

FILTERS: Final = (
    transfers.DIRECTION,
    transfers.STATUS,
    MODE,
    FROM,
    TO,
    transfers.ORIGIN,
    transfers.EXECUTION,
    PAGE,
    PAGE_SIZE,
)
EITHER: Final = transfers.Role(is_source=True, is_destination=True)


@operation(
    "GET",
    "/accounts/{accountId}/transfers",
    summary="List an account's transfers",
    action="LIST_TRANSFERS",
    permission=Permission.READ_TRANSFERS,
    reach=Reach.THE_ID,
    id_kind=IdKind.ACCOUNT,
    answer=Page[transfers.TransferShown],
    parameters=(transfers.ROLE, *FILTERS),
)
async def list_account_transfers(call: Call) -> Reply:
    """List the transfers of an account, newest first."""
    return await _list(call, known([call.id]), transfers.read_role(call))


@operation(
    "GET",
    "/transfers",
    summary="List transfers",
    permission=Permission.READ_TRANSFERS,
    answer=Page[transfers.TransferShown],
    parameters=(transfers.ACCOUNTS, *FILTERS),
)
async def list_transfers(call: Call) -> Reply:
    """List the transfers of accounts, newest first. The key must be allowed to read the transfers of each."""
    return await _list(call, known(transfers.ACCOUNTS.read(call.query)), EITHER)


async def _list(call: Call, account_ids: Sequence[AccountId], role: transfers.Role) -> Reply:
    window = read_window(call)
    found = await transfer_services.list_transfers(
        call.edge.engine,
        call.principal,
        account_ids,
        as_source=role.is_source,
        as_destination=role.is_destination,
        mode=read_mode(call),
        direction=transfers.DIRECTION.read(call.query),
        origin=transfers.ORIGIN.read(call.query),
        status=transfers.STATUS.read(call.query),
        from_at=FROM.read(call.query),
        to_at=TO.read(call.query),
        execution_id=transfers.read_execution_id(call),
        offset=window.offset,
        limit=window.limit,
    )
    return call.ok(transfers.show_transfers(call, found, window))


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
    "/transfers",
    summary="Make a transfer",
    permission=Permission.MANUAL_TRANSFER,
    body=transfers.NewTransfer,
    status=201,
    answer=Envelope[transfers.TransferShown],
    words={IdempotencyKeyInUse: lambda _: TRANSFER_IN_PROGRESS},
)
async def create_transfer(call: Call) -> Reply:
    """Move money between two accounts, at once where both are kept here. Without the funds it is `INCOMPLETE`."""
    command = transfers.read_transfer(call)
    return call.answer(await call.edge.transfer(command))


OPERATIONS: Final[tuple[Operation, ...]] = (list_account_transfers, list_transfers, create_transfer, get_transfer)
