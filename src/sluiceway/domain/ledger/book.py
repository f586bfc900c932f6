"""The running balances of the accounts at hand, and the postings that changed them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import AccountId, CardTransactionId, TransferId
from sluiceway.domain.ledger.account import Account, AccountKind, Balance
from sluiceway.domain.money import Cents


class PostingKind(StrEnum):
    """What a posting does to its accounts."""

    POST = "post"
    """Moves money at once: `posted` falls on the debit side and rises on the credit side."""
    HOLD = "hold"
    """Promises money to a transfer: the debit side's `held_out` rises."""
    RELEASE = "release"
    """Gives a hold back: the debit side's `held_out` falls."""
    SETTLE = "settle"
    """Turns a hold into money moved: as a post, and `held_out` falls on the debit side."""
    REVERSE = "reverse"
    """Moves money back after a return; the first posting stays."""


class Posting(NamedTuple):
    """One row of the ledger, with both `posted` balances after it. It belongs to a transfer or a card transaction."""

    transfer_id: TransferId | None
    sequence: int
    kind: PostingKind
    debit: AccountId
    credit: AccountId
    amount: Cents
    debit_after: int
    credit_after: int
    card_transaction_id: CardTransactionId | None = None


@dataclass(slots=True)
class Book:
    """Running balances over a set of accounts. Every method asserts that no kept account falls below its floor.

    It is filled with what was loaded under lock; `postings` and `touched` are what has to be written back.
    """

    accounts: Mapping[AccountId, Account]
    balances: dict[AccountId, Balance]
    postings: list[Posting] = field(default_factory=list[Posting])
    touched: set[AccountId] = field(default_factory=set[AccountId])
    holding_pods: Mapping[AccountId, AccountId] = field(default_factory=dict[AccountId, AccountId])
    """By liability: the pod in which payments to it wait for its provider."""
    next_sequences: dict[TransferId, int] = field(default_factory=dict[TransferId, int])
    """Where a transfer that has postings already goes on numbering them."""

    def available(self, account_id: AccountId) -> Cents | None:
        """Give what can be spent from the account now; None when it is unknown."""
        return self.accounts[account_id].available(self.balances[account_id])

    def spendable(self, account_id: AccountId) -> Cents | None:
        """Give what may leave the account now: available less its floor; None when it is unknown."""
        available = self.available(account_id)
        return None if available is None else Cents(available - self.accounts[account_id].floor)

    def post(self, transfer_id: TransferId, debit: AccountId, credit: AccountId, amount: Cents) -> None:
        """Move money at once between two kept accounts."""
        self._move(transfer_id, PostingKind.POST, debit, credit, amount)

    def post_by_card(
        self, card_transaction_id: CardTransactionId, debit: AccountId, credit: AccountId, amount: Cents
    ) -> None:
        """Move money at once, on account of a card. It is all that a card transaction ever does."""
        self._change_both(debit, credit, amount)
        debit_after, credit_after = self.balances[debit].posted, self.balances[credit].posted
        self.postings.append(
            Posting(None, 0, PostingKind.POST, debit, credit, amount, debit_after, credit_after, card_transaction_id)
        )

    def reverse(self, transfer_id: TransferId, debit: AccountId, credit: AccountId, amount: Cents) -> None:
        """Move money back after a return: debit is the account that had received it, which may fall below its floor."""
        self._move(transfer_id, PostingKind.REVERSE, debit, credit, amount)

    def hold(self, transfer_id: TransferId, debit: AccountId, credit: AccountId, amount: Cents) -> None:
        """Promise money of the debit account to a transfer on its way to the credit account.

        Money between banks is promised as it comes in: what returns have taken from others there is not its concern.
        """
        self._change(debit, held_out=amount, may_overdraw=self.accounts[debit].kind is AccountKind.CLEARING)
        self._record(transfer_id, PostingKind.HOLD, debit, credit, amount)

    def release(self, transfer_id: TransferId, debit: AccountId, credit: AccountId, amount: Cents) -> None:
        """Give a hold back in full or in part."""
        self._change(debit, held_out=-amount)
        self._record(transfer_id, PostingKind.RELEASE, debit, credit, amount)

    def settle(self, transfer_id: TransferId, debit: AccountId, credit: AccountId, amount: Cents) -> None:
        """Turn a hold into money moved; what is available does not change, so an overdrawn account may settle too."""
        self._change(debit, posted=-amount, held_out=-amount)
        self._change(credit, posted=amount)
        self._record(transfer_id, PostingKind.SETTLE, debit, credit, amount)

    def expect(self, account_id: AccountId, amount: int) -> None:
        """Count money that is on its way in (negative: it has arrived, or will not)."""
        self._change(account_id, expected_in=amount)

    def hold_outside(self, account_id: AccountId, amount: int) -> None:
        """Count money that we are pulling from an external account (negative: the pull has ended)."""
        assert not self.accounts[account_id].is_kept, "kept accounts are held by postings"
        self._change(account_id, held_out=amount)

    def _move(
        self, transfer_id: TransferId, kind: PostingKind, debit: AccountId, credit: AccountId, amount: Cents
    ) -> None:
        self._change_both(debit, credit, amount, may_overdraw=kind is PostingKind.REVERSE)
        self._record(transfer_id, kind, debit, credit, amount)

    def _change_both(self, debit: AccountId, credit: AccountId, amount: Cents, *, may_overdraw: bool = False) -> None:
        assert amount > 0, "a posting moves something"
        assert debit != credit, "money does not move to where it is"
        self._change(debit, posted=-amount, may_overdraw=may_overdraw)
        self._change(credit, posted=amount)

    def _change(
        self,
        account_id: AccountId,
        posted: int = 0,
        held_out: int = 0,
        expected_in: int = 0,
        *,
        may_overdraw: bool = False,
    ) -> None:
        account, before = self.accounts[account_id], self.balances[account_id]
        assert posted == 0 or account.is_kept, "only accounts that we keep have postings"
        held_after, available = before.held_out + held_out, before.posted + posted - before.held_out - held_out
        overdrawn = 0
        if account.is_kept and account.kind is not AccountKind.WORLD:
            short = max(0, account.floor - available)
            takes_money = available < before.posted - before.held_out
            assert not takes_money or may_overdraw or short == 0, "no account falls below its floor"
            overdrawn = short if may_overdraw else min(before.overdrawn, short)
        after = Balance(before.posted + posted, held_after, before.expected_in + expected_in, overdrawn)
        assert after.held_out >= 0, "a hold is released once"
        assert after.expected_in >= 0, "what arrives was expected once"
        self.balances[account_id] = after
        self.touched.add(account_id)

    def _record(
        self, transfer_id: TransferId, kind: PostingKind, debit: AccountId, credit: AccountId, amount: Cents
    ) -> None:
        assert amount > 0, "a posting moves something"
        sequence = self.next_sequences.get(transfer_id, 0)
        self.next_sequences[transfer_id] = sequence + 1
        after = self.balances
        self.postings.append(
            Posting(transfer_id, sequence, kind, debit, credit, amount, after[debit].posted, after[credit].posted)
        )


def book_of(entries: Iterable[tuple[Account, Balance]]) -> Book:
    """Open a book over accounts with their balances."""
    pairs = list(entries)
    return Book(
        accounts={account.id: account for account, _ in pairs},
        balances={account.id: balance for account, balance in pairs},
        holding_pods={
            account.linked_account_id: account.id
            for account, _ in pairs
            if account.linked_account_id is not None and not account.is_deleted
        },
    )
