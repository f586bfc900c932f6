"""`sluiceway approvals`: transfers that wait for a person, who sees what will move, and signs or refuses."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    choose_person,
    existing,
    read_id,
    settings_of,
)
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.figures import show_duration
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.cli.passwords import ask_password
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution, explain
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, TransferId, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import format_money, visible
from sluiceway.domain.transfers import Party, Transfer, TransferStatus

if TYPE_CHECKING:
    from sluiceway.services.approvals import WaitingTransfer
    from sluiceway.services.engine import Engine

app = typer.Typer(help="Approve or refuse transfers that wait for a person.", no_args_is_help=True)

TransferArgument = Annotated[str, typer.Argument(metavar="TRANSFER", help="The transfer's id, in any spelling.")]
As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="The person who decides.")]


class _Told(NamedTuple):
    """A transfer that waits, with what is needed to tell it."""

    waiting: "WaitingTransfer"
    run: Execution | None
    accounts: Mapping[AccountId, Account]
    now: datetime


@app.command("list")
def list_(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the transfers that wait for a person, the one that expires first at the top."""

    async def work(engine: "Engine") -> list[_Told]:
        from sluiceway.services.approvals import list_waiting

        chosen = (await choose_organization(engine, organization)).id
        return await _tell(engine, chosen, await list_waiting(engine, chosen))

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(told) for told in found])
        return
    if not found:
        say("No transfer waits for a person.")
        return
    show_table(("Transfer", "Amount", "From", "To", "Rule", "Expires"), map(_row, found), right=("Amount",))


