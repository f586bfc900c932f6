"""Transfers in the words of v1."""

from typing import Final, Literal, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from sluiceway.api.http import After, Call, Choice, First, Instant, Named
from sluiceway.api.v1.wire.shapes import (
    MODES,
    AtLeastOne,
    Cents,
    Envelope,
    ExecutionMode,
    Moment,
    NamedAccount,
    encode,
    show_id,
    show_moment,
    show_moment_or_none,
    show_page,
    show_type,
)
from sluiceway.domain.ids import AccountId, IdKind, TransferId, format_id, parse_id
from sluiceway.domain.rules import Fields
from sluiceway.domain.transfers import Direction, Leg, LegPurpose, Origin, Party, Transfer, TransferStatus
from sluiceway.services.idempotency import Answer
from sluiceway.services.transfers import CreateTransfer

MAX_ID: Final = 100
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
FIRST: Final = First(default=20, maximum=100)
AFTER: Final = After()
ACCOUNT: Final = Named("account_id", IdKind.ACCOUNT, "The account whose transfers are wanted.", is_required=True)
ROLE: Final = Choice(
    "account_role",
    {"source": (True, False), "destination": (False, True), "either": (True, True)},
    "Which end of the transfer the account is.",
)
DIRECTION: Final = Choice("direction", {direction.value.lower(): direction for direction in Direction})
# "paycheck" is any push from outside, as this API has always called it (as the API documents it).
ORIGINS: Final = {Origin.DIRECT_DEPOSIT: "paycheck"} | {
    origin: origin.value.lower() for origin in Origin if origin is not Origin.DIRECT_DEPOSIT
}
ORIGIN: Final = Choice(
    "origin", {word: origin for origin, word in ORIGINS.items() if origin is not Origin.UNKNOWN}, "What set it off."
)
STATUS: Final = Choice("status", {status.value.lower(): status for status in TransferStatus})
FROM: Final = Instant("from", "Not before this moment.")
TO: Final = Instant("to", "Not after this moment.", is_end=True)


class NewTransfer(Struct, forbid_unknown_fields=True):
    """What to move, and where."""

    source_account_id: str
    destination_account_id: str
    amount_in_cents: AtLeastOne


class LegShown(Struct):
    """A payment that a bank carries for a transfer."""

    id: str
    purpose: Literal["pull", "push", "reversal"]
    account: NamedAccount | None
    amount_in_cents: Cents
    status: str
    expected_at: Moment | None
    settled_at: Moment | None
    error_code: str | None
    return_code: str | None


class TransferShown(Struct):
    """A transfer. An end that is somebody unknown outside is null.

    Extensions of this server: `execution_mode`, `status_reason`, `return_code`, `returned_at`, `approval_expires_at`
    (while a person has to approve it), and where a single transfer is read, `legs`: what banks carry for it.
    """

    id: str
    amount_in_cents: Cents
    direction: Literal["money_in", "money_out", "internal"]
    origin: str
    status: str
    source: NamedAccount | None
    destination: NamedAccount | None
    rule_id: str | None
    rule_execution_id: str | None
    error_code: str | None
    created_at: Moment
    completed_at: Moment | None
    execution_mode: ExecutionMode
    status_reason: str | None
    return_code: str | None
    returned_at: Moment | None
    approval_expires_at: Moment | None
    legs: list[LegShown] | UnsetType = UNSET


class TransferFilter(NamedTuple):
    """Which transfers are wanted."""

    account_id: AccountId
    as_source: bool
    as_destination: bool
    before_id: TransferId | None
    first: int
    owner: str


def read_filter(call: Call) -> TransferFilter:
    """Read which transfers are wanted, the choices of one word aside."""
    # A malformed id names no account, and the nil id is one that no account has.
    account_id = AccountId(ACCOUNT.read(call.query) or NOBODY)
    as_source, as_destination = ROLE.read(call.query) or (True, True)
    owner = f"transfers/{account_id}"
    before_id = AFTER.read(call.query, call.owner(owner))
    return TransferFilter(
        account_id,
        as_source,
        as_destination,
        None if before_id is None else TransferId(before_id),
        FIRST.read(call.query),
        owner,
    )


