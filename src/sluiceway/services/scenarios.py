"""What if: one run of a rule or a draft, on balances as they are or as supposed. Reads one state, writes nothing.

The plan is that of settlement. Only what a bank would make of the transfers is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from sluiceway.domain.ach import eastern_day
from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.executions import Counts, Execution, explain, status_of
from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId, RuleId, derive_transfer_id
from sluiceway.domain.ledger import NOTHING, Account, Balance
from sluiceway.domain.money import NO_CENTS, Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import (
    AchRoom,
    CapKey,
    ErrorCode,
    Event,
    Manual,
    OnFunds,
    PaymentSide,
    Plan,
    PlannedTransfer,
    Remote,
    RemoteAmount,
    Rule,
    Scheduled,
    Snapshot,
    TriggerType,
    local_date,
    needs,
    plan,
)
from sluiceway.domain.runs import Change, RunFacts, RunView, view_of
from sluiceway.domain.transfers import Mode, Origin, Party, Transfer, TransferStatus, direction_of
from sluiceway.services.engine import Engine
from sluiceway.services.limits import LIMIT_CODES
from sluiceway.services.movements import fired_rules
from sluiceway.services.rules import problems_of
from sluiceway.storage import ach, history
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.caps import OrganizationCap, caps_used
from sluiceway.storage.database import ReadTx
from sluiceway.storage.organizations import Organization, find_organizations
from sluiceway.storage.transfers import list_transfers

DRAFT: Final = RuleId("00000000-0000-0000-0000-000000000000")
"""Stands in for the id that a draft does not have yet."""
LONG_AGO: Final = timedelta(days=400)
"""How old a stale report is taken to be: older than any rule allows."""

_NOBODY = frozenset[AccountId]()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Suppose that this happens. What is not supposed is as it is.

    `rule_id`: of the rule whose limits have been used up so far. `amount`: what arrives, or is given; of a rule that
    starts when money arrives, without it the latest that really did. `balances`: before that arrives. `stale`: accounts
    whose banks have reported nothing for long; `failing`: whose banks carry nothing. `remote_amount`: what remote
    services answer; without it what they answered last. `by_hand`: somebody runs it, whatever starts it otherwise.
    """

    organization_id: OrganizationId
    rule: Rule
    rule_id: RuleId | None = None
    revision: int = 0
    amount: Cents | None = None
    at: datetime | None = None
    balances: Mapping[AccountId, Cents] = field(default_factory=dict[AccountId, Cents])
    stale: frozenset[AccountId] = _NOBODY
    failing: frozenset[AccountId] = _NOBODY
    remote_amount: Cents | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What would happen. `sets_off`: the rules that the moves would start, in their order."""

    view: RunView
    changes: Sequence[Change]
    sets_off: Sequence[RuleRecord]
    planned: Plan


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a run would look at, and what it would plan."""

    event: Event
    snapshot: Snapshot
    planned: Plan


@dataclass(frozen=True, slots=True)
class _Stage:
    """Everything that the run would look at, as supposed."""

    organization: Organization
    at: datetime
    event: Event
    accounts: Mapping[AccountId, Account]
    before: Mapping[AccountId, Balance]
    snapshot: Snapshot


async def try_scenario(engine: Engine, scenario: Scenario) -> ScenarioResult:
    """Work out what a rule would do. Raises InvalidParameters for what makes no sense, and for an unfit rule."""
    async with engine.database.snapshot() as tx:
        stage = await _stage(engine, tx, scenario)
        planned = plan(scenario.rule_id or DRAFT, scenario.rule, stage.event, stage.snapshot)
        execution_id = ExecutionId(engine.new_id())
        transfers = [_transfer(scenario, stage, execution_id, each) for each in planned.transfers]
        sets_off = await _sets_off(tx, scenario, stage, planned)
    facts = RunFacts(
        _execution(scenario, stage, execution_id, planned), scenario.rule, stage.accounts, transfers, is_recorded=False
    )
    return ScenarioResult(view_of(facts), _changes(scenario, stage, planned), sets_off, planned)


async def suppose(engine: Engine, scenario: Scenario) -> Supposed:
    """Give all that the run of a scenario would look at, with its plan. Raises InvalidParameters, as trying it does."""
    async with engine.database.snapshot() as tx:
        stage = await _stage(engine, tx, scenario)
    planned = plan(scenario.rule_id or DRAFT, scenario.rule, stage.event, stage.snapshot)
    return Supposed(stage.event, stage.snapshot, planned)


