"""Rules as the app's pages see them: in words line by line, with what a person may do."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from sluiceway.domain.access import Role
from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, RuleId, format_id, parse_id, to_base32
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import (
    Aside,
    AsideKind,
    Change,
    Finding,
    Line,
    Oddity,
    Severity,
    destinations_of,
    looks_at,
    visible,
)
from sluiceway.services.drafting import Checked
from sluiceway.services.reviewing import RuleReview, RuleRow, RuleView, Version
from sluiceway.services.rule_tests import RuleTestResult
from sluiceway.services.runs import RunSummary
from sluiceway.services.scenarios import ScenarioResult
from sluiceway.storage.rule_activity import Signature
from sluiceway.web.wire.definitions import read_definition, show_definition, show_part
from sluiceway.web.wire.shapes import Cents, Moment, show, show_moment, show_moment_or_none, show_page

_ANYTHING: Final = {"additionalProperties": True}
Written = Annotated[
    dict[str, Any], Meta(description="A rule in the notation of rule files.", extra_json_schema=_ANYTHING)
]
Answers = Annotated[dict[str, Any], Meta(description="By the keys of fields.", extra_json_schema=_ANYTHING)]

_MOST: Final = 2**31 - 1


class RuleLine(Struct, rename="camel"):
    """A line of a rule in words, with the path of the node that it says."""

    path: str
    kind: str
    depth: int
    text: str


class FindingShown(Struct, rename="camel"):
    """Something that is wrong (`error`), or worth knowing (`warning`), at a node."""

    severity: str
    code: str
    path: str
    message: str


class OddityShown(Struct, rename="camel"):
    """A name or text that could pretend to be another."""

    account_id: str | None
    kind: str
    message: str


class RuleChange(Struct, rename="camel"):
    """What an edit did to a node."""

    kind: str
    path: str
    before: str | None
    after: str | None


class Sum(Struct, rename="camel"):
    """An amount of one currency."""

    amount_in_cents: Cents
    currency: str


class LatestRun(Struct, rename="camel"):
    """A rule's newest run."""

    id: str
    ending: str
    said: str
    at: Moment


class RuleListed(Struct, rename="camel"):
    """A rule in a list. `startsWhen`: its trigger in words. `can`: what this person may do with it now."""

    id: str
    name: str
    state: str
    revision: int
    sentence: str
    starts_when: str
    latest_run: LatestRun | None
    moved_this_month: list[Sum]
    updated_at: Moment
    can: list[str]


class SetAside(Struct, rename="camel", forbid_unknown_fields=True):
    """A part of a rule that does nothing until it is put back, and where it was taken from.

    `part` is in the notation: a condition, an action or a step, filled in or not. `note` says why it is there.
    """

    kind: Literal["condition", "action", "step"]
    path: Annotated[str, Meta(max_length=200, pattern=r"^steps/[0-9]{1,3}(/(conditions|all|any|actions|[0-9]{1,3}))*$")]
    part: Written
    note: Annotated[str, Meta(max_length=500)] | None = None


class SetAsideShown(SetAside):
    """The same in the words that the rule would have for it."""

    words: str = ""


class RuleShown(RuleListed):
    """A rule with its definition and its words. What is set aside is no part of it."""

    description: str | None
    definition: Written
    set_aside: list[SetAsideShown]
    fingerprint: str
    lines: list[RuleLine]
    findings: list[FindingShown]
    oddities: list[OddityShown]
    created_at: Moment


class Touched(Struct, rename="camel"):
    """An account that a rule names, and what it does there: `takes`, `gives`, `looks`."""

    id: str
    name: str
    uses: list[str]


class Effect(Struct, rename="camel"):
    """What a run would do to an account; without a balance where that is not known."""

    account_id: str
    name: str
    currency: str
    is_debt: bool
    before_in_cents: Cents | None
    after_in_cents: Cents | None


class MoveTried(Struct, rename="camel"):
    """An action of the step that matched, and what it would do."""

    path: str
    title: str
    said: str
    asked_in_cents: Cents | None
    moved_in_cents: Cents
    currency: str


class SetOff(Struct, rename="camel"):
    """A rule that the moves would start."""

    id: str
    name: str


class Tried(Struct, rename="camel"):
    """What a rule would do now. Nothing was moved. `explanation`: the whole of it, line by line."""

    started_by: str
    amount_in_cents: Cents | None
    currency: str
    ending_said: str
    explanation: list[str]
    moves: list[MoveTried]
    effects: list[Effect]
    sets_off: list[SetOff]


class TestedShown(Struct, rename="camel"):
    """How a test of the rule comes out; the test itself is told with the others of the rule."""

    id: str
    name: str
    is_passed: bool
    said: str


class ReviewShown(Struct, rename="camel"):
    """All that is to be known before enabling. `enabledBefore`: the revision that was enabled last, if any was."""

    rule: RuleShown
    enabled_before: int | None
    changes: list[RuleChange]
    tried: Tried | None
    touches: list[Touched]
    ceilings: list[str]
    tests: list[TestedShown]


class SignatureShown(Struct, rename="camel"):
    """Who enabled a revision, when, and when that ended."""

    by: str
    at: Moment
    ended_at: Moment | None


