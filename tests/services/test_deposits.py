"""Money arriving in a sandbox: where it may arrive, and where it may not."""

import asyncio
from dataclasses import replace

from sluiceway.domain.errors import NotFound, SandboxOnly
from sluiceway.domain.ids import AccountId, KeyId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.transfers import Direction, Origin, Transfer, TransferStatus
from sluiceway.services.accounts import delete_account
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.storage.database import fetch_all
from tests.support import World, fixed, new_world, whenever_money_arrives


def command(world: World, account_id: str, amount: int = 5_000, shown: list[Transfer] | None = None) -> Deposit:
    def show(made: Transfer) -> Answer:
        if shown is not None:
            shown.append(made)
        return Answer(201, made.id.encode())

    return Deposit(
        organization_id=world.organization_id,
        account_id=AccountId(account_id),
        spelling=account_id,
        amount=Cents(amount),
        key_id=KeyId(world.engine.new_id()),
        idempotency=None,
        show=show,
    )


async def the_world(world: World, currency: str = "USD") -> str:
    async with world.engine.database.read() as tx:
        [(account_id,)] = await fetch_all(
            tx, "SELECT id FROM account WHERE kind = 'WORLD' AND currency = %(currency)s", {"currency": currency}
        )
    return account_id


async def test_a_deposit_is_complete_at_once_and_comes_from_nobody_we_know(world: World):
    await world.account("income", AccountKind.INCOME_SOURCE)
    shown: list[Transfer] = []

    await deposit(world.engine, [command(world, world.accounts["income"], shown=shown)])

    [made] = await world.transfers()
    assert shown == [made]
    assert (made.status, made.direction, made.origin, made.source) == (
        TransferStatus.COMPLETE,
        Direction.MONEY_IN,
        Origin.DIRECT_DEPOSIT,
        None,
    )
    assert await world.figures("income") == (5_000, 0, 0)
    assert await world.events("transfer.created") == [made.id]


async def test_money_does_not_arrive_where_we_keep_none(world: World):
    neighbour = await new_world(world.engine)
    await world.account("pod")
    await world.account("gone")
    await world.account("bank", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
    await neighbour.account("theirs", currency="EUR")
    await delete_account(world.engine, world.organization_id, world.accounts["gone"], "")
    wrong = [
        world.accounts["gone"],
        world.accounts["bank"],
        await the_world(world),
        neighbour.accounts["theirs"],
        world.engine.new_id(),
    ]

    answers = await deposit(world.engine, [command(world, account_id) for account_id in wrong])
    [alone] = await deposit(world.engine, [command(world, wrong[2])])

    assert [type(answer) for answer in [*answers, alone]] == [NotFound] * 6
    assert [answer.spelling for answer in answers if isinstance(answer, NotFound)] == wrong
    assert await world.transfers() == []
    assert await neighbour.transfers() == []


async def test_a_refused_deposit_leaves_its_neighbours_alone(world: World):
    await world.account("pod")
    accounts = [world.accounts["pod"], world.engine.new_id(), world.accounts["pod"]]

    answers = await deposit(world.engine, [command(world, account_id) for account_id in accounts])

    assert [type(answer) for answer in answers] == [Answer, NotFound, Answer]
    assert await world.balances() == {"pod": 10_000}


async def test_a_live_organization_has_no_sandbox(world: World):
    live = await new_world(world.engine, is_sandbox=False)
    await live.account("income")
    await world.account("income")

    answers = await deposit(
        world.engine,
        [
            command(live, live.accounts["income"]),
            command(live, live.engine.new_id()),
            command(world, world.accounts["income"]),
        ],
    )

    assert [type(answer) for answer in answers] == [SandboxOnly, SandboxOnly, Answer]
    assert await live.balances() == {"income": 0}


async def test_each_currency_comes_from_its_own_world(world: World):
    await world.account("dollars")
    await world.account("euros", currency="EUR")

    await deposit(world.engine, [command(world, world.accounts[name], 700) for name in ("dollars", "euros")])

    assert await world.balances() == {"dollars": 700, "euros": 700}
    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT currency, posted FROM account WHERE kind = 'WORLD' ORDER BY currency")
    assert rows == [("EUR", -700), ("USD", -700)]


async def test_many_deposits_to_one_account_in_one_batch_add_up_and_fire_once_each(world: World):
    await world.account("income")
    await world.account("savings")
    await world.rule("save", whenever_money_arrives("income", fixed(100, "income", "savings")))

    await deposit(world.engine, [command(world, world.accounts["income"], 1_000 + n) for n in range(100)])

    assert await world.settle() == 100
    assert await world.balances() == {"income": 100_000 + 4_950 - 10_000, "savings": 10_000}


async def test_the_largest_amounts_fit(world: World):
    await world.account("income")

    await deposit(world.engine, [command(world, world.accounts["income"], MAX_CENTS) for _ in range(200)])

    assert await world.balances() == {"income": 200 * MAX_CENTS}


async def test_deposits_from_two_processes_to_the_same_accounts_add_up(world: World, other_engine: Engine):
    names = ["a", "b", "c", "d"]
    for name in names:
        await world.account(name)
    elsewhere = replace(world, engine=other_engine)

    async def process(of: World, order: list[str]) -> None:
        for _ in range(15):
            await deposit(of.engine, [command(of, of.accounts[name], 100) for name in order])

    await asyncio.gather(process(world, names), process(elsewhere, names[::-1]), process(world, names[::-1]))

    assert await world.balances() == dict.fromkeys(names, 4_500)
