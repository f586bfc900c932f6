"""The operations of v1 on cards."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reply, operation
from sluiceway.api.v1.wire import cards
from sluiceway.api.v1.wire.shapes import Envelope, Page
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import CardId, IdKind
from sluiceway.services import card_transactions as transaction_services
from sluiceway.services import cards as card_services


@operation(
    "GET",
    "/cards",
    summary="List cards",
    permission=Permission.READ_CARDS,
    answer=Page[cards.CardShown],
    parameters=(cards.ACCOUNT, cards.STATUS, cards.TYPE, cards.CARDS_FIRST, cards.AFTER),
)
async def list_cards(call: Call) -> Reply:
    """List the cards that pay from an account, newest first. The key must be allowed to read that account's cards."""
    wanted = cards.read_card_filter(call)
    found = await card_services.list_cards(
        call.edge.engine,
        call.principal,
        wanted.account_id,
        status=cards.STATUS.read(call.query),
        card_type=cards.TYPE.read(call.query),
        before_id=wanted.before_id,
        limit=wanted.first + 1,
    )
    return call.ok(cards.show_cards(call, found, wanted))


@operation(
    "GET",
    "/cards/{id}",
    summary="Read a card",
    permission=Permission.READ_CARDS,
    id_kind=IdKind.CARD,
    answer=Envelope[cards.CardShown],
    refusals=(404,),
)
async def get_card(call: Call) -> Reply:
    """Read a card. The key must be allowed to read the cards of the account that it pays from."""
    card = await card_services.get_card(call.edge.engine, call.principal, _card_id(call), call.spelling)
    return call.ok(cards.show_card(call, card))


@operation(
    "GET",
    "/cards/{id}/transactions",
    summary="List a card's transactions",
    permission=Permission.READ_CARDS,
    id_kind=IdKind.CARD,
    answer=Page[cards.CardTransactionShown],
    parameters=(cards.DIRECTION, cards.SETTLED, cards.FROM, cards.TO, cards.FIRST, cards.AFTER),
    refusals=(404,),
)
async def list_card_transactions(call: Call) -> Reply:
    """List what a card paid and was paid back, newest first; what was declined only when asked for.

    The key must be allowed to read the cards of the account that it pays from. A key for some accounts only is shown
    what the card did on those.
    """
    wanted = cards.read_transaction_filter(call)
    found = await transaction_services.list_transactions_of_card(
        call.edge.engine,
        call.principal,
        _card_id(call),
        call.spelling,
        direction=cards.DIRECTION.read(call.query),
        status=cards.read_settled(call),
        from_at=cards.FROM.read(call.query),
        to_at=cards.TO.read(call.query),
        before_id=wanted.before_id,
        limit=wanted.first + 1,
    )
    return call.ok(cards.show_transactions(call, found, wanted))


def _card_id(call: Call) -> CardId | None:
    return None if call.id is None else CardId(call.id)


OPERATIONS: Final[tuple[Operation, ...]] = (list_cards, get_card, list_card_transactions)
