"""Schedules under many hands: whoever fires, edits, disables, deletes and settles at once, an occurrence runs once."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import permutations

import pytest
import pytest_asyncio

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.services.clock import advance
from sluiceway.services.engine import Engine
from sluiceway.services.errands import work_off
from sluiceway.services.rules import delete_rule, disable_rule, enable_rule, revise_rule
from sluiceway.services.schedules import fire
from sluiceway.services.settlement import settle
from sluiceway.storage.database import WriteTx, execute, fetch_all
from tests.clocks import runs, scheduled, stop_clock, utc
from tests.support import PASSWORD, World, deadlocks, fixed

A_CENT = fixed(100, "income", "savings")
DAILY = scheduled("DAILY", "2027-03-01T09:00", A_CENT)
EXPLANATION = "The rule was changed or disabled before this run could start."


@pytest_asyncio.fixture(loop_scope="session")
async def saving(world: World) -> World:
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    await stop_clock(world, "2027-03-01")
    return world


async def test_two_processes_that_fire_at_once_run_every_rule_once(saving: World, other_engine: Engine):
    for number in range(5):
        await saving.rule(f"{number}", DAILY)

    for day in range(1, 11):
        await stop_clock(saving, f"2027-03-{day:02}T09:00")
        engines = [saving.engine, other_engine] * 2
        await asyncio.gather(*[fire(engine, saving.organization_id) for engine in engines])

    assert {name: len(await saving.executions(name)) for name in saving.rules} == dict.fromkeys("01234", 10)
    ran = await saving.executions("0")
    assert runs(ran) == [f"2027-03-{day:02} 09:00" for day in range(1, 11)]


Change = Callable[[World, Engine], Awaitable[object]]


async def disabled(world: World, engine: Engine) -> None:
    await disable_rule(engine, world.organization_id, world.rules["save"].id, "")


async def deleted(world: World, engine: Engine) -> None:
    await delete_rule(engine, world.organization_id, world.rules["save"].id, "")


async def edited(world: World, engine: Engine) -> None:
    rule = world.read(scheduled("DAILY", "2027-03-01T09:00", fixed(500, "income", "savings")))
    await revise_rule(engine, world.organization_id, world.rules["save"].id, "", rule)


async def enabled_again(world: World, engine: Engine) -> None:
    rule = world.rules["save"]
    await disable_rule(engine, world.organization_id, rule.id, "")
    await enable_rule(engine, world.person, PASSWORD, rule.id, rule.fingerprint)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=lambda order: "".join(map(str, order)))
@pytest.mark.parametrize("change", [disabled, deleted, edited, enabled_again])
async def test_a_change_that_races_with_firing_and_settling_lets_it_run_once_or_not_at_all(
    saving: World, other_engine: Engine, change: Change, order: tuple[int, ...], database_url: str
):
    await saving.rule("save", DAILY)
    await stop_clock(saving, "2027-03-01T09:00")
    moved_before_the_end: list[int] = []

    async def changing() -> None:
        await change(saving, other_engine)
        moved_before_the_end.append(len(await saving.transfers()))

    async def settling() -> None:
        for _ in range(3):
            await settle(saving.engine, [saving.organization_id])

    together = [changing, lambda: fire(saving.engine, saving.organization_id), settling]
    await asyncio.gather(*[together[index]() for index in order], fire(other_engine, saving.organization_id))
    await saving.settle()

    ran = await saving.executions("save")
    assert len(ran) <= 1
    assert runs(ran) == ["2027-03-01 09:00"][: len(ran)]
    moved = [transfer.amount for transfer in (await saving.transfers())[1:]]
    for each in ran:
        # The rule that was signed, or none.
        assert (each.status, each.error_message, moved) in (
            (ExecutionStatus.EXECUTED, None, [100]),
            (ExecutionStatus.FAILED, EXPLANATION, []),
        )
    assert moved == [] or ran
    assert moved_before_the_end == [1 + len(moved)], "what is changed moves nothing more"
    assert deadlocks(database_url) == 0


async def test_whatever_happens_to_a_rule_on_many_days_no_occurrence_runs_twice(
    saving: World, other_engine: Engine, database_url: str
):
    await saving.rule("save", DAILY)
    changes = [disabled, edited]

    async def enable(engine: Engine) -> None:
        async with engine.database.read() as tx:
            [(fingerprint,)] = await fetch_all(
                tx, "SELECT fingerprint FROM rule WHERE id = %(id)s", {"id": saving.rules["save"].id}
            )
        await enable_rule(engine, saving.person, PASSWORD, saving.rules["save"].id, fingerprint)

    for day in range(1, 21):
        await stop_clock(saving, f"2027-03-{day:02}T08:59:59")
        await enable(saving.engine)
        await stop_clock(saving, f"2027-03-{day:02}T09:00")
        await asyncio.gather(
            fire(saving.engine, saving.organization_id),
            changes[day % 2](saving, other_engine),
            settle(other_engine, [saving.organization_id]),
            fire(other_engine, saving.organization_id),
            settle(saving.engine, [saving.organization_id]),
        )
        await saving.settle()

    ran = await saving.executions("save")
    assert len(set(runs(ran))) == len(ran)
    assert len(await saving.transfers()) - 1 == sum(each.status is ExecutionStatus.EXECUTED for each in ran)
    assert deadlocks(database_url) == 0


MANY = """
    WITH pattern AS (SELECT * FROM rule WHERE organization_id = %(of)s AND id = %(pattern)s),
    names AS (SELECT gen_random_uuid() AS rule_id, n FROM generate_series(1, %(count)s::integer) AS n),
    rules AS (
        INSERT INTO rule (organization_id, id, revision, fingerprint, trigger_type, position, secret, created_at,
                          updated_at)
        SELECT organization_id, rule_id, 1, fingerprint, trigger_type, position + n, secret, created_at, updated_at
        FROM pattern, names
    ), revisions AS (
        INSERT INTO rule_revision (organization_id, rule_id, revision, definition, fingerprint, created_at)
        SELECT v.organization_id, names.rule_id, 1, v.definition, v.fingerprint, v.created_at
        FROM rule_revision v, names WHERE v.organization_id = %(of)s AND v.rule_id = %(pattern)s
    )
    INSERT INTO approval (organization_id, id, rule_id, revision, fingerprint, person_id, approved_at)
    SELECT a.organization_id, gen_random_uuid(), names.rule_id, 1, a.fingerprint, a.person_id, a.approved_at
    FROM approval a, names WHERE a.organization_id = %(of)s AND a.rule_id = %(pattern)s
