"""Owns the table issuer_decline: what the sandbox's card issuer will not let through."""

from collections.abc import Sequence
from typing import NamedTuple

from sluiceway.domain.ids import CardId, OrganizationId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)


class DeclineRow(NamedTuple):
    """One purchase of a card to decline; `purchase_key` names it once it has come."""

    organization_id: OrganizationId
    card_id: CardId
    asked_id: str
    number: int
    purchase_key: str | None


async def insert_declines(
    tx: WriteTx, organization_id: OrganizationId, card_id: CardId, asked_id: str, times: int
) -> None:
    """Decline so many purchases, unless that was asked for under this id before."""
    row = {"organization_id": organization_id, "card_id": card_id, "asked_id": asked_id, "times": times}
    await execute(tx, QUERIES["insert_declines"], row)


async def has_declines(tx: ReadTx, cards: Sequence[tuple[OrganizationId, CardId]]) -> bool:
    """Tell whether any purchase of these cards is declined, or ever was."""
    row = {
        "organization_ids": [key[0] for key in cards],
        "card_ids": [key[1] for key in cards],
        "only": only({key[0] for key in cards}),
    }
    return await fetch_one(tx, QUERIES["has_declines"], row) is not None


async def lock_declines(
    tx: WriteTx, cards: Sequence[tuple[OrganizationId, CardId]], purchase_keys: Sequence[str]
) -> list[DeclineRow]:
    """Lock what waits for a purchase of these cards, and what these purchases have met before."""
    row = {
        "organization_ids": [key[0] for key in cards],
        "card_ids": [key[1] for key in cards],
        "only": only({key[0] for key in cards}),
        "purchase_keys": list(purchase_keys),
    }
    return [DeclineRow(*found) for found in await fetch_all(tx, QUERIES["lock_declines"], row)]


async def take_declines(tx: WriteTx, taken: Sequence[DeclineRow]) -> None:
    """Write which purchases were declined, under lock."""
    if not taken:
        return
    columns = [list(column) for column in zip(*taken, strict=True)]
    names = ("organization_ids", "card_ids", "asked_ids", "numbers", "purchase_keys")
    row = {"only": only({row.organization_id for row in taken}), **dict(zip(names, columns, strict=True))}
    await execute(tx, QUERIES["take_declines"], row)
