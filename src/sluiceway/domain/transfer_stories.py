"""A transfer as people read it: the states of its way with where it stands, why, and what may be done with it now."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sluiceway.domain.ach import RETURNS
from sluiceway.domain.executions import explain
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.rules import Action, FixedAmount, OnFunds, Rule, Step, format_money, visible
from sluiceway.domain.transfers import Leg, LegPurpose, LegStatus, Mode, Origin, Party, Transfer, TransferStatus

STATUS_WORDS: Final = {
    TransferStatus.PENDING_APPROVAL: "Waits for approval",
    TransferStatus.PROCESSING: "To be handed over",
    TransferStatus.PENDING: "At the bank",
    TransferStatus.COMPLETE: "Complete",
    TransferStatus.INCOMPLETE: "Not enough money",
    TransferStatus.ERROR: "Failed",
    TransferStatus.CANCELLED: "Cancelled",
}
ORIGIN_WORDS: Final = {
    Origin.DIRECT_DEPOSIT: "A direct deposit",
    Origin.CHECK_DEPOSIT: "A check",
    Origin.CASHBACK: "Cashback",
    Origin.USER_PULL: "Somebody asked for it",
    Origin.RULE: "A rule",
    Origin.USER: "Somebody asked for it",
    Origin.EXTERNAL_PULL: "Collected from outside",
    Origin.UNKNOWN: "Unknown",
}
LEG_WORDS: Final = {
    LegStatus.PROCESSING: "To be handed over",
    LegStatus.PENDING: "At the bank",
    LegStatus.SETTLED: "Settled",
    LegStatus.RETURNED: "Returned",
    LegStatus.REFUSED: "Refused by the bank",
    LegStatus.CANCELLED: "Cancelled",
}
_PURPOSES = {
    LegPurpose.PULL: "Take it from",
    LegPurpose.PUSH: "Send it to",
    LegPurpose.REVERSAL: "Send it back to",
}
_ENDS = frozenset({TransferStatus.INCOMPLETE, TransferStatus.ERROR, TransferStatus.CANCELLED})


class Doing(StrEnum):
    """What may be done with a transfer."""

    APPROVE = "approve"
    REFUSE = "refuse"
    CANCEL = "cancel"


class Place(StrEnum):
    """Where a state lies from where the transfer stands."""

    DONE = "done"
    HERE = "here"
    AHEAD = "ahead"
    NOT_TAKEN = "not_taken"


class State(NamedTuple):
    """One state of the way: behind, here, ahead, or never come to."""

    status: TransferStatus
    words: str
    place: Place
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TransferStory:
    """A transfer with what is said of it. `way` are its states in order, the last one a bad end where it took one."""

    transfer: Transfer
    title: str
    said: str
    way: tuple[State, ...]
    can: tuple[Doing, ...]
    """By where it stands; whether a person may is another matter."""


def story_of(transfer: Transfer) -> TransferStory:
    """Tell a transfer that was read with its legs."""
    return TransferStory(transfer, title_of(transfer), _said(transfer), way_of(transfer), can_of(transfer))


def title_of(transfer: Transfer) -> str:
    """Name a transfer by its amount and ends."""
    amount = format_money(transfer.amount, transfer.currency)
    return f"{amount} from {_name(transfer.source)} to {_name(transfer.destination)}"


def why_of(transfer: Transfer) -> str | None:
    """Say why a transfer came to a bad end; None: it did not."""
    if transfer.return_code is not None:
        return f"The bank sent it back: {return_in_words(transfer.return_code)}."
    return explain(transfer.status_reason or transfer.error_code)


def return_in_words(code: str) -> str:
    """Say what a bank's return code means: `insufficient funds (R01)`."""
    known = {each.value: rule.meaning for each, rule in RETURNS.items()}
    return f"{known[code]} ({code})" if code in known else code


def every_time(transfer: Transfer) -> Rule | None:
    """Draw up the rule that would move the same each time money arrives where it came from.

    None where a rule made it anyway, or where one end is outside.
    """
    source, destination = transfer.source, transfer.destination
    if transfer.rule_id is not None or source is None or destination is None:
        return None
    action = Action(FixedAmount(transfer.amount), source.id, destination.id)
    return Rule(OnFunds(source.id), (Step(None, (action,)),))


def can_of(transfer: Transfer) -> tuple[Doing, ...]:
    """List what may be done with a transfer now."""
    if transfer.mode is Mode.SIMULATION:
        return ()
    match transfer.status:
        case TransferStatus.PENDING_APPROVAL:
            return (Doing.APPROVE, Doing.REFUSE, Doing.CANCEL)
        case TransferStatus.PROCESSING if transfer.legs and not any(leg.attempts for leg in transfer.legs):
            return (Doing.CANCEL,)
        case _:
            return ()


def effect_of(doing: Doing, transfer: Transfer) -> str:
    """Say what doing something with a transfer will have done."""
    amount = format_money(transfer.amount, transfer.currency)
    source, destination = _name(transfer.source), _name(transfer.destination)
    if doing is Doing.APPROVE:
        when = "at once" if _is_internal(transfer) else "by way of the bank, which cannot be undone here"
        return f"{amount} goes from {source} to {destination} {when}."
    held = transfer.source is not None and transfer.source.kind is not AccountKind.EXTERNAL_ACCOUNT
    back = f"The {amount} that is held in {source} is free again" if held else f"Nothing is taken from {source}"
    return f"{back}, and {destination} receives nothing. It cannot be taken back."


