"""Owns the tables webhook_endpoint and webhook_delivery: who is told, what is sent, and who is sending it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from sluiceway.domain.ids import DeliveryId, EndpointId, OrganizationId
from sluiceway.domain.webhooks import Because, DeliveryStatus, EventKind
from sluiceway.storage.database import ReadTx, WriteTx, count, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class Endpoint(NamedTuple):
    """Where messages go, as it is listed."""

    id: EndpointId
    url: str
    events: list[str]
    created_at: datetime
    disabled_at: datetime | None
    disabled_because: Because | None
    failing_since: datetime | None
    """Since when every attempt has failed."""
    due_at: datetime | None
    """When the next attempt is made; None: nothing waits."""
    old_secret_until: datetime | None
    """Until when the secret before this one signs too."""


class Hearer(NamedTuple):
    """An enabled endpoint and the filters that say what it hears."""

    id: EndpointId
    events: list[str]


class ClaimedEndpoint(NamedTuple):
    """An endpoint that is leased to us: `fence` proves it."""

    id: EndpointId
    url: str
    secret: str
    previous_secret: str | None
    """Sealed, as the secret is."""
    fence: int
    failing_since: datetime | None
    is_enabled: bool


class Sealed(NamedTuple):
    """An endpoint's secrets, each sealed for its column."""

    secret: str
    previous_secret: str


class NewDelivery(NamedTuple):
    """A message to an endpoint."""

    id: DeliveryId
    endpoint_id: EndpointId
    event_id: str
    kind: EventKind
    body: str


class NextDelivery(NamedTuple):
    """The message that an endpoint gets next. `attempts` are those that were made."""

    id: DeliveryId
    event_id: str
    body: str
    attempts: int


class Delivery(NamedTuple):
    """A message as the log shows it. `error` is of the last attempt; None: it went well, or there was none."""

    id: DeliveryId
    endpoint_id: EndpointId
    event_id: str
    kind: str
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    attempted_at: datetime | None
    error: str | None
    body: str


class ToTell(NamedTuple):
    """How to read what a message says of a subject: the query, and the names of its columns after the id."""

    query: LiteralString
    names: tuple[str, ...]


_OF_TRANSFERS: Final = (
    "status", "amount_in_cents", "currency", "direction", "mode", "source_account_id", "destination_account_id",
    "execution_id", "rule_id", "error_code", "return_code",
)  # fmt: skip
_OF_EXECUTIONS: Final = (
    "status", "mode", "rule_id", "revision", "trigger_type", "conditions_not_met", "completed_transfers",
    "failed_transfers", "pending_transfers",
)  # fmt: skip
_TO_TELL: Final = {
    "transfer": ToTell(QUERIES["transfers_to_tell"], _OF_TRANSFERS),
    "execution": ToTell(QUERIES["executions_to_tell"], _OF_EXECUTIONS),
    "rule": ToTell(QUERIES["rules_to_tell"], ("revision", "is_enabled")),
    "account": ToTell(QUERIES["accounts_to_tell"], ("kind", "currency")),
    "endpoint": ToTell(QUERIES["endpoints_to_tell"], ("disabled_because",)),
}


async def facts_of(
    tx: ReadTx, organization_id: OrganizationId, subject: str, ids: Collection[str]
) -> dict[str, Mapping[str, object]]:
    """Read what messages say of subjects of one sort; an organization has nothing but its id."""
    if subject not in _TO_TELL or not ids:
        return {}
    query, names = _TO_TELL[subject]
    rows = await fetch_all(tx, query, {"organization_id": organization_id, "ids": sorted(ids)})
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


async def insert_endpoint(
    tx: WriteTx,
    organization_id: OrganizationId,
    endpoint_id: EndpointId,
    *,
    url: str,
    events: Sequence[str],
    secret: str,
    at: datetime,
) -> None:
    """Add an endpoint."""
    row = {"id": endpoint_id, "url": url, "events": list(events), "secret": secret, "at": at}
    await execute(tx, QUERIES["insert_endpoint"], {"organization_id": organization_id, **row})


