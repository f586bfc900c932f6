"""What banks say of external accounts: fetched daily and on demand, firing rules once for each movement."""

from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.rules import TriggerType
from sluiceway.domain.transfers import TransferStatus
from sluiceway.services import refreshing
from sluiceway.services.accounts import delete_account
from sluiceway.services.clock import advance
from sluiceway.services.errands import work_off
from sluiceway.services.looking import look
from sluiceway.services.refreshing import refresh
from sluiceway.storage.bank_rows import BankAccountState, BankCall, Fault
from tests.banked import RepeatingBank, connect, fail_next, known, pay, set_state, time_of
from tests.clocks import go_to, shown, stop_clock
from tests.support import World, fixed, on_demand, whenever_money_arrives

A_DAY = timedelta(days=1)


@pytest_asyncio.fixture(loop_scope="session")
async def banked(world: World) -> World:
    """Give the world an account of its own with money, one at a bank, and a rule that money arriving there fires."""
    await stop_clock(world, "2027-03-01")
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    await connect(world, "checking", 50_000, 20_000, -5_000)
    await world.rule("on pay", whenever_money_arrives("checking", fixed(100, "income", "savings")))
    return world


async def refreshed(world: World, name: str = "checking") -> bool:
    """Fetch an account now; tell whether its bank answered."""
    failed = await refresh(world.engine, world.organization_id, [world.accounts[name]])
    await finish(world)
    return not failed


async def finish(world: World) -> None:
    while await work_off(world.engine, world.organization_id):
        pass


async def days(world: World, count: int) -> None:
    await advance(world.engine, world.organization_id, await time_of(world) + count * A_DAY)


def amounts(executions: list[Execution]) -> list[int | None]:
    return [each.transfer_amount for each in executions]


async def test_the_first_look_learns_the_balance_and_fires_nothing(banked: World):
    await finish(banked)

    told = await known(banked, "checking")
    assert (told.balance, told.available, told.error, shown(told.updated_at)) == (
        50_000,
        50_000,
        None,
        "2027-03-01 00:00",
    )
    assert await banked.executions() == []


async def test_an_account_is_looked_at_once_a_day(banked: World):
    await finish(banked)
    await go_to(banked, "2027-03-01T10:00")
    await pay(banked, "checking", 7_000)

    await go_to(banked, "2027-03-01T23:59")
    assert ((await known(banked, "checking")).balance, await banked.executions()) == (50_000, [])
    await go_to(banked, "2027-03-02")

    told = await known(banked, "checking")
    assert (told.balance, shown(told.updated_at)) == (57_000, "2027-03-02 00:00")
    [run] = await banked.executions("on pay")
    assert (run.trigger_type, run.transfer_amount, run.status, shown(run.created_at)) == (
        TriggerType.ON_FUNDS_TRANSFERRED,
        7_000,
        ExecutionStatus.EXECUTED,
        "2027-03-02 00:00",
    )
    await days(banked, 5)
    assert len(await banked.executions()) == 1


async def test_on_demand_it_is_looked_at_now(banked: World):
    await finish(banked)
    await go_to(banked, "2027-03-01T10:00")
    await pay(banked, "checking", 7_000)

    assert await refreshed(banked)

    told = await known(banked, "checking")
    assert (told.balance, shown(told.updated_at)) == (57_000, "2027-03-01 10:00")
    assert amounts(await banked.executions()) == [7_000]


async def test_every_movement_fires_once_and_not_what_the_balance_has_gained(banked: World):
    await finish(banked)
    # The same amount twice is two payments; what goes out fires nothing, whatever is left of what came in.
    await pay(banked, "checking", 300, 300, -600, 1_000)

    for _ in range(3):
        assert await refreshed(banked)

    assert sorted(amounts(await banked.executions())) == [300, 300, 1_000]
    assert (await banked.balances())["savings"] == 300


async def test_a_movement_that_is_listed_again_fires_nothing(banked: World):
    repeating = replace(banked.engine, rail_of=lambda _: RepeatingBank(banked.engine.database))
    world = replace(banked, engine=repeating)
    await finish(world)
    assert await world.executions() == []

    for amount in (700, 700, 900):
        await pay(world, "checking", amount)
        await days(world, 2)
        assert await refreshed(world)

    assert amounts(await world.executions()) == [700, 700, 900]


@pytest.mark.parametrize("bank_moves", ["push", "pull"])
async def test_our_own_transfers_fire_nothing_through_the_feed(banked: World, bank_moves: str):
    await finish(banked)
    ends = ("income", "checking") if bank_moves == "push" else ("checking", "income")
    await banked.transfer(*ends, 10_000)

    await days(banked, 10)

    assert (await banked.transfers())[1].status is TransferStatus.COMPLETE
    assert (await known(banked, "checking")).balance == (60_000 if bank_moves == "push" else 40_000)
    # Money that a push has brought there fires the account's rules when it has settled: once.
    assert amounts(await banked.executions()) == ([10_000] if bank_moves == "push" else [])


async def test_a_first_look_takes_a_long_past_in(banked: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refreshing, "MOST_TRANSACTIONS", 250)
    await connect(banked, "old", 1_000, *[1] * 450)
    await banked.rule("on old", whenever_money_arrives("old", fixed(100, "income", "savings")))

    await finish(banked)
    await days(banked, 2)
    assert await banked.executions() == []
    await pay(banked, "old", 5)
    await days(banked, 1)

    assert amounts(await banked.executions()) == [5]


