"""Transfers as the app writes them: in lists, one by one with their way and legs, and waiting for a person."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from sluiceway.api.http import Choice, Instant, Named
from sluiceway.domain.access import Role
from sluiceway.domain.ach import moved_from
from sluiceway.domain.ids import AccountId, IdKind, RuleId, format_id, to_base32
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import visible
from sluiceway.domain.transfer_stories import (
    ORIGIN_WORDS,
    STATUS_WORDS,
    Doing,
    TransferStory,
    can_of,
    effect_of,
    every_time,
    leg_in_words,
    story_of,
    title_of,
    why_of,
)
from sluiceway.domain.transfers import Direction, Leg, LegStatus, Mode, Transfer, TransferStatus
from sluiceway.services.approvals import WaitingTransfer
from sluiceway.services.runs import Look, Origin
from sluiceway.services.transfers import TransferPage
from sluiceway.web.wire.definitions import show_definition
from sluiceway.web.wire.runs import AccountEnd, RunListed, ends_of, show_listed
from sluiceway.web.wire.shapes import (
    Cents,
    JsonObject,
    Moment,
    moved_in_words,
    show,
    show_moment,
    show_moment_or_none,
    show_page,
)

ACCOUNT: Final = Named("accountId", IdKind.ACCOUNT, "Only transfers from or to this account.")
STATUS: Final = Choice("status", {each.value: each for each in TransferStatus}, "Only transfers that stand so.")
DIRECTION: Final = Choice("direction", {each.value: each for each in Direction}, "Only transfers that go this way.")
MODE: Final = Choice(
    "mode", {mode.value: mode for mode in Mode}, "Real transfers, or simulated ones. Without it, real."
)
FROM: Final = Instant("from", "Not before this moment, which may have any offset.")
TO: Final = Instant("to", "Not after this moment, which may have any offset.", is_end=True)

StatusWord = Literal["PENDING_APPROVAL", "PROCESSING", "PENDING", "COMPLETE", "INCOMPLETE", "ERROR", "CANCELLED"]
DoingWord = Literal["approve", "refuse", "cancel"]
_ROLES: Final = {Doing.APPROVE: Role.ADMIN, Doing.REFUSE: Role.ADMIN, Doing.CANCEL: Role.WRITER}


class TransferListed(Struct, rename="camel"):
    """A transfer in a list. `originWord`: what made it; of a rule's, the rule's name."""

    id: str
    source: AccountEnd
    destination: AccountEnd
    amount_in_cents: Cents
    currency: str
    direction: Literal["MONEY_IN", "MONEY_OUT", "INTERNAL"]
    status: StatusWord
    status_word: str
    why: str | None
    origin_word: str
    is_simulation: bool
    created_at: Moment
    run_id: str | None


class StateShown(Struct, rename="camel"):
    """One state of a transfer's way."""

    status: StatusWord
    word: str
    place: Literal["done", "here", "ahead", "not_taken"]
    at: Moment | None


class LegShown(Struct, rename="camel"):
    """One payment that a bank carries. `reference`: the bank's idempotency key, by which it knows the payment.

    `moved`: from which day banks have moved it, in words.
    """

    reference: str
    purpose: Literal["PULL", "PUSH", "REVERSAL"]
    said: str
    account: AccountEnd
    amount_in_cents: Cents
    status: Literal["PROCESSING", "PENDING", "SETTLED", "RETURNED", "REFUSED", "CANCELLED"]
    attempts: int
    return_code: str | None
    expected_at: Moment | None
    settled_at: Moment | None
    moved: str | None


class Possible(Struct, rename="camel"):
    """What may be done with it now, and what that will have done."""

    do: DoingWord
    effect: str


class MadeBy(Struct, rename="camel"):
    """The run that made a transfer, and the node of its rule."""

    run_id: str
    rule_id: str
    path: str | None
    words: str | None


class LookShown(Struct, rename="camel"):
    """A rule of the account at which money arrived, whether it ran because of it, and why or why not."""

    rule_id: str
    rule_name: str
    reason: str
    said: str
    run: RunListed | None


class TransferShown(Struct, rename="camel"):
    """A transfer with its way, its legs, what made it and what it set off.

    `everyTime`: of one that was made by hand, the rule that would do it each time, in the notation of rule files.
    """

    id: str
    title: str
    said: str
    source: AccountEnd
    destination: AccountEnd
    amount_in_cents: Cents
    currency: str
    status: StatusWord
    status_word: str
    origin_word: str
    is_simulation: bool
    description: str | None
    created_at: Moment
    completed_at: Moment | None
    returned_at: Moment | None
    expires_at: Moment | None
    way: list[StateShown]
    legs: list[LegShown]
    made_by: MadeBy | None
    looks: list[LookShown]
    every_time: JsonObject | None
    can: list[Possible]


class ApprovalShown(Struct, rename="camel"):
    """A transfer that waits for a person. Who approves it signs the digest of what is shown here."""

    id: str
    title: str
    source: AccountEnd
    destination: AccountEnd
    amount_in_cents: Cents
    currency: str
    expires_at: Moment
    created_at: Moment
    digest: str
    approve_effect: str
    refuse_effect: str
    run: RunListed | None
    can: list[DoingWord]


class Approve(Struct, rename="camel"):
    """Approve exactly what was shown."""

    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


def show_transfers(page: TransferPage, titles: Mapping[RuleId, str]) -> bytes:
    """Write a page of transfers. `titles`: what rules are called that made them."""
    cursor = None if page.next_id is None else to_base32(page.next_id)
    return show_page([_listed(transfer, titles) for transfer in page.transfers], cursor)


