"""What news of a leg does: every state with every piece of news, and every story that can be told on a tiny ledger."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.advancing import (
    Effect,
    EffectKind,
    HandedOver,
    LegCancelled,
    LegRefused,
    LegReturned,
    LegSettled,
    LegState,
    News,
    Path,
    Role,
    Step,
    advance,
)
from sluiceway.domain.ids import AccountId, TransferId
from sluiceway.domain.ledger import Account, AccountKind, Balance, Book, ExternalKind, book_of
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import ErrorCode
from sluiceway.domain.transfers import LegPurpose, LegStatus, TransferStatus

AT = datetime(2026, 7, 7, 13, tzinfo=UTC)
OPEN_LEG = (LegStatus.PROCESSING, LegStatus.PENDING)
OPEN = (TransferStatus.PROCESSING, TransferStatus.PENDING)
NEWS: Final[tuple[News, ...]] = (
    HandedOver(AT),
    LegSettled(AT),
    LegRefused(ErrorCode.PAYMENT_NOT_SUPPORTED),
    LegCancelled(),
    *(LegReturned(AT, code) for code in ReturnCode),
)
LEGS_OF = {
    Path.OUT: (LegPurpose.PUSH,),
    Path.IN: (LegPurpose.PULL,),
    Path.ACROSS: (LegPurpose.PULL, LegPurpose.PUSH, LegPurpose.REVERSAL),
}


def every_state(path: Path) -> Iterator[tuple[TransferStatus, LegState]]:
    """Give every state that can be written down, whether a story gets there or not."""
    for status, purpose, leg, is_back in product(TransferStatus, LEGS_OF[path], LegStatus, (False, True)):
        yield status, LegState(purpose, leg, is_back)


# ------------------------------------------------------------------------------------------- every state, every news

HOW_FAR = {
    LegStatus.PROCESSING: 0,
    LegStatus.PENDING: 1,
    LegStatus.SETTLED: 2,
    LegStatus.RETURNED: 3,
    LegStatus.REFUSED: 3,
    LegStatus.CANCELLED: 3,
}
MAY_FOLLOW = {
    TransferStatus.PENDING_APPROVAL: set[TransferStatus](),
    TransferStatus.PROCESSING: set(TransferStatus) - {TransferStatus.PENDING_APPROVAL, TransferStatus.PROCESSING},
    TransferStatus.PENDING: {TransferStatus.COMPLETE, TransferStatus.INCOMPLETE, TransferStatus.ERROR},
    TransferStatus.COMPLETE: {TransferStatus.INCOMPLETE, TransferStatus.ERROR},
    TransferStatus.INCOMPLETE: set[TransferStatus](),
    TransferStatus.ERROR: set[TransferStatus](),
    TransferStatus.CANCELLED: set[TransferStatus](),
}
HAS_CODE = {TransferStatus.INCOMPLETE, TransferStatus.ERROR}


@pytest.mark.parametrize("path", Path)
def test_a_leg_only_moves_forward_and_the_same_news_again_is_none(path: Path):
    for (status, leg), news in product(every_state(path), NEWS):
        step = advance(path, status, leg, news)

        if step is None:
            continue
        assert HOW_FAR[step.leg_status] > HOW_FAR[leg.status], news
        assert (step.status in HAS_CODE) == (step.error_code is not None), news
        after = leg._replace(status=step.leg_status)
        assert advance(path, step.status or status, after, news) is None, news


@pytest.mark.parametrize("path", Path)
def test_each_piece_of_news_is_news_while_a_leg_is_where_it_can_happen(path: Path):
    in_time = {
        HandedOver: {LegStatus.PROCESSING},
        LegRefused: {LegStatus.PROCESSING},
        LegCancelled: {LegStatus.PROCESSING},
        LegSettled: {LegStatus.PROCESSING, LegStatus.PENDING},
        LegReturned: {LegStatus.PROCESSING, LegStatus.PENDING, LegStatus.SETTLED},
    }

    for (status, leg), news in product(every_state(path), NEWS):
        is_news = advance(path, status, leg, news) is not None
        assert is_news == (leg.status in in_time[type(news)]), (status, leg, news)


# ------------------------------------------------------------------------------------------------- what a story means

R01, R02, R03 = (LegReturned(AT, code) for code in (ReturnCode.R01, ReturnCode.R02, ReturnCode.R03))
TAKEN, SETTLED, CANCELLED = HandedOver(AT), LegSettled(AT), LegCancelled()
REFUSED = LegRefused(ErrorCode.NAME_MISMATCH)
MISMATCH = ErrorCode.NAME_MISMATCH


@pytest.mark.parametrize(
    ("path", "story", "told"),
    [
        pytest.param(Path.OUT, [("PUSH", TAKEN)], ("PENDING", None, "PUSH PENDING"), id="handed over"),
        pytest.param(Path.OUT, [("PUSH", TAKEN), ("PUSH", SETTLED)], ("COMPLETE", None, "PUSH SETTLED"), id="out"),
        pytest.param(Path.OUT, [("PUSH", SETTLED)], ("COMPLETE", None, "PUSH SETTLED"), id="the report comes first"),
        pytest.param(Path.OUT, [("PUSH", SETTLED), ("PUSH", TAKEN)], ("COMPLETE", None, "PUSH SETTLED"), id="late"),
        pytest.param(Path.OUT, [("PUSH", REFUSED)], ("ERROR", MISMATCH, "PUSH REFUSED"), id="refused"),
        pytest.param(Path.OUT, [("PUSH", CANCELLED)], ("CANCELLED", None, "PUSH CANCELLED"), id="called back"),
        pytest.param(
            Path.OUT,
            [("PUSH", TAKEN), ("PUSH", R02)],
            ("ERROR", ErrorCode.DISCONNECTED_ACCOUNT, "PUSH RETURNED"),
            id="returned instead of settled",
        ),
        pytest.param(
            Path.OUT,
            [("PUSH", TAKEN), ("PUSH", SETTLED), ("PUSH", R03), ("PUSH", R02)],
            ("ERROR", ErrorCode.PAYMENT_FAILED, "PUSH RETURNED"),
            id="returned after completion, once",
        ),
        pytest.param(Path.IN, [("PULL", TAKEN), ("PULL", SETTLED)], ("COMPLETE", None, "PULL SETTLED"), id="in"),
        pytest.param(
            Path.IN,
            [("PULL", TAKEN), ("PULL", R01)],
            ("INCOMPLETE", ErrorCode.INSUFFICIENT_FUNDS, "PULL RETURNED"),
            id="not enough there",
        ),
        pytest.param(
            Path.IN,
            [("PULL", SETTLED), ("PULL", R01)],
            ("INCOMPLETE", ErrorCode.INSUFFICIENT_FUNDS, "PULL RETURNED"),
            id="not enough there, told after completion",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", TAKEN), ("PULL", SETTLED)],
            ("PENDING", None, "PULL SETTLED, PUSH PROCESSING"),
            id="half across",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PUSH", TAKEN), ("PUSH", SETTLED)],
            ("COMPLETE", None, "PULL SETTLED, PUSH SETTLED"),
            id="across",
        ),
        pytest.param(
            Path.ACROSS, [("PULL", REFUSED)], ("ERROR", MISMATCH, "PULL REFUSED"), id="across, refused at the start"
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PUSH", REFUSED)],
            ("ERROR", MISMATCH, "PULL SETTLED, PUSH REFUSED, REVERSAL PROCESSING"),
            id="across, the push refused",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PUSH", SETTLED), ("PUSH", R02), ("REVERSAL", SETTLED)],
            ("ERROR", ErrorCode.DISCONNECTED_ACCOUNT, "PULL SETTLED, PUSH RETURNED, REVERSAL SETTLED"),
            id="across, returned, sent back",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PUSH", R02), ("REVERSAL", R03)],
            ("ERROR", ErrorCode.DISCONNECTED_ACCOUNT, "PULL SETTLED, PUSH RETURNED, REVERSAL RETURNED"),
            id="across, stranded",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PULL", R03)],
            ("ERROR", ErrorCode.PAYMENT_FAILED, "PULL RETURNED, PUSH CANCELLED"),
            id="across, taken back before it was sent on",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PUSH", TAKEN), ("PULL", R03), ("PUSH", SETTLED), ("PUSH", R02)],
            ("ERROR", ErrorCode.PAYMENT_FAILED, "PULL RETURNED, PUSH RETURNED"),
            id="across, taken back and come back: nobody is paid twice",
        ),
        pytest.param(
            Path.ACROSS,
            [("PULL", SETTLED), ("PUSH", REFUSED), ("PULL", R03)],
            ("ERROR", MISMATCH, "PULL RETURNED, PUSH REFUSED, REVERSAL CANCELLED"),
            id="across, taken back before it was sent back",
        ),
    ],
)
def test_a_story_ends_as_the_page_says(path: Path, story: list[tuple[str, News]], told: tuple[str, str | None, str]):
    play = Play(path)

    for purpose, news in story:
        play = play.told(LegPurpose(purpose), news)

    legs = ", ".join(f"{leg.purpose} {leg.status}" for leg in play.legs)
    assert (play.status, play.error_code, legs) == told


# ------------------------------------------------------------------------------------------- every story on one ledger

AMOUNT = Cents(700)
OURS, THERE, HERE, CLEARING, WORLD = (AccountId(name) for name in ("ours", "there", "here", "clearing", "world"))
ONE = TransferId("one")
ROLES = {
    Path.OUT: {Role.SOURCE: OURS, Role.DESTINATION: THERE},
    Path.IN: {Role.SOURCE: HERE, Role.DESTINATION: OURS},
    Path.ACROSS: {Role.SOURCE: HERE, Role.DESTINATION: THERE},
}
OWN = {Role.WORLD: WORLD, Role.CLEARING: CLEARING}


@dataclass(frozen=True)
class PlayedLeg:
    """A leg of a play. `has_begun`: somebody may be handing it over, so that it is not called back any more."""

    purpose: LegPurpose
    status: LegStatus = LegStatus.PROCESSING
    has_begun: bool = False


Balances = tuple[tuple[AccountId, Balance], ...]


@dataclass(frozen=True)
class Play:
    """One transfer on a ledger of its own, as the services move it on: a value, so that every story can be tried."""

    path: Path
    status: TransferStatus = TransferStatus.PROCESSING
    error_code: ErrorCode | None = None
    legs: tuple[PlayedLeg, ...] = ()
    balances: Balances = ()
    is_stranded: bool = False
    had: int = 1_000

    def __post_init__(self) -> None:
        if not self.legs:
            first = LegPurpose.PUSH if self.path is Path.OUT else LegPurpose.PULL
            object.__setattr__(self, "legs", (PlayedLeg(first),))
        if not self.balances:
            object.__setattr__(self, "balances", started(self.path, a_ledger(self.had)))

    def leg(self, purpose: LegPurpose) -> PlayedLeg:
        return next(leg for leg in self.legs if leg.purpose is purpose)

    @property
    def ledger(self) -> dict[AccountId, Balance]:
        return dict(self.balances)

    def told(self, purpose: LegPurpose, news: News) -> "Play":
        """Apply what became of a leg."""
        leg = self.leg(purpose)
        is_back = any(each.purpose is LegPurpose.PULL and each.status is LegStatus.RETURNED for each in self.legs)
        step = advance(self.path, self.status, LegState(purpose, leg.status, is_back), news)
        if step is None:
            return self
        if step.status is not None and step.status is not self.status:
            assert step.status in MAY_FOLLOW[self.status], (self, purpose, news)
        legs = [replace(each, status=step.leg_status) if each is leg else each for each in self.legs]
        if step.next_leg is not None:
            legs.append(PlayedLeg(step.next_leg))
        played = replace(
            self,
            status=step.status or self.status,
            error_code=self.error_code if step.status is None else step.error_code,
            legs=tuple(legs),
            balances=booked(self.path, step, self.ledger),
            is_stranded=self.is_stranded or step.is_stranded,
        )
        if purpose is LegPurpose.PULL and isinstance(news, LegReturned):
            for each in played.legs:
                if each.purpose is not LegPurpose.PULL and each.status is LegStatus.PROCESSING and not each.has_begun:
                    played = played.told(each.purpose, CANCELLED)
        return played

    def begun(self, purpose: LegPurpose) -> "Play":
        """Let somebody begin to hand a leg over."""
        legs = tuple(replace(each, has_begun=True) if each.purpose is purpose else each for each in self.legs)
        return replace(self, legs=legs)

    def spent(self) -> "Play":
        """Let somebody spend all that is available in our account."""
        book = a_book(self.ledger)
        available = book.available(OURS) or 0
        if available <= 0:
            return self
        book.post(TransferId("spending"), OURS, WORLD, Cents(available))
        return replace(self, balances=tuple(sorted(book.balances.items())))


def a_ledger(had: int, lost: int = 0) -> dict[AccountId, Balance]:
    """Put money into our account; `lost` is missing in the clearing account, because others' pulls came back late."""
    return {
        OURS: Balance(had, 0, 0),
        THERE: Balance(0, 0, 0),
        HERE: Balance(0, 0, 0),
        CLEARING: Balance(-lost, 0, 0, lost),
        WORLD: Balance(lost - had, 0, 0),
    }


