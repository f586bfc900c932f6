"""Accounts: made, read and deleted, also by several people at once."""

import asyncio
from dataclasses import replace

import pytest

from sluiceway.domain.access import Grant, Permission, Principal
from sluiceway.domain.errors import AccountNotEmpty, NotFound, PermissionDenied
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import AccountId, KeyId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.services.accounts import delete_account, get_account, list_accounts
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.storage.database import fetch_all
from tests.support import World, fixed, locked_from_outside, new_world, on_demand, somebody_waits


def reader(world: World, *names: str) -> Principal:
    """Be somebody who may read these accounts; without any, all of them."""
    resources = frozenset(world.accounts.get(name, name) for name in names)
    return Principal(
        world.organization_id,
        KeyId(world.engine.new_id()),
        {
            Permission.LIST_ACCOUNTS: Grant(),
            Permission.READ_ACCOUNTS: Grant(is_for_every=not names, resources=resources),
        },
    )


async def delete(world: World, name: str):
    return await delete_account(world.engine, world.organization_id, world.accounts[name], name)


async def test_the_first_accounts_of_a_currency_may_be_made_at_the_same_moment(world: World, other_engine: Engine):
    elsewhere = replace(world, engine=other_engine)

    made = await asyncio.gather(
        *(of.account(f"{n}", currency="CHF") for n, of in enumerate([world, elsewhere] * 6)), return_exceptions=True
    )

    assert [type(account_id) for account_id in made] == [str] * 12
    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT kind, count(*) FROM account GROUP BY kind ORDER BY kind")
    assert rows == [("CLEARING", 1), ("POD", 12), ("WORLD", 1)]


async def test_an_account_is_read_as_it_was_made(world: World):
    reported = ReportedBalance(balance=Cents(-5), available=Cents(7), error="LOGIN_REQUIRED", interest_rate=19_990_000)
    await world.account(
        "card",
        AccountKind.EXTERNAL_ACCOUNT,
        external_kind=ExternalKind.LIABILITY,
        currency="EUR",
        description='It has "quotes", {braces} and \\',
        icon="💳",
        beneficiary_name="NULL",
        institution_name="",
        routing_number="021000021",
        account_number="000123",
        reported=reported,
    )

    record = await get_account(world.engine, reader(world), world.accounts["card"], "")

    assert (record.account.kind, record.account.external_kind) == (
        AccountKind.EXTERNAL_ACCOUNT,
        ExternalKind.LIABILITY,
    )
    assert (record.account.reported, record.account.currency) == (reported, "EUR")
    assert (record.name, record.description, record.icon) == ("card", 'It has "quotes", {braces} and \\', "💳")
    assert (record.beneficiary_name, record.institution_name) == ("NULL", "")
    assert (record.routing_number, record.account_number) == ("021000021", "000123")


async def test_accounts_are_listed_newest_first_in_pages_without_the_world_and_the_deleted(world: World):
    for name in ("a", "b", "c", "d", "e"):
        await world.account(name)
    await delete(world, "c")

    first = await list_accounts(world.engine, reader(world), limit=2)
    second = await list_accounts(world.engine, reader(world), before_id=first[-1].account.id, limit=10)

    assert [record.name for record in (*first, *second)] == ["e", "d", "b", "a"]
    assert [
        r.name for r in await list_accounts(world.engine, reader(world), kind=AccountKind.INCOME_SOURCE, limit=9)
    ] == []


async def test_a_key_reads_only_the_accounts_on_its_list_and_learns_nothing_of_others(world: World):
    await world.account("mine")
    await world.account("other")
    nobody = Principal(world.organization_id, KeyId(world.engine.new_id()), {})

    assert (await get_account(world.engine, reader(world, "mine"), world.accounts["mine"], "")).name == "mine"
    for principal, account_id in (
        (reader(world, "mine"), world.accounts["other"]),
        (reader(world, "mine"), AccountId(world.engine.new_id())),
        (reader(world, "mine"), None),
        (nobody, world.accounts["mine"]),
    ):
        with pytest.raises(PermissionDenied):
            await get_account(world.engine, principal, account_id, "")