async def list_endpoints(
    tx: ReadTx, organization_id: OrganizationId, now: datetime, endpoint_id: EndpointId | None = None
) -> list[Endpoint]:
    """List endpoints, oldest first, or find one."""
    row = {"organization_id": organization_id, "id": endpoint_id, "now": now}
    rows = await fetch_all(tx, QUERIES["list_endpoints"], row)
    return [Endpoint(*row)._replace(disabled_because=None if row[5] is None else Because(row[5])) for row in rows]


async def lock_endpoints(
    tx: WriteTx, organization_id: OrganizationId, endpoint_id: EndpointId | None = None
) -> list[Hearer]:
    """Lock the enabled endpoints, or one of them, to pass events on to them."""
    rows = await fetch_all(tx, QUERIES["lock_endpoints"], {"organization_id": organization_id, "id": endpoint_id})
    return [Hearer(*row) for row in rows]


async def lock_secret(tx: WriteTx, organization_id: OrganizationId, endpoint_id: EndpointId) -> str:
    """Read the sealed secret of an endpoint that exists, and let nobody change it meanwhile."""
    [(sealed,)] = await fetch_all(tx, QUERIES["lock_secret"], {"organization_id": organization_id, "id": endpoint_id})
    return str(sealed)


async def rotate_secret(
    tx: WriteTx, organization_id: OrganizationId, endpoint_id: EndpointId, secrets: Sealed, until: datetime
) -> int:
    """Give an endpoint a new secret; the old one signs too until then. Returns how many there were (0 or 1)."""
    row = {"organization_id": organization_id, "id": endpoint_id, "until": until, **secrets._asdict()}
    return await count(tx, QUERIES["rotate_secret"], row)


async def disable_endpoint(
    tx: WriteTx, organization_id: OrganizationId, endpoint_id: EndpointId, because: Because, at: datetime
) -> int:
    """Disable an endpoint that is enabled; return how many there were (0 or 1)."""
    row = {"organization_id": organization_id, "id": endpoint_id, "because": because.value, "at": at}
    return await count(tx, QUERIES["disable_endpoint"], row)


async def enable_endpoint(tx: WriteTx, organization_id: OrganizationId, endpoint_id: EndpointId, at: datetime) -> int:
    """Enable an endpoint that is disabled; return how many there were (0 or 1)."""
    return await count(
        tx, QUERIES["enable_endpoint"], {"organization_id": organization_id, "id": endpoint_id, "at": at}
    )


async def insert_deliveries(
    tx: WriteTx, organization_id: OrganizationId, deliveries: Sequence[NewDelivery], at: datetime, *, is_again: bool
) -> None:
    """Let messages wait for their endpoints; `is_again`: those that were sent before, too."""
    if not deliveries:
        return
    columns = [list(column) for column in zip(*deliveries, strict=True)]
    names = ("ids", "endpoint_ids", "event_ids", "kinds", "bodies")
    row = dict(zip(names, columns, strict=True))
    await execute(
        tx,
        QUERIES["insert_deliveries"],
        {"organization_id": organization_id, "at": at, "is_again": is_again, **row},
    )
    await hurry_endpoints(tx, organization_id, {each.endpoint_id for each in deliveries}, at, is_again=is_again)


async def hurry_endpoints(
    tx: WriteTx, organization_id: OrganizationId, endpoint_ids: Collection[EndpointId], at: datetime, *, is_again: bool
) -> None:
    """Say that something waits for endpoints; `is_again`: also for those that wait for their next try."""
    row = {"organization_id": organization_id, "ids": sorted(endpoint_ids), "at": at, "is_again": is_again}
    await execute(tx, QUERIES["hurry_endpoints"], row)


