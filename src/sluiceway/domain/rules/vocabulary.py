"""The vocabulary of rules: what the editor offers, asks and explains, in the keys of the notation.

An editor draws itself from it: a new kind of action here, and in the model, appears there with no change of its own. A
test holds it complete against the model, and every form against `read_rule`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, cast

from sluiceway.domain.ledger import Account
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.notation import (
    MAX_ACTIONS,
    MAX_AGE,
    MAX_CHILDREN,
    MAX_DEPTH,
    MAX_GROUP,
    MAX_ID,
    MAX_NAME,
    MAX_STEPS,
    MAX_TEXT,
    MAX_URL,
)
from sluiceway.domain.rules.words import LEVELS, OPERATORS, PERIODS
from sluiceway.domain.schedule import ScheduleType


class FieldKind(StrEnum):
    """How a field is asked for. What stands in the notation: text, a whole number, or as said."""

    ACCOUNT = "account"
    """An account's id; `role` says which accounts fit."""
    AMOUNT = "amount"
    """Minor units, from `low` to `high`."""
    PERCENT = "percent"
    """Decimal text from 0 to 100, at most six decimals."""
    NUMBER = "number"
    CHOICE = "choice"
    FLAG = "flag"
    """True or false."""
    TEXT = "text"
    LONG_TEXT = "long_text"
    URL = "url"
    LOCAL_TIME = "local_time"
    """A wall time such as 2026-01-31T09:00:00."""
    ZONE = "zone"
    MINUTES = "minutes"
    OBJECT = "object"
    """An object of `fields`."""
    LIST = "list"
    """A list of objects of `fields`, from `low` to `high` of them."""
    EITHER = "either"
    """Exactly one of `options`; their fields stand beside this one's, which has no value of its own."""


class Role(StrEnum):
    """What an account is wanted for."""

    SOURCE = "source"
    DESTINATION = "destination"
    LIABILITY = "liability"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that can be chosen."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in: its key in the notation, and everything that is needed to ask for it."""

    key: str
    label: str
    kind: FieldKind
    help: str = ""
    is_required: bool = True
    role: Role | None = None
    choices: tuple[Choice, ...] = ()
    low: int | None = None
    high: int | None = None
    default: str | int | bool | None = None
    fields: "tuple[Field, ...]" = ()
    options: "tuple[Form, ...]" = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of trigger or action, or one of several ways to say something: what it is called and what it asks."""

    type: str
    label: str
    help: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class FactWord:
    """A fact that can stand on the left of a comparison, and the facts that it can be compared with."""

    fact: str
    label: str
    help: str
    kind: FieldKind
    takes_account: bool
    rights: tuple["RightFact", ...]


@dataclass(frozen=True, slots=True)
class RightFact:
    """A fact that can stand on the right."""

    fact: str
    label: str
    takes_account: bool


@dataclass(frozen=True, slots=True)
class GroupWord:
    """A way to join conditions."""

    key: str
    label: str
    help: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All of it. The limits are those of the notation."""

    triggers: tuple[Form, ...]
    facts: tuple[FactWord, ...]
    operators: tuple[Choice, ...]
    groups: tuple[GroupWord, ...]
    actions: tuple[Form, ...]
    settings: tuple[Field, ...]
    max_steps: int = MAX_STEPS
    max_actions: int = MAX_ACTIONS
    max_children: int = MAX_CHILDREN
    max_depth: int = MAX_DEPTH


def roles_of(account: Account) -> list[Role]:
    """Tell what an account can be chosen for in a rule."""
    fits = {
        Role.SOURCE: account.can_be_source,
        Role.DESTINATION: account.can_be_destination,
        Role.LIABILITY: account.is_liability,
        Role.ANY: account.is_listed,
    }
    return [] if account.is_deleted else [role for role, does in fits.items() if does]


# ---------------------------------------------------------------------------------------------------- kinds of fields