class VersionShown(Struct, rename="camel"):
    """One revision."""

    revision: int
    sentence: str
    changes: list[RuleChange]
    signatures: list[SignatureShown]
    created_at: Moment


class StandingShown(Struct, rename="camel"):
    """How a condition stands now: `passes`, `fails`, `unknown` or `invalid`."""

    path: str
    state: str
    words: str


class CheckedShown(Struct, rename="camel"):
    """A draft as far as it goes: without a sentence until all of it can be read.

    `changes`: from what is saved. `setAside`: the words of what is, in its order. `tests`: those that are kept with the
    rule that it is a draft of, as the draft does in them.
    """

    can_be_saved: bool
    sentence: str | None
    lines: list[RuleLine]
    findings: list[FindingShown]
    oddities: list[OddityShown]
    standings: list[StandingShown]
    changes: list[RuleChange]
    set_aside: list[str]
    tests: list[TestedShown]


Asides = Annotated[list[SetAside], Meta(max_length=50)]


class NewRule(Struct, rename="camel", forbid_unknown_fields=True):
    """A rule to save."""

    definition: Written
    set_aside: Asides = []


class SaveRule(Struct, rename="camel", forbid_unknown_fields=True):
    """What to replace a rule by. `revision`: the one that the edit began with. Without `setAside`, that stays."""

    definition: Written
    revision: int
    set_aside: Asides | None = None


class CheckDraft(Struct, rename="camel", forbid_unknown_fields=True):
    """A draft, and the rule that it is a draft of."""

    definition: Written
    rule_id: str | None = None
    set_aside: Asides = []


class TryDraft(Struct, rename="camel", forbid_unknown_fields=True):
    """A draft to try, and on what amount; without one, on what arrived last."""

    definition: Written
    rule_id: str | None = None
    amount_in_cents: Annotated[int, Meta(ge=1)] | None = None


class EnableRule(Struct, rename="camel", forbid_unknown_fields=True):
    """The fingerprint of the revision that the review showed."""

    fingerprint: str


class TriggerRule(Struct, rename="camel", forbid_unknown_fields=True):
    """An amount that stands in for what is there, if one is given."""

    amount_in_cents: Annotated[int, Meta(ge=1)] | None = None


class Started(Struct, rename="camel"):
    """The run that was started."""

    run_id: str


def read_rule_id(text: str | None) -> RuleId | None:
    """Read which rule is meant, if one is. Raises InvalidParameters."""
    if text is None:
        return None
    found = parse_id(IdKind.RULE, text)
    if found is None:
        raise InvalidParameters((Problem("ruleId", "names no rule"),))
    return RuleId(found)


def read_asides(asides: Sequence[SetAside]) -> list[Aside]:
    """Read what is set aside."""
    return [Aside(AsideKind(each.kind), each.path, read_definition(each.part), each.note) for each in asides]


