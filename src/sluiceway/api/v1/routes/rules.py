"""The operations of v1 on rules."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.v1.wire import executions, rule_bodies, rule_shapes, rules
from sluiceway.api.v1.wire.shapes import Envelope, Page
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import AccountId, IdKind, RuleId
from sluiceway.services import rules as rule_services


@operation(
    "GET",
    "/rules",
    summary="List rules",
    permission=Permission.LIST_RULES,
    answer=Page[rule_shapes.RuleSummary],
    parameters=(rules.SOURCE, rules.FIRST, rules.AFTER),
)
async def list_rules(call: Call) -> Reply:
    """List the rules of the organization, newest first."""
    source_id, first = rules.SOURCE.read(call.query), rules.FIRST.read(call.query)
    before_id = rules.AFTER.read(call.query, call.owner("rules"))
    records, known = await rule_services.list_rules(
        call.edge.engine,
        call.principal,
        # A malformed id names no account, and the nil id is one that no account has.
        source_id=AccountId(source_id or rules.NOBODY) if rules.SOURCE.name in call.query else None,
        before_id=None if before_id is None else RuleId(before_id),
        limit=first + 1,
    )
    return call.ok(rules.show_rules(call, records, known, first))


@operation(
    "POST",
    "/rules",
    summary="Create a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.EVERYTHING,
    body=rule_shapes.RuleBody,
    status=201,
    answer=Envelope[rule_shapes.RuleShown],
)
async def create_rule(call: Call) -> Reply:
    """Create a rule. Whatever status is asked for, it is disabled until a person has reviewed and enabled it."""
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
    refusals=(404, 422),
)
async def get_rule(call: Call) -> Reply:
    """Read a rule with all its steps, conditions and actions."""
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.get_rule(call.edge.engine, call.principal, rule_id, call.spelling)
    return call.ok(rules.show_one(call, record, known))


@operation(
    "PUT",
    "/rules/{id}",
    summary="Replace a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=rule_shapes.RuleBody,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404,),
)
async def replace_rule(call: Call) -> Reply:
    """Replace a rule as a whole. It is disabled again until a person has reviewed and enabled the new form."""
    read = rule_bodies.read_body(call.body)
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.revise_rule(
        call.edge.engine,
        call.principal.organization_id,
        rule_id,
        call.spelling,
        read.rule,
        read.typed_accounts,
        act=call.act,
    )
    return call.ok(rules.show_one(call, record, known))


@operation(
    "DELETE",
    "/rules/{id}",
    summary="Delete a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404,),
)
async def delete_rule(call: Call) -> Reply:
    """Disable and delete a rule. Its executions stay."""
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.delete_rule(
        call.edge.engine, call.principal.organization_id, rule_id, call.spelling, act=call.act
    )
    return call.ok(rules.show_one(call, record, known))


@operation(
    "POST",
    "/rules/{id}/trigger",
    summary="Trigger a rule",
    permission=Permission.TRIGGER_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=executions.TriggerBody,
    is_body_required=False,
    answer=Envelope[executions.Triggered],
    refusals=(404,),
)
async def trigger_rule(call: Call) -> Reply:
    """Run an enabled rule on demand, whatever its trigger. `manual_execute_amount` becomes the transfer amount.

    With `simulation`, an extension of this server, the run is planned and recorded like any other, and nothing moves;
    a disabled rule may be simulated too.
    """
    command = executions.read_trigger(call)
    return call.answer(await call.edge.trigger(command))


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_rules,
    create_rule,
    get_rule,
    replace_rule,
    delete_rule,
    trigger_rule,
)
