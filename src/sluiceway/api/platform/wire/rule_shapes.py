"""Rules as structures: what /platform/v1 reads and shows."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sluiceway.api.platform.wire.shapes import AccountType, AtLeastOne, AtLeastZero, Id, Moment, PercentNumber
from sluiceway.domain.money import MAX_CENTS

Status = Literal["ENABLED", "DISABLED"]
Fact = Literal["TRANSFER_AMOUNT", "BALANCE", "DATE"]
RightFact = Literal[
    "TRANSFER_AMOUNT", "BALANCE", "DATE", "LAST_DAY_OF_MONTH", "NEXT_PAYMENT_MINIMUM_AMOUNT", "LAST_STATEMENT_BALANCE"
]
Operator = Literal["EQUALS", "NOT_EQUALS", "GREATER_THAN", "LESS_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN_OR_EQUAL"]

Name = Annotated[str, Meta(max_length=200)]
Description = Annotated[str, Meta(max_length=4096)]
ROWS = Meta(min_length=1, max_length=100)
ApprovalAbove = Annotated[
    AtLeastZero, Meta(description="A transfer of more than this waits for a person. An extension of this server.")
]
BalanceAge = Annotated[
    int,
    Meta(
        ge=1,
        le=525_600,
        description="A balance that a bank reported longer ago counts as unknown. An extension of this server.",
    ),
]


class AccountNode(Struct, rename="camel", forbid_unknown_fields=True):
    """An account with its type, which must be the account's own; answers add its name."""

    id: Id
    type: AccountType
    name: str | None = None


class OnFundsTransferred(Struct, rename="camel", tag="ON_FUNDS_TRANSFERRED", forbid_unknown_fields=True):
    """Fires when money arrives at the account."""

    account_id: Id


class Scheduled(Struct, rename="camel", tag="SCHEDULED", forbid_unknown_fields=True):
    """Fires on schedule, in UTC or, an extension of this server, in the IANA `zone`."""

    schedule_type: Literal["ONE_TIME", "DAILY", "WEEKLY", "BI_WEEKLY", "MONTHLY", "EVERY_OTHER_WEEK"]
    start_date: Moment
    account_id: Id | None = None
    zone: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET


class Manual(Struct, rename="camel", tag="MANUAL", forbid_unknown_fields=True):
    """Runs only on demand."""

    account_id: Id


Trigger = OnFundsTransferred | Scheduled | Manual


class Params(Struct, rename="camel", forbid_unknown_fields=True):
    """Which account a condition looks at, where it is not the trigger's.

    `valueAccountId`, an extension of this server, is the account of `valueFact` where that is another.
    """

    account_id: Id | None = None
    value_account_id: Id | UnsetType = UNSET


class Comparison(Struct, rename="camel", forbid_unknown_fields=True):
    """A fact against a number (cents, or a day of the month) or against another fact."""

    fact: Fact
    operator: Operator
    value: Annotated[int, Meta(ge=-MAX_CENTS, le=MAX_CENTS)] | None = None
    value_fact: RightFact | None = None
    params: Params | None = None


