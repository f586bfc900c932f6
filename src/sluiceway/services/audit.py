"""The audit: every promise about money and approvals, checked on one snapshot of everything; nothing is changed.

Where organizations are spread over machines there is no snapshot of everything, but each is on one machine alone: there
one after the other is checked, each on a snapshot of its own.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from sluiceway.domain.calendar import begins_at, first_between, names
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import IdKind, OrganizationId
from sluiceway.domain.rules import Scheduled, fingerprint, read_rule
from sluiceway.domain.schedule import Schedule
from sluiceway.services.audit_chain import KnownHead, check_chains, parts
from sluiceway.services.engine import Engine
from sluiceway.services.sealing import SealReport, check_seals
from sluiceway.storage import audit as stored
from sluiceway.storage.audit import Check, Examined, Mismatch, Ran
from sluiceway.storage.audit_derived import DerivedCheck, find_derived_mismatches
from sluiceway.storage.bank import BankCheck, find_bank_mismatches
from sluiceway.storage.database import LentTx, ReadTx
from sluiceway.storage.organizations import list_organizations

EXAMPLES: Final = 5
PATIENCE_S: Final = 3600.0
"""How long one state of everything may be read."""
DEFINITIONS: Final = "definitions_are_as_signed"
OCCURRENCES: Final = "schedules_ran_when_due"
LOG: Final = "the_log_is_whole"
SEALS: Final = "seals_hold"
_NOBODY: Final = OrganizationId("00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class Violation:
    """A counter-example: what (an account, a transfer ...), its id, and what does not agree."""

    organization_id: str
    what: str
    kind: IdKind | None
    id: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One promise: on how many things it was checked, how many break it, and the first of those."""

    name: str
    promise: str
    examined: int
    unit: str
    violations: int
    examples: tuple[Violation, ...]


class _Promise(NamedTuple):
    check: Check | DerivedCheck | BankCheck
    promise: str
    unit: str
    """What there are so many of that were looked at: a field of `Examined`."""
    what: str
    kind: IdKind | None


_PROMISES: Final = (
    _Promise(Check.SUMS, "Sums are zero", "currencies", "currency", None),
    _Promise(Check.BALANCES, "Balances equal their postings", "postings", "account", IdKind.ACCOUNT),
    _Promise(Check.CHAINS, "Each posting follows another", "postings", "account", IdKind.ACCOUNT),
    _Promise(Check.ON_THE_WAY, "Money on its way is in transfers", "accounts", "account", IdKind.ACCOUNT),
    _Promise(Check.FLOORS, "No account is below its floor", "accounts", "account", IdKind.ACCOUNT),
    _Promise(Check.TRANSFERS, "Transfers did what they say", "transfers", "transfer", IdKind.TRANSFER),
    _Promise(Check.CARDS, "Cards did what they say", "uses", "card use", IdKind.CARD_TRANSACTION),
    _Promise(Check.ONCE, "Nothing was transferred twice", "transfers", "transfer", IdKind.TRANSFER),
    _Promise(Check.ENDS, "Every run has ended or is due", "executions", "execution", IdKind.EXECUTION),
    _Promise(Check.APPROVALS, "Every run was approved", "executions", "execution", IdKind.EXECUTION),
    _Promise(Check.ENABLED, "Every enabled rule is approved", "rules", "rule", IdKind.RULE),
    _Promise(Check.COUNTS, "Runs count their transfers", "executions", "execution", IdKind.EXECUTION),
    _Promise(Check.CAPS, "Limits count their transfers", "limits", "rule", IdKind.RULE),
    _Promise(Check.LEGS, "Legs fit their transfers", "legs", "transfer", IdKind.TRANSFER),
    _Promise(Check.BANK, "The bank's book equals ours", "legs", "leg", IdKind.TRANSFER),
    _Promise(DerivedCheck.DAYS, "Days end with what was posted", "days", "account", IdKind.ACCOUNT),
    _Promise(DerivedCheck.RULE_DAYS, "Days of rules count their transfers", "rule_days", "rule", IdKind.RULE),
    _Promise(DerivedCheck.ACH, "Bank limits count their payments", "legs", "organization", None),
    _Promise(DerivedCheck.CHAINS, "Chains of rules end", "executions", "execution", IdKind.EXECUTION),
    _Promise(DerivedCheck.STATUSES, "Runs stand as they count", "executions", "execution", IdKind.EXECUTION),
    _Promise(DerivedCheck.IN_FORCE, "Transfers fall under an approval", "transfers", "transfer", IdKind.TRANSFER),
    _Promise(DerivedCheck.HISTORY, "No posting left less than a floor", "postings", "account", IdKind.ACCOUNT),
    _Promise(DerivedCheck.ANSWERS, "One effect answers one key", "answers", "organization", None),
    _Promise(DerivedCheck.EVENTS, "Events are told once", "events", "subject", None),
    _Promise(DerivedCheck.DELIVERIES, "Messages fit their events", "deliveries", "delivery", IdKind.DELIVERY),
    _Promise(DerivedCheck.APPLIED, "Reports are applied once", "reports", "organization", None),
    _Promise(DerivedCheck.LEG_STATUSES, "Legs stand as they say", "legs", "transfer", IdKind.TRANSFER),
    _Promise(DerivedCheck.MARKS, "Transfers are marked for a reason", "transfers", "transfer", IdKind.TRANSFER),
    _Promise(DerivedCheck.HOLDS, "Holds are of a restore", "accounts", "organization", IdKind.ORGANIZATION),
    _Promise(DerivedCheck.TRACES, "Transfers are as traced", "executions", "execution", IdKind.EXECUTION),
    _Promise(DerivedCheck.ASKED, "Amounts were asked for", "executions", "execution", IdKind.EXECUTION),
    _Promise(DerivedCheck.TIMES, "Nothing comes from the future", "transfers", "transfer", IdKind.TRANSFER),
    _Promise(DerivedCheck.SESSIONS, "No transaction is left open", "accounts", "session", None),
    _Promise(BankCheck.BALANCES, "Bank balances equal their entries", "entries", "bank account", None),
    _Promise(BankCheck.ONCE, "The bank books payments once", "payments", "payment", None),
    _Promise(BankCheck.REPORTS, "The bank tells how payments end", "payments", "payment", None),
    _Promise(BankCheck.NUMBERS, "The bank's numbers have no gaps", "entries", "bank book", None),
)