async def test_much_news_at_once_is_taken_in_right_away(banked: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refreshing, "MOST_TRANSACTIONS", 200)
    await finish(banked)
    await pay(banked, "checking", *range(1, 451))

    await go_to(banked, "2027-03-02")

    assert sorted(amounts(await banked.executions())) == list(range(1, 451))
    assert {shown(each.created_at) for each in await banked.executions()} == {"2027-03-02 00:00"}


@pytest.mark.parametrize("call", [BankCall.BALANCES, BankCall.TRANSACTIONS])
async def test_a_bank_that_does_not_answer_leaves_the_last_figures_and_makes_the_balance_unknown(
    banked: World, call: BankCall
):
    await finish(banked)
    await go_to(banked, "2027-03-01T12:00")
    await pay(banked, "checking", 700)
    await fail_next(banked, call, 3)

    assert not await refreshed(banked)

    told = await known(banked, "checking")
    assert (told.error, told.balance, shown(told.updated_at)) == ("UNAVAILABLE", 50_000, "2027-03-01 00:00")
    assert (await banked.balances())["checking"] == 0, "unknown"
    await go_to(banked, "2027-03-01T12:06")
    assert (await known(banked, "checking")).error == "UNAVAILABLE", "after one and five minutes"
    assert await banked.executions() == []
    await go_to(banked, "2027-03-01T12:36")
    told = await known(banked, "checking")
    assert (told.error, told.balance, shown(told.updated_at)) == (None, 50_700, "2027-03-01 12:36")
    assert amounts(await banked.executions()) == [700]
    assert await banked.events("balance.unavailable") == [banked.accounts["checking"]], "once for each outage"


async def test_a_reply_that_is_lost_loses_no_movement(banked: World):
    await finish(banked)
    await pay(banked, "checking", 700)
    await fail_next(banked, BankCall.TRANSACTIONS, 1, Fault.LOST_REPLY)

    assert [await refreshed(banked), await refreshed(banked)] == [False, True]

    assert amounts(await banked.executions()) == [700]


async def test_a_connection_that_breaks_keeps_the_last_figures_until_the_next_good_answer(banked: World):
    await finish(banked)
    await set_state(banked, "checking", BankAccountState.DISCONNECTED)
    await pay(banked, "checking", 900)

    await days(banked, 2)
    told = await known(banked, "checking")
    assert (told.error, told.balance, shown(told.updated_at)) == (
        "DISCONNECTED_ACCOUNT",
        50_000,
        "2027-03-01 00:00",
    )
    assert await banked.executions() == []
    await set_state(banked, "checking", BankAccountState.OPEN)
    await days(banked, 1)

    told = await known(banked, "checking")
    assert (told.error, told.balance, shown(told.updated_at)) == (None, 50_900, "2027-03-04 00:00")
    assert amounts(await banked.executions()) == [900]


async def test_an_account_whose_connection_is_broken_from_the_start_fires_nothing_of_its_past(banked: World):
    await set_state(banked, "checking", BankAccountState.DISCONNECTED)
    await finish(banked)
    await days(banked, 1)
    await set_state(banked, "checking", BankAccountState.OPEN)
    await days(banked, 1)
    assert (await known(banked, "checking")).balance == 50_000
    assert await banked.executions() == []

    await pay(banked, "checking", 40)
    await days(banked, 1)

    assert amounts(await banked.executions()) == [40]


async def test_an_old_balance_is_unknown_to_a_rule_that_wants_a_fresh_one(banked: World):
    rule = on_demand("checking", fixed(1_000, "checking", "savings"))
    await banked.rule("careful", {**rule, "max_balance_age_in_minutes": 60})
    await banked.rule("careless", rule)
    await finish(banked)
    await go_to(banked, "2027-03-01T01:00:01")

    for name in ("careful", "careless", "careful"):
        await banked.trigger(name)
        await finish(banked)
        if name == "careless":
            assert await refreshed(banked)

    careful, careless = await banked.executions("careful"), await banked.executions("careless")
    assert [(run.status, run.error_message) for run in careful] == [
        (ExecutionStatus.FAILED, "The balance of an account could not be had."),
        (ExecutionStatus.IN_PROGRESS, None),
    ]
    assert [run.status for run in careless] == [ExecutionStatus.IN_PROGRESS]


async def test_an_account_that_is_deleted_is_looked_at_no_more(banked: World):
    await finish(banked)
    await pay(banked, "checking", 900)
    await delete_account(banked.engine, banked.organization_id, banked.accounts["checking"], "")

    assert await refreshed(banked)
    await days(banked, 2)

    assert (await known(banked, "checking")).balance == 50_000
    assert await banked.executions() == []


async def test_a_look_brings_reports_and_accounts_up_to_date(banked: World):
    await finish(banked)
    await pay(banked, "checking", 900)

    await look(banked.engine, banked.organization_id, [banked.accounts["checking"]])
    await finish(banked)

    assert ((await known(banked, "checking")).balance, amounts(await banked.executions())) == (50_900, [900])
