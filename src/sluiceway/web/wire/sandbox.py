"""What a page is told of a sandbox's world, and what it asks to happen there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, cast

from msgspec import Meta, Struct

from sluiceway.api.http import read_instant
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.cards import Card, CardStatus, CardTransaction, DeclineReason
from sluiceway.domain.ids import AccountId, CardId, IdKind, format_id, parse_id
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.rules import format_money, refuse
from sluiceway.domain.transfers import Transfer
from sluiceway.services.clock import ClockState
from sluiceway.storage.bank_rows import BankCall, Fault
from sluiceway.web.wire.shapes import Moment, read_text, show, show_moment, show_moment_or_none

AccountType = Literal["INCOME_SOURCE", "POD", "EXTERNAL_ACCOUNT"]
CallName = Literal["submit", "inquire", "cancel", "reports", "balances", "transactions"]
FaultName = Literal["UNAVAILABLE", "LOST_REPLY", "TWICE", "REFUSED"]
AtLeastOne = Annotated[int, Meta(ge=1, le=MAX_CENTS)]
LONGEST_DAYS: Final = 366

CALLS: Final = {
    BankCall.SUBMIT: "Payments handed to the bank",
    BankCall.INQUIRE: "Questions about a payment",
    BankCall.CANCEL: "Cancellations",
    BankCall.REPORTS: "The bank's reports",
    BankCall.BALANCES: "Balances",
    BankCall.TRANSACTIONS: "Movements on external accounts",
}
FAULTS: Final = {
    Fault.UNAVAILABLE: "The bank does not answer, and does nothing",
    Fault.LOST_REPLY: "The bank does it, but its answer is lost",
    Fault.TWICE: "The bank tells the same again the next time",
    Fault.REFUSED: "The bank refuses the payment",
}
_DECLINED: Final = {
    DeclineReason.CARD_NOT_ACTIVE: "the card is not active",
    DeclineReason.CARD_EXPIRED: "the card has expired",
    DeclineReason.ISSUER_DECLINED: "its issuer said no",
    DeclineReason.INSUFFICIENT_FUNDS: "there was not enough money",
}


class ClockShown(Struct, rename="camel"):
    """What time it is. `stops`: at how many instants there was something to do, while the clock was moved.

    `nextDueAt`: when something is due next, where anything is.
    """

    now: Moment
    is_frozen: bool
    next_due_at: Moment | None
    stops: int


class PlaceShown(Struct, rename="camel"):
    """An account that money can arrive at. `isOutside`: it is kept by a bank, not by us."""

    id: str
    name: str
    type: AccountType
    is_outside: bool
    currency: str


class SandboxCard(Struct, rename="camel"):
    """A card that can pay. `label`: what people call it."""

    id: str
    label: str
    is_active: bool


class FaultChoice(Struct, rename="camel"):
    """Something that can go wrong with a kind of call to the bank, in words."""

    call: CallName
    call_label: str
    fault: FaultName
    fault_label: str


class SandboxShown(Struct, rename="camel"):
    """A sandbox's world."""

    clock: ClockShown
    places: list[PlaceShown]
    cards: list[SandboxCard]
    faults: list[FaultChoice]


class Happened(Struct, rename="camel"):
    """What has happened, as a sentence. `isDone`: whether the money moved. `transferId`: the transfer that did it."""

    message: str
    is_done: bool
    transfer_id: str | None


class NewTime(Struct, rename="camel", forbid_unknown_fields=True):
    """Where the clock goes: so many `days` on, `to` an instant, or `toNext`: when something is due next."""

    days: Annotated[int, Meta(ge=1, le=LONGEST_DAYS)] | None = None
    to: Moment | None = None
    to_next: bool = False


class NewDeposit(Struct, rename="camel", forbid_unknown_fields=True):
    """How much arrives, and where."""

    account_id: str
    amount_in_cents: AtLeastOne
    description: str = ""


class NewWithdrawal(Struct, rename="camel", forbid_unknown_fields=True):
    """How much somebody outside collects, and from where."""

    account_id: str
    amount_in_cents: AtLeastOne
    description: str = ""


class NewFault(Struct, rename="camel", forbid_unknown_fields=True):
    """Which calls to the bank go wrong, how, and how many of them."""

    call: CallName
    fault: FaultName
    times: Annotated[int, Meta(ge=1, le=1000)] = 1


class NewPurchase(Struct, rename="camel", forbid_unknown_fields=True):
    """What is paid, and to whom."""

    amount_in_cents: AtLeastOne
    description: str


