"""Cards and what they do, in the words of v1."""

from typing import Final, Literal, NamedTuple

from msgspec import Struct

from sluiceway.api.http import After, Call, Choice, First, Instant, Named
from sluiceway.api.v1.wire.shapes import (
    Cents,
    Envelope,
    Moment,
    NamedAccount,
    encode,
    show_id,
    show_moment,
    show_moment_or_none,
    show_page,
    show_type,
    show_word,
)
from sluiceway.domain.cards import Card, CardStatus, CardTransaction, CardTransactionStatus, CardType, show_expiration
from sluiceway.domain.ids import AccountId, CardId, CardTransactionId, IdKind, format_id
from sluiceway.domain.transfers import Direction

NOBODY: Final = "00000000-0000-0000-0000-000000000000"
ACCOUNT: Final = Named("account_id", IdKind.ACCOUNT, "The account whose cards are wanted.", is_required=True)
STATUS: Final = Choice("status", {status.value.lower(): status for status in CardStatus})
TYPE: Final = Choice("type", {kind.value.lower(): kind for kind in CardType})
CARDS_FIRST: Final = First(default=1000, maximum=1000)
DIRECTION: Final = Choice(
    "direction",
    {"debit": Direction.MONEY_OUT, "credit": Direction.MONEY_IN},
    "`debit`: what the card paid; `credit`: what it was paid back.",
)
SETTLED: Final[Choice[tuple[CardTransactionStatus | None]]] = Choice(
    "status",
    {
        "complete": (CardTransactionStatus.COMPLETE,),
        "declined": (CardTransactionStatus.DECLINED,),
        "all": (None,),
    },
    "Whether the money moved, or the purchase was declined. Without it, only what moved. An extension of this server.",
)
FROM: Final = Instant("from", "Not before this moment.")
TO: Final = Instant("to", "Not after this moment.", is_end=True)
FIRST: Final = First(default=20, maximum=100)
AFTER: Final = After()


class CardShown(Struct):
    """A card. `kind` is an extension of this server: an `omni_card` can be switched to another pod."""

    id: str
    type: Literal["virtual", "physical"]
    status: Literal["active", "inactive", "frozen", "stolen", "lost"]
    last_four: str
    holder_name: str
    expiration_date: str
    account_id: str
    created_at: Moment
    kind: Literal["debit_card", "omni_card"]


class CardTransactionShown(Struct):
    """What a card paid, or was paid back, with the account that it belonged to then.

    Extensions of this server: `decline_reason`, and `purchase_id`, the purchase that a refund gives back.
    """

    id: str
    card_id: str
    card_type: Literal["debit_card", "omni_card"]
    account: NamedAccount
    direction: Literal["debit", "credit"]
    subtype: Literal["purchase", "refund"]
    status: Literal["complete", "declined"]
    amount_in_cents: Cents
    description: str
    created_at: Moment
    completed_at: Moment | None
    decline_reason: Literal["card_not_active", "card_expired", "issuer_declined", "insufficient_funds"] | None
    purchase_id: str | None


class CardFilter(NamedTuple):
    """Which cards are wanted."""

    account_id: AccountId
    before_id: CardId | None
    first: int
    owner: str


class TransactionFilter(NamedTuple):
    """Which transactions of a card are wanted."""

    before_id: CardTransactionId | None
    first: int
    owner: str


def read_card_filter(call: Call) -> CardFilter:
    """Read which cards are wanted, the choices of one word aside."""
    # A malformed id names no account, and the nil id is one that no account has.
    account_id = AccountId(ACCOUNT.read(call.query) or NOBODY)
    owner = f"cards/{account_id}"
    before_id = AFTER.read(call.query, call.owner(owner))
    first = CARDS_FIRST.read(call.query)
    return CardFilter(account_id, None if before_id is None else CardId(before_id), first, owner)


def read_transaction_filter(call: Call) -> TransactionFilter:
    """Read which transactions of the card in the path are wanted, the choices of one word aside."""
    owner = f"cards/{call.id or NOBODY}/transactions"
    before_id = AFTER.read(call.query, call.owner(owner))
    return TransactionFilter(None if before_id is None else CardTransactionId(before_id), FIRST.read(call.query), owner)


def read_settled(call: Call) -> CardTransactionStatus | None:
    """Read whether what moved is wanted, or what was declined; None: both."""
    [status] = SETTLED.read(call.query) or (CardTransactionStatus.COMPLETE,)
    return status


def show_cards(call: Call, cards: list[Card], wanted: CardFilter) -> bytes:
    """Write a page of cards."""
    return show_page(call, [_card(card) for card in cards], [card.id for card in cards], wanted.first, wanted.owner)


def show_card(call: Call, card: Card) -> bytes:
    """Write one card."""
    return encode(Envelope(call.request_id, _card(card)))


def show_transactions(call: Call, transactions: list[CardTransaction], wanted: TransactionFilter) -> bytes:
    """Write a page of what a card has done."""
    ids = [transaction.id for transaction in transactions]
    return show_page(call, [_transaction(each) for each in transactions], ids, wanted.first, wanted.owner)


def _card(card: Card) -> CardShown:
    return CardShown(
        id=format_id(IdKind.CARD, card.id),
        type=show_word(card.type),
        status=show_word(card.status),
        last_four=card.last_four,
        holder_name=card.holder_name,
        expiration_date=show_expiration(card.expires_on),
        account_id=format_id(IdKind.ACCOUNT, card.account_id),
        created_at=show_moment(card.created_at),
        kind=show_word(card.kind),
    )


def _transaction(each: CardTransaction) -> CardTransactionShown:
    return CardTransactionShown(
        id=format_id(IdKind.CARD_TRANSACTION, each.id),
        card_id=format_id(IdKind.CARD, each.card_id),
        card_type=show_word(each.card_kind),
        account=NamedAccount(
            format_id(IdKind.ACCOUNT, each.account.id), each.account.name, show_type(each.account.kind)
        ),
        direction="debit" if each.direction is Direction.MONEY_OUT else "credit",
        subtype=show_word(each.subtype),
        status=show_word(each.status),
        amount_in_cents=each.amount,
        description=each.description,
        created_at=show_moment(each.created_at),
        completed_at=show_moment_or_none(each.completed_at),
        decline_reason=None if each.decline_reason is None else show_word(each.decline_reason),
        purchase_id=show_id(IdKind.CARD_TRANSACTION, each.purchase_id),
    )
