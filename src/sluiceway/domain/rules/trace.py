"""What a run saw and did, node by node, addressed by path (`steps/0/conditions/all/1`, `steps/0/actions/2`).

Named tuples, because they are many: quick to make, and compact when stored (as arrays; new fields go last).
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import Cents


class Why(StrEnum):
    """Why a node is unknown, or why an action moved less than it asked for."""

    NO_TRANSFER_AMOUNT = "no_transfer_amount"
    BALANCE_UNKNOWN = "balance_unknown"
    NO_ACCOUNT = "no_account"
    ACCOUNT_DELETED = "account_deleted"
    NO_MINIMUM_PAYMENT = "no_minimum_payment"
    NO_STATEMENT_BALANCE = "no_statement_balance"
    NO_INTEREST_RATE = "no_interest_rate"
    NO_REMOTE_AMOUNT = "no_remote_amount"
    NOTHING_TO_MOVE = "nothing_to_move"
    CAP = "cap"
    CEILING = "ceiling"
    AVAILABLE_FUNDS = "available_funds"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    BELOW_MINIMUM = "below_minimum"
    STOPPED = "stopped"
    BALANCE_TOO_OLD = "balance_too_old"
    ALREADY_THERE = "already_there"
    DISCONNECTED = "disconnected"
    LIMIT_REACHED = "limit_reached"


class NodeTrace(NamedTuple):
    """A condition node that was evaluated: a tree (`all`, `any`) or a leaf with the values seen on both sides.

    `reported_at`: when a bank reported what was seen, the older one of two. What we keep ourselves is of the moment.
    """

    path: str
    result: bool | None
    left: int | None = None
    right: int | None = None
    why: Why | None = None
    reported_at: datetime | None = None


class StepTrace(NamedTuple):
    """A step that was tried: whether it matched (None: unknown, so it did not), and the nodes of its condition."""

    path: str
    result: bool | None
    nodes: tuple[NodeTrace, ...]


class ActionResult(StrEnum):
    """How an action of the matched step ended in the plan."""

    MOVED = "moved"
    SKIPPED = "skipped"
    INCOMPLETE = "incomplete"
    """Lack of funds; the step stops here."""
    ERROR = "error"


class Cut(NamedTuple):
    """One limit that lowered the amount, and what it lowered it to."""

    why: Why
    to: Cents


class ActionTrace(NamedTuple):
    """What an action asked for, what limited it, and what it moved.

    `part`: the place of a pay-down's debt, or 0. `available`: the source's available balance as the action ran.
    """

    path: str
    part: int
    source: AccountId
    destination: AccountId | None
    result: ActionResult
    asked: Cents | None
    cuts: tuple[Cut, ...]
    moved: Cents
    available: Cents | None
    why: Why | None = None
    error_code: str | None = None


class Trace(NamedTuple):
    """The whole of a run: the steps tried in order, and the actions of the one that matched."""

    steps: tuple[StepTrace, ...]
    actions: tuple[ActionTrace, ...]
