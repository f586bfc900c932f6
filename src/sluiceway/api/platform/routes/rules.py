"""The operations of /platform/v1 on rules."""

from typing import Final

from sluiceway.api.http import Call, Failure, Operation, Reach, Reply, operation
from sluiceway.api.platform.errors import RUN_IN_PROGRESS
from sluiceway.api.platform.wire import executions, rule_bodies, rule_shapes, rules
from sluiceway.api.platform.wire.shapes import PAGE, PAGE_SIZE, Envelope, Page, read_window
from sluiceway.domain.access import Permission
from sluiceway.domain.errors import IdempotencyKeyInUse, RuleNotSupported
from sluiceway.domain.ids import IdKind, RuleId
from sluiceway.services import rules as rule_services

NOT_EDITABLE: Final = Failure(403, "INVALID_RULE", "This rule cannot be edited using the API")


@operation(
    "GET",
    "/rules",
    summary="List rules",
    permission=Permission.READ_RULES,
    answer=Page[rule_shapes.RuleSummary],
    parameters=(rules.SOURCE, PAGE, PAGE_SIZE),
)
async def list_rules(call: Call) -> Reply:
    """List the rules that the key may read, newest first."""
    window = read_window(call)
    records, _ = await rule_services.list_rules(
        call.edge.engine,
        call.principal,
        permission=Permission.READ_RULES,
        source_id=rules.read_source(call),
        offset=window.offset,
        limit=window.limit,
    )
    return call.ok(rules.show_rules(call, records, window))


@operation(
    "POST",
    "/rules",
    summary="Create a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.EVERYTHING,
    body=rule_shapes.NewRule,
    status=201,
    answer=Envelope[rule_shapes.RuleShown],
)
async def create_rule(call: Call) -> Reply:
    """Create a rule. It is disabled until a person has reviewed and enabled it."""
    command = rule_bodies.read_new_rule(call)
    return call.answer(await rule_services.create_rule(call.edge.engine, command))


@operation(
    "GET",
    "/rules/{id}",
    summary="Read a rule",
    permission=Permission.READ_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404,),
)
async def get_rule(call: Call) -> Reply:
    """Read a rule with all its steps, conditions and actions; 403 `INVALID_RULE` if this API has no words for it."""
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.get_rule(call.edge.engine, call.principal, rule_id, call.spelling)
    return call.ok(rules.show_rule(call, record, known))


@operation(
    "PATCH",
    "/rules/{id}",
    summary="Change a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=rule_shapes.RuleChange,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404,),
    words={RuleNotSupported: lambda _: NOT_EDITABLE},
)
async def update_rule(call: Call) -> Reply:
    """Change parts of a rule. It is disabled again until a person has reviewed and enabled the new form."""
    amend = rule_bodies.read_change(call)
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.amend_rule(
        call.edge.engine, call.principal.organization_id, rule_id, call.spelling, amend, act=call.act
    )
    return call.ok(rules.show_rule(call, record, known))


@operation(
    "POST",
    "/rules/{id}/trigger",
    summary="Trigger a rule",
    permission=Permission.TRIGGER_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=executions.TriggerBody,
    status=202,
    answer=Envelope[executions.Triggered],
    refusals=(404,),
    words={IdempotencyKeyInUse: lambda _: RUN_IN_PROGRESS},
)
async def trigger_rule(call: Call) -> Reply:
    """Run an enabled rule on demand, whatever its trigger. `executeAmount` becomes the transfer amount.

    With `simulation` the run is planned and recorded like any other, and nothing moves; a disabled rule may be
    simulated too.
    """
    command = executions.read_trigger(call)
    return call.answer(await call.edge.trigger(command))


OPERATIONS: Final[tuple[Operation, ...]] = (list_rules, create_rule, get_rule, update_rule, trigger_rule)
