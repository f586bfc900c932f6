"""`sluiceway organizations limits`: what an organization may send to and take from other banks."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    refuse_options_before,
    settings_of,
)
from sluiceway.cli.figures import NONE, read_amount
from sluiceway.cli.output import AsJson, say, show_json, show_table
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import PaymentSide, format_money

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.ach import Limit

app = typer.Typer(invoke_without_command=True)

_SIDES = {"credit": PaymentSide.CREDIT, "debit": PaymentSide.DEBIT}
_PERIODS = ("day", "month")
_WAYS = {PaymentSide.CREDIT: "credit (sent)", PaymentSide.DEBIT: "debit (taken)"}
_SPANS = {"DAY": "today", "MONTH": "this month"}
_DIGITS = 9


@app.callback()
def limits(
    context: typer.Context,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the limits on ACH payments, with what is used of each today and this month (Eastern time)."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return

    async def work(engine: "Engine") -> "list[Limit]":
        from sluiceway.services.limits import list_limits

        return await list_limits(engine, (await choose_organization(engine, organization)).id)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(limit) for limit in found])
    elif not found:
        say("There are no limits.")
    else:
        columns = ("Side", "Period", "Amount", "Used", "Transfers", "Used transfers")
        show_table(columns, map(_row, found), right=columns[2:])


@app.command("set")
def set_(
    side: Annotated[
        str, typer.Option("--side", metavar="credit|debit", help="What is sent (credit), or what is taken (debit).")
    ],
    period: Annotated[str, typer.Option("--period", metavar="day|month", help="In a day or in a month, Eastern time.")],
    amount: Annotated[
        str | None,
        typer.Option(
            "--amount",
            metavar="AMOUNT|none",
            help="How much, such as 1000.00. Not given: as before.",
            show_default=False,
        ),
    ] = None,
    transfers: Annotated[
        str | None,
        typer.Option(
            "--transfers", metavar="COUNT|none", help="How many payments. Not given: as before.", show_default=False
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Set or lift a limit. It holds for payments made from now on, and what was used before counts."""
    chosen_side, chosen_period = _SIDES.get(side.lower()), period.lower()
    if chosen_side is None or chosen_period not in _PERIODS:
        raise typer.BadParameter("--side is credit or debit, and --period is day or month")
    if amount is None and transfers is None:
        raise typer.BadParameter("give --amount, --transfers or both")
    new_amount, new_transfers = _read_amount(amount), _read_count(transfers)

    async def work(engine: "Engine") -> "Limit":
        from sluiceway.services.limits import list_limits, set_limit
        from sluiceway.storage.ach import Period

        organization_id = (await choose_organization(engine, organization)).id
        key = (chosen_side, Period(chosen_period.upper()))
        before = {(limit.side, limit.period): limit for limit in await list_limits(engine, organization_id)}.get(key)
        kept_amount = None if before is None or before.amount is None else Cents(before.amount)
        await set_limit(
            engine,
            organization_id,
            *key,
            amount=kept_amount if amount is None else new_amount,
            transfers=before and before.transfers if transfers is None else new_transfers,
        )
        return next(found for found in await list_limits(engine, organization_id) if (found.side, found.period) == key)

    limit = ask(existing(settings_of(data_dir, database_url)), work)
    say(f"{_WAYS[limit.side].capitalize()}, each {limit.period.lower()}: {_in_words(limit)}.")


def _read_amount(written: str | None) -> Cents | None:
    return None if written is None or written.lower() == NONE else read_amount(written)


def _read_count(written: str | None) -> int | None:
    if written is None or written.lower() == NONE:
        return None
    if not (written.isascii() and written.isdigit() and len(written) <= _DIGITS):
        raise typer.BadParameter(f"--transfers is a count of at most {_DIGITS} digits, or {NONE}")
    return int(written)


def _in_words(limit: "Limit") -> str:
    amount = None if limit.amount is None else format_money(limit.amount)
    transfers = None if limit.transfers is None else f"{limit.transfers:,} payments"
    return " in ".join(part for part in (amount, transfers) if part) or "no limit"


def _row(limit: "Limit") -> list[str]:
    return [
        _WAYS[limit.side],
        _SPANS[limit.period.value],
        NONE if limit.amount is None else format_money(limit.amount),
        format_money(limit.used_amount),
        NONE if limit.transfers is None else f"{limit.transfers:,}",
        f"{limit.used_transfers:,}",
    ]


def _as_json(limit: "Limit") -> dict[str, Any]:
    return {
        "side": limit.side.lower(),
        "period": limit.period.lower(),
        "amount_in_cents": limit.amount,
        "used_in_cents": limit.used_amount,
        "transfers": limit.transfers,
        "used_transfers": limit.used_transfers,
    }
