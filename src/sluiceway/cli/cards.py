"""`sluiceway cards`: what was issued, how it stands, and what it did last."""

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
    read_id,
    refuse_options_before,
    settings_of,
)
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.cards import Card, CardTransaction, show_expiration
from sluiceway.domain.ids import AccountId, CardId, IdKind, OrganizationId, format_id
from sluiceway.domain.rules import format_money
from sluiceway.domain.transfers import Direction

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine

app = typer.Typer(invoke_without_command=True)

_MOST = 1000
_ALL = 1_000_000


class _Listed(NamedTuple):
    """Cards, and the names of the accounts that they pay from."""

    cards: list[Card]
    names: dict[AccountId, str]


class _Told(NamedTuple):
    """One card, with what it did last."""

    card: Card
    name: str
    transactions: list[CardTransaction]


@app.callback()
def cards(
    context: typer.Context,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the cards, how they stand, and the pods that they pay from."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return

    async def work(engine: "Engine") -> _Listed:
        from sluiceway.services.cards import every_card

        organization_id = (await choose_organization(engine, organization)).id
        return _Listed(await every_card(engine, organization_id), await _names(engine, organization_id))

    listed = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(card) for card in listed.cards])
    elif not listed.cards:
        say("There are no cards.")
    else:
        show_table(("Card", "Status", "Type", "Id", "Pays from"), [_row(card, listed.names) for card in listed.cards])


@app.command()
def show(
    card: Annotated[str, typer.Argument(metavar="CARD", help="The card, by any spelling of its id.")],
    last: Annotated[int, typer.Option(min=1, max=_MOST, help="How many transactions to show at most.")] = 10,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a card and what it did last: what it paid, what it was paid back, and what was declined and why."""

    async def work(engine: "Engine") -> _Told:
        from sluiceway.services.card_transactions import list_transactions_of_card
        from sluiceway.services.cards import find_card

        organization_id = (await choose_organization(engine, organization)).id
        parsed = read_id(IdKind.CARD, card)
        card_id = None if parsed is None else CardId(parsed)
        found = await find_card(engine, organization_id, card_id, card)
        who = operator(organization_id)
        did = await list_transactions_of_card(engine, who, found.id, card, status=None, limit=last)
        return _Told(found, (await _names(engine, organization_id))[found.account_id], did)

    told = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json(_as_json(told.card) | {"transactions": [_transaction_as_json(each) for each in told.transactions]})
        return
    _show(told)


async def _names(engine: "Engine", organization_id: OrganizationId) -> dict[AccountId, str]:
    from sluiceway.services.accounts import list_accounts

    records: list[AccountRecord] = await list_accounts(engine, operator(organization_id), with_deleted=True, limit=_ALL)
    return {record.account.id: record.name for record in records}


def _show(told: _Told) -> None:
    card = told.card
    show_table(("Card", "Status", "Type", "Id", "Pays from"), [_row(card, {card.account_id: told.name})])
    say()
    say(f"{card.holder_name}, expires {show_expiration(card.expires_on)}")
    say()
    if not told.transactions:
        say("It has not been used.")
        return
    columns = ("At", "What", "Amount", "Account", "Description", "Id")
    show_table(columns, [_transaction_row(each) for each in told.transactions], right=("Amount",))


def _row(card: Card, names: dict[AccountId, str]) -> list[str]:
    kind = f"{card.type.lower()} {card.kind.lower().replace('_', ' ')}"
    return [
        f"**** {card.last_four}",
        card.status.lower(),
        kind,
        format_id(IdKind.CARD, card.id),
        names[card.account_id],
    ]


def _transaction_row(each: CardTransaction) -> list[str]:
    reason = each.decline_reason
    declined = "" if reason is None else f", declined: {reason.lower().replace('_', ' ')}"
    return [
        show_time(each.created_at) or "",
        f"{each.subtype.lower()}{declined}",
        format_money(each.amount, each.currency),
        each.account.name,
        each.description,
        format_id(IdKind.CARD_TRANSACTION, each.id),
    ]


def _as_json(card: Card) -> dict[str, Any]:
    return {
        "id": format_id(IdKind.CARD, card.id),
        "account_id": format_id(IdKind.ACCOUNT, card.account_id),
        "kind": card.kind.lower(),
        "type": card.type.lower(),
        "status": card.status.lower(),
        "last_four": card.last_four,
        "holder_name": card.holder_name,
        "expiration_date": show_expiration(card.expires_on),
        "created_at": show_time(card.created_at),
    }


def _transaction_as_json(each: CardTransaction) -> dict[str, Any]:
    return {
        "id": format_id(IdKind.CARD_TRANSACTION, each.id),
        "account_id": format_id(IdKind.ACCOUNT, each.account.id),
        "direction": "debit" if each.direction is Direction.MONEY_OUT else "credit",
        "subtype": each.subtype.lower(),
        "status": each.status.lower(),
        "decline_reason": each.decline_reason and each.decline_reason.lower(),
        "amount_in_cents": each.amount,
        "currency": each.currency,
        "description": each.description,
        "purchase_id": each.purchase_id and format_id(IdKind.CARD_TRANSACTION, each.purchase_id),
        "created_at": show_time(each.created_at),
    }
