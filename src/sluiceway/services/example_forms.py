"""The notation of examples: given accounts and an event, what is expected of a rule's plan.

Scenario files hold them (docs/reference/scenarios.md), and rules keep them as tests.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind, Balance, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents, format_percent, parse_percent
from sluiceway.domain.rules import (
    DEFAULT_MINIMUM,
    AchRoom,
    ActionResult,
    CapKey,
    CapPeriod,
    ErrorCode,
    Event,
    PaymentSide,
    Plan,
    PlannedTransfer,
    Snapshot,
    TriggerType,
    Why,
)

RULE_ID: Final = RuleId("the rule of the example")
"""Stands in for the id of the rule that is planned: an example may be anybody's."""

F = TypeVar("F")
_Text = Annotated[str, Meta(min_length=1)]
_Index = Annotated[int, Meta(ge=0)]
_NotNegative = Annotated[Cents, Meta(ge=0)]
_Kind = Literal["INCOME_SOURCE", "POD", "EXTERNAL_ACCOUNT"]
_Period = Literal["PER_WEEK", "PER_MONTH", "PER_YEAR"]


class Form(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping of the format: unknown keys are refused; defaults are left out when it is shown."""


class _Report(Form):
    balance: Cents | None = None
    available: Cents | None = None
    last_statement_balance: Cents | None = None
    last_statement_date: date | None = None
    next_payment_minimum: Cents | None = None
    next_payment_due_date: date | None = None
    interest_rate: int | str | None = None
    original_loan_amount: Cents | None = None
    updated_at: Annotated[datetime, Meta(tz=True)] | None = None
    error: str | None = None


class _Account(Form):
    kind: _Kind
    external_kind: ExternalKind | None = None
    posted: int | None = None
    held_out: _NotNegative = Cents(0)
    expected_in: _NotNegative = Cents(0)
    floor: Cents = Cents(0)
    currency: str = "USD"
    deleted: bool = False
    reported: _Report | None = None


class CapUse(Form):
    """How much of a running cap has been used up, or is by this run."""

    period: _Period
    starts_on: date
    amount: _NotNegative
    step: _Index = 0
    group: _Index = 0


class _Room(Form):
    code: ErrorCode
    amount: _NotNegative | None = None
    transfers: _Index | None = None


class Given(Form):
    """The accounts, and what has happened before."""

    accounts: Annotated[dict[_Text, _Account], Meta(min_length=1)]
    caps_used: tuple[CapUse, ...] = ()
    remote_amounts: dict[str, _NotNegative] = {}
    minimum: _NotNegative = DEFAULT_MINIMUM
    at: Annotated[datetime, Meta(tz=True)] | None = None
    ach_limits: dict[PaymentSide, tuple[_Room, ...]] = {}
    holding_pods: dict[str, str] = {}


class Happening(Form):
    """What starts the run."""

    type: TriggerType
    at: Annotated[datetime, Meta(tz=True)]
    transfer_amount: _NotNegative | None = None
    stands_in: bool = False


class TransferSeen(Form, rename={"from_": "from"}):
    """A transfer of the plan; with an error it moves nothing, with needs_approval it waits for a person."""

    from_: str
    to: str
    amount: int
    error: ErrorCode | None = None
    needs_approval: bool = False


class StepSeen(Form):
    """`steps/0`: whether the step matched."""

    result: bool | UnsetType | None = UNSET


class NodeSeen(Form):
    """`steps/0/conditions/...`: what a comparison, an `all` or an `any` came to."""

    result: bool | UnsetType | None = UNSET
    left: int | UnsetType | None = UNSET
    right: int | UnsetType | None = UNSET
    why: Why | UnsetType | None = UNSET


class ActionSeen(Form, rename={"from_": "from"}):
    """`steps/0/actions/0`, or `.../parts/1` for a debt of a pay-down: what was asked, cut and moved."""

    from_: str | UnsetType = UNSET
    to: str | UnsetType | None = UNSET
    result: ActionResult | UnsetType = UNSET
    asked: int | UnsetType | None = UNSET
    cuts: tuple[Annotated[dict[Why, Cents], Meta(min_length=1, max_length=1)], ...] | UnsetType = UNSET
    moved: int | UnsetType = UNSET
    available: int | UnsetType | None = UNSET
    why: Why | UnsetType | None = UNSET
    error: ErrorCode | UnsetType | None = UNSET


Seen = StepSeen | NodeSeen | ActionSeen


class Expected(Form):
    """What an example expects; only what is given is compared."""

    step: _Index | UnsetType | None = UNSET
    transfers: tuple[TransferSeen, ...] | UnsetType = UNSET
    balances: Annotated[dict[str, int | None], Meta(min_length=1)] | UnsetType = UNSET
    attempted: int | UnsetType = UNSET
    failed: int | UnsetType = UNSET
    trace: Annotated[dict[str, Any], Meta(min_length=1)] | UnsetType = UNSET
    cap_uses: tuple[CapUse, ...] | UnsetType = UNSET


class Written(Form):
    """An example as it is kept."""

    given: Given
    event: Happening
    expect: Expected


@dataclass(frozen=True, slots=True)
class Example:
    """What is given and expected, ready to compare. `trace` is that part of `expected`; None there: no such entry."""

    event: Event
    snapshot: Snapshot
    expected: Expected
    trace: Mapping[str, Seen | None]


# -------------------------------------------------------------------------------------------------------------- reading


def read_example(given: Given, event: Happening, expect: Expected) -> Example:
    """Read an example. Raises ValueError for what its shape does not show to be wrong."""
    return Example(
        event=Event(**msgspec.structs.asdict(event)),
        snapshot=_read_snapshot(given),
        expected=_checked(expect, given),
        trace=_read_trace(expect),
    )


def convert(value: object, form: type[F]) -> F:
    """Read a value into a form. Raises ValueError, which says where it is wrong."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as problem:
        raise ValueError(str(problem).replace(" - at `$.", " at `")) from None


def _read_snapshot(given: Given) -> Snapshot:
    accounts = {AccountId(name): _read_account(AccountId(name), account) for name, account in given.accounts.items()}
    balances = {
        AccountId(name): Balance(account.posted or 0, account.held_out, account.expected_in)
        for name, account in given.accounts.items()
    }
    used = {
        CapKey(RULE_ID, cap.step, cap.group, CapPeriod(cap.period), cap.starts_on): int(cap.amount)
        for cap in given.caps_used
    }
    remote = {_read_action_path(path): amount for path, amount in given.remote_amounts.items()}
    return Snapshot(
        accounts,
        balances,
        used,
        remote,
        given.minimum,
        at=given.at,
        ach={side: tuple(_read_room(side, room) for room in rooms) for side, rooms in given.ach_limits.items()},
        holding_pods=_read_holding_pods(given),
    )


def _read_room(side: PaymentSide, room: _Room) -> AchRoom:
    if not room.code.endswith(f"_ACH_{side}_LIMIT_REACHED"):
        raise ValueError(f"given/ach_limits/{side}: {room.code} is not the code of such a limit")
    return AchRoom(room.code, room.amount, room.transfers)


def _read_holding_pods(given: Given) -> dict[AccountId, AccountId]:
    for name in (*given.holding_pods, *given.holding_pods.values()):
        if name not in given.accounts:
            raise ValueError(f"given/holding_pods: no account '{name}' is given")
    return {AccountId(liability): AccountId(pod) for liability, pod in given.holding_pods.items()}


def _read_account(name: AccountId, given: _Account) -> Account:
    if given.kind == "EXTERNAL_ACCOUNT":
        if given.posted is not None:
            raise ValueError(f"given/accounts/{name}: posted is for accounts that Sluiceway keeps, use reported")
    elif given.reported is not None or given.external_kind is not None:
        raise ValueError(f"given/accounts/{name}: reported and external_kind are for EXTERNAL_ACCOUNT, use posted")
    report = msgspec.structs.asdict(given.reported or _Report())
    if report["interest_rate"] is not None:
        report["interest_rate"] = parse_percent(report["interest_rate"])
    return Account(
        id=name,
        kind=AccountKind(given.kind),
        external_kind=given.external_kind,
        currency=given.currency,
        floor=given.floor,
        is_deleted=given.deleted,
        reported=ReportedBalance(**report),
    )


_ACTION_PATH = re.compile(r"steps/(\d+)/actions/(\d+)")
_TRACE_PATHS: dict[re.Pattern[str], type[Seen]] = {
    re.compile(r"steps/\d+"): StepSeen,
    re.compile(r"steps/\d+/conditions(/(all|any)/\d+)*"): NodeSeen,
    re.compile(r"steps/\d+/actions/\d+(/parts/\d+)?"): ActionSeen,
}


def _read_action_path(path: str) -> tuple[int, int]:
    found = _ACTION_PATH.fullmatch(path)
    if found is None:
        raise ValueError(f"given/remote_amounts: '{path}' is not a path such as steps/0/actions/0")
    return int(found[1]), int(found[2])


def _checked(expected: Expected, given: Given) -> Expected:
    if expected == Expected():
        raise ValueError("expect: a scenario that expects nothing cannot fail")
    if expected.balances is not UNSET:
        for name in expected.balances:
            if name not in given.accounts:
                raise ValueError(f"expect/balances: no account '{name}' is given")
    return expected


def _read_trace(expected: Expected) -> dict[str, Seen | None]:
    return {} if expected.trace is UNSET else {path: _read_seen(path, value) for path, value in expected.trace.items()}


def _read_seen(path: str, value: object) -> Seen | None:
    form = next((form for shape, form in _TRACE_PATHS.items() if shape.fullmatch(path)), None)
    if form is None:
        raise ValueError(f"expect/trace: '{path}' is not a path of a trace")
    if value is None:
        return None
    try:
        seen = convert(value, form)
    except ValueError as problem:
        raise ValueError(f"expect/trace/{path}: {problem}") from None
    if seen == form():
        raise ValueError(f"expect/trace/{path}: names no field")
    return seen


# -------------------------------------------------------------------------------------------------------------- writing


def write_example(event: Event, snapshot: Snapshot, accounts: Collection[AccountId], planned: Plan) -> Written:
    """Write down what was given, of these accounts, and what came of it as what is expected from now on.

    `accounts`: at least those that the plan looked at.
    """
    return Written(_write_given(snapshot, accounts), Happening(*_event(event)), expectation_of(planned))


def expectation_of(planned: Plan) -> Expected:
    """Expect a plan again: the same step, and the same transfers in the same order."""
    return Expected(step=planned.step, transfers=tuple(write_transfer(each) for each in planned.transfers))


def write_transfer(transfer: PlannedTransfer) -> TransferSeen:
    """Write down a transfer of a plan."""
    return TransferSeen(
        transfer.source, transfer.destination, transfer.amount, transfer.error_code, transfer.needs_approval
    )


def _event(event: Event) -> tuple[TriggerType, datetime, Cents | None, bool]:
    return event.type, event.at, event.transfer_amount, event.stands_in


def _write_given(snapshot: Snapshot, accounts: Collection[AccountId]) -> Given:
    return Given(
        accounts={
            account_id: _write_account(snapshot.accounts[account_id], snapshot.balances.get(account_id, NOTHING))
            for account_id in sorted(accounts)
            if account_id in snapshot.accounts
        },
        caps_used=tuple(
            CapUse(cast("_Period", key.period.value), key.starts_on, Cents(used), key.step, key.group)
            for key, used in snapshot.caps_used.items()
        ),
        remote_amounts={
            f"steps/{step}/actions/{action}": amount for (step, action), amount in snapshot.remote_amounts.items()
        },
        minimum=snapshot.minimum,
        at=snapshot.at,
        ach_limits={side: tuple(_write_room(room) for room in rooms) for side, rooms in snapshot.ach.items()},
        holding_pods={
            liability: pod
            for liability, pod in snapshot.holding_pods.items()
            if liability in accounts and pod in accounts
        },
    )


def _write_account(account: Account, balance: Balance) -> _Account:
    written = _Account(
        kind=cast("_Kind", account.kind.value),
        external_kind=account.external_kind,
        held_out=Cents(balance.held_out),
        expected_in=Cents(balance.expected_in),
        floor=account.floor,
        currency=account.currency,
        deleted=account.is_deleted,
    )
    if account.is_kept:
        written.posted = balance.posted
        return written
    reported = account.reported
    rate = reported.interest_rate
    fields: dict[str, Any] = {name: getattr(reported, name) for name in _Report.__struct_fields__}
    fields["interest_rate"] = None if rate is None else format_percent(rate)
    written.reported = _Report(**fields)
    return written


def _write_room(room: AchRoom) -> _Room:
    # More may have been used than a limit that was lowered since allows: then nothing is left of it.
    return _Room(
        room.code,
        None if room.amount is None else Cents(max(0, room.amount)),
        None if room.transfers is None else max(0, room.transfers),
    )
