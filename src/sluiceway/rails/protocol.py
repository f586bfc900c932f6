"""What every bank must be able to do for us, and what it says. Amounts are minor units, instants are aware."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from sluiceway.domain.ach import PaymentKind, ReturnCode
from sluiceway.domain.ids import AccountId, LegId, OrganizationId
from sluiceway.domain.ledger import ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import ErrorCode


@dataclass(frozen=True, slots=True)
class Submission:
    """A payment to hand over. `key` is the leg's id: the same key never pays twice."""

    organization_id: OrganizationId
    key: LegId
    kind: PaymentKind
    account_id: AccountId
    """The external account, at the other end."""
    amount: Cents
    currency: str
    beneficiary_name: str | None = None
    """Whose money it is; a bank may refuse a payment between people of different names. None: not checked."""
    description: str | None = None
    is_direct_deposit: bool = False


class Accepted(NamedTuple):
    """The bank has taken the payment and expects it to settle then."""

    key: LegId
    expected_at: datetime


class Refused(NamedTuple):
    """The bank will not carry the payment; it has not moved anything and never will under this key."""

    key: LegId
    code: ErrorCode


class Settled(NamedTuple):
    """The payment has moved its money. `id` is the report's own identity: the same one may come twice."""

    id: str
    key: LegId
    at: datetime


class Returned(NamedTuple):
    """The other bank has sent the payment back, before or after it settled."""

    id: str
    key: LegId
    at: datetime
    code: ReturnCode


class Deposited(NamedTuple):
    """Somebody outside has sent money to an account that we keep; the bank has it."""

    id: str
    account_id: AccountId
    amount: Cents
    at: datetime
    description: str | None
    payee_name: str | None
    """The name that the sender gave for the receiver; None: none given."""


class Withdrawn(NamedTuple):
    """Somebody outside asks for money of an account that we keep (a bill collected, a provider's autopay)."""

    id: str
    account_id: AccountId
    amount: Cents
    at: datetime
    description: str | None


Answer = Accepted | Refused
Report = Settled | Returned | Deposited | Withdrawn


class Reports(NamedTuple):
    """What has happened since a cursor, in order. `ask_again_at`: when the bank knows that more will have happened."""

    reports: tuple[Report, ...]
    cursor: str
    ask_again_at: datetime | None


class BankTransaction(NamedTuple):
    """One movement on an external account: positive is money in, for a liability too (a payment)."""

    id: str
    amount: int
    at: datetime
    description: str | None
    payment_key: LegId | None = None
    """The payment of ours that this is; None: somebody else's doing."""


class Transactions(NamedTuple):
    """The movements on an external account since a cursor, in order."""

    transactions: tuple[BankTransaction, ...]
    cursor: str


@dataclass(eq=False)
class RailUnavailable(Exception):
    """The bank did not answer. Whether it has done what it was asked is not known: ask it before asking again."""

    reason: str

    def __str__(self) -> str:
        """Say what happened."""
        return self.reason


class Rail(Protocol):
    """A bank. `at` is the organization's clock, which only simulators need.

    Every method raises RailUnavailable. `reports` never moves a cursor by itself: whoever asks again with the same one
    is told the same again.
    """

    async def submit(self, submission: Submission, at: datetime) -> Answer:
        """Hand a payment over. The same key again gives the first answer again and pays nothing more."""
        ...

    async def inquire(self, organization_id: OrganizationId, key: LegId, at: datetime) -> Answer | None:
        """Tell what was answered to a submission; None: the bank has never accepted or refused this key."""
        ...

    async def cancel(self, submission: Submission, at: datetime) -> bool:
        """Call a payment back before it is sent on; one that the bank has never had it will never carry.

        True: it will never move anything, whoever still hands it over. False: it is too late.
        """
        ...

    async def reports(self, organization_id: OrganizationId, cursor: str | None, at: datetime) -> Reports:
        """Tell what has happened since the cursor (None: since ever), at most some hundreds at a time."""
        ...

    async def balances(
        self, organization_id: OrganizationId, account_ids: Collection[AccountId], at: datetime
    ) -> dict[AccountId, ReportedBalance]:
        """Tell the balances of external accounts; one it does not know is left out, one in trouble has an error."""
        ...

    async def transactions(
        self, organization_id: OrganizationId, account_id: AccountId, cursor: str | None, at: datetime
    ) -> Transactions:
        """Tell the movements on an external account since the cursor (None: since ever), some hundreds at a time.

        Ask again until none come. A feed that is broken tells none, and its cursor stays.
        """
        ...
