"""The rule as data: trigger, ordered steps, conditions, actions. A tagged union for each choice."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import WHOLE, Cents, Percent
from sluiceway.domain.schedule import Schedule


class TriggerType(StrEnum):
    """What started an execution, as the API's history names it (as the API documents it)."""

    MANUAL = "MANUAL"
    SEQUENCE_API = "SEQUENCE_API"
    SCHEDULED = "SCHEDULED"
    ON_FUNDS_TRANSFERRED = "ON_FUNDS_TRANSFERRED"
    REMOTE_API = "REMOTE_API"


@dataclass(frozen=True, slots=True)
class OnFunds:
    """Fires when money arrives at the account."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Fires on schedule. With no account, every action and every BALANCE condition names its own."""

    schedule: Schedule
    account_id: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Manual:
    """Runs only on demand."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Remote:
    """Runs when a program calls the remote API with the rule's secret."""

    account_id: AccountId | None = None


Trigger = OnFunds | Scheduled | Manual | Remote


class Fact(StrEnum):
    """What a comparison can look at; the last three stand on the right-hand side only (as the API documents it)."""

    TRANSFER_AMOUNT = "TRANSFER_AMOUNT"
    BALANCE = "BALANCE"
    DATE = "DATE"
    LAST_DAY_OF_MONTH = "LAST_DAY_OF_MONTH"
    NEXT_PAYMENT_MINIMUM_AMOUNT = "NEXT_PAYMENT_MINIMUM_AMOUNT"
    LAST_STATEMENT_BALANCE = "LAST_STATEMENT_BALANCE"


LEFT_FACTS = frozenset({Fact.TRANSFER_AMOUNT, Fact.BALANCE, Fact.DATE})
ACCOUNT_FACTS = frozenset({Fact.BALANCE, Fact.NEXT_PAYMENT_MINIMUM_AMOUNT, Fact.LAST_STATEMENT_BALANCE})


class Operator(StrEnum):
    """How the two sides of a comparison are compared."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    GREATER_THAN = "GREATER_THAN"
    LESS_THAN = "LESS_THAN"
    GREATER_THAN_OR_EQUAL = "GREATER_THAN_OR_EQUAL"
    LESS_THAN_OR_EQUAL = "LESS_THAN_OR_EQUAL"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A leaf: a fact against a number (cents or day) or against another fact.

    `account_id` is whose balance is meant (None: the trigger's account); `right_account_id` the same for the right-hand
    side, where it differs (None: as on the left).
    """

    fact: Fact
    operator: Operator
    value: int | Fact
    account_id: AccountId | None = None
    right_account_id: AccountId | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every child is."""

    children: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when at least one child is."""

    children: "tuple[Condition, ...]"


Condition = Comparison | AllOf | AnyOf


class PercentageTarget(StrEnum):
    """What a percentage is taken of."""

    INCOMING_AMOUNT = "INCOMING_AMOUNT"
    SOURCE_ACCOUNT = "SOURCE_ACCOUNT"


class Level(StrEnum):
    """Which figure of a named account a top-up fills up to."""

    NEXT_PAYMENT_MINIMUM = "NEXT_PAYMENT_MINIMUM"
    CURRENT_BALANCE = "CURRENT_BALANCE"
    LAST_STATEMENT_BALANCE = "LAST_STATEMENT_BALANCE"


class Strategy(StrEnum):
    """Which debt the extra goes to first: the highest interest rate, or the smallest balance."""

    AVALANCHE = "AVALANCHE"
    SNOWBALL = "SNOWBALL"


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """Move this much (>= 1)."""

    amount: Cents


@dataclass(frozen=True, slots=True)
class Percentage:
    """Move a percentage of the incoming amount or of the source's available balance."""

    percent: Percent
    target: PercentageTarget


@dataclass(frozen=True, slots=True)
class TopUp:
    """Fill the destination up to an amount (>= 0), counting what is on its way there."""

    amount: Cents


@dataclass(frozen=True, slots=True)
class TopUpToLevel:
    """Fill the destination up to a figure of another account."""

    level: Level
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class RoundDown:
    """Bring the source down to a multiple of `multiple` (>= 1)."""

    multiple: Cents


@dataclass(frozen=True, slots=True)
class SweepAbove:
    """Keep this much (>= 0) in the source and move the rest. Ours; the API's other reading of round-down."""

    keep: Cents


@dataclass(frozen=True, slots=True)
class NextPaymentMinimum:
    """Pay the destination liability's next minimum payment."""


@dataclass(frozen=True, slots=True)
class TotalAmountDue:
    """Pay all that is owed on the destination liability."""


@dataclass(frozen=True, slots=True)
class LastStatementBalance:
    """Pay the destination liability's last statement balance."""


@dataclass(frozen=True, slots=True)
class PercentageOfLiability:
    """Pay a percentage of what is owed on the destination liability."""

    percent: Percent


@dataclass(frozen=True, slots=True)
class RemoteAmount:
    """Ask a person's own server for the amount; never more than the ceiling, where there is one."""

    url: str
    ceiling: Cents | None = None


