"""The operations of /platform/v1 on accounts."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.platform.wire import accounts
from sluiceway.api.platform.wire.shapes import PAGE, PAGE_SIZE, Envelope, Page, read_window
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import AccountId, IdKind
from sluiceway.services import accounts as account_services


@operation(
    "GET",
    "/accounts",
    summary="List accounts",
    permission=Permission.READ_ACCOUNTS,
    answer=Page[accounts.AccountSummary],
    parameters=(accounts.TYPE, accounts.STATE, PAGE, PAGE_SIZE),
)
async def list_accounts(call: Call) -> Reply:
    """List the accounts that the key may read, newest first, without their balances."""
    window = read_window(call)
    records = await account_services.list_accounts(
        call.edge.engine,
        call.principal,
        permission=Permission.READ_ACCOUNTS,
        kind=accounts.TYPE.read(call.query),
        with_deleted=accounts.STATE.read(call.query) or False,
        offset=window.offset,
        limit=window.limit,
    )
    linked = await account_services.linked_accounts(call.edge.engine, call.principal, records)
    return call.ok(accounts.show_accounts(call, records, linked, window))


@operation(
    "GET",
    "/accounts/{id}",
    summary="Read an account",
    permission=Permission.READ_ACCOUNTS,
    reach=Reach.THE_ID,
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[accounts.Account],
    refusals=(404,),
)
async def get_account(call: Call) -> Reply:
    """Read an account with its balance, a deleted one too.

    Its numbers are shown in full to a key with `READ_ACCOUNT_NUMBERS`, to others masked. A linked account is shown to
    a key that may read it.
    """
    account_id = None if call.id is None else AccountId(call.id)
    record = await account_services.get_account(
        call.edge.engine, call.principal, account_id, call.spelling, with_deleted=True
    )
    linked = await account_services.linked_accounts(call.edge.engine, call.principal, [record])
    return call.ok(accounts.show_account(call, record, linked))


OPERATIONS: Final[tuple[Operation, ...]] = (list_accounts, get_account)
