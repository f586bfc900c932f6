"""Rules as structures: what v1 reads and shows. The mixed case of its words is the documented one."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sluiceway.api.v1.wire.shapes import (
    AccountRef,
    AtLeastOne,
    AtLeastZero,
    Moment,
    NamedAccount,
    PercentNumber,
    Text,
)
from sluiceway.domain.money import MAX_CENTS

Status = Literal["enabled", "disabled"]
TriggerWord = Literal["ON_FUNDS_TRANSFERRED", "SCHEDULED", "MANUAL", "REMOTE_API"]
Fact = Literal["TRANSFER_AMOUNT", "BALANCE", "DATE"]
RightFact = Literal[
    "TRANSFER_AMOUNT", "BALANCE", "DATE", "LAST_DAY_OF_MONTH", "NEXT_PAYMENT_MINIMUM_AMOUNT", "LAST_STATEMENT_BALANCE"
]
Operator = Literal["EQUALS", "NOT_EQUALS", "GREATER_THAN", "LESS_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN_OR_EQUAL"]

ROWS = Meta(min_length=1, max_length=100)

ApprovalAbove = Annotated[AtLeastZero, Meta(description="A transfer of more than this waits for a person.")]
BalanceAge = Annotated[
    int, Meta(ge=1, le=525_600, description="A balance that a bank reported longer ago than this counts as unknown.")
]


class OnFundsTransferred(Struct, tag_field="type", tag="ON_FUNDS_TRANSFERRED", forbid_unknown_fields=True):
    """Runs when money arrives at the account."""

    account_id: str


class Scheduled(Struct, kw_only=True, tag_field="type", tag="SCHEDULED", forbid_unknown_fields=True):
    """Runs on schedule. `zone` is the IANA zone of its times; without it they are UTC."""

    account_id: str | None = None
    schedule_type: Literal["ONE_TIME", "DAILY", "WEEKLY", "BI_WEEKLY", "MONTHLY", "EVERY_OTHER_WEEK"]
    start_date: Moment
    zone: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET


class Manual(Struct, tag_field="type", tag="MANUAL", forbid_unknown_fields=True):
    """Runs on demand."""

    account_id: str


class Remote(Struct, tag_field="type", tag="REMOTE_API", forbid_unknown_fields=True):
    """Runs when the remote API is called."""

    account_id: str | None = None


Trigger = OnFundsTransferred | Scheduled | Manual | Remote


class Params(Struct, forbid_unknown_fields=True):
    """Which accounts a condition looks at, where it is not the trigger's."""

    account_id: str | UnsetType = UNSET
    value_account_id: str | UnsetType = UNSET


class Comparison(Struct, forbid_unknown_fields=True):
    """A fact against a number (cents, or a day of the month) or against another fact."""

    fact: Fact
    operator: Operator
    value: Annotated[int, Meta(ge=-MAX_CENTS, le=MAX_CENTS)] | None = None
    value_fact: RightFact | UnsetType | None = UNSET
    params: Params | UnsetType | None = UNSET


