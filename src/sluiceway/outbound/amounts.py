"""Asks a person's own server for an amount, and believes only an answer that says exactly one (remote-amounts.md)."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec
from standardwebhooks import Webhook

from sluiceway.domain.ids import AccountId, ExecutionId, RuleId
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.transfers import Mode
from sluiceway.outbound.client import NO_TRACE, USUAL, Limits, Outbound, OutboundFailed, Response
from sluiceway.outbound.guard import OutboundRefused

AMOUNT_KEY: Final = "amountInCents"

# Text that a Standard Webhooks library takes as it is: base64, perhaps behind its prefix.
_SECRET = re.compile(r"(?:whsec_)?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==))")
_KEY_BYTES: Final = range(24, 65)
_MOST_BRACKETS: Final = 100
_PASSING: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of whom, and the context that the other server is told. Indices begin at 0, amounts are cents."""

    url: str
    secret: str
    """The rule's shared secret: base64 of 24 to 64 bytes, such as 44 random base62 characters; `whsec_` may precede."""
    execution_id: ExecutionId
    rule_id: RuleId
    step: int
    action: int
    mode: Mode
    transfer_amount: Cents | None
    source_account_id: AccountId
    destination_account_id: AccountId

    @property
    def message_id(self) -> str:
        """The same whenever the same action of the same execution is asked for."""
        return f"{self.execution_id}_{self.step}_{self.action}"


class Answered(NamedTuple):
    """The server gave an amount, from 0 to MAX_CENTS."""

    amount: Cents


class Unusable(NamedTuple):
    """There is no amount and asking again would not help. The reason is a sentence for people."""

    reason: str


class TryAgain(NamedTuple):
    """There is no amount now; later there may be. The reason is a sentence for people."""

    reason: str


AskedAmount = Answered | Unusable | TryAgain


async def ask_amount(
    outbound: Outbound,
    question: Question,
    now: datetime,
    *,
    limits: Limits = USUAL,
    trace: Mapping[str, str] = NO_TRACE,
) -> AskedAmount:
    """Ask once. No reason ever holds what the server said, or an address that we found on the way.

    `now` is the real time, not an organization's: the other server compares it with its own clock. `trace` are the
    headers by which it can go on with our trace.
    """
    body = _body(question)
    own = {"Content-Type": "application/json", "Accept": "application/json"}
    headers = {**trace, **own, **_signed(question, body, now)}
    try:
        response = await outbound.post(question.url, body, headers, limits=limits)
    except OutboundRefused as refused:
        return Unusable(f"The remote service was not asked: {refused.reason}.")
    except OutboundFailed as failed:
        return TryAgain(f"The remote service gave no answer: {failed.reason}.")
    return read_answer(response)


def read_answer(response: Response) -> AskedAmount:
    """Read an answer: status 200 and a JSON object with one whole number of cents; nothing else is an amount."""
    status = response.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return TryAgain(f"The remote service answered with status {status}.")
    if status != HTTPStatus.OK:
        return Unusable(f"The remote service answered with status {status} instead of 200.")
    if response.body is None:
        return Unusable("The remote service's answer was too long, or compressed.")
    try:
        answer = _read_object(response.body)
    except ValueError:
        return Unusable("The remote service's answer was not a JSON object.")
    amount = answer.get(AMOUNT_KEY)
    # Not isinstance: True is an int, too.
    if type(amount) is not int:
        return Unusable(f"The remote service's answer had no whole number {AMOUNT_KEY}.")
    if not 0 <= amount <= MAX_CENTS:
        return Unusable(f"The remote service's {AMOUNT_KEY} was below zero or above {MAX_CENTS}.")
    return Answered(Cents(amount))


def _body(question: Question) -> bytes:
    return msgspec.json.encode(
        {
            "execution_id": question.execution_id,
            "rule_id": question.rule_id,
            "step": question.step,
            "action": question.action,
            "mode": question.mode,
            "transfer_amount_in_cents": question.transfer_amount,
            "source_account_id": question.source_account_id,
            "destination_account_id": question.destination_account_id,
        }
    )


def _signed(question: Question, body: bytes, now: datetime) -> Mapping[str, str]:
    """Make the headers by which the other server knows that we ask: Standard Webhooks, and the shared secret itself."""
    # The library writes the wall clock's digits as if they were UTC, so it must be handed UTC.
    instant = now.astimezone(UTC)
    signature = Webhook(_key(question.secret)).sign(question.message_id, instant, body.decode())
    return {
        "webhook-id": question.message_id,
        "webhook-timestamp": str(int(instant.timestamp())),
        "webhook-signature": signature,
        "x-sequence-signature": f"Bearer {question.secret}",
    }


def _key(secret: str) -> bytes:
    match = _SECRET.fullmatch(secret)
    key = b"" if match is None else base64.b64decode(match[1])
    assert len(key) in _KEY_BYTES, "a shared secret is base64 of 24 to 64 bytes"
    return key


def _read_object(body: bytes) -> Mapping[str, object]:
    """Read a JSON object strictly. Raises ValueError."""
    # Bytes would be read as UTF-16 or UTF-32, too.
    text = body.decode("utf-8")
    # So many objects cannot nest deeper than Python's reader goes.
    if body.count(b"{") + body.count(b"[") > _MOST_BRACKETS:
        raise ValueError("too many objects and lists")
    read: object = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_refuse)
    if not isinstance(read, _Object):
        raise ValueError("not an object")  # noqa: TRY004 -- one kind of error for all that is wrong with it
    return read


class _Object(dict[str, object]):
    """A JSON object whose keys were all different."""


def _no_duplicates(pairs: list[tuple[str, object]]) -> _Object:
    read = _Object(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key is there twice")
    return read


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")
