"""Tests of rules: a scenario that is kept with what came of it, and run again on every edit."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, RuleId, RuleTestId
from sluiceway.domain.rules import refuse
from sluiceway.services import rule_tests as services
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.routes.simulate import tried_rule
from sluiceway.web.wire import rule_tests as wire
from sluiceway.web.wire.shapes import Envelope, Nothing, show


@operation(
    "GET",
    "/rules/{id}/tests",
    role=Role.VIEWER,
    summary="Run a rule's tests",
    id_kind=IdKind.RULE,
    answer=Envelope[list[wire.RuleTestShown]],
    refusals=(404,),
)
async def list_rule_tests(call: AppCall) -> Reply:
    """Run the tests that are kept with a rule on what it says now, in the order in which they were kept."""
    kept = await services.kept_tests(call.edge.engine, call.principal.organization_id, _rule_id(call.id), call.spelling)
    return call.reply(show(wire.show_tests(kept.results())))


@operation(
    "POST",
    "/rules/{id}/tests",
    role=Role.WRITER,
    summary="Keep a test of a rule",
    id_kind=IdKind.RULE,
    body=wire.KeepTest,
    status=201,
    answer=Envelope[wire.RuleTestShown],
    refusals=(404,),
)
async def keep_rule_test(call: AppCall) -> Reply:
    """Keep a scenario as a test: always with the balances of now, whatever they are later.

    What comes of it now is what is expected from now on, or what `expect` says, whether it comes or not.

    The scenario may try a draft of the rule.
    """
    name, supposed, expect = wire.read_test(call.body)
    if supposed.rule_id != call.id:
        refuse("scenario/ruleId", "is not the rule that keeps the test")
    rule, revision = await tried_rule(call, supposed.rule_id, supposed.spelling, supposed.draft)
    organization_id = call.principal.organization_id
    kept = await services.keep_test(
        call.edge.engine,
        organization_id,
        _rule_id(call.id),
        call.spelling,
        name,
        supposed.scenario(organization_id, rule, revision),
        expect,
        act=call.act,
    )
    return call.reply(show(wire.show_test(kept)), status=201)


@operation(
    "DELETE",
    "/rules/{ruleId}/tests/{id}",
    role=Role.WRITER,
    summary="Delete a test of a rule",
    parent_kind=IdKind.RULE,
    id_kind=IdKind.RULE_TEST,
    answer=Envelope[Nothing],
    refusals=(404,),
)
async def delete_rule_test(call: AppCall) -> Reply:
    """Delete a test. It no longer runs."""
    await services.delete_test(
        call.edge.engine,
        call.principal.organization_id,
        _rule_id(call.parent_id),
        None if call.id is None else RuleTestId(call.id),
        call.spelling,
        act=call.act,
    )
    return call.reply(show(Nothing()))


def _rule_id(found: str | None) -> RuleId | None:
    return None if found is None else RuleId(found)


OPERATIONS: Final[tuple[AppOperation, ...]] = (list_rule_tests, keep_rule_test, delete_rule_test)
