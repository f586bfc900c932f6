"""What a run says when money, an account or a fact was missing."""

import pytest

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.transfers import TransferStatus
from sluiceway.services.accounts import delete_account
from sluiceway.storage.database import WriteTx, execute
from tests.support import AS_OWNER, World, fixed, on_demand, percent

NO_FUNDS = "Insufficient funds in source account."


async def accounts(world: World, money: int = 0) -> None:
    for name in ("income", "savings", "pod"):
        await world.account(name)
    if money:
        await world.deposit("income", money)


async def run(world: World, *actions: dict[str, object]):
    await world.rule("rule", on_demand("income", *actions))
    answer = await world.trigger("rule")
    await world.settle()
    made = [(transfer.amount, transfer.status, transfer.error_code) for transfer in await world.transfers()]
    return await world.execution(answer), [transfer for transfer in made if transfer[2] or transfer[0] < 10_000]


async def test_lack_of_funds_stops_the_step_and_what_came_before_stands(world: World):
    await accounts(world, 10_000)

    ran, made = await run(
        world,
        fixed(4_000, "income", "savings"),
        fixed(6_001, "income", "pod"),
        fixed(1_000, "income", "pod"),
    )

    assert (ran.status, ran.counts, ran.error_message) == (ExecutionStatus.PARTIAL, (3, 1, 1, 0), NO_FUNDS)
    assert made == [
        (4_000, TransferStatus.COMPLETE, None),
        (6_001, TransferStatus.INCOMPLETE, "INSUFFICIENT_FUNDS"),
    ]
    assert await world.balances() == {"income": 6_000, "savings": 4_000, "pod": 0}
    assert await world.events("execution.finished") == [ran.id]


async def test_lack_of_funds_from_the_start_is_a_failure(world: World):
    await accounts(world)

    ran, made = await run(world, fixed(4_000, "income", "savings"), fixed(100, "income", "pod"))

    assert (ran.status, ran.counts, ran.error_message) == (ExecutionStatus.FAILED, (2, 0, 1, 0), NO_FUNDS)
    assert made == [(4_000, TransferStatus.INCOMPLETE, "INSUFFICIENT_FUNDS")]
    assert (ran.step_matched, ran.conditions_not_met) == (0, False)
    assert await world.events("execution.failed") == [ran.id]


async def test_exactly_enough_is_enough(world: World):
    await accounts(world, 10_000)

    ran, _ = await run(world, fixed(10_000, "income", "savings"))

    assert (ran.status, ran.error_message) == (ExecutionStatus.EXECUTED, None)
    assert await world.balances() == {"income": 0, "savings": 10_000, "pod": 0}


async def test_up_to_moves_what_is_there_and_then_nothing(world: World):
    await accounts(world, 10_000)

    ran, _ = await run(
        world,
        fixed(15_000, "income", "savings", up_to_enabled=True),
        fixed(15_000, "income", "pod", up_to_enabled=True),
    )

    assert (ran.status, ran.counts) == (ExecutionStatus.EXECUTED, (2, 1, 0, 0))
    assert await world.balances() == {"income": 0, "savings": 10_000, "pod": 0}


async def test_less_than_the_minimum_is_an_error_and_the_step_goes_on(world: World):
    await accounts(world, 10_000)

    ran, made = await run(world, fixed(99, "income", "savings"), fixed(100, "income", "pod"))

    assert (ran.status, ran.counts) == (ExecutionStatus.PARTIAL, (2, 1, 1, 0))
    assert ran.error_message == "The amount is below the smallest transfer allowed."
    assert made == [
        (99, TransferStatus.ERROR, "TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR"),
        (100, TransferStatus.COMPLETE, None),
    ]


async def test_the_minimum_is_the_organizations(world: World):
    async def lower(tx: WriteTx) -> None:
        await execute(tx, AS_OWNER)
        await execute(tx, "UPDATE organization SET minimum_transfer = 1")

    await world.engine.database.write(lower)
    await accounts(world, 10_000)

    ran, made = await run(world, fixed(1, "income", "savings"))

    assert (ran.status, made) == (ExecutionStatus.EXECUTED, [(1, TransferStatus.COMPLETE, None)])


async def test_nothing_to_move_is_no_failure(world: World):
    await accounts(world)

    ran, made = await run(world, percent(50, "income", "savings"))

    assert (ran.status, ran.counts, made) == (ExecutionStatus.EXECUTED, (1, 0, 0, 0), [])


async def test_when_no_step_matches_the_run_says_so(world: World):
    await accounts(world, 10_000)
    rule = on_demand("income", fixed(100, "income", "savings"))
    rule["steps"][0]["conditions"] = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 10_000}}
    await world.rule("rule", rule)

    answer = await world.trigger("rule")
    await world.settle()

    ran = await world.execution(answer)
    assert (ran.status, ran.step_matched, ran.conditions_not_met) == (ExecutionStatus.EXECUTED, None, True)
    assert ran.counts == (0, 0, 0, 0)
    assert ran.transfer_ids == ()


@pytest.mark.parametrize("gone", ["savings", "pod"])
async def test_a_deleted_account_stops_the_step_where_it_is_needed(world: World, gone: str):
    await accounts(world, 10_000)
    await world.rule("rule", on_demand("income", fixed(100, "income", "savings"), fixed(100, "income", "pod")))
    await delete_account(world.engine, world.organization_id, world.accounts[gone], "")

    answer = await world.trigger("rule")
    await world.settle()

    ran = await world.execution(answer)
    is_first = gone == "savings"
    assert ran.status == (ExecutionStatus.FAILED if is_first else ExecutionStatus.PARTIAL)
    assert ran.error_message == "An account that the rule uses has been deleted."
    assert (await world.balances())["income"] == (10_000 if is_first else 9_900)
    assert (await world.transfers())[-1].error_code == "RESOURCE_DELETED"


async def test_a_deleted_trigger_account_is_a_source_without_money(world: World):
    await accounts(world)
    await world.rule("rule", on_demand("income", percent(50, "income", "savings")))
    await delete_account(world.engine, world.organization_id, world.accounts["income"], "")

    answer = await world.trigger("rule", 50_000)
    await world.settle()

    ran = await world.execution(answer)
    assert (ran.status, ran.transfer_ids) == (ExecutionStatus.FAILED, ())
    assert ran.error_message == "An account that the rule uses has been deleted."


async def test_an_amount_on_demand_never_takes_more_than_there_is(world: World):
    await accounts(world, 10_000)

    await world.rule("rule", on_demand("income", percent(50, "income", "savings")))
    enough, too_much = [await world.trigger("rule", amount) for amount in (20_000, 20_000)]
    await world.settle()

    assert (await world.execution(enough)).status == ExecutionStatus.EXECUTED
    assert (await world.execution(too_much)).status == ExecutionStatus.FAILED
    assert await world.balances() == {"income": 0, "savings": 10_000, "pod": 0}