def a_book(balances: dict[AccountId, Balance]) -> Book:
    kinds = {
        OURS: Account(OURS, AccountKind.POD),
        THERE: Account(THERE, AccountKind.EXTERNAL_ACCOUNT, ExternalKind.DEPOSITORY),
        HERE: Account(HERE, AccountKind.EXTERNAL_ACCOUNT, ExternalKind.DEPOSITORY),
        CLEARING: Account(CLEARING, AccountKind.CLEARING),
        WORLD: Account(WORLD, AccountKind.WORLD),
    }
    return book_of((kinds[account_id], balance) for account_id, balance in balances.items())


def started(path: Path, balances: dict[AccountId, Balance]) -> Balances:
    """Start a transfer: what is ours is held, what is not is counted as pulled, and it is expected where it goes."""
    book = a_book(balances)
    source, destination = ROLES[path][Role.SOURCE], ROLES[path][Role.DESTINATION]
    if path is Path.OUT:
        book.hold(ONE, source, destination, AMOUNT)
    else:
        book.hold_outside(source, AMOUNT)
    book.expect(destination, AMOUNT)
    return tuple(sorted(book.balances.items()))


def booked(path: Path, step: Step, balances: dict[AccountId, Balance]) -> Balances:
    book = a_book(balances)
    for effect in step.effects:
        do(book, ROLES[path] | OWN, effect)
    return tuple(sorted(book.balances.items()))


