"""The map: accounts in layers, the ways of rules, what moved on them, one run replayed."""

import pytest

from sluiceway.domain.errors import InvalidParameters, NotFound
from sluiceway.domain.ids import IdKind
from sluiceway.domain.money import Cents
from sluiceway.domain.targets import Pace
from sluiceway.services.account_pages import Movement, account_page, movements
from sluiceway.services.money_map import EdgeState, Layer, MoneyMap, Period, money_map, run_on_map
from sluiceway.services.targets import clear_target, set_target
from tests.services.town import Town
from tests.support import World, fixed, on_demand, whenever_money_arrives


async def look(world: World, period: Period = Period.LAST_7_DAYS) -> MoneyMap:
    return await money_map(world.engine, world.organization_id, period)


async def test_accounts_stand_in_layers_and_rules_lead_from_one_to_another(home: Town):
    await home.account("spare")
    await home.rule("save", whenever_money_arrives("income", fixed(10_000, "income", "savings")))
    await home.rule("on", on_demand("savings", fixed(100, "savings", "spare")), enabled=True)
    await home.rule("draft", on_demand("savings", fixed(100, "spare", "landlord")), enabled=False)
    await home.deposit("income", 50_000)
    await home.work()

    seen = await look(home)

    names = {node.record.account.id: node.record.name for node in seen.nodes}
    assert {names[node.record.account.id]: node.layer for node in seen.nodes} == {
        "income": Layer.INCOME,
        "savings": Layer.ROUTING,
        "spare": Layer.PODS,
        "landlord": Layer.OUTSIDE,
        "salary": Layer.OUTSIDE,
    }
    assert [
        (names[edge.source], names[edge.destination], edge.label, edge.state, edge.moved.amount) for edge in seen.edges
    ] == [
        ("income", "savings", "$100.00", EdgeState.ENABLED, 10_000),
        ("savings", "spare", "$1.00", EdgeState.ENABLED, 0),
        ("spare", "landlord", "$1.00", EdgeState.DISABLED, 0),
    ]
    assert seen.sentences[home.rules["save"].id] == "When money arrives in income, move $100.00 from income to savings."


async def test_a_rule_that_failed_last_says_so_on_its_ways(home: Town):
    await home.rule("save", on_demand("income", fixed(900_000, "income", "savings")))
    await home.trigger("save")
    await home.work()

    [edge] = (await look(home)).edges

    assert edge.state is EdgeState.FAILED
    assert edge.failed_run is not None


async def test_what_moved_is_of_the_days_of_the_period(home: Town):
    await home.rule("save", on_demand("income", fixed(10_000, "income", "savings")))
    await home.trigger("save")
    await home.until("2026-07-20 09:00")
    await home.trigger("save")
    await home.work()

    figures = {period: (await look(home, period)).edges[0].moved.amount for period in Period}

    assert figures == {
        Period.THIS_MONTH: 20_000,
        Period.LAST_7_DAYS: 10_000,
        Period.LAST_30_DAYS: 20_000,
        Period.LAST_90_DAYS: 20_000,
        Period.LAST_365_DAYS: 20_000,
    }


async def test_a_run_is_replayed_with_what_it_moved(home: Town):
    await home.account("spare")
    both = (fixed(10_000, "income", "savings"), fixed(5_000, "income", "spare"))
    await home.rule("split", on_demand("income", *both))
    run = await home.run(await home.trigger("split"))
    await home.work()

    seen = await run_on_map(home.engine, home.organization_id, run.id, run.id)

    assert [(each.destination and each.destination.name, each.amount) for each in seen.transfers] == [
        ("savings", 10_000),
        ("spare", 5_000),
    ]
    with pytest.raises(NotFound):
        await run_on_map(home.engine, home.organization_id, None, "nothing")


async def test_movements_name_the_rule_and_the_run_that_made_them(home: Town):
    await home.rule("save", on_demand("income", fixed(10_000, "income", "savings")))
    run = await home.run(await home.trigger("save"))
    await home.work()
    await home.send("savings", "income", 2_500)

    async def page(before: str | None, limit: int) -> list[Movement]:
        account_id = home.accounts["savings"]
        return await movements(home.engine, home.organization_id, account_id, account_id, before, limit)

    found = await page(None, 10)
    assert [(each.amount, each.rule_id, each.execution_id) for each in found] == [
        (-2_500, None, None),
        (10_000, home.rules["save"].id, run.id),
    ]
    assert await page(None, 1) + await page(found[0].id, 1) == found


async def test_an_account_knows_which_rules_read_it_and_which_write_it(home: Town):
    await home.account("spare")
    leaf = {"fact": "BALANCE", "operator": "LESS_THAN", "value": 5, "params": {"account_id": "spare"}}
    written = on_demand("income", fixed(10_000, "income", "savings"))
    written["steps"][0]["conditions"] = {"condition": leaf}
    await home.rule("save", written)

    async def around(account: str) -> list[tuple[bool, tuple[str, ...], tuple[str, ...]]]:
        account_id = home.accounts[account]
        page = await account_page(home.engine, home.organization_id, account_id, account_id)
        return [(each.reads, each.takes, each.pays) for each in page.rules]

    assert await around("income") == [(True, ("$100.00",), ())]
    assert await around("savings") == [(False, (), ("$100.00",))]
    assert await around("spare") == [(True, (), ())]
    assert await around("landlord") == []


async def test_a_target_is_set_shown_and_cleared(home: Town):
    savings = home.accounts["savings"]
    await set_target(home.engine, home.organization_id, savings, savings, Cents(20_000), None)
    await home.send("income", "savings", 20_000)

    page = await account_page(home.engine, home.organization_id, savings, savings)
    assert page.standing is not None
    assert page.standing.pace is Pace.MET

    await clear_target(home.engine, home.organization_id, savings, savings)
    assert (await account_page(home.engine, home.organization_id, savings, savings)).target is None


async def test_there_is_no_target_for_a_debt_or_for_yesterday(home: Town):
    await home.owe("card", 10_000)
    card = home.accounts["card"]
    with pytest.raises(InvalidParameters):
        await set_target(home.engine, home.organization_id, card, card, Cents(1), None)
    savings = home.accounts["savings"]
    with pytest.raises(InvalidParameters):
        await set_target(home.engine, home.organization_id, savings, savings, Cents(1), (await home.now()).date())
    with pytest.raises(NotFound) as refused:
        await clear_target(home.engine, home.organization_id, None, "nothing")
    assert refused.value.kind is IdKind.ACCOUNT
