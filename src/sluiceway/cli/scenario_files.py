"""The format of scenario files: given accounts, a rule and an event, what is expected of the plan.

A file that is not understood to the last key is refused, so that no misspelt expectation passes unseen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
import yaml
from msgspec import UNSET, Meta, UnsetType

from sluiceway.cli.scenario_yaml import entries
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import Account, AccountKind, Balance, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents, parse_percent
from sluiceway.domain.rules import (
    DEFAULT_MINIMUM,
    AchRoom,
    ActionResult,
    CapKey,
    CapPeriod,
    ErrorCode,
    Event,
    PaymentSide,
    Rule,
    Snapshot,
    TriggerType,
    Why,
    read_rule,
)

RULE_ID = RuleId("the rule of the scenario")

F = TypeVar("F")
_Text = Annotated[str, Meta(min_length=1)]
_Index = Annotated[int, Meta(ge=0)]
_NotNegative = Annotated[Cents, Meta(ge=0)]


@dataclass(eq=False)
class BadScenario(Exception):
    """A scenario file that cannot be read: where, in which scenario, and what is wrong with it."""

    file: str
    line: int
    name: str | None
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.reason}" if self.name is None else f"{place}: {self.name}: {self.reason}"


# --------------------------------------------------------------------------- the format: docs/reference/scenarios.md


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
    kind: Literal["INCOME_SOURCE", "POD", "EXTERNAL_ACCOUNT"]
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

    period: Literal["PER_WEEK", "PER_MONTH", "PER_YEAR"]
    starts_on: date
    amount: _NotNegative
    step: _Index = 0
    group: _Index = 0


class _Room(Form):
    code: ErrorCode
    amount: _NotNegative | None = None
    transfers: _Index | None = None


class _Given(Form):
    accounts: Annotated[dict[_Text, _Account], Meta(min_length=1)]
    caps_used: tuple[CapUse, ...] = ()
    remote_amounts: dict[str, _NotNegative] = {}
    minimum: _NotNegative = DEFAULT_MINIMUM
    at: Annotated[datetime, Meta(tz=True)] | None = None
    ach_limits: dict[PaymentSide, tuple[_Room, ...]] = {}
    holding_pods: dict[str, str] = {}


class _Event(Form):
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
    """What a scenario expects; only what is given is compared."""

    step: _Index | UnsetType | None = UNSET
    transfers: tuple[TransferSeen, ...] | UnsetType = UNSET
    balances: Annotated[dict[str, int | None], Meta(min_length=1)] | UnsetType = UNSET
    attempted: int | UnsetType = UNSET
    failed: int | UnsetType = UNSET
    trace: Annotated[dict[str, Any], Meta(min_length=1)] | UnsetType = UNSET
    cap_uses: tuple[CapUse, ...] | UnsetType = UNSET


class _Scenario(Form):
    name: _Text
    given: _Given
    rule: dict[str, Any]
    event: _Event
    expect: Expected
    source: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, ready to run. `trace` is the part of `expected` of that name; None there means no such entry."""

    file: str
    line: int
    name: str
    source: str
    rule: Rule
    event: Event
    snapshot: Snapshot
    expected: Expected
    trace: Mapping[str, Seen | None]


# -------------------------------------------------------------------------------------------------------------- reading


def read_file(path: Path) -> list[Scenario]:
    """Read a file of scenarios; raise BadScenario at the first thing that is wrong, OSError if there is no file."""
    return read_text(path.read_bytes(), str(path))


def read_text(text: str | bytes, file: str) -> list[Scenario]:
    """Read scenarios out of YAML; `file` is what a BadScenario calls it."""
    try:
        found = list(entries(text))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise BadScenario(file, mark.line + 1 if mark else 1, None, problem.problem or "is not YAML") from None
    except yaml.YAMLError as problem:
        raise BadScenario(file, 1, None, " ".join(str(problem).split())) from None
    if not found:
        raise BadScenario(file, 1, None, "has no scenario")
    scenarios: dict[str, Scenario] = {}
    for line, value in found:
        scenario = _read_scenario(value, file, line)
        if scenario.name in scenarios:
            raise BadScenario(file, line, scenario.name, f"line {scenarios[scenario.name].line} has the same name")
        scenarios[scenario.name] = scenario
    return list(scenarios.values())


def _read_scenario(value: object, file: str, line: int) -> Scenario:
    try:
        written = _convert(value, _Scenario)
        return Scenario(
            file=file,
            line=line,
            name=written.name,
            source=written.source,
            rule=_read_rule(written.rule),
            event=Event(**msgspec.structs.asdict(written.event)),
            snapshot=_read_snapshot(written.given),
            expected=_checked(written.expect, written.given),
            trace=_read_trace(written.expect),
        )
    except ValueError as problem:
        name = cast("dict[str, object]", value).get("name") if isinstance(value, dict) else None
        raise BadScenario(file, line, name if isinstance(name, str) else None, str(problem)) from None


def _convert(value: object, form: type[F]) -> F:
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as problem:
        raise ValueError(str(problem).replace(" - at `$.", " at `")) from None


def _read_rule(written: dict[str, Any]) -> Rule:
    try:
        return read_rule(written)
    except InvalidParameters as refusal:
        raise ValueError("; ".join(f"rule/{each.path}: {each.message}" for each in refusal.problems)) from None


def _read_snapshot(given: _Given) -> Snapshot:
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


def _read_holding_pods(given: _Given) -> dict[AccountId, AccountId]:
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


def _checked(expected: Expected, given: _Given) -> Expected:
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
        seen = _convert(value, form)
    except ValueError as problem:
        raise ValueError(f"expect/trace/{path}: {problem}") from None
    if seen == form():
        raise ValueError(f"expect/trace/{path}: names no field")
    return seen
