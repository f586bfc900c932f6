"""Webhooks, received: a message that Sluiceway signed, checked and read into an event."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct
from standardwebhooks import Webhook, WebhookVerificationError

from sluiceway.client.errors import NotUnderstood, NotVerified


class EventData(Struct, kw_only=True, frozen=True):
    """What an event is about; all there is of events that this client does not know."""

    id: str
    organization_id: str


class TransferData(EventData, kw_only=True, frozen=True):
    """A transfer: of `transfer.created`, `.updated`, `.returned`, `.stranded` and `approval.requested`."""

    status: str
    amount_in_cents: int
    currency: str
    direction: str
    mode: str
    source_account_id: str | None = None
    destination_account_id: str | None = None
    execution_id: str | None = None
    rule_id: str | None = None
    error_code: str | None = None
    return_code: str | None = None


class ExecutionData(EventData, kw_only=True, frozen=True):
    """A run of a rule that has ended: of `execution.finished` and `execution.failed`."""

    status: str
    mode: str
    rule_id: str
    revision: int
    trigger_type: str
    conditions_not_met: bool
    completed_transfers: int
    failed_transfers: int
    pending_transfers: int


class RuleData(EventData, kw_only=True, frozen=True):
    """A rule: of `rule.enabled`, `rule.disabled` and `automation.stopped`."""

    revision: int
    is_enabled: bool


class AccountData(EventData, kw_only=True, frozen=True):
    """An account: of `balance.unavailable`, `account.overdrawn` and `account.reopened`."""

    kind: str
    currency: str


class EndpointData(EventData, kw_only=True, frozen=True):
    """Another endpoint: of `endpoint.disabled`."""

    disabled_because: str | None = None


AnyData = TransferData | ExecutionData | RuleData | AccountData | EndpointData | EventData

_DATA: Final[Mapping[str, type[EventData]]] = {
    "transfer.created": TransferData,
    "transfer.updated": TransferData,
    "transfer.returned": TransferData,
    "transfer.stranded": TransferData,
    "approval.requested": TransferData,
    "execution.finished": ExecutionData,
    "execution.failed": ExecutionData,
    "rule.enabled": RuleData,
    "rule.disabled": RuleData,
    "automation.stopped": RuleData,
    "balance.unavailable": AccountData,
    "account.overdrawn": AccountData,
    "account.reopened": AccountData,
    "organization.paused": EventData,
    "organization.resumed": EventData,
    "endpoint.disabled": EndpointData,
}


class Event(Struct, frozen=True):
    """Something that happened. `id` is the same whenever the event is sent: keep those that you have handled."""

    id: str
    type: str
    timestamp: datetime
    data: AnyData


class _Message(Struct):
    type: str
    timestamp: datetime
    data: msgspec.Raw


def verify_webhook(body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str]) -> Event:
    """Check that a message was signed with the secret within five minutes, and read it.

    Several secrets are tried one after the other, for the time in which an endpoint's secret is changed. `body` is what
    came, byte for byte. Raises NotVerified; NotUnderstood if it is signed and yet not one of our messages; and
    ValueError for something that is no secret.
    """
    secrets = [secret] if isinstance(secret, str) else secret
    reasons = [_refuse(Webhook(each), body, headers) for each in secrets]
    if not reasons or None not in reasons:
        raise NotVerified(next(iter(filter(None, reasons)), "there is no secret to check it with"))
    event_id = next(value for name, value in headers.items() if name.lower() == "webhook-id")
    try:
        message = msgspec.json.decode(body, type=_Message)
        data = msgspec.json.decode(message.data, type=_DATA.get(message.type, EventData))
    except msgspec.MsgspecError as problem:
        raise NotUnderstood(f"a signed message that is not one of ours: {problem}") from problem
    return Event(event_id, message.type, message.timestamp, data)


def _refuse(webhook: Webhook, body: bytes | str, headers: Mapping[str, str]) -> str | None:
    """Say why a message is not to be trusted; None: it is."""
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError as problem:
        return str(problem)
    except ValueError:
        # The library takes the headers apart and trips over what is no signature at all.
        return "Invalid Signature Headers"
    return None