HARMLESS: Final = frozenset({DerivedCheck.TIMES, DerivedCheck.SESSIONS})
"""What says that something is wrong with a clock or a program and not with money: nobody's money stops for it."""


async def run_audit(engine: Engine, known: tuple[KnownHead, ...] = ()) -> list[CheckResult]:
    """Check every promise. Raises DatabaseUnavailable.

    `known`: where audit logs ended when somebody wrote it down.
    """
    whole = await parts(engine)
    if None not in whole:
        # Of whom somebody knows a head, there has to be a log; and without anybody, nothing is wrong with nobody.
        whole = list(dict.fromkeys([*whole, *(head.organization_id for head in known)])) or [_NOBODY]
    checked = [await _check_part(engine, only, known) for only in whole]
    return [_together(results) for results in zip(*checked, strict=True)]


async def _check_part(engine: Engine, only: OrganizationId | None, known: tuple[KnownHead, ...]) -> list[CheckResult]:
    async with engine.database.snapshot(PATIENCE_S) as tx:
        await stored.take_room(tx)
        return await check_everything(tx, only, engine.now(), known)


async def check_everything(
    tx: LentTx,
    only: OrganizationId | None,
    now: datetime,
    known: tuple[KnownHead, ...] = (),
    *,
    sealed: SealReport | None = None,
) -> list[CheckResult]:
    """Check every promise in one snapshot, of one organization or of all (None).

    `sealed` is told what has become of seals.
    """
    heads = tuple(head for head in known if only in {None, head.organization_id})
    examined = await stored.count_examined(tx, only)
    return [
        *[await _check(tx, only, promise, examined, now) for promise in _PROMISES],
        await _check_occurrences(tx, only, examined),
        await _check_definitions(tx, only, examined),
        await _check_log(tx, only, heads, now),
        await _check_sealed(tx, only, now, SealReport() if sealed is None else sealed),
    ]


def digest_of(results: Sequence[CheckResult]) -> str:
    """Hash what an audit has found: a second one of the same database finds the same."""
    return sha256(repr([astuple(result) for result in results]).encode()).hexdigest()


def _together(results: Sequence[CheckResult]) -> CheckResult:
    return replace(
        results[0],
        examined=sum(result.examined for result in results),
        violations=sum(result.violations for result in results),
        examples=tuple(example for result in results for example in result.examples)[:EXAMPLES],
    )


async def _check(
    tx: ReadTx, only: OrganizationId | None, promise: _Promise, examined: Examined, now: datetime
) -> CheckResult:
    violations, mismatches = await _find(tx, only, promise.check, now)
    examples = tuple(
        Violation(found.organization_id, promise.what, promise.kind, found.id, found.expected, found.found)
        for found in mismatches
    )
    count = examined._asdict()[promise.unit]
    unit = promise.unit.replace("_", " ")
    return CheckResult(promise.check, promise.promise, count, unit, violations, examples)


