"""What cards paid and were paid back, in the words of /platform/v1."""

from typing import Final, Literal

from msgspec import Struct

from sluiceway.api.http import Call, Named
from sluiceway.api.platform.wire.shapes import (
    NOBODY,
    Cents,
    Id,
    Moment,
    Window,
    show_moment,
    show_page,
    show_type,
    show_word,
)
from sluiceway.api.platform.wire.transfers import TransferAccountRef
from sluiceway.domain.cards import CardTransaction
from sluiceway.domain.ids import AccountId, CardId, IdKind
from sluiceway.domain.transfers import Party

ACCOUNT: Final = Named("accountId", IdKind.ACCOUNT, "The pod whose card transactions are wanted.", is_required=True)
CARD: Final = Named("cardId", IdKind.CARD, "Only what this card did.")


class CardTransactionShown(Struct, rename="camel"):
    """What a card paid, or was paid back, with the account that it belonged to then. It is not among the transfers."""

    id: Id
    card_id: Id
    card_type: Literal["DEBIT_CARD", "OMNI_CARD"]
    account: TransferAccountRef
    direction: Literal["MONEY_IN", "MONEY_OUT"]
    subtype: Literal["PURCHASE", "REFUND"]
    status: Literal["COMPLETE"]
    amount_in_cents: Cents
    description: str
    created_at: Moment
    completed_at: Moment


def read_account_id(call: Call) -> AccountId:
    """Read which account is wanted; a malformed id is one that no account has."""
    return AccountId(ACCOUNT.read(call.query) or NOBODY)


def read_card_id(call: Call) -> CardId | None:
    """Read which card is wanted, where one is named; a malformed id is one that no card has."""
    return CardId(CARD.read(call.query) or NOBODY) if CARD.name in call.query else None


def show_transactions(call: Call, found: list[CardTransaction], window: Window) -> bytes:
    """Write a page of what cards did."""
    return show_page(call, [_transaction(one) for one in found], window)


def _transaction(one: CardTransaction) -> CardTransactionShown:
    assert one.completed_at is not None, "only what has been settled is listed"
    return CardTransactionShown(
        id=one.id,
        card_id=one.card_id,
        card_type=show_word(one.card_kind),
        account=_account(one.account),
        direction=show_word(one.direction),
        subtype=show_word(one.subtype),
        status=show_word(one.status),
        amount_in_cents=one.amount,
        description=one.description,
        created_at=show_moment(one.created_at),
        completed_at=show_moment(one.completed_at),
    )


def _account(party: Party) -> TransferAccountRef:
    return TransferAccountRef(party.id, party.name, show_type(party.kind), party.is_deleted)