class Condition(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of a comparison, `all` (and) and `any` (or)."""

    condition: Comparison | UnsetType = UNSET
    all: "Annotated[list[Condition], ROWS] | UnsetType" = UNSET
    any: "Annotated[list[Condition], ROWS] | UnsetType" = UNSET


class TransferCap(Struct, rename="camel", forbid_unknown_fields=True):
    """At most this much in each period, over all actions of the group."""

    period: Literal["PER_TRANSFER", "PER_WEEK", "PER_MONTH", "PER_YEAR"]
    amount_in_cents: AtLeastZero


class Action(Struct, rename="camel", kw_only=True, tag_field="type", tag="", forbid_unknown_fields=True):
    """What all actions have; all of it is required, also where it is null."""

    source: AccountNode
    destination: AccountNode
    group_index: Annotated[int, Meta(ge=0, le=1000)]
    up_to_enabled: bool
    is_direct_deposit: bool
    limit: TransferCap | None
    ach_description: Annotated[str, Meta(max_length=100)] | None


class Fixed(Action, kw_only=True, tag="FIXED"):
    """Move this much."""

    amount_in_cents: AtLeastOne


class Percentage(Action, kw_only=True, tag="PERCENTAGE"):
    """Move a percentage of what came in, or of what the source has."""

    percentage_value: PercentNumber
    percentage_target: Literal["INCOMING_AMOUNT", "SOURCE_ACCOUNT"]


class TopUp(Action, kw_only=True, tag="TOP_UP"):
    """Fill the destination up to exactly one of these; the others are null."""

    amount_in_cents: AtLeastZero | None = None
    next_payment_minimum_account: AccountNode | None = None
    current_balance_account: AccountNode | None = None
    last_statement_balance_account: AccountNode | None = None


class RoundDown(Action, kw_only=True, tag="ROUND_DOWN"):
    """Bring the source down to a multiple of this."""

    amount_in_cents: AtLeastOne


class SweepAbove(Action, kw_only=True, tag="SWEEP_ABOVE"):
    """Keep this much in the source and move the rest. An extension of this server."""

    amount_in_cents: AtLeastZero


class NextPaymentMinimum(Action, kw_only=True, tag="NEXT_PAYMENT_MINIMUM"):
    """Pay the destination's next minimum payment."""


class TotalAmountDue(Action, kw_only=True, tag="TOTAL_AMOUNT_DUE"):
    """Pay all that is owed on the destination."""


class LastStatementBalance(Action, kw_only=True, tag="LAST_STATEMENT_BALANCE"):
    """Pay the destination's last statement balance."""


class PercentageOfLiability(Action, kw_only=True, tag="PERCENTAGE_LIABILITY_BALANCE"):
    """Pay a percentage of what is owed on the destination."""

    percentage_value: PercentNumber


AnyAction = (
    Fixed
    | Percentage
    | TopUp
    | RoundDown
    | SweepAbove
    | NextPaymentMinimum
    | TotalAmountDue
    | LastStatementBalance
    | PercentageOfLiability
)


class RuleStep(Struct, forbid_unknown_fields=True):
    """Actions to run if the conditions hold; the first step that matches runs, and no other."""

    actions: Annotated[list[AnyAction], ROWS]
    conditions: Condition | None = None


class NewRule(Struct, rename="camel", forbid_unknown_fields=True):
    """A rule to create. It is disabled until a person enables it."""

    trigger: Trigger
    steps: Annotated[list[RuleStep], ROWS]
    name: Name | None = None
    description: Description | None = None
    approval_above_in_cents: ApprovalAbove | None = None
    max_balance_age_in_minutes: BalanceAge | None = None


class RuleChange(Struct, rename="camel", forbid_unknown_fields=True):
    """What to change of a rule, at least one of these; null empties what may be empty."""

    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    trigger: Trigger | UnsetType = UNSET
    steps: Annotated[list[RuleStep], ROWS] | UnsetType = UNSET
    approval_above_in_cents: ApprovalAbove | UnsetType | None = UNSET
    max_balance_age_in_minutes: BalanceAge | UnsetType | None = UNSET


class RuleShown(Struct, rename="camel", kw_only=True):
    """A rule in full. The last two are there only where the rule sets them. `sentence`: the rule in words."""

    id: Id
    name: str | None
    description: str | None
    status: Status
    trigger: Trigger
    steps: list[RuleStep]
    sentence: str
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None
    approval_above_in_cents: ApprovalAbove | UnsetType = UNSET
    max_balance_age_in_minutes: BalanceAge | UnsetType = UNSET


class RuleSummary(Struct, rename="camel", kw_only=True):
    """A rule as lists show it. One that is not supported can be run here, but not read."""

    id: Id
    name: str | None
    description: str | None
    status: Status
    is_supported: bool
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None
