"""Money that a bank has to carry: held on its way out, expected on its way in, and nothing posted before its time."""

from typing import Any

import pytest

from sluiceway.domain.errors import AccountNotEmpty
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Origin, Transfer, TransferStatus
from sluiceway.services.accounts import delete_account
from sluiceway.services.rules import disable_rule
from sluiceway.services.transfers import transfer
from sluiceway.storage.database import fetch_all
from tests.support import World, fixed, on_demand, percent, whenever_money_arrives


async def bank_account(world: World, name: str, available: int | None = None, **more: Any) -> None:
    reported = ReportedBalance(
        balance=None if available is None else Cents(available),
        available=None if available is None else Cents(available),
        **more,
    )
    kind = ExternalKind.DEPOSITORY
    await world.account(name, AccountKind.EXTERNAL_ACCOUNT, external_kind=kind, reported=reported)


async def postings(world: World) -> list[tuple[str, int]]:
    async with world.engine.database.read() as tx:
        rows = await fetch_all(
            tx, "SELECT kind, amount FROM posting WHERE debit_account_id <> %(w)s::uuid", {"w": await the_world(world)}
        )
    return [(kind, amount) for kind, amount in rows]


async def the_world(world: World) -> str:
    async with world.engine.database.read() as tx:
        [(account_id,)] = await fetch_all(tx, "SELECT id FROM account WHERE kind = 'WORLD'")
    return account_id


async def test_a_rule_that_pays_out_holds_the_money_and_stays_in_progress(world: World):
    await world.account("income")
    await bank_account(world, "landlord")
    await world.rule("rent", whenever_money_arrives("income", fixed(120_000, "income", "landlord")))

    await world.deposit("income", 200_000)
    assert await world.settle() == 1

    [run] = await world.executions()
    assert (run.status, run.counts, run.finished_at) == (ExecutionStatus.IN_PROGRESS, (1, 0, 0, 1), None)
    rent = (await world.transfers())[-1]
    assert (rent.status, rent.direction, rent.completed_at) == (
        TransferStatus.PROCESSING,
        Direction.MONEY_OUT,
        None,
    )
    assert await world.figures("income") == (200_000, 120_000, 0)
    assert await world.figures("landlord") == (0, 0, 120_000)
    assert (await world.balances())["income"] == 80_000
    assert await postings(world) == [("hold", 120_000)]
    assert await world.settle() == 0


async def test_held_money_cannot_be_spent_again(world: World):
    await world.account("income")
    await world.account("savings")
    await bank_account(world, "landlord")
    await world.rule("rent", on_demand("income", fixed(120_000, "income", "landlord")))
    await world.deposit("income", 200_000)
    await world.trigger("rent")
    await world.trigger("rent")
    await world.settle()

    one_cent_too_much, all_of_it = [await world.transfer("income", "savings", cents) for cents in (80_001, 80_000)]

    statuses = {transfer.id: transfer.status for transfer in await world.transfers()}
    assert [run.status for run in await world.executions()] == [ExecutionStatus.IN_PROGRESS, ExecutionStatus.FAILED]
    assert statuses[one_cent_too_much.body.decode()] == TransferStatus.INCOMPLETE
    assert statuses[all_of_it.body.decode()] == TransferStatus.COMPLETE
    assert await world.figures("income") == (120_000, 120_000, 0)


async def test_percentages_and_conditions_look_at_what_is_not_held(world: World):
    await world.account("income")
    await world.account("savings")
    await bank_account(world, "landlord")
    await world.rule("rent", on_demand("income", fixed(120_000, "income", "landlord")))
    await world.rule("save", on_demand("income", percent(10, "income", "savings")))
    await world.deposit("income", 200_000)

    await world.trigger("rent")
    await world.trigger("save")
    await world.settle()

    assert (await world.balances())["savings"] == 8_000


async def test_a_pull_from_a_bank_posts_nothing_and_is_expected(world: World):
    await world.account("savings")
    await bank_account(world, "checking", 50_000)
    await world.rule("pull", on_demand("checking", fixed(30_000, "checking", "savings")))

    await world.trigger("pull")
    await world.settle()

    [run], [pull] = await world.executions(), await world.transfers()
    assert (run.status, run.counts.pending) == (ExecutionStatus.IN_PROGRESS, 1)
    assert (pull.status, pull.direction, pull.origin) == (
        TransferStatus.PROCESSING,
        Direction.MONEY_IN,
        Origin.RULE,
    )
    assert await world.figures("savings") == (0, 0, 30_000)
    assert await world.figures("checking") == (0, 30_000, 0)
    assert await world.balances() == {"savings": 0, "checking": 20_000}
    assert await postings(world) == []


