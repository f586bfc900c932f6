"""Postings balance, floors hold, holds are given back once, and the world is the other side of everything."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sluiceway.domain.ids import AccountId, CardTransactionId, TransferId
from sluiceway.domain.ledger import (
    NOTHING,
    Account,
    AccountKind,
    Balance,
    Book,
    ExternalKind,
    Posting,
    PostingKind,
    ReportedBalance,
    book_of,
)
from sluiceway.domain.money import Cents

INCOME, POD, JAR, WORLD = AccountId("income"), AccountId("pod"), AccountId("jar"), AccountId("world")
BANK, CARD, BROKER = AccountId("bank"), AccountId("card"), AccountId("broker")
ONE, TWO = TransferId("one"), TransferId("two")
CARD = CardTransactionId("by card")

KEPT = (INCOME, POD, JAR)
ACCOUNTS = {
    INCOME: Account(INCOME, AccountKind.INCOME_SOURCE),
    POD: Account(POD, AccountKind.POD, floor=Cents(100)),
    JAR: Account(JAR, AccountKind.POD, floor=Cents(-50)),
    WORLD: Account(WORLD, AccountKind.WORLD),
    BANK: Account(
        BANK,
        AccountKind.EXTERNAL_ACCOUNT,
        ExternalKind.DEPOSITORY,
        floor=Cents(20),
        reported=ReportedBalance(balance=Cents(900), available=Cents(800)),
    ),
    CARD: Account(
        CARD, AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY, reported=ReportedBalance(balance=Cents(300))
    ),
    BROKER: Account(BROKER, AccountKind.EXTERNAL_ACCOUNT, ExternalKind.INVESTMENT),
}


def a_book(**posted: int) -> Book:
    """Open a book on which the accounts hold what is given, all of it from the world."""
    balances = {name: Balance(posted.get(name, 0), 0, 0) for name in ACCOUNTS}
    balances[WORLD] = Balance(-sum(posted.values()), 0, 0)
    return book_of((account, balances[name]) for name, account in ACCOUNTS.items())


# ------------------------------------------------------------------------------------------------------------- accounts


@pytest.mark.parametrize(
    ("account", "balance", "available", "current"),
    [
        pytest.param(ACCOUNTS[POD], Balance(500, 120, 70), 380, 500, id="kept"),
        pytest.param(ACCOUNTS[INCOME], Balance(0, 120, 0), -120, 0, id="kept_and_promised_away"),
        pytest.param(ACCOUNTS[BANK], Balance(0, 120, 70), 680, 900, id="bank"),
        pytest.param(ACCOUNTS[CARD], Balance(0, 0, 70), 300, 300, id="a_liability_is_what_is_owed"),
        pytest.param(ACCOUNTS[BROKER], NOTHING, None, None, id="nothing_reported"),
    ],
)
def test_available_and_current_balances(account: Account, balance: Balance, available: int | None, current: int | None):
    assert account.available(balance) == available
    assert account.current(balance) == current


@pytest.mark.parametrize("name", [BANK, CARD, BROKER])
def test_a_bank_error_makes_everything_unknown(name: AccountId):
    reported = ReportedBalance(balance=Cents(900), available=Cents(800), error="LOGIN_REQUIRED")
    account = replace(ACCOUNTS[name], reported=reported)

    assert account.available(NOTHING) is None
    assert account.current(NOTHING) is None


@pytest.mark.parametrize(
    ("name", "can_be_source", "is_kept", "is_liability"),
    [
        (INCOME, True, True, False),
        (POD, True, True, False),
        (BANK, True, False, False),
        (BROKER, False, False, False),
        (CARD, False, False, True),
    ],
)
def test_what_accounts_are_for(name: AccountId, can_be_source: bool, is_kept: bool, is_liability: bool):
    account = ACCOUNTS[name]

    assert account.can_be_destination
    assert (account.can_be_source, account.is_kept, account.is_liability) == (can_be_source, is_kept, is_liability)


@pytest.mark.parametrize(("name", "spendable"), [(INCOME, 500), (POD, 400), (JAR, 550), (BANK, 780), (BROKER, None)])
def test_the_floor_is_not_spendable(name: AccountId, spendable: int | None):
    assert a_book(income=500, pod=500, jar=500).spendable(name) == spendable


# ------------------------------------------------------------------------------------------------------------- postings


def test_a_post_moves_money_at_once():
    book = a_book(income=500)

    book.post(ONE, INCOME, POD, Cents(200))

    assert book.balances[INCOME] == Balance(300, 0, 0)
    assert book.balances[POD] == Balance(200, 0, 0)
    assert book.postings == [Posting(ONE, 0, PostingKind.POST, INCOME, POD, Cents(200), 300, 200)]
    assert book.touched == {INCOME, POD}


def test_a_card_moves_money_at_once_and_its_posting_belongs_to_no_transfer():
    book = a_book(pod=500)

    book.post_by_card(CARD, POD, WORLD, Cents(200))

    assert book.balances[POD] == Balance(300, 0, 0)
    [posting] = book.postings
    assert posting == Posting(None, 0, PostingKind.POST, POD, WORLD, Cents(200), 300, posting.credit_after, CARD)
    assert book.touched == {POD, WORLD}


def test_a_hold_promises_money_and_a_settlement_moves_it():
    book = a_book(pod=500)

    book.hold(ONE, POD, WORLD, Cents(300))
    held = dict(book.balances)
    book.settle(ONE, POD, WORLD, Cents(300))

    assert held[POD] == Balance(500, 300, 0)
    assert held[WORLD] == Balance(-500, 0, 0)
    assert book.balances[POD] == Balance(200, 0, 0)
    assert book.balances[WORLD] == Balance(-200, 0, 0)
    assert book.postings == [
        Posting(ONE, 0, PostingKind.HOLD, POD, WORLD, Cents(300), 500, -500),
        Posting(ONE, 1, PostingKind.SETTLE, POD, WORLD, Cents(300), 200, -200),
    ]


def test_a_hold_given_back_in_two_parts_is_gone():
    book = a_book(pod=500)

    book.hold(ONE, POD, WORLD, Cents(300))
    book.release(ONE, POD, WORLD, Cents(100))
    book.release(ONE, POD, WORLD, Cents(200))

    assert book.balances[POD] == Balance(500, 0, 0)
    assert [(posting.sequence, posting.kind) for posting in book.postings] == [
        (0, PostingKind.HOLD),
        (1, PostingKind.RELEASE),
        (2, PostingKind.RELEASE),
    ]


def test_a_return_moves_the_money_back_and_keeps_the_first_posting():
    book = a_book(income=500)

    book.post(ONE, INCOME, POD, Cents(200))
    book.reverse(ONE, POD, INCOME, Cents(100))

    assert book.balances[INCOME] == Balance(400, 0, 0)
    assert book.balances[POD] == Balance(100, 0, 0)
    assert [posting.kind for posting in book.postings] == [PostingKind.POST, PostingKind.REVERSE]


def test_each_transfer_counts_its_own_postings():
    book = a_book(income=500)

    for transfer in (ONE, TWO, ONE, ONE, TWO):
        book.post(transfer, INCOME, POD, Cents(10))

    assert [(posting.transfer_id, posting.sequence) for posting in book.postings] == [
        (ONE, 0),
        (TWO, 0),
        (ONE, 1),
        (ONE, 2),
        (TWO, 1),
    ]


def test_what_is_expected_and_what_is_pulled_from_outside_are_counts_without_postings():
    book = a_book()

    book.expect(CARD, 70)
    book.hold_outside(BANK, 30)
    book.expect(CARD, -20)
    book.hold_outside(BANK, -10)

    assert book.balances[CARD] == Balance(0, 0, 50)
    assert book.balances[BANK] == Balance(0, 20, 0)
    assert book.postings == []
    assert book.touched == {CARD, BANK}


@pytest.mark.parametrize(("name", "floor"), [(INCOME, 0), (POD, 100), (JAR, -50)])
@pytest.mark.parametrize("verb", ["post", "hold", "settle"])
def test_no_account_falls_below_its_floor(name: AccountId, floor: int, verb: str):
    def run(amount: int) -> Book:
        book = a_book(income=500, pod=500, jar=500)
        if verb == "settle":
            # The hold itself is within bounds: settling more than was held is what breaks the promise.
            book.hold(ONE, name, WORLD, Cents(500 - floor))
        getattr(book, verb)(ONE, name, WORLD, Cents(amount))
        return book

    lowest = run(500 - floor).balances[name]
    assert lowest.posted - lowest.held_out == floor
    with pytest.raises(AssertionError):
        run(500 - floor + 1)


def test_a_return_takes_back_what_has_been_spent_and_says_how_far_the_account_is_overdrawn():
    book = a_book(income=500)

    book.post(ONE, INCOME, POD, Cents(400))
    book.reverse(TWO, INCOME, WORLD, Cents(300))
    assert book.balances[INCOME] == Balance(-200, 0, 0, overdrawn=200)
    with pytest.raises(AssertionError):
        book.hold(ONE, INCOME, POD, Cents(1))

    book.post(ONE, POD, INCOME, Cents(150))
    assert book.balances[INCOME] == Balance(-50, 0, 0, overdrawn=50)
    book.post(ONE, POD, INCOME, Cents(150))
    assert book.balances[INCOME] == Balance(100, 0, 0)
    with pytest.raises(AssertionError):
        book.post(ONE, INCOME, POD, Cents(101))


def test_a_payment_that_was_held_before_a_return_still_settles():
    book = a_book(income=500)

    book.hold(ONE, INCOME, BANK, Cents(400))
    book.reverse(TWO, INCOME, WORLD, Cents(300))
    assert book.balances[INCOME] == Balance(200, 400, 0, overdrawn=200)
    book.settle(ONE, INCOME, WORLD, Cents(400))

    assert book.balances[INCOME] == Balance(-200, 0, 0, overdrawn=200)


def test_an_account_below_its_floor_can_still_receive_and_be_given_back():
    book = book_of(
        [(ACCOUNTS[POD], Balance(50, 40, 0)), (ACCOUNTS[INCOME], Balance(500, 0, 0)), (ACCOUNTS[WORLD], NOTHING)]
    )

    book.post(ONE, INCOME, POD, Cents(10))
    book.release(TWO, POD, WORLD, Cents(40))

    assert book.balances[POD] == Balance(60, 0, 0)


def test_the_world_has_no_floor():
    book = a_book()

    book.post(ONE, WORLD, INCOME, Cents(10**13))

    assert book.balances[WORLD] == Balance(-(10**13), 0, 0)


@pytest.mark.parametrize(
    ("what", "broken"),
    [
        pytest.param(lambda book: book.post(ONE, INCOME, INCOME, Cents(1)), "where it is", id="to_itself"),
        pytest.param(lambda book: book.post(ONE, INCOME, POD, Cents(0)), "moves something", id="nothing"),
        pytest.param(lambda book: book.post_by_card(CARD, POD, WORLD, Cents(0)), "moves something", id="card_nothing"),
        pytest.param(lambda book: book.post_by_card(CARD, POD, POD, Cents(1)), "where it is", id="card_to_itself"),
        pytest.param(lambda book: book.post_by_card(CARD, POD, WORLD, Cents(1)), "below its floor", id="overdrawn"),
        pytest.param(lambda book: book.hold(ONE, INCOME, POD, Cents(0)), "moves something", id="hold_nothing"),
        pytest.param(lambda book: book.post(ONE, INCOME, BANK, Cents(1)), "that we keep", id="into_the_outside"),
        pytest.param(lambda book: book.post(ONE, BANK, INCOME, Cents(1)), "that we keep", id="out_of_the_outside"),
        pytest.param(lambda book: book.release(ONE, INCOME, WORLD, Cents(1)), "released once", id="release_too_much"),
        pytest.param(lambda book: book.settle(ONE, INCOME, WORLD, Cents(1)), "released once", id="settle_without_hold"),
        pytest.param(lambda book: book.expect(POD, -1), "expected once", id="arrived_unexpectedly"),
        pytest.param(lambda book: book.hold_outside(POD, 1), "held by postings", id="a_kept_account_held_outside"),
        pytest.param(lambda book: book.hold_outside(BANK, -1), "released once", id="a_pull_ended_twice"),
    ],
)
def test_broken_promises_are_noticed(what, broken: str):
    book = a_book(income=500)

    with pytest.raises(AssertionError, match=broken):
        what(book)

    assert book.postings == []


# --------------------------------------------------------------------------------------------------------- any sequence

amounts = st.integers(1, 400).map(Cents)


class AnyBook(RuleBasedStateMachine):
    """Run any sequence of movements; those that the book refuses to make are not made."""

    @initialize(income=st.integers(0, 1_000), pod=st.integers(100, 1_000), jar=st.integers(-50, 1_000))
    def open_a_book(self, income: int, pod: int, jar: int):
        self.book = a_book(income=income, pod=pod, jar=jar)
        self.opening = dict(self.book.balances)
        self.holds: list[tuple[TransferId, AccountId, Cents]] = []
        self.transfers = 0

    def next_transfer(self) -> TransferId:
        self.transfers += 1
        return TransferId(f"transfer-{self.transfers}")

    @rule(source=st.sampled_from((*KEPT, WORLD)), to=st.sampled_from((*KEPT, WORLD)), amount=amounts)
    def post(self, source: AccountId, to: AccountId, amount: Cents):
        if source != to and (source == WORLD or (self.book.spendable(source) or 0) >= amount):
            self.book.post(self.next_transfer(), source, to, amount)

    @rule(source=st.sampled_from(KEPT), amount=amounts)
    def hold(self, source: AccountId, amount: Cents):
        if (self.book.spendable(source) or 0) >= amount:
            transfer = self.next_transfer()
            self.book.hold(transfer, source, WORLD, amount)
            self.holds.append((transfer, source, amount))

    @rule(place=st.integers(0, 9), is_settled=st.booleans())
    def end_a_hold(self, place: int, is_settled: bool):
        if self.holds:
            transfer, source, amount = self.holds.pop(place % len(self.holds))
            verb = self.book.settle if is_settled else self.book.release
            verb(transfer, source, WORLD, amount)

    @invariant()
    def everything_posted_sums_to_zero(self):
        assert sum(balance.posted for balance in self.book.balances.values()) == 0

    @invariant()
    def what_is_held_is_what_was_not_ended(self):
        held: Counter[AccountId] = Counter()
        for _, source, amount in self.holds:
            held[source] += amount
        assert {name: balance.held_out for name, balance in self.book.balances.items() if balance.held_out} == held

    @invariant()
    def nobody_is_below_the_floor(self):
        assert all((self.book.spendable(name) or 0) >= 0 for name in KEPT)

    @invariant()
    def the_postings_tell_the_balances(self):
        posted = {name: balance.posted for name, balance in self.opening.items()}
        held: Counter[AccountId] = Counter()
        for entry in self.book.postings:
            if entry.kind in {PostingKind.POST, PostingKind.SETTLE, PostingKind.REVERSE}:
                posted[entry.debit] -= entry.amount
                posted[entry.credit] += entry.amount
            if entry.kind is PostingKind.HOLD:
                held[entry.debit] += entry.amount
            if entry.kind in {PostingKind.RELEASE, PostingKind.SETTLE}:
                held[entry.debit] -= entry.amount
            assert (entry.debit_after, entry.credit_after) == (posted[entry.debit], posted[entry.credit])
        assert posted == {name: balance.posted for name, balance in self.book.balances.items()}
        assert all(held[name] == balance.held_out for name, balance in self.book.balances.items())

    @invariant()
    def each_transfer_is_numbered_from_zero(self):
        numbers: dict[TransferId, list[int]] = {}
        for entry in self.book.postings:
            numbers.setdefault(entry.transfer_id, []).append(entry.sequence)
        assert all(found == list(range(len(found))) for found in numbers.values())

    @invariant()
    def what_changed_is_touched(self):
        changed = {name for name, balance in self.book.balances.items() if balance != self.opening[name]}
        assert changed <= self.book.touched


AnyBook.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_sequence_of_movements_keeps_the_ledgers_promises = AnyBook.TestCase


@given(st.lists(st.tuples(st.sampled_from((*KEPT, WORLD)), st.sampled_from((*KEPT, WORLD)), amounts), max_size=20))
def test_moving_everything_back_leaves_the_book_as_it_was(moves: list[tuple[AccountId, AccountId, Cents]]):
    book = a_book(income=10_000, pod=10_000, jar=10_000)
    opening = dict(book.balances)
    made = [(source, to, amount) for source, to, amount in moves if source != to]

    for source, to, amount in made:
        book.post(ONE, source, to, amount)
    for source, to, amount in reversed(made):
        book.reverse(ONE, to, source, amount)

    assert book.balances == opening
    assert len(book.postings) == 2 * len(made)