def do(book: Book, roles: dict[Role, AccountId], effect: Effect) -> None:
    debit, credit = roles[effect.debit], roles[effect.credit]
    if effect.kind is EffectKind.NO_LONGER_EXPECTED:
        book.expect(debit, -AMOUNT)
    elif effect.kind is EffectKind.NO_LONGER_PULLED:
        book.hold_outside(debit, -AMOUNT)
    else:
        posting = {
            EffectKind.POST: book.post,
            EffectKind.HOLD: book.hold,
            EffectKind.RELEASE: book.release,
            EffectKind.SETTLE: book.settle,
            EffectKind.REVERSE: book.reverse,
        }[effect.kind]
        posting(ONE, debit, credit, AMOUNT)


def following(play: Play) -> Iterator[Play]:
    """Give everything that may happen next."""
    yield play.spent()
    for leg in play.legs:
        yield play.begun(leg.purpose)
        if play.status is TransferStatus.PROCESSING and not leg.has_begun:
            yield play.told(leg.purpose, CANCELLED)
        for news in NEWS:
            if leg.has_begun and not isinstance(news, LegCancelled):
                yield play.told(leg.purpose, news)


def every_play(first: Play) -> set[Play]:
    """Find every state that any story can reach."""
    seen, left = {first}, deque([first])
    while left:
        for play in following(left.popleft()):
            if play not in seen:
                seen.add(play)
                left.append(play)
    return seen


