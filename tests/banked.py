"""External accounts that the sandbox bank keeps: opened, paid into, and what is known of them."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime

from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.rails import Transactions
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.clock import read_clock
from sluiceway.storage.accounts import find_account
from sluiceway.storage.bank_rows import BankAccount, BankAccountState, BankCall, BankEvent, EventKind, Fault
from tests.support import World


async def time_of(world: World) -> datetime:
    return (await read_clock(world.engine, world.organization_id)).now


def bank_of(world: World) -> SandboxBank:
    return SandboxBank(world.engine.database)


async def connect(world: World, name: str, balance: int = 0, *history: int) -> None:
    """Open an account at the bank, with movements from before, and connect it."""
    id_ = await world.account(name, AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
    opened = BankAccount(
        id=id_,
        kind=ExternalKind.DEPOSITORY,
        holder_name=None,
        currency="USD",
        state=BankAccountState.OPEN,
        balance=Cents(balance - sum(history)),
        available=None,
    )
    assert await bank_of(world).open_account(world.organization_id, opened, await time_of(world)) == ()
    await pay(world, name, *history)


async def pay(world: World, name: str, *amounts: int) -> None:
    """Let money move on an account at the bank; nobody here knows of it yet."""
    at = await time_of(world)
    for start in range(0, len(amounts), 100):
        events = [
            BankEvent(world.engine.new_id(), EventKind.TRANSACTION, world.accounts[name], at, amount, "Paid")
            for amount in amounts[start : start + 100]
        ]
        assert await bank_of(world).plan(world.organization_id, events, at) == ()


async def set_state(world: World, name: str, state: BankAccountState) -> None:
    await bank_of(world).set_state(world.organization_id, world.accounts[name], state, await time_of(world))


async def fail_next(world: World, call: BankCall, times: int = 1, fault: Fault = Fault.UNAVAILABLE) -> None:
    assert (
        await bank_of(world).fail_next(
            world.organization_id, world.engine.new_id(), call, fault, times, await time_of(world)
        )
        == ()
    )


async def known(world: World, name: str) -> ReportedBalance:
    """Tell what an account's bank has last said."""
    async with world.engine.database.read() as tx:
        record = await find_account(tx, world.organization_id, world.accounts[name])
    assert record is not None
    return record.account.reported


class CountingBank(SandboxBank):
    """Counts how often balances are asked for; each question may be made to wait at a gate."""

    def __init__(self, world: World, gates: Sequence[asyncio.Event] = ()) -> None:
        super().__init__(world.engine.database)
        self.gates = gates
        self.asked: list[AccountId] = []

    async def balances(
        self, organization_id: OrganizationId, account_ids: Collection[AccountId], at: datetime
    ) -> dict[AccountId, ReportedBalance]:
        number = len(self.asked)
        self.asked += account_ids
        answer = await super().balances(organization_id, account_ids, at)
        if number < len(self.gates):
            await self.gates[number].wait()
        return answer


class RepeatingBank(SandboxBank):
    """A bank whose cursors say little: every look lists everything that ever was, and each movement twice."""

    async def transactions(
        self, organization_id: OrganizationId, account_id: AccountId, cursor: str | None, at: datetime
    ) -> Transactions:
        """List from the beginning; a cursor that ends in a star has just been given all."""
        if cursor is not None and cursor.endswith("*"):
            return Transactions((), cursor.removesuffix("*"))
        page = await super().transactions(organization_id, account_id, None, at)
        return Transactions(page.transactions * 2, f"{page.cursor}*")
