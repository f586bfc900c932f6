"""Rules as /platform/v1 writes them: read with an answer, written to create or change one.

Triggers and actions are one structure each with a `type`, whose own fields are None where they do not apply: a type
that this client does not know can be read all the same.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from sluiceway.client.models import AccountNode, Model

ActionType = Literal[
    "FIXED",
    "PERCENTAGE",
    "TOP_UP",
    "ROUND_DOWN",
    "SWEEP_ABOVE",
    "NEXT_PAYMENT_MINIMUM",
    "TOTAL_AMOUNT_DUE",
    "LAST_STATEMENT_BALANCE",
    "PERCENTAGE_LIABILITY_BALANCE",
]
"""The actions that Sluiceway knows in this API; `SWEEP_ABOVE` is an extension."""

_ALWAYS: Final = frozenset({"limit", "achDescription"})
"""What every action must say, also where it is null."""
_LEVELS: Final = frozenset(
    {"amountInCents", "nextPaymentMinimumAccount", "currentBalanceAccount", "lastStatementBalanceAccount"}
)
"""What every top-up must say, all but one of them null."""


class Trigger(Struct, rename="camel", omit_defaults=True, frozen=True):
    """What starts a rule: `ON_FUNDS_TRANSFERRED`, `MANUAL`, or `SCHEDULED` with a type and a start.

    `zone`, an extension of Sluiceway, is the IANA time zone of a schedule that is not in UTC.
    """

    type: str
    account_id: str | None = None
    schedule_type: str | None = None
    start_date: datetime | None = None
    zone: str | None = None


class Params(Struct, rename="camel", omit_defaults=True, frozen=True):
    """Which account a condition looks at, where it is not the trigger's.

    `value_account_id`, an extension of Sluiceway, is the account of `value_fact` where that is another.
    """

    account_id: str | None = None
    value_account_id: str | None = None


class Comparison(Struct, rename="camel", frozen=True):
    """A fact against a number (cents, or a day of the month) or against another fact."""

    fact: str
    operator: str
    value: int | None = None
    value_fact: str | None = None
    params: Params | None = None


class Condition(Struct, omit_defaults=True, frozen=True):
    """Exactly one of a comparison, `all` (and) and `any` (or)."""

    condition: Comparison | None = None
    all: "list[Condition] | None" = None
    any: "list[Condition] | None" = None


class TransferCap(Struct, rename="camel", frozen=True):
    """At most this much in each period (`PER_TRANSFER`, `PER_WEEK`, `PER_MONTH`, `PER_YEAR`), over the whole group."""

    period: str
    amount_in_cents: int


class Action(Struct, rename="camel", frozen=True):
    """Move money from one account to another; `type` says how much, together with the fields that it needs.

    `FIXED`, `ROUND_DOWN` and `SWEEP_ABOVE` have `amount_in_cents`; `PERCENTAGE` has `percentage_value` and
    `percentage_target`; `PERCENTAGE_LIABILITY_BALANCE` has `percentage_value`; `TOP_UP` has exactly one of
    `amount_in_cents` and the three accounts.
    """

    type: str
    source: AccountNode
    destination: AccountNode
    amount_in_cents: int | None = None
    percentage_value: Decimal | None = None
    percentage_target: str | None = None
    next_payment_minimum_account: AccountNode | None = None
    current_balance_account: AccountNode | None = None
    last_statement_balance_account: AccountNode | None = None
    group_index: int = 0
    up_to_enabled: bool = False
    limit: TransferCap | None = None
    ach_description: str | None = None
    is_direct_deposit: bool = False


class Step(Struct, rename="camel", frozen=True):
    """Actions to run if the conditions hold; the first step that matches runs, and no other."""

    actions: list[Action]
    conditions: Condition | None = None


class RuleSummary(Model, kw_only=True, frozen=True):
    """A rule as lists show it. One that is not supported can be run, but not read in this API."""

    id: str
    name: str | None = None
    description: str | None = None
    status: str
    """`ENABLED` or `DISABLED`."""
    is_supported: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class Rule(Model, kw_only=True, frozen=True):
    """A rule in full. The sentence and the last two are extensions of Sluiceway."""

    id: str
    name: str | None = None
    description: str | None = None
    status: str
    """`ENABLED` or `DISABLED`."""
    trigger: Trigger
    steps: list[Step]
    sentence: str | None = None
    """The rule in words; older servers do not say it."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    approval_above_in_cents: int | None = None
    max_balance_age_in_minutes: int | None = None


def write_trigger(trigger: Trigger) -> dict[str, Any]:
    """Write what starts a rule."""
    written: dict[str, Any] = msgspec.to_builtins(trigger)
    return written


def write_steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Write the steps of a rule: of each action the fields that its type has."""
    return [
        {"conditions": msgspec.to_builtins(step.conditions), "actions": [_write(action) for action in step.actions]}
        for step in steps
    ]


def _write(action: Action) -> dict[str, Any]:
    # Percentages stay exact: written as numbers, not as text.
    fields: dict[str, Any] = msgspec.to_builtins(action, builtin_types=(Decimal,))
    always = _ALWAYS | _LEVELS if action.type == "TOP_UP" else _ALWAYS
    return {name: value for name, value in fields.items() if value is not None or name in always}
