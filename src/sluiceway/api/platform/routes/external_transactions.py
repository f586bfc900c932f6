"""The operation of /platform/v1 on what happened on external accounts."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reply, operation
from sluiceway.api.platform.wire import external_transactions
from sluiceway.api.platform.wire.shapes import FROM, PAGE, PAGE_SIZE, TO, Page, known, read_window
from sluiceway.api.platform.wire.transfers import ACCOUNTS
from sluiceway.domain.access import Permission
from sluiceway.services import external_transactions as transaction_services


@operation(
    "GET",
    "/external-transactions",
    summary="List external transactions",
    permission=Permission.READ_TRANSFERS,
    answer=Page[external_transactions.ExternalTransactionShown],
    parameters=(ACCOUNTS, external_transactions.DIRECTION, external_transactions.STATUS, FROM, TO, PAGE, PAGE_SIZE),
)
async def list_external_transactions(call: Call) -> Reply:
    """List what happened on external accounts in the last 90 days, the latest first.

    The key must be allowed to read the transfers of each.
    """
    window = read_window(call)
    found = await transaction_services.list_external_transactions(
        call.edge.engine,
        call.principal,
        known(ACCOUNTS.read(call.query)),
        is_in=external_transactions.DIRECTION.read(call.query),
        is_settled=external_transactions.STATUS.read(call.query),
        from_at=FROM.read(call.query),
        to_at=TO.read(call.query),
        offset=window.offset,
        limit=window.limit,
    )
    return call.ok(external_transactions.show_transactions(call, found, window))


OPERATIONS: Final[tuple[Operation, ...]] = (list_external_transactions,)
