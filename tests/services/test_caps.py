"""Caps that run over several executions: within a batch, across batches, workers and periods."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.services.rules import enable_rule, revise_rule
from sluiceway.services.settlement import settle_due
from sluiceway.storage.database import fetch_all
from tests.support import PASSWORD, World, fixed, on_demand

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def save(amount: int, cap: int, period: str = "PER_WEEK") -> dict[str, object]:
    limit = {"period": period, "amount_in_cents": cap}
    return on_demand("income", fixed(amount, "income", "savings", limit=limit))


async def rich(world: World) -> None:
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 10_000_000)


async def moved(world: World) -> list[int]:
    return [transfer.amount for transfer in await world.transfers() if transfer.source is not None]


async def used(world: World) -> list[tuple[str, int]]:
    async with world.engine.database.read() as tx:
        rows: Sequence[tuple[str, int]] = await fetch_all(
            tx, "SELECT starts_on::text, used FROM cap_used ORDER BY starts_on, rule_id"
        )
    return list(rows)


async def test_the_executions_of_one_batch_share_a_cap_and_the_last_is_cut_to_what_is_left(world: World):
    await rich(world)
    await world.rule("save", save(4_000, 10_000))
    await admit(world.engine, [world.trigger_command("save") for _ in range(5)])

    assert await settle_due(world.engine) == 5
    assert await moved(world) == [4_000, 4_000, 2_000]
    ran = await world.executions()
    assert [run.counts for run in ran] == [(1, 1, 0, 0)] * 3 + [(1, 0, 0, 0)] * 2
    assert {run.status for run in ran} == {ExecutionStatus.EXECUTED}


async def test_the_executions_of_many_batches_share_a_cap(world: World):
    await rich(world)
    await world.rule("save", save(4_000, 10_000))
    await admit(world.engine, [world.trigger_command("save") for _ in range(5)])

    assert [await settle_due(world.engine, limit=1) for _ in range(6)] == [1, 1, 1, 1, 1, 0]
    assert await moved(world) == [4_000, 4_000, 2_000]


async def test_two_workers_share_a_cap(world: World, other_engine: Engine):
    await rich(world)
    await world.rule("save", save(700, 10_000))
    await admit(world.engine, [world.trigger_command("save") for _ in range(40)])

    async def work(engine: Engine) -> None:
        for _ in range(80):
            await settle_due(engine, limit=1)

    await asyncio.gather(work(world.engine), work(other_engine))

    await world.settle()
    assert sum(await moved(world)) == 10_000
    assert len(await moved(world)) == 15
    assert [amount for _, amount in await used(world)] == [10_000]


@pytest.mark.parametrize(
    ("period", "moments", "expected"),
    [
        # 2026-08-31 is a Monday: the week and the month part ways after that day.
        ("PER_WEEK", [(8, 30), (8, 31), (9, 6), (9, 7)], [4_000, 4_000, 4_000]),
        ("PER_MONTH", [(8, 1), (8, 31), (9, 1), (9, 30)], [4_000, 4_000]),
        ("PER_YEAR", [(1, 1), (12, 31)], [4_000]),
    ],
)
async def test_a_new_period_has_a_cap_of_its_own(
    world: World, period: str, moments: list[tuple[int, int]], expected: list[int]
):
    moment = NEW_YEAR
    world.engine = replace(world.engine, now=lambda: moment)
    await rich(world)
    await world.rule("save", save(4_000, 4_000, period))

    for month, day in moments:
        moment = datetime(2026, month, day, 23, 59, 59, tzinfo=UTC)
        await world.trigger("save")
        await world.settle()

    assert await moved(world) == expected


async def test_an_execution_counts_in_the_period_in_which_it_was_admitted(world: World):
    moment = datetime(2026, 9, 6, 23, 59, tzinfo=UTC)
    world.engine = replace(world.engine, now=lambda: moment)
    await rich(world)
    await world.rule("save", save(4_000, 4_000))
    await world.trigger("save")
    moment = datetime(2026, 9, 7, 0, 1, tzinfo=UTC)
    await world.trigger("save")

    await world.settle()

    assert await used(world) == [("2026-08-31", 4_000), ("2026-09-07", 4_000)]


async def test_what_could_not_be_moved_is_not_counted(world: World):
    await world.account("income")
    await world.account("savings")
    await world.rule("save", save(4_000, 10_000))
    await world.trigger("save")
    await world.settle()
    await world.deposit("income", 100_000)

    await admit(world.engine, [world.trigger_command("save") for _ in range(3)])
    await world.settle()

    assert [transfer.status for transfer in await world.transfers()].count("INCOMPLETE") == 1
    assert [amount for _, amount in await used(world)] == [10_000]


async def test_a_cap_per_transfer_is_every_runs_own(world: World):
    await rich(world)
    await world.rule("save", save(4_000, 2_500, "PER_TRANSFER"))
    await admit(world.engine, [world.trigger_command("save") for _ in range(3)])

    await world.settle()

    assert await moved(world) == [2_500, 2_500, 2_500]
    assert await used(world) == []


async def test_two_rules_have_a_cap_each_in_the_same_batch(world: World):
    await rich(world)
    await world.rule("one", save(4_000, 5_000))
    await world.rule("two", save(4_000, 6_000))
    await admit(world.engine, [world.trigger_command(name) for name in ("one", "two", "one", "two")])

    await world.settle()

    assert sorted(amount for _, amount in await used(world)) == [5_000, 6_000]
    assert sum(await moved(world)) == 11_000


async def test_editing_a_rule_does_not_refill_its_cap(world: World):
    await rich(world)
    rule = await world.rule("save", save(4_000, 5_000))
    await world.trigger("save")
    await world.settle()

    revised = world.read(save(4_001, 5_000))
    await revise_rule(world.engine, world.organization_id, rule.id, "", revised)
    async with world.engine.database.read() as tx:
        [(fingerprint,)] = await fetch_all(tx, "SELECT fingerprint FROM rule")
    await enable_rule(world.engine, world.person, PASSWORD, rule.id, bytes(fingerprint))
    await world.trigger("save")
    await world.settle()

    assert await moved(world) == [4_000, 1_000]


async def test_the_actions_of_a_group_share_a_cap_across_runs(world: World):
    await rich(world)
    limit = {"period": "PER_MONTH", "amount_in_cents": 5_000}
    actions = [fixed(2_000, "income", "savings", limit=limit) for _ in range(2)]
    await world.rule("save", on_demand("income", *actions))
    await admit(world.engine, [world.trigger_command("save") for _ in range(2)])

    await world.settle()

    assert await moved(world) == [2_000, 2_000, 1_000]
