"""The operations of the sandbox on cards: issue and change them, pay with them, pay them back, decline."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.sandbox.wire import cards
from sluiceway.api.sandbox.wire.shapes import Envelope
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import AccountId, CardId, IdKind
from sluiceway.services import cards as card_services
from sluiceway.services import sandbox
from sluiceway.services.idempotency import Answer


@operation(
    "POST",
    "/cards",
    summary="Issue a card",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=cards.NewCard,
    status=201,
    answer=Envelope[cards.CardShown],
    refusals=(404,),
)
async def create_card(call: Call) -> Reply:
    """Issue a card on a pod. A virtual one is active at once, a physical one when it has been made so."""
    return call.answer(await card_services.issue_card(call.edge.engine, cards.read_card(call)))


@operation(
    "POST",
    "/cards/{id}/status",
    summary="Change a card's status",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.CARD,
    body=cards.NewStatus,
    answer=Envelope[cards.CardShown],
    refusals=(404, 409),
)
async def set_card_status(call: Call) -> Reply:
    """Change how a card stands: only what is active pays, and what is stolen or lost stays so."""
    status = cards.read_status(call)

    async def set_status() -> Answer:
        card = await card_services.set_card_status(
            call.edge.engine, call.principal.organization_id, _card_id(call), call.spelling, status, act=call.act
        )
        return cards.show_card(call, card)

    return await call.once(set_status, records_itself=True)


@operation(
    "POST",
    "/cards/{id}/account",
    summary="Let a card pay from another pod",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.CARD,
    body=cards.NewPod,
    answer=Envelope[cards.CardShown],
    refusals=(404, 409),
)
async def switch_card(call: Call) -> Reply:
    """Let an omni card pay from another pod from now on. What it has paid stays where it was."""
    wanted = cards.read_pod(call)

    async def switch() -> Answer:
        card = await card_services.switch_pod(
            call.edge.engine,
            call.principal.organization_id,
            _card_id(call),
            call.spelling,
            None if wanted.id is None else AccountId(wanted.id),
            wanted.spelling,
            act=call.act,
        )
        return cards.show_card(call, card)

    return await call.once(switch, records_itself=True)


@operation(
    "POST",
    "/cards/{id}/purchases",
    summary="Pay with a card",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.CARD,
    body=cards.NewPurchase,
    status=201,
    answer=Envelope[cards.CardTransactionShown],
    refusals=(404,),
)
async def create_purchase(call: Call) -> Reply:
    """Pay somebody outside with a card. What cannot be paid is recorded as declined, with its reason: nothing moves."""
    return call.answer(await call.edge.use_card(cards.read_purchase(call)))


@operation(
    "POST",
    "/cards/{id}/refunds",
    summary="Pay a card back",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.CARD,
    body=cards.NewRefund,
    status=201,
    answer=Envelope[cards.CardTransactionShown],
    refusals=(404, 409),
)
async def create_refund(call: Call) -> Reply:
    """Pay a card back, whatever its status. It is no income: it fires no rules.

    Of a purchase that is named at most all is given back, to the pod that paid it.
    """
    return call.answer(await call.edge.use_card(cards.read_refund(call)))


@operation(
    "POST",
    "/cards/{id}/declines",
    summary="Decline a card's next purchases",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.CARD,
    body=cards.NewDeclines,
    is_body_required=False,
    status=201,
    answer=Envelope[cards.DeclinesShown],
    refusals=(404,),
)
async def create_declines(call: Call) -> Reply:
    """Let the card's issuer decline its next purchases, after those that it shall decline already."""
    times = cards.read_declines(call)

    async def decline() -> Answer:
        card = await sandbox.decline_next(
            call.edge.engine,
            call.principal.organization_id,
            _card_id(call),
            call.spelling,
            times=times,
            idempotency=call.idempotency,
        )
        return cards.show_declines(call, card, times)

    return await call.once(decline)


def _card_id(call: Call) -> CardId | None:
    return None if call.id is None else CardId(call.id)


OPERATIONS: Final[tuple[Operation, ...]] = (
    create_card,
    set_card_status,
    switch_card,
    create_purchase,
    create_refund,
    create_declines,
)
