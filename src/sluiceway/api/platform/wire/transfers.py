"""Transfers in the words of /platform/v1."""

import re
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from sluiceway.api.http import Call, Choice, Ids, Named
from sluiceway.api.platform.wire.shapes import (
    MAX_ID,
    MODES,
    NOBODY,
    AccountType,
    AtLeastOne,
    Cents,
    ExecutionMode,
    Id,
    Moment,
    Window,
    read_account_id,
    show,
    show_moment,
    show_moment_or_none,
    show_page,
    show_type,
)
from sluiceway.domain.ids import ExecutionId, IdKind
from sluiceway.domain.rules import Fields, refuse
from sluiceway.domain.transfers import Direction, Leg, LegPurpose, Mode, Origin, Party, Transfer, TransferStatus
from sluiceway.services.idempotency import Answer
from sluiceway.services.transfers import CreateTransfer

MAX_DESCRIPTION: Final = 10
MAX_ACCOUNTS: Final = 100
DESCRIPTION: Final = "[a-zA-Z0-9 ]*"
_DESCRIPTION: Final = re.compile(DESCRIPTION, re.ASCII)

ACCOUNTS: Final = Ids(
    "accountIds",
    IdKind.ACCOUNT,
    MAX_ACCOUNTS,
    "The accounts, the parameter repeated for each: `accountIds=`, `accountIds[]=` or `accountIds[0]=`.",
)
ROLE: Final = Choice(
    "accountRole",
    {"source": (True, False), "destination": (False, True), "either": (True, True)},
    "Which end of the transfer the account is. Without it, either.",
)
DIRECTION: Final = Choice("direction", {direction.value: direction for direction in Direction})
ORIGIN: Final = Choice(
    "origin", {origin.value: origin for origin in Origin if origin is not Origin.UNKNOWN}, "What set it off."
)
STATUS: Final = Choice("status", {status.value: status for status in TransferStatus})
EXECUTION: Final = Named(
    "rule_execution_id", IdKind.EXECUTION, "Only transfers of this rule execution. Also spelled `ruleExecutionId`."
)

AnyDirection = Literal["MONEY_IN", "MONEY_OUT", "INTERNAL"]
AnyOrigin = Literal[
    "DIRECT_DEPOSIT", "CHECK_DEPOSIT", "CASHBACK", "USER_PULL", "RULE", "USER", "EXTERNAL_PULL", "UNKNOWN"
]
AnyStatus = Literal["PENDING_APPROVAL", "PROCESSING", "PENDING", "COMPLETE", "INCOMPLETE", "ERROR", "CANCELLED"]


class NewTransfer(Struct, rename="camel", forbid_unknown_fields=True):
    """What to move, and where. A simulation is recorded like any transfer, and moves nothing."""

    source_account_id: str
    destination_account_id: str
    amount_in_cents: Annotated[
        AtLeastOne, Meta(description="At least what the organization has set as its minimum, 100 unless it changed it.")
    ]
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION, pattern=f"^{DESCRIPTION}$")] | None = None
    simulation: bool = False


class TransferAccountRef(Struct, rename="camel"):
    """One end of a transfer, with the account's last name. `EXTERNAL_ENTITY` has no account here."""

    id: Id | None
    name: str
    type: AccountType | Literal["EXTERNAL_ENTITY"]
    is_deleted: bool | None


class LegShown(Struct, rename="camel"):
    """A payment that a bank carries for a transfer."""

    id: Id
    purpose: Literal["PULL", "PUSH", "REVERSAL"]
    account: TransferAccountRef | None
    amount_in_cents: Cents
    status: str
    expected_at: Moment | None
    settled_at: Moment | None
    error_code: str | None
    return_code: str | None


class TransferShown(Struct, rename="camel"):
    """A transfer. An end that is somebody unknown outside is null.

    Extensions of this server: `statusReason`, `returnCode`, `returnedAt`, `approvalExpiresAt` (while a person has to
    approve it), and where a single transfer is read, `legs`: what banks carry for it.
    """

    id: Id
    amount_in_cents: Cents
    direction: AnyDirection
    origin: AnyOrigin
    source: TransferAccountRef | None
    destination: TransferAccountRef | None
    status: AnyStatus
    execution_mode: ExecutionMode
    rule_id: Id | None
    rule_execution_id: Id | None
    error_code: str | None
    created_at: Moment
    completed_at: Moment | None
    status_reason: str | None
    return_code: str | None
    returned_at: Moment | None
    approval_expires_at: Moment | None
    legs: list[LegShown] | UnsetType = UNSET


