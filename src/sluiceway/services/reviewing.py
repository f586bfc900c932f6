"""Reading rules as a person does: the list of them, one of them, its versions, and the review before it is enabled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import IdKind, OrganizationId, RuleId
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import (
    Aside,
    Change,
    Finding,
    Line,
    Oddity,
    asides_in_words,
    ceilings_in_words,
    check,
    diff,
    oddities,
    outline,
    sentence,
    trigger_in_words,
)
from sluiceway.services.drafting import try_now
from sluiceway.services.engine import Engine
from sluiceway.services.rule_tests import RuleTestResult, run_tests
from sluiceway.services.rules import accounts_of
from sluiceway.services.runs import RunSummary, summaries
from sluiceway.services.scenarios import ScenarioResult
from sluiceway.services.standpoints import Standpoint, stand_in
from sluiceway.storage import rule_activity
from sluiceway.storage import rules as stored
from sluiceway.storage.database import ReadTx
from sluiceway.storage.rule_activity import Revision, Signature
from sluiceway.storage.runs import latest_of_rules


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in a list: its sentence, how its newest run ended, and what it has moved this month, by currency."""

    record: RuleRecord
    sentence: str
    starts_when: str
    latest: RunSummary | None
    moved_this_month: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule: its row, its words line by line, what is wrong or odd with it, and what is set aside, also in words."""

    row: RuleRow
    lines: Sequence[Line]
    findings: Sequence[Finding]
    oddities: Sequence[Oddity]
    asides: Sequence[tuple[Aside, str]]
    standpoint: Standpoint


@dataclass(frozen=True, slots=True)
class Version:
    """One revision of a rule, with what it changed of the one before, and who enabled it."""

    revision: Revision
    sentence: str
    changes: Sequence[Change]
    signatures: Sequence[Signature]


@dataclass(frozen=True, slots=True)
class RuleReview:
    """What a person is shown before enabling a rule, and signs by its fingerprint.

    `enabled_before` is the revision that was enabled last, with what has changed since; None: none ever was. `tried` is
    the rule on the latest real event; None where there was none, or where the rule is unfit to run. `tests` are those
    that are kept with it.
    """

    view: RuleView
    enabled_before: int | None
    changes: Sequence[Change]
    tried: ScenarioResult | None
    ceilings: Sequence[str]
    tests: Sequence[RuleTestResult]


async def list_rules(
    engine: Engine, organization_id: OrganizationId, *, before_id: RuleId | None = None, limit: int
) -> list[RuleRow]:
    """List rules with what they have done lately, newest first."""
    async with engine.database.read() as tx:
        at = await stand_in(tx, engine, organization_id)
        records = await stored.list_rules(tx, organization_id, before_id=before_id, limit=limit)
        return await _rows(tx, at, records)


async def view_rule(engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str) -> RuleView:
    """Read a rule with its words. Raises NotFound."""
    async with engine.database.read() as tx:
        at = await stand_in(tx, engine, organization_id)
        return await _view(tx, at, await _get(tx, organization_id, rule_id, spelling))


async def review_rule(
    engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str
) -> RuleReview:
    """Read all that is to be known before a rule is enabled. Raises NotFound."""
    async with engine.database.read() as tx:
        at = await stand_in(tx, engine, organization_id)
        record = await _get(tx, organization_id, rule_id, spelling)
        view = await _view(tx, at, record)
        before = await rule_activity.latest_approved(tx, organization_id, record.id)
        changes: list[Change] = []
        if before is not None:
            [former] = await rule_activity.list_revisions(tx, organization_id, record.id, before=before + 1, limit=1)
            changes = diff(former.rule, record.rule, at.names, at.currencies)
        tests = await run_tests(tx, organization_id, record.id, record.rule, at.accounts, at.organization.zone)
    tried = await try_now(engine, organization_id, record.rule, record.id, record.revision)
    return RuleReview(view, before, changes, tried, ceilings_in_words(record.rule, at.accounts), tests)


async def list_versions(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    spelling: str,
    *,
    before: int | None = None,
    limit: int,
) -> list[Version]:
    """List a rule's revisions, newest first, each with what it changed. Raises NotFound."""
    async with engine.database.read() as tx:
        record = await _get(tx, organization_id, rule_id, spelling)
        accounts = await accounts_of(tx, organization_id)
        # One more, for what the oldest one of the page changed.
        found = await rule_activity.list_revisions(tx, organization_id, record.id, before=before, limit=limit + 1)
        shown = found[:limit]
        signed = await rule_activity.list_approvals(tx, organization_id, record.id, [each.revision for each in shown])
    names = {account_id: account.name for account_id, account in accounts.items()}
    currencies = {account_id: account.currency for account_id, account in accounts.items()}
    former = dict(zip([each.revision for each in found], found[1:], strict=False))
    return [
        Version(
            each,
            sentence(each.rule, names, currencies),
            diff(former[each.revision].rule, each.rule, names, currencies) if each.revision in former else [],
            [signature for signature in signed if signature.revision == each.revision],
        )
        for each in shown
    ]


async def _view(tx: ReadTx, at: Standpoint, record: RuleRecord) -> RuleView:
    [row] = await _rows(tx, at, [record])
    rule = record.rule
    asides = await stored.set_aside_of(tx, record.organization_id, record.id)
    return RuleView(
        row,
        outline(rule, at.names, at.currencies),
        check(rule, at.accounts, at.others(record.id), at.at),
        oddities(rule, at.names),
        list(zip(asides, asides_in_words(asides, rule.trigger, at.names, at.currencies), strict=True)),
        at,
    )


async def _rows(tx: ReadTx, at: Standpoint, records: Sequence[RuleRecord]) -> list[RuleRow]:
    organization_id, ids = at.organization.id, [record.id for record in records]
    found = await latest_of_rules(tx, organization_id, ids)
    latest = {run.execution.rule_id: run for run in await summaries(tx, organization_id, found)}
    # The month of whoever reads it; what a limit counts goes by the rule's own zone.
    month = at.at.astimezone(at.organization.zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    moved = await rule_activity.moved_since(tx, organization_id, ids, month)
    return [
        RuleRow(
            record,
            sentence(record.rule, at.names, at.currencies),
            trigger_in_words(record.rule, at.names),
            latest.get(record.id),
            {each.currency: each.amount for each in moved if each.rule_id == record.id},
        )
        for record in records
    ]


async def _get(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str) -> RuleRecord:
    record = None if rule_id is None else await stored.find_rule(tx, organization_id, rule_id)
    if record is None or record.deleted_at is not None:
        raise NotFound(IdKind.RULE, spelling)
    return record