def read_fingerprint(text: str) -> bytes:
    """Read a fingerprint; what is none is one that no revision has."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def read_revision(cursor: str | None) -> int | None:
    """Read before which revision a page ends."""
    return None if cursor is None else min(int(cursor.replace("-", ""), 16), _MOST)


def write_revision(revision: int) -> str:
    """Write the cursor behind a revision, in the form that all cursors have."""
    digits = f"{revision:032x}"
    return to_base32(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")


def show_rules(rows: Sequence[RuleRow], role: Role, next_cursor: str | None) -> bytes:
    """Show a page of rules."""
    return show_page([_listed(row, role) for row in rows], next_cursor)


def show_rule(view: RuleView, role: Role) -> bytes:
    """Show a rule."""
    return show(_rule(view, role))


def show_review(review: RuleReview, role: Role) -> bytes:
    """Show a review."""
    view = review.view
    return show(
        ReviewShown(
            _rule(view, role),
            review.enabled_before,
            _changes(review.changes),
            None if review.tried is None else show_tried(review.tried),
            _touched(view),
            list(review.ceilings),
            _tested(review.tests),
        )
    )


def show_versions(versions: Sequence[Version], next_cursor: str | None) -> bytes:
    """Show a page of revisions."""
    return show_page([_version(each) for each in versions], next_cursor)


def show_checked(checked: Checked) -> CheckedShown:
    """Show what was found of a draft."""
    return CheckedShown(
        checked.can_be_saved,
        checked.sentence,
        _lines(checked.lines),
        _findings(checked.findings),
        _oddities(checked.oddities),
        [StandingShown(each.path, each.state, each.words) for each in checked.standings],
        _changes(checked.changes),
        checked.asides,
        _tested(checked.tests),
    )


def show_tried(result: ScenarioResult) -> Tried:
    """Show what a rule would do."""
    view = result.view
    trigger_id = view.facts.rule.account_id
    account = None if trigger_id is None else view.facts.accounts.get(trigger_id)
    return Tried(
        view.trigger,
        view.facts.execution.transfer_amount,
        "USD" if account is None else account.currency,
        view.ending_said,
        list(view.explanation),
        [MoveTried(each.path, each.title, each.said, each.asked, each.moved, each.currency) for each in view.moves],
        [
            Effect(
                _account_id(each.account_id), visible(each.name), each.currency, each.is_debt, each.before, each.after
            )
            for each in result.changes
        ],
        [SetOff(_rule_id(record.id), _title(record.rule.name)) for record in result.sets_off],
    )


def show_started(execution_id: ExecutionId) -> bytes:
    """Show which run was started."""
    return show(Started(format_id(IdKind.EXECUTION, execution_id)))


def _tested(results: Sequence[RuleTestResult]) -> list[TestedShown]:
    return [
        TestedShown(format_id(IdKind.RULE_TEST, each.test.id), each.test.name, each.is_passed, each.said)
        for each in results
    ]


def _rule(view: RuleView, role: Role) -> RuleShown:
    row, rule = view.row, view.row.record.rule
    is_fit = all(finding.severity is not Severity.ERROR for finding in view.findings)
    return RuleShown(
        **_facts(row, role, is_fit=is_fit),
        description=rule.description,
        definition=show_definition(rule),
        set_aside=[
            SetAsideShown(aside.kind.value, aside.path, show_part(aside.part), aside.note, words)
            for aside, words in view.asides
        ],
        fingerprint=row.record.fingerprint.hex(),
        lines=_lines(view.lines),
        findings=_findings(view.findings),
        oddities=_oddities(view.oddities),
        created_at=show_moment(row.record.created_at),
    )


def _listed(row: RuleRow, role: Role) -> RuleListed:
    return RuleListed(**_facts(row, role, is_fit=True))


def _facts(row: RuleRow, role: Role, *, is_fit: bool) -> dict[str, Any]:
    record = row.record
    return {
        "id": _rule_id(record.id),
        "name": _title(record.rule.name),
        "state": "enabled" if record.is_enabled else "disabled",
        "revision": record.revision,
        "sentence": row.sentence,
        "starts_when": row.starts_when,
        "latest_run": None if row.latest is None else _latest(row.latest),
        "moved_this_month": [Sum(amount, currency) for currency, amount in sorted(row.moved_this_month.items())],
        "updated_at": show_moment(record.updated_at),
        "can": _can(role, is_enabled=record.is_enabled, is_fit=is_fit),
    }


def _can(role: Role, *, is_enabled: bool, is_fit: bool) -> list[str]:
    does = {
        "edit": role.covers(Role.WRITER),
        "delete": role.covers(Role.WRITER),
        "run": role.covers(Role.WRITER) and is_enabled,
        "disable": role.covers(Role.WRITER) and is_enabled,
        "enable": role.covers(Role.ADMIN) and not is_enabled and is_fit,
    }
    return [name for name, may in does.items() if may]


def _latest(run: RunSummary) -> LatestRun:
    execution = run.execution
    return LatestRun(format_id(IdKind.EXECUTION, execution.id), run.ending, run.said, show_moment(execution.created_at))


def _touched(view: RuleView) -> list[Touched]:
    rule = view.row.record.rule
    accounts = view.standpoint.accounts
    actions = [action for step in rule.steps for action in step.actions]
    takes = {action.source for action in actions}
    gives = {to for action in actions for to in destinations_of(action)}
    looks = looks_at(rule) - takes
    return [
        Touched(
            _account_id(account_id),
            _account_name(account_id, accounts),
            [use for use, ids in (("takes", takes), ("gives", gives), ("looks", looks)) if account_id in ids],
        )
        for account_id in dict.fromkeys([*sorted(takes), *sorted(gives), *sorted(looks)])
    ]


def _version(each: Version) -> VersionShown:
    return VersionShown(
        each.revision.revision,
        each.sentence,
        _changes(each.changes),
        [_signature(signature) for signature in each.signatures],
        show_moment(each.revision.created_at),
    )


def _signature(signature: Signature) -> SignatureShown:
    return SignatureShown(
        signature.email, show_moment(signature.approved_at), show_moment_or_none(signature.revoked_at)
    )


def _lines(lines: Iterable[Line]) -> list[RuleLine]:
    return [RuleLine(each.path, each.kind, each.depth, each.text) for each in lines]


def _findings(findings: Iterable[Finding]) -> list[FindingShown]:
    return [FindingShown(each.severity, each.code, each.path, _capital(visible(each.message))) for each in findings]


def _oddities(found: Iterable[Oddity]) -> list[OddityShown]:
    return [
        OddityShown(None if each.account_id is None else _account_id(each.account_id), each.kind, each.message)
        for each in found
    ]


def _changes(changes: Iterable[Change]) -> list[RuleChange]:
    return [RuleChange(each.kind, each.path, each.before, each.after) for each in changes]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _title(name: str | None) -> str:
    return visible(name) if name else "A rule without a name"


def _account_name(account_id: AccountId, accounts: dict[AccountId, Account]) -> str:
    return visible(accounts[account_id].name) if account_id in accounts else "an account that is not there"


def _account_id(account_id: AccountId) -> str:
    return format_id(IdKind.ACCOUNT, account_id)


def _rule_id(rule_id: RuleId) -> str:
    return format_id(IdKind.RULE, rule_id)
