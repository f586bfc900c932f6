"""What happened on external accounts, in the words of /platform/v1."""

from typing import Final, Literal

from msgspec import Struct

from sluiceway.api.http import Call, Choice
from sluiceway.api.platform.wire.shapes import Cents, Id, Moment, Window, show_moment, show_page
from sluiceway.domain.external_transactions import ExternalTransaction

DIRECTION: Final = Choice("direction", {"MONEY_IN": True, "MONEY_OUT": False})
STATUS: Final = Choice("status", {"PENDING": False, "COMPLETE": True}, "Banks list what has settled: all `COMPLETE`.")


class ExternalTransactionShown(Struct, rename="camel"):
    """A movement on an external account, as its bank lists it. It may be here and among the transfers."""

    id: Id
    account_id: Id
    amount_in_cents: Cents
    direction: Literal["MONEY_IN", "MONEY_OUT"]
    status: Literal["PENDING", "COMPLETE"]
    description: str
    transaction_date: Moment


def show_transactions(call: Call, found: list[ExternalTransaction], window: Window) -> bytes:
    """Write a page of movements."""
    return show_page(call, [_transaction(one) for one in found], window)


def _transaction(one: ExternalTransaction) -> ExternalTransactionShown:
    return ExternalTransactionShown(
        id=one.id,
        account_id=one.account_id,
        amount_in_cents=abs(one.amount),
        direction="MONEY_IN" if one.amount > 0 else "MONEY_OUT",
        status="COMPLETE",
        description=one.description or "",
        transaction_date=show_moment(one.happened_at),
    )
