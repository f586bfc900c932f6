"""Rules as v1 shows them. The mixed case of its words is the documented one (seeds 001 and 003)."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, assert_never
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, Struct, UnsetType

from sluiceway.api.http import After, Call, First, Named
from sluiceway.api.v1.wire.shapes import (
    AccountRef,
    Envelope,
    Moment,
    NamedAccount,
    Number,
    encode,
    show_id,
    show_moment,
    show_page,
    show_percent,
    show_ref,
    show_type,
)
from sluiceway.domain import rules as m
from sluiceway.domain.ids import AccountId, IdKind, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.schedule import Schedule

FIRST: Final = First(default=1000, maximum=1000)
AFTER: Final = After()
SOURCE: Final = Named("source_id", IdKind.ACCOUNT, "Only rules with this account as their source.")

NOBODY: Final = "00000000-0000-0000-0000-000000000000"

Accounts = Mapping[AccountId, Account]
Status = Literal["enabled", "disabled"]
TriggerWord = Literal["ON_FUNDS_TRANSFERRED", "SCHEDULED", "MANUAL", "REMOTE_API"]
Fact = Literal["TRANSFER_AMOUNT", "BALANCE", "DATE"]
RightFact = Literal[
    "TRANSFER_AMOUNT", "BALANCE", "DATE", "LAST_DAY_OF_MONTH", "NEXT_PAYMENT_MINIMUM_AMOUNT", "LAST_STATEMENT_BALANCE"
]
Operator = Literal["EQUALS", "NOT_EQUALS", "GREATER_THAN", "LESS_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN_OR_EQUAL"]
AtLeastZero = Annotated[int, Meta(ge=0, le=10**13)]
AtLeastOne = Annotated[int, Meta(ge=1, le=10**13)]


class Trigger(Struct):
    """What starts the rule. `zone` is the IANA zone of a schedule's times; without it they are UTC."""

    type: TriggerWord
    account_id: str | None = None
    schedule_type: Literal["ONE_TIME", "DAILY", "WEEKLY", "BI_WEEKLY", "MONTHLY", "EVERY_OTHER_WEEK"] | UnsetType = (
        UNSET
    )
    start_date: Moment | UnsetType = UNSET
    zone: str | UnsetType = UNSET


class Params(Struct):
    """Which accounts a condition looks at, where it is not the trigger's."""

    account_id: str | UnsetType = UNSET
    value_account_id: str | UnsetType = UNSET


class Comparison(Struct):
    """A fact against a number (cents, or a day of the month) or against another fact."""

    fact: Fact
    operator: Operator
    value: int | None = None
    value_fact: RightFact | UnsetType | None = UNSET
    params: Params | UnsetType | None = UNSET


class Condition(Struct, omit_defaults=True):
    """Exactly one of a comparison, `all` (and) and `any` (or)."""

    condition: Comparison | UnsetType = UNSET
    all: "list[Condition] | UnsetType" = UNSET
    any: "list[Condition] | UnsetType" = UNSET


class Limit(Struct):
    """At most this much in each period, over all actions of the group."""

    period: Literal["PER_TRANSFER", "PER_WEEK", "PER_MONTH", "PER_YEAR"]
    amount_in_cents: AtLeastZero


class Action(Struct, kw_only=True, tag_field="type", tag=""):
    """What all actions have."""

    source: AccountRef
    destination: AccountRef | UnsetType = UNSET
    group_index: int = 0
    up_to_enabled: bool = False
    is_direct_deposit: bool = False
    limit: Limit | UnsetType | None = UNSET
    ach_description: str | UnsetType | None = UNSET


class FixedAmount(Action, kw_only=True, tag="fixed_amount"):
    """Move this much."""

    amount_in_cents: AtLeastOne


class Percentage(Action, kw_only=True, tag="percentage"):
    """Move a percentage of what came in, or of what the source has."""

    percentage_value: Number
    percentage_target: Literal["INCOMING_AMOUNT", "SOURCE_ACCOUNT"]


class TopUp(Action, kw_only=True, tag="top_up"):
    """Fill the destination up to exactly one of these."""

    amount_in_cents: AtLeastZero | UnsetType = UNSET
    next_payment_minimum_account: AccountRef | UnsetType = UNSET
    current_balance_account: AccountRef | UnsetType = UNSET
    last_statement_balance_account: AccountRef | UnsetType = UNSET


