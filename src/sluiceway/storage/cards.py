"""Owns the table card: what was issued, how it stands, and which account it pays from."""

from collections.abc import Iterable
from typing import Any

from sluiceway.domain.cards import Card, CardKind, CardStatus, CardType
from sluiceway.domain.ids import AccountId, CardId, OrganizationId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)

CardKey = tuple[OrganizationId, CardId]


async def insert_card(tx: WriteTx, card: Card) -> None:
    """Add a card."""
    await execute(
        tx,
        QUERIES["insert_card"],
        {
            "organization_id": card.organization_id,
            "id": card.id,
            "account_id": card.account_id,
            "kind": card.kind.value,
            "type": card.type.value,
            "status": card.status.value,
            "last_four": card.last_four,
            "holder_name": card.holder_name,
            "expires_on": card.expires_on,
            "created_at": card.created_at,
        },
    )


async def lock_cards(tx: WriteTx, keys: Iterable[CardKey]) -> dict[CardKey, Card]:
    """Lock cards in key order. Those that do not exist are left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await fetch_all(
        tx,
        QUERIES["lock_cards"],
        {
            "organization_ids": [organization_id for organization_id, _ in wanted],
            "ids": [card_id for _, card_id in wanted],
            "only": only({organization_id for organization_id, _ in wanted}),
        },
    )
    return {(row[0], row[1]): _read(row) for row in rows}


async def set_card(tx: WriteTx, card: Card) -> None:
    """Write a card's status and account, under its lock."""
    row = {
        "organization_id": card.organization_id,
        "id": card.id,
        "status": card.status.value,
        "account_id": card.account_id,
    }
    await execute(tx, QUERIES["set_card"], row)


async def find_card(tx: ReadTx, organization_id: OrganizationId, card_id: CardId) -> Card | None:
    """Find a card."""
    row = await fetch_one(tx, QUERIES["find_card"], {"organization_id": organization_id, "id": card_id})
    return None if row is None else _read(row)


async def list_cards(
    tx: ReadTx,
    organization_id: OrganizationId,
    account_id: AccountId,
    *,
    status: CardStatus | None = None,
    card_type: CardType | None = None,
    before_id: CardId | None = None,
    limit: int,
) -> list[Card]:
    """List the cards that pay from an account, newest first."""
    rows = await fetch_all(
        tx,
        QUERIES["list_cards"],
        {
            "organization_id": organization_id,
            "account_id": account_id,
            "status": status and status.value,
            "type": card_type and card_type.value,
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


async def every_card(tx: ReadTx, organization_id: OrganizationId) -> list[Card]:
    """List all cards of an organization, oldest first."""
    return [_read(row) for row in await fetch_all(tx, QUERIES["every_card"], {"organization_id": organization_id})]


async def has_active_card(tx: ReadTx, organization_id: OrganizationId, account_id: AccountId) -> bool:
    """Tell whether an active card pays from an account."""
    row = {"organization_id": organization_id, "account_id": account_id}
    return await fetch_one(tx, QUERIES["has_active_card"], row) is not None


def _read(row: tuple[Any, ...]) -> Card:
    return Card(
        organization_id=row[0],
        id=row[1],
        account_id=row[2],
        kind=CardKind(row[3]),
        type=CardType(row[4]),
        status=CardStatus(row[5]),
        last_four=row[6],
        holder_name=row[7],
        expires_on=row[8],
        created_at=row[9],
    )
