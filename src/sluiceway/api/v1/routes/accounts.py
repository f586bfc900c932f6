"""The operations of v1 on accounts."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.v1.wire import accounts
from sluiceway.api.v1.wire.shapes import Envelope, Nothing, Page, read_nothing
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import AccountId, IdKind
from sluiceway.services import accounts as account_services
from sluiceway.services import looking
from sluiceway.services.idempotency import Answer


@operation(
    "GET",
    "/accounts",
    summary="List accounts",
    permission=Permission.LIST_ACCOUNTS,
    answer=Page[accounts.AccountSummary],
    parameters=(accounts.TYPE, accounts.FIRST, accounts.AFTER),
)
async def list_accounts(call: Call) -> Reply:
    """List the accounts of the organization, newest first, without their balances."""
    kind, first = accounts.TYPE.read(call.query), accounts.FIRST.read(call.query)
    before_id = accounts.AFTER.read(call.query, call.owner("accounts"))
    records = await account_services.list_accounts(
        call.edge.engine,
        call.principal,
        kind=kind,
        before_id=None if before_id is None else AccountId(before_id),
        limit=first + 1,
    )
    return call.ok(accounts.show_accounts(call, records, first))


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
    """Read an account with its balance. Routing and account numbers are masked."""
    account_id = None if call.id is None else AccountId(call.id)
    record = await account_services.get_account(call.edge.engine, call.principal, account_id, call.spelling)
    return call.ok(accounts.show_one(call, record))


@operation(
    "POST",
    "/accounts/income-sources",
    summary="Create an income source",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    body=accounts.NewIncomeSource,
    status=201,
    answer=Envelope[accounts.Account],
)
async def create_income_source(call: Call) -> Reply:
    """Create an account at which money arrives."""
    command = accounts.read_income_source(call)
    return call.answer(await account_services.create_account(call.edge.engine, command))


@operation(
    "POST",
    "/accounts/pods",
    summary="Create a pod",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    body=accounts.NewPod,
    status=201,
    answer=Envelope[accounts.Account],
)
async def create_pod(call: Call) -> Reply:
    """Create a pod: an account in which money is set aside."""
    command = accounts.read_pod(call)
    return call.answer(await account_services.create_account(call.edge.engine, command))


@operation(
    "POST",
    "/accounts/external-accounts",
    summary="Create an external account",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    body=accounts.NewExternalAccount,
    status=201,
    answer=Envelope[accounts.Account],
)
async def create_external_account(call: Call) -> Reply:
    """Create an account that another institution keeps, with what it reports."""
    command = accounts.read_external_account(call)
    return call.answer(await account_services.create_account(call.edge.engine, command))


@operation(
    "DELETE",
    "/accounts/{id}",
    summary="Delete an account",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[accounts.Account],
    refusals=(404, 409),
)
async def delete_account(call: Call) -> Reply:
    """Delete an account for good. One that holds or expects money is refused. Its transfers keep its name."""
    account_id = None if call.id is None else AccountId(call.id)
    record = await account_services.delete_account(
        call.edge.engine, call.principal.organization_id, account_id, call.spelling, act=call.act
    )
    return call.ok(accounts.show_one(call, record))


@operation(
    "POST",
    "/accounts/{id}/refresh",
    summary="Refresh an account",
    permission=Permission.READ_ACCOUNTS,
    reach=Reach.THE_ID,
    id_kind=IdKind.ACCOUNT,
    body=Nothing,
    is_body_required=False,
    answer=Envelope[accounts.Account],
    refusals=(404,),
)
async def refresh_account(call: Call) -> Reply:
    """Fetch the balance and movements of an external account now, and read it. An extension of this server.

    `balance_last_updated_at` tells how old the balance is, and `error` why its bank did not give a newer one. Money
    that has come in since the last look fires the account's rules. Of other accounts, the balance is always current.
    """
    read_nothing(call)
    account_id = None if call.id is None else AccountId(call.id)

    async def refresh() -> Answer:
        record = await looking.refresh_account(call.edge.engine, call.principal, account_id, call.spelling)
        return Answer(200, accounts.show_one(call, record))

    return await call.once(refresh)


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_accounts,
    get_account,
    create_income_source,
    create_pod,
    create_external_account,
    delete_account,
    refresh_account,
)
