"""Money that moves outside in the words of the sandbox: deposits, withdrawals, and what banks do with transfers."""

from typing import Literal, NamedTuple

from msgspec import Struct

from sluiceway.api.http import Call
from sluiceway.api.sandbox.wire.shapes import (
    MAX_ID,
    MAX_TEXT,
    AtLeastOne,
    Envelope,
    Moment,
    Name,
    Text,
    encode,
    read_name_or_none,
    show_moment,
    show_moment_or_none,
)
from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind, format_id, parse_id
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Fields
from sluiceway.domain.transfers import Leg, Transfer
from sluiceway.services.deposits import Deposit
from sluiceway.services.idempotency import Answer


class NewDeposit(Struct, forbid_unknown_fields=True):
    """How much arrives, and where. `payee_name`: for whom the sender meant it; without it nobody compares names."""

    account_id: str
    amount_in_cents: AtLeastOne
    payee_name: Name | None = None


class NewWithdrawal(Struct, forbid_unknown_fields=True):
    """How much somebody outside collects, and from where."""

    account_id: str
    amount_in_cents: AtLeastOne
    description: Text | None = None


class NewReturn(Struct, forbid_unknown_fields=True):
    """Why the payment comes back."""

    code: Literal["R01", "R02", "R03", "R10", "R16", "R29"]


class MoneyShown(Struct):
    """What somebody outside has sent or collected: a transfer. `id` is null while the bank has not told of it."""

    id: str | None
    account_id: str
    amount_in_cents: int
    status: Literal["complete", "incomplete", "error"] | None
    error_code: str | None
    created_at: Moment | None


class LegShown(Struct):
    """A payment that the bank carries for a transfer."""

    id: str
    purpose: str
    account_id: str
    amount_in_cents: int
    status: str
    expected_at: Moment | None
    settled_at: Moment | None
    error_code: str | None
    return_code: str | None


class TransferShown(Struct):
    """A transfer, as far as banks are concerned."""

    id: str
    amount_in_cents: int
    status: str
    status_reason: str | None
    error_code: str | None
    return_code: str | None
    completed_at: Moment | None
    returned_at: Moment | None
    legs: list[LegShown]


class Money(NamedTuple):
    """What somebody outside sends or collects."""

    account_id: AccountId | None
    spelling: str
    amount: Cents
    description: str | None = None
    payee_name: str | None = None


def read_deposit(call: Call) -> Money:
    """Read the request for a deposit."""
    fields = Fields.of(call.body, "")
    spelling = fields.text("account_id", MAX_ID)
    amount = fields.cents("amount_in_cents")
    money = Money(_account_id(spelling), spelling, amount, payee_name=read_name_or_none(fields, "payee_name"))
    fields.end()
    return money


def deposit_at_once(call: Call, money: Money) -> Deposit:
    """Ask for a deposit that needs no bank. Raises NotFound for a malformed id."""
    account_id = money.account_id
    if account_id is None:
        raise NotFound(IdKind.ACCOUNT, money.spelling)
    return Deposit(
        organization_id=call.principal.organization_id,
        account_id=account_id,
        spelling=money.spelling,
        amount=money.amount,
        key_id=call.principal.key_id,
        idempotency=call.idempotency,
        act=call.act,
        show=lambda transfer: show_money(call, money, transfer),
    )


def read_withdrawal(call: Call) -> Money:
    """Read what is collected."""
    fields = Fields.of(call.body, "")
    spelling = fields.text("account_id", MAX_ID)
    amount = fields.cents("amount_in_cents")
    money = Money(_account_id(spelling), spelling, amount, fields.text_or_none("description", MAX_TEXT))
    fields.end()
    return money


def read_return(call: Call) -> ReturnCode:
    """Read why a payment comes back."""
    fields = Fields.of(call.body, "")
    code = fields.one_of("code", ReturnCode)
    fields.end()
    return code


def _account_id(spelling: str) -> AccountId | None:
    found = parse_id(IdKind.ACCOUNT, spelling)
    return None if found is None else AccountId(found)


def show_money(call: Call, money: Money, transfer: Transfer | None) -> Answer:
    """Write what has moved."""
    assert money.account_id is not None, "money moves at an account"
    shown = MoneyShown(
        id=None if transfer is None else format_id(IdKind.TRANSFER, transfer.id),
        account_id=format_id(IdKind.ACCOUNT, money.account_id),
        amount_in_cents=money.amount,
        status=None if transfer is None else _ended(transfer),
        error_code=None if transfer is None else transfer.error_code,
        created_at=None if transfer is None else show_moment(transfer.created_at),
    )
    return Answer(201, encode(Envelope(call.request_id, shown)))


def _ended(transfer: Transfer) -> Literal["complete", "incomplete", "error"]:
    if transfer.error_code is None:
        return "complete"
    return "incomplete" if transfer.error_code == "INSUFFICIENT_FUNDS" else "error"


def show_transfer(call: Call, transfer: Transfer) -> Answer:
    """Write how a transfer stands."""
    shown = TransferShown(
        id=format_id(IdKind.TRANSFER, transfer.id),
        amount_in_cents=transfer.amount,
        status=transfer.status.value.lower(),
        status_reason=transfer.status_reason,
        error_code=transfer.error_code,
        return_code=transfer.return_code,
        completed_at=show_moment_or_none(transfer.completed_at),
        returned_at=show_moment_or_none(transfer.returned_at),
        legs=[_leg(leg) for leg in transfer.legs],
    )
    return Answer(200, encode(Envelope(call.request_id, shown)))


def _leg(leg: Leg) -> LegShown:
    return LegShown(
        id=format_id(IdKind.TRANSFER, leg.id),
        purpose=leg.purpose.value.lower(),
        account_id=format_id(IdKind.ACCOUNT, leg.account_id),
        amount_in_cents=leg.amount,
        status=leg.status.value.lower(),
        expected_at=show_moment_or_none(leg.expected_at),
        settled_at=show_moment_or_none(leg.settled_at),
        error_code=leg.error_code,
        return_code=leg.return_code,
    )
