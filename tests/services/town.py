"""A world with a bank: an organization whose clock stands still until it is moved, told in Eastern wall time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.domain.ach import EASTERN, ReturnCode
from sluiceway.domain.executions import Execution
from sluiceway.domain.ids import AccountId, ExecutionId, LegId, TransferId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Leg, Transfer
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.accounts import NewAccount
from sluiceway.services.approvals import approve, find_waiting, list_waiting
from sluiceway.services.audit import run_audit
from sluiceway.services.clock import advance, freeze
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.refreshing import fetch_now
from sluiceway.services.sandbox import connect_account
from sluiceway.services.transfers import find_with_legs, transfer
from sluiceway.storage.bank import list_payments
from sluiceway.storage.bank_rows import BankAccountState, BankCall, BankEvent, EventKind, Fault, PaymentRow
from sluiceway.storage.database import fetch_all
from sluiceway.storage.executions import find_execution
from tests.invariants import violations
from tests.support import PASSWORD, World, new_world

TUESDAY = "2026-07-07 09:00"
_TICK = timedelta(microseconds=1)


def eastern(written: str) -> datetime:
    """Read Eastern wall time."""
    return datetime.fromisoformat(written).replace(tzinfo=EASTERN).astimezone(UTC)


@dataclass
class Wall:
    """The machine's clock, which a test moves; each look takes a microsecond."""

    at: datetime

    def __call__(self) -> datetime:
        self.at += _TICK
        return self.at

    def wait(self, seconds: float) -> None:
        """Let real time pass."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Town(World):
    """A world with a bank, in short words."""

    wall: Wall = field(default_factory=lambda: Wall(eastern(TUESDAY)))

    @property
    def bank(self) -> SandboxBank:
        """The sandbox bank."""
        return SandboxBank(self.engine.database)

    async def now(self) -> datetime:
        """Tell the organization's time."""
        async with self.engine.database.read() as tx:
            [(frozen_at,)] = await fetch_all(
                tx, "SELECT frozen_at FROM organization WHERE id = %(id)s::uuid", {"id": self.organization_id}
            )
        assert frozen_at is not None, "the clock of a story stands still"
        return frozen_at

    async def until(self, written: str) -> None:
        """Move the clock to an Eastern wall time, and do all that is due until then."""
        await advance(self.engine, self.organization_id, eastern(written))

    async def wait(self, **delay: float) -> None:
        """Move the clock by so much, and do all that is due until then."""
        await advance(self.engine, self.organization_id, await self.now() + timedelta(**delay))

    async def work(self) -> None:
        """Do all that is due now."""
        await advance(self.engine, self.organization_id, await self.now())

    async def connect(
        self, name: str, balance: int = 0, kind: ExternalKind = ExternalKind.DEPOSITORY, **more: Any
    ) -> AccountId:
        """Open an account at the bank and connect it."""
        reported = ReportedBalance(balance=Cents(balance), **more.pop("reported", {}))
        new = NewAccount(AccountKind.EXTERNAL_ACCOUNT, name, external_kind=kind, reported=reported, **more)
        record = await connect_account(self.engine, self.organization_id, new)
        self.accounts[name] = record.account.id
        return record.account.id

    async def owe(self, name: str, debt: int, pod: str | None = None, **reported: Any) -> None:
        """Owe somebody money: directly, or through a pod from which the provider collects it."""
        await self.connect(name, debt, ExternalKind.LIABILITY, reported=reported)
        if pod is not None:
            await self.account(pod, linked_account_id=self.accounts[name])

    async def send(self, source: str, destination: str, amount: int, **more: Any) -> TransferId:
        """Move money on somebody's word; give the transfer."""
        if more:
            answer = await self.transfer_as(source, destination, amount, **more)
        else:
            answer = await self.transfer(source, destination, amount)
        assert isinstance(answer, Answer), answer
        return TransferId(answer.body.decode())

    async def transfer_as(self, source: str, destination: str, amount: int, **principal: Any) -> Answer | Exception:
        """Move money on the word of a key with some property."""
        who = replace(self.principal(), **principal)
        [answer] = await transfer(self.engine, [self.transfer_command(source, destination, amount, principal=who)])
        return answer

    async def moved(self, transfer_id: TransferId) -> Transfer:
        """Read a transfer with its legs."""
        found = await find_with_legs(self.engine, self.organization_id, transfer_id)
        assert found is not None
        return found

    async def how(self, transfer_id: TransferId) -> str:
        """Tell in a line how a transfer and its legs stand."""
        found = await self.moved(transfer_id)
        code = f" {found.error_code}" if found.error_code else ""
        legs = "".join(f", {leg.purpose} {leg.status}" for leg in found.legs)
        return f"{found.status}{code}{legs}"

    async def leg(self, transfer_id: TransferId, number: int = 0) -> Leg:
        """Read one leg."""
        return (await self.moved(transfer_id)).legs[number]

    async def run(self, answer: Answer | Exception | Execution) -> Execution:
        """Read an execution again."""
        if not isinstance(answer, Execution):
            return await self.execution(answer)
        async with self.engine.database.read() as tx:
            found = await find_execution(tx, self.organization_id, ExecutionId(answer.id))
        assert found is not None
        return found

    async def last_run(self, rule: str) -> Execution:
        """Read the newest execution of a rule."""
        return (await self.executions(rule))[-1]

    async def payments(self) -> list[PaymentRow]:
        """List what the bank has been handed, as the bank keeps it."""
        async with self.engine.database.read() as tx:
            return await list_payments(tx, self.organization_id, limit=1_000)

    async def calls(self, key: LegId) -> int:
        """Tell how often a payment was handed over."""
        return {payment.key: payment.calls for payment in await self.payments()}.get(key, 0)

    async def at_the_bank(self, account: str) -> int:
        """Tell the balance that the bank has of an account."""
        found = await self.bank.find_account(self.organization_id, self.accounts[account], await self.now())
        assert found is not None
        return found.balance

    async def send_back(self, leg: Leg, code: ReturnCode) -> None:
        """Let a payment be returned, and hear of it."""
        assert await self.bank.return_now(self.organization_id, leg.id, code, await self.now()) is None
        await self.hear()

    async def hear(self) -> None:
        """Fetch what the bank reports, due or not."""
        while True:
            assert await fetch_now(self.engine, self.organization_id, self.organization_id)
            async with self.engine.database.read() as tx:
                rows = await fetch_all(
                    tx,
                    "SELECT FROM feed WHERE organization_id = %(id)s::uuid AND subject_id = organization_id"
                    " AND due_at <= %(at)s",
                    {"id": self.organization_id, "at": await self.now()},
                )
            if not rows:
                break
        await self.work()

    async def fail(self, call: BankCall, fault: Fault, times: int = 1) -> None:
        """Let the next calls of a kind go wrong."""
        assert (
            await self.bank.fail_next(self.organization_id, self.engine.new_id(), call, fault, times, await self.now())
            == ()
        )

    async def close(self, account: str, state: BankAccountState = BankAccountState.CLOSED) -> None:
        """Close an account at its bank, or freeze or disconnect it."""
        await self.bank.set_state(self.organization_id, self.accounts[account], state, await self.now())

    async def outside(self, kind: EventKind, account: str, amount: int, at: str | None = None, **more: Any) -> None:
        """Plan what somebody outside does; now, if no time is given."""
        now = await self.now()
        when = now if at is None else eastern(at)
        event = BankEvent(self.engine.new_id(), kind, self.accounts[account], when, amount, **more)
        assert await self.bank.plan(self.organization_id, [event], now) == ()
        if at is None:
            await self.hear()

    async def waiting(self) -> list[TransferId]:
        """List the transfers that wait for a person."""
        return [one.transfer.id for one in await list_waiting(self.engine, self.organization_id)]

    async def let_go(self, transfer_id: TransferId) -> None:
        """Approve a transfer as it is shown."""
        found = await find_waiting(self.engine, self.organization_id, transfer_id)
        await approve(self.engine, self.person, PASSWORD, transfer_id, found.digest)

    async def failures(self) -> Sequence[str]:
        """Tell which checks of the audit find something."""
        return [result.name for result in await run_audit(self.engine) if result.violations]


ENDS = {
    "internal": ("income", "savings"),
    "out": ("income", "landlord"),
    "in": ("salary", "savings"),
    "across": ("salary", "landlord"),
}
"""Between which accounts at home money goes each way."""


async def asked(home: Town, way: str, amount: int = 20_000) -> TransferId:
    """Ask for a transfer with a key whose transfers of more than $100 wait for a person."""
    source, destination = ENDS[way]
    return await home.send(source, destination, amount, approval_above=Cents(10_000))


async def new_town(engine: Engine) -> Town:
    """Make a world on a Tuesday morning in New York."""
    wall = Wall(eastern(TUESDAY))
    world = await new_world(replace(engine, now=wall))
    await freeze(world.engine, world.organization_id)
    return Town(world.engine, world.organization_id, world.person, wall=wall)


async def check(town: Town) -> None:
    """Find nothing wrong: not by the invariants of the tests, and not by the audit."""
    assert await violations(town.engine.database) == {}
    assert await town.failures() == []
