"""The overview: what has come in and is not routed, what needs a person, the next days, what has just run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ach import moved_from
from sluiceway.domain.attention import Need
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Scheduled
from sluiceway.domain.schedule import occurrences
from sluiceway.domain.transfers import LegPurpose, Mode
from sluiceway.domain.unassigned import Unassigned, unassigned
from sluiceway.services.attention import what_needs_you
from sluiceway.services.engine import Engine
from sluiceway.services.runs import RunSummary, list_runs
from sluiceway.storage import accounts as stored_accounts
from sluiceway.storage import attention as stored
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.database import ReadTx
from sluiceway.storage.organizations import Organization, find_organizations

MOST: Final = 1_000
"""So many accounts and rules are looked at; an organization with more of them shows the newest."""
AHEAD: Final = timedelta(days=7)
MOST_TO_COME: Final = 50
MOST_ARRIVALS: Final = 25
"""Of each income source: what is left of earlier arrivals is given as one sum."""
LAST_RUNS: Final = 8


@dataclass(frozen=True, slots=True)
class Fires:
    """A schedule that will fire."""

    at: datetime
    rule_id: RuleId
    rule_name: str | None


@dataclass(frozen=True, slots=True)
class Settles:
    """A payment that is expected to settle. `moved_from`: when it would, if banks worked every day; None: then too."""

    at: datetime
    moved_from: datetime | None
    transfer_id: TransferId
    purpose: LegPurpose
    amount: Cents
    currency: str
    source_name: str | None
    destination_name: str | None


@dataclass(frozen=True, slots=True)
class FallsDue:
    """A debt whose minimum payment is due."""

    on: date
    account_id: AccountId
    account_name: str
    minimum: Cents | None
    currency: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page shows, in which zone. `accounts` and `rules` count what there is, up to MOST."""

    now: datetime
    zone: tzinfo
    unassigned: Sequence[Unassigned]
    names: dict[AccountId, str]
    needs: Sequence[Need]
    fires: Sequence[Fires]
    settles: Sequence[Settles]
    falls_due: Sequence[FallsDue]
    runs: Sequence[RunSummary]
    accounts: int
    income_sources: int
    rules: int
    enabled_rules: int
    is_paused: bool


async def overview(engine: Engine, organization_id: OrganizationId) -> Overview:
    """Read everything that the first page shows."""
    real_now = engine.now()
    runs = (await list_runs(engine, organization_id, mode=Mode.LIVE, limit=LAST_RUNS)).runs
    async with engine.database.read() as tx:
        organization = await organization_of(tx, organization_id)
        records = await stored_accounts.list_accounts(tx, organization_id, limit=MOST)
        rules = await stored_rules.list_rules(tx, organization_id, limit=MOST)
        accounts = {record.account.id: record.account for record in records}
        now = organization.clock.read(real_now)
        needs = await what_needs_you(tx, organization, accounts, rules, real_now)
        return Overview(
            now=now,
            zone=organization.zone,
            unassigned=await _unassigned(tx, organization_id, records),
            names={record.account.id: record.name for record in records},
            needs=needs,
            fires=[] if organization.paused_at is not None else _fires(rules, now),
            settles=await _settles(tx, organization_id, records, now),
            falls_due=_falls_due(records, organization.day(now)),
            runs=runs,
            accounts=len(records),
            income_sources=sum(record.account.kind is AccountKind.INCOME_SOURCE for record in records),
            rules=len(rules),
            enabled_rules=sum(record.is_enabled for record in rules),
            is_paused=organization.paused_at is not None,
        )


async def organization_of(tx: ReadTx, organization_id: OrganizationId) -> Organization:
    """Read an organization. Raises NotFound."""
    found = (await find_organizations(tx, [organization_id])).get(organization_id)
    if found is None:
        raise NotFound(IdKind.ACCOUNT, organization_id)
    return found


async def _unassigned(
    tx: ReadTx, organization_id: OrganizationId, records: Sequence[AccountRecord]
) -> list[Unassigned]:
    found: list[Unassigned] = []
    for record in records:
        account = record.account
        available = account.available(record.balance)
        if account.kind is not AccountKind.INCOME_SOURCE or available is None:
            continue
        amount = Cents(max(0, available - account.floor))
        latest = await stored.arrivals(tx, organization_id, account.id, MOST_ARRIVALS) if amount else []
        found.append(
            unassigned(
                account.id,
                account.currency,
                amount,
                [(each.transfer_id, each.amount, each.description, each.at) for each in latest],
            )
        )
    return found


def _fires(rules: Sequence[RuleRecord], now: datetime) -> list[Fires]:
    found = [
        Fires(occurrence.at, record.id, record.rule.name)
        for record in rules
        if record.is_enabled and isinstance(record.rule.trigger, Scheduled)
        for occurrence in occurrences(record.rule.trigger.schedule, now, now + AHEAD, MOST_TO_COME)
    ]
    return sorted(found, key=lambda each: (each.at, each.rule_id))[:MOST_TO_COME]


async def _settles(
    tx: ReadTx, organization_id: OrganizationId, records: Sequence[AccountRecord], now: datetime
) -> list[Settles]:
    by_id = {record.account.id: record for record in records}
    found: list[Settles] = []
    for leg in await stored.legs_expected(tx, organization_id, now + AHEAD, MOST_TO_COME):
        source = None if leg.source_id is None else by_id.get(leg.source_id)
        destination = None if leg.destination_id is None else by_id.get(leg.destination_id)
        known = source or destination
        found.append(
            Settles(
                leg.expected_at,
                None if leg.submitted_at is None else moved_from(leg.submitted_at, leg.expected_at),
                leg.transfer_id,
                leg.purpose,
                leg.amount,
                known.account.currency if known is not None else "USD",
                None if source is None else source.name,
                None if destination is None else destination.name,
            )
        )
    return found


def _falls_due(records: Sequence[AccountRecord], today: date) -> list[FallsDue]:
    found = [
        FallsDue(due, record.account.id, record.name, reported.next_payment_minimum, record.account.currency)
        for record in records
        if (due := (reported := record.account.reported).next_payment_due_date) is not None
        and today <= due <= today + AHEAD
    ]
    return sorted(found, key=lambda each: (each.on, each.account_id))
