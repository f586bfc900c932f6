"""How a transfer that banks carry moves on: a leg, what became of it, and what that does to transfer and ledger.

Pure, and a table where it can be one. Told in docs/explanation/life-of-a-transfer.md.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple, assert_never

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.rules import ErrorCode
from sluiceway.domain.transfers import LegPurpose, LegStatus, TransferStatus


class Path(Enum):
    """Which way a transfer goes, by who keeps its two ends."""

    OUT = "kept to external"
    IN = "external to kept"
    ACROSS = "external to external"


class Role(Enum):
    """An account by its part in a transfer."""

    SOURCE = "source"
    DESTINATION = "destination"
    WORLD = "world"
    CLEARING = "clearing"


class EffectKind(Enum):
    """What an effect does to the ledger; the first five are postings from debit to credit."""

    POST = "post"
    HOLD = "hold"
    RELEASE = "release"
    SETTLE = "settle"
    REVERSE = "reverse"
    NO_LONGER_EXPECTED = "no longer expected at the debit account"
    NO_LONGER_PULLED = "no longer pulled from the debit account"


class Effect(NamedTuple):
    """One change of the ledger, of the transfer's whole amount."""

    kind: EffectKind
    debit: Role
    credit: Role


class HandedOver(NamedTuple):
    """The bank has taken the payment."""

    expected_at: datetime


class LegRefused(NamedTuple):
    """The bank will not carry the payment."""

    code: ErrorCode


class LegSettled(NamedTuple):
    """The payment has moved its money."""

    at: datetime


class LegReturned(NamedTuple):
    """The payment came back, before or after it settled."""

    at: datetime
    code: ReturnCode


class LegCancelled(NamedTuple):
    """The payment was called back before it was handed over."""


News = HandedOver | LegRefused | LegSettled | LegReturned | LegCancelled


class LegState(NamedTuple):
    """A leg as far as deciding needs it."""

    purpose: LegPurpose
    status: LegStatus
    is_pull_returned: bool = False
    """The transfer's pull has been returned: whatever its later legs had is no longer there to send back."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a piece of news does. `status` None: the transfer stays as it is."""

    leg_status: LegStatus
    status: TransferStatus | None = None
    error_code: ErrorCode | None = None
    effects: tuple[Effect, ...] = ()
    next_leg: LegPurpose | None = None
    is_stranded: bool = False
    """A reversal has failed: its money stays in the clearing account until a person sees to it."""


_RETURNS = {
    ReturnCode.R01: (TransferStatus.INCOMPLETE, ErrorCode.INSUFFICIENT_FUNDS),
    ReturnCode.R02: (TransferStatus.ERROR, ErrorCode.DISCONNECTED_ACCOUNT),
    ReturnCode.R03: (TransferStatus.ERROR, ErrorCode.PAYMENT_FAILED),
    ReturnCode.R10: (TransferStatus.ERROR, ErrorCode.PAYMENT_FAILED),
    ReturnCode.R16: (TransferStatus.ERROR, ErrorCode.PAYMENT_FAILED),
    ReturnCode.R29: (TransferStatus.ERROR, ErrorCode.PAYMENT_FAILED),
}
_ON_THE_WAY = (TransferStatus.PROCESSING, TransferStatus.PENDING)
_UNEXPECT = Effect(EffectKind.NO_LONGER_EXPECTED, Role.DESTINATION, Role.WORLD)
_UNPULL = Effect(EffectKind.NO_LONGER_PULLED, Role.SOURCE, Role.WORLD)
_SENDER = {Path.OUT: Role.SOURCE, Path.ACROSS: Role.CLEARING}
_RECEIVER = {Path.IN: Role.DESTINATION, Path.ACROSS: Role.CLEARING}


def advance(path: Path, status: TransferStatus, leg: LegState, news: News) -> Step | None:
    """Decide what news of a leg does to its transfer and the ledger; None: nothing, it is known or comes too late.

    A state only moves forward: a leg that has ended is only ever returned, and a transfer that has failed stays failed.
    """
    is_open = leg.status in (LegStatus.PROCESSING, LegStatus.PENDING)
    match news:
        case HandedOver():
            return _handed_over(status, leg)
        case LegSettled():
            return _settled(path, leg) if is_open else None
        case LegRefused(code):
            is_news = leg.status is LegStatus.PROCESSING
            return _ended(path, leg, LegStatus.REFUSED, TransferStatus.ERROR, code) if is_news else None
        case LegCancelled():
            is_news = leg.status is LegStatus.PROCESSING
            return _ended(path, leg, LegStatus.CANCELLED, TransferStatus.CANCELLED, None) if is_news else None
        case LegReturned(_, code):
            if is_open:
                return _ended(path, leg, LegStatus.RETURNED, *_RETURNS[code])
            return _returned_late(path, status, leg, code) if leg.status is LegStatus.SETTLED else None
        case _:
            assert_never(news)


