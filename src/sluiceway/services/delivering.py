"""Tells endpoints what has happened: events become messages, messages go out in order, each until it is taken.

By the real time, whatever an organization's clock says. What is sent is signed, and no transaction is open meanwhile.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from sluiceway.domain.ids import DeliveryId, ExecutionId, OrganizationId
from sluiceway.domain.transfers import Mode
from sluiceway.domain.webhooks import (
    Because,
    DeliveryStatus,
    EventKind,
    NotDelivered,
    Outcome,
    Verdict,
    decide,
    hears,
)
from sluiceway.outbound import MESSAGE_LIMITS, Message, Outbound, send_message
from sluiceway.services.engine import Engine
from sluiceway.services.tracing import NO_SPAN, Place, Span, current, outgoing
from sluiceway.storage import outbox
from sluiceway.storage import webhooks as stored
from sluiceway.storage.database import WriteTx
from sluiceway.storage.keyring import ENDPOINT_SECRET, PREVIOUS_ENDPOINT_SECRET
from sluiceway.storage.organizations import find_organizations
from sluiceway.storage.outbox import OutboxEvent
from sluiceway.storage.webhooks import ClaimedEndpoint, Hearer, NewDelivery, NextDelivery

BATCH: Final = 500
LOOK_S: Final = 0.25
"""How often to look for something new while some endpoint takes its time."""
LONGEST_CALL: Final = 2 / 3
"""How much of a lease one call may take."""

# Of kinds whose first word is not what they are about.
_SUBJECTS: Final = {"approval": "transfer", "automation": "rule", "balance": "account"}


class _About(msgspec.Struct):
    id: str


class _Told(msgspec.Struct):
    """What a message says that it is about."""

    type: str
    data: _About


class _Turn(NamedTuple):
    """An endpoint that is ours for now, and what it gets next."""

    endpoint: ClaimedEndpoint
    delivery: NextDelivery


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with events to pass on or messages to send."""
    now = engine.now()
    if engine.outbound is None:
        return []
    async with engine.database.read() as tx:
        return await stored.waiting_organizations(tx, now)


