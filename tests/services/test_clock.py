"""A sandbox's clock: it stands, runs and is moved forward past everything that is due, in order and never back."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from sluiceway.domain.errors import ClockRefused, SandboxOnly
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.transfers import TransferStatus
from sluiceway.services.clock import LAST_YEAR, advance, freeze, read_clock, resume
from sluiceway.services.engine import Engine
from sluiceway.services.organizations import pause
from sluiceway.storage.database import fetch_all
from sluiceway.wiring import working
from sluiceway.worker import Worker
from tests.banked import connect, pay, time_of
from tests.clocks import go_to, run_clock, runs, scheduled, shown, stop_clock, utc
from tests.outbound.servers import replying
from tests.support import World, fixed, new_world, on_demand, whenever_money_arrives
from tests.taxes import Pausing, amount, asking, remote

A_CENT = fixed(100, "income", "savings")


@pytest_asyncio.fixture(loop_scope="session")
async def saving(world: World) -> World:
    await stop_clock(world, "2027-03-01")
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    return world


async def test_a_clock_shows_the_real_time_until_somebody_touches_it(world: World):
    before = world.engine.now()
    state = await read_clock(world.engine, world.organization_id)

    assert before <= state.now <= world.engine.now()
    assert not state.is_frozen


async def test_a_frozen_clock_stands_and_goes_on_from_there(world: World):
    stopped = await freeze(world.engine, world.organization_id)
    await asyncio.sleep(0.05)
    still = await read_clock(world.engine, world.organization_id)
    again = await freeze(world.engine, world.organization_id)
    running = await resume(world.engine, world.organization_id)
    await asyncio.sleep(0.05)
    later = await read_clock(world.engine, world.organization_id)

    assert stopped.now == still.now == again.now == running.now
    assert [each.is_frozen for each in (stopped, still, again, running, later)] == [True, True, True, False, False]
    assert timedelta(seconds=0.05) <= later.now - running.now < timedelta(seconds=5)


async def test_resuming_a_clock_that_runs_changes_nothing(world: World):
    await run_clock(world, "2030-01-01")
    first = await resume(world.engine, world.organization_id)
    second = await resume(world.engine, world.organization_id)

    assert utc("2030-01-01") <= first.now <= second.now < utc("2030-01-01T00:01")


@pytest.mark.parametrize("is_frozen", [True, False])
async def test_a_clock_that_ran_runs_on_after_it_was_moved(saving: World, is_frozen: bool):
    await (stop_clock if is_frozen else run_clock)(saving, "2027-03-01")

    state = await advance(saving.engine, saving.organization_id, utc("2027-04-01"))

    assert state.is_frozen is is_frozen
    assert utc("2027-04-01") <= await time_of(saving) < utc("2027-04-01T00:01")


@pytest.mark.parametrize(
    "to", [utc("2027-02-28T23:59:59.999999"), utc("0001-01-01"), utc(f"{LAST_YEAR + 1}-01-01"), utc("9999-12-31")]
)
async def test_a_clock_goes_neither_back_nor_to_the_end_of_the_calendar(saving: World, to: datetime):
    with pytest.raises(ClockRefused):
        await advance(saving.engine, saving.organization_id, to)

    state = await read_clock(saving.engine, saving.organization_id)
    assert (state.now, state.is_frozen) == (utc("2027-03-01"), True)


async def test_a_clock_that_is_moved_to_where_it_stands_does_what_is_due_there(saving: World):
    await saving.rule("save", on_demand("income", A_CENT))
    await saving.trigger("save")

    state = await advance(saving.engine, saving.organization_id, utc("2027-03-01"))

    assert (state.now, state.stops) == (utc("2027-03-01"), 1)
    assert [run.status for run in await saving.executions()] == [ExecutionStatus.EXECUTED]


async def test_a_live_organizations_clock_is_not_touched(engine: Engine):
    live = await new_world(engine, is_sandbox=False, email="live@example.com")
    ways: list[Callable[[], Awaitable[object]]] = [
        lambda: freeze(engine, live.organization_id),
        lambda: resume(engine, live.organization_id),
        lambda: advance(engine, live.organization_id, engine.now() + timedelta(days=1)),
    ]
    for way in ways:
        with pytest.raises(SandboxOnly):
            await way()

    state = await read_clock(engine, live.organization_id)
    assert not state.is_frozen
    assert abs(state.now - engine.now()) < timedelta(minutes=1)


async def test_what_is_to_be_done_at_once_is_done_while_the_clock_stands(saving: World):
    await saving.rule("save", on_demand("income", A_CENT))
    await saving.rule("arrived", whenever_money_arrives("savings", fixed(50, "savings", "income")))

    async with working(Worker(saving.engine)):
        await saving.trigger("save")
        for _ in range(200):
            if len(await saving.transfers()) == 3:
                break
            await asyncio.sleep(0.01)

    assert [transfer.amount for transfer in (await saving.transfers())[1:]] == [100, 50]
    assert {shown(run.finished_at) for run in await saving.executions()} == {"2027-03-01 00:00"}


async def test_everything_happens_in_order_at_its_own_instant(saving: World):
    await connect(saving, "landlord")
    await saving.rule("rent", scheduled("ONE_TIME", "2027-03-02T15:00", fixed(5_000, "income", "landlord")))
    await saving.rule("early", scheduled("DAILY", "2027-03-02T09:00", A_CENT))
    await saving.rule("late", scheduled("DAILY", "2027-03-02T21:00", A_CENT))
    seen: list[datetime] = []

    state = await advance(saving.engine, saving.organization_id, utc("2027-03-05"), seen.append)

    assert seen == sorted(set(seen))
    assert [shown(at) for at in seen][:4] == [
        "2027-03-02 00:00",
        "2027-03-02 09:00",
        "2027-03-02 15:00",
        "2027-03-02 18:00",
    ]
    assert state.stops == len(seen) + 1
    created = [transfer.created_at for transfer in await saving.transfers()]
    assert created == sorted(created)
    assert runs(await saving.executions()) == [
        "2027-03-02 09:00",
        "2027-03-02 15:00",
        "2027-03-02 21:00",
        "2027-03-03 09:00",
        "2027-03-03 21:00",
        "2027-03-04 09:00",
        "2027-03-04 21:00",
    ]
    rent = next(transfer for transfer in await saving.transfers() if transfer.amount == 5_000)
    assert rent.status is TransferStatus.COMPLETE


HISTORY = {
    "transfers": "SELECT amount, status, created_at, completed_at, step, action FROM transfer WHERE organization_id ="
    " %(of)s ORDER BY created_at, amount, completed_at",
    "executions": "SELECT scheduled_for, created_at, finished_at, status, trigger_type, transfer_amount FROM execution"
    " WHERE organization_id = %(of)s ORDER BY created_at, scheduled_for, transfer_amount",
    "legs": "SELECT purpose, amount, status, submitted_at, settled_at FROM transfer_leg WHERE organization_id = %(of)s"
    " ORDER BY created_at, amount",
    "payments": "SELECT amount, calls FROM bank_payment WHERE organization_id = %(of)s ORDER BY amount",
    "postings": "SELECT kind, amount, posted_at FROM posting WHERE organization_id = %(of)s"
    " ORDER BY posted_at, kind, amount",
}


async def history(world: World, *but: str) -> dict[str, list[tuple[object, ...]]]:
    async with world.engine.database.read() as tx:
        return {
            name: await fetch_all(tx, query, {"of": world.organization_id})
            for name, query in HISTORY.items()
            if name not in but
        }


async def eventful(world: World) -> World:
    """Give a world a week in which much happens: schedules, payments, money that arrives and sets rules off."""
    await stop_clock(world, "2027-03-01")
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    await connect(world, "checking", 100_000)
    await world.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))
    await world.rule("rent", scheduled("WEEKLY", "2027-03-02T12:00", fixed(5_000, "income", "checking")))
    await world.rule("pull", scheduled("DAILY", "2027-03-03T12:00", fixed(700, "checking", "savings")))
    await world.rule("on pay", whenever_money_arrives("checking", fixed(200, "income", "savings")))
    await world.rule("pulled", whenever_money_arrives("savings", fixed(130, "savings", "income")))
    await pay(world, "checking", 400)
    return world


@asynccontextmanager
async def twin(engine: Engine) -> AsyncGenerator[World]:
    yield await eventful(await new_world(engine, email="twin@example.com"))


WEEK_LATER = utc("2027-03-09")


async def test_a_move_that_is_interrupted_goes_on_to_the_same_history(world: World, engine: Engine):
    await eventful(world)
    hasty = replace(world.engine, lease=timedelta(seconds=0.2))
    times = [await time_of(world)]
    for number in range(40):
        moving = asyncio.create_task(advance(hasty, world.organization_id, WEEK_LATER))
        await asyncio.sleep(0.01 * (number % 7))
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        state = await read_clock(world.engine, world.organization_id)
        assert state.is_frozen
        times.append(state.now)
    await advance(hasty, world.organization_id, WEEK_LATER)
    async with twin(engine) as whole:
        await advance(engine, whole.organization_id, WEEK_LATER)

    assert times == sorted(times)
    # A call to the bank may be made again, to ask what became of the payment; everything else is as it would have been.
    assert await history(world, "payments") == await history(whole, "payments")
    assert {calls for _, calls in (await history(world))["payments"]} == {1}


async def test_two_who_move_the_clock_at_once_do_everything_once(world: World, engine: Engine, other_engine: Engine):
    await eventful(world)
    await asyncio.gather(
        advance(world.engine, world.organization_id, utc("2027-03-05T12:00")),
        advance(other_engine, world.organization_id, WEEK_LATER),
        advance(other_engine, world.organization_id, utc("2027-03-01T18:00")),
    )
    async with twin(engine) as whole:
        await advance(engine, whole.organization_id, WEEK_LATER)

    state = await read_clock(world.engine, world.organization_id)
    assert (state.now, state.is_frozen) == (WEEK_LATER, True)
    assert await history(world) == await history(whole)


@pytest.mark.parametrize("count", [1, 2])
async def test_workers_in_the_background_change_nothing_about_the_history(
    world: World, engine: Engine, other_engine: Engine, count: int
):
    await eventful(world)
    async with working(Worker(engine)), working(Worker(other_engine if count == 2 else engine)):
        await advance(engine, world.organization_id, WEEK_LATER)
    async with twin(engine) as whole:
        await advance(engine, whole.organization_id, WEEK_LATER)

    assert await history(world) == await history(whole)


async def test_a_clock_waits_for_a_question_that_a_worker_is_asking(saving: World):
    service = Pausing([amount(500)])
    async with asking(saving, service) as (world, server), working(Worker(world.engine)):
        await world.rule("tax", on_demand("income", {**remote(server), "destination": saving.accounts["savings"]}))
        await world.trigger("tax")
        await service.are_waiting(1)
        moving = asyncio.create_task(advance(world.engine, world.organization_id, utc("2027-05-01")))
        await asyncio.sleep(0.1)
        assert (moving.done(), await time_of(world)) == (False, utc("2027-03-01"))
        service.gates[0].set()
        await moving

    [run] = await saving.executions()
    assert (shown(run.finished_at), run.counts.completed) == ("2027-03-01 00:00", 1)


async def test_a_clock_does_not_wait_for_what_is_paused(saving: World):
    async with asking(saving, replying(500)) as (world, server):
        await world.rule("tax", on_demand("income", {**remote(server), "destination": saving.accounts["savings"]}))
        await world.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))
        await world.trigger("tax")
        await pause(world.engine, world.organization_id)

        await go_to(world, "2027-04-01")

        assert server.requests == []
        assert [run.status for run in await world.executions()] == [ExecutionStatus.IN_PROGRESS]
