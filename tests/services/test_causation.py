"""Rules that fire rules: how far one event reaches, and where it is stopped."""

import asyncio
from itertools import pairwise

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.services.engine import Engine
from sluiceway.services.rules import delete_rule, disable_rule
from sluiceway.services.settlement import settle_due
from tests.support import World, fixed, on_demand, percent, whenever_money_arrives

STOPPED = "Some rules were not started: this chain of rules has reached its limit of 16 in a row or 64 in all."


async def chain(world: World, *names: str) -> None:
    """Make accounts of which each passes half of what it holds on to the next."""
    for name in names:
        await world.account(name)
    for source, destination in pairwise(names):
        await world.rule(f"{source}->{destination}", whenever_money_arrives(source, percent(50, source, destination)))


async def test_a_rule_feeds_the_next_and_that_one_the_next(world: World):
    await chain(world, "a", "b", "c", "d")
    await world.deposit("a", 80_000)

    assert await world.settle() == 3
    assert await world.balances() == {"a": 40_000, "b": 20_000, "c": 10_000, "d": 10_000}
    ran = await world.executions()
    assert [(run.rule_id, run.depth) for run in ran] == [
        (world.rules["a->b"].id, 0),
        (world.rules["b->c"].id, 1),
        (world.rules["c->d"].id, 2),
    ]
    assert [run.transfer_amount for run in ran] == [80_000, 40_000, 20_000]
    deposit = next(transfer for transfer in await world.transfers() if transfer.source is None)
    assert {run.origin_id for run in ran} == {deposit.id}


async def test_every_rule_of_a_chain_settles_in_a_batch_of_its_own_and_sees_committed_money(world: World):
    await chain(world, "a", "b", "c")
    await world.deposit("a", 80_000)

    steps = [await settle_due(world.engine) for _ in range(3)]

    assert steps == [1, 1, 0]


async def test_money_sent_by_hand_fires_the_rules_of_where_it_arrives(world: World):
    await chain(world, "a", "b", "c")
    await world.deposit("a", 80_000)
    await world.settle()

    await world.transfer("a", "b", 10_000)

    assert await world.settle() == 1
    assert await world.balances() == {"a": 30_000, "b": 15_000, "c": 35_000}


async def test_a_rule_that_is_triggered_fires_others_and_is_their_origin(world: World):
    await chain(world, "a", "b", "c")
    await world.deposit("a", 80_000)
    await world.settle()

    admitted = await world.execution(await world.trigger("a->b"))
    await world.settle()

    caused = (await world.executions("b->c"))[-1]
    assert (admitted.depth, admitted.origin_id) == (0, admitted.id)
    assert (caused.depth, caused.origin_id) == (1, admitted.id)


async def test_a_rule_never_fires_itself(world: World):
    await world.account("a")
    await world.account("b")
    await world.rule("there", whenever_money_arrives("a", fixed(1_000, "a", "b"), fixed(1_000, "b", "a")))
    await world.deposit("a", 10_000)

    assert await world.settle() == 1
    assert [transfer.amount for transfer in await world.transfers()] == [10_000, 1_000, 1_000]


async def test_money_that_goes_round_in_a_circle_is_stopped_after_sixteen_and_says_so(world: World):
    await world.account("a")
    await world.account("b")
    await world.rule("there", whenever_money_arrives("a", fixed(1_000, "a", "b")))
    await world.rule("back", whenever_money_arrives("b", fixed(1_000, "b", "a")))
    await world.deposit("a", 100_000)

    assert await world.settle() == 17
    ran = sorted(await world.executions(), key=lambda run: run.depth)
    assert [run.depth for run in ran] == list(range(17))
    assert {run.status for run in ran} == {ExecutionStatus.EXECUTED}
    assert [run.error_message for run in ran] == [None] * 16 + [STOPPED]
    assert await world.events("automation.stopped") == [world.rules["back"].id]
    assert await world.balances() == {"a": 99_000, "b": 1_000}


