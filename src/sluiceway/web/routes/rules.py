"""Rules: listed, drawn up, looked at before they are saved, reviewed, enabled, run; and the recipes that make them."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId, to_base32
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import RECIPES_BY_KEY, TriggerType, read_rule
from sluiceway.services import drafting, reviewing
from sluiceway.services import rules as services
from sluiceway.services.admission import TriggerRule
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import CreateRule
from sluiceway.services.standpoints import read_standpoint
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import rules as wire
from sluiceway.web.wire import vocabulary as words
from sluiceway.web.wire.definitions import read_answers, read_definition, show_definition
from sluiceway.web.wire.shapes import CURSOR, LIMIT, Envelope, Nothing, Page, read_body, show


@operation(
    "GET",
    "/rule-vocabulary",
    role=Role.VIEWER,
    summary="Read the vocabulary of rules",
    answer=Envelope[words.VocabularyShown],
)
async def get_rule_vocabulary(call: AppCall) -> Reply:
    """Read the triggers, facts, operators and actions that there are, with their fields, and the accounts to choose."""
    return call.reply(words.show_vocabulary(await read_standpoint(call.edge.engine, call.principal.organization_id)))


@operation(
    "GET",
    "/rules",
    role=Role.VIEWER,
    summary="List rules",
    parameters=(CURSOR, LIMIT),
    answer=Page[wire.RuleListed],
)
async def list_rules(call: AppCall) -> Reply:
    """List rules, newest first, each with its sentence, its newest run and what it has moved this month."""
    before, limit = CURSOR.read(call.query), LIMIT.read(call.query)
    rows = await reviewing.list_rules(
        call.edge.engine,
        call.principal.organization_id,
        before_id=None if before is None else RuleId(before),
        limit=limit + 1,
    )
    shown = rows[:limit]
    following = to_base32(shown[-1].record.id) if len(rows) > limit else None
    return call.reply(wire.show_rules(shown, call.person.role, following))


@operation(
    "POST",
    "/rules",
    role=Role.WRITER,
    summary="Save a new rule",
    body=wire.NewRule,
    status=201,
    answer=Envelope[wire.RuleShown],
)
async def create_rule(call: AppCall) -> Reply:
    """Save a new rule. It is disabled until somebody has reviewed and enabled it."""
    body = read_body(call.body, wire.NewRule)
    rule = read_rule(read_definition(body.definition))
    made: list[RuleRecord] = []

    def show_made(record: RuleRecord, _: object) -> Answer:
        made.append(record)
        return Answer(201, to_base32(record.id).encode())

    command = CreateRule(
        call.principal.organization_id, rule, None, show_made, act=call.act, asides=wire.read_asides(body.set_aside)
    )
    await services.create_rule(call.edge.engine, command)
    return await _shown(call, made[-1].id, status=201)


@operation(
    "GET",
    "/rules/{id}",
    role=Role.VIEWER,
    summary="Read a rule",
    id_kind=IdKind.RULE,
    answer=Envelope[wire.RuleShown],
    refusals=(404,),
)
async def get_rule(call: AppCall) -> Reply:
    """Read a rule: its definition, its words line by line, and what is wrong or odd with it."""
    return await _shown(call, _rule_id(call))


@operation(
    "PUT",
    "/rules/{id}",
    role=Role.WRITER,
    summary="Save a rule",
    id_kind=IdKind.RULE,
    body=wire.SaveRule,
    answer=Envelope[wire.RuleShown],
    refusals=(404, 409),
)
async def save_rule(call: AppCall) -> Reply:
    """Save an edit as a new revision, which disables the rule. 409 `RULE_CHANGED` if somebody else has saved before."""
    body = read_body(call.body, wire.SaveRule)
    rule = read_rule(read_definition(body.definition))
    record, _ = await services.revise_rule(
        call.edge.engine,
        call.principal.organization_id,
        _rule_id(call),
        call.spelling,
        rule,
        based_on=body.revision,
        act=call.act,
        asides=None if body.set_aside is None else wire.read_asides(body.set_aside),
    )
    return await _shown(call, record.id)


@operation(
    "DELETE",
    "/rules/{id}",
    role=Role.WRITER,
    summary="Delete a rule",
    id_kind=IdKind.RULE,
    answer=Envelope[Nothing],
    refusals=(404,),
)
async def delete_rule(call: AppCall) -> Reply:
    """Disable a rule and take it off the list. Its runs and versions are kept."""
    await services.delete_rule(
        call.edge.engine, call.principal.organization_id, _rule_id(call), call.spelling, act=call.act
    )
    return call.reply(show(Nothing()))


@operation(
    "GET",
    "/rules/{id}/versions",
    role=Role.VIEWER,
    summary="List a rule's versions",
    id_kind=IdKind.RULE,
    parameters=(CURSOR, LIMIT),
    answer=Page[wire.VersionShown],
    refusals=(404,),
)
async def list_rule_versions(call: AppCall) -> Reply:
    """List the revisions of a rule, newest first: what each has changed, and who enabled it."""
    limit = LIMIT.read(call.query)
    before = wire.read_revision(CURSOR.read(call.query))
    versions = await reviewing.list_versions(
        call.edge.engine,
        call.principal.organization_id,
        _rule_id(call),
        call.spelling,
        before=before,
        limit=limit,
    )
    oldest = versions[-1].revision.revision if versions else 1
    return call.reply(wire.show_versions(versions, None if oldest == 1 else wire.write_revision(oldest)))


@operation(
    "GET",
    "/rules/{id}/review",
    role=Role.VIEWER,
    summary="Review a rule",
    id_kind=IdKind.RULE,
    answer=Envelope[wire.ReviewShown],
    refusals=(404,),
)
async def review_rule(call: AppCall) -> Reply:
    """Read all that is to be known before a rule is enabled, and the fingerprint of exactly that."""
    review = await reviewing.review_rule(
        call.edge.engine, call.principal.organization_id, _rule_id(call), call.spelling
    )
    return call.reply(wire.show_review(review, call.person.role))


@operation(
    "POST",
    "/rules/{id}/enable",
    role=Role.ADMIN,
    summary="Enable a rule",
    id_kind=IdKind.RULE,
    body=wire.EnableRule,
    needs_proof=True,
    answer=Envelope[wire.RuleShown],
    refusals=(404, 409),
)
async def enable_rule(call: AppCall) -> Reply:
    """Enable exactly the revision that was reviewed. 409 `RULE_CHANGED` if it is no longer the present one."""
    body = read_body(call.body, wire.EnableRule)
    fingerprint = wire.read_fingerprint(body.fingerprint)
    record = await services.enable_rule(call.edge.engine, call.person, call.proof, _known_id(call), fingerprint)
    return await _shown(call, record.id)


@operation(
    "POST",
    "/rules/{id}/disable",
    role=Role.WRITER,
    summary="Disable a rule",
    id_kind=IdKind.RULE,
    answer=Envelope[wire.RuleShown],
    refusals=(404,),
)
async def disable_rule(call: AppCall) -> Reply:
    """Disable a rule. When this has been answered, it moves nothing more."""
    record = await services.disable_rule(
        call.edge.engine, call.principal.organization_id, _rule_id(call), call.spelling, act=call.act
    )
    return await _shown(call, record.id)


@operation(
    "POST",
    "/rules/{id}/trigger",
    role=Role.WRITER,
    summary="Run a rule now",
    id_kind=IdKind.RULE,
    body=wire.TriggerRule,
    takes_key=True,
    answer=Envelope[wire.Started],
    refusals=(404, 409, 422),
)
async def trigger_rule(call: AppCall) -> Reply:
    """Run an enabled rule now, once for each Idempotency-Key."""
    body = read_body(call.body, wire.TriggerRule)

    def show_started(execution_id: ExecutionId) -> Answer:
        return Answer(200, wire.show_started(execution_id))

    answer = await call.edge.trigger(
        TriggerRule(
            organization_id=call.principal.organization_id,
            rule_id=_known_id(call),
            spelling=call.spelling,
            trigger_type=TriggerType.MANUAL,
            amount=None if body.amount_in_cents is None else Cents(body.amount_in_cents),
            idempotency=call.idempotency,
            show=show_started,
            act=call.act,
        )
    )
    return call.answer(answer)


@operation(
    "POST",
    "/rules/{id}/try",
    role=Role.WRITER,
    summary="Try what running a rule now would do",
    id_kind=IdKind.RULE,
    body=wire.TriggerRule,
    is_reading=True,
    answer=Envelope[wire.Tried],
    refusals=(404,),
)
async def try_rule_by_hand(call: AppCall) -> Reply:
    """Work out what would happen if this person ran the rule now, with this amount. Nothing is moved."""
    body = read_body(call.body, wire.TriggerRule)
    result = await drafting.try_by_hand(
        call.edge.engine,
        call.principal.organization_id,
        _rule_id(call),
        call.spelling,
        None if body.amount_in_cents is None else Cents(body.amount_in_cents),
    )
    return call.reply(show(wire.show_tried(result)))


@operation(
    "POST",
    "/rule-drafts/check",
    role=Role.WRITER,
    summary="Check a draft",
    body=wire.CheckDraft,
    is_reading=True,
    answer=Envelope[wire.CheckedShown],
)
async def check_rule_draft(call: AppCall) -> Reply:
    """Look at a draft without saving it: its words, what is wrong with it, and how each condition stands now."""
    body = read_body(call.body, wire.CheckDraft)
    found = await drafting.check_draft(
        call.edge.engine,
        call.principal.organization_id,
        read_definition(body.definition),
        wire.read_rule_id(body.rule_id),
        wire.read_asides(body.set_aside),
    )
    return call.reply(show(wire.show_checked(found)))


@operation(
    "POST",
    "/rule-drafts/try",
    role=Role.WRITER,
    summary="Try a draft",
    body=wire.TryDraft,
    is_reading=True,
    answer=Envelope[wire.Tried],
)
async def try_rule_draft(call: AppCall) -> Reply:
    """Work out what a draft would do now, by the engine that runs use. Nothing is saved and nothing is moved."""
    body = read_body(call.body, wire.TryDraft)
    result = await drafting.try_draft(
        call.edge.engine,
        call.principal.organization_id,
        read_definition(body.definition),
        wire.read_rule_id(body.rule_id),
        None if body.amount_in_cents is None else Cents(body.amount_in_cents),
    )
    return call.reply(show(wire.show_tried(result)))


@operation("GET", "/recipes", role=Role.VIEWER, summary="List recipes", answer=Envelope[words.RecipesShown])
async def list_recipes(call: AppCall) -> Reply:
    """List the recipes with what each asks, and the accounts to choose from."""
    return call.reply(words.show_recipes(await read_standpoint(call.edge.engine, call.principal.organization_id)))


@operation(
    "POST",
    "/recipes/prepare",
    role=Role.WRITER,
    summary="Prepare a recipe",
    body=words.AnswerRecipe,
    is_reading=True,
    answer=Envelope[words.PreparedShown],
)
async def prepare_recipe(call: AppCall) -> Reply:
    """Make the rule of a recipe, look at it and try it. It is not saved: as a new rule it is."""
    body = read_body(call.body, words.AnswerRecipe)
    made_of = RECIPES_BY_KEY.get(body.recipe)
    answers = body.answers if made_of is None else read_answers(made_of.fields, body.answers)
    made = await drafting.prepare(call.edge.engine, call.principal.organization_id, body.recipe, answers)
    return call.reply(
        show(
            words.PreparedShown(
                show_definition(made.rule),
                wire.show_checked(made.checked),
                None if made.tried is None else wire.show_tried(made.tried),
            )
        )
    )


async def _shown(call: AppCall, rule_id: RuleId | None, *, status: int = 200) -> Reply:
    view = await reviewing.view_rule(call.edge.engine, call.principal.organization_id, rule_id, call.spelling)
    return call.reply(wire.show_rule(view, call.person.role), status=status)


def _known_id(call: AppCall) -> RuleId:
    if call.id is None:
        raise NotFound(IdKind.RULE, call.spelling)
    return RuleId(call.id)


def _rule_id(call: AppCall) -> RuleId | None:
    return None if call.id is None else RuleId(call.id)


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    get_rule_vocabulary,
    list_rules,
    create_rule,
    get_rule,
    save_rule,
    delete_rule,
    list_rule_versions,
    review_rule,
    enable_rule,
    disable_rule,
    trigger_rule,
    try_rule_by_hand,
    check_rule_draft,
    try_rule_draft,
    list_recipes,
    prepare_recipe,
)
