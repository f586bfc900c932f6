"""What the APIs tell, in the domain's words: ids canonical, money in cents, words and moments those of the product.

What every generation with words for it tells in its own way is the same fact here, so that they can be compared.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.ids import IdKind, parse_id


def bare(kind: IdKind, spelling: str) -> str:
    """Read an id that was shown, which is a right one."""
    found = parse_id(kind, spelling)
    assert found is not None, spelling
    return found


def is_bare(spelling: str) -> bool:
    """Tell whether an id is written as stories have it, so that a speaker writes it in its own way.

    Whatever else there is, in other spellings or no id at all, is sent as it stands.
    """
    return re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", spelling) is not None


def bare_or_none(kind: IdKind, spelling: str | None) -> str | None:
    return None if spelling is None else bare(kind, spelling)


def moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


class End(NamedTuple):
    """One end of a transfer, or of an action: then without a name."""

    id: str
    kind: str
    name: str | None = None


class Leg(NamedTuple):
    """A payment that a bank carries."""

    id: str
    purpose: str
    account: End | None
    amount: int
    status: str
    expected_at: datetime | None
    settled_at: datetime | None
    error_code: str | None
    return_code: str | None


class Moved(NamedTuple):
    """A transfer. Lists go without the legs."""

    id: str
    amount: int
    direction: str
    origin: str
    status: str
    mode: str
    source: End | None
    destination: End | None
    rule_id: str | None
    execution_id: str | None
    error_code: str | None
    reason: str | None
    return_code: str | None
    created_at: datetime | None
    completed_at: datetime | None
    returned_at: datetime | None
    expires_at: datetime | None
    legs: tuple[Leg, ...] | None = None

    @property
    def listed(self) -> "Moved":
        return self._replace(legs=None)


ON_DEMAND = "ON_DEMAND"
"""What started a run that somebody asked for. The older generation does not say who, so nobody here does."""


class Ran(NamedTuple):
    """An execution. `why`: what started it."""

    id: str
    rule_id: str
    status: str
    mode: str
    created_at: datetime | None
    why: str
    amount: int | None
    scheduled_for: datetime | None
    step: int | None
    is_unmet: bool
    attempted: int
    completed: int
    failed: int
    pending: int
    transfer_ids: tuple[str, ...]
    error: str | None
    next_attempt_at: datetime | None

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return self.attempted, self.completed, self.failed, self.pending


class Purse(NamedTuple):
    """What is in an account, as every generation can tell it."""

    kind: str
    current: int | None
    error: str | None = None


class Account(NamedTuple):
    """An account with its balance."""

    id: str
    name: str
    kind: str
    external_kind: str | None
    description: str | None
    beneficiary: str | None
    institution: str | None
    can_be_source: bool
    can_be_destination: bool
    created_at: datetime | None
    balance: dict[str, Any]
    """The figures by their snake_case names."""

    @property
    def current(self) -> int | None:
        return self.balance["balance_in_cents"]

    @property
    def available(self) -> int | None:
        return self.balance["available_balance_in_cents"]


class Listed(NamedTuple):
    """A rule as lists show it."""

    id: str
    name: str | None
    description: str | None
    is_enabled: bool
    created_at: datetime | None


class Leaf(NamedTuple):
    """A condition: a fact against a number."""

    fact: str
    operator: str
    value: int


class Act(NamedTuple):
    """An action."""

    kind: str
    source: End
    destination: End
    amount: int | None = None
    percentage: float | None = None
    target: str | None = None
    group: int = 0
    is_up_to: bool = False


class Step(NamedTuple):
    when: Leaf | None
    actions: tuple[Act, ...]


class Rule(NamedTuple):
    """A rule as it is written and shown. A schedule: its kind and start."""

    name: str | None
    description: str | None
    trigger: str
    account_id: str | None
    steps: tuple[Step, ...]
    schedule: tuple[str, datetime] | None = None
    id: str | None = None
    is_enabled: bool | None = None
    """Where nothing has been shown yet, neither is known."""

    @property
    def written(self) -> "Rule":
        return self._replace(id=None, is_enabled=None)


class Happened(NamedTuple):
    """A movement on an external account."""

    id: str
    account_id: str
    amount: int
    direction: str
    status: str
    description: str
    at: datetime | None
