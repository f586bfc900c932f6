"""Webhook endpoints: made and changed by people and by whoever runs the server; resend one message, replay a span.

Where no `act` is given, it is whoever runs the server who acts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sluiceway.domain.audit import Act, operators_act
from sluiceway.domain.errors import InvalidParameters, NotFound, Problem
from sluiceway.domain.ids import DeliveryId, EndpointId, IdKind, OrganizationId, least_id
from sluiceway.domain.webhooks import (
    MOST_ENDPOINTS,
    OLD_SECRET_LASTS,
    Because,
    EventKind,
    check_filters,
)
from sluiceway.outbound import OutboundRefused
from sluiceway.services.audit_log import do
from sluiceway.services.delivering import BATCH, messages_of
from sluiceway.services.engine import Engine
from sluiceway.storage import webhooks as stored
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.keyring import ENDPOINT_SECRET, PREVIOUS_ENDPOINT_SECRET
from sluiceway.storage.organizations import lock_organization
from sluiceway.storage.outbox import OutboxEvent, events_between, insert_events
from sluiceway.storage.webhooks import Delivery, Endpoint, Sealed

PREFIX: Final = "whsec_"
SECRET_LENGTH: Final = 44
"""So many base62 characters are also base64, of 33 bytes, as Standard Webhooks wants it."""


async def create_endpoint(
    engine: Engine, organization_id: OrganizationId, url: str, events: Sequence[str], *, act: Act | None = None
) -> tuple[Endpoint, str]:
    """Add an endpoint; return it with its secret, which is shown this once. Raises InvalidParameters.

    It hears of what happens from now on; what happened before can be replayed.
    """
    if problems := (*_check_url(engine, url), *check_filters(events)):
        raise InvalidParameters(problems)
    endpoint_id = EndpointId(engine.new_id())
    secret = _new_secret(engine)

    async def work(tx: WriteTx) -> Endpoint:
        # The gate: no two of these pass the bound together, and what rules do after this is told.
        await lock_organization(tx, organization_id)
        await _check_room(engine, tx, organization_id)
        now = engine.now()
        sealed = engine.keyring.seal(ENDPOINT_SECRET, organization_id, endpoint_id, secret)
        await stored.insert_endpoint(tx, organization_id, endpoint_id, url=url, events=events, secret=sealed, at=now)
        return await _get(engine, tx, organization_id, endpoint_id, endpoint_id)

    return await do(engine, act or operators_act(organization_id, "CREATE_ENDPOINT", endpoint_id), work), secret


async def list_endpoints(engine: Engine, organization_id: OrganizationId) -> list[Endpoint]:
    """List the endpoints of an organization, oldest first."""
    async with engine.database.read() as tx:
        return await stored.list_endpoints(tx, organization_id, engine.now())


async def get_endpoint(
    engine: Engine, organization_id: OrganizationId, endpoint_id: EndpointId | None, spelling: str
) -> Endpoint:
    """Read an endpoint. Raises NotFound."""
    async with engine.database.read() as tx:
        return await _get(engine, tx, organization_id, endpoint_id, spelling)


async def rotate_secret(
    engine: Engine,
    organization_id: OrganizationId,
    endpoint_id: EndpointId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret, shown this once; the old one signs too for a day. Raises NotFound."""
    secret = _new_secret(engine)

    async def work(tx: WriteTx) -> Endpoint:
        found = await _get(engine, tx, organization_id, endpoint_id, spelling)
        # Sealed anew for the other column: a value opens in its own place alone.
        old = await stored.lock_secret(tx, organization_id, found.id)
        sealed = Sealed(
            engine.keyring.seal(ENDPOINT_SECRET, organization_id, found.id, secret),
            engine.keyring.seal(
                PREVIOUS_ENDPOINT_SECRET,
                organization_id,
                found.id,
                engine.keyring.open(ENDPOINT_SECRET, organization_id, found.id, old),
            ),
        )
        await stored.rotate_secret(tx, organization_id, found.id, sealed, engine.now() + OLD_SECRET_LASTS)
        return await _get(engine, tx, organization_id, found.id, spelling)

    return await do(engine, act or operators_act(organization_id, "ROTATE_ENDPOINT_SECRET", endpoint_id), work), secret