async def _stage(engine: Engine, tx: ReadTx, scenario: Scenario) -> _Stage:
    organization = (await find_organizations(tx, [scenario.organization_id]))[scenario.organization_id]
    now = organization.clock.read(engine.now())
    at = scenario.at or now
    records = await list_accounts(tx, scenario.organization_id, with_deleted=True)
    known = {record.account.id: record.account for record in records}
    _check(engine, scenario, known, now)
    accounts = {account_id: _supposed(account, scenario, at) for account_id, account in known.items()}
    balances = {record.account.id: record.balance for record in records}
    for account_id, amount in scenario.balances.items():
        if accounts[account_id].is_kept:
            balances[account_id] = Balance(amount, 0, balances[account_id].expected_in)
    event = await _event(tx, scenario, at)
    arrived = dict(balances)
    arrival = _arrival_of(scenario)
    if arrival is not None and event.transfer_amount is not None:
        there = balances.get(arrival, NOTHING)
        arrived[arrival] = there._replace(posted=there.posted + event.transfer_amount)
    snapshot = Snapshot(
        accounts,
        arrived,
        await _caps_used(tx, scenario, event),
        await _remote_amounts(tx, scenario),
        organization.minimum_transfer,
        at=at,
        ach=await _rooms(tx, scenario, at),
        holding_pods={
            account.linked_account_id: account.id
            for account in accounts.values()
            if account.linked_account_id is not None and not account.is_deleted
        },
    )
    return _Stage(organization, at, event, accounts, balances, snapshot)


def _check(engine: Engine, scenario: Scenario, accounts: Mapping[AccountId, Account], now: datetime) -> None:
    problems = list(problems_of(engine, scenario.rule, dict(accounts), (), now))
    named = {"balances": scenario.balances.keys(), "stale": scenario.stale, "failing": scenario.failing}
    for name, account_ids in named.items():
        for account_id in account_ids:
            account = accounts.get(account_id)
            if account is None or account.is_deleted or not account.is_listed:
                problems.append(Problem(f"{name}/{account_id}", "is no account of this organization"))
            elif account.is_kept and name != "balances":
                problems.append(Problem(f"{name}/{account_id}", "is kept here, and at no bank"))
    if problems:
        raise InvalidParameters(tuple(problems))


def _supposed(account: Account, scenario: Scenario, at: datetime) -> Account:
    """Give an account whose bank says what is supposed that it says."""
    if account.is_kept:
        return account
    reported = account.reported
    if account.id in scenario.balances:
        amount = scenario.balances[account.id]
        reported = replace(reported, balance=amount, available=amount, updated_at=at, error=None)
    if account.id in scenario.stale:
        reported = replace(reported, updated_at=at - LONG_AGO)
    if account.id in scenario.failing:
        reported = replace(reported, error=ErrorCode.DISCONNECTED_ACCOUNT)
    return replace(account, reported=reported)


def _arrival_of(scenario: Scenario) -> AccountId | None:
    """Name the account in which money is supposed to arrive; None: in none."""
    trigger = scenario.rule.trigger
    return trigger.account_id if isinstance(trigger, OnFunds) and not scenario.by_hand else None


async def _event(tx: ReadTx, scenario: Scenario, at: datetime) -> Event:
    amount, trigger = scenario.amount, scenario.rule.trigger
    if scenario.by_hand:
        return Event(TriggerType.MANUAL, at, amount, stands_in=amount is not None)
    match trigger:
        case OnFunds(account_id):
            if amount is None:
                amount = await _latest_arrival(tx, scenario.organization_id, account_id)
            if amount is None:
                raise InvalidParameters((Problem("amount", "is required: no money has arrived there yet"),))
            return Event(TriggerType.ON_FUNDS_TRANSFERRED, at, amount)
        case Scheduled():
            return Event(TriggerType.SCHEDULED, at)
        case Manual():
            return Event(TriggerType.MANUAL, at, amount, stands_in=amount is not None)
        case Remote():
            return Event(TriggerType.REMOTE_API, at, amount, stands_in=amount is not None)
        case _:
            assert_never(trigger)


async def _latest_arrival(tx: ReadTx, organization_id: OrganizationId, account_id: AccountId) -> Cents | None:
    found = await list_transfers(
        tx, organization_id, [account_id], as_source=False, status=TransferStatus.COMPLETE, limit=1
    )
    return found[0].amount if found else None


async def _caps_used(tx: ReadTx, scenario: Scenario, event: Event) -> Mapping[CapKey, int]:
    wanted = needs(scenario.rule)
    if scenario.rule_id is None or not wanted.capped:
        return {}
    keys = wanted.cap_keys(scenario.rule_id, local_date(scenario.rule, event))
    caps = {OrganizationCap(scenario.organization_id, key) for key in keys}
    return {cap.key: used for cap, used in (await caps_used(tx, caps)).items()}


async def _remote_amounts(tx: ReadTx, scenario: Scenario) -> Mapping[tuple[int, int], Cents]:
    if scenario.remote_amount is not None:
        return {
            (step_at, action_at): scenario.remote_amount
            for step_at, step in enumerate(scenario.rule.steps)
            for action_at, action in enumerate(step.actions)
            if isinstance(action.amount, RemoteAmount)
        }
    if scenario.rule_id is None:
        return {}
    answered = await history.latest_remote_amounts(tx, scenario.organization_id, [scenario.rule_id])
    return answered.get(scenario.rule_id, {})