def way_of(transfer: Transfer) -> tuple[State, ...]:
    """List the states of a transfer's way, and where it stands among them."""
    states = [TransferStatus.PENDING_APPROVAL] if _waited(transfer) else []
    if not _is_internal(transfer):
        states += [TransferStatus.PROCESSING, TransferStatus.PENDING]
    states.append(TransferStatus.COMPLETE)
    if transfer.status in _ENDS:
        return _bad_end(transfer, states)
    here = states.index(transfer.status) if transfer.status in states else len(states) - 1
    return tuple(_state(transfer, status, at, here) for at, status in enumerate(states))


def _state(transfer: Transfer, status: TransferStatus, at: int, here: int) -> State:
    place = Place.DONE if at < here else Place.HERE if at == here else Place.AHEAD
    when = transfer.completed_at if status is TransferStatus.COMPLETE else None
    return State(status, STATUS_WORDS[status], place, transfer.created_at if at == 0 and when is None else when)


def _bad_end(transfer: Transfer, states: list[TransferStatus]) -> tuple[State, ...]:
    """Tell how far a transfer came before it came to a bad end."""
    came_to: set[TransferStatus] = set()
    if transfer.status_reason in ("APPROVAL_REFUSED", "APPROVAL_EXPIRED") or _waited(transfer):
        came_to.add(TransferStatus.PENDING_APPROVAL)
    if transfer.legs:
        came_to.add(TransferStatus.PROCESSING)
    if any(leg.status not in (LegStatus.PROCESSING, LegStatus.CANCELLED, LegStatus.REFUSED) for leg in transfer.legs):
        came_to.add(TransferStatus.PENDING)
    if transfer.completed_at is not None:
        came_to.add(TransferStatus.COMPLETE)
    way = [
        State(status, STATUS_WORDS[status], Place.DONE if status in came_to else Place.NOT_TAKEN,
              transfer.completed_at if status is TransferStatus.COMPLETE else None)
        for status in states
    ]  # fmt: skip
    words = "Sent back" if transfer.returned_at is not None else STATUS_WORDS[transfer.status]
    return (*way, State(transfer.status, words, Place.HERE, transfer.returned_at))


def _said(transfer: Transfer) -> str:
    rehearsed = "Simulated: " if transfer.mode is Mode.SIMULATION else ""
    match transfer.status:
        case TransferStatus.PENDING_APPROVAL:
            return "It waits until a person approves or refuses it. Its money is held."
        case TransferStatus.PROCESSING:
            return "It will be handed to the bank as soon as that takes it. Its money is held."
        case TransferStatus.PENDING:
            return "The bank has it. It can no longer be called back."
        case TransferStatus.COMPLETE:
            return f"{rehearsed}{'it would have arrived.' if rehearsed else 'It has arrived.'}"
        case TransferStatus.INCOMPLETE | TransferStatus.ERROR:
            return f"{rehearsed}{why_of(transfer) or ''} {_whereabouts(transfer)}"
        case TransferStatus.CANCELLED:
            return f"{why_of(transfer) or 'It was called back.'} No money moved."


def _whereabouts(transfer: Transfer) -> str:
    """Say where the money is of a transfer that came to a bad end."""
    amount = format_money(transfer.amount, transfer.currency)
    source, destination = _name(transfer.source), _name(transfer.destination)
    legs = {leg.purpose: leg.status for leg in transfer.legs}
    pull, push, reversal = (legs.get(each) for each in (LegPurpose.PULL, LegPurpose.PUSH, LegPurpose.REVERSAL))
    is_back = f"The {amount} is back in {source}"
    match pull, push, reversal:
        case LegStatus.RETURNED, LegStatus.SETTLED | LegStatus.PENDING, _:
            return f"{is_back}, and what was sent to {destination} is not called back: somebody has to see to it."
        case LegStatus.RETURNED, None, _ if transfer.returned_at is not None:
            return f"{is_back}, and no longer in {destination}."
        case _, _, LegStatus.PROCESSING | LegStatus.PENDING:
            return f"The {amount} is on its way back to {source}."
        case _, _, LegStatus.REFUSED | LegStatus.RETURNED if pull is not LegStatus.RETURNED:
            return f"The {amount} could not be sent back to {source}: it is kept here until somebody sees to it."
        case (LegStatus.RETURNED, LegStatus(), _) | (_, _, LegStatus.SETTLED):
            return f"{is_back}."
        case _ if transfer.returned_at is not None:
            return f"{is_back}."
        case _:
            return "No money moved."


def leg_in_words(leg: Leg, account_name: str) -> str:
    """Say what a leg is for, and how it stands."""
    reason = ""
    if leg.return_code is not None:
        reason = f": {return_in_words(leg.return_code)}"
    elif leg.error_code is not None:
        reason = f": {explain(leg.error_code)}"
    return f"{_PURPOSES[leg.purpose]} {visible(account_name)}. {LEG_WORDS[leg.status]}{reason}."


def _waited(transfer: Transfer) -> bool:
    return transfer.status is TransferStatus.PENDING_APPROVAL or transfer.status_reason in (
        "APPROVAL_REFUSED",
        "APPROVAL_EXPIRED",
    )


def _is_internal(transfer: Transfer) -> bool:
    """Tell whether no bank of ours carries it: what comes from outside by itself is there when we hear of it."""
    ends = (transfer.source, transfer.destination)
    return not transfer.legs and all(end is None or end.kind is not AccountKind.EXTERNAL_ACCOUNT for end in ends)


def _name(party: Party | None) -> str:
    return "outside" if party is None else visible(party.name)