def read_execution_id(call: Call) -> ExecutionId | None:
    """Read of which execution transfers are wanted; None: of any, or of none."""
    if EXECUTION.name not in call.query:
        return None
    return ExecutionId(EXECUTION.read(call.query) or NOBODY)


class Role(NamedTuple):
    """Which end of a transfer an account is."""

    is_source: bool
    is_destination: bool


def read_role(call: Call) -> Role:
    """Read which end is wanted."""
    return Role(*(ROLE.read(call.query) or (True, True)))


def read_transfer(call: Call) -> CreateTransfer:
    """Read the request for a transfer."""
    fields = Fields.of(call.body, "")
    source = fields.text("sourceAccountId", MAX_ID)
    destination = fields.text("destinationAccountId", MAX_ID)
    amount = fields.cents("amountInCents")
    description = fields.text_or_none("description", MAX_DESCRIPTION)
    mode = Mode.SIMULATION if fields.flag("simulation") else Mode.LIVE
    fields.end()
    if description is not None and not _DESCRIPTION.fullmatch(description):
        refuse("description", "must hold only letters from A to Z, digits and spaces")

    def answer(transfer: Transfer) -> Answer:
        return Answer(201, show_one(call, transfer))

    return CreateTransfer(
        principal=call.principal,
        source_id=read_account_id(source),
        destination_id=read_account_id(destination),
        source_spelling=source,
        destination_spelling=destination,
        amount=amount,
        description=description or None,
        idempotency=call.idempotency,
        act=call.act,
        show=answer,
        mode=mode,
    )


def show_transfers(call: Call, transfers: list[Transfer], window: Window) -> bytes:
    """Write a page of transfers."""
    return show_page(call, [_transfer(transfer) for transfer in transfers], window)


def show_one(call: Call, transfer: Transfer) -> bytes:
    """Write one transfer."""
    return show(call, _transfer(transfer))


def show_whole(call: Call, transfer: Transfer) -> bytes:
    """Write one transfer with its legs."""
    shown = _transfer(transfer)
    shown.legs = [_leg(leg, transfer) for leg in transfer.legs]
    return show(call, shown)


def _transfer(transfer: Transfer) -> TransferShown:
    return TransferShown(
        id=transfer.id,
        amount_in_cents=transfer.amount,
        direction=transfer.direction.value,
        origin=transfer.origin.value,
        source=_party(transfer.source),
        destination=_party(transfer.destination),
        status=transfer.status.value,
        execution_mode=MODES[transfer.mode],
        rule_id=transfer.rule_id,
        rule_execution_id=transfer.execution_id,
        error_code=transfer.error_code,
        created_at=show_moment(transfer.created_at),
        completed_at=show_moment_or_none(transfer.completed_at),
        status_reason=transfer.status_reason,
        return_code=transfer.return_code,
        returned_at=show_moment_or_none(transfer.returned_at),
        approval_expires_at=show_moment_or_none(transfer.approval_expires_at),
    )


def _leg(leg: Leg, transfer: Transfer) -> LegShown:
    # A push goes to the destination; a pull takes from the source, and a reversal gives back to it.
    return LegShown(
        id=leg.id,
        purpose=leg.purpose.value,
        account=_party(transfer.destination if leg.purpose is LegPurpose.PUSH else transfer.source),
        amount_in_cents=leg.amount,
        status=leg.status.value,
        expected_at=show_moment_or_none(leg.expected_at),
        settled_at=show_moment_or_none(leg.settled_at),
        error_code=leg.error_code,
        return_code=leg.return_code,
    )


def _party(party: Party | None) -> TransferAccountRef | None:
    return None if party is None else TransferAccountRef(party.id, party.name, show_type(party.kind), party.is_deleted)