def show_transfer(
    transfer: Transfer,
    made: Origin,
    looks: Sequence[Look],
    accounts: Mapping[AccountId, Account],
    zone: tzinfo,
    role: Role,
) -> bytes:
    """Write one transfer, its days as those of a zone."""
    return show(_shown(story_of(transfer), made, looks, accounts, zone, role))


def show_made(transfer: Transfer) -> TransferListed:
    """Write a transfer that has just been made, or called back."""
    return _listed(transfer)


def show_approvals(waiting: Sequence[tuple[WaitingTransfer, RunListed | None]], role: Role) -> bytes:
    """Write what waits for a person."""
    return show_page([_approval(one, run, role) for one, run in waiting], None)


def _listed(transfer: Transfer, titles: Mapping[RuleId, str] = MappingProxyType({})) -> TransferListed:
    source, destination = ends_of(transfer)
    origin = ORIGIN_WORDS[transfer.origin]
    return TransferListed(
        id=format_id(IdKind.TRANSFER, transfer.id),
        source=source,
        destination=destination,
        amount_in_cents=transfer.amount,
        currency=transfer.currency,
        direction=_word(transfer.direction),
        status=_word(transfer.status),
        status_word=STATUS_WORDS[transfer.status],
        why=why_of(transfer),
        origin_word=origin if transfer.rule_id is None else titles.get(transfer.rule_id, origin),
        is_simulation=transfer.mode is Mode.SIMULATION,
        created_at=show_moment(transfer.created_at),
        run_id=None if transfer.execution_id is None else format_id(IdKind.EXECUTION, transfer.execution_id),
    )


def _shown(
    story: TransferStory,
    made: Origin,
    looks: Sequence[Look],
    accounts: Mapping[AccountId, Account],
    zone: tzinfo,
    role: Role,
) -> TransferShown:
    transfer = story.transfer
    source, destination = ends_of(transfer)
    return TransferShown(
        id=format_id(IdKind.TRANSFER, transfer.id),
        title=story.title,
        said=story.said,
        source=source,
        destination=destination,
        amount_in_cents=transfer.amount,
        currency=transfer.currency,
        status=_word(transfer.status),
        status_word=STATUS_WORDS[transfer.status],
        origin_word=ORIGIN_WORDS[transfer.origin],
        is_simulation=transfer.mode is Mode.SIMULATION,
        description=None if transfer.description is None else visible(transfer.description),
        created_at=show_moment(transfer.created_at),
        completed_at=show_moment_or_none(transfer.completed_at),
        returned_at=show_moment_or_none(transfer.returned_at),
        expires_at=show_moment_or_none(transfer.approval_expires_at),
        way=[
            StateShown(_word(state.status), state.words, _word(state.place), show_moment_or_none(state.at))
            for state in story.way
        ],
        legs=[_leg(leg, accounts, zone) for leg in transfer.legs],
        made_by=_made_by(transfer, made),
        looks=[_look(look) for look in looks],
        can=[Possible(_word(doing), effect_of(doing, transfer)) for doing in _allowed(story.can, role)],
        every_time=None if (rule := every_time(transfer)) is None else show_definition(rule),
    )


def _made_by(transfer: Transfer, made: Origin) -> MadeBy | None:
    if transfer.execution_id is None or transfer.rule_id is None:
        return None
    return MadeBy(
        run_id=format_id(IdKind.EXECUTION, transfer.execution_id),
        rule_id=format_id(IdKind.RULE, transfer.rule_id),
        path=made.path,
        words=made.words,
    )


_DATED: Final = (LegStatus.PENDING, LegStatus.SETTLED)
"""Of a payment that was sent back or called off nobody asks on which day it would have settled."""


def _leg(leg: Leg, accounts: Mapping[AccountId, Account], zone: tzinfo) -> LegShown:
    account = accounts.get(leg.account_id)
    name = "a deleted account" if account is None else account.name
    since = None
    if leg.submitted_at is not None and leg.expected_at is not None and leg.status in _DATED:
        since = moved_from(leg.submitted_at, leg.expected_at)
    return LegShown(
        reference=leg.id,
        purpose=_word(leg.purpose),
        said=leg_in_words(leg, name),
        account=AccountEnd(format_id(IdKind.ACCOUNT, leg.account_id), visible(name)),
        amount_in_cents=leg.amount,
        status=_word(leg.status),
        attempts=leg.attempts,
        return_code=leg.return_code,
        expected_at=show_moment_or_none(leg.expected_at) if leg.is_open else None,
        settled_at=show_moment_or_none(leg.settled_at),
        moved=moved_in_words(since, zone),
    )


def _look(look: Look) -> LookShown:
    run = None if look.run is None else show_listed(look.run)
    return LookShown(format_id(IdKind.RULE, look.rule_id), look.title, look.glance.value, look.said, run)


def _approval(waiting: WaitingTransfer, run: RunListed | None, role: Role) -> ApprovalShown:
    transfer = waiting.transfer
    source, destination = ends_of(transfer)
    assert transfer.approval_expires_at is not None, "approvals end"
    return ApprovalShown(
        id=format_id(IdKind.TRANSFER, transfer.id),
        title=title_of(transfer),
        source=source,
        destination=destination,
        amount_in_cents=transfer.amount,
        currency=transfer.currency,
        expires_at=show_moment(transfer.approval_expires_at),
        created_at=show_moment(transfer.created_at),
        digest=waiting.digest.hex(),
        approve_effect=effect_of(Doing.APPROVE, transfer),
        refuse_effect=effect_of(Doing.REFUSE, transfer),
        run=run,
        can=[_word(doing) for doing in _allowed(can_of(transfer), role)],
    )


def _allowed(doings: Sequence[Doing], role: Role) -> list[Doing]:
    return [doing for doing in doings if role.covers(_ROLES[doing])]


def _word(value: object) -> Any:  # noqa: ANN401 -- one of the words that a structure lists
    return str(value)
