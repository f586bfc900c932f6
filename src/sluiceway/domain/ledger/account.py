"""What an account is, and what is in it. Accounts are facts; balances change with every posting."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import NO_CENTS, Cents, Percent


class AccountKind(StrEnum):
    """The API's account types, and two of ours, one each per currency, that nobody lists."""

    INCOME_SOURCE = "INCOME_SOURCE"
    POD = "POD"
    EXTERNAL_ACCOUNT = "EXTERNAL_ACCOUNT"
    WORLD = "WORLD"
    """Through which money enters and leaves."""
    CLEARING = "CLEARING"
    """Where money rests that has left one bank and not reached the other."""


class ExternalKind(StrEnum):
    """What an external account is at its own institution."""

    DEPOSITORY = "DEPOSITORY"
    INVESTMENT = "INVESTMENT"
    LIABILITY = "LIABILITY"


@dataclass(frozen=True, slots=True)
class ReportedBalance:
    """What an institution last said of an external account: for a liability, positive is debt; None is unknown."""

    balance: Cents | None = None
    available: Cents | None = None
    last_statement_balance: Cents | None = None
    last_statement_date: date | None = None
    next_payment_minimum: Cents | None = None
    next_payment_due_date: date | None = None
    interest_rate: Percent | None = None
    original_loan_amount: Cents | None = None
    updated_at: datetime | None = None
    error: str | None = None


class Balance(NamedTuple):
    """The running figures of one account, in minor units.

    `posted` is what the ledger says is there (0 for external accounts, which we do not keep); `held_out` is promised to
    transfers on their way out; `expected_in` is on its way in and not yet spendable; `overdrawn` is how far returns
    have pushed it below its floor.
    """

    posted: int
    held_out: int
    expected_in: int
    overdrawn: int = 0


NOTHING = Balance(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Account:
    """The facts of an account that decisions need."""

    id: AccountId
    kind: AccountKind
    external_kind: ExternalKind | None = None
    currency: str = "USD"
    floor: Cents = NO_CENTS
    is_deleted: bool = False
    reported: ReportedBalance = ReportedBalance()
    name: str = ""
    linked_account_id: AccountId | None = None
    """A holding pod's liability: payments to it wait here until its provider collects them."""

    @property
    def is_listed(self) -> bool:
        """Tell whether people see it: the world and the clearing account are ours."""
        return self.kind not in (AccountKind.WORLD, AccountKind.CLEARING)

    @property
    def is_kept(self) -> bool:
        """Tell whether our own ledger keeps this account's money."""
        return self.kind is not AccountKind.EXTERNAL_ACCOUNT

    @property
    def can_be_source(self) -> bool:
        """Tell whether rules and transfers may take money from it (as the API documents it)."""
        if self.kind is AccountKind.EXTERNAL_ACCOUNT:
            return self.external_kind is ExternalKind.DEPOSITORY
        return self.is_listed

    @property
    def can_be_destination(self) -> bool:
        """Tell whether rules and transfers may send money to it: every account that people see may receive."""
        return self.is_listed

    @property
    def is_liability(self) -> bool:
        """Tell whether a positive balance of this account is debt."""
        return self.external_kind is ExternalKind.LIABILITY

    def available(self, balance: Balance) -> Cents | None:
        """Give what can be spent: posted less held, or what the bank reports less held. None when it is unknown.

        A liability has no available balance of its own; its reported balance (the debt) stands in.
        """
        if self.is_kept:
            return Cents(balance.posted - balance.held_out)
        if self.reported.error is not None:
            return None
        if self.is_liability:
            return self.reported.balance
        available = self.reported.available
        return None if available is None else Cents(available - balance.held_out)

    def current(self, balance: Balance) -> Cents | None:
        """Give the current balance: posted, or what the bank reports. None when it is unknown."""
        if self.is_kept:
            return Cents(balance.posted)
        return None if self.reported.error is not None else self.reported.balance