def account(key: str, label: str, role: Role = Role.ANY, help: str = "", *, is_required: bool = True) -> Field:  # noqa: A002 -- the word for it
    """Ask for an account."""
    return Field(key, label, FieldKind.ACCOUNT, help, is_required, role)


def amount(key: str, label: str, help: str = "", *, low: int = 1, is_required: bool = True) -> Field:  # noqa: A002 -- the word for it
    """Ask for an amount of money."""
    return Field(key, label, FieldKind.AMOUNT, help, is_required, low=low, high=MAX_CENTS)


def percent(
    key: str = "percentage_value", label: str = "Percent", help: str = "", default: str | None = None,  # noqa: A002 -- the word for it
    *, is_required: bool = True,
) -> Field:  # fmt: skip
    """Ask for a percentage."""
    return Field(key, label, FieldKind.PERCENT, help, is_required, low=0, high=100, default=default)


def schedule_fields() -> tuple[Field, ...]:
    """Ask for a schedule."""
    return (
        Field(
            "schedule_type",
            "How often",
            FieldKind.CHOICE,
            choices=tuple(Choice(kind, SCHEDULES[kind]) for kind in ScheduleType),
            default=ScheduleType.MONTHLY,
        ),
        Field(
            "start",
            "First time",
            FieldKind.LOCAL_TIME,
            "The weekday, the day of the month and the time are taken from it.",
        ),
        Field("zone", "Time zone", FieldKind.ZONE, "Whose clock counts.", is_required=False, default="UTC"),
    )


SCHEDULES: Final = {
    ScheduleType.ONE_TIME: "Once",
    ScheduleType.DAILY: "Every day",
    ScheduleType.WEEKLY: "Every week",
    ScheduleType.EVERY_OTHER_WEEK: "Every other week (weeks with an even number)",
    ScheduleType.BI_WEEKLY: "On the 1st and the 15th of every month",
    ScheduleType.MONTHLY: "Every month",
}

# -------------------------------------------------------------------------------------------------------- the words

_TRIGGERS: Final = (
    Form(
        "ON_FUNDS_TRANSFERRED",
        "When money arrives",
        "Runs each time money arrives in an account, with the amount that arrived.",
        (account("account_id", "In account"),),
    ),
    Form(
        "SCHEDULED",
        "On a schedule",
        "Runs by the clock. After downtime, the latest missed time is made up for once.",
        (
            *schedule_fields(),
            account("account_id", "For account", help="Whose balance is meant where none is named.", is_required=False),
        ),
    ),
    Form(
        "MANUAL",
        "When somebody runs it",
        "Runs only when a person or a program asks for it.",
        (account("account_id", "For account"),),
    ),
    Form(
        "REMOTE_API",
        "When a program calls its address",
        "Runs when a program calls the remote API with the rule's secret.",
        (account("account_id", "For account", is_required=False),),
    ),
)

_LABELS: Final = {
    m.Fact.TRANSFER_AMOUNT: "the incoming amount",
    m.Fact.BALANCE: "the balance",
    m.Fact.DATE: "the day of the month",
    m.Fact.LAST_DAY_OF_MONTH: "the last day of the month",
    m.Fact.NEXT_PAYMENT_MINIMUM_AMOUNT: "the next minimum payment",
    m.Fact.LAST_STATEMENT_BALANCE: "the last statement balance",
}
_HELP: Final = {
    m.Fact.TRANSFER_AMOUNT: "What has just arrived, or the amount that the run was asked to use.",
    m.Fact.BALANCE: "What can be spent from an account now; of a liability, what is owed.",
    m.Fact.DATE: "1 to 31, in the rule's time zone.",
}
_DAYS: Final = frozenset({m.Fact.DATE, m.Fact.LAST_DAY_OF_MONTH})


