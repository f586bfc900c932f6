"""`sluiceway accounts`: what there is, what is in it, and how fresh that is."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    operator,
    refuse_options_before,
    settings_of,
)
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.figures import show_age
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.cli.plays import find_account
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.audit import operators_act
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import format_money, visible

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.organizations import Organization

app = typer.Typer(invoke_without_command=True)

_ALL = 1_000_000
_PROBLEMS = {"UNAVAILABLE": "the bank did not answer", "DISCONNECTED_ACCOUNT": "no longer connected"}


class _Listed(NamedTuple):
    """Accounts, and what time it is for them."""

    records: list[AccountRecord]
    now: datetime


@app.callback()
def accounts(
    context: typer.Context,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the accounts with their balances, and how old what banks have reported is."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return

    async def work(engine: "Engine") -> _Listed:
        return await _list(engine, (await choose_organization(engine, organization)).id)

    _show(ask(existing(settings_of(data_dir, database_url)), work), as_json=as_json)


@app.command()
def refresh(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACCOUNT",
            help="External accounts, by any spelling of their id, or by name. None: all of them.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Ask banks for the balances and movements of external accounts now, and list those accounts.

    Money that has arrived starts the rules that wait for it.
    """

    async def work(engine: "Engine") -> tuple[_Listed, set[AccountId]]:
        from sluiceway.services.audit_log import Done, record_alone
        from sluiceway.services.refreshing import refresh as fetch
        from sluiceway.services.rules import accounts_of

        chosen = await choose_organization(engine, organization)
        async with engine.database.read() as tx:
            known = await accounts_of(tx, chosen.id)
        wanted = _wanted(engine, chosen, known, names or [])
        silent = await fetch(engine, chosen.id, wanted)
        await record_alone(engine, Done(operators_act(chosen.id, "REFRESH_ACCOUNTS")))
        listed = await _list(engine, chosen.id)
        return _Listed([record for record in listed.records if record.account.id in wanted], listed.now), silent

    listed, silent = ask(existing(settings_of(data_dir, database_url)), work)
    if not listed.records and not as_json:
        say("There are no external accounts.")
        return
    _show(listed, as_json=as_json)
    if silent:
        called = ", ".join(visible(record.name) for record in listed.records if record.account.id in silent)
        raise CommandFailed(f"The bank did not answer for {called}. What it said last stays.")


def _wanted(
    engine: "Engine", organization: "Organization", known: Mapping[AccountId, Account], names: list[str]
) -> set[AccountId]:
    """Find the external accounts that were named, or all."""
    external = {account.id for account in known.values() if not account.is_kept and not account.is_deleted}
    wanted = {find_account(known, name) for name in names} or external
    for account_id in sorted(wanted - external):
        raise CommandFailed(f"{visible(known[account_id].name)} is not kept at a bank: there is nobody to ask.")
    if wanted and engine.rail_of(organization) is None:
        raise CommandFailed("This organization is live, and no bank is connected to this server.")
    return wanted


async def _list(engine: "Engine", organization_id: OrganizationId) -> _Listed:
    from sluiceway.services.accounts import list_accounts
    from sluiceway.services.clock import read_clock

    records = await list_accounts(engine, operator(organization_id), limit=_ALL)
    listed = [record for record in reversed(records) if record.account.is_listed]
    return _Listed(listed, (await read_clock(engine, organization_id)).now)


def _show(listed: _Listed, *, as_json: bool) -> None:
    if as_json:
        show_json([_as_json(record) for record in listed.records])
        return
    columns = ("Account", "Type", "Id", "Balance", "Available", "Reported")
    rows = [_row(record, listed.now) for record in listed.records]
    show_table(columns, rows, right=("Balance", "Available"))


def _row(record: AccountRecord, now: datetime) -> list[str]:
    account, balance = record.account, record.balance
    figures = [account.current(balance), account.available(balance)]
    kind = account.external_kind or account.kind
    shown = ["unknown" if figure is None else format_money(figure, account.currency) for figure in figures]
    name = [record.name, kind.lower().replace("_", " "), format_id(IdKind.ACCOUNT, account.id)]
    return [*name, *shown, _reported(account, now)]


def _reported(account: Account, now: datetime) -> str:
    """Tell how old a bank's report is, and what has gone wrong since; nothing for what we keep ourselves."""
    if account.is_kept:
        return ""
    reported = account.reported
    age = "never" if reported.updated_at is None else show_age(reported.updated_at, now)
    if reported.error is None:
        return age
    problem = _PROBLEMS.get(reported.error, reported.error.lower().replace("_", " "))
    return f"{problem} (last report: {age})"


def _as_json(record: AccountRecord) -> dict[str, Any]:
    account, balance = record.account, record.balance
    return {
        "id": format_id(IdKind.ACCOUNT, account.id),
        "name": record.name,
        "type": account.kind.lower(),
        "external_account_type": account.external_kind,
        "currency": account.currency,
        "balance_in_cents": account.current(balance),
        "available_balance_in_cents": account.available(balance),
        "held_in_cents": balance.held_out,
        "expected_in_cents": balance.expected_in,
        "reported_at": show_time(account.reported.updated_at),
        "report_error": account.reported.error,
        "created_at": show_time(record.created_at),
    }
