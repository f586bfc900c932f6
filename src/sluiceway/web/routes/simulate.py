"""Trying rules without moving anything: a scenario, the days behind, the days ahead."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import RuleId
from sluiceway.domain.rules import Rule
from sluiceway.services.backtest import Backtest, backtest
from sluiceway.services.forecast import Forecast, forecast
from sluiceway.services.rules import review_rule
from sluiceway.services.scenarios import try_scenario
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import simulate as wire
from sluiceway.web.wire.shapes import Envelope


@operation(
    "POST",
    "/simulations",
    role=Role.WRITER,
    summary="Try a rule",
    body=wire.TryScenario,
    answer=Envelope[wire.ScenarioShown],
    refusals=(404,),
    is_reading=True,
)
async def try_rule(call: AppCall) -> Reply:
    """Work out what a rule or a draft would do if something happened, told as a run is. Nothing moves or is kept."""
    supposed = wire.read_scenario(call.body)
    rule, revision = await tried_rule(call, supposed.rule_id, supposed.spelling, supposed.draft)
    scenario = supposed.scenario(call.principal.organization_id, rule, revision)
    return call.reply(wire.show_scenario(await try_scenario(call.edge.engine, scenario), call.person.role))


@operation(
    "POST",
    "/backtests",
    role=Role.WRITER,
    summary="Try a rule on what happened",
    body=wire.RunBacktest,
    answer=Envelope[wire.BacktestShown],
    refusals=(404,),
    is_reading=True,
    is_long=True,
)
async def run_backtest(call: AppCall) -> Reply:
    """Play a rule or a draft over the real events of the last days, beside what the rule it replaces really did."""
    tried = wire.read_backtest(call.body)
    rule, _ = await tried_rule(call, tried.rule_id, tried.spelling, tried.draft)
    command = Backtest(
        organization_id=call.principal.organization_id,
        rule=rule,
        days=tried.days,
        replaces=tried.rule_id,
        replaces_spelling=tried.spelling,
        remote_amount=tried.remote_amount,
    )
    return call.reply(wire.show_backtest(await backtest(call.edge.engine, command)))


@operation(
    "POST",
    "/forecasts",
    role=Role.WRITER,
    summary="Look ahead",
    body=wire.RunForecast,
    is_body_required=False,
    answer=Envelope[wire.ForecastShown],
    is_reading=True,
    is_long=True,
)
async def run_forecast(call: AppCall) -> Reply:
    """Play the enabled rules forward, with the income and the bills that came regularly so far."""
    days, detects = wire.read_forecast(call.body)
    command = Forecast(organization_id=call.principal.organization_id, days=days, detects=detects, in_own_zone=True)
    return call.reply(wire.show_forecast(await forecast(call.edge.engine, command)))


async def tried_rule(call: AppCall, rule_id: RuleId | None, spelling: str, draft: Rule | None) -> tuple[Rule, int]:
    """Choose the draft, or else the rule that is kept; with the revision that it is. Raises NotFound."""
    if rule_id is None:
        if draft is None:
            raise InvalidParameters((Problem("rule", "is required, or ruleId"),))
        return draft, 0
    record = (await review_rule(call.edge.engine, call.principal.organization_id, rule_id, spelling)).record
    return (record.rule, record.revision) if draft is None else (draft, record.revision + 1)


OPERATIONS: Final[tuple[AppOperation, ...]] = (try_rule, run_backtest, run_forecast)
