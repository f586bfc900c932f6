"""What need not be kept for ever goes when its time has come, and nothing else does."""

# ruff: noqa: S608 -- the statements are put together from the constants of this file.

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg
import pytest

from sluiceway import storage
from sluiceway.domain.access import Actor, ActorKind
from sluiceway.domain.audit import Act
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.retention import DEFAULT, LEAST
from sluiceway.domain.transfers import Mode
from sluiceway.services.admission import admit
from sluiceway.services.audit import run_audit
from sluiceway.services.audit_chain import KnownHead, list_heads
from sluiceway.services.audit_log import Done, list_entries, record
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key, identify, revoke_key
from sluiceway.services.retention import BATCH, BUCKETS_KEPT, forget, forgetful_organizations
from sluiceway.services.runs import get_run
from sluiceway.services.transfers import transfer
from sluiceway.storage.database import ConstraintViolated, WriteTx, execute, fetch_all
from tests.support import AS_OWNER, World, fixed, new_world, on_demand

KEY: Final = Actor(ActorKind.API_KEY, "01900000-0000-7000-8000-0000000000aa")
_DAY: Final = timedelta(days=1)


def later(engine: Engine, passed: timedelta) -> Engine:
    """Let so much real time pass."""
    return replace(engine, now=lambda: engine.now() + passed)


async def forget_all(engine: Engine) -> int:
    """Forget until nothing is left to be forgotten; tell how much that was."""
    total = 0
    for organization_id in await forgetful_organizations(engine):
        while count := await forget(engine, organization_id):
            total += count
    assert await forgetful_organizations(engine) == []
    return total


async def broken(engine: Engine, *known: KnownHead) -> dict[str, int]:
    """Audit; tell which promises do not hold, and how often."""
    return {result.name: result.violations for result in await run_audit(engine, known) if result.violations}


async def count(world: World, table: str) -> int:
    async with world.engine.database.read() as tx:
        [[found]] = await fetch_all(tx, f"SELECT count(*) FROM {table}")  # type: ignore[arg-type]
    return found


@pytest.fixture
async def saving(world: World) -> World:
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
    await world.deposit("income", 10_000)
    return world


async def test_a_key_is_answered_as_before_until_its_answer_is_forgotten(saving: World):
    engine = saving.engine
    first = await saving.deposit("income", 500, key="once")
    assert isinstance(first, Answer)
    assert await forgetful_organizations(later(engine, DEFAULT.answers - timedelta(minutes=1))) == []
    assert await saving.deposit("income", 500, key="once") == first._replace(is_replay=True)

    assert await forget_all(later(engine, DEFAULT.answers + timedelta(minutes=1))) == 1

    assert await count(saving, "idempotency") == 0
    assert await saving.deposit("income", 500, key="once") != first._replace(is_replay=True)
    assert len(await saving.transfers()) == 3


async def test_a_neighbour_keeps_what_is_not_its_turn(saving: World):
    stranger = await new_world(saving.engine, email="other@example.com")
    await stranger.account("income", AccountKind.INCOME_SOURCE)
    for owner in (saving, stranger):
        await owner.deposit("income", 500, key="once")

    assert await forget(later(saving.engine, 3 * _DAY), saving.organization_id) == 1

    assert await forgetful_organizations(later(saving.engine, 3 * _DAY)) == [stranger.organization_id]


async def simulate(world: World) -> None:
    """Run a rule and ask for a transfer, each for real and as a simulation."""
    wanted = world.trigger_command("save")
    await admit(world.engine, [wanted, replace(wanted, mode=Mode.SIMULATION)])
    await world.settle()
    asked = world.transfer_command("income", "savings", 300)
    await transfer(world.engine, [asked, replace(asked, mode=Mode.SIMULATION)])


