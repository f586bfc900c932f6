"""Webhooks: who is told what happens, how each message went, and sending messages again."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import EndpointId, IdKind, to_base32
from sluiceway.services import webhooks as services
from sluiceway.services.idempotency import Answer
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import webhooks as wire
from sluiceway.web.wire.shapes import CURSOR, LIMIT, Envelope, Page, read_body

SHOWN: Final = Envelope[wire.EndpointShown]


@operation("GET", "/webhooks", role=Role.VIEWER, summary="List webhooks", answer=Envelope[wire.Endpoints])
async def list_webhooks(call: AppCall) -> Reply:
    """List all endpoints, oldest first, and the events that there are to hear of."""
    found = await services.list_endpoints(call.edge.engine, call.principal.organization_id)
    return call.reply(wire.show_endpoints(found, may_change=call.session.person.role.covers(Role.ADMIN)))


@operation(
    "POST",
    "/webhooks",
    role=Role.ADMIN,
    summary="Add a webhook",
    needs_proof=True,
    body=wire.NewEndpoint,
    status=201,
    answer=Envelope[wire.WithSecret],
)
async def create_webhook(call: AppCall) -> Reply:
    """Add an endpoint, which hears of what happens from now on. Its secret is in this answer and nowhere else."""
    wanted = read_body(call.body, wire.NewEndpoint)
    made = await services.create_endpoint(
        call.edge.engine, call.principal.organization_id, wanted.url, wanted.events, act=call.act
    )
    return call.reply(wire.show_with_secret(*made), status=201)


@operation(
    "POST",
    "/webhooks/{id}/rotate",
    role=Role.ADMIN,
    summary="Give a webhook a new secret",
    needs_proof=True,
    id_kind=IdKind.ENDPOINT,
    answer=Envelope[wire.WithSecret],
    refusals=(404,),
)
async def rotate_webhook_secret(call: AppCall) -> Reply:
    """Give an endpoint a new secret, which is in this answer and nowhere else; the old one signs too for a day."""
    made = await services.rotate_secret(
        call.edge.engine,
        call.principal.organization_id,
        wire.read_endpoint_id(call.id),
        call.spelling,
        act=call.act,
    )
    return call.reply(wire.show_with_secret(*made))


@operation(
    "POST",
    "/webhooks/{id}/disable",
    role=Role.ADMIN,
    summary="Disable a webhook",
    id_kind=IdKind.ENDPOINT,
    answer=SHOWN,
    refusals=(404,),
)
async def disable_webhook(call: AppCall) -> Reply:
    """Send an endpoint nothing more; what waits for it stays."""
    endpoint = await services.disable_endpoint(
        call.edge.engine,
        call.principal.organization_id,
        wire.read_endpoint_id(call.id),
        call.spelling,
        act=call.act,
    )
    return call.reply(wire.show_endpoint(endpoint))


@operation(
    "POST",
    "/webhooks/{id}/enable",
    role=Role.ADMIN,
    summary="Enable a webhook",
    needs_proof=True,
    id_kind=IdKind.ENDPOINT,
    answer=SHOWN,
    refusals=(404,),
)
async def enable_webhook(call: AppCall) -> Reply:
    """Go on with an endpoint: what has waited goes out."""
    endpoint = await services.enable_endpoint(
        call.edge.engine,
        call.principal.organization_id,
        wire.read_endpoint_id(call.id),
        call.spelling,
        act=call.act,
    )
    return call.reply(wire.show_endpoint(endpoint))


@operation(
    "POST",
    "/webhooks/{id}/replay",
    role=Role.ADMIN,
    summary="Send a span again",
    id_kind=IdKind.ENDPOINT,
    body=wire.Span,
    answer=Envelope[wire.Replayed],
    refusals=(404,),
)
async def replay_webhook(call: AppCall) -> Reply:
    """Send all that happened in a span of time to an endpoint again; messages that were sent before keep their ids."""
    from_at, to_at = wire.read_span(read_body(call.body, wire.Span))
    engine, organization_id = call.edge.engine, call.principal.organization_id
    endpoint_id = wire.read_endpoint_id(call.id)
    endpoint = await services.get_endpoint(engine, organization_id, endpoint_id, call.spelling)

    async def replay() -> Answer:
        messages = await services.replay(engine, organization_id, endpoint.id, from_at, to_at, act=call.act)
        return Answer(200, wire.show_replayed(messages))

    return await call.once(replay, turn="replay", records_itself=True)


@operation(
    "GET",
    "/deliveries",
    role=Role.VIEWER,
    summary="List what was sent",
    answer=Page[wire.DeliveryShown],
    parameters=(wire.ENDPOINT, wire.FAILING, CURSOR, LIMIT),
)
async def list_deliveries(call: AppCall) -> Reply:
    """List messages to endpoints with how each went, newest first."""
    limit = LIMIT.read(call.query)
    endpoint = wire.ENDPOINT.read(call.query) if wire.ENDPOINT.name in call.query else None
    before = CURSOR.read(call.query)
    found = await services.list_deliveries(
        call.edge.engine,
        call.principal.organization_id,
        endpoint_id=wire.read_endpoint_id(endpoint),
        is_failing=wire.FAILING.read(call.query) or False,
        before_id=wire.read_delivery_id(before),
        limit=limit + 1,
    )
    following = to_base32(found[limit - 1].id) if len(found) > limit else None
    may_resend = call.session.person.role.covers(Role.WRITER)
    return call.reply(wire.show_deliveries(found[:limit], await _urls(call), following, may_resend=may_resend))


@operation(
    "POST",
    "/deliveries/{id}/resend",
    role=Role.WRITER,
    summary="Send a message again",
    id_kind=IdKind.DELIVERY,
    answer=Envelope[wire.DeliveryShown],
    refusals=(404,),
)
async def resend_delivery(call: AppCall) -> Reply:
    """Send a message again, with the same id, now."""
    delivery = await services.resend(
        call.edge.engine,
        call.principal.organization_id,
        wire.read_delivery_id(call.id),
        call.spelling,
        act=call.act,
    )
    return call.reply(wire.show_delivery(delivery, await _urls(call)))


async def _urls(call: AppCall) -> dict[EndpointId, str]:
    endpoints = await services.list_endpoints(call.edge.engine, call.principal.organization_id)
    return {endpoint.id: endpoint.url for endpoint in endpoints}


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    list_webhooks,
    create_webhook,
    rotate_webhook_secret,
    disable_webhook,
    enable_webhook,
    replay_webhook,
    list_deliveries,
    resend_delivery,
)
