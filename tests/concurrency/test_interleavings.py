"""Whatever the order in which the statements of a few calls run: what must hold, holds, and nobody locks in a circle.

Each run plays other orders: a part of them, drawn anew; `SLUICEWAY_TEST_SEED` draws the same ones again.
"""

import os
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from sluiceway.domain.ids import AccountId
from sluiceway.services.engine import Engine
from sluiceway.storage.accounts import lock_accounts
from sluiceway.storage.database import Database, WriteTx, execute, fetch_all
from sluiceway.storage.organizations import lock_organization
from tests.concurrency.enumerating import Act, Call, Enumerated, Scene, Stage, play_orders
from tests.concurrency.pairs import with_money
from tests.concurrency.scenes import PAIRS
from tests.concurrency.stepping import Stepper
from tests.support import World, plain_engine

SEED = int(os.environ.get("SLUICEWAY_TEST_SEED", random.randrange(1 << 32)))
ORDERS = 27
"""Of each pair: about 600 in all."""


@asynccontextmanager
async def stepping(url: str, callers: int = 3) -> AsyncGenerator[tuple[Stepper, Engine]]:
    async with Database(url) as house, Stepper(url, callers) as stepper:
        yield stepper, plain_engine(house)


async def played(url: str, scene: Scene, most: int, seed: int = 1) -> tuple[Enumerated, Stepper]:
    async with stepping(url) as (stepper, house):
        found = await play_orders(stepper, house, scene, most=most, dice=random.Random(seed))
    return found, stepper


@pytest.mark.parametrize("name", PAIRS)
async def test_in_whatever_order_their_statements_run_what_must_hold_holds(module_database_url: str, name: str):
    print(f"SLUICEWAY_TEST_SEED={SEED}")
    pair = PAIRS[name]
    async with stepping(module_database_url) as (stepper, house):
        dice = random.Random(f"{SEED} {name}")
        found = await play_orders(stepper, house, pair.scene, most=ORDERS, preemptions=pair.preemptions, dice=dice)

        assert found.violations == []
        assert (found.diverged, stepper.deadlocks) == (0, 0)
        assert found.schedules > 1, "there was something to choose"
        stepper.locks.order()
        assert stepper.locks.broken == set()


# ------------------------------------------------------------------------------------------ what would have been found


def reading_and_writing(engine: Engine, world: World, amount: int) -> Call:
    """Say: take so much from an account, deciding by a balance that was read without its lock."""

    async def work(tx: WriteTx) -> None:
        account = {"id": world.accounts["a"]}
        [(balance,)] = await fetch_all(tx, "SELECT posted FROM account WHERE id = %(id)s::uuid", account)
        await execute(
            tx,
            "UPDATE account SET posted = %(left)s WHERE id = %(id)s::uuid",
            {**account, "left": balance - amount},
        )

    async def take() -> object:
        return await engine.database.write(work)

    return take


async def test_a_balance_that_is_read_without_its_lock_is_caught(database_url: str):
    async def scene(stage: Stage) -> Act:
        world = await with_money(stage, "a")

        async def check(outcomes: Sequence[object]) -> None:
            assert await world.balances() == {"a": 700}, "an update was lost"

        calls = [
            reading_and_writing(engine, world, amount)
            for engine, amount in zip(stage.engines, (100, 200), strict=False)
        ]
        return Act(world.organization_id, calls, check)

    found, _ = await played(database_url, scene, most=20)

    assert found.is_exhausted
    assert any("an update was lost" in violation for violation in found.violations)
    assert any("an account holds what its postings say" in violation for violation in found.violations)


def locking(engine: Engine, world: World, accounts: Sequence[str], *, gate_last: bool = False) -> Call:
    """Say: lock these accounts one after the other, whatever their order."""

    async def work(tx: WriteTx) -> None:
        for account in accounts:
            await lock_accounts(tx, [(world.organization_id, AccountId(world.accounts[account]))])
        if gate_last:
            await lock_organization(tx, world.organization_id)

    async def lock() -> object:
        return await engine.database.write(work)

    return lock


async def test_accounts_that_are_locked_in_another_order_are_caught_and_do_deadlock(database_url: str):
    async def scene(stage: Stage) -> Act:
        world = await with_money(stage, "a", "b")

        async def check(outcomes: Sequence[object]) -> None:
            assert outcomes == (None, None), "who lost a deadlock is tried again"

        calls = [locking(engine, world, order) for engine, order in zip(stage.engines, ("ab", "ba"), strict=False)]
        return Act(world.organization_id, calls, check)

    found, stepper = await played(database_url, scene, most=8)

    assert stepper.locks.broken == {"accounts were not locked in the order of their keys"}
    assert stepper.deadlocks > 0
    assert found.violations == []


async def test_a_gate_that_is_passed_after_locking_accounts_is_caught_without_a_deadlock(database_url: str):
    async def scene(stage: Stage) -> Act:
        world = await with_money(stage, "a")
        one = stage.engines[0]

        async def properly() -> object:
            async def work(tx: WriteTx) -> None:
                await lock_organization(tx, world.organization_id)
                await lock_accounts(tx, [(world.organization_id, world.accounts["a"])])

            return await one.database.write(work)

        async def both() -> object:
            await properly()
            return await locking(one, world, "a", gate_last=True)()

        async def check(outcomes: Sequence[object]) -> None:
            assert outcomes == (None,)

        return Act(world.organization_id, [both], check)

    _, stepper = await played(database_url, scene, most=1)

    assert stepper.locks.order() == []
    assert [sentence.split(":")[0] for sentence in stepper.locks.broken] == ["locked in a circle"]