class RoundDown(Action, kw_only=True, tag="round_down"):
    """Bring the source down to a multiple of this."""

    amount_in_cents: AtLeastOne


class SweepAbove(Action, kw_only=True, tag="sweep_above"):
    """Keep this much in the source and move the rest."""

    amount_in_cents: AtLeastZero


class NextPaymentMinimum(Action, kw_only=True, tag="next_payment_minimum"):
    """Pay the destination's next minimum payment."""


class TotalAmountDue(Action, kw_only=True, tag="total_amount_due"):
    """Pay all that is owed on the destination."""


class LastStatementBalance(Action, kw_only=True, tag="last_statement_balance"):
    """Pay the destination's last statement balance."""


class PercentageOfLiability(Action, kw_only=True, tag="percentage_liability_balance"):
    """Pay a percentage of what is owed on the destination."""

    percentage_value: Number


class RemoteAmount(Action, kw_only=True, tag="remote_amount"):
    """Ask a server of yours for the amount."""

    url: str
    ceiling_in_cents: AtLeastOne | UnsetType | None = UNSET


class Debt(Struct):
    """A liability to pay down. The rate, where given, stands in for the reported one."""

    account_id: str
    interest_rate_percentage: Number | UnsetType | None = UNSET


class PayDown(Action, kw_only=True, tag=""):
    """Pay every minimum, and the extra by strategy, out of exactly one of a sum and a percentage of the source."""

    liabilities: list[Debt]
    amount_in_cents: AtLeastOne | UnsetType = UNSET
    percentage_value: Number | UnsetType = UNSET


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


class Step(Struct):
    """Actions to run if the conditions hold; the first step that matches runs, and no other."""

    conditions: Condition | None
    actions: list[AnyAction]


class RuleBody(Struct):
    """A rule to create, or to put in place of another. It is disabled until a person enables it."""

    status: Status
    trigger: Trigger
    steps: list[Step]
    nickname: str | None = None
    description: str | None = None


class RuleShown(Struct):
    """A rule in full."""

    id: str
    nickname: str | None
    description: str | None
    status: Status
    trigger: Trigger
    steps: list[Step]
    created_at: Moment
    updated_at: Moment


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


def show_rules(call: Call, records: list[RuleRecord], accounts: Accounts, first: int) -> bytes:
    """Write a page of rules."""
    ids = [record.id for record in records]
    return show_page(call, [_summary(record, accounts) for record in records], ids, first, "rules")


def show_one(call: Call, record: RuleRecord, accounts: Accounts) -> bytes:
    """Write one rule."""
    return encode(Envelope(call.request_id, _rule(record, accounts)))


def _status(record: RuleRecord) -> Status:
    return "enabled" if record.is_enabled else "disabled"


def _summary(record: RuleRecord, accounts: Accounts) -> RuleSummary:
    rule = record.rule
    source = accounts[rule.account_id or rule.steps[0].actions[0].source]
    return RuleSummary(
        id=format_id(IdKind.RULE, record.id),
        nickname=rule.name,
        description=rule.description,
        status=_status(record),
        trigger_type=_trigger(rule.trigger).type,
        source=NamedAccount(format_id(IdKind.ACCOUNT, source.id), source.name, show_type(source.kind)),
        created_at=show_moment(record.created_at),
        updated_at=show_moment(record.updated_at),
    )


def _rule(record: RuleRecord, accounts: Accounts) -> RuleShown:
    rule = record.rule
    return RuleShown(
        id=format_id(IdKind.RULE, record.id),
        nickname=rule.name,
        description=rule.description,
        status=_status(record),
        trigger=_trigger(rule.trigger),
        steps=[
            Step(
                None if step.condition is None else _condition(step.condition),
                [_action(action, accounts) for action in step.actions],
            )
            for step in rule.steps
        ],
        created_at=show_moment(record.created_at),
        updated_at=show_moment(record.updated_at),
    )


def _trigger(trigger: m.Trigger) -> Trigger:
    account_id = show_id(IdKind.ACCOUNT, trigger.account_id)
    match trigger:
        case m.OnFunds():
            return Trigger("ON_FUNDS_TRANSFERRED", account_id)
        case m.Manual():
            return Trigger("MANUAL", account_id)
        case m.Remote():
            return Trigger("REMOTE_API", account_id)
        case m.Scheduled(schedule):
            return Trigger("SCHEDULED", account_id, schedule.type.value, _start(schedule), schedule.zone)
        case _:
            assert_never(trigger)


