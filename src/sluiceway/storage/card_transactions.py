"""Owns the table card_transaction: what cards have paid, what they were paid back, and what was declined."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.cards import CardKind, CardTransaction, CardTransactionStatus, DeclineReason, Subtype
from sluiceway.domain.ids import AccountId, CardId, CardTransactionId, KeyId, OrganizationId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Party
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)

CardTransactionKey = tuple[OrganizationId, CardTransactionId]


class NewCardTransaction(NamedTuple):
    """A card transaction to record."""

    organization_id: OrganizationId
    id: CardTransactionId
    card_id: CardId
    account_id: AccountId
    direction: Direction
    subtype: Subtype
    status: CardTransactionStatus
    decline_reason: DeclineReason | None
    amount: Cents
    description: str
    purchase_id: CardTransactionId | None
    key_id: KeyId | None


class Refundable(NamedTuple):
    """A card transaction, and how much of it has been given back."""

    transaction: CardTransaction
    refunded: int


async def insert_card_transactions(
    tx: WriteTx, transactions: Sequence[NewCardTransaction], clocks: Mapping[OrganizationId, datetime]
) -> None:
    """Record card transactions at the time of their organization; complete ones are complete then."""
    if not transactions:
        return
    columns = [list(column) for column in zip(*transactions, strict=True)]
    names = (
        "organization_ids", "ids", "card_ids", "account_ids", "directions", "subtypes", "statuses", "decline_reasons",
        "amounts", "descriptions", "purchase_ids", "key_ids",
    )  # fmt: skip
    ats = [clocks[transaction.organization_id] for transaction in transactions]
    await execute(tx, QUERIES["insert_card_transactions"], {"ats": ats, **dict(zip(names, columns, strict=True))})


async def refund_purchases(tx: WriteTx, refunded: Mapping[CardTransactionKey, int]) -> None:
    """Write how much of purchases has been given back in all, under the locks of their cards."""
    if not refunded:
        return
    keys = sorted(refunded)
    row = {
        "organization_ids": [organization_id for organization_id, _ in keys],
        "ids": [transaction_id for _, transaction_id in keys],
        "refunded": [refunded[key] for key in keys],
        "only": only({organization_id for organization_id, _ in keys}),
    }
    await execute(tx, QUERIES["refund_purchases"], row)


async def find_card_transactions(
    tx: ReadTx, keys: Iterable[CardTransactionKey]
) -> dict[CardTransactionKey, Refundable]:
    """Find card transactions; those that do not exist are left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    row = {
        "only": only({organization_id for organization_id, _ in wanted}),
        "organization_ids": [organization_id for organization_id, _ in wanted],
        "ids": [transaction_id for _, transaction_id in wanted],
    }
    rows = await fetch_all(tx, QUERIES["find_card_transactions"], row)
    return {(row[0], row[1]): Refundable(_read(row), row[18]) for row in rows}


async def transactions_of_card(
    tx: ReadTx,
    organization_id: OrganizationId,
    card_id: CardId,
    *,
    account_ids: Collection[str] | None = None,
    direction: Direction | None = None,
    status: CardTransactionStatus | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: CardTransactionId | None = None,
    limit: int,
) -> list[CardTransaction]:
    """List what a card has done, newest first, on these accounts (None: on all). Times are inclusive."""
    rows = await fetch_all(
        tx,
        QUERIES["transactions_of_card"],
        {
            "organization_id": organization_id,
            "card_id": card_id,
            "account_ids": None if account_ids is None else sorted(account_ids),
            "direction": direction and direction.value,
            "status": status and status.value,
            "from_at": from_at,
            "to_at": to_at,
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


async def transactions_of_account(
    tx: ReadTx,
    organization_id: OrganizationId,
    account_id: AccountId,
    *,
    card_id: CardId | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    offset: int = 0,
    limit: int,
) -> list[CardTransaction]:
    """List what cards (or one card) have moved from and to an account, newest first. Times are inclusive."""
    rows = await fetch_all(
        tx,
        QUERIES["transactions_of_account"],
        {
            "organization_id": organization_id,
            "account_id": account_id,
            "card_id": card_id,
            "from_at": from_at,
            "to_at": to_at,
            "offset": offset,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


def _read(row: tuple[Any, ...]) -> CardTransaction:
    return CardTransaction(
        organization_id=row[0],
        id=row[1],
        card_id=row[2],
        card_kind=CardKind(row[3]),
        account=Party(row[4], row[5], AccountKind(row[6]), row[7]),
        direction=Direction(row[8]),
        subtype=Subtype(row[9]),
        status=CardTransactionStatus(row[10]),
        decline_reason=None if row[11] is None else DeclineReason(row[11]),
        amount=row[12],
        currency=row[13],
        description=row[14],
        purchase_id=row[15],
        created_at=row[16],
        completed_at=row[17],
    )
