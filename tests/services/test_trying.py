"""What if: a rule or a draft on supposed balances, and nothing moves."""

from typing import Any

import pytest

from sluiceway.domain.endings import Ending
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Rule
from sluiceway.services.scenarios import Scenario, ScenarioResult, try_scenario
from tests.services.town import Town
from tests.support import AUTO_SAVE, World, fixed, on_demand, whenever_money_arrives


async def tried(world: World, rule: Rule, **supposed: Any) -> ScenarioResult:
    return await try_scenario(world.engine, Scenario(world.organization_id, rule, **supposed))


async def household(world: World) -> None:
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.account("emergency")


async def test_a_draft_shows_what_it_would_do_and_moves_nothing(world: World):
    await household(world)
    await world.deposit("income", 30_000)

    result = await tried(world, world.read(AUTO_SAVE), amount=Cents(50_000))

    assert result.view.ending is Ending.SIMULATED
    assert result.view.ending_said == "Simulated: it would have moved $100.00 in 1 transfer."
    changes = [
        (change.name, change.before, change.comes_in, change.goes_out, change.after) for change in result.changes
    ]
    assert changes == [("income", 30_000, 50_000, 10_000, 70_000), ("savings", 0, 10_000, 0, 10_000)]
    assert await world.executions() == []
    assert await world.balances() == {"income": 30_000, "savings": 0, "emergency": 0}


async def test_without_an_amount_the_latest_that_arrived_counts(world: World):
    await household(world)
    with pytest.raises(InvalidParameters):
        await tried(world, world.read(AUTO_SAVE))
    await world.deposit("income", 60_000)

    result = await tried(world, world.read(AUTO_SAVE))

    assert result.view.cause == "money arrived ($600.00)"
    assert result.view.moves[0].moved == 12_000


async def test_a_supposed_balance_stands_for_the_real_one(world: World):
    await household(world)

    poor = await tried(world, world.read(AUTO_SAVE), amount=Cents(100))
    supposed = {world.accounts["income"]: Cents(900_000)}
    rich = await tried(world, world.read(AUTO_SAVE), amount=Cents(100_000), balances=supposed)

    assert poor.view.facts.execution.step_matched == 1
    assert rich.view.facts.execution.step_matched == 0
    assert rich.view.ladders[0].start == 1_000_000


async def test_rules_that_the_moves_would_start_are_named(world: World):
    await household(world)
    await world.rule("on", {**whenever_money_arrives("savings", fixed(100, "savings", "emergency")), "name": "Go on"})

    result = await tried(world, world.read(AUTO_SAVE), amount=Cents(100_000))

    assert [record.rule.name for record in result.sets_off] == ["Go on"]


async def test_a_bank_that_is_stale_or_carries_nothing_shows_in_the_run(home: Town):
    written = on_demand("income", fixed(10_000, "salary", "savings"), fixed(1_000, "income", "landlord"))
    rule = home.read({**written, "max_balance_age_in_minutes": 60})

    as_it_is = await tried(home, rule)
    stale = await tried(home, rule, stale=frozenset({home.accounts["salary"]}))
    failing = await tried(home, rule, failing=frozenset({home.accounts["landlord"]}))

    assert as_it_is.view.moves[0].said.endswith("moved $100.00")
    assert "the balance was reported too long ago" in stale.view.moves[0].said
    assert [move.moved for move in failing.view.moves] == [10_000, 0]
    assert "the bank account is disconnected" in failing.view.moves[1].said


async def test_a_rule_that_is_kept_is_tried_with_what_is_left_of_its_limits(world: World):
    await household(world)
    capped = fixed(60_000, "income", "savings", limit={"period": "PER_MONTH", "amount_in_cents": 25_000})
    record = await world.rule("save", whenever_money_arrives("income", capped))
    await world.deposit("income", 100_000)
    await world.settle()

    again = await tried(world, record.rule, rule_id=record.id)
    afresh = await tried(world, record.rule)

    assert again.view.moves[0].moved == 0
    assert afresh.view.moves[0].moved == 25_000


@pytest.mark.parametrize("supposed", ["stale", "failing", "balances"])
async def test_what_is_supposed_of_no_account_is_refused(world: World, supposed: str):
    await household(world)
    nobody = RuleId(world.engine.new_id())
    more: Any = {nobody: Cents(1)} if supposed == "balances" else frozenset({nobody})

    with pytest.raises(InvalidParameters) as refused:
        await tried(world, world.read(AUTO_SAVE), amount=Cents(100), **{supposed: more})

    assert refused.value.problems[0].path == f"{supposed}/{nobody}"