async def _find(
    tx: ReadTx, only: OrganizationId | None, check: Check | DerivedCheck | BankCheck, now: datetime
) -> tuple[int, list[Mismatch]]:
    match check:
        case Check():
            return await stored.find_mismatches(tx, only, check, EXAMPLES)
        case DerivedCheck():
            return await find_derived_mismatches(tx, only, check, EXAMPLES, now)
        case BankCheck():
            violations, found = await find_bank_mismatches(tx, only, check, EXAMPLES)
            return violations, [Mismatch(*each) for each in found]


async def _check_occurrences(tx: ReadTx, only: OrganizationId | None, examined: Examined) -> CheckResult:
    """Hold every run of a schedule against a calendar that knows nothing of how the next occurrence is found.

    Each must be one that the calendar names, and between a run and what the rule waited for next, under one approval,
    none may be left out. After downtime it waited for an earlier one than the latest, which runs.
    """
    violations = 0
    examples: list[Violation] = []
    before: Ran | None = None
    async for ran in stored.every_occurrence(tx, only):
        is_same = before is not None and (before.rule_id, before.approval_id) == (ran.rule_id, ran.approval_id)
        wrong = _wrong_with(ran, before if is_same else None)
        before = ran
        if wrong is None:
            continue
        violations += 1
        if len(examples) < EXAMPLES:
            found = f"{ran.nominal.isoformat()}, due at {ran.scheduled_for.isoformat()}"
            examples.append(
                Violation(ran.organization_id, "execution", IdKind.EXECUTION, ran.execution_id, wrong, found)
            )
    promise = "Schedules ran when a calendar says"
    return CheckResult(OCCURRENCES, promise, examined.occurrences, "occurrences", violations, tuple(examples))


def _wrong_with(ran: Ran, before: Ran | None) -> str | None:
    schedule = _schedule(ran.definition)
    if schedule is None:
        return "a rule that runs on schedule"
    if not names(schedule, ran.nominal):
        return "a time that the schedule names"
    if not begins_at(schedule, ran.nominal, ran.scheduled_for):
        return f"the instant at which the clock of {schedule.zone} reaches it"
    if before is not None and (left_out := first_between(schedule, before.nominal, ran.awaited)):
        return f"a run for {left_out.isoformat()} before it"
    return None


def _schedule(definition: object) -> Schedule | None:
    try:
        trigger = read_rule(definition).trigger
    except InvalidParameters:
        return None
    return trigger.schedule if isinstance(trigger, Scheduled) else None


async def _check_definitions(tx: ReadTx, only: OrganizationId | None, examined: Examined) -> CheckResult:
    """Hash every stored revision again: a person signed exactly this text."""
    violations = 0
    examples: list[Violation] = []
    async for revision in stored.every_revision(tx, only):
        found = _fingerprint(revision.definition)
        if found == revision.fingerprint.hex():
            continue
        violations += 1
        if len(examples) < EXAMPLES:
            organization_id, rule_id, number = revision.key
            expected = f"revision {number} with hash {revision.fingerprint.hex()}"
            examples.append(Violation(organization_id, "rule", IdKind.RULE, rule_id, expected, found))
    promise = "Definitions are as they were signed"
    return CheckResult(DEFINITIONS, promise, examined.revisions, "revisions", violations, tuple(examples))


async def _check_log(
    tx: LentTx, only: OrganizationId | None, known: tuple[KnownHead, ...], now: datetime
) -> CheckResult:
    report = await check_chains(tx, only, known, now=now, most=EXAMPLES)
    examples = tuple(
        Violation(found.organization_id, "batch", None, str(found.number), found.expected, found.found)
        for found in report.first
    )
    return CheckResult(LOG, "The audit log is whole", report.entries, "entries", report.breaks, examples)


async def _check_sealed(tx: ReadTx, only: OrganizationId | None, now: datetime, report: SealReport) -> CheckResult:
    """Hold what was sealed once against what there is."""
    whole = [only] if only is not None else [each.id for each in await list_organizations(tx)]
    for organization_id in whole:
        found = await check_seals(tx, organization_id, now)
        report.hashes += found.hashes
        report.broken += found.broken
        report.late += found.late
    return sealed_result(report)


def sealed_result(report: SealReport) -> CheckResult:
    """Tell of seals as of any other check."""
    examples = tuple(
        Violation(each.organization_id, f"seal of {each.of}", None, str(each.number), each.expected, each.found)
        for each in report.broken[:EXAMPLES]
    )
    return CheckResult(SEALS, "What was sealed is as it was", report.hashes, "hashes", len(report.broken), examples)


def _fingerprint(definition: object) -> str:
    try:
        return fingerprint(read_rule(definition)).hex()
    except InvalidParameters as refused:
        return f"not a rule: {refused.problems[0].path} {refused.problems[0].message}"