def _rights(left: m.Fact) -> tuple[RightFact, ...]:
    fitting = [fact for fact in m.Fact if fact is not left or fact is m.Fact.BALANCE]
    return tuple(
        RightFact(fact, _LABELS[fact], fact in m.ACCOUNT_FACTS)
        for fact in fitting
        if (fact in _DAYS) == (left in _DAYS)
    )


_FACTS: Final = tuple(
    FactWord(
        fact,
        _LABELS[fact],
        _HELP[fact],
        FieldKind.NUMBER if fact in _DAYS else FieldKind.AMOUNT,
        fact in m.ACCOUNT_FACTS,
        _rights(fact),
    )
    for fact in m.Fact
    if fact in m.LEFT_FACTS
)

_GROUPS: Final = (
    GroupWord("all", "all of these", "Every one of them has to hold."),
    GroupWord("any", "at least one of these", "One of them is enough."),
)

_SOURCE: Final = account("source", "From", Role.SOURCE)
_TO: Final = account("destination", "To", Role.DESTINATION)
_DEBT: Final = account("destination", "To", Role.LIABILITY, "A card or loan.")
_LIMITS: Final = (
    Field(
        "up_to_enabled",
        "Move what is there if that is less",
        FieldKind.FLAG,
        "Otherwise the step stops when the money is not all there.",
        is_required=False,
        default=False,
    ),
    Field(
        "limit",
        "At most",
        FieldKind.OBJECT,
        "All moves of a group share one limit.",
        is_required=False,
        fields=(
            amount("amount_in_cents", "Amount", low=0),
            Field(
                "period",
                "In what time",
                FieldKind.CHOICE,
                choices=tuple(Choice(period, words) for period, words in PERIODS.items()),
                default=m.CapPeriod.PER_MONTH,
            ),
        ),
    ),
    Field(
        "group_index",
        "Group",
        FieldKind.NUMBER,
        "Moves of one group share what is there at its start; a later group sees what is left.",
        is_required=False,
        low=0,
        high=MAX_GROUP,
        default=0,
    ),
    Field("ach_description", "Text for the bank statement", FieldKind.TEXT, is_required=False, low=0, high=MAX_ID),
    Field("is_direct_deposit", "Send as a direct deposit", FieldKind.FLAG, is_required=False, default=False),
)

_BUDGET: Final = Field(
    "budget",
    "Use",
    FieldKind.EITHER,
    options=(
        Form("amount", "An amount", "", (amount("amount_in_cents", "Amount"),)),
        Form("percent", "A percentage of the balance it comes from", "", (percent(),)),
    ),
)
_DEBTS: Final = Field(
    "liabilities",
    "Pay down",
    FieldKind.LIST,
    low=1,
    high=MAX_CHILDREN,
    fields=(
        account("account", "Card or loan", Role.LIABILITY),
        percent("interest_rate_percentage", "Interest a year", "Instead of what its bank reports.", is_required=False),
    ),
)
_LEVEL: Final = Field(
    "level",
    "Up to",
    FieldKind.EITHER,
    options=(
        Form("amount", "an amount", "", (amount("amount_in_cents", "Amount", low=0),)),
        *(Form(level, words, "", (account(f"{level.lower()}_account", "Account"),)) for level, words in LEVELS.items()),
    ),
)


def _action(type_: str, label: str, help_: str, *own: Field, to: Field | None = _TO) -> Form:
    return Form(type_, label, help_, (*own, _SOURCE, *(() if to is None else (to,)), *_LIMITS))