def read_transfer(call: Call) -> CreateTransfer:
    """Read the request for a transfer."""
    fields = Fields.of(call.body, "")
    source = fields.text("source_account_id", MAX_ID)
    destination = fields.text("destination_account_id", MAX_ID)
    amount = fields.cents("amount_in_cents")
    fields.end()

    def show(transfer: Transfer) -> Answer:
        return Answer(201, show_one(call, transfer))

    return CreateTransfer(
        principal=call.principal,
        source_id=_account_id(source),
        destination_id=_account_id(destination),
        source_spelling=source,
        destination_spelling=destination,
        amount=amount,
        description=None,
        idempotency=call.idempotency,
        act=call.act,
        show=show,
    )


def _account_id(spelling: str) -> AccountId | None:
    found = parse_id(IdKind.ACCOUNT, spelling)
    return None if found is None else AccountId(found)


def show_transfers(call: Call, transfers: list[Transfer], wanted: TransferFilter) -> bytes:
    """Write a page of transfers."""
    ids = [transfer.id for transfer in transfers]
    return show_page(call, [_transfer(transfer) for transfer in transfers], ids, wanted.first, wanted.owner)


def show_one(call: Call, transfer: Transfer) -> bytes:
    """Write one transfer."""
    return encode(Envelope(call.request_id, _transfer(transfer)))


def show_whole(call: Call, transfer: Transfer) -> bytes:
    """Write one transfer with its legs."""
    shown = _transfer(transfer)
    shown.legs = [_leg(leg, transfer) for leg in transfer.legs]
    return encode(Envelope(call.request_id, shown))


def _transfer(transfer: Transfer) -> TransferShown:
    return TransferShown(
        id=format_id(IdKind.TRANSFER, transfer.id),
        amount_in_cents=transfer.amount,
        direction=DIRECTIONS[transfer.direction],
        origin=ORIGINS[transfer.origin],
        status=transfer.status.value.lower(),
        source=_party(transfer.source),
        destination=_party(transfer.destination),
        rule_id=show_id(IdKind.RULE, transfer.rule_id),
        rule_execution_id=show_id(IdKind.EXECUTION, transfer.execution_id),
        error_code=transfer.error_code,
        created_at=show_moment(transfer.created_at),
        completed_at=show_moment_or_none(transfer.completed_at),
        execution_mode=MODES[transfer.mode],
        status_reason=transfer.status_reason,
        return_code=transfer.return_code,
        returned_at=show_moment_or_none(transfer.returned_at),
        approval_expires_at=show_moment_or_none(transfer.approval_expires_at),
    )


def _leg(leg: Leg, transfer: Transfer) -> LegShown:
    # A push goes to the destination; a pull takes from the source, and a reversal gives back to it.
    return LegShown(
        id=format_id(IdKind.TRANSFER, leg.id),
        purpose=PURPOSES[leg.purpose],
        account=_party(transfer.destination if leg.purpose is LegPurpose.PUSH else transfer.source),
        amount_in_cents=leg.amount,
        status=leg.status.value.lower(),
        expected_at=show_moment_or_none(leg.expected_at),
        settled_at=show_moment_or_none(leg.settled_at),
        error_code=leg.error_code,
        return_code=leg.return_code,
    )


def _party(party: Party | None) -> NamedAccount | None:
    return (
        None if party is None else NamedAccount(format_id(IdKind.ACCOUNT, party.id), party.name, show_type(party.kind))
    )


DIRECTIONS: Final[dict[Direction, Literal["money_in", "money_out", "internal"]]] = {
    Direction.MONEY_IN: "money_in",
    Direction.MONEY_OUT: "money_out",
    Direction.INTERNAL: "internal",
}

PURPOSES: Final[dict[LegPurpose, Literal["pull", "push", "reversal"]]] = {
    LegPurpose.PULL: "pull",
    LegPurpose.PUSH: "push",
    LegPurpose.REVERSAL: "reversal",
}
