"""Sends one message to somebody's endpoint by Standard Webhooks, signed with every secret that is in force."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NamedTuple

from standardwebhooks import Webhook

from sluiceway.domain.webhooks import Delivered, NotDelivered, Outcome
from sluiceway.outbound.client import NO_TRACE, Limits, Outbound, OutboundFailed, Response
from sluiceway.outbound.guard import OutboundRefused

USUAL: Final = Limits(connect_s=3, total_s=20, body_bytes=64 * 1024)

_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_MOST_DIGITS: Final = 9


class Message(NamedTuple):
    """What is sent, and to whom: `id` is the same in every attempt, `secrets` are the new one and perhaps the old."""

    url: str
    secrets: tuple[str, ...]
    id: str
    body: str


async def send_message(
    outbound: Outbound,
    message: Message,
    now: datetime,
    *,
    limits: Limits = USUAL,
    trace: Mapping[str, str] = NO_TRACE,
) -> Outcome:
    """Send a message once. `now` is the real time: endpoints compare it with their own clocks.

    `trace` are the headers by which the endpoint can go on with our trace.
    """
    headers = {**trace, "Content-Type": "application/json", **_signed(message, now)}
    try:
        response = await outbound.post(message.url, message.body.encode(), headers, limits=limits)
    except OutboundRefused as refused:
        return NotDelivered(f"The endpoint was not called: {refused.reason}.")
    except OutboundFailed as failed:
        return NotDelivered(f"The endpoint gave no answer: {failed.reason}.")
    return read_outcome(response, now)


def read_outcome(response: Response, now: datetime) -> Outcome:
    """Read an answer: any 2xx is a delivery, whatever stands in it; nothing is followed."""
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivered()
    retry_after = _read_wait(response.headers.get("retry-after", ""), now) if status in _BUSY else None
    return NotDelivered(f"The endpoint answered with status {status}.", retry_after, is_gone=status == HTTPStatus.GONE)


def _signed(message: Message, now: datetime) -> Mapping[str, str]:
    # The library writes the wall clock's digits as if they were UTC, so it must be handed UTC.
    instant = now.astimezone(UTC)
    signatures = [Webhook(secret).sign(message.id, instant, message.body) for secret in message.secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(instant.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _read_wait(text: str, now: datetime) -> timedelta | None:
    """Read `Retry-After`: seconds or a date; None for anything else."""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text[:_MOST_DIGITS]))
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
