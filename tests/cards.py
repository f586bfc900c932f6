"""Cards in short words: issue one, pay with it, be paid back."""

from typing import Any

from sluiceway.domain.cards import Card, CardKind, CardStatus, CardTransaction, CardType
from sluiceway.domain.errors import Refusal
from sluiceway.domain.ids import CardId, CardTransactionId
from sluiceway.domain.money import Cents
from sluiceway.services.card_transactions import CardUse, Purchase, PurchaseToRefund, Refund, use_cards
from sluiceway.services.cards import IssueCard, issue_card, set_card_status
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.storage.database import fetch_all
from tests.support import World


async def issue(
    world: World,
    account: str,
    kind: CardKind = CardKind.DEBIT_CARD,
    card_type: CardType = CardType.VIRTUAL,
    key: str | None = None,
) -> Card:
    """Issue a card on an account."""
    made: list[Card] = []

    def show(card: Card) -> Answer:
        made.append(card)
        return Answer(201, card.id.encode())

    account_id = world.accounts[account]
    idempotency = None if key is None else Idempotency("issue", key, account.encode())
    command = IssueCard(world.organization_id, account_id, account, kind, card_type, "Holder", idempotency, show)
    await issue_card(world.engine, command)
    return made[-1]


def purchase(
    world: World, card: Card, amount: int, key: str | None = None, shown: list[CardTransaction] | None = None
) -> Purchase:
    """Ask for a purchase; `shown` collects what the caller is shown."""
    return Purchase(
        organization_id=world.organization_id,
        card_id=card.id,
        spelling=card.id,
        amount=Cents(amount),
        description="Corner market",
        key_id=None,
        idempotency=None if key is None else Idempotency("purchase", key, str(amount).encode()),
        show=lambda made: _shown(made, shown),
    )


def refund(
    world: World,
    card: Card,
    amount: int,
    of: CardTransaction | str | None = None,
    shown: list[CardTransaction] | None = None,
) -> Refund:
    """Ask for a refund, of a purchase or of nothing in particular."""
    purchase_id = of.id if isinstance(of, CardTransaction) else of
    named = None if purchase_id is None else PurchaseToRefund(CardTransactionId(purchase_id), purchase_id)
    return Refund(
        organization_id=world.organization_id,
        card_id=card.id,
        spelling=card.id,
        amount=Cents(amount),
        description="",
        purchase=named,
        key_id=None,
        idempotency=None,
        show=lambda made: _shown(made, shown),
    )


def _shown(made: CardTransaction, shown: list[CardTransaction] | None) -> Answer:
    if shown is not None:
        shown.append(made)
    return Answer(201, f"{made.id} {made.status}".encode())


async def use(world: World, *uses: CardUse) -> list[Answer | Refusal]:
    """Use cards in one batch."""
    return await use_cards(world.engine, uses)


async def pay(world: World, card: Card, amount: int) -> CardTransaction:
    """Pay with a card; give what became of it."""
    shown: list[CardTransaction] = []
    [answer] = await use(world, purchase(world, card, amount, shown=shown))
    assert isinstance(answer, Answer), answer
    return shown[-1]


async def give_back(
    world: World, card: Card, amount: int, of: CardTransaction | str | None = None
) -> CardTransaction | Refusal:
    """Pay a card back; give what became of it, or why not."""
    shown: list[CardTransaction] = []
    [answer] = await use(world, refund(world, card, amount, of, shown=shown))
    return answer if isinstance(answer, Refusal) else shown[-1]


async def stand(world: World, card: Card, status: CardStatus) -> Card:
    """Change how a card stands."""
    return await set_card_status(world.engine, world.organization_id, card.id, card.id, status)


async def moved_by(world: World, card_id: CardId) -> list[tuple[Any, ...]]:
    """List the postings of a card, oldest first: amount, and whether money went out."""
    async with world.engine.database.read() as tx:
        return await fetch_all(
            tx,
            "SELECT p.amount, p.debit_account_id = t.account_id FROM posting p"
            " JOIN card_transaction t ON t.organization_id = p.organization_id AND t.id = p.card_transaction_id"
            " WHERE t.organization_id = %(o)s::uuid AND t.card_id = %(card)s::uuid ORDER BY t.id",
            {"o": world.organization_id, "card": card_id},
        )