def read_target(wanted: NewTime, next_due_at: datetime | None) -> timedelta | datetime:
    """Read where the clock goes. Raises InvalidParameters unless exactly one thing is said."""
    if (wanted.days is not None) + (wanted.to is not None) + wanted.to_next != 1:
        refuse("", "say one of days, to and toNext")
    if wanted.days is not None:
        return timedelta(days=wanted.days)
    if wanted.to is not None:
        return read_instant(wanted.to, "to")
    if next_due_at is None:
        refuse("toNext", "nothing is due")
    return next_due_at


def read_account_id(text: str) -> AccountId | None:
    """Read an account's id; None is a malformed one, which no account has."""
    found = parse_id(IdKind.ACCOUNT, text)
    return None if found is None else AccountId(found)


def read_card_id(found: str | None) -> CardId | None:
    """Take a card's id."""
    return None if found is None else CardId(found)


def read_description(text: str) -> str | None:
    """Read what a payment is for, if anything is said."""
    return read_text(text, "description") if text.strip() else None


def show_clock(state: ClockState, next_due_at: datetime | None) -> bytes:
    """Show the clock."""
    return show(_clock(state, next_due_at))


def _clock(state: ClockState, next_due_at: datetime | None) -> ClockShown:
    return ClockShown(show_moment(state.now), state.is_frozen, show_moment_or_none(next_due_at), state.stops)


def show_sandbox(
    state: ClockState, next_due_at: datetime | None, accounts: Sequence[AccountRecord], cards: Sequence[Card]
) -> bytes:
    """Show a sandbox's world."""
    return show(
        SandboxShown(
            clock=_clock(state, next_due_at),
            places=[_place(record) for record in accounts],
            cards=[_card(card) for card in cards],
            faults=[_fault(call, fault) for call in CALLS for fault in FAULTS if _can_fail(call, fault)],
        )
    )


def _place(record: AccountRecord) -> PlaceShown:
    account = record.account
    return PlaceShown(
        id=format_id(IdKind.ACCOUNT, account.id),
        name=record.name,
        type=cast("AccountType", account.kind.value),  # Our own accounts are in no list.
        is_outside=not account.is_kept,
        currency=account.currency,
    )


def _card(card: Card) -> SandboxCard:
    label = f"{card.holder_name}, ending in {card.last_four}"
    return SandboxCard(format_id(IdKind.CARD, card.id), label, card.status is CardStatus.ACTIVE)


def _can_fail(call: BankCall, fault: Fault) -> bool:
    only = {Fault.TWICE: BankCall.REPORTS, Fault.REFUSED: BankCall.SUBMIT}
    return only.get(fault, call) is call


def _fault(call: BankCall, fault: Fault) -> FaultChoice:
    return FaultChoice(call.value, CALLS[call], fault.value, FAULTS[fault])


def show_arrived(record: AccountRecord, amount: int, transfer: Transfer | None) -> bytes:
    """Say that money has arrived."""
    money = format_money(amount, record.account.currency)
    return show(Happened(f"{money} arrived in {record.name}.", is_done=True, transfer_id=_transfer_id(transfer)))


def show_collected(record: AccountRecord, amount: int, transfer: Transfer | None) -> bytes:
    """Say whether money was collected."""
    money = format_money(amount, record.account.currency)
    if transfer is None or transfer.error_code is None:
        message = f"{money} was collected from {record.name}."
    else:
        message = f"{money} could not be collected from {record.name}: there is not enough. Nothing moved."
    is_done = transfer is None or transfer.error_code is None
    return show(Happened(message, is_done, _transfer_id(transfer)))


def show_paid(record: CardTransaction) -> bytes:
    """Say whether a card has paid."""
    money = format_money(record.amount, record.currency)
    if record.decline_reason is None:
        return show(Happened(f"The card paid {money}.", is_done=True, transfer_id=None))
    why = _DECLINED[record.decline_reason]
    return show(Happened(f"The card was declined: {why}. Nothing moved.", is_done=False, transfer_id=None))


def show_fault(wanted: NewFault) -> bytes:
    """Say what will go wrong."""
    calls = "call" if wanted.times == 1 else f"{wanted.times} calls"
    what = CALLS[BankCall(wanted.call)].lower()
    message = f"The next {calls} will go wrong ({what}): {_lower(FAULTS[Fault(wanted.fault)])}."
    return show(Happened(message, is_done=True, transfer_id=None))


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _transfer_id(transfer: Transfer | None) -> str | None:
    return None if transfer is None else format_id(IdKind.TRANSFER, transfer.id)