async def test_what_is_not_there_is_not_found(world: World):
    neighbour = await new_world(world.engine)
    await neighbour.account("theirs")
    await world.account("gone")
    await delete(world, "gone")
    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT id FROM account WHERE kind = 'WORLD'")

    for account_id in (
        neighbour.accounts["theirs"],
        world.accounts["gone"],
        None,
        *(AccountId(row[0]) for row in rows),
    ):
        with pytest.raises(NotFound):
            await get_account(world.engine, reader(world), account_id, "")
        with pytest.raises(NotFound):
            await delete_account(world.engine, world.organization_id, account_id, "")
    assert (await neighbour.balances()) == {"theirs": 0}


async def test_an_account_with_money_is_not_deleted(world: World):
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 100)

    with pytest.raises(AccountNotEmpty):
        await delete(world, "income")
    await world.transfer("income", "savings", 100)
    await delete(world, "income")

    with pytest.raises(NotFound):
        await delete(world, "income")


async def test_a_deposit_that_waits_for_a_deletion_finds_nothing(world: World, other_engine: Engine, database_url: str):
    await world.account("pod")
    async with locked_from_outside(database_url, world.accounts["pod"]) as holder:
        deleting = asyncio.create_task(delete(world, "pod"))
        await somebody_waits(database_url, "lock_accounts")
        depositing = asyncio.create_task(replace(world, engine=other_engine).deposit("pod", 100))
        await somebody_waits(database_url, "lock_accounts", 2)
        await holder.rollback()

        deleted, deposited = await asyncio.gather(deleting, depositing)

    assert deleted.name == "pod"
    assert isinstance(deposited, NotFound)


async def test_deletions_and_deposits_at_once_never_lose_money(world: World, other_engine: Engine):
    elsewhere = replace(world, engine=other_engine)
    for number in range(25):
        name = f"pod {number}"
        await world.account(name)

        deleted, deposited = await asyncio.gather(
            delete(world, name), elsewhere.deposit(name, 100), return_exceptions=True
        )

        is_deleted = not isinstance(deleted, Exception)
        assert isinstance(deleted, AccountNotEmpty) or is_deleted
        assert isinstance(deposited, NotFound if is_deleted else Answer)


async def test_deletions_and_transfers_at_once_never_lose_money(world: World, other_engine: Engine):
    elsewhere = replace(world, engine=other_engine)
    await world.account("income")
    await world.deposit("income", 100_000)
    for number in range(25):
        name = f"pod {number}"
        await world.account(name)

        deleted, sent = await asyncio.gather(
            delete(world, name), elsewhere.transfer("income", name, 100), return_exceptions=True
        )

        is_deleted = not isinstance(deleted, Exception)
        assert isinstance(deleted, AccountNotEmpty) or is_deleted
        assert isinstance(sent, Answer) is not is_deleted


async def test_deletions_and_settlements_at_once_never_lose_money(world: World, other_engine: Engine):
    elsewhere = replace(world, engine=other_engine)
    await world.account("income")
    await world.deposit("income", 100_000)
    for number in range(12):
        name = f"pod {number}"
        await world.account(name)
        await world.rule(name, on_demand("income", fixed(100, "income", name)))
        answer = await world.trigger(name)

        deleted, _ = await asyncio.gather(delete(world, name), elsewhere.settle(), return_exceptions=True)

        await world.settle()
        is_deleted = not isinstance(deleted, Exception)
        ran = await world.execution(answer)
        assert isinstance(deleted, AccountNotEmpty) or is_deleted
        assert ran.status == (ExecutionStatus.FAILED if is_deleted else ExecutionStatus.EXECUTED)
