"""Backtest: what a draft rule would have done with the real events of late. Reads one state; writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo

from sluiceway.domain.errors import InvalidParameters, NotFound, Problem
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, RuleId
from sluiceway.domain.ledger import NOTHING, Account, PostingKind
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import (
    Beginning,
    Draft,
    Past,
    PastPosting,
    PastUse,
    PlayedRule,
    Player,
    Run,
    Shortfall,
    Terms,
    balances_before,
    replay,
    used_before,
)
from sluiceway.domain.revisions import RevisionKey, RuleRecord
from sluiceway.domain.rules import (
    CapKey,
    ErrorCode,
    Event,
    RemoteAmount,
    Rule,
    Severity,
    TriggerType,
    check,
    local_date,
    needs,
)
from sluiceway.services.engine import Engine
from sluiceway.services.playing import Tell, play_through, tell_nobody
from sluiceway.storage import history
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.database import ReadTx
from sluiceway.storage.organizations import find_organizations

MAX_DAYS = 3_660
DRAFT_ID = RuleId("draft")


@dataclass(frozen=True, slots=True)
class Backtest:
    """Try a rule on the last `days` days.

    `replaces` names the rule that it would have stood in for. `remote_amount`: what its remote service is taken to
    answer; without one, what the service of the replaced rule answered last.
    """

    organization_id: OrganizationId
    rule: Rule
    days: int
    replaces: RuleId | None = None
    replaces_spelling: str = ""
    remote_amount: Cents | None = None


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What the draft would have done. `shortfalls`: real transfers that the draft would have made impossible."""

    start: datetime
    until: datetime
    accounts: Mapping[AccountId, Account]
    runs: Sequence[Run]
    runs_set_off: int
    """Runs of other rules that the draft's moves would have set off."""
    stopped: int
    shortfalls: Sequence[Shortfall]
    replaces: RuleId | None
    really_moved: Mapping[AccountId, Cents]
    """What the replaced rule moved, by destination."""
    events: int
    """How many were played: real postings, what runs really used of limits, and runs of the draft."""
    zone: tzinfo = UTC
    """In which zone its organization's people read times."""
    external: Sequence[AccountId] = field(default_factory=list[AccountId])
    """The external accounts that the draft looks at: their balances are those reported now."""

    @property
    def moved(self) -> dict[AccountId, Cents]:
        """Sum up what the draft would have moved, by destination."""
        sums: dict[AccountId, Cents] = {}
        for run in self.runs:
            for transfer in run.transfers:
                if transfer.error_code is None:
                    sums[transfer.destination] = Cents(sums.get(transfer.destination, 0) + transfer.amount)
        return sums

    @property
    def destinations(self) -> list[AccountId]:
        """List where the draft would have moved money to, and where the rule that it replaces did."""
        return sorted(self.moved.keys() | self.really_moved.keys())

    @property
    def conditions_not_met(self) -> int:
        """Count the runs in which no step matched."""
        return sum(run.step is None for run in self.runs)

    @property
    def failed(self) -> int:
        """Count the runs in which something failed."""
        return sum(run.failed > 0 for run in self.runs)

    @property
    def amounts_unknown(self) -> int:
        """Count the runs that would have asked a remote service of which no answer is known."""
        return sum(run.error == ErrorCode.REMOTE_AMOUNT_UNAVAILABLE for run in self.runs)

    @property
    def approvals(self) -> int:
        """Count the transfers that would have waited for a person, and here count as approved at once."""
        return sum(transfer.needs_approval for run in self.runs for transfer in run.transfers)


@dataclass(frozen=True, slots=True)
class _Loaded:
    beginning: Beginning
    terms: Terms
    past: Past
    until: datetime
    zone: tzinfo


async def backtest(engine: Engine, command: Backtest, tell: Tell = tell_nobody) -> BacktestResult:
    """Play a rule over what really happened. Raises NotFound and, for what `check` finds wrong, InvalidParameters."""
    if not 1 <= command.days <= MAX_DAYS:
        raise InvalidParameters((Problem("days", f"must be from 1 to {MAX_DAYS}"),))
    loaded = await _load(engine, command)
    player = Player(loaded.beginning, loaded.terms)
    await play_through(player, loaded.past.events, loaded.until, tell)
    draft_id = command.replaces or DRAFT_ID
    runs = [run for run in player.runs if run.rule_id == draft_id]
    accounts = loaded.beginning.accounts
    return BacktestResult(
        start=loaded.beginning.at,
        until=loaded.until,
        accounts=accounts,
        runs=runs,
        runs_set_off=len(player.runs) - len(runs),
        stopped=player.stopped,
        shortfalls=player.shortfalls,
        replaces=command.replaces,
        really_moved=_really_moved(draft_id, loaded.past.left_out),
        events=len(loaded.past.events),
        zone=loaded.zone,
        external=sorted(
            account_id
            for account_id in needs(command.rule).accounts
            if account_id in accounts and not accounts[account_id].is_kept
        ),
    )