class Condition(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of a comparison, `all` (and) and `any` (or)."""

    condition: Comparison | UnsetType = UNSET
    all: "Annotated[list[Condition], ROWS] | UnsetType" = UNSET
    any: "Annotated[list[Condition], ROWS] | UnsetType" = UNSET


class Limit(Struct, forbid_unknown_fields=True):
    """At most this much in each period, over all actions of the group."""

    period: Literal["PER_TRANSFER", "PER_WEEK", "PER_MONTH", "PER_YEAR"]
    amount_in_cents: AtLeastZero


class Action(Struct, kw_only=True, tag_field="type", tag="", forbid_unknown_fields=True):
    """What all actions have."""

    source: AccountRef
    group_index: Annotated[int, Meta(ge=0, le=1000)] = 0
    up_to_enabled: bool = False
    is_direct_deposit: bool = False
    limit: Limit | UnsetType | None = UNSET
    ach_description: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET


class Payment(Action, kw_only=True, tag=""):
    """An action that moves money to one account."""

    destination: AccountRef


class FixedAmount(Payment, kw_only=True, tag="fixed_amount"):
    """Move this much."""

    amount_in_cents: AtLeastOne


class Percentage(Payment, kw_only=True, tag="percentage"):
    """Move a percentage of what came in, or of what the source has."""

    percentage_value: PercentNumber
    percentage_target: Literal["INCOMING_AMOUNT", "SOURCE_ACCOUNT"]


class TopUp(Payment, kw_only=True, tag="top_up"):
    """Fill the destination up to exactly one of these."""

    amount_in_cents: AtLeastZero | UnsetType = UNSET
    next_payment_minimum_account: AccountRef | UnsetType = UNSET
    current_balance_account: AccountRef | UnsetType = UNSET
    last_statement_balance_account: AccountRef | UnsetType = UNSET


class RoundDown(Payment, kw_only=True, tag="round_down"):
    """Bring the source down to a multiple of this."""

    amount_in_cents: AtLeastOne


class SweepAbove(Payment, kw_only=True, tag="sweep_above"):
    """Keep this much in the source and move the rest."""

    amount_in_cents: AtLeastZero


class NextPaymentMinimum(Payment, kw_only=True, tag="next_payment_minimum"):
    """Pay the destination's next minimum payment."""


class TotalAmountDue(Payment, kw_only=True, tag="total_amount_due"):
    """Pay all that is owed on the destination."""


class LastStatementBalance(Payment, kw_only=True, tag="last_statement_balance"):
    """Pay the destination's last statement balance."""


class PercentageOfLiability(Payment, kw_only=True, tag="percentage_liability_balance"):
    """Pay a percentage of what is owed on the destination."""

    percentage_value: PercentNumber


class RemoteAmount(Payment, kw_only=True, tag="remote_amount"):
    """Ask a server of yours for the amount."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    ceiling_in_cents: AtLeastOne | UnsetType | None = UNSET


class Debt(Struct, forbid_unknown_fields=True):
    """A liability to pay down. The rate, where given, stands in for the reported one."""

    account_id: str
    interest_rate_percentage: PercentNumber | UnsetType | None = UNSET


class PayDown(Action, kw_only=True, tag=""):
    """Pay every minimum, and the extra by strategy, out of exactly one of a sum and a percentage of the source."""

    liabilities: Annotated[list[Debt], ROWS]
    destination: AccountRef | UnsetType | None = UNSET
    amount_in_cents: AtLeastOne | UnsetType = UNSET
    percentage_value: PercentNumber | UnsetType = UNSET


class Avalanche(PayDown, kw_only=True, tag="avalanche"):
    """Pay the debt with the highest interest rate first."""


class Snowball(PayDown, kw_only=True, tag="snowball"):
    """Pay the smallest debt first."""


AnyAction = (
    FixedAmount
    | Percentage
    | TopUp
    | RoundDown
    | SweepAbove
    | NextPaymentMinimum
    | TotalAmountDue
    | LastStatementBalance
    | PercentageOfLiability
    | RemoteAmount
    | Avalanche
    | Snowball
)


class Step(Struct, kw_only=True, forbid_unknown_fields=True):
    """Actions to run if the conditions hold; the first step that matches runs, and no other."""

    conditions: Condition | None = None
    actions: Annotated[list[AnyAction], ROWS]


class RuleBody(Struct, forbid_unknown_fields=True):
    """A rule to create, or to put in place of another. It is disabled until a person enables it."""

    status: Status
    trigger: Trigger
    steps: Annotated[list[Step], ROWS]
    nickname: Text | None = None
    description: Annotated[str, Meta(max_length=4096)] | None = None
    approval_above_in_cents: ApprovalAbove | UnsetType | None = UNSET
    max_balance_age_in_minutes: BalanceAge | UnsetType | None = UNSET


class RuleShown(Struct):
    """A rule in full. The last two are there only where the rule sets them."""

    id: str
    nickname: str | None
    description: str | None
    status: Status
    trigger: Trigger
    steps: list[Step]
    created_at: Moment
    updated_at: Moment
    approval_above_in_cents: ApprovalAbove | UnsetType = UNSET
    max_balance_age_in_minutes: BalanceAge | UnsetType = UNSET


class RuleSummary(Struct):
    """A rule as lists show it. The source is the trigger's account, or else the first action's."""

    id: str
    nickname: str | None
    description: str | None
    status: Status
    trigger_type: TriggerWord
    source: NamedAccount
    created_at: Moment
    updated_at: Moment