@app.command()
def approve(
    transfer: TransferArgument,
    email: As,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Let a transfer go that waits for a person.

    Shows what will move, with its digest, and asks for the person's password (or reads one line of standard input).

    What is approved is exactly what was shown.
    """

    async def work(engine: "Engine") -> Transfer:
        from sluiceway.services.approvals import approve as sign

        person = await choose_person(engine, email, organization)
        with _waiting(transfer):
            shown = await _review(engine, person.organization_id, transfer)
            await sign(engine, person, ask_password(email), shown.transfer.id, shown.digest)
        return await _read_again(engine, shown.transfer)

    approved = ask(existing(settings_of(data_dir, database_url)), work)
    if approved.error_code is not None:
        raise CommandFailed(f"Approved, but nothing moved. {explain(approved.error_code)}")
    is_done = approved.status is TransferStatus.COMPLETE
    say("Approved. The money has moved." if is_done else "Approved. It is on its way to the bank.")


@app.command()
def refuse(
    transfer: TransferArgument,
    email: As,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Refuse a transfer that waits for a person: it is cancelled, and the money held for it is free again.

    Shows what would have moved, and asks for the person's password (or reads one line of standard input).
    """

    async def work(engine: "Engine") -> None:
        from sluiceway.services.approvals import refuse as cancel

        person = await choose_person(engine, email, organization)
        with _waiting(transfer):
            shown = await _review(engine, person.organization_id, transfer)
            await cancel(engine, person, ask_password(email), shown.transfer.id)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("Refused. The transfer is cancelled.")


@contextmanager
def _waiting(spelling: str) -> Generator[None]:
    """Say of a transfer that is not there, or has been decided on, that it does not wait."""
    try:
        yield
    except NotFound as failure:
        raise CommandFailed(f"No transfer with the id '{visible(spelling)}' waits for a person.") from failure


async def _review(engine: "Engine", organization_id: OrganizationId, spelling: str) -> "WaitingTransfer":
    """Show what a person is about to decide on, and give exactly that."""
    from sluiceway.services.approvals import find_waiting

    parsed = read_id(IdKind.TRANSFER, spelling)
    if parsed is None:
        raise NotFound(IdKind.TRANSFER, spelling)
    waiting = await find_waiting(engine, organization_id, TransferId(parsed))
    [told] = await _tell(engine, organization_id, [waiting])
    for line in _story(told):
        say(line)
    return waiting


async def _tell(engine: "Engine", organization_id: OrganizationId, found: "Sequence[WaitingTransfer]") -> list[_Told]:
    from sluiceway.services.clock import read_clock
    from sluiceway.services.executions import find_for_operator
    from sluiceway.services.rules import accounts_of

    now = (await read_clock(engine, organization_id)).now
    async with engine.database.read() as tx:
        accounts = await accounts_of(tx, organization_id)
    told: list[_Told] = []
    for waiting in found:
        run_id = waiting.transfer.execution_id
        run = None if run_id is None else await find_for_operator(engine, run_id, [organization_id])
        told.append(_Told(waiting, run, accounts, now))
    return told


async def _read_again(engine: "Engine", transfer: Transfer) -> Transfer:
    from sluiceway.storage.transfers import find_transfer

    async with engine.database.read() as tx:
        found = await find_transfer(tx, transfer.organization_id, transfer.id)
    assert found is not None, "a transfer that has been decided on keeps its row"
    return found


def _story(told: _Told) -> list[str]:
    transfer = told.waiting.transfer
    lines = [
        f"Transfer  {format_id(IdKind.TRANSFER, transfer.id)}",
        f"Amount    {format_money(transfer.amount, transfer.currency)}",
        f"From      {_end(transfer.source)}",
        f"To        {_end(transfer.destination)}",
    ]
    if transfer.staged_account_id is not None:
        pod = visible(told.accounts[transfer.staged_account_id].name)
        lines.append(f"Waits in  {pod}, until the lender collects it")
    if told.run is not None:
        lines.append(f"Rule      {visible(_rule(told))}, revision {told.run.revision}")
        lines.append(f"Run       {format_id(IdKind.EXECUTION, told.run.id)}")
    expires = transfer.approval_expires_at
    if expires is not None:
        lines.append(f"Expires   {show_time(expires)}, {_left(expires, told.now)}")
    return [*lines, f"Digest    {told.waiting.digest.hex()}", ""]


def _left(expires: datetime, now: datetime) -> str:
    return f"in {show_duration(expires - now)}" if expires > now else "which has passed"


def _end(party: Party | None) -> str:
    return "somebody outside" if party is None else f"{visible(party.name)} ({format_id(IdKind.ACCOUNT, party.id)})"


def _rule(told: _Told) -> str:
    if told.run is None:
        return "none: it was asked for"
    return told.run.rule_name or format_id(IdKind.RULE, told.run.rule_id)


def _row(told: _Told) -> list[str]:
    transfer = told.waiting.transfer
    return [
        format_id(IdKind.TRANSFER, transfer.id),
        format_money(transfer.amount, transfer.currency),
        *("outside" if party is None else party.name for party in (transfer.source, transfer.destination)),
        _rule(told),
        show_time(transfer.approval_expires_at) or "",
    ]


def _as_json(told: _Told) -> dict[str, Any]:
    transfer, run = told.waiting.transfer, told.run
    return {
        "id": format_id(IdKind.TRANSFER, transfer.id),
        "amount_in_cents": transfer.amount,
        "currency": transfer.currency,
        "source": _party_as_json(transfer.source),
        "destination": _party_as_json(transfer.destination),
        "waits_in_account_id": transfer.staged_account_id and format_id(IdKind.ACCOUNT, transfer.staged_account_id),
        "rule_id": run and format_id(IdKind.RULE, run.rule_id),
        "rule_name": run and run.rule_name,
        "revision": run and run.revision,
        "execution_id": run and format_id(IdKind.EXECUTION, run.id),
        "created_at": show_time(transfer.created_at),
        "expires_at": show_time(transfer.approval_expires_at),
        "digest": told.waiting.digest.hex(),
    }


def _party_as_json(party: Party | None) -> dict[str, str] | None:
    return None if party is None else {"id": format_id(IdKind.ACCOUNT, party.id), "name": party.name}
