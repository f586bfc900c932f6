"""Balances before scheduled rules run, and two workers at one account: nothing is planned with what is out of date."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest_asyncio

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.services.accounts import delete_account
from sluiceway.services.engine import Engine
from sluiceway.services.errands import work_off
from sluiceway.services.gathering import gather
from sluiceway.services.refreshing import fetch, refresh
from sluiceway.services.schedules import fire
from sluiceway.storage.bank_rows import BankCall
from tests.banked import CountingBank, connect, fail_next, known, pay
from tests.clocks import go_to, scheduled, shown, stop_clock, until
from tests.support import World, fixed, percent, whenever_money_arrives

EVERYTHING = scheduled("DAILY", "2027-03-01T09:00", percent(10, "checking", "savings"))


@pytest_asyncio.fixture(loop_scope="session")
async def banked(world: World) -> World:
    await stop_clock(world, "2027-03-01")
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    await connect(world, "checking", 50_000)
    await finish(world)
    return world


async def finish(world: World) -> None:
    while await work_off(world.engine, world.organization_id):
        pass


def counted(world: World, *gates: asyncio.Event) -> tuple[World, CountingBank]:
    bank = CountingBank(world, gates)
    return replace(world, engine=replace(world.engine, rail_of=lambda _: bank)), bank


async def planned(world: World) -> list[int]:
    return [transfer.amount for transfer in await world.transfers() if transfer.execution_id is not None]


async def test_a_scheduled_rule_looks_at_a_fresh_balance(banked: World):
    await banked.rule("tenth", EVERYTHING)
    await pay(banked, "checking", 30_000)

    await go_to(banked, "2027-03-01T09:00")

    assert await planned(banked) == [8_000]
    assert shown((await known(banked, "checking")).updated_at) == "2027-03-01 09:00"


async def test_a_scheduled_rule_that_looks_at_no_bank_asks_none(banked: World):
    world, bank = counted(banked)
    await world.rule("save", scheduled("DAILY", "2027-03-01T09:00", fixed(100, "income", "savings")))

    await go_to(world, "2027-03-01T09:00")

    assert (await planned(world), bank.asked) == ([100], [])


async def test_many_rules_of_one_instant_see_the_fresh_balance_and_ask_for_it_once(banked: World):
    world, bank = counted(banked)
    for number in range(8):
        await world.rule(f"{number}", scheduled("DAILY", "2027-03-01T09:00", fixed(1_000, "checking", "savings")))
    await pay(world, "checking", -45_000)

    await go_to(world, "2027-03-01T09:00")

    statuses = [run.status for run in await world.executions()]
    assert statuses == [ExecutionStatus.IN_PROGRESS] * 5 + [ExecutionStatus.FAILED] * 3
    assert bank.asked == [world.accounts["checking"]]


async def test_a_rule_waits_for_whoever_asked_too_early_and_asks_again(banked: World, other_engine: Engine):
    gate = asyncio.Event()
    world, bank = counted(banked, gate)
    engine = replace(other_engine, rail_of=lambda _: bank)
    await world.rule("tenth", EVERYTHING)
    await stop_clock(world, "2027-03-02T00:00")
    early = asyncio.create_task(fetch(world.engine, world.organization_id))
    await until(lambda: are_asked(bank, 1))
    await pay(world, "checking", 30_000)

    await fire(engine, world.organization_id)
    late = asyncio.create_task(gather(engine, world.organization_id))
    await asyncio.sleep(0.1)
    assert not late.done()
    gate.set()
    await asyncio.gather(early, late)
    await finish(world)

    assert len(bank.asked) == 2
    assert await planned(world) == [8_000]


async def are_asked(bank: CountingBank, count: int) -> bool:
    return len(bank.asked) == count


async def test_a_bank_that_is_down_makes_a_scheduled_rule_wait_and_try_again(banked: World):
    await banked.rule("tenth", EVERYTHING)
    await fail_next(banked, BankCall.BALANCES, 2)

    await go_to(banked, "2027-03-01T09:00")
    [run] = await banked.executions()
    assert (run.status, shown(run.next_attempt_at), run.error_message) == (
        ExecutionStatus.IN_PROGRESS,
        "2027-03-01 09:01",
        "The bank did not answer when asked for balances.",
    )
    await go_to(banked, "2027-03-01T09:10")

    [run] = await banked.executions()
    assert (run.status, run.error_message, run.next_attempt_at) == (ExecutionStatus.IN_PROGRESS, None, None)
    assert await planned(banked) == [5_000]


async def test_a_bank_that_stays_down_ends_the_run_without_moving_anything(banked: World):
    await banked.rule("tenth", EVERYTHING)
    await fail_next(banked, BankCall.BALANCES, 50)

    await go_to(banked, "2027-03-02T00:00")

    [run] = await banked.executions()
    assert (run.status, run.error_message, shown(run.finished_at)) == (
        ExecutionStatus.FAILED,
        "The balance of an account could not be had.",
        "2027-03-01 17:36",
    )
    assert await planned(banked) == []


async def test_a_worker_that_is_stuck_at_a_bank_is_replaced_and_what_it_brings_is_dropped(
    banked: World, other_engine: Engine
):
    gate = asyncio.Event()
    world, bank = counted(banked, gate)
    await world.rule("on pay", whenever_money_arrives("checking", fixed(100, "income", "savings")))
    successor = replace(other_engine, rail_of=lambda _: bank, now=lambda: other_engine.now() + timedelta(seconds=31))
    await pay(world, "checking", 300)
    account_ids = [world.accounts["checking"]]

    stuck = asyncio.create_task(refresh(world.engine, world.organization_id, account_ids))
    await until(lambda: are_asked(bank, 1))
    await pay(world, "checking", 700)
    assert await refresh(successor, world.organization_id, account_ids) == set()
    gate.set()
    await stuck
    await finish(world)

    assert (await known(world, "checking")).balance == 51_000
    assert sorted(run.transfer_amount or 0 for run in await world.executions()) == [300, 700]


async def test_two_workers_that_fetch_at_once_fire_every_rule_once(banked: World, other_engine: Engine):
    await banked.rule("on pay", whenever_money_arrives("checking", fixed(100, "income", "savings")))
    account_ids = [banked.accounts["checking"]]
    for amount in range(1, 11):
        await pay(banked, "checking", amount)
        engines = [banked.engine, other_engine] * 2
        await asyncio.gather(*[refresh(engine, banked.organization_id, account_ids) for engine in engines])
    await finish(banked)

    assert [run.transfer_amount for run in await banked.executions()] == list(range(1, 11))


async def test_an_account_deleted_during_a_fetch_stays_as_it_was(banked: World, other_engine: Engine):
    gate = asyncio.Event()
    world, bank = counted(banked, gate)
    fetching = asyncio.create_task(refresh(world.engine, world.organization_id, [world.accounts["checking"]]))
    await until(lambda: are_asked(bank, 1))
    await delete_account(other_engine, world.organization_id, world.accounts["checking"], "")
    waiting = refresh(other_engine, world.organization_id, [world.accounts["checking"]])

    assert await asyncio.wait_for(waiting, 1) == set()
    gate.set()
    await fetching

    assert shown((await known(world, "checking")).updated_at) == "2027-03-01 00:00"