async def tell(engine: Engine, organization_id: OrganizationId) -> int:
    """Pass on what has happened and send what is due, until nothing is left; return how much that was.

    Endpoints are served side by side, so that one that is slow or dead keeps no other one waiting.
    """
    outbound = engine.outbound
    assert outbound is not None, "only processes that may call out run this"
    serving: set[asyncio.Task[int]] = set()
    count = 0
    try:
        while True:
            passed_on = await pass_on(engine, organization_id)
            turns = await _claim(engine, organization_id)
            serving |= {asyncio.create_task(_serve(engine, outbound, organization_id, turn)) for turn in turns}
            count += passed_on
            if passed_on < BATCH and not serving:
                return count
            if serving:
                patience_s = 0 if passed_on == BATCH else LOOK_S
                ended, serving = await asyncio.wait(serving, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                count += sum(task.result() for task in ended)
    finally:
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def pass_on(engine: Engine, organization_id: OrganizationId) -> int:
    """Make messages of events that have happened, for the endpoints that want to hear; return how many events."""

    async def work(tx: WriteTx) -> int:
        hearers = await stored.lock_endpoints(tx, organization_id)
        events = await outbox.pending_events(tx, organization_id, BATCH)
        if events:
            messages = await messages_of(engine, tx, organization_id, events, hearers)
            await stored.insert_deliveries(tx, organization_id, messages, engine.now(), is_again=False)
            await outbox.end_pending(tx, organization_id, [event.id for event in events])
            if engine.tracing.is_on:
                current().link(*(_execution_of(engine, event.kind, event.subject_id) for event in events))
        return len(events)

    with engine.tracing.span("pass on events", is_apart=True, organization_id=organization_id) as span:
        count = await engine.database.write(work)
        span.note(batch_items=count)
        return count


async def messages_of(
    engine: Engine,
    tx: WriteTx,
    organization_id: OrganizationId,
    events: Sequence[OutboxEvent],
    hearers: Sequence[Hearer],
) -> list[NewDelivery]:
    """Write the messages that these endpoints get of events: the subjects as they are now. Simulations are not told."""
    heard = [event for event in events if any(hears(hearer.events, event.kind) for hearer in hearers)]
    facts = await _facts(tx, organization_id, heard)
    bodies = {
        event.id: _body(event, about)
        for event in heard
        if (about := facts.get(event.subject_id, {})).get("mode") != Mode.SIMULATION
    }
    return [
        NewDelivery(DeliveryId(engine.new_id()), hearer.id, event.id, event.kind, bodies[event.id])
        for event in heard
        if event.id in bodies
        for hearer in hearers
        if hears(hearer.events, event.kind)
    ]


async def _facts(
    tx: WriteTx, organization_id: OrganizationId, events: Sequence[OutboxEvent]
) -> dict[str, Mapping[str, object]]:
    subjects: dict[str, set[str]] = defaultdict(set)
    for event in events:
        subjects[_subject_of(event.kind)].add(event.subject_id)
    found: dict[str, Mapping[str, object]] = {}
    for subject, ids in sorted(subjects.items()):
        found |= await stored.facts_of(tx, organization_id, subject, ids)
    return found


def _subject_of(kind: EventKind) -> str:
    noun = kind.partition(".")[0]
    return _SUBJECTS.get(noun, noun)


def _body(event: OutboxEvent, about: Mapping[str, object]) -> str:
    message = {
        "type": event.kind,
        "timestamp": event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "data": {"id": event.subject_id, "organization_id": event.organization_id, **about},
    }
    return msgspec.json.encode(message).decode()


async def _claim(engine: Engine, organization_id: OrganizationId) -> list[_Turn]:
    async def work(tx: WriteTx) -> list[_Turn]:
        now = engine.now()
        claimed = await stored.claim_endpoints(tx, organization_id, now=now, leased_until=now + engine.lease)
        turns = [await _next_turn(engine, tx, organization_id, each, each.failing_since, now) for each in claimed]
        return [turn for turn in turns if turn is not None]

    return await engine.database.write(work)


async def _next_turn(
    engine: Engine,
    tx: WriteTx,
    organization_id: OrganizationId,
    endpoint: ClaimedEndpoint,
    failing_since: datetime | None,
    now: datetime,
) -> _Turn | None:
    """Go on with what an endpoint gets next, under a lease that begins now; or let go of it."""
    delivery = await stored.next_delivery(tx, organization_id, endpoint.id) if endpoint.is_enabled else None
    await stored.keep_endpoint(
        tx,
        organization_id,
        endpoint.id,
        # One that is disabled keeps what waits for it.
        due_at=now if delivery is not None or not endpoint.is_enabled else None,
        leased_until=None if delivery is None else now + engine.lease,
        failing_since=failing_since,
    )
    return None if delivery is None else _Turn(endpoint, delivery)


async def _serve(engine: Engine, outbound: Outbound, organization_id: OrganizationId, turn: _Turn) -> int:
    """Send to one endpoint, one message after the other, until nothing is left or it has to wait; count attempts."""
    limits = replace(MESSAGE_LIMITS, total_s=min(MESSAGE_LIMITS.total_s, engine.lease.total_seconds() * LONGEST_CALL))
    count = 0
    following: _Turn | None = turn
    while following is not None:
        endpoint, delivery = following
        message = Message(endpoint.url, _open(engine, organization_id, endpoint), delivery.event_id, delivery.body)
        with _traced(engine, organization_id, following) as span:
            outcome = await send_message(outbound, message, engine.now(), limits=limits, trace=outgoing())
            if isinstance(outcome, NotDelivered):
                span.fail(type(outcome).__name__)
            following = await _write(engine, organization_id, following, outcome)
        count += 1
    return count


def _traced(engine: Engine, organization_id: OrganizationId, turn: _Turn) -> Span:
    """Make the span of an attempt, pointing at the execution that the message is about, if it is about one."""
    tracing, delivery = engine.tracing, turn.delivery
    if not tracing.is_on:
        return NO_SPAN
    told = msgspec.json.decode(delivery.body, type=_Told)
    return tracing.span(
        "tell a webhook",
        kind="client",
        is_apart=True,
        links=[_execution_of(engine, told.type, told.data.id)],
        organization_id=organization_id,
        endpoint_id=turn.endpoint.id,
        event_id=delivery.event_id,
        event_kind=told.type,
        attempt=delivery.attempts + 1,
    )


def _execution_of(engine: Engine, kind: str, subject_id: str) -> Place | None:
    return engine.tracing.execution(ExecutionId(subject_id)) if kind.startswith("execution.") else None


def _open(engine: Engine, organization_id: OrganizationId, endpoint: ClaimedEndpoint) -> tuple[str, ...]:
    """Open what signs for an endpoint, the newest first. Raises SecretsLocked."""
    sealed = ((ENDPOINT_SECRET, endpoint.secret), (PREVIOUS_ENDPOINT_SECRET, endpoint.previous_secret))
    return tuple(
        engine.keyring.open(column, organization_id, endpoint.id, each) for column, each in sealed if each is not None
    )


async def _write(engine: Engine, organization_id: OrganizationId, turn: _Turn, outcome: Outcome) -> _Turn | None:
    """Write how an attempt went, unless somebody else has the endpoint by now; give what it gets next."""
    delivery = turn.delivery

    async def work(tx: WriteTx) -> _Turn | None:
        now = engine.now()
        endpoint = await stored.hold_endpoint(tx, organization_id, turn.endpoint, now)
        if endpoint is None:
            return None
        attempts = delivery.attempts + 1
        verdict = decide(
            outcome, attempts=attempts, failing_since=endpoint.failing_since, now=now, jitter=engine.jitter()
        )
        error = outcome.reason if isinstance(outcome, NotDelivered) else None
        await stored.end_attempt(
            tx, organization_id, delivery.id, status=verdict.status, attempts=attempts, error=error, at=now
        )
        if verdict.status is not DeliveryStatus.PENDING:
            return await _next_turn(engine, tx, organization_id, endpoint, verdict.failing_since, now)
        await _wait(engine, tx, organization_id, endpoint, verdict, now)
        return None

    return await engine.database.write(work)


async def _wait(
    engine: Engine,
    tx: WriteTx,
    organization_id: OrganizationId,
    endpoint: ClaimedEndpoint,
    verdict: Verdict,
    now: datetime,
) -> None:
    """Let an endpoint wait for its next try, or disable it and say so."""
    await stored.keep_endpoint(
        tx,
        organization_id,
        endpoint.id,
        due_at=verdict.retry_at or now,
        leased_until=None,
        failing_since=verdict.failing_since,
    )
    if verdict.disabled is not None:
        await disable(engine, tx, organization_id, endpoint, verdict.disabled, now)


async def disable(
    engine: Engine,
    tx: WriteTx,
    organization_id: OrganizationId,
    endpoint: ClaimedEndpoint,
    because: Because,
    now: datetime,
) -> None:
    """Disable an endpoint that is enabled, and tell the others."""
    if await stored.disable_endpoint(tx, organization_id, endpoint.id, because, now):
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        at = organization.clock.read(now)
        event = OutboxEvent(organization_id, engine.new_id(), EventKind.ENDPOINT_DISABLED, endpoint.id, at)
        await outbox.insert_events(tx, [event])