def _handed_over(status: TransferStatus, leg: LegState) -> Step | None:
    if leg.status is not LegStatus.PROCESSING:
        return None
    moves_on = status is TransferStatus.PROCESSING
    return Step(LegStatus.PENDING, TransferStatus.PENDING if moves_on else None)


def _settled(path: Path, leg: LegState) -> Step:
    match leg.purpose:
        case LegPurpose.PULL:
            arrived = Effect(EffectKind.POST, Role.WORLD, _RECEIVER[path])
            if path is Path.IN:
                return Step(LegStatus.SETTLED, TransferStatus.COMPLETE, None, (_UNPULL, _UNEXPECT, arrived))
            kept_for_the_push = Effect(EffectKind.HOLD, Role.CLEARING, Role.WORLD)
            effects = (_UNPULL, arrived, kept_for_the_push)
            # The bank's word that it has the pull may come only now.
            return Step(LegStatus.SETTLED, TransferStatus.PENDING, None, effects, LegPurpose.PUSH)
        case LegPurpose.PUSH:
            left = Effect(EffectKind.SETTLE, _SENDER[path], Role.WORLD)
            if leg.is_pull_returned:
                # The money went out all the same.
                return Step(LegStatus.SETTLED, effects=(left,))
            return Step(LegStatus.SETTLED, TransferStatus.COMPLETE, None, (_UNEXPECT, left))
        case LegPurpose.REVERSAL:
            return Step(LegStatus.SETTLED, effects=(Effect(EffectKind.SETTLE, Role.CLEARING, Role.WORLD),))
        case _:
            assert_never(leg.purpose)


def _ended(path: Path, leg: LegState, to: LegStatus, status: TransferStatus, code: ErrorCode | None) -> Step:
    """End a leg that has moved nothing."""
    match leg.purpose:
        case LegPurpose.PULL:
            return Step(to, status, code, (_UNPULL, _UNEXPECT))
        case LegPurpose.PUSH:
            release = Effect(EffectKind.RELEASE, _SENDER[path], Role.WORLD)
            if leg.is_pull_returned:
                return Step(to, effects=(release,))
            if path is Path.ACROSS:
                # What is held in the clearing account stays held, for the way back.
                return Step(to, status, code, (_UNEXPECT,), LegPurpose.REVERSAL)
            return Step(to, status, code, (_UNEXPECT, release))
        case LegPurpose.REVERSAL:
            release = Effect(EffectKind.RELEASE, Role.CLEARING, Role.WORLD)
            return Step(to, effects=(release,), is_stranded=not leg.is_pull_returned)
        case _:
            assert_never(leg.purpose)


def _returned_late(path: Path, status: TransferStatus, leg: LegState, code: ReturnCode) -> Step:
    """Take back what a leg had moved."""
    failed, error_code = _RETURNS[code]
    was_good = status in (*_ON_THE_WAY, TransferStatus.COMPLETE)
    to, told = (failed, error_code) if was_good else (None, None)
    match leg.purpose:
        case LegPurpose.PULL:
            unexpect = (_UNEXPECT,) if status in _ON_THE_WAY else ()
            back = Effect(EffectKind.REVERSE, _RECEIVER[path], Role.WORLD)
            return Step(LegStatus.RETURNED, to, told, (*unexpect, back))
        case LegPurpose.PUSH:
            back = Effect(EffectKind.REVERSE, Role.WORLD, _SENDER[path])
            if path is Path.OUT or leg.is_pull_returned:
                # Where the pull came back first, its source has its money: a reversal would pay it twice.
                return Step(LegStatus.RETURNED, to, told, (back,))
            hold = Effect(EffectKind.HOLD, Role.CLEARING, Role.WORLD)
            return Step(LegStatus.RETURNED, to, told, (back, hold), LegPurpose.REVERSAL)
        case LegPurpose.REVERSAL:
            back = Effect(EffectKind.REVERSE, Role.WORLD, Role.CLEARING)
            return Step(LegStatus.RETURNED, effects=(back,), is_stranded=not leg.is_pull_returned)
        case _:
            assert_never(leg.purpose)
