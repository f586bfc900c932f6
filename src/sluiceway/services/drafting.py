"""Drafts: what somebody is writing, looked at without saving it; and the rules that recipes make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import OrganizationId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import (
    RECIPES_BY_KEY,
    Aside,
    Change,
    Event,
    Finding,
    Line,
    Oddity,
    OnFunds,
    Rule,
    Severity,
    Standing,
    TriggerType,
    asides_in_words,
    check,
    diff,
    error,
    label_at,
    oddities,
    outline,
    read_draft,
    recipe,
    sentence,
    stand,
    write_rule,
)
from sluiceway.services.engine import Engine
from sluiceway.services.rule_tests import RuleTestResult, run_tests
from sluiceway.services.rules import review_rule as view_stored
from sluiceway.services.rules import unreachable
from sluiceway.services.scenarios import Scenario, ScenarioResult, try_scenario
from sluiceway.services.standpoints import Standpoint, stand_in
from sluiceway.storage.database import ReadTx
from sluiceway.storage.rule_activity import latest_arrival


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft as far as it goes. `rule` is None while something of it cannot be read; then it has no sentence yet.

    `changes` are those from what is saved of the rule that it is a draft of; `asides` say what is set aside; `tests`
    tell how it does in those that are kept with that rule.
    """

    rule: Rule | None
    sentence: str | None
    lines: list[Line]
    findings: list[Finding]
    oddities: list[Oddity]
    standings: list[Standing]
    changes: list[Change]
    asides: list[str]
    tests: list[RuleTestResult]

    @property
    def can_be_saved(self) -> bool:
        """Tell whether nothing keeps it from being saved."""
        return self.rule is not None and all(each.severity is not Severity.ERROR for each in self.findings)


async def check_draft(
    engine: Engine,
    organization_id: OrganizationId,
    definition: object,
    rule_id: RuleId | None = None,
    asides: Sequence[Aside] = (),
) -> Checked:
    """Look at a draft: its words, what is wrong with it, and how its conditions stand right now.

    `rule_id` is the rule that it is a draft of, which is not its own rival.
    """
    async with engine.database.read() as tx:
        at = await stand_in(tx, engine, organization_id)
        return await checked(engine, tx, at, definition, rule_id, asides)


async def checked(
    engine: Engine,
    tx: ReadTx,
    at: Standpoint,
    definition: object,
    rule_id: RuleId | None,
    asides: Sequence[Aside] = (),
) -> Checked:
    """Look at a draft from where an organization stands."""
    draft = read_draft(definition)
    findings = [error(_code(each), each.path, _said(each, definition)) for each in draft.problems]
    rule = draft.rule
    if rule is not None:
        findings += check(rule, at.accounts, at.others(rule_id), at.at)
        findings += [error("not_allowed", each.path, each.message) for each in unreachable(engine, rule)]
    arrival = None
    if isinstance(draft.trigger, OnFunds) and draft.trigger.account_id in at.records:
        # Where money starts it, the last that arrived stands for the next that will.
        arrival = await latest_arrival(tx, at.organization.id, draft.trigger.account_id)
    saved = next((record.rule for record in at.rules if record.id == rule_id), None)
    event = Event(TriggerType.MANUAL, at.at, None if arrival is None else arrival.amount)
    tests: list[RuleTestResult] = []
    if rule is not None and rule_id is not None:
        tests = await run_tests(tx, at.organization.id, rule_id, rule, at.accounts, at.organization.zone)
    return Checked(
        rule,
        None if rule is None else sentence(rule, at.names, at.currencies),
        [] if rule is None else outline(rule, at.names, at.currencies),
        findings,
        [] if rule is None else oddities(rule, at.names),
        stand(draft, event, at.snapshot(), at.names, at.currencies),
        [] if rule is None or saved is None else diff(saved, rule, at.names, at.currencies),
        asides_in_words(asides, draft.trigger, at.names, at.currencies),
        tests,
    )


def _said(problem: Problem, definition: object) -> str:
    """Say what is wrong; of what is not filled in, also how it is called, since several may be listed together."""
    label = label_at(definition, problem.path) if problem.message.startswith("is required") else None
    return problem.message if label is None else f"“{label}” is required"


def _code(problem: Problem) -> str:
    """Tell what has not been filled in from what is wrong."""
    is_missing = problem.message.startswith(("is required", "must have exactly one of", "must be text that is not"))
    return "missing" if is_missing else "invalid"


async def try_by_hand(
    engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str, amount: Cents | None
) -> ScenarioResult:
    """Try what a rule would do if somebody ran it now. Raises NotFound, and InvalidParameters for an unfit rule."""
    record = (await view_stored(engine, organization_id, rule_id, spelling)).record
    scenario = Scenario(organization_id, record.rule, record.id, record.revision, amount=amount, by_hand=True)
    return await try_scenario(engine, scenario)


async def try_draft(
    engine: Engine,
    organization_id: OrganizationId,
    definition: object,
    rule_id: RuleId | None = None,
    amount: Cents | None = None,
) -> ScenarioResult:
    """Try a draft now. Raises InvalidParameters for all that keeps it from being saved, or where it has no amount."""
    draft = read_draft(definition)
    if draft.rule is None:
        raise InvalidParameters(draft.problems)
    return await try_scenario(engine, Scenario(organization_id, draft.rule, rule_id, amount=amount))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a recipe makes of somebody's answers: a rule that is not saved, and what it would do now.

    `tried` is None where that cannot be told: something is wrong, or no money has arrived yet.
    """

    rule: Rule
    checked: Checked
    tried: ScenarioResult | None


async def prepare(engine: Engine, organization_id: OrganizationId, key: str, answers: Mapping[str, Any]) -> Prepared:
    """Make the rule of a recipe, look at it and try it. Raises InvalidParameters, with the paths of the answers."""
    made_of = RECIPES_BY_KEY.get(key)
    if made_of is None:
        raise InvalidParameters((Problem("recipe", "is not a recipe"),))
    rule = recipe(made_of, answers)
    found = await check_draft(engine, organization_id, write_rule(rule))
    return Prepared(rule, found, await try_now(engine, organization_id, rule))


async def try_now(
    engine: Engine, organization_id: OrganizationId, rule: Rule, rule_id: RuleId | None = None, revision: int = 0
) -> ScenarioResult | None:
    """Try a rule on the latest real event; None where there is none, or where the rule is unfit."""
    try:
        return await try_scenario(engine, Scenario(organization_id, rule, rule_id, revision))
    except InvalidParameters:
        return None
