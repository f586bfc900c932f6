"""`sluiceway accounts`: what there is, and what is in it."""

from typing import TYPE_CHECKING, Any

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    operator,
    settings_of,
)
from sluiceway.cli.output import AsJson, show_json, show_table, show_time
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.rules import format_money

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine

_ALL = 1_000_000


def accounts(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the accounts with their balances."""

    async def work(engine: "Engine") -> list[AccountRecord]:
        from sluiceway.domain.ledger import AccountKind
        from sluiceway.services.accounts import list_accounts

        chosen = await choose_organization(engine, organization)
        records = await list_accounts(engine, operator(chosen.id), limit=_ALL)
        return [record for record in reversed(records) if record.account.kind is not AccountKind.WORLD]

    records = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(record) for record in records])
        return
    show_table(("Account", "Type", "Id", "Balance", "Available"), map(_row, records), right=("Balance", "Available"))


def _row(record: AccountRecord) -> list[str]:
    account, balance = record.account, record.balance
    figures = [account.current(balance), account.available(balance)]
    kind = account.external_kind or account.kind
    shown = ["unknown" if figure is None else format_money(figure, account.currency) for figure in figures]
    return [record.name, kind.lower().replace("_", " "), format_id(IdKind.ACCOUNT, account.id), *shown]


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
        "created_at": show_time(record.created_at),
    }