"""
ENABLED = """
    UPDATE rule r SET approval_id = a.id, next_fire_at = p.next_fire_at, next_nominal = p.next_nominal
    FROM approval a, rule p
    WHERE a.organization_id = r.organization_id AND a.rule_id = r.id AND r.organization_id = %(of)s
        AND p.organization_id = r.organization_id AND p.id = %(pattern)s
"""


async def many_like(world: World, name: str, count: int) -> None:
    """Copy a rule so many times."""

    async def work(tx: WriteTx) -> None:
        row = {"of": world.organization_id, "pattern": world.rules[name].id, "count": count}
        await execute(tx, MANY, row)
        await execute(tx, ENABLED, row)

    await world.engine.database.write(work)


async def test_a_thousand_rules_of_one_instant_all_run_once(saving: World, other_engine: Engine):
    await saving.rule("save", DAILY)
    await many_like(saving, "save", 999)
    organization_id = saving.organization_id

    async def helper() -> None:
        while await work_off(other_engine, organization_id):
            pass

    until = utc("2027-03-01T09:00")
    await stop_clock(saving, "2027-03-01T09:00")
    await asyncio.gather(advance(saving.engine, organization_id, until), helper(), helper())

    ran = await saving.executions()
    assert len({each.rule_id for each in ran}) == len(ran) == 1_000
    assert {each.status for each in ran} == {ExecutionStatus.EXECUTED}
    assert (await saving.balances())["savings"] == 100_000
