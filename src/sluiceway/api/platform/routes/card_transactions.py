"""The operation of /platform/v1 on what cards paid and were paid back."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reply, operation
from sluiceway.api.platform.wire import card_transactions
from sluiceway.api.platform.wire.shapes import FROM, PAGE, PAGE_SIZE, TO, Page, read_window
from sluiceway.domain.access import Permission
from sluiceway.services import card_transactions as transaction_services


@operation(
    "GET",
    "/card-transactions",
    summary="List card transactions",
    permission=Permission.READ_TRANSFERS,
    answer=Page[card_transactions.CardTransactionShown],
    parameters=(card_transactions.ACCOUNT, card_transactions.CARD, FROM, TO, PAGE, PAGE_SIZE),
)
async def list_transactions(call: Call) -> Reply:
    """List what cards paid from a pod and were paid back to it, newest first; nothing that was declined.

    The key must be allowed to read the pod's transfers.
    """
    window = read_window(call)
    found = await transaction_services.list_transactions_of_account(
        call.edge.engine,
        call.principal,
        card_transactions.read_account_id(call),
        card_id=card_transactions.read_card_id(call),
        from_at=FROM.read(call.query),
        to_at=TO.read(call.query),
        offset=window.offset,
        limit=window.limit,
    )
    return call.ok(card_transactions.show_transactions(call, found, window))


OPERATIONS: Final[tuple[Operation, ...]] = (list_transactions,)