async def _rooms(tx: ReadTx, scenario: Scenario, at: datetime) -> Mapping[PaymentSide, tuple[AchRoom, ...]]:
    rooms: dict[PaymentSide, tuple[AchRoom, ...]] = {}
    for limit in sorted(await ach.list_limits(tx, scenario.organization_id, eastern_day(at))):
        room = AchRoom(
            LIMIT_CODES[limit.side, limit.period],
            None if limit.amount is None else limit.amount - limit.used_amount,
            None if limit.transfers is None else limit.transfers - limit.used_transfers,
        )
        rooms[limit.side] = (*rooms.get(limit.side, ()), room)
    return rooms


async def _sets_off(tx: ReadTx, scenario: Scenario, stage: _Stage, planned: Plan) -> list[RuleRecord]:
    """Find the rules that the moves would start which arrive at once, in the order in which those take their turns."""
    pods = stage.snapshot.holding_pods
    arrivals = [
        pods.get(each.destination, each.destination)
        for each in planned.transfers
        if each.error_code is None and not each.needs_approval and stage.accounts[each.source].is_kept
    ]
    kept = [account_id for account_id in dict.fromkeys(arrivals) if stage.accounts[account_id].is_kept]
    fired = await fired_rules(tx, {(scenario.organization_id, account_id) for account_id in kept})
    found: list[RuleRecord] = []
    for account_id in kept:
        for state in fired.get((scenario.organization_id, account_id), ()):
            record = await stored_rules.find_rule(tx, scenario.organization_id, state.rule_id)
            if record is not None and record.id != scenario.rule_id:
                found.append(record)
    return found


def _execution(scenario: Scenario, stage: _Stage, execution_id: ExecutionId, planned: Plan) -> Execution:
    done = sum(each.error_code is None for each in planned.transfers)
    counts = Counts(planned.attempted, done, planned.failed, 0)
    return Execution(
        organization_id=scenario.organization_id,
        id=execution_id,
        rule_id=scenario.rule_id or DRAFT,
        rule_name=scenario.rule.name,
        revision=scenario.revision,
        approval_id=None,
        mode=Mode.SIMULATION,
        trigger_type=stage.event.type,
        transfer_amount=stage.event.transfer_amount,
        status=status_of(counts),
        created_at=stage.at,
        finished_at=stage.at,
        step_matched=planned.step,
        conditions_not_met=planned.step is None,
        counts=counts,
        transfer_ids=(),
        error_message=explain(planned.first_error),
        next_attempt_at=None,
        depth=0,
        origin_id=execution_id,
        scheduled_for=None,
        trace=planned.trace,
    )


def _transfer(scenario: Scenario, stage: _Stage, execution_id: ExecutionId, planned: PlannedTransfer) -> Transfer:
    source, destination = stage.accounts[planned.source], stage.accounts[planned.destination]
    status = TransferStatus.COMPLETE
    if planned.error_code is not None:
        is_lack = planned.error_code is ErrorCode.INSUFFICIENT_FUNDS
        status = TransferStatus.INCOMPLETE if is_lack else TransferStatus.ERROR
    return Transfer(
        organization_id=scenario.organization_id,
        id=derive_transfer_id(execution_id, planned.step, planned.action, planned.part),
        source=_party(source),
        destination=_party(destination),
        amount=planned.amount,
        currency=source.currency,
        direction=direction_of(source, destination),
        origin=Origin.RULE,
        mode=Mode.SIMULATION,
        status=status,
        error_code=planned.error_code,
        execution_id=execution_id,
        rule_id=scenario.rule_id,
        description=None,
        created_at=stage.at,
        completed_at=stage.at if status is TransferStatus.COMPLETE else None,
    )


def _party(account: Account) -> Party:
    return Party(account.id, account.name, account.kind, account.is_deleted)


def _changes(scenario: Scenario, stage: _Stage, planned: Plan) -> list[Change]:
    """Sum up what every account that is touched gains and loses, in the order in which they are."""
    comes_in: dict[AccountId, int] = {}
    goes_out: dict[AccountId, int] = {}
    arrival, amount = _arrival_of(scenario), stage.event.transfer_amount
    if arrival is not None and amount is not None:
        comes_in[arrival] = amount
    for each in planned.transfers:
        if each.error_code is None:
            goes_out[each.source] = goes_out.get(each.source, 0) + each.amount
            comes_in[each.destination] = comes_in.get(each.destination, 0) + each.amount
    return [
        Change(
            account_id=account_id,
            name=(account := stage.accounts[account_id]).name,
            currency=account.currency,
            is_debt=account.is_liability,
            before=account.available(stage.before.get(account_id, NOTHING)),
            comes_in=Cents(comes_in.get(account_id, NO_CENTS)),
            goes_out=Cents(goes_out.get(account_id, NO_CENTS)),
        )
        for account_id in dict.fromkeys([*comes_in, *goes_out])
    ]
