"""What a play is given: accounts and rules as they stand at its beginning, its terms, and dated events in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.ach import PaymentKind, pull_settles_at, push_settles_at
from sluiceway.domain.ids import AccountId, RuleId, TransferId
from sluiceway.domain.ledger import Account, Balance, PostingKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import DEFAULT_MINIMUM, CapKey, Rule, TriggerType


class MoneyArrives(NamedTuple):
    """Money comes from outside and fires the rules of its account."""

    at: datetime
    account_id: AccountId
    amount: Cents


class MoneyLeaves(NamedTuple):
    """Somebody outside collects money, whether it is there or not."""

    at: datetime
    account_id: AccountId
    amount: Cents


class RuleRuns(NamedTuple):
    """A rule runs: its schedule says so, somebody asks for it, or money came that the play itself did not move.

    `since` is when the event happened, where the run came later. `origin` and `depth` place the run in a chain that
    began before; without them the run is a beginning of its own. `cause_id`: the transfer that set it off.
    """

    at: datetime
    rule_id: RuleId
    type: TriggerType
    amount: Cents | None = None
    stands_in: bool = False
    since: datetime | None = None
    origin: str | int | None = None
    depth: int = 0
    cause_id: TransferId | None = None


class MoneyMoved(NamedTuple):
    """A posting that really happened: it moves what it moved and fires nothing.

    `cause_id`: the transfer that set off the run which it belongs to.
    """

    at: datetime
    kind: PostingKind
    debit: AccountId
    credit: AccountId
    amount: Cents
    transfer_id: TransferId | None
    """None: a card did it."""
    cause_id: TransferId | None = None


class LimitUsed(NamedTuple):
    """A run that really happened took so much of a limit of its rule, which the play's runs of that rule have less."""

    at: datetime
    limit: CapKey
    amount: Cents
    cause_id: TransferId | None = None


PlayEvent = MoneyArrives | MoneyLeaves | RuleRuns | MoneyMoved | LimitUsed


Arrives = Callable[[datetime, PaymentKind, Cents], datetime]
"""Tells when a payment of an amount that is handed over at an instant has settled."""


def arrives_by_ach(at: datetime, kind: PaymentKind, amount: Cents) -> datetime:
    """Let payments take as long as they do between real banks, and none fail."""
    return pull_settles_at(at) if kind is PaymentKind.PULL else push_settles_at(at, amount)


@dataclass(frozen=True, slots=True)
class PlayedRule:
    """A rule that takes part, with what its remote service is taken to answer, by (step, action)."""

    id: RuleId
    rule: Rule
    remote_amounts: Mapping[tuple[int, int], Cents] = field(default_factory=dict[tuple[int, int], Cents])


class OnTheWay(NamedTuple):
    """Money that a bank is carrying: held in its source (None: it has left there) and expected where it goes.

    `rule_id`, `origin` and `depth` say what sent it.
    """

    source: AccountId | None
    destination: AccountId
    amount: Cents
    rule_id: RuleId | None = None
    origin: str | int | None = None
    depth: int = -1


@dataclass(frozen=True, slots=True)
class Beginning:
    """How things stand when the play begins. `rules` are in the order in which those of one account run."""

    at: datetime
    accounts: Mapping[AccountId, Account]
    balances: Mapping[AccountId, Balance]
    rules: Sequence[PlayedRule]
    caps_used: Mapping[CapKey, int] = field(default_factory=dict[CapKey, int])
    on_the_way: Sequence[tuple[datetime, OnTheWay]] = ()
    """With the instant at which each arrives."""
    caused: Mapping[str | int, int] = field(default_factory=dict[str | int, int])
    """How many runs events of before have caused already, by origin."""
    turns: Mapping[datetime, datetime] = field(default_factory=dict[datetime, datetime])
    """When what was really queued at an instant had its turn: what the play queues at that instant waits as long."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds throughout a play: the smallest transfer, how long banks take, and whether their reports follow.

    A transfer that would wait for a person counts as approved at once, and no bank's limit is reached.

    With `moves_reports` the reported balance of an external account changes with what arrives and leaves there;
    without, it stays as it was reported.
    """

    minimum: Cents = DEFAULT_MINIMUM
    arrives: Arrives = arrives_by_ach
    moves_reports: bool = True
