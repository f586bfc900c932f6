"""Accounts: what is in them, how their days ended, what moved and why; making them, and what somebody wants in them."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, IdKind, format_id, to_base32
from sluiceway.domain.ledger import AccountKind
from sluiceway.services import account_pages as services
from sluiceway.services import accounts as account_services
from sluiceway.services import targets as target_services
from sluiceway.services.accounts import CreateAccount
from sluiceway.services.idempotency import Answer
from sluiceway.services.sandbox import ConnectAccount, connect
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import accounts as wire
from sluiceway.web.wire.shapes import CURSOR, LIMIT, Envelope, Nothing, Page, encode, show, show_page


@operation("GET", "/accounts", role=Role.VIEWER, summary="List the accounts", answer=Envelope[wire.AccountsShown])
async def list_accounts(call: AppCall) -> Reply:
    """List all accounts, oldest first, with what is in them and since when that is known."""
    now, nodes = await services.list_pages(call.edge.engine, call.principal.organization_id)
    return call.reply(show(wire.show_accounts(nodes, now, call.person.role)))


@operation(
    "GET",
    "/accounts/{id}",
    role=Role.VIEWER,
    summary="Read an account",
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[wire.AccountPageShown],
    refusals=(404,),
)
async def get_account(call: AppCall) -> Reply:
    """Read an account with its target and the rules that read it and write it, also one that has been deleted."""
    page = await services.account_page(
        call.edge.engine, call.principal.organization_id, _account_id(call), call.spelling
    )
    return call.reply(show(wire.show_page(page, call.person.role)))


@operation(
    "GET",
    "/accounts/{id}/days",
    role=Role.VIEWER,
    summary="Read how an account's days ended",
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[wire.DaysShown],
    parameters=(wire.DAYS,),
    refusals=(404,),
)
async def list_days(call: AppCall) -> Reply:
    """Tell the balance at the end of each day (UTC), today's as it is now. Of a bank's account: what it reported."""
    engine, organization_id = call.edge.engine, call.principal.organization_id
    page = await services.account_page(engine, organization_id, _account_id(call), call.spelling)
    days = wire.DAYS.read(call.query) or 90
    found = await services.balance_history(engine, organization_id, _account_id(call), call.spelling, days)
    return call.reply(show(wire.show_days(page.record, found)))


@operation(
    "GET",
    "/accounts/{id}/movements",
    role=Role.VIEWER,
    summary="List an account's movements",
    id_kind=IdKind.ACCOUNT,
    answer=Page[wire.MovementShown],
    parameters=(CURSOR, LIMIT),
    refusals=(404,),
)
async def list_movements(call: AppCall) -> Reply:
    """List what moved into and out of an account, each with the rule and the run that made it, where one did."""
    limit = LIMIT.read(call.query)
    found = await services.movements(
        call.edge.engine,
        call.principal.organization_id,
        _account_id(call),
        call.spelling,
        CURSOR.read(call.query),
        limit + 1,
    )
    shown = found[:limit]
    more = to_base32(shown[-1].id) if len(found) > limit else None
    return call.reply(show_page([wire.show_movement(each) for each in shown], more))


@operation(
    "POST",
    "/accounts",
    role=Role.WRITER,
    summary="Make an account",
    body=wire.NewAccountAsked,
    status=201,
    answer=Envelope[wire.AccountName],
    takes_key=True,
)
async def create_account(call: AppCall) -> Reply:
    """Make an income source, a pod, or an account at a bank; in a sandbox, its bank opens that one as well."""
    new = wire.read_new_account(call.body)
    organization_id = call.principal.organization_id

    def answer(record: AccountRecord) -> Answer:
        return Answer(201, show(wire.AccountName(format_id(IdKind.ACCOUNT, record.account.id), record.name)))

    engine = call.edge.engine
    if new.kind is AccountKind.EXTERNAL_ACCOUNT and await services.is_sandbox(engine, organization_id):
        command = ConnectAccount(organization_id, new, None, call.idempotency, lambda made, _: answer(made), call.act)
        return call.answer(await connect(engine, command))
    return call.answer(
        await account_services.create_account(
            engine, CreateAccount(organization_id, new, call.idempotency, answer, call.act)
        )
    )


@operation(
    "DELETE",
    "/accounts/{id}",
    role=Role.WRITER,
    summary="Delete an account",
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[Nothing],
    refusals=(404, 409),
)
async def delete_account(call: AppCall) -> Reply:
    """Delete an account that is empty. What moved through it stays on record, under its name."""
    await account_services.delete_account(
        call.edge.engine, call.principal.organization_id, _account_id(call), call.spelling, act=call.act
    )
    return call.reply(encode(Nothing()))


@operation(
    "PUT",
    "/accounts/{id}/target",
    role=Role.WRITER,
    summary="Want an amount in an account",
    id_kind=IdKind.ACCOUNT,
    body=wire.TargetAsked,
    answer=Envelope[Nothing],
    refusals=(404,),
)
async def set_target(call: AppCall) -> Reply:
    """Set what is wanted in an account, in the place of what was wanted before. It is paced from now on."""
    amount, by_day = wire.read_target(call.body)
    await target_services.set_target(
        call.edge.engine,
        call.principal.organization_id,
        _account_id(call),
        call.spelling,
        amount,
        by_day,
        call.act,
    )
    return call.reply(encode(Nothing()))


@operation(
    "DELETE",
    "/accounts/{id}/target",
    role=Role.WRITER,
    summary="Want nothing more of an account",
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[Nothing],
    refusals=(404,),
)
async def clear_target(call: AppCall) -> Reply:
    """Take away what is wanted in an account."""
    await target_services.clear_target(
        call.edge.engine, call.principal.organization_id, _account_id(call), call.spelling, call.act
    )
    return call.reply(encode(Nothing()))


def _account_id(call: AppCall) -> AccountId | None:
    return None if call.id is None else AccountId(call.id)


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    list_accounts,
    create_account,
    get_account,
    delete_account,
    list_days,
    list_movements,
    set_target,
    clear_target,
)
