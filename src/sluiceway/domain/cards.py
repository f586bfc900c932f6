"""Cards, decided: what a card is and does, whether it may be used, and what a refund may give back. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sluiceway.domain.errors import CardRefused
from sluiceway.domain.ids import AccountId, CardId, CardTransactionId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Party


class CardKind(StrEnum):
    """What a card pays from: always the same pod, or one that can be switched."""

    DEBIT_CARD = "DEBIT_CARD"
    OMNI_CARD = "OMNI_CARD"


class CardType(StrEnum):
    """Whether there is a piece of plastic."""

    VIRTUAL = "VIRTUAL"
    PHYSICAL = "PHYSICAL"


class CardStatus(StrEnum):
    """Only what is ACTIVE pays. What is STOLEN or LOST stays so."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    FROZEN = "FROZEN"
    STOLEN = "STOLEN"
    LOST = "LOST"


class Subtype(StrEnum):
    """What a card has done: paid, or been paid back."""

    PURCHASE = "PURCHASE"
    REFUND = "REFUND"


class CardTransactionStatus(StrEnum):
    """A card's money moves at once or not at all."""

    COMPLETE = "COMPLETE"
    DECLINED = "DECLINED"


class DeclineReason(StrEnum):
    """Why a purchase was declined: the first of these that held."""

    CARD_NOT_ACTIVE = "CARD_NOT_ACTIVE"
    CARD_EXPIRED = "CARD_EXPIRED"
    ISSUER_DECLINED = "ISSUER_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"


FINAL: Final = frozenset({CardStatus.STOLEN, CardStatus.LOST})
LASTS_YEARS: Final = 3


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `expires_on` is the last day on which it pays, by Eastern time."""

    organization_id: OrganizationId
    id: CardId
    account_id: AccountId
    kind: CardKind
    type: CardType
    status: CardStatus
    last_four: str
    holder_name: str
    expires_on: date
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CardTransaction:
    """What a card did, with the account that it belonged to at that time. `amount` is in minor units of `currency`.

    `purchase_id`: the purchase that a refund gives back; None where it names none.
    """

    organization_id: OrganizationId
    id: CardTransactionId
    card_id: CardId
    card_kind: CardKind
    account: Party
    direction: Direction
    subtype: Subtype
    status: CardTransactionStatus
    decline_reason: DeclineReason | None
    amount: Cents
    currency: str
    description: str
    purchase_id: CardTransactionId | None
    created_at: datetime
    completed_at: datetime | None


def first_status(card_type: CardType) -> CardStatus:
    """Tell how a new card stands: one that has to be sent somewhere pays only when its holder has it."""
    return CardStatus.ACTIVE if card_type is CardType.VIRTUAL else CardStatus.INACTIVE


def last_day(issued: date) -> date:
    """Give the last day of a card that is issued on a day: a month's end, some years later."""
    year = issued.year + LASTS_YEARS
    return date(year, issued.month, monthrange(year, issued.month)[1])


def show_expiration(expires_on: date) -> str:
    """Write when a card expires as it is embossed: `09/28`."""
    return f"{expires_on.month:02}/{expires_on.year % 100:02}"


def why_declined(
    card: Card, amount: Cents, *, spendable: int, today: date, is_let_through: bool
) -> DeclineReason | None:
    """Tell why a purchase is declined; None: it is not."""
    if card.status is not CardStatus.ACTIVE:
        return DeclineReason.CARD_NOT_ACTIVE
    if today > card.expires_on:
        return DeclineReason.CARD_EXPIRED
    if not is_let_through:
        return DeclineReason.ISSUER_DECLINED
    return DeclineReason.INSUFFICIENT_FUNDS if amount > spendable else None


def require_change(card: Card, status: CardStatus, *, is_account_deleted: bool) -> None:
    """Raise CardRefused unless the card may take a status."""
    if card.status in FINAL and status is not card.status:
        raise CardRefused(f"it is {card.status.lower()}, and stays so")
    if status is CardStatus.ACTIVE and is_account_deleted:
        raise CardRefused("its account is deleted")


def require_switch(card: Card) -> None:
    """Raise CardRefused unless the card may pay from another pod."""
    if card.kind is not CardKind.OMNI_CARD:
        raise CardRefused("only an omni card can pay from another pod")
    if card.status in FINAL:
        raise CardRefused(f"it is {card.status.lower()}, and stays so")


def why_not_refunded(purchase: CardTransaction, refunded: int, amount: Cents) -> str | None:
    """Tell why so much of a purchase, of which some has been refunded before, cannot be given back; None: it can."""
    if purchase.subtype is not Subtype.PURCHASE or purchase.status is not CardTransactionStatus.COMPLETE:
        return "only a purchase that was paid can be refunded"
    left = purchase.amount - refunded
    return f"of this purchase {left} cents can still be refunded" if amount > left else None