async def test_a_chain_that_branches_is_stopped_at_sixty_four_executions(world: World):
    for name in ("a", "b", "c"):
        await world.account(name)
    for source, destination in (("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")):
        await world.rule(source + destination, whenever_money_arrives(source, fixed(100, source, destination)))
    await world.deposit("a", 1_000_000)

    await world.settle()

    ran = await world.executions()
    assert len(ran) == 64
    assert max(run.depth for run in ran) <= 16
    assert STOPPED in {run.error_message for run in ran}
    assert await world.events("automation.stopped")


async def test_of_seventy_rules_on_one_account_one_deposit_fires_the_first_sixty_four(world: World):
    await world.account("income")
    await world.account("savings")
    for number in range(70):
        await world.rule(f"rule {number}", whenever_money_arrives("income", fixed(100, "income", "savings")))
    await world.deposit("income", 1_000_000)

    assert await world.settle() == 64
    assert await world.balances() == {"income": 993_600, "savings": 6_400}
    assert [run.rule_id for run in await world.executions()] == [world.rules[f"rule {n}"].id for n in range(64)]
    assert await world.events("automation.stopped") == [world.rules[f"rule {n}"].id for n in range(64, 70)]


async def test_however_many_transfers_a_run_makes_it_says_once_which_rules_were_left_out(world: World):
    await world.account("a")
    await world.account("b")
    await world.account("c")
    for number in range(66):
        await world.rule(f"rule {number}", whenever_money_arrives("b", fixed(100, "b", "c")))
    await world.rule("many", on_demand("a", *[fixed(100, "a", "b") for _ in range(5)]))
    await world.deposit("a", 1_000)

    await world.trigger("many")

    assert await world.settle() == 1 + 64
    assert sorted(await world.events("automation.stopped")) == sorted(
        world.rules[f"rule {number}"].id for number in range(66)
    )


async def test_two_deposits_have_a_limit_each(world: World):
    await world.account("income")
    await world.account("savings")
    for number in range(40):
        await world.rule(f"rule {number}", whenever_money_arrives("income", fixed(100, "income", "savings")))

    await world.deposit("income", 1_000_000)
    await world.deposit("income", 1_000_000)

    assert await world.settle() == 80
    assert await world.events("automation.stopped") == []


async def test_the_limit_counts_across_batches_however_small_they_are(world: World):
    for name in ("a", "b", "c"):
        await world.account(name)
    for source, destination in (("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")):
        await world.rule(source + destination, whenever_money_arrives(source, fixed(100, source, destination)))
    await world.deposit("a", 1_000_000)

    while await settle_due(world.engine, limit=3):
        pass

    assert len(await world.executions()) == 64


async def test_the_limit_counts_with_two_workers_at_once(world: World, other_engine: Engine):
    for name in ("a", "b", "c"):
        await world.account(name)
    for source, destination in (("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")):
        await world.rule(source + destination, whenever_money_arrives(source, fixed(100, source, destination)))
    await world.deposit("a", 1_000_000)

    async def work(engine: Engine) -> None:
        for _ in range(60):
            await settle_due(engine, limit=2)

    await asyncio.gather(work(world.engine), work(other_engine))

    await world.settle()
    assert len(await world.executions()) == 64


async def test_money_that_did_not_arrive_fires_nothing(world: World):
    await chain(world, "a", "b", "c")
    await world.rule("too much", whenever_money_arrives("a", fixed(1_000_000, "a", "b")))
    await world.deposit("a", 100)

    await world.settle()

    assert await world.executions("b->c") == []


async def test_disabled_and_deleted_rules_are_not_fired(world: World):
    await chain(world, "a", "b")
    await world.rule("deleted", whenever_money_arrives("a", fixed(100, "a", "b")))
    await world.rule("never enabled", whenever_money_arrives("a", fixed(100, "a", "b")), enabled=False)
    await disable_rule(world.engine, world.organization_id, world.rules["a->b"].id, "")
    await delete_rule(world.engine, world.organization_id, world.rules["deleted"].id, "")

    await world.deposit("a", 10_000)

    assert await world.settle() == 0
    assert await world.executions() == []
