"""The map of the money: accounts as nodes in layers, the ways of rules as edges, what moved, one run replayed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, OrganizationId, RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import sentence, visible, ways_of
from sluiceway.domain.targets import Standing, Target, standing
from sluiceway.domain.transfers import Transfer
from sluiceway.services.attention import failing_rules
from sluiceway.services.engine import Engine
from sluiceway.services.overview import MOST, organization_of
from sluiceway.storage import accounts as stored_accounts
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.attention import FailedRun
from sluiceway.storage.days import NOTHING_MOVED, Moved, moved_by_rules
from sluiceway.storage.executions import find_execution
from sluiceway.storage.targets import list_targets
from sluiceway.storage.transfers import find_transfers


class Layer(StrEnum):
    """Where an account stands, from left to right: where money comes in, pods that pass it on, pods, outside."""

    INCOME = "INCOME"
    ROUTING = "ROUTING"
    PODS = "PODS"
    OUTSIDE = "OUTSIDE"


class Period(StrEnum):
    """Over which days what moved is counted: all end with today, by the organization's clock."""

    THIS_MONTH = "THIS_MONTH"
    LAST_7_DAYS = "LAST_7_DAYS"
    LAST_30_DAYS = "LAST_30_DAYS"
    LAST_90_DAYS = "LAST_90_DAYS"
    LAST_365_DAYS = "LAST_365_DAYS"


class EdgeState(StrEnum):
    """How a rule stands: it moves money, it does not, or the last time that it should have, it failed."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    FAILED = "FAILED"


_DAYS: Final = {
    Period.LAST_7_DAYS: 7,
    Period.LAST_30_DAYS: 30,
    Period.LAST_90_DAYS: 90,
    Period.LAST_365_DAYS: 365,
}


@dataclass(frozen=True, slots=True)
class Node:
    """An account on the map."""

    record: AccountRecord
    layer: Layer
    target: Target | None
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Edge:
    """Every way of one rule from one account to another. `label` says how much, in the words of each way."""

    rule: RuleRecord
    source: AccountId
    destination: AccountId
    label: str
    state: EdgeState
    moved: Moved
    failed_run: FailedRun | None


@dataclass(frozen=True, slots=True)
class MoneyMap:
    """The map, with each rule's sentence. `from_day` to `to_day`, both included: of which days `moved` is."""

    now: datetime
    period: Period
    from_day: date
    to_day: date
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    rules: Sequence[RuleRecord]
    sentences: dict[RuleId, str]


@dataclass(frozen=True, slots=True)
class RunOnMap:
    """One run to replay: what it moved, in the order in which it did."""

    execution: Execution
    transfers: Sequence[Transfer]


def days_of(period: Period, today: date) -> tuple[date, date]:
    """Give the first and the last day of a period that ends today."""
    if period is Period.THIS_MONTH:
        return today.replace(day=1), today
    return today - timedelta(days=_DAYS[period] - 1), today


async def money_map(engine: Engine, organization_id: OrganizationId, period: Period) -> MoneyMap:
    """Read the map of an organization, with what moved on it in a period."""
    async with engine.database.read() as tx:
        organization = await organization_of(tx, organization_id)
        now = organization.clock.read(engine.now())
        from_day, to_day = days_of(period, now.date())
        # Oldest first, as they were made: a map that is looked at again looks as before.
        records = (await stored_accounts.list_accounts(tx, organization_id, limit=MOST))[::-1]
        rules = (await stored_rules.list_rules(tx, organization_id, limit=MOST))[::-1]
        targets = await list_targets(tx, organization_id)
        moved = await moved_by_rules(tx, organization_id, from_day, to_day)
        failing = await failing_rules(tx, organization_id)
    names = {record.account.id: record.name for record in records}
    currencies = {record.account.id: record.account.currency for record in records}
    edges = _edges(rules, names, currencies, moved, failing)
    routing = {edge.source for edge in edges if edge.state is not EdgeState.DISABLED}
    return MoneyMap(
        now=now,
        period=period,
        from_day=from_day,
        to_day=to_day,
        nodes=[node_of(record, targets.get(record.account.id), organization.day(now), routing) for record in records],
        edges=edges,
        rules=rules,
        sentences={record.id: sentence(record.rule, names, currencies) for record in rules},
    )


def node_of(record: AccountRecord, target: Target | None, today: date, routing: set[AccountId]) -> Node:
    """Put an account in its place."""
    account = record.account
    if account.kind is AccountKind.INCOME_SOURCE:
        layer = Layer.INCOME
    elif account.kind is AccountKind.EXTERNAL_ACCOUNT:
        layer = Layer.OUTSIDE
    else:
        layer = Layer.ROUTING if account.id in routing else Layer.PODS
    stands = None if target is None else standing(target, account.current(record.balance), today)
    return Node(record, layer, target, stands)


def _edges(
    rules: Sequence[RuleRecord],
    names: dict[AccountId, str],
    currencies: dict[AccountId, str],
    moved: dict[tuple[RuleId, AccountId, AccountId], Moved],
    failing: dict[RuleId, FailedRun],
) -> list[Edge]:
    found: list[Edge] = []
    for record in rules:
        labels: dict[tuple[AccountId, AccountId], list[str]] = {}
        for way in ways_of(record.rule, names, currencies):
            labels.setdefault((way.source, way.destination), []).append(way.label)
        run = failing.get(record.id)
        state = EdgeState.DISABLED if not record.is_enabled else EdgeState.FAILED if run else EdgeState.ENABLED
        # What the rule moved on a way that it had in an earlier revision stays in its figures, not on the map.
        found += [
            Edge(
                record,
                source,
                destination,
                " or ".join(dict.fromkeys(said)),
                state,
                moved.get((record.id, source, destination), NOTHING_MOVED),
                run,
            )
            for (source, destination), said in labels.items()
            if source in names and destination in names
        ]
    return found


async def run_on_map(
    engine: Engine, organization_id: OrganizationId, execution_id: ExecutionId | None, spelling: str
) -> RunOnMap:
    """Read what one run moved. Raises NotFound."""
    async with engine.database.read() as tx:
        execution = None if execution_id is None else await find_execution(tx, organization_id, execution_id)
        if execution is None:
            raise NotFound(IdKind.EXECUTION, spelling)
        transfers = await find_transfers(tx, organization_id, execution.transfer_ids)
    return RunOnMap(execution, transfers)


def name_of(record: RuleRecord) -> str:
    """Give what a rule is called on the map."""
    return visible(record.rule.name) if record.rule.name else "Rule without a name"