async def _load(engine: Engine, command: Backtest) -> _Loaded:
    async with engine.database.snapshot() as tx:
        await history.take_time(tx)
        organizations = await find_organizations(tx, [command.organization_id])
        organization = organizations[command.organization_id]
        until = organization.clock.read(engine.now())
        start = until - timedelta(days=command.days)
        records = await list_accounts(tx, command.organization_id, with_deleted=True)
        accounts = {record.account.id: record.account for record in records}
        wrong = [found for found in check(command.rule, accounts) if found.severity is Severity.ERROR]
        if wrong:
            raise InvalidParameters(tuple(Problem(found.path, found.message) for found in wrong))
        replaced = await _replaced(tx, command)
        draft = Draft(command.replaces or DRAFT_ID, command.rule, command.replaces)
        postings = await history.postings_since(tx, command.organization_id, start)
        executions = await history.executions_since(tx, command.organization_id, start)
        kept = {record.account.id: record.balance for record in records if record.account.is_kept}
        rules = await _rules(tx, command, draft, replaced)
        uses = await _limits_used(tx, command.organization_id, rules, start)
        past = replay(draft, postings, executions, start, until, uses)
        beginning = Beginning(
            start,
            accounts,
            dict.fromkeys(accounts, NOTHING) | balances_before(kept, postings),
            rules,
            used_before(uses, start),
            caused=past.caused,
            turns=past.turns,
        )
    terms = Terms(organization.minimum_transfer, moves_reports=False)
    return _Loaded(beginning, terms, past, until, organization.zone)


async def _replaced(tx: ReadTx, command: Backtest) -> RuleRecord | None:
    if command.replaces is None:
        return None
    record = await stored_rules.find_rule(tx, command.organization_id, command.replaces)
    if record is None:
        raise NotFound(IdKind.RULE, command.replaces_spelling or command.replaces)
    return record


async def _rules(tx: ReadTx, command: Backtest, draft: Draft, replaced: RuleRecord | None) -> list[PlayedRule]:
    """List the rules that the draft's moves can set off, as they are now, and the draft in its place among them."""
    enabled = await stored_rules.list_rules(tx, command.organization_id, only_enabled=True)
    others = sorted((each for each in enabled if each.id != draft.id), key=lambda each: (each.position, each.id))
    remote = await history.latest_remote_amounts(
        tx, command.organization_id, [each.id for each in others] + ([replaced.id] if replaced else [])
    )
    answers = remote.get(draft.id, {})
    if command.remote_amount is not None:
        answers = {
            (at, place): command.remote_amount
            for at, step in enumerate(command.rule.steps)
            for place, action in enumerate(step.actions)
            if isinstance(action.amount, RemoteAmount)
        }
    played = [PlayedRule(each.id, each.rule, remote.get(each.id, {})) for each in others]
    # A new rule comes last.
    place = len(others)
    if replaced is not None:
        place = sum((each.position, each.id) < (replaced.position, replaced.id) for each in others)
    return [*played[:place], PlayedRule(draft.id, draft.rule, answers), *played[place:]]


async def _limits_used(
    tx: ReadTx, organization_id: OrganizationId, rules: Sequence[PlayedRule], start: datetime
) -> list[PastUse]:
    """Read what rules have really used of their limits, in the window and in the periods in which it begins."""
    limited = {each.id: each.rule for each in rules if each.id != DRAFT_ID and needs(each.rule).capped}
    if not limited:
        return []
    # A day early, for the zones that are ahead of UTC; the day of the run decides.
    begun = [key.starts_on for rule_id, rule in limited.items() for key in _limits(rule_id, rule, start)]
    earliest = datetime.combine(min(begun), time(), UTC) - timedelta(days=1)
    moved = await history.moved_by_rules(tx, organization_id, limited, earliest)
    revisions = await stored_rules.revisions(
        tx, {RevisionKey(organization_id, each.rule_id, each.revision) for each in moved}
    )
    uses: list[PastUse] = []
    for each in moved:
        ran = revisions.get(RevisionKey(organization_id, each.rule_id, each.revision))
        if ran is None:
            continue
        group = ran.steps[each.step].actions[each.action].group
        uses += [
            PastUse(each.at, key, each.amount, each.transfer_id, each.execution_id, each.queued_at)
            for key in _limits(each.rule_id, limited[each.rule_id], each.queued_at)
            if (key.step, key.group) == (each.step, group)
        ]
    return uses


def _limits(rule_id: RuleId, rule: Rule, at: datetime) -> list[CapKey]:
    """List the limits of a rule with the periods that an instant is in."""
    return needs(rule).cap_keys(rule_id, local_date(rule, Event(TriggerType.SCHEDULED, at)))


def _really_moved(rule_id: RuleId, left_out: Sequence[PastPosting]) -> dict[AccountId, Cents]:
    sums: dict[AccountId, Cents] = {}
    counted = set[str]()
    for posting in left_out:
        is_start = posting.kind in (PostingKind.POST, PostingKind.HOLD)
        if posting.rule_id != rule_id or posting.destination is None or not is_start:
            continue
        if posting.transfer_id in counted:
            continue
        counted.add(posting.transfer_id)
        sums[posting.destination] = Cents(sums.get(posting.destination, 0) + posting.amount)
    return sums
