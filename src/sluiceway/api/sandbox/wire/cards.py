"""Cards in the words of the sandbox: issuing them, changing them, and what people do with them."""

from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta, Struct

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
    lower,
    read_name,
    read_word,
    show_id,
    show_moment,
)
from sluiceway.domain.cards import Card, CardKind, CardStatus, CardTransaction, CardType, show_expiration
from sluiceway.domain.ids import AccountId, CardId, CardTransactionId, IdKind, format_id, parse_id
from sluiceway.domain.rules import Fields, whole
from sluiceway.rails.sandbox_issuer import MOST_DECLINES
from sluiceway.services.card_transactions import Purchase, PurchaseToRefund, Refund
from sluiceway.services.cards import IssueCard
from sluiceway.services.idempotency import Answer

_KINDS: Final = lower(CardKind)
_TYPES: Final = lower(CardType)
_STATUSES: Final = lower(CardStatus)


class NewCard(Struct, forbid_unknown_fields=True):
    """A card on a pod, and whose name is on it. An `omni_card` can be switched to another pod."""

    account_id: str
    type: Literal["virtual", "physical"]
    holder_name: Name
    kind: Literal["debit_card", "omni_card"] = "debit_card"


class NewStatus(Struct, forbid_unknown_fields=True):
    """How the card shall stand."""

    status: Literal["active", "inactive", "frozen", "stolen", "lost"]


class NewPod(Struct, forbid_unknown_fields=True):
    """The pod that the card shall pay from."""

    account_id: str


class NewPurchase(Struct, forbid_unknown_fields=True):
    """How much is paid, and to whom."""

    amount_in_cents: AtLeastOne
    description: Text | None = None


class NewRefund(Struct, forbid_unknown_fields=True):
    """How much comes back, and for which purchase, if it is known."""

    amount_in_cents: AtLeastOne
    description: Text | None = None
    purchase_id: str | None = None


class NewDeclines(Struct, forbid_unknown_fields=True):
    """How many purchases are declined."""

    times: Annotated[int, Meta(ge=1, le=MOST_DECLINES)] = 1


class CardShown(Struct):
    """A card."""

    id: str
    account_id: str
    kind: str
    type: str
    status: str
    last_four: str
    holder_name: str
    expiration_date: str
    created_at: Moment


class CardTransactionShown(Struct):
    """What became of a purchase or a refund."""

    id: str
    card_id: str
    account_id: str
    subtype: Literal["purchase", "refund"]
    status: Literal["complete", "declined"]
    decline_reason: Literal["card_not_active", "card_expired", "issuer_declined", "insufficient_funds"] | None
    amount_in_cents: int
    description: str
    purchase_id: str | None
    created_at: Moment


class DeclinesShown(Struct):
    """How many more purchases of the card are declined."""

    card_id: str
    times: int


class Pod(NamedTuple):
    """An account as it was named."""

    id: str | None
    spelling: str


def read_card(call: Call) -> IssueCard:
    """Read which card is wanted."""
    fields = Fields.of(call.body, "")
    spelling = fields.text("account_id", MAX_ID)
    found = parse_id(IdKind.ACCOUNT, spelling)
    kind = CardKind.DEBIT_CARD if fields.raw("kind", None) is None else read_word(fields, "kind", _KINDS)
    command = IssueCard(
        organization_id=call.principal.organization_id,
        account_id=None if found is None else AccountId(found),
        spelling=spelling,
        kind=kind,
        type=read_word(fields, "type", _TYPES),
        holder_name=read_name(fields, "holder_name"),
        idempotency=call.idempotency,
        show=lambda card: show_card(call, card, status=201),
        act=call.act,
    )
    fields.end()
    return command


def read_status(call: Call) -> CardStatus:
    """Read how a card shall stand."""
    fields = Fields.of(call.body, "")
    status = read_word(fields, "status", _STATUSES)
    fields.end()
    return status


def read_pod(call: Call) -> Pod:
    """Read which pod a card shall pay from."""
    fields = Fields.of(call.body, "")
    spelling = fields.text("account_id", MAX_ID)
    fields.end()
    return Pod(parse_id(IdKind.ACCOUNT, spelling), spelling)


def read_purchase(call: Call) -> Purchase:
    """Read what is paid."""
    fields = Fields.of(call.body, "")
    purchase = Purchase(
        organization_id=call.principal.organization_id,
        card_id=_card_id(call),
        spelling=call.spelling,
        amount=fields.cents("amount_in_cents"),
        description=fields.text_or_none("description", MAX_TEXT) or "",
        key_id=call.principal.key_id,
        idempotency=call.idempotency,
        show=lambda made: _show_transaction(call, made),
        act=call.act,
    )
    fields.end()
    return purchase


def read_refund(call: Call) -> Refund:
    """Read what comes back."""
    fields = Fields.of(call.body, "")
    refund = Refund(
        organization_id=call.principal.organization_id,
        card_id=_card_id(call),
        spelling=call.spelling,
        amount=fields.cents("amount_in_cents"),
        description=fields.text_or_none("description", MAX_TEXT) or "",
        purchase=_purchase(fields.text_or_none("purchase_id", MAX_ID)),
        key_id=call.principal.key_id,
        idempotency=call.idempotency,
        show=lambda made: _show_transaction(call, made),
        act=call.act,
    )
    fields.end()
    return refund


def read_declines(call: Call) -> int:
    """Read how many purchases are declined."""
    fields = Fields.of(call.body, "")
    times = whole(fields.raw("times", 1), "times", 1, MOST_DECLINES)
    fields.end()
    return times


def _card_id(call: Call) -> CardId | None:
    return None if call.id is None else CardId(call.id)


def _purchase(spelling: str | None) -> PurchaseToRefund | None:
    if spelling is None:
        return None
    found = parse_id(IdKind.CARD_TRANSACTION, spelling)
    return PurchaseToRefund(None if found is None else CardTransactionId(found), spelling)


def show_card(call: Call, card: Card, *, status: int = 200) -> Answer:
    """Write how a card stands."""
    shown = CardShown(
        id=format_id(IdKind.CARD, card.id),
        account_id=format_id(IdKind.ACCOUNT, card.account_id),
        kind=card.kind.value.lower(),
        type=card.type.value.lower(),
        status=card.status.value.lower(),
        last_four=card.last_four,
        holder_name=card.holder_name,
        expiration_date=show_expiration(card.expires_on),
        created_at=show_moment(card.created_at),
    )
    return Answer(status, encode(Envelope(call.request_id, shown)))


def show_declines(call: Call, card: Card, times: int) -> Answer:
    """Write how many purchases are declined."""
    return Answer(201, encode(Envelope(call.request_id, DeclinesShown(format_id(IdKind.CARD, card.id), times))))


def _show_transaction(call: Call, made: CardTransaction) -> Answer:
    shown = CardTransactionShown(
        id=format_id(IdKind.CARD_TRANSACTION, made.id),
        card_id=format_id(IdKind.CARD, made.card_id),
        account_id=format_id(IdKind.ACCOUNT, made.account.id),
        subtype=_word(made.subtype),
        status=_word(made.status),
        decline_reason=None if made.decline_reason is None else _word(made.decline_reason),
        amount_in_cents=made.amount,
        description=made.description,
        purchase_id=show_id(IdKind.CARD_TRANSACTION, made.purchase_id),
        created_at=show_moment(made.created_at),
    )
    return Answer(201, encode(Envelope(call.request_id, shown)))


def _word(value: str) -> Any:  # noqa: ANN401 -- one of the words that a structure lists
    return str(value).lower()
