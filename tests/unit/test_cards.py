"""What a card may do, and what a refund may give back."""

from datetime import UTC, date, datetime

import pytest

from sluiceway.domain.cards import (
    Card,
    CardKind,
    CardStatus,
    CardTransaction,
    CardTransactionStatus,
    CardType,
    DeclineReason,
    Subtype,
    first_status,
    last_day,
    require_change,
    require_switch,
    show_expiration,
    why_declined,
    why_not_refunded,
)
from sluiceway.domain.errors import CardRefused
from sluiceway.domain.ids import AccountId, CardId, CardTransactionId, OrganizationId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Party

NOW = datetime(2026, 7, 7, tzinfo=UTC)
LAST = date(2028, 9, 30)
ENDS = [CardStatus.STOLEN, CardStatus.LOST]


def card(status: CardStatus = CardStatus.ACTIVE, kind: CardKind = CardKind.DEBIT_CARD) -> Card:
    return Card(
        OrganizationId("o"), CardId("c"), AccountId("pod"), kind, CardType.VIRTUAL, status, "0042", "Holder", LAST, NOW
    )


def used(
    subtype: Subtype = Subtype.PURCHASE, status: CardTransactionStatus = CardTransactionStatus.COMPLETE
) -> CardTransaction:
    is_complete = status is CardTransactionStatus.COMPLETE
    return CardTransaction(
        organization_id=OrganizationId("o"),
        id=CardTransactionId("t"),
        card_id=CardId("c"),
        card_kind=CardKind.DEBIT_CARD,
        account=Party(AccountId("pod"), "Pod", AccountKind.POD, is_deleted=False),
        direction=Direction.MONEY_OUT,
        subtype=subtype,
        status=status,
        decline_reason=None if is_complete else DeclineReason.CARD_EXPIRED,
        amount=Cents(1_000),
        currency="USD",
        description="",
        purchase_id=None,
        created_at=NOW,
        completed_at=NOW if is_complete else None,
    )


@pytest.mark.parametrize(
    ("status", "today", "is_let_through", "spendable", "reason"),
    [
        (CardStatus.ACTIVE, LAST, True, 1_000, None),
        (CardStatus.ACTIVE, LAST, True, 999, DeclineReason.INSUFFICIENT_FUNDS),
        (CardStatus.ACTIVE, LAST, True, -5, DeclineReason.INSUFFICIENT_FUNDS),
        (CardStatus.ACTIVE, LAST, False, 1_000, DeclineReason.ISSUER_DECLINED),
        (CardStatus.ACTIVE, LAST, False, 0, DeclineReason.ISSUER_DECLINED),
        (CardStatus.ACTIVE, date(2028, 10, 1), True, 1_000, DeclineReason.CARD_EXPIRED),
        (CardStatus.ACTIVE, date(2028, 10, 1), False, 0, DeclineReason.CARD_EXPIRED),
        (CardStatus.INACTIVE, LAST, True, 1_000, DeclineReason.CARD_NOT_ACTIVE),
        (CardStatus.FROZEN, LAST, True, 1_000, DeclineReason.CARD_NOT_ACTIVE),
        (CardStatus.STOLEN, LAST, True, 1_000, DeclineReason.CARD_NOT_ACTIVE),
        (CardStatus.LOST, date(2028, 10, 1), False, 0, DeclineReason.CARD_NOT_ACTIVE),
    ],
)
def test_a_purchase_is_declined_for_the_first_reason_that_there_is(
    status: CardStatus, today: date, is_let_through: bool, spendable: int, reason: DeclineReason | None
):
    found = why_declined(card(status), Cents(1_000), spendable=spendable, today=today, is_let_through=is_let_through)

    assert found is reason


@pytest.mark.parametrize("before", CardStatus)
@pytest.mark.parametrize("after", CardStatus)
def test_what_is_stolen_or_lost_stays_so_and_everything_else_can_change(before: CardStatus, after: CardStatus):
    if before in ENDS and after is not before:
        with pytest.raises(CardRefused, match=f"it is {before.lower()}, and stays so"):
            require_change(card(before), after, is_account_deleted=False)
        return
    require_change(card(before), after, is_account_deleted=False)


@pytest.mark.parametrize("after", CardStatus)
def test_a_card_without_an_account_cannot_become_active(after: CardStatus):
    if after is CardStatus.ACTIVE:
        with pytest.raises(CardRefused, match="its account is deleted"):
            require_change(card(CardStatus.FROZEN), after, is_account_deleted=True)
        return
    require_change(card(CardStatus.FROZEN), after, is_account_deleted=True)


def test_only_an_omni_card_that_can_still_be_used_is_switched():
    require_switch(card(CardStatus.FROZEN, CardKind.OMNI_CARD))
    with pytest.raises(CardRefused, match="only an omni card"):
        require_switch(card())
    for status in ENDS:
        with pytest.raises(CardRefused, match="stays so"):
            require_switch(card(status, CardKind.OMNI_CARD))


def test_all_of_a_purchase_can_be_given_back_and_nothing_more():
    assert why_not_refunded(used(), 0, Cents(1_000)) is None
    assert why_not_refunded(used(), 400, Cents(600)) is None
    assert why_not_refunded(used(), 400, Cents(601)) == "of this purchase 600 cents can still be refunded"
    assert why_not_refunded(used(), 1_000, Cents(1)) == "of this purchase 0 cents can still be refunded"


def test_only_what_was_paid_can_be_given_back():
    says = "only a purchase that was paid can be refunded"
    assert why_not_refunded(used(Subtype.REFUND), 0, Cents(1)) == says
    assert why_not_refunded(used(status=CardTransactionStatus.DECLINED), 0, Cents(1)) == says


def test_a_plastic_card_waits_for_its_holder():
    assert first_status(CardType.VIRTUAL) is CardStatus.ACTIVE
    assert first_status(CardType.PHYSICAL) is CardStatus.INACTIVE


@pytest.mark.parametrize(
    ("issued", "last", "shown"),
    [
        (date(2025, 9, 1), date(2028, 9, 30), "09/28"),
        (date(2025, 2, 28), date(2028, 2, 29), "02/28"),
        (date(2024, 2, 29), date(2027, 2, 28), "02/27"),
        (date(2096, 12, 31), date(2099, 12, 31), "12/99"),
        (date(2097, 1, 1), date(2100, 1, 31), "01/00"),
    ],
)
def test_a_card_pays_to_the_end_of_its_month(issued: date, last: date, shown: str):
    assert last_day(issued) == last
    assert show_expiration(last) == shown