@dataclass(frozen=True, slots=True)
class Debt:
    """A liability of a pay-down; the rate, where given, overrides the reported one (millionths of a percent a year)."""

    account_id: AccountId
    rate: Percent | None = None


@dataclass(frozen=True, slots=True)
class PayDown:
    """Pay the minimum to each debt and the extra by strategy, out of a fixed sum or a percentage of the source."""

    strategy: Strategy
    budget: FixedAmount | Percentage
    debts: tuple[Debt, ...]


Amount = (
    FixedAmount
    | Percentage
    | TopUp
    | TopUpToLevel
    | RoundDown
    | SweepAbove
    | NextPaymentMinimum
    | TotalAmountDue
    | LastStatementBalance
    | PercentageOfLiability
    | RemoteAmount
    | PayDown
)


class CapPeriod(StrEnum):
    """Over what a cap runs: weeks start on Monday, months and years are those of the calendar."""

    PER_TRANSFER = "PER_TRANSFER"
    PER_WEEK = "PER_WEEK"
    PER_MONTH = "PER_MONTH"
    PER_YEAR = "PER_YEAR"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most this much per period; all actions of a group share one."""

    period: CapPeriod
    amount: Cents


@dataclass(frozen=True, slots=True)
class Action:
    """One move: how much, from where, to where, and under what limits.

    `destination` is None exactly for a pay-down, whose debts are its destinations.
    """

    amount: Amount
    source: AccountId
    destination: AccountId | None
    group: int = 0
    up_to: bool = False
    cap: Cap | None = None
    ach_description: str | None = None
    is_direct_deposit: bool = False


class Placed(NamedTuple):
    """An action in its place: where it stands in the step, and the accounts that it cannot do without."""

    at: int
    action: Action
    accounts: tuple[AccountId, ...]


class WholeSplit(NamedTuple):
    """Percentages of one group, base and source that add up to exactly 100: together they move every cent."""

    source: AccountId
    target: PercentageTarget
    places: tuple[int, ...]
    percents: tuple[Percent, ...]


class Group(NamedTuple):
    """The actions of a step with the same group index, which share one snapshot of their sources and one cap."""

    number: int
    actions: tuple[Placed, ...]
    sources: tuple[AccountId, ...]
    cap: Cap | None
    whole_splits: tuple[WholeSplit, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Actions to run when the condition holds; no condition always holds."""

    condition: Condition | None
    actions: tuple[Action, ...]
    groups: tuple[Group, ...] = field(init=False, repr=False, compare=False)
    """The actions in their groups, in ascending group index: worked out once, since every run needs it."""

    def __post_init__(self) -> None:
        """Group the actions."""
        placed = [Placed(at, action, accounts_of(action)) for at, action in enumerate(self.actions)]
        numbers = sorted({action.group for action in self.actions})
        groups = tuple(_group(number, [each for each in placed if each.action.group == number]) for number in numbers)
        object.__setattr__(self, "groups", groups)


def accounts_of(action: Action) -> tuple[AccountId, ...]:
    """List the accounts that an action cannot do without."""
    ends = (action.source,) if action.destination is None else (action.source, action.destination)
    match action.amount:
        case PayDown(debts=debts):
            return (*ends, *(debt.account_id for debt in debts))
        case TopUpToLevel(account_id=account_id):
            return (*ends, account_id)
        case _:
            return ends


def destinations_of(action: Action) -> tuple[AccountId, ...]:
    """List the accounts that an action can move money to."""
    if isinstance(action.amount, PayDown):
        return tuple(debt.account_id for debt in action.amount.debts)
    return () if action.destination is None else (action.destination,)


def _group(number: int, placed: list[Placed]) -> Group:
    together: dict[tuple[AccountId, PercentageTarget], list[tuple[int, Percent]]] = {}
    for at, action, _ in placed:
        if isinstance(action.amount, Percentage):
            together.setdefault((action.source, action.amount.target), []).append((at, action.amount.percent))
    whole_splits = tuple(
        WholeSplit(source, target, tuple(at for at, _ in members), tuple(percent for _, percent in members))
        for (source, target), members in together.items()
        if len(members) > 1 and sum(percent for _, percent in members) == WHOLE
    )
    return Group(
        number=number,
        actions=tuple(placed),
        sources=tuple(dict.fromkeys(each.action.source for each in placed)),
        cap=next((each.action.cap for each in placed if each.action.cap is not None), None),
        whole_splits=whole_splits,
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """One revision of a rule, as a person reviews it."""

    trigger: Trigger
    steps: tuple[Step, ...]
    name: str | None = None
    description: str | None = None
    approval_above: Cents | None = None
    """A transfer of more than this (>= 0) waits for a person."""
    max_balance_age: timedelta | None = None
    """A reported balance that is older than this (whole minutes, up to a year) counts as unknown."""

    @property
    def account_id(self) -> AccountId | None:
        """The trigger's account: the default of BALANCE conditions, and whose balance `executeAmount` stands in for."""
        return self.trigger.account_id

    @property
    def zone(self) -> str:
        """The IANA zone that the rule's days, weeks and months are counted in."""
        return self.trigger.schedule.zone if isinstance(self.trigger, Scheduled) else "UTC"