def _start(schedule: Schedule) -> str:
    if schedule.zone == "UTC":
        return schedule.start.isoformat() + "Z"
    return schedule.start.replace(tzinfo=ZoneInfo(schedule.zone)).isoformat()


def _condition(condition: m.Condition) -> Condition:
    match condition:
        case m.AllOf(children):
            return Condition(all=[_condition(child) for child in children])
        case m.AnyOf(children):
            return Condition(any=[_condition(child) for child in children])
        case m.Comparison():
            return Condition(condition=_comparison(condition))
        case _:
            assert_never(condition)


def _comparison(leaf: m.Comparison) -> Comparison:
    params: Params | UnsetType = UNSET
    if leaf.account_id is not None or leaf.right_account_id is not None:
        params = Params(_id_or_unset(leaf.account_id), _id_or_unset(leaf.right_account_id))
    is_fact = isinstance(leaf.value, m.Fact)
    return Comparison(
        fact=_word(leaf.fact),
        operator=_word(leaf.operator),
        value=None if isinstance(leaf.value, m.Fact) else leaf.value,
        value_fact=_word(leaf.value) if is_fact else UNSET,
        params=params,
    )


def _word(value: object) -> Any:  # noqa: ANN401 -- one of the words that the structure lists
    return str(value)


def _id_or_unset(account_id: AccountId | None) -> str | UnsetType:
    return UNSET if account_id is None else format_id(IdKind.ACCOUNT, account_id)


def _action(action: m.Action, accounts: Accounts) -> AnyAction:
    cap = action.cap
    common: dict[str, Any] = {
        "source": show_ref(accounts[action.source]),
        "destination": UNSET if action.destination is None else show_ref(accounts[action.destination]),
        "group_index": action.group,
        "up_to_enabled": action.up_to,
        "is_direct_deposit": action.is_direct_deposit,
        "limit": UNSET if cap is None else Limit(_word(cap.period), cap.amount),
        "ach_description": UNSET if action.ach_description is None else action.ach_description,
    }
    return _amount(action.amount, common, accounts)


def _amount(amount: m.Amount, common: dict[str, Any], accounts: Accounts) -> AnyAction:
    match amount:
        case m.FixedAmount(cents):
            return FixedAmount(amount_in_cents=cents, **common)
        case m.Percentage(percent, target):
            return Percentage(percentage_value=show_percent(percent), percentage_target=_word(target), **common)
        case m.TopUp(cents):
            return TopUp(amount_in_cents=cents, **common)
        case m.TopUpToLevel(level, account_id):
            named: dict[str, Any] = {f"{level.lower()}_account": show_ref(accounts[account_id])}
            return TopUp(**named, **common)
        case m.RoundDown(cents):
            return RoundDown(amount_in_cents=cents, **common)
        case m.SweepAbove(cents):
            return SweepAbove(amount_in_cents=cents, **common)
        case m.NextPaymentMinimum():
            return NextPaymentMinimum(**common)
        case m.TotalAmountDue():
            return TotalAmountDue(**common)
        case m.LastStatementBalance():
            return LastStatementBalance(**common)
        case m.PercentageOfLiability(percent):
            return PercentageOfLiability(percentage_value=show_percent(percent), **common)
        case m.RemoteAmount(url, ceiling):
            return RemoteAmount(url=url, ceiling_in_cents=UNSET if ceiling is None else ceiling, **common)
        case m.PayDown(strategy, budget, debts):
            shown = PAY_DOWNS[strategy]
            return shown(liabilities=[_debt(debt) for debt in debts], **_budget(budget), **common)
        case _:
            assert_never(amount)


PAY_DOWNS: Final[dict[m.Strategy, type[Avalanche] | type[Snowball]]] = {
    m.Strategy.AVALANCHE: Avalanche,
    m.Strategy.SNOWBALL: Snowball,
}


def _budget(budget: m.FixedAmount | m.Percentage) -> dict[str, Any]:
    if isinstance(budget, m.FixedAmount):
        return {"amount_in_cents": budget.amount}
    return {"percentage_value": show_percent(budget.percent)}


def _debt(debt: m.Debt) -> Debt:
    return Debt(format_id(IdKind.ACCOUNT, debt.account_id), UNSET if debt.rate is None else show_percent(debt.rate))