_ACTIONS: Final = (
    _action(
        "PERCENTAGE",
        "Move a percentage",
        "A share of what came in, or of the balance it comes from.",
        percent(),
        Field(
            "percentage_target",
            "Of",
            FieldKind.CHOICE,
            choices=(
                Choice(m.PercentageTarget.INCOMING_AMOUNT, "the incoming amount"),
                Choice(m.PercentageTarget.SOURCE_ACCOUNT, "the balance it comes from"),
            ),
            default=m.PercentageTarget.INCOMING_AMOUNT,
        ),
    ),
    _action("FIXED", "Move an amount", "The same amount each time.", amount("amount_in_cents", "Amount")),
    _action("TOP_UP", "Fill up", "Adds what is missing, counting what is on its way there.", _LEVEL),
    _action(
        "SWEEP_ABOVE",
        "Keep an amount, move the rest",
        "Leaves this much where it is.",
        amount("amount_in_cents", "Keep", low=0),
    ),
    _action(
        "ROUND_DOWN",
        "Round down",
        "Brings the balance down to a multiple and moves the change.",
        amount("amount_in_cents", "To a multiple of"),
    ),
    _action("NEXT_PAYMENT_MINIMUM", "Pay the minimum", "The next minimum payment of a card or loan.", to=_DEBT),
    _action("LAST_STATEMENT_BALANCE", "Pay the statement", "The last statement balance in full.", to=_DEBT),
    _action("TOTAL_AMOUNT_DUE", "Pay all that is owed", "The whole debt as last reported.", to=_DEBT),
    _action(
        "PERCENTAGE_LIABILITY_BALANCE",
        "Pay a percentage of a debt",
        "A share of what is owed.",
        percent(),
        to=_DEBT,
    ),
    _action(
        "AVALANCHE",
        "Pay debts down, highest interest first",
        "The minimum of each, then the rest to the one with the highest interest.",
        _BUDGET,
        _DEBTS,
        to=None,
    ),
    _action(
        "SNOWBALL",
        "Pay debts down, smallest first",
        "The minimum of each, then the rest to the one with the smallest balance.",
        _BUDGET,
        _DEBTS,
        to=None,
    ),
    _action(
        "REMOTE_AMOUNT",
        "Ask a server of yours for the amount",
        "Your server answers with an amount; it is asked once for each run.",
        Field("url", "Address", FieldKind.URL, low=1, high=MAX_URL),
        amount("ceiling_in_cents", "Never more than", is_required=False),
    ),
)

_SETTINGS: Final = (
    Field("name", "Name", FieldKind.TEXT, is_required=False, high=MAX_NAME),
    Field("description", "Description", FieldKind.LONG_TEXT, is_required=False, high=MAX_TEXT),
    replace(
        amount("approval_above_in_cents", "Ask a person above", low=0, is_required=False),
        help="A larger transfer waits until somebody approves it.",
    ),
    Field(
        "max_balance_age_in_minutes",
        "Oldest balance to trust",
        FieldKind.MINUTES,
        "A balance that a bank reported longer ago counts as unknown, and unknown moves nothing.",
        is_required=False,
        low=1,
        high=MAX_AGE,
    ),
)

VOCABULARY: Final = Vocabulary(
    triggers=_TRIGGERS,
    facts=_FACTS,
    operators=tuple(Choice(operator, words) for operator, words in OPERATORS.items()),
    groups=_GROUPS,
    actions=_ACTIONS,
    settings=_SETTINGS,
)


def label_at(written: object, path: str) -> str | None:
    """Tell how a field of a trigger or an action is called, by its path in a rule that somebody writes."""
    *way, key = path.split("/")
    forms: list[Form] = []
    at = written
    for name in way:
        if isinstance(at, list):
            rows = cast("list[object]", at)
            at = rows[int(name)] if name.isdecimal() and int(name) < len(rows) else None
        else:
            at = cast("Mapping[str, object]", at).get(name) if isinstance(at, Mapping) else None
        kind = cast("Mapping[str, object]", at).get("type") if isinstance(at, Mapping) else None
        forms = [form for form in (*_TRIGGERS, *_ACTIONS) if form.type == kind] or forms
    return next((field.label for form in forms for field in _all_of(form.fields) if field.key == key), None)


def _all_of(fields: Iterable[Field]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from _all_of(field.fields)
        for option in field.options:
            yield from _all_of(option.fields)