async def waiting_organizations(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations with events to pass on or messages to send, by the real time."""
    with_events = await fetch_all(tx, QUERIES["organizations_with_events"])
    with_messages = await fetch_all(tx, QUERIES["organizations_with_messages"], {"now": now})
    return sorted({row[0] for row in (*with_events, *with_messages)})


async def claim_endpoints(
    tx: WriteTx, organization_id: OrganizationId, *, now: datetime, leased_until: datetime
) -> list[ClaimedEndpoint]:
    """Lease the endpoints for which something is due."""
    row = {"organization_id": organization_id, "now": now, "leased_until": leased_until}
    return [ClaimedEndpoint(*row) for row in await fetch_all(tx, QUERIES["claim_endpoints"], row)]


async def hold_endpoint(
    tx: WriteTx, organization_id: OrganizationId, claimed: ClaimedEndpoint, now: datetime
) -> ClaimedEndpoint | None:
    """Lock an endpoint and read it anew; None: the lease is not ours any more."""
    row = {"organization_id": organization_id, "id": claimed.id, "fence": claimed.fence, "now": now}
    found = await fetch_one(tx, QUERIES["hold_endpoint"], row)
    return None if found is None else ClaimedEndpoint(*found)


async def next_delivery(tx: ReadTx, organization_id: OrganizationId, endpoint_id: EndpointId) -> NextDelivery | None:
    """Find what an endpoint gets next."""
    row = {"organization_id": organization_id, "endpoint_id": endpoint_id}
    found = await fetch_one(tx, QUERIES["next_delivery"], row)
    return None if found is None else NextDelivery(*found)


async def end_attempt(
    tx: WriteTx,
    organization_id: OrganizationId,
    delivery_id: DeliveryId,
    *,
    status: DeliveryStatus,
    attempts: int,
    error: str | None,
    at: datetime,
) -> None:
    """Record an attempt; `attempts` counts it."""
    row = {"id": delivery_id, "status": status.value, "attempts": attempts, "error": error, "at": at}
    await execute(tx, QUERIES["end_attempt"], {"organization_id": organization_id, **row})


async def keep_endpoint(
    tx: WriteTx,
    organization_id: OrganizationId,
    endpoint_id: EndpointId,
    *,
    due_at: datetime | None,
    leased_until: datetime | None,
    failing_since: datetime | None,
) -> None:
    """Say when an endpoint is due next, and for how long it is still ours."""
    row = {"id": endpoint_id, "due_at": due_at, "leased_until": leased_until, "failing_since": failing_since}
    await execute(tx, QUERIES["keep_endpoint"], {"organization_id": organization_id, **row})


async def list_deliveries(
    tx: ReadTx,
    organization_id: OrganizationId,
    *,
    endpoint_id: EndpointId | None = None,
    before_id: DeliveryId | None = None,
    is_failing: bool = False,
    limit: int,
) -> list[Delivery]:
    """List the log, newest first; `is_failing`: those whose last attempt failed."""
    rows = await fetch_all(
        tx,
        QUERIES["list_deliveries"],
        {
            "organization_id": organization_id,
            "endpoint_id": endpoint_id,
            "before_id": before_id,
            "is_failing": is_failing,
            "limit": limit,
        },
    )
    return [Delivery(*row)._replace(status=DeliveryStatus(row[4])) for row in rows]


async def find_delivery(tx: ReadTx, organization_id: OrganizationId, delivery_id: DeliveryId) -> Delivery | None:
    """Find one message of the log."""
    row = await fetch_one(tx, QUERIES["find_delivery"], {"organization_id": organization_id, "id": delivery_id})
    return None if row is None else Delivery(*row)._replace(status=DeliveryStatus(row[4]))


async def send_again(tx: WriteTx, organization_id: OrganizationId, delivery_id: DeliveryId) -> None:
    """Let a message wait again, from its first attempt on."""
    await execute(tx, QUERIES["send_again"], {"organization_id": organization_id, "id": delivery_id})
