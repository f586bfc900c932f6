"""Forecast: plays schedules, expected income and bills forward on a copied clock. Reads one state; writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ach import PaymentKind
from sluiceway.domain.errors import InvalidParameters, NotFound, Problem
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, RuleId
from sluiceway.domain.ledger import Account
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import (
    Beginning,
    Expectation,
    Low,
    MoneyLeaves,
    OnTheWay,
    PlayedRule,
    Player,
    PlayEvent,
    RuleRuns,
    Run,
    Shortfall,
    Terms,
    Told,
    detect,
    expected_events,
    is_below_floor,
)
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import CapKey, ErrorCode, Event, Scheduled, TriggerType, local_date, needs
from sluiceway.domain.schedule import occurrences
from sluiceway.domain.transfers import LegPurpose
from sluiceway.services.engine import Engine
from sluiceway.services.playing import Tell, play_through, tell_nobody
from sluiceway.storage import history
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.caps import OrganizationCap, caps_used
from sluiceway.storage.database import ReadTx
from sluiceway.storage.history import OpenTransfer
from sluiceway.storage.organizations import Organization, find_organizations

MAX_DAYS = 1_830
LOOK_BACK = timedelta(days=92)
"""How far back regular income and bills are looked for: three months, so that a monthly one was seen three times."""

_MAX_OCCURRENCES = 10_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """Play `days` days forward from `at` (None: now, by the organization's clock).

    `told` is what a person expects; with `detects`, what came and went regularly is projected on as well. Days are
    UTC's, or with `in_own_zone` those of the organization's time zone.
    """

    organization_id: OrganizationId
    days: int = 90
    told: Sequence[Told] = ()
    detects: bool = True
    at: datetime | None = None
    in_own_zone: bool = False


@dataclass(frozen=True, slots=True)
class AccountForecast:
    """What becomes of one account: what is available, None where it is unknown.

    `daily` is at the end of each of the result's days. `below_on`: the first day on which it is below its floor.
    """

    account: Account
    today: Cents | None
    daily: Sequence[Cents | None]
    lowest: Low | None
    below_on: date | None

    @property
    def end(self) -> Cents | None:
        """Give what is there in the end."""
        return self.daily[-1]


@dataclass(frozen=True, slots=True)
class RuleForecast:
    """What one rule does in all. `failed` and `conditions_not_met` count runs; `moved` is by currency."""

    record: RuleRecord
    runs: int
    conditions_not_met: int
    failed: int
    moved: Mapping[str, Cents]


@dataclass(frozen=True, slots=True)
class ForecastResult:
    """What is to be expected. `expectations` are all that were played, so that a person sees what was assumed."""

    at: datetime
    until: datetime
    zone: tzinfo
    days: Sequence[date]
    accounts: Sequence[AccountForecast]
    rules: Sequence[RuleForecast]
    expectations: Sequence[Expectation]
    shortfalls: Sequence[Shortfall]
    failures: Sequence[Run]
    """Runs in which something failed, in order."""
    stopped: int
    approvals: int
    """Transfers that would wait for a person, and here count as approved at once."""
    is_paused: bool
    """Automation is paused; it is played as if it ran."""
    events: int

    def day(self, at: datetime) -> date:
        """Tell on which of the days something is."""
        return at.astimezone(self.zone).date()

    @property
    def first_below(self) -> AccountForecast | None:
        """Find the account that is the first to fall below its floor."""
        fallen = [each for each in self.accounts if each.below_on is not None]
        return min(fallen, key=lambda each: (each.below_on, each.account.id), default=None)

    @property
    def first_lack(self) -> Run | None:
        """Find the first run that fails for lack of funds."""
        return next((run for run in self.failures if run.error == ErrorCode.INSUFFICIENT_FUNDS), None)

    @property
    def amounts_unknown(self) -> int:
        """Count the runs that would ask a remote service of which no answer is known."""
        return sum(run.error == ErrorCode.REMOTE_AMOUNT_UNAVAILABLE for run in self.failures)


@dataclass(frozen=True, slots=True)
class _Loaded:
    organization: Organization
    at: datetime
    records: Sequence[AccountRecord]
    rules: Sequence[RuleRecord]
    beginning: Beginning
    expectations: Sequence[Expectation]


async def forecast(engine: Engine, command: Forecast, tell: Tell = tell_nobody) -> ForecastResult:
    """Play the enabled rules forward. Raises NotFound for an expected account that is not there, InvalidParameters."""
    if not 1 <= command.days <= MAX_DAYS:
        raise InvalidParameters((Problem("days", f"must be from 1 to {MAX_DAYS}"),))
    loaded = await _load(engine, command)
    until = loaded.at + timedelta(days=command.days)
    zone = loaded.organization.zone if command.in_own_zone else UTC
    events = _events(loaded, until)
    player = Player(loaded.beginning, Terms(loaded.organization.minimum_transfer), zone)
    below = {
        account.id: loaded.at.astimezone(zone).date()
        for account in loaded.beginning.accounts.values()
        if (available := player.available(account.id)) is not None and is_below_floor(account, available)
    }
    await play_through(player, events, until, tell)
    for short in player.shortfalls:
        below.setdefault(short.account_id, short.at.astimezone(zone).date())
    return ForecastResult(
        at=loaded.at,
        until=until,
        zone=zone,
        days=player.days,
        accounts=[_account(record, player, below) for record in loaded.records if not record.account.is_deleted],
        rules=_rules(loaded, player.runs),
        expectations=loaded.expectations,
        shortfalls=player.shortfalls,
        failures=[run for run in player.runs if run.failed],
        stopped=player.stopped,
        approvals=sum(transfer.needs_approval for run in player.runs for transfer in run.transfers),
        is_paused=loaded.organization.paused_at is not None,
        events=len(events),
    )


async def _load(engine: Engine, command: Forecast) -> _Loaded:
    async with engine.database.snapshot() as tx:
        await history.take_time(tx)
        organization = (await find_organizations(tx, [command.organization_id]))[command.organization_id]
        at = command.at or organization.clock.read(engine.now())
        # Oldest first, as they are listed to people.
        records = (await list_accounts(tx, command.organization_id, with_deleted=True))[::-1]
        accounts = {record.account.id: record.account for record in records}
        for told in command.told:
            if told.account_id not in accounts or accounts[told.account_id].is_deleted:
                raise NotFound(IdKind.ACCOUNT, told.account_id)
        enabled = await stored_rules.list_rules(tx, command.organization_id, only_enabled=True)
        rules = sorted(enabled, key=lambda record: (record.position, record.id))
        remote = await history.latest_remote_amounts(tx, command.organization_id, [record.id for record in rules])
        beginning = Beginning(
            at,
            accounts,
            {record.account.id: record.balance for record in records},
            [PlayedRule(record.id, record.rule, remote.get(record.id, {})) for record in rules],
            await _caps_used(tx, command.organization_id, rules, at),
            [_on_the_way(each, accounts, at) for each in await history.open_transfers(tx, command.organization_id)],
        )
        detected: list[Expectation] = []
        if command.detects:
            seen = await history.money_from_and_to_outside(tx, command.organization_id, at - LOOK_BACK)
            present = [each for each in seen if each.at <= at and not accounts[each.account_id].is_deleted]
            detected += detect(present, at)
    return _Loaded(organization, at, records, rules, beginning, [*command.told, *detected])


async def _caps_used(
    tx: ReadTx, organization_id: OrganizationId, rules: Sequence[RuleRecord], at: datetime
) -> Mapping[CapKey, int]:
    wanted = {
        OrganizationCap(organization_id, key)
        for record in rules
        for key in needs(record.rule).cap_keys(record.id, local_date(record.rule, Event(TriggerType.SCHEDULED, at)))
    }
    return {cap.key: used for cap, used in (await caps_used(tx, wanted)).items()}


def _on_the_way(
    transfer: OpenTransfer, accounts: Mapping[AccountId, Account], at: datetime
) -> tuple[datetime, OnTheWay]:
    """Tell when a transfer arrives, by what its bank has said or else by how long banks take."""
    arrives = Terms().arrives
    is_pulled = not accounts[transfer.source].is_kept
    is_pushed = not accounts[transfer.destination].is_kept
    has_left = is_pulled and transfer.leg is LegPurpose.PUSH
    arrives_at = transfer.expected_at and max(transfer.expected_at, at)
    if is_pulled and not has_left:
        arrives_at = arrives_at or arrives(at, PaymentKind.PULL, transfer.amount)
        if is_pushed:
            arrives_at = arrives(arrives_at, PaymentKind.PUSH, transfer.amount)
    elif is_pushed:
        arrives_at = arrives_at or arrives(at, PaymentKind.PUSH, transfer.amount)
    source = None if has_left else transfer.source
    return arrives_at or at, OnTheWay(source, transfer.destination, transfer.amount, transfer.rule_id)


def _events(loaded: _Loaded, until: datetime) -> list[PlayEvent]:
    """Put income, schedules and bills in order of time, and in this order where they fall on one instant."""
    ranked: list[tuple[datetime, int, int, PlayEvent]] = []
    for event in expected_events(loaded.expectations, loaded.at, until):
        ranked.append((event.at, 2 if isinstance(event, MoneyLeaves) else 0, len(ranked), event))
    for record in loaded.rules:
        if isinstance(record.rule.trigger, Scheduled):
            for fired in occurrences(record.rule.trigger.schedule, loaded.at, until, _MAX_OCCURRENCES):
                run = RuleRuns(fired.at, record.id, TriggerType.SCHEDULED)
                ranked.append((fired.at, 1, len(ranked), run))
    return [event for *_, event in sorted(ranked, key=lambda each: each[:3])]


def _account(record: AccountRecord, player: Player, below: Mapping[AccountId, date]) -> AccountForecast:
    account = record.account
    return AccountForecast(
        account=account,
        today=account.available(record.balance),
        daily=player.daily[account.id],
        lowest=player.lows.get(account.id),
        below_on=below.get(account.id),
    )


def _rules(loaded: _Loaded, runs: Sequence[Run]) -> list[RuleForecast]:
    by_rule: dict[RuleId, list[Run]] = {record.id: [] for record in loaded.rules}
    for run in runs:
        by_rule[run.rule_id].append(run)
    return [
        RuleForecast(
            record=record,
            runs=len(own := by_rule[record.id]),
            conditions_not_met=sum(run.step is None for run in own),
            failed=sum(run.failed > 0 for run in own),
            moved=_moved(own, loaded.beginning.accounts),
        )
        for record in loaded.rules
    ]


def _moved(runs: Sequence[Run], accounts: Mapping[AccountId, Account]) -> dict[str, Cents]:
    sums: dict[str, Cents] = {}
    for run in runs:
        for transfer in run.transfers:
            if transfer.error_code is None:
                currency = accounts[transfer.source].currency
                sums[currency] = Cents(sums.get(currency, 0) + transfer.amount)
    return sums