async def test_of_a_simulation_what_it_found_goes_and_that_it_ran_stays(saving: World):
    await simulate(saving)
    await forget_all(later(saving.engine, DEFAULT.simulations - _DAY))
    assert len(await saving.transfers()) == 5
    old = later(saving.engine, DEFAULT.simulations + _DAY)

    assert await forget_all(old) == 2

    runs = {run.mode: run for run in await saving.executions()}
    assert [transfer.mode for transfer in await saving.transfers()] == [Mode.LIVE] * 3
    simulated, live = runs[Mode.SIMULATION], runs[Mode.LIVE]
    assert (simulated.status, simulated.counts) == (ExecutionStatus.EXECUTED, live.counts)
    assert (simulated.trace, simulated.transfer_ids) == (None, ())
    told = await get_run(saving.engine, saving.organization_id, simulated.id, "")
    assert told.ending_said == "Simulated: what it would have moved is no longer kept."
    assert told.explanation == ["What it saw is no longer kept."]
    assert live.trace is not None
    assert await broken(old) == {}


async def test_a_simulation_that_waits_is_left_alone(saving: World):
    await admit(saving.engine, [replace(saving.trigger_command("save"), mode=Mode.SIMULATION)])

    await forget_all(later(saving.engine, 1000 * _DAY))

    await saving.settle()
    [run] = await saving.executions()
    assert (run.status, len(run.transfer_ids)) == (ExecutionStatus.EXECUTED, 1)


async def test_what_has_moved_money_cannot_be_deleted_by_anybody(saving: World):
    async def work(tx: WriteTx) -> None:
        await execute(tx, AS_OWNER)
        await execute(tx, "DELETE FROM transfer")

    with pytest.raises(ConstraintViolated, match="posting_organization_id_transfer_id_fkey"):
        await saving.engine.database.write(work)


async def test_what_deletes_history_stands_in_one_file_or_a_function_and_names_what_it_may_delete():
    found = {
        (path.name, table): statement
        for path in Path(storage.__file__).parent.glob("**/*.sql")
        for statement in path.read_text(encoding="utf-8").split("-- name: ")
        for table in re.findall(
            r"DELETE FROM (transfer|execution|audit_entry|idempotency|posting|outbox|webhook_delivery)\b", statement
        )
    }

    ours, functions = ("idempotency", "outbox", "webhook_delivery"), ("transfer", "audit_entry")
    assert set(found) == {
        *(("retention.sql", table) for table in ours),
        *(("0019_least_privilege.sql", table) for table in functions),
    }
    assert found["0019_least_privilege.sql", "transfer"].count("AND t.mode = 'SIMULATION'") == 1


# ------------------------------------------------------------------------------------------------------------- the log


def look(world: World, action: str, code: str | None = None) -> Done:
    """Have somebody do something, or look at something."""
    return Done(Act(world.organization_id, KEY, action, None, "/api/v1/accounts/x", "req", None), code)


async def log(world: World, *batches: Sequence[Done]) -> None:
    """Record batches, a millisecond or more apart, as a transaction each."""
    for batch in batches:

        async def work(tx: WriteTx, batch: Sequence[Done] = batch) -> None:
            await record(world.engine, tx, batch)

        await world.engine.database.write(work)


async def actions(world: World) -> list[str]:
    found = await list_entries(world.engine, world.organization_id, limit=10_000)
    return [listed.entry.act.action for listed in reversed(found)]


@pytest.fixture
async def looked_at(world: World) -> World:
    """Have reads of many kinds, two acts, a refused read, and a batch in which an act is among reads."""
    get, act = look(world, "GET_ACCOUNT"), look(world, "CREATE_POD")
    await log(
        world, [get] * 3, [act], [look(world, "LIST_RULES")], [get, act, get], [look(world, "GET_RULE", "X")], [get]
    )
    return world


