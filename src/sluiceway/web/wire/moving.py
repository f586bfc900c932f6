"""Moving money by hand, in the app's words: what is asked, and what it would do."""

from collections.abc import Callable

from msgspec import Struct

from sluiceway.domain.access import Principal
from sluiceway.domain.audit import Act
from sluiceway.domain.executions import explain
from sluiceway.domain.ids import AccountId, IdKind, RuleId, format_id, parse_id
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.money import Cents as Money
from sluiceway.domain.rules import format_money, refuse, visible
from sluiceway.domain.transfers import Transfer, TransferStatus
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.transfers import CreateTransfer, EndAfter, TransferPreview
from sluiceway.web.wire.shapes import Cents, read_body, read_text


class TransferAsked(Struct, rename="camel", forbid_unknown_fields=True):
    """So much from one account to another."""

    source_account_id: str
    destination_account_id: str
    amount_in_cents: int
    description: str | None = None


class EndShown(Struct, rename="camel"):
    """One end: what can be spent there before and after (null: not known), and what is then on its way to it."""

    id: str
    name: str
    before_in_cents: Cents | None
    after_in_cents: Cents | None
    expected_in_cents: Cents


class PreviewShown(Struct, rename="camel"):
    """What a transfer would do now, in words. `canBeMade`: it would not fail at once.

    `fires`: the names of the rules that the money starts where it arrives.
    """

    can_be_made: bool
    said: str
    currency: str
    source: EndShown
    destination: EndShown
    fires: list[str]


def read_transfer(
    body: object,
    principal: Principal,
    idempotency: Idempotency | None,
    act: Act,
    answer: Callable[[Transfer], Answer],
) -> CreateTransfer:
    """Read a transfer that somebody asks for. Raises InvalidParameters."""
    asked = read_body(body, TransferAsked)
    if not 0 < asked.amount_in_cents <= MAX_CENTS:
        refuse("amountInCents", f"must be from 1 to {MAX_CENTS}")
    spellings = (asked.source_account_id, asked.destination_account_id)
    source, destination = (
        None if (found := parse_id(IdKind.ACCOUNT, spelling)) is None else AccountId(found) for spelling in spellings
    )
    description = asked.description
    return CreateTransfer(
        principal=principal,
        source_id=source,
        destination_id=destination,
        source_spelling=asked.source_account_id,
        destination_spelling=asked.destination_account_id,
        amount=Money(asked.amount_in_cents),
        description=read_text(description, "description", 140) if description and description.strip() else None,
        idempotency=idempotency,
        show=answer,
        act=act,
    )


def show_preview(preview: TransferPreview, rule_names: dict[RuleId, str]) -> PreviewShown:
    """Show what a transfer would do."""
    transfer = preview.transfer
    return PreviewShown(
        can_be_made=transfer.error_code is None,
        said=_said(transfer),
        currency=transfer.currency,
        source=_end(preview.source),
        destination=_end(preview.destination),
        fires=[rule_names[rule_id] for rule_id in preview.fires if rule_id in rule_names],
    )


def _end(end: EndAfter) -> EndShown:
    return EndShown(
        format_id(IdKind.ACCOUNT, end.account.id), visible(end.account.name), end.before, end.after, end.expected
    )


def _said(transfer: Transfer) -> str:
    amount = format_money(transfer.amount, transfer.currency)
    match transfer.status:
        case TransferStatus.COMPLETE:
            return f"{amount} would be moved at once."
        case TransferStatus.PENDING_APPROVAL:
            return f"{amount} would be set aside, and moved only when an admin has approved it."
        case TransferStatus.PROCESSING | TransferStatus.PENDING:
            return f"{amount} would be handed to the bank, which takes some days."
        case _:
            return f"Nothing would be moved. {explain(transfer.error_code) or ''}".strip()
