"""Runs for people: found in lists, told one by one, and for money that arrived which rules looked at it and why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sluiceway.domain.endings import STATUSES, Ending, Outcome, ending_in_words, ending_of, is_limited, outcome_of
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, OrganizationId, RuleId, TransferId
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import OnFunds, Scheduled, needs, nodes_of, schedule_in_words, visible
from sluiceway.domain.runs import RunFacts, RunView, view_of
from sluiceway.domain.transfers import Mode, Transfer, TransferStatus
from sluiceway.services.engine import UNREADABLE, Engine
from sluiceway.storage import runs as stored
from sluiceway.storage.accounts import find_accounts
from sluiceway.storage.database import ReadTx
from sluiceway.storage.executions import find_execution
from sluiceway.storage.rules import find_rule
from sluiceway.storage.runs import ListedRun, RuleAt, RunFilter
from sluiceway.storage.transfers import find_transfers

_STRETCHES: Final = (100, 400, *[500] * 9)
"""How many runs a page looks through, 5,000 at most: few at a time where what is wanted is common.

A rare ending far back takes several pages, each as quick as any.
"""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list."""

    execution: Execution
    title: str
    ending: Ending
    said: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, newest first. `next_id`: go on behind this one; None: there are no more."""

    runs: list[RunSummary]
    next_id: ExecutionId | None


async def list_runs(
    engine: Engine,
    organization_id: OrganizationId,
    *,
    rule_id: RuleId | None = None,
    ending: Ending | None = None,
    mode: Mode | None = None,
    account_id: AccountId | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: ExecutionId | None = None,
    limit: int,
) -> RunPage:
    """List runs, newest first. A page may end short where what is wanted is rare; `next_id` says where to go on."""
    status = None if ending is None else STATUSES[ending]
    wanted = RunFilter(rule_id, mode, status, account_id, from_at, to_at)
    async with engine.database.read() as tx:
        found, next_id = await _collect(tx, organization_id, wanted, ending, before_id, limit)
        return RunPage(await summaries(tx, organization_id, found), next_id)


async def _collect(
    tx: ReadTx,
    organization_id: OrganizationId,
    wanted: RunFilter,
    ending: Ending | None,
    before_id: ExecutionId | None,
    limit: int,
) -> tuple[list[ListedRun], ExecutionId | None]:
    """Look through stretches of the list until a page is full, the list ends, or it has been looked at far enough."""
    found: list[ListedRun] = []
    at = before_id
    for reach in _STRETCHES:
        most = reach if ending is not None else limit + 1 - len(found)
        runs = await stored.list_runs(tx, organization_id, wanted, before_id=at, reach=reach, limit=most)
        found += [run for run in runs if ending is None or _ending(run) is ending]
        if len(found) > limit:
            return found[:limit], found[limit - 1].execution.id
        at = await stored.end_of_reach(tx, organization_id, wanted.rule_id, at, reach)
        if at is None:
            return found, None
    return found, at


def _ending(run: ListedRun) -> Ending:
    return ending_of(run.execution, is_limited=run.is_limited)


async def summaries(tx: ReadTx, organization_id: OrganizationId, runs: list[ListedRun]) -> list[RunSummary]:
    """Say how each run ended."""
    sums = await stored.sums_of_runs(tx, organization_id, [run.execution.id for run in runs])
    return [_summary(run, outcome_of(sums.get(run.execution.id, ()))) for run in runs]


async def summaries_of(
    engine: Engine, organization_id: OrganizationId, execution_ids: Collection[ExecutionId]
) -> list[RunSummary]:
    """Say how these runs ended; those that do not exist are left out."""
    async with engine.database.read() as tx:
        found = [await find_execution(tx, organization_id, each) for each in sorted(set(execution_ids))]
        runs = [ListedRun(each, is_limited(each.trace)) for each in found if each is not None]
        return await summaries(tx, organization_id, runs)


def _summary(run: ListedRun, outcome: Outcome) -> RunSummary:
    execution, ending = run.execution, _ending(run)
    title = visible(execution.rule_name or "A rule without a name")
    return RunSummary(execution, title, ending, ending_in_words(execution, ending, outcome), outcome)


async def get_run(
    engine: Engine, organization_id: OrganizationId, execution_id: ExecutionId | None, spelling: str
) -> RunView:
    """Tell one run. Raises NotFound."""
    async with engine.database.read() as tx:
        execution = None
        if execution_id is not None:
            execution = await find_execution(tx, organization_id, execution_id)
        if execution is None:
            raise NotFound(IdKind.EXECUTION, spelling)
        return view_of(await _facts(engine, tx, execution))


async def _facts(engine: Engine, tx: ReadTx, execution: Execution) -> RunFacts:
    organization_id = execution.organization_id
    key = RevisionKey(organization_id, execution.rule_id, execution.revision)
    ran = (await engine.revisions.get(tx, [key])).get(key, UNREADABLE)
    older, newer, cause = await stored.neighbours(tx, execution)
    return RunFacts(
        execution=execution,
        rule=ran.rule,
        accounts=await find_accounts(tx, organization_id, ran.needs.accounts),
        transfers=await find_transfers(tx, organization_id, execution.transfer_ids),
        now=await find_rule(tx, organization_id, execution.rule_id),
        older_id=older,
        newer_id=newer,
        cause_id=cause,
    )


async def run_of(engine: Engine, execution: Execution) -> RunView:
    """Tell a run that has been read."""
    async with engine.database.read() as tx:
        return view_of(await _facts(engine, tx, execution))


# ------------------------------------------------------------------------------------------------- money that arrived


class Glance(StrEnum):
    """Why a rule ran, or did not, when money arrived at its account."""

    RAN = "RAN"
    NOT_ARRIVED = "NOT_ARRIVED"
    SIMULATED = "SIMULATED"
    MADE_LATER = "MADE_LATER"
    NOT_ENABLED = "NOT_ENABLED"
    OWN_TRANSFER = "OWN_TRANSFER"
    OTHER_TRIGGER = "OTHER_TRIGGER"
    NO_RECORD = "NO_RECORD"


@dataclass(frozen=True, slots=True)
class Look:
    """A rule of the account at which money arrived, whether it ran, and why or why not."""

    rule_id: RuleId
    title: str
    glance: Glance
    said: str
    run: RunSummary | None = None


class Origin(NamedTuple):
    """What made a transfer: the run and the node of its rule, where a rule made it."""

    path: str | None
    words: str | None


async def rules_that_looked(engine: Engine, organization_id: OrganizationId, transfer: Transfer) -> list[Look]:
    """List the rules of the account at which a transfer arrives: which ran because of it, and why others did not."""
    arrival = transfer.staged_account_id or (None if transfer.destination is None else transfer.destination.id)
    if arrival is None:
        return []
    async with engine.database.read() as tx:
        made = await stored.origin_of(tx, organization_id, transfer.id)
        at = transfer.completed_at or transfer.created_at
        rules = await stored.rules_at(tx, organization_id, arrival, at)
        origin_id = transfer.id if made is None else made.origin_id
        ran = await stored.caused_by(tx, organization_id, transfer.id, origin_id)
        told = await summaries(tx, organization_id, ran)
    by_rule = {summary.execution.rule_id: summary for summary in told}
    looks = [_ran(summary) for summary in told]
    return looks + [_look(each, transfer, at) for each in rules if each.id not in by_rule]


def _ran(summary: RunSummary) -> Look:
    return Look(summary.execution.rule_id, summary.title, Glance.RAN, f"It ran. {summary.said}", summary)


def _look(each: RuleAt, transfer: Transfer, at: datetime) -> Look:
    glance, said = _why_not(each, transfer, at)
    return Look(each.id, visible(each.rule.name or "A rule without a name"), glance, said)


def _why_not(each: RuleAt, transfer: Transfer, at: datetime) -> tuple[Glance, str]:
    """Say why a rule did not run, the first reason first."""
    if transfer.mode is Mode.SIMULATION:
        return Glance.SIMULATED, "The transfer is simulated, and starts nothing."
    then = each.enabled_then
    if then is None and each.created_at > at:
        return Glance.MADE_LATER, "The rule was made later."
    rule = each.rule if then is None else then
    if not isinstance(rule.trigger, OnFunds):
        starts = "only when it is asked to run"
        if isinstance(rule.trigger, Scheduled):
            starts = f"by its schedule: {_small(schedule_in_words(rule.trigger.schedule))}"
        return Glance.OTHER_TRIGGER, f"It does not start when money arrives, but {starts}."
    if transfer.status is not TransferStatus.COMPLETE and transfer.completed_at is None:
        return Glance.NOT_ARRIVED, "The money has not arrived."
    if then is None:
        return Glance.NOT_ENABLED, "Nobody had enabled the rule when the money arrived."
    if each.id == transfer.rule_id:
        return Glance.OWN_TRANSFER, "It made this transfer itself, and a rule is not started by its own."
    return (
        Glance.NO_RECORD,
        "No run of it is on record: the chain of rules had reached its limit, or it was another account's rule then.",
    )


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


async def made_by(engine: Engine, organization_id: OrganizationId, transfer_id: TransferId) -> Origin:
    """Tell which node of its rule made a transfer."""
    async with engine.database.read() as tx:
        made = await stored.origin_of(tx, organization_id, transfer_id)
        if made is None or made.rule is None or made.step is None or made.action is None:
            return Origin(None, None)
        accounts = await find_accounts(tx, organization_id, needs(made.rule).accounts)
    path = f"steps/{made.step}/actions/{made.action}"
    names = {account_id: account.name for account_id, account in accounts.items()}
    currencies = {account_id: account.currency for account_id, account in accounts.items()}
    words = {node.path: node.words for node in nodes_of(made.rule, None, names, currencies)}
    return Origin(path, words.get(path))