async def test_what_is_expected_can_neither_be_spent_nor_does_it_fire_rules(world: World):
    await world.account("savings")
    await world.account("pod")
    await bank_account(world, "checking", 50_000)
    await world.rule("pass on", whenever_money_arrives("savings", fixed(100, "savings", "pod")))

    await world.transfer("checking", "savings", 30_000)
    spent = await world.transfer("savings", "pod", 100)

    assert await world.settle() == 0
    [pull, attempt] = await world.transfers()
    assert (pull.origin, pull.status) == (Origin.USER_PULL, TransferStatus.PROCESSING)
    assert (attempt.id.encode(), attempt.status) == (spent.body, TransferStatus.INCOMPLETE)


async def test_two_pulls_take_no_more_than_the_bank_reports(world: World):
    await world.account("savings")
    await bank_account(world, "checking", 50_000)
    await world.rule("pull", on_demand("checking", fixed(30_000, "checking", "savings", up_to_enabled=True)))
    await world.trigger("pull")
    await world.trigger("pull")
    await world.trigger("pull")

    await world.settle()

    assert [transfer.amount for transfer in await world.transfers()] == [30_000, 20_000]
    assert await world.figures("checking") == (0, 50_000, 0)


@pytest.mark.parametrize("reported", [{}, {"error": "LOGIN_REQUIRED"}])
async def test_a_bank_that_gives_no_balance_gives_no_money(world: World, reported: dict[str, str]):
    await world.account("savings")
    await bank_account(world, "checking", 50_000 if reported else None, **reported)
    await world.rule("pull", on_demand("checking", fixed(30_000, "checking", "savings")))

    await world.trigger("pull")
    by_hand = await world.transfer("checking", "savings", 30_000)
    await world.settle()

    made = await world.transfers()
    assert by_hand.status == 201
    assert [(transfer.status, transfer.error_code) for transfer in made] == [(TransferStatus.ERROR, "NULL_BALANCE")] * 2
    [run] = await world.executions()
    assert (run.status, run.error_message) == (
        ExecutionStatus.FAILED,
        "The balance of an account could not be had.",
    )
    assert await world.figures("savings") == (0, 0, 0)


async def test_money_from_bank_to_bank_is_pulled_and_expected_and_never_ours(world: World):
    await bank_account(world, "checking", 50_000)
    await bank_account(world, "broker")

    await world.transfer("checking", "broker", 20_000)

    [made] = await world.transfers()
    assert (made.status, made.direction) == (TransferStatus.PROCESSING, Direction.MONEY_OUT)
    assert await world.figures("checking") == (0, 20_000, 0)
    assert await world.figures("broker") == (0, 0, 20_000)
    async with world.engine.database.read() as tx:
        assert await fetch_all(tx, "SELECT count(*) FROM posting") == [(0,)]


async def test_a_step_with_money_inside_and_outside_counts_both(world: World):
    await world.account("income")
    await world.account("savings")
    await bank_account(world, "landlord")
    await world.rule(
        "both",
        on_demand("income", fixed(1_000, "income", "savings"), fixed(2_000, "income", "landlord")),
    )
    await world.deposit("income", 10_000)

    await world.trigger("both")
    await world.settle()

    [run] = await world.executions()
    assert (run.status, run.counts) == (ExecutionStatus.IN_PROGRESS, (2, 1, 0, 1))
    assert await world.events("execution.finished") == []


async def test_disabling_a_rule_leaves_what_is_on_its_way_alone(world: World):
    await world.account("income")
    await bank_account(world, "landlord")
    await world.rule("rent", on_demand("income", fixed(1_000, "income", "landlord")))
    await world.deposit("income", 10_000)
    await world.trigger("rent")
    await world.settle()

    await disable_rule(world.engine, world.organization_id, world.rules["rent"].id, "")

    assert await world.settle() == 0
    assert await world.figures("income") == (10_000, 1_000, 0)


@pytest.mark.parametrize("account", ["income", "landlord"])
async def test_an_account_with_money_on_its_way_is_not_deleted(world: World, account: str):
    await world.account("income")
    await bank_account(world, "landlord")
    await world.deposit("income", 10_000)
    await world.transfer("income", "landlord", 10_000)

    with pytest.raises(AccountNotEmpty):
        await delete_account(world.engine, world.organization_id, world.accounts[account], "")


async def test_the_caller_is_shown_what_a_later_read_shows(world: World):
    await world.account("income")
    await world.account("savings")
    await bank_account(world, "checking", 50_000)
    shown: list[Transfer] = []
    await world.deposit("income", 10_000)
    journeys = [
        ("income", "savings", 100),
        ("income", "savings", 1_000_000),
        ("income", "checking", 100),
        ("checking", "income", 100),
        ("checking", "income", 1_000_000),
    ]

    for source, destination, amount in journeys:
        await transfer(world.engine, [world.transfer_command(source, destination, amount, shown=shown)])

    assert shown == (await world.transfers())[1:]
