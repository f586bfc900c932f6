"""Transfers: found, told with their way, and called back."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import AccountId, IdKind, TransferId
from sluiceway.domain.transfers import Mode, Transfer
from sluiceway.services import runs as run_services
from sluiceway.services import transfers as services
from sluiceway.services.account_pages import titles_of
from sluiceway.services.approvals import CancelTransfer, cancel
from sluiceway.services.idempotency import Answer
from sluiceway.storage.accounts import find_accounts
from sluiceway.storage.organizations import find_organizations
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import transfers as wire
from sluiceway.web.wire.runs import read_named
from sluiceway.web.wire.shapes import CURSOR, LIMIT, Envelope, Page, show


@operation(
    "GET",
    "/transfers",
    role=Role.VIEWER,
    summary="List transfers",
    answer=Page[wire.TransferListed],
    parameters=(wire.ACCOUNT, wire.STATUS, wire.DIRECTION, wire.MODE, wire.FROM, wire.TO, CURSOR, LIMIT),
)
async def list_transfers(call: AppCall) -> Reply:
    """List transfers, newest first. A page may be short, or empty, where what is wanted is rare: go on."""
    account_id, before_id = read_named(call.query, wire.ACCOUNT), CURSOR.read(call.query)
    page = await services.latest_transfers(
        call.edge.engine,
        call.principal.organization_id,
        account_id=None if account_id is None else AccountId(account_id),
        mode=wire.MODE.read(call.query) or Mode.LIVE,
        direction=wire.DIRECTION.read(call.query),
        status=wire.STATUS.read(call.query),
        from_at=wire.FROM.read(call.query),
        to_at=wire.TO.read(call.query),
        before_id=None if before_id is None else TransferId(before_id),
        limit=LIMIT.read(call.query),
    )
    rule_ids = {transfer.rule_id for transfer in page.transfers if transfer.rule_id is not None}
    titles = await titles_of(call.edge.engine, call.principal.organization_id, rule_ids)
    return call.reply(wire.show_transfers(page, titles))


@operation(
    "GET",
    "/transfers/{id}",
    role=Role.VIEWER,
    summary="Read a transfer",
    id_kind=IdKind.TRANSFER,
    answer=Envelope[wire.TransferShown],
    refusals=(404,),
)
async def get_transfer(call: AppCall) -> Reply:
    """Read a transfer: its way and legs, the node of the rule that made it, and which rules its arrival started."""
    engine, organization_id = call.edge.engine, call.principal.organization_id
    transfer_id = None if call.id is None else TransferId(call.id)
    transfer = await services.get_transfer(engine, call.principal, transfer_id, call.spelling)
    made = await run_services.made_by(engine, organization_id, transfer.id)
    looks = await run_services.rules_that_looked(engine, organization_id, transfer)
    async with engine.database.read() as tx:
        accounts = await find_accounts(tx, organization_id, {leg.account_id for leg in transfer.legs})
        zone = (await find_organizations(tx, [organization_id]))[organization_id].zone
    return call.reply(wire.show_transfer(transfer, made, looks, accounts, zone, call.person.role))


@operation(
    "POST",
    "/transfers/{id}/cancel",
    role=Role.WRITER,
    summary="Call a transfer back",
    id_kind=IdKind.TRANSFER,
    answer=Envelope[wire.TransferListed],
    takes_key=True,
    refusals=(404, 409, 422),
)
async def cancel_transfer(call: AppCall) -> Reply:
    """Call a transfer back that has not been handed to a bank, or that waits for a person."""

    def show_it(transfer: Transfer) -> Answer:
        return Answer(200, show(wire.show_made(transfer)))

    command = CancelTransfer(
        principal=call.principal,
        transfer_id=None if call.id is None else TransferId(call.id),
        spelling=call.spelling,
        idempotency=call.idempotency,
        show=show_it,
        act=call.act,
    )
    return call.answer(await cancel(call.edge.engine, command))


OPERATIONS: Final[tuple[AppOperation, ...]] = (list_transfers, get_transfer, cancel_transfer)
