"""Money moved on somebody's word: who may, how much, and exactness when everybody does it at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sluiceway.domain.access import EVERY, Grant, Permission, Principal, TransferPair
from sluiceway.domain.errors import (
    InvalidParameters,
    MaximumAmountExceeded,
    NotFound,
    PermissionDenied,
    TransferAccountNotFound,
)
from sluiceway.domain.ids import KeyId, TransferId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Origin, Transfer, TransferStatus
from sluiceway.services.accounts import delete_account
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.transfers import get_transfer, list_transfers, transfer
from sluiceway.storage.database import Database, fetch_all
from tests.support import World, deadlocks, fixed, new_world, on_demand, plain_engine


@pytest.fixture
async def pods(world: World) -> World:
    """Make three pods, of which the first holds a thousand dollars."""
    for name in ("a", "b", "c"):
        await world.account(name)
    await world.deposit("a", 100_000)
    return world


async def made(world: World, answer: Answer | Exception) -> Transfer:
    assert isinstance(answer, Answer), answer
    return next(transfer for transfer in await world.transfers() if transfer.id.encode() == answer.body)


async def ask(world: World, principal: Principal, source: str, destination: str, amount: int):
    [answer] = await transfer(world.engine, [world.transfer_command(source, destination, amount, principal=principal)])
    return answer


async def test_money_moves_at_once_between_our_accounts(pods: World):
    answer = await pods.transfer("a", "b", 30_000)

    done = await made(pods, answer)
    assert (done.status, done.origin, done.direction) == (
        TransferStatus.COMPLETE,
        Origin.USER,
        Direction.INTERNAL,
    )
    assert await pods.balances() == {"a": 70_000, "b": 30_000, "c": 0}


@pytest.mark.parametrize(
    ("amount", "status", "left"),
    [(100_000, TransferStatus.COMPLETE, 0), (100_001, TransferStatus.INCOMPLETE, 100_000)],
    ids=["exactly_the_funds", "one_cent_short"],
)
async def test_funds_decide_to_the_cent(pods: World, amount: int, status: TransferStatus, left: int):
    done = await made(pods, await pods.transfer("a", "b", amount))

    assert (done.status, done.amount) == (status, amount)
    assert done.error_code == (None if status is TransferStatus.COMPLETE else "INSUFFICIENT_FUNDS")
    assert (await pods.balances())["a"] == left


async def test_the_transfers_of_a_batch_see_what_those_before_them_left(pods: World):
    journeys = [("a", "b", 60_000), ("a", "b", 60_000), ("b", "c", 60_000), ("c", "a", 60_000), ("a", "b", 60_000)]

    await transfer(pods.engine, [pods.transfer_command(*journey) for journey in journeys])

    assert [done.status == TransferStatus.COMPLETE for done in (await pods.transfers())[1:]] == [
        True,
        False,
        True,
        True,
        True,
    ]
    assert await pods.balances() == {"a": 40_000, "b": 60_000, "c": 0}


async def test_a_pair_is_atomic_and_has_a_direction(pods: World):
    a, b, c = (pods.accounts[name] for name in ("a", "b", "c"))
    principal = pods.principal(TransferPair(a, b), TransferPair(b, c))

    assert isinstance(await ask(pods, principal, "a", "b", 100), Answer)
    assert isinstance(await ask(pods, principal, "b", "c", 100), Answer)
    for source, destination in (("a", "c"), ("b", "a"), ("c", "a"), ("c", "b")):
        assert isinstance(await ask(pods, principal, source, destination, 100), PermissionDenied)


@pytest.mark.parametrize(
    ("amount", "is_allowed"), [(4_999, True), (5_000, True), (5_001, False)], ids=["below", "at", "above"]
)
async def test_a_maximum_is_the_last_amount_allowed(pods: World, amount: int, is_allowed: bool):
    principal = pods.principal(TransferPair(pods.accounts["a"], EVERY, Cents(5_000)))

    answer = await ask(pods, principal, "a", "b", amount)

    assert isinstance(answer, Answer) is is_allowed
    assert is_allowed or (isinstance(answer, MaximumAmountExceeded) and answer.maximum == 5_000)


async def test_of_several_entries_for_a_pair_the_widest_counts(pods: World):
    a, b = pods.accounts["a"], pods.accounts["b"]
    principal = pods.principal(TransferPair(a, b, Cents(500)), TransferPair(EVERY, b, Cents(700)))

    assert isinstance(await ask(pods, principal, "a", "b", 700), Answer)
    assert isinstance(await ask(pods, principal, "a", "b", 701), MaximumAmountExceeded)


async def test_without_the_permission_nothing_moves(pods: World):
    nobody = Principal(pods.organization_id, KeyId(pods.engine.new_id()), {Permission.READ_TRANSFERS: Grant()})

    assert isinstance(await ask(pods, nobody, "a", "b", 100), PermissionDenied)
    assert (await pods.balances())["b"] == 0


async def test_what_cannot_be_moved_is_refused_before_anything_is_written(pods: World):
    neighbour = await new_world(pods.engine)
    await neighbour.account("theirs")
    await neighbour.deposit("theirs", 100_000)
    await pods.account("euros", currency="EUR")
    await pods.account("gone")
    await pods.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY)
    await pods.account("broker", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.INVESTMENT)
    await delete_account(pods.engine, pods.organization_id, pods.accounts["gone"], "")
    pods.accounts |= {"theirs": neighbour.accounts["theirs"], "nowhere": pods.engine.new_id()}
    async with pods.engine.database.read() as tx:
        [(pods.accounts["world"],)] = await fetch_all(
            tx,
            "SELECT id FROM account WHERE kind = 'WORLD' AND currency = 'USD' AND organization_id = %(o)s::uuid",
            {"o": pods.organization_id},
        )
    before = len(await pods.transfers())
    refused = {
        ("theirs", "a"): TransferAccountNotFound,
        ("a", "theirs"): TransferAccountNotFound,
        ("nowhere", "a"): TransferAccountNotFound,
        ("a", "nowhere"): TransferAccountNotFound,
        ("world", "a"): TransferAccountNotFound,
        ("a", "world"): TransferAccountNotFound,
        ("gone", "a"): TransferAccountNotFound,
        ("a", "gone"): TransferAccountNotFound,
        ("a", "a"): InvalidParameters,
        ("a", "euros"): InvalidParameters,
        ("card", "a"): InvalidParameters,
        ("broker", "a"): InvalidParameters,
    }

    answers = await transfer(pods.engine, [pods.transfer_command(*ends, 500) for ends in refused])

    assert [type(answer) for answer in answers] == list(refused.values())
    assert [a.is_source for a in answers if isinstance(a, TransferAccountNotFound)] == [True, False] * 4
    assert len(await pods.transfers()) == before
    assert await neighbour.balances() == {"theirs": 100_000}


@pytest.mark.parametrize("amount", [99, 1, 0, -1, -100_000])
async def test_too_little_is_refused(pods: World, amount: int):
    answer = await pods.transfer("a", "b", amount)

    assert isinstance(answer, InvalidParameters)
    assert answer.problems[0].path == "amount"


async def test_a_refused_transfer_leaves_its_neighbours_alone(pods: World):
    narrow = pods.principal(TransferPair(pods.accounts["b"], EVERY))
    commands = [
        pods.transfer_command("a", "b", 100, "one"),
        pods.transfer_command("a", "b", 100, "two", principal=narrow),
        pods.transfer_command("a", "a", 100, "three"),
        pods.transfer_command("a", "c", 200, "four"),
    ]

    answers = await transfer(pods.engine, commands)

    assert [type(answer) for answer in answers] == [Answer, PermissionDenied, InvalidParameters, Answer]
    assert await pods.balances() == {"a": 99_700, "b": 100, "c": 200}


async def test_money_both_ways_at_once_never_deadlocks_and_adds_up(pods: World, database_url: str):
    await pods.transfer("a", "b", 50_000)

    async def caller(number: int, database: Database) -> None:
        world = replace(pods, engine=plain_engine(database))
        ends = ("a", "b") if number % 2 else ("b", "a")
        for _ in range(100):
            assert isinstance(await world.transfer(*ends, 100 + number), Answer)

    async with Database(database_url) as one, Database(database_url) as two:
        await asyncio.gather(*(caller(number, (one, two)[number // 4]) for number in range(8)))

    # Every sum is far from running out: 50,000 less four times a hundred times about 103 would not be.
    done = [t for t in (await pods.transfers())[2:] if t.status is TransferStatus.COMPLETE]
    there = sum(t.amount for t in done if t.source is not None and t.source.id == pods.accounts["a"])
    back = sum(t.amount for t in done if t.source is not None and t.source.id == pods.accounts["b"])
    assert len((await pods.transfers())[2:]) == 800
    assert await pods.balances() == {"a": 50_000 - there + back, "b": 50_000 + there - back, "c": 0}
    assert deadlocks(database_url) == 0


async def test_sixty_four_callers_with_money_for_half_of_them_are_served_to_the_cent(pods: World, other_engine: Engine):
    edges = Edge(pods.engine), Edge(other_engine)
    commands = [pods.transfer_command("a", "b" if n % 2 else "c", 3_125) for n in range(64)]

    answers = await asyncio.gather(*(edges[n % 2].transfer(command) for n, command in enumerate(commands)))

    assert len({answer.body for answer in answers}) == 64
    statuses = [done.status for done in (await pods.transfers())[1:]]
    assert (statuses.count(TransferStatus.COMPLETE), statuses.count(TransferStatus.INCOMPLETE)) == (32, 32)
    balances = await pods.balances()
    assert (balances["a"], balances["b"] + balances["c"]) == (0, 100_000)


async def test_the_hot_account_is_as_exact_without_batches(pods: World, other_engine: Engine):
    elsewhere = replace(pods, engine=other_engine)

    await asyncio.gather(*((pods, elsewhere)[n % 2].transfer("a", "b", 3_125) for n in range(64)))

    statuses = [done.status for done in (await pods.transfers())[1:]]
    assert statuses.count(TransferStatus.COMPLETE) == 32
    assert await pods.balances() == {"a": 0, "b": 100_000, "c": 0}


async def test_transfers_by_hand_and_settlements_at_once_add_up(pods: World, database_url: str):
    await pods.rule("back", on_demand("b", fixed(100, "b", "a", up_to_enabled=True)))
    await pods.rule("round", on_demand("a", fixed(100, "a", "c"), fixed(100, "c", "b")))

    async with Database(database_url) as one, Database(database_url) as two:
        by_hand, worker = (replace(pods, engine=plain_engine(database)) for database in (one, two))

        async def hands() -> None:
            for _ in range(60):
                await by_hand.transfer("a", "b", 150)
                await by_hand.trigger("back")
                await by_hand.trigger("round")

        async def work() -> None:
            for _ in range(60):
                await worker.settle()

        await asyncio.gather(hands(), work(), hands())

    await pods.settle()
    assert sum((await pods.balances()).values()) == 100_000
    assert deadlocks(database_url) == 0


def reader(world: World, *names: str) -> Principal:
    grant = Grant(is_for_every=not names, resources=frozenset(world.accounts[name] for name in names))
    return Principal(world.organization_id, KeyId(world.engine.new_id()), {Permission.READ_TRANSFERS: grant})


async def test_either_end_may_read_a_transfer_and_nobody_else_learns_of_it(pods: World):
    done = await made(pods, await pods.transfer("a", "b", 100))
    stranger = await new_world(pods.engine)

    for principal in (reader(pods), reader(pods, "a"), reader(pods, "b")):
        assert await get_transfer(pods.engine, principal, done.id, "") == done
    for transfer_id in (done.id, TransferId(pods.engine.new_id()), None):
        with pytest.raises(PermissionDenied):
            await get_transfer(pods.engine, reader(pods, "c"), transfer_id, "")
        with pytest.raises(NotFound):
            await get_transfer(pods.engine, reader(stranger), transfer_id, "")


async def test_a_list_has_every_transfer_of_an_account_once_newest_first(pods: World):
    for source, destination in (("a", "b"), ("b", "c"), ("a", "c"), ("b", "a")):
        await pods.transfer(source, destination, 100)
    a, b, c = (pods.accounts[name] for name in ("a", "b", "c"))

    async def ends(*accounts, **more) -> list[str]:
        found = await list_transfers(pods.engine, reader(pods), accounts, limit=50, **more)
        names = {account_id: name for name, account_id in pods.accounts.items()}
        return [f"{names[t.source.id] if t.source else ''}{names[t.destination.id]}" for t in found if t.destination]

    assert await ends(a) == ["ba", "ac", "ab", "a"]
    assert await ends(a, b, c, a) == ["ba", "ac", "bc", "ab", "a"]
    assert await ends(a, as_destination=False) == ["ac", "ab"]
    assert await ends(a, as_source=False) == ["ba", "a"]
    assert await ends(b, c, as_source=False) == ["ac", "bc", "ab"]
    assert await ends(a, origin=Origin.DIRECT_DEPOSIT) == ["a"]
    assert await ends(a, direction=Direction.INTERNAL) == ["ba", "ac", "ab"]
    assert await ends(a, status=TransferStatus.INCOMPLETE) == ["ba"]
    assert await ends() == []


async def test_pages_meet_without_gap_or_overlap(pods: World):
    for number in range(11):
        await pods.transfer("a", "b", 100 + number)
    everything = await list_transfers(pods.engine, reader(pods), [pods.accounts["a"], pods.accounts["b"]], limit=99)
    pages: list[Transfer] = []

    while page := await list_transfers(
        pods.engine,
        reader(pods),
        [pods.accounts["a"], pods.accounts["b"]],
        before_id=pages[-1].id if pages else None,
        limit=5,
    ):
        pages += page

    assert pages == everything
    assert len(pages) == 12


async def test_a_time_range_has_both_its_ends(pods: World):
    moments = [pods.engine.now() + timedelta(days=day) for day in (1, 2, 3)]
    for moment in moments:
        await replace(pods, engine=replace(pods.engine, now=lambda moment=moment: moment)).transfer("a", "b", 100)
    accounts = [pods.accounts["b"]]

    found = await list_transfers(pods.engine, reader(pods), accounts, from_at=moments[0], to_at=moments[1], limit=9)

    assert [transfer.created_at for transfer in found] == [moments[1], moments[0]]


async def test_a_list_of_an_account_that_the_key_may_not_see_is_refused(pods: World):
    with pytest.raises(PermissionDenied):
        await list_transfers(pods.engine, reader(pods, "a"), [pods.accounts["a"], pods.accounts["b"]], limit=9)


async def test_a_transfer_keeps_the_last_name_of_a_deleted_account(pods: World):
    done = await made(pods, await pods.transfer("a", "b", 100_000))
    await delete_account(pods.engine, pods.organization_id, pods.accounts["a"], "")

    read = await get_transfer(pods.engine, reader(pods), done.id, "")

    assert read.source is not None
    assert (read.source.name, read.source.is_deleted) == ("a", True)