async def disable_endpoint(
    engine: Engine,
    organization_id: OrganizationId,
    endpoint_id: EndpointId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> Endpoint:
    """Send an endpoint nothing more; what waits for it stays. Raises NotFound."""

    async def work(tx: WriteTx) -> Endpoint:
        organization = await lock_organization(tx, organization_id)
        found = await _get(engine, tx, organization_id, endpoint_id, spelling)
        now = engine.now()
        if await stored.disable_endpoint(tx, organization_id, found.id, Because.BY_HAND, now):
            at = organization.clock.read(now)
            event = OutboxEvent(organization_id, engine.new_id(), EventKind.ENDPOINT_DISABLED, found.id, at)
            await insert_events(tx, [event])
        return await _get(engine, tx, organization_id, found.id, spelling)

    return await do(engine, act or operators_act(organization_id, "DISABLE_ENDPOINT", endpoint_id), work)


async def enable_endpoint(
    engine: Engine,
    organization_id: OrganizationId,
    endpoint_id: EndpointId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> Endpoint:
    """Go on with an endpoint: what has waited goes out. Raises NotFound and InvalidParameters.

    What has happened while it was disabled is not sent by itself; it can be replayed.
    """

    async def work(tx: WriteTx) -> Endpoint:
        await lock_organization(tx, organization_id)
        found = await _get(engine, tx, organization_id, endpoint_id, spelling)
        if found.disabled_at is not None:
            if problems := _check_url(engine, found.url):
                raise InvalidParameters(problems)
            await _check_room(engine, tx, organization_id)
            await stored.enable_endpoint(tx, organization_id, found.id, engine.now())
        return await _get(engine, tx, organization_id, found.id, spelling)

    return await do(engine, act or operators_act(organization_id, "ENABLE_ENDPOINT", endpoint_id), work)


async def list_deliveries(
    engine: Engine,
    organization_id: OrganizationId,
    *,
    endpoint_id: EndpointId | None = None,
    is_failing: bool = False,
    before_id: DeliveryId | None = None,
    limit: int,
) -> list[Delivery]:
    """List the log, newest first; `is_failing`: those whose last attempt failed, given up or not."""
    async with engine.database.read() as tx:
        return await stored.list_deliveries(
            tx, organization_id, endpoint_id=endpoint_id, is_failing=is_failing, before_id=before_id, limit=limit
        )


async def resend(
    engine: Engine,
    organization_id: OrganizationId,
    delivery_id: DeliveryId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> Delivery:
    """Send a message again, with the same id, now. Raises NotFound, and InvalidParameters for a disabled endpoint."""

    async def work(tx: WriteTx) -> Delivery:
        found = await _find_delivery(tx, organization_id, delivery_id, spelling)
        await _lock_enabled(tx, organization_id, found.endpoint_id)
        await stored.send_again(tx, organization_id, found.id)
        await stored.hurry_endpoints(tx, organization_id, [found.endpoint_id], engine.now(), is_again=True)
        return await _find_delivery(tx, organization_id, found.id, spelling)

    return await do(engine, act or operators_act(organization_id, "RESEND_DELIVERY", delivery_id), work)


async def replay(
    engine: Engine,
    organization_id: OrganizationId,
    endpoint_id: EndpointId | None,
    from_at: datetime,
    to_at: datetime,
    *,
    act: Act | None = None,
) -> int:
    """Send all that happened from one instant on and before another (real time) again, to one endpoint or to all.

    Messages that were sent before keep their ids; those of which the endpoint never heard are sent too. Returns how
    many messages that is. Raises NotFound, and InvalidParameters for a disabled endpoint.
    """
    if endpoint_id is not None:
        await get_endpoint(engine, organization_id, endpoint_id, endpoint_id)
    count, from_id, to_id = 0, least_id(from_at), least_id(to_at)
    while True:
        events, messages = await _replay(engine, organization_id, endpoint_id, from_id, to_id, act)
        count += messages
        if len(events) <= BATCH:
            return count
        from_id = events[-1].id


async def _replay(
    engine: Engine,
    organization_id: OrganizationId,
    endpoint_id: EndpointId | None,
    from_id: str,
    to_id: str,
    act: Act | None,
) -> tuple[list[OutboxEvent], int]:
    """Replay some of a span; the events have one more, with which to go on, if there is more."""

    async def work(tx: WriteTx) -> tuple[list[OutboxEvent], int]:
        hearers = await stored.lock_endpoints(tx, organization_id, endpoint_id)
        if endpoint_id is not None and not hearers:
            raise _disabled()
        events = await events_between(tx, organization_id, from_id, to_id, BATCH + 1)
        messages = await messages_of(engine, tx, organization_id, events[:BATCH], hearers)
        await stored.insert_deliveries(tx, organization_id, messages, engine.now(), is_again=True)
        return events, len(messages)

    return await do(engine, act or operators_act(organization_id, "REPLAY_EVENTS", endpoint_id), work)


def _new_secret(engine: Engine) -> str:
    return f"{PREFIX}{engine.new_secret(SECRET_LENGTH)}"


def _check_url(engine: Engine, url: str) -> tuple[Problem, ...]:
    assert engine.outbound is not None, "only a process that may call out knows which URLs are allowed"
    try:
        engine.outbound.check(url)
    except OutboundRefused as refused:
        return (Problem("url", f"is not allowed: {refused.reason}"),)
    return ()


async def _check_room(engine: Engine, tx: ReadTx, organization_id: OrganizationId) -> None:
    endpoints = await stored.list_endpoints(tx, organization_id, engine.now())
    if sum(endpoint.disabled_at is None for endpoint in endpoints) >= MOST_ENDPOINTS:
        raise InvalidParameters((Problem("", f"there are {MOST_ENDPOINTS} endpoints already; disable one first"),))


async def _lock_enabled(tx: WriteTx, organization_id: OrganizationId, endpoint_id: EndpointId) -> None:
    if not await stored.lock_endpoints(tx, organization_id, endpoint_id):
        raise _disabled()


def _disabled() -> InvalidParameters:
    return InvalidParameters((Problem("", "the endpoint is disabled; enable it first"),))


async def _get(
    engine: Engine, tx: ReadTx, organization_id: OrganizationId, endpoint_id: EndpointId | None, spelling: str
) -> Endpoint:
    found = [] if endpoint_id is None else await stored.list_endpoints(tx, organization_id, engine.now(), endpoint_id)
    if not found:
        raise NotFound(IdKind.ENDPOINT, spelling)
    return found[0]


async def _find_delivery(
    tx: ReadTx, organization_id: OrganizationId, delivery_id: DeliveryId | None, spelling: str
) -> Delivery:
    found = None if delivery_id is None else await stored.find_delivery(tx, organization_id, delivery_id)
    if found is None:
        raise NotFound(IdKind.DELIVERY, spelling)
    return found