def moved_at_the_bank(play: Play, purpose: LegPurpose) -> int:
    """Tell what a leg has moved in the end, by what its bank has said of it."""
    return sum(AMOUNT for leg in play.legs if leg.purpose is purpose and leg.status is LegStatus.SETTLED)


def check_books(play: Play) -> None:
    """Hold the ledger against what banks have said."""
    ledger = play.ledger
    assert sum(balance.posted for balance in ledger.values()) == 0
    pulled = moved_at_the_bank(play, LegPurpose.PULL)
    pushed, sent_back = moved_at_the_bank(play, LegPurpose.PUSH), moved_at_the_bank(play, LegPurpose.REVERSAL)
    if play.path is Path.ACROSS:
        assert ledger[CLEARING].posted == pulled - pushed - sent_back
    else:
        assert ledger[CLEARING].posted == 0
    if any(leg.status in OPEN_LEG for leg in play.legs):
        return
    for account_id, balance in ledger.items():
        assert (balance.held_out, balance.expected_in) == (0, 0), account_id


@pytest.mark.parametrize("path", Path)
def test_whatever_happens_in_whatever_order_the_ledger_is_what_the_banks_have_done(path: Path):
    plays = every_play(Play(path))

    assert len(plays) > 20
    for play in plays:
        check_books(play)


