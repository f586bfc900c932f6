"""Reading what ran: who may, in which order, and that the reason travels with it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluiceway.domain.access import Grant, Permission, Principal
from sluiceway.domain.errors import NotFound, PermissionDenied
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import ExecutionId, KeyId
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import ActionResult, TriggerType
from sluiceway.services.engine import RevisionCache
from sluiceway.services.executions import find_for_operator, get_execution, list_executions, rule_as_it_ran
from sluiceway.services.rules import revise_rule
from tests.support import World, fixed, new_world, on_demand


@pytest.fixture
async def saving(world: World) -> World:
    """Make an account with money and two rules that move some of it on demand."""
    await world.account("income")
    await world.account("savings")
    for name in ("save", "other"):
        await world.rule(name, on_demand("income", fixed(1_000, "income", "savings")))
    await world.deposit("income", 10_000)
    return world


def reader(world: World, *rules: str) -> Principal:
    grant = Grant(is_for_every=not rules, resources=frozenset(world.rules[name].id for name in rules))
    return Principal(world.organization_id, KeyId(world.engine.new_id()), {Permission.READ_RULE_EXECUTIONS: grant})


async def test_a_run_tells_what_was_asked_and_moved_and_why(saving: World):
    answer = await saving.trigger("save", 7_000)
    await saving.settle()

    ran = await get_execution(saving.engine, reader(saving), (await saving.execution(answer)).id, "")

    assert (ran.status, ran.trigger_type, ran.transfer_amount) == (
        ExecutionStatus.EXECUTED,
        TriggerType.SEQUENCE_API,
        7_000,
    )
    assert ran.trace is not None
    assert [(action.result, action.asked, action.moved) for action in ran.trace.actions] == [
        (ActionResult.MOVED, 1_000, 1_000)
    ]
    assert list(ran.transfer_ids) == [transfer.id for transfer in (await saving.transfers())[1:]]
    assert ran.finished_at is not None
    assert ran.finished_at >= ran.created_at


async def test_a_run_shows_the_rule_as_it_was(saving: World):
    answer = await saving.trigger("save")
    await saving.settle()
    before = saving.read(on_demand("income", fixed(1_000, "income", "savings")))
    revised = saving.read(on_demand("income", fixed(9_000, "income", "savings")) | {"name": "New"})
    await revise_rule(saving.engine, saving.organization_id, saving.rules["save"].id, "", revised)

    ran = await saving.execution(answer)

    assert await rule_as_it_ran(saving.engine, ran) == before
    assert (ran.rule_name, ran.revision) == (None, 1)


async def test_a_narrow_key_learns_nothing_of_other_rules(saving: World):
    mine, other = [await saving.execution(await saving.trigger(rule)) for rule in ("save", "other")]
    stranger = await new_world(saving.engine)

    assert (await get_execution(saving.engine, reader(saving, "save"), mine.id, "")).id == mine.id
    for execution_id in (other.id, ExecutionId(saving.engine.new_id()), None):
        with pytest.raises(PermissionDenied):
            await get_execution(saving.engine, reader(saving, "save"), execution_id, "")
        with pytest.raises(NotFound):
            await get_execution(saving.engine, reader(stranger), execution_id, "")
    with pytest.raises(PermissionDenied):
        await list_executions(saving.engine, reader(saving, "save"), saving.rules["other"].id, limit=9)


async def test_runs_are_listed_newest_first_in_pages_and_filtered(saving: World):
    moments = [datetime(2027, 3, day, tzinfo=UTC) for day in range(1, 8)]
    for moment in moments:
        later = replace(saving, engine=replace(saving.engine, now=lambda moment=moment: moment))
        await later.trigger("save", 20_000 if moment.day == 3 else None)
        await later.settle()
    rule_id = saving.rules["save"].id

    async def days(**more) -> list[int]:
        found = await list_executions(saving.engine, reader(saving), rule_id, **{"limit": 50, **more})
        assert all(run.trace is None for run in found)
        return [run.created_at.day for run in found]

    pages: list[Execution] = []
    while page := await list_executions(
        saving.engine, reader(saving), rule_id, before_id=pages[-1].id if pages else None, limit=3
    ):
        pages += page

    assert [run.created_at.day for run in pages] == [7, 6, 5, 4, 3, 2, 1]
    assert await days(limit=2) == [7, 6]
    assert await days(from_at=moments[1], to_at=moments[3]) == [4, 3, 2]
    assert await days(status=ExecutionStatus.FAILED) == []
    assert await days(trigger_types=[TriggerType.SCHEDULED, TriggerType.MANUAL]) == []
    assert await days(trigger_types=[TriggerType.SEQUENCE_API], limit=1) == [7]
    assert await list_executions(saving.engine, reader(saving), None, limit=9) == []
    assert await list_executions(saving.engine, reader(saving, "other"), saving.rules["other"].id, limit=9) == []


async def test_an_operator_finds_a_run_whoever_it_belongs_to(saving: World):
    stranger = await new_world(saving.engine)
    ran = await saving.execution(await saving.trigger("save"))
    everybody = [stranger.organization_id, saving.organization_id]

    assert await find_for_operator(saving.engine, ran.id, everybody) == ran
    assert await find_for_operator(saving.engine, ran.id, [stranger.organization_id]) is None


async def test_a_memory_of_revisions_that_is_full_still_gives_what_was_asked(saving: World):
    keys = []
    for amount in range(100, 106):
        record = await saving.rule(f"{amount}", on_demand("income", fixed(amount, "income", "savings")))
        keys.append(RevisionKey(saving.organization_id, record.id, 1))
    cache = RevisionCache(size=2)

    for wanted in (keys[:2], keys[1:3], keys[:1], keys, keys[2:5]):
        async with saving.engine.database.read() as tx:
            found = await cache.get(tx, wanted)
        assert [found[key].rule.steps[0].actions[0].amount.amount - 100 for key in wanted] == [
            keys.index(key) for key in wanted
        ]
