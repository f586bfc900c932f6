"""Webhooks, as a page shows and changes them: endpoints, and the log of what was sent to each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sluiceway.api.http import Choice, Named, read_instant
from sluiceway.domain.ids import DeliveryId, EndpointId, IdKind, format_id
from sluiceway.domain.rules import refuse
from sluiceway.domain.webhooks import MOST_FILTERS, Because, DeliveryStatus, EventKind
from sluiceway.storage.webhooks import Delivery, Endpoint
from sluiceway.web.wire.shapes import Moment, Page, encode, show, show_moment, show_moment_or_none

EndpointState = Literal["ENABLED", "FAILING", "DISABLED"]
Status = Literal["PENDING", "DELIVERED", "FAILED"]

ENDPOINT: Final = Named("endpointId", IdKind.ENDPOINT, "Only what was sent to this one.")
FAILING: Final = Choice("only", {"FAILING": True}, "Only those whose last attempt failed.")

_WHY: Final = {
    Because.BY_HAND: "Somebody disabled it.",
    Because.GONE: "It answered that it is gone (410).",
    Because.SILENT: "No message reached it for five days.",
}


class EndpointShown(Struct, rename="camel"):
    """Where messages go. `reason`: why it is disabled. `can`: what whoever asks may do with it."""

    id: str
    url: str
    events: list[str]
    state: EndpointState
    reason: str | None
    created_at: Moment
    failing_since: Moment | None
    due_at: Moment | None
    old_secret_until: Moment | None
    can: list[Literal["enable", "disable", "rotate", "replay"]]


class Endpoints(Struct, rename="camel"):
    """All endpoints, and the events that there are to hear of."""

    endpoints: list[EndpointShown]
    event_kinds: list[str]


class NewEndpoint(Struct, forbid_unknown_fields=True):
    """Where messages shall go, and of what: names, `transfer.*` and the like, or `*`."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    events: Annotated[list[str], Meta(min_length=1, max_length=MOST_FILTERS)]


class WithSecret(Struct):
    """An endpoint with its secret, which is shown this once."""

    endpoint: EndpointShown
    secret: str


class Span(Struct, rename="camel", forbid_unknown_fields=True):
    """From when on and before when, by the real time."""

    from_at: Moment
    to_at: Moment


class Replayed(Struct):
    """How many messages are sent again."""

    messages: int


class DeliveryShown(Struct, rename="camel"):
    """A message, and how it went. `body`: what is sent. `error`: of the last attempt."""

    id: str
    endpoint_id: str
    url: str
    event_id: str
    kind: str
    status: Status
    attempts: int
    created_at: Moment
    attempted_at: Moment | None
    error: str | None
    body: str
    can: list[Literal["resend"]]


def read_endpoint_id(found: str | None) -> EndpointId | None:
    """Take an endpoint's id."""
    return None if found is None else EndpointId(found)


def read_delivery_id(found: str | None) -> DeliveryId | None:
    """Take a delivery's id."""
    return None if found is None else DeliveryId(found)


def read_span(wanted: Span) -> tuple[datetime, datetime]:
    """Read from when to when. Raises InvalidParameters."""
    from_at, to_at = read_instant(wanted.from_at, "fromAt"), read_instant(wanted.to_at, "toAt")
    if to_at <= from_at:
        refuse("toAt", "must be after fromAt")
    return from_at, to_at


def show_endpoints(endpoints: Sequence[Endpoint], *, may_change: bool) -> bytes:
    """Show all endpoints."""
    return show(Endpoints([_endpoint(each, may_change=may_change) for each in endpoints], list(EventKind)))


def show_endpoint(endpoint: Endpoint) -> bytes:
    """Show an endpoint to whoever may change it."""
    return show(_endpoint(endpoint, may_change=True))


def show_with_secret(endpoint: Endpoint, secret: str) -> bytes:
    """Show an endpoint with its secret."""
    return show(WithSecret(_endpoint(endpoint, may_change=True), secret))


def _endpoint(endpoint: Endpoint, *, may_change: bool) -> EndpointShown:
    is_enabled = endpoint.disabled_at is None
    state: EndpointState = "DISABLED"
    if is_enabled:
        state = "ENABLED" if endpoint.failing_since is None else "FAILING"
    can = EndpointShown(
        id=format_id(IdKind.ENDPOINT, endpoint.id),
        url=endpoint.url,
        events=endpoint.events,
        state=state,
        reason=None if endpoint.disabled_because is None else _WHY[endpoint.disabled_because],
        created_at=show_moment(endpoint.created_at),
        failing_since=show_moment_or_none(endpoint.failing_since),
        due_at=show_moment_or_none(endpoint.due_at),
        old_secret_until=show_moment_or_none(endpoint.old_secret_until),
        can=[],
    )
    if may_change:
        can.can = ["disable", "rotate", "replay"] if is_enabled else ["enable", "rotate"]
    return can


def show_replayed(messages: int) -> bytes:
    """Show how many messages are sent again."""
    return show(Replayed(messages))


def show_deliveries(
    deliveries: Sequence[Delivery], urls: dict[EndpointId, str], next_cursor: str | None, *, may_resend: bool
) -> bytes:
    """Show a part of the log."""
    return encode(Page([_delivery(each, urls, may_resend=may_resend) for each in deliveries], next_cursor))


def show_delivery(delivery: Delivery, urls: dict[EndpointId, str]) -> bytes:
    """Show a message to whoever may send it again."""
    return show(_delivery(delivery, urls, may_resend=True))


def _delivery(delivery: Delivery, urls: dict[EndpointId, str], *, may_resend: bool) -> DeliveryShown:
    return DeliveryShown(
        id=format_id(IdKind.DELIVERY, delivery.id),
        endpoint_id=format_id(IdKind.ENDPOINT, delivery.endpoint_id),
        url=urls.get(delivery.endpoint_id, ""),
        event_id=delivery.event_id,
        kind=delivery.kind,
        status=_status(delivery.status),
        attempts=delivery.attempts,
        created_at=show_moment(delivery.created_at),
        attempted_at=show_moment_or_none(delivery.attempted_at),
        error=delivery.error,
        body=msgspec.json.format(delivery.body),
        can=["resend"] if may_resend else [],
    )


def _status(status: DeliveryStatus) -> Status:
    return status.value
