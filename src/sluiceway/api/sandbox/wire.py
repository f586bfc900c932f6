"""The words of the sandbox: those of /api/v1, as far as there are any."""

from datetime import UTC
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sluiceway.api.http import Call
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind, format_id, parse_id
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.rules import Fields
from sluiceway.domain.transfers import Transfer
from sluiceway.services.deposits import Deposit
from sluiceway.services.idempotency import Answer

MAX_ID: Final = 100
encode: Final = msgspec.json.Encoder().encode


class NewDeposit(Struct, forbid_unknown_fields=True):
    """How much arrives, and where."""

    account_id: str
    amount_in_cents: Annotated[int, Meta(ge=1, le=MAX_CENTS)]


class DepositShown(Struct):
    """A deposit: a transfer from somebody outside."""

    id: str
    account_id: str
    amount_in_cents: int
    status: Literal["complete"]
    created_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Deposited(Struct):
    """An answer with a deposit."""

    request_id: str
    data: DepositShown


def read_deposit(call: Call) -> Deposit:
    """Read the request for a deposit. Raises NotFound for a malformed id."""
    fields = Fields.of(call.body, "")
    spelling = fields.text("account_id", MAX_ID)
    amount = fields.cents("amount_in_cents")
    fields.end()
    account_id = parse_id(IdKind.ACCOUNT, spelling)
    if account_id is None:
        raise NotFound(IdKind.ACCOUNT, spelling)

    def show(transfer: Transfer) -> Answer:
        return Answer(201, encode(Deposited(call.request_id, _deposit(transfer, account_id))))

    return Deposit(
        organization_id=call.principal.organization_id,
        account_id=AccountId(account_id),
        spelling=spelling,
        amount=amount,
        key_id=call.principal.key_id,
        idempotency=call.idempotency,
        show=show,
    )


def _deposit(transfer: Transfer, account_id: str) -> DepositShown:
    at = transfer.created_at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return DepositShown(
        id=format_id(IdKind.TRANSFER, transfer.id),
        account_id=format_id(IdKind.ACCOUNT, account_id),
        amount_in_cents=transfer.amount,
        status="complete",
        created_at=f"{at}Z",
    )