async def test_reads_go_and_everything_else_stays_with_a_chain_that_still_verifies(looked_at: World):
    engine, known = looked_at.engine, await list_heads(looked_at.engine)
    assert await forgetful_organizations(later(engine, DEFAULT.reads - _DAY)) == []
    old = later(engine, DEFAULT.reads + _DAY)

    assert await forget_all(old) == 3

    assert await actions(looked_at) == ["CREATE_POD", "GET_ACCOUNT", "CREATE_POD", "GET_ACCOUNT", "GET_RULE"]
    assert await broken(old, *known) == {}
    await log(looked_at, [look(looked_at, "GET_ACCOUNT")], [look(looked_at, "CREATE_POD")])
    assert await broken(old, *known) == {}


async def test_reads_that_are_cut_before_their_time_show(looked_at: World):
    hasty = replace(later(looked_at.engine, LEAST.reads - _DAY), retention=replace(DEFAULT, reads=timedelta(0)))

    assert await forget_all(hasty) == 3

    assert await broken(hasty) == {"the_log_is_whole": 3}
    assert await broken(later(looked_at.engine, LEAST.reads + _DAY)) == {}


async def test_a_thousand_reads_go_a_few_at_a_time(world: World):
    reads = [look(world, "GET_ACCOUNT")] * (BATCH // 2 + 1)
    await log(world, reads, reads, reads, reads)
    old = later(world.engine, DEFAULT.reads + _DAY)

    assert [await forget(old, world.organization_id) for _ in range(3)] == [2, 2, 0]
    assert await broken(old) == {}


_MINE: Final = "organization_id = %(organization)s"
LIES: Final = {
    "reads that are gone without a mark": f"DELETE FROM audit_entry WHERE {_MINE} AND batch = 1",
    "some of the reads of a batch gone": f"DELETE FROM audit_entry WHERE {_MINE} AND batch = 1 AND position > 0;"
    f"UPDATE audit_batch SET cut_at = now() WHERE {_MINE} AND number = 1",
    "a mark where nothing was cut": f"UPDATE audit_batch SET cut_at = now() WHERE {_MINE} AND number = 1",
    "an act passed off as reads": f"DELETE FROM audit_entry WHERE {_MINE} AND batch = 2;"
    "UPDATE audit_batch SET first_id = gen_random_uuid(), last_id = '00000000-0000-7000-8000-000000000000',"
    f" entries_digest = digest, cut_at = now() WHERE {_MINE} AND number = 2",
    "young reads made old": f"UPDATE audit_batch SET last_id = first_id WHERE {_MINE} AND number = 1",
    "reads that are no longer said to be reads": "UPDATE audit_batch SET first_id = NULL, last_id = NULL,"
    f" entries_digest = NULL WHERE {_MINE} AND number = 1",
    "fewer reads than there were": f"DELETE FROM audit_entry WHERE {_MINE} AND batch = 1;"
    f"UPDATE audit_batch SET cut_at = now(), entries = 2 WHERE {_MINE} AND number = 1",
    "a batch gone with its reads": f"DELETE FROM audit_entry WHERE {_MINE} AND batch = 3;"
    f"DELETE FROM audit_batch WHERE {_MINE} AND number = 3",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_what_may_be_cut_hides_nothing_else(looked_at: World, database_url: str, lie: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        for statement in lie.split(";"):
            done = conn.execute(statement.encode(), {"organization": looked_at.organization_id})
            assert done.rowcount, "nothing was changed"

    assert await broken(later(looked_at.engine, 1000 * _DAY)) != {}


async def test_counts_of_calls_go_with_the_credential(world: World):
    engine = world.engine
    for name in ("revoked", "live"):
        key, secret = await create_key(engine, world.organization_id, name, {})
        await identify(engine, [secret])
        if name == "revoked":
            await revoke_key(engine, world.organization_id, key.id, "")
    assert await forgetful_organizations(engine) == []

    assert await forget_all(later(engine, 2 * BUCKETS_KEPT)) == 1

    assert await count(world, "call_bucket") == 1