@pytest.mark.parametrize("path", Path)
def test_a_transfer_is_on_its_way_complete_or_failed_exactly_as_its_legs_are(path: Path):
    for play in every_play(Play(path)):
        legs = {leg.purpose: leg.status for leg in play.legs}
        wanted = {Path.OUT: (LegPurpose.PUSH,), Path.IN: (LegPurpose.PULL,)}.get(
            path, (LegPurpose.PULL, LegPurpose.PUSH)
        )
        is_done = all(legs.get(purpose) is LegStatus.SETTLED for purpose in wanted)
        has_failed = any(HOW_FAR[legs[purpose]] == 3 for purpose in wanted if purpose in legs)
        assert (play.status is TransferStatus.COMPLETE) == is_done, play
        assert (play.status not in (*OPEN, TransferStatus.COMPLETE)) == has_failed, play
        assert (play.status in HAS_CODE) == (play.error_code is not None), play
        if play.status is TransferStatus.PROCESSING:
            assert play.legs[0].status is LegStatus.PROCESSING, play


@pytest.mark.parametrize(("path", "purpose"), [(Path.OUT, LegPurpose.PUSH), (Path.IN, LegPurpose.PULL)])
@pytest.mark.parametrize("code", ReturnCode)
@pytest.mark.parametrize("before", [[], [TAKEN], [TAKEN, SETTLED], [SETTLED]])
def test_the_net_effect_of_a_transfer_that_came_back_is_nothing(
    path: Path, purpose: LegPurpose, code: ReturnCode, before: list[News]
):
    play = Play(path)

    for news in [*before, LegReturned(AT, code)]:
        play = play.told(purpose, news)

    assert play.ledger == a_ledger(1_000)


def test_money_that_came_back_after_it_was_spent_is_missing_and_shows_as_overdrawn():
    play = Play(Path.IN).told(LegPurpose.PULL, SETTLED).spent().told(LegPurpose.PULL, R03)

    assert play.ledger[OURS] == Balance(-AMOUNT, 0, 0, AMOUNT)


def test_nothing_stays_between_banks_unless_a_person_is_told_or_the_pull_came_back_too_late():
    for play in every_play(Play(Path.ACROSS)):
        legs = {leg.purpose: leg.status for leg in play.legs}
        if any(leg.status in OPEN_LEG for leg in play.legs):
            continue
        left = play.ledger[CLEARING].posted
        has_gone = LegStatus.SETTLED in (legs.get(LegPurpose.PUSH), legs.get(LegPurpose.REVERSAL))
        if legs[LegPurpose.PULL] is LegStatus.RETURNED:
            assert left == (-AMOUNT if has_gone else 0), play
        else:
            assert left == (AMOUNT if play.is_stranded else 0), play


def test_what_has_been_taken_back_is_neither_sent_on_nor_back_unless_somebody_had_begun_to():
    plays = [play for play in every_play(Play(Path.ACROSS)) if play.legs[0].status is LegStatus.RETURNED]

    assert {len(play.legs) for play in plays} == {1, 2, 3}
    for play in plays:
        assert all(leg.has_begun for leg in play.legs if leg.status in OPEN_LEG), play


def test_money_is_never_stranded_in_silence_nor_told_of_where_there_is_none():
    for play in every_play(Play(Path.ACROSS)):
        for after in following(play):
            if after.is_stranded and not play.is_stranded:
                assert after.ledger[CLEARING].posted == AMOUNT, (play, after)


@settings(max_examples=300, deadline=None)
@given(
    lost=st.integers(0, 2_000),
    order=st.lists(st.tuples(st.sampled_from(LegPurpose), st.sampled_from(NEWS)), max_size=9),
)
def test_a_transfer_between_banks_does_not_mind_what_others_have_lost(lost: int, order: list[tuple[LegPurpose, News]]):
    alone = Play(Path.ACROSS)
    beside = replace(alone, balances=started(Path.ACROSS, a_ledger(1_000, lost)))

    for purpose, news in order:
        if any(leg.purpose is purpose for leg in alone.legs) and not isinstance(news, LegCancelled):
            alone, beside = alone.told(purpose, news), beside.told(purpose, news)

    assert replace(beside, balances=alone.balances) == alone
    assert beside.ledger[CLEARING].posted == alone.ledger[CLEARING].posted - lost
    available = beside.ledger[CLEARING].posted - beside.ledger[CLEARING].held_out
    assert beside.ledger[CLEARING].overdrawn == max(0, -available)
