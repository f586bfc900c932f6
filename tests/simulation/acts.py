"""What people, programs, banks and bad luck do in the simulated world, several at once."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Protocol

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.errors import Refusal
from sluiceway.domain.ids import AccountId, LegId, RuleId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import PaymentSide, read_rule
from sluiceway.domain.transfers import Mode
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services import approvals, clock, organizations
from sluiceway.services.accounts import delete_account
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key, every_grant, revoke_key
from sluiceway.services.limits import set_limit
from sluiceway.services.refreshing import refresh
from sluiceway.services.rules import delete_rule, disable_rule, enable_rule, review_rule, revise_rule
from sluiceway.storage import feeds
from sluiceway.storage.ach import Period
from sluiceway.storage.bank_rows import BankAccountState, BankCall, BankEvent, EventKind, Fault
from sluiceway.storage.database import WriteTx
from tests.simulation.checks import Asked
from tests.simulation.homes import Home, add_rule, drawn_rule
from tests.simulation.processes import INFRASTRUCTURE, Running, with_engine
from tests.support import PASSWORD, World

FAULTS: Final = (
    (BankCall.SUBMIT, Fault.LOST_REPLY),
    (BankCall.SUBMIT, Fault.UNAVAILABLE),
    (BankCall.SUBMIT, Fault.REFUSED),
    (BankCall.INQUIRE, Fault.UNAVAILABLE),
    (BankCall.REPORTS, Fault.TWICE),
    (BankCall.REPORTS, Fault.UNAVAILABLE),
    (BankCall.REPORTS, Fault.LOST_REPLY),
    (BankCall.BALANCES, Fault.UNAVAILABLE),
    (BankCall.TRANSACTIONS, Fault.UNAVAILABLE),
)


class Stage(Protocol):
    """Where it all happens: the simulated world, or one engine after another."""

    draw: random.Random
    is_calm: bool
    homes: list[Home]
    journal: list[Asked]
    serial: Iterator[int]
    violations: list[str]

    def some_api(self) -> Running: ...
    async def ask(self, running: Running, work: Callable[[], Awaitable[Any]]) -> Any: ...
    async def keyed(self, asked: Asked, send: Callable[[Running], Awaitable[Answer]]) -> None: ...
    async def sleep(self, seconds: float) -> None: ...
    async def at_once(self, *work: Awaitable[None]) -> None: ...
    async def ids(self, table: str, home: Home, status: str | None) -> list[str]: ...
    def new_id(self) -> str: ...


class Acts:
    """Everything that may happen, each with its weight."""

    def __init__(self, simulation: Stage) -> None:
        self.sim = simulation
        self.draw = simulation.draw
        self.every: list[tuple[int, Callable[[Home], Awaitable[None]]]] = [
            (8, self.deposit),
            (8, self.trigger),
            (8, self.transfer),
            (2, self.rehearse),
            (3, self.use_key),
            (4, self.decide),
            (4, self.cancel),
            (2, self.enable),
            (2, self.disable),
            (2, self.revise),
            (1, self.delete_rule),
            (1, self.add_rule),
            (4, self.happen_outside),
            (3, self.send_back),
            (1, self.change_state),
            (1, self.pause),
            (1, self.limit),
            (1, self.set_waits),
            (1, self.delete_account),
            (2, self.refresh),
            (1, self.move_clock),
        ]
        if not simulation.is_calm:
            self.every.append((2, self.fail_at_the_bank))
        # Each seed does without some of it: what is rare otherwise is then frequent.
        self.chosen = [each for each in self.every if self.draw.random() < 0.7] or self.every

    def some(self) -> list[tuple[str, Callable[[Home], Awaitable[None]], Home]]:
        """Draw several acts that happen at once, most of them in one organization."""
        draw, homes = self.draw, self.sim.homes
        home = draw.choice(homes)
        weights = [weight for weight, _ in self.chosen]
        acts = draw.choices([act for _, act in self.chosen], weights, k=draw.randrange(2, 8))
        return [(act.__name__, act, home if draw.random() < 0.8 else draw.choice(homes)) for act in acts]

    # Money

    def _asked(self, kind: str, home: Home, thousands: int) -> Asked:
        asked = Asked(kind, home.id, thousands * 1000 + next(self.sim.serial))
        self.sim.journal.append(asked)
        return asked

    async def _keyed(self, asked: Asked, send: Callable[[Running], Awaitable[Answer]]) -> None:
        times = 2 if self.draw.random() < 0.25 else 1
        await self.sim.at_once(*[self.sim.keyed(asked, send) for _ in range(times)])
        if self.draw.random() < 0.2:
            await self.sim.sleep(self.draw.random() * 100)
            await self.sim.keyed(asked, send)

    def _as_seen(self, home: Home, running: Running) -> World:
        world: World = with_engine(home.world, running)
        return world

    async def deposit(self, home: Home) -> None:
        names = [name for name in home.world.accounts if name == "income" or name.startswith("pod")]
        asked, name = self._asked("deposit", home, self.draw.choice((5, 20, 90))), self.draw.choice(names)
        command = home.world.deposit_command(name, asked.amount, f"d{asked.amount}")
        await self._keyed(asked, lambda running: _edge(running).deposit(command))

    async def trigger(self, home: Home) -> None:
        if not home.rules:
            return
        asked = self._asked("trigger", home, self.draw.choice((1, 5, 30)))
        name = self.draw.choice(list(home.world.rules))
        command = home.world.trigger_command(name, asked.amount, f"t{asked.amount}")
        await self._keyed(asked, lambda running: _edge(running).trigger(command))

    async def rehearse(self, home: Home) -> None:
        """Run a rule in simulation."""
        if not home.rules:
            return
        command = home.world.trigger_command(self.draw.choice(list(home.world.rules)), 5_000)
        running = self.sim.some_api()
        await self.sim.ask(running, lambda: _edge(running).trigger(replace(command, mode=Mode.SIMULATION)))

    async def transfer(self, home: Home) -> None:
        source, destination = self.draw.sample(list(home.world.accounts), 2)
        if source.startswith("card"):
            return
        asked = self._asked("transfer", home, self.draw.choice((1, 7, 40)))
        above = self.draw.choice((None, None, Cents(5_000)))
        principal = replace(home.world.principal(), approval_above=above)
        command = home.world.transfer_command(
            source, destination, asked.amount, f"x{asked.amount}", principal=principal
        )
        await self._keyed(asked, lambda running: _edge(running).transfer(command))

    async def use_key(self, home: Home) -> None:
        """Make a key, use it, and revoke it while it is in use: after that nobody is let in with it any more."""
        running = self.sim.some_api()
        key, secret = await self.sim.ask(running, lambda: create_key(running.engine, home.id, "key", every_grant()))
        other = self.sim.some_api()
        is_revoked = False

        async def use() -> None:
            for _ in range(3):
                was_revoked = is_revoked
                try:
                    await self.sim.ask(other, lambda: _edge(other).identify(secret))
                except Refusal:
                    continue
                if was_revoked:
                    self.sim.violations.append("a revoked key was let in")
                await self.sim.sleep(self.draw.random() * 0.01)

        async def revoke() -> None:
            nonlocal is_revoked
            await self.sim.ask(running, lambda: revoke_key(running.engine, home.id, key.id, key.id))
            is_revoked = True

        await self.sim.at_once(use(), revoke())
        await use()

    # People

    async def decide(self, home: Home) -> None:
        """Approve a transfer that waits, or refuse it."""
        waiting = await self.sim.ids("transfer", home, "PENDING_APPROVAL")
        if not waiting:
            return
        id_, running = TransferId(self.draw.choice(waiting)), self.sim.some_api()

        async def work() -> None:
            if self.draw.random() < 0.7:
                shown = await approvals.find_waiting(running.engine, home.id, id_)
                await approvals.approve(running.engine, home.world.person, PASSWORD, id_, shown.digest)
            else:
                await approvals.refuse(running.engine, home.world.person, PASSWORD, id_)

        await self.sim.ask(running, work)

    async def cancel(self, home: Home) -> None:
        """Call a transfer back, one of the latest."""
        open_ones = await self.sim.ids("transfer", home, "PROCESSING") + await self.sim.ids("transfer", home, "PENDING")
        if not open_ones:
            return
        id_, running = TransferId(self.draw.choice(open_ones[-5:])), self.sim.some_api()
        command = approvals.CancelTransfer(home.world.principal(), id_, id_, None, lambda _: Answer(200, b""))
        await self.sim.ask(running, lambda: approvals.cancel(running.engine, command))

    def _some_rule(self, home: Home) -> RuleId:
        return RuleId(self.draw.choice(home.rules).id)

    async def enable(self, home: Home) -> None:
        if not home.rules:
            return
        rule_id, running = self._some_rule(home), self.sim.some_api()

        async def work() -> None:
            shown = await review_rule(running.engine, home.id, rule_id, rule_id)
            await enable_rule(running.engine, home.world.person, PASSWORD, rule_id, shown.record.fingerprint)

        await self.sim.ask(running, work)

    async def disable(self, home: Home) -> None:
        if home.rules:
            rule_id, running = self._some_rule(home), self.sim.some_api()
            await self.sim.ask(running, lambda: disable_rule(running.engine, home.id, rule_id, rule_id))

    async def revise(self, home: Home) -> None:
        if not home.rules:
            return
        rule_id, running = self._some_rule(home), self.sim.some_api()
        drawn = read_rule(drawn_rule(self.draw, home, running.engine.now()))
        await self.sim.ask(running, lambda: revise_rule(running.engine, home.id, rule_id, rule_id, drawn))
        if self.draw.random() < 0.7:
            await self.enable(home)

    async def delete_rule(self, home: Home) -> None:
        if home.rules:
            rule_id, running = self._some_rule(home), self.sim.some_api()
            await self.sim.ask(running, lambda: delete_rule(running.engine, home.id, rule_id, rule_id))

    async def add_rule(self, home: Home) -> None:
        running = self.sim.some_api()
        await self.sim.ask(running, lambda: add_rule(self.draw, home, self._as_seen(home, running)))

    async def pause(self, home: Home) -> None:
        """Pause the automation, and let it go on some time later."""
        running = self.sim.some_api()
        await self.sim.ask(running, lambda: organizations.pause(running.engine, home.id))
        await self.sim.sleep(self.draw.choice((1, 600)))
        for _ in range(20):
            try:
                other = self.sim.some_api()
                await self.sim.ask(other, lambda: organizations.resume(other.engine, home.id))  # noqa: B023 -- done before the next
            except INFRASTRUCTURE:
                await self.sim.sleep(5)
            else:
                return

    async def limit(self, home: Home) -> None:
        running, draw = self.sim.some_api(), self.draw
        side, period = draw.choice(list(PaymentSide)), draw.choice(list(Period))
        amount, transfers = draw.choice((None, Cents(40_000))), draw.choice((None, 3))
        await self.sim.ask(
            running, lambda: set_limit(running.engine, home.id, side, period, amount=amount, transfers=transfers)
        )

    async def set_waits(self, home: Home) -> None:
        running = self.sim.some_api()
        lasts, delay = timedelta(hours=self.draw.choice((2, 24))), timedelta(minutes=self.draw.choice((0, 30)))
        await self.sim.ask(
            running,
            lambda: organizations.set_waits(running.engine, home.id, approval_lasts=lasts, handover_delay=delay),
        )

    async def delete_account(self, home: Home) -> None:
        running = self.sim.some_api()
        names = [name for name in home.world.accounts if name != "income"]
        account_id = AccountId(home.world.accounts[self.draw.choice(names)])
        await self.sim.ask(running, lambda: delete_account(running.engine, home.id, account_id, account_id))

    async def refresh(self, home: Home) -> None:
        running = self.sim.some_api()
        if "checking" in home.world.accounts:
            account_id = AccountId(home.world.accounts["checking"])
            await self.sim.ask(running, lambda: refresh(running.engine, home.id, [account_id]))

    async def move_clock(self, home: Home) -> None:
        """Move an organization's clock on by hours, or days."""
        running = self.sim.some_api()
        by = timedelta(hours=self.draw.choice((1, 30)))

        async def work() -> None:
            state = await clock.read_clock(running.engine, home.id)
            await clock.advance(running.engine, home.id, state.now + by)

        try:
            await self.sim.ask(running, work)
        except INFRASTRUCTURE:
            # It stands still where it had come to: somebody lets it go on.
            for _ in range(20):
                await self.sim.sleep(5)
                other = self.sim.some_api()
                try:
                    await self.sim.ask(other, lambda: clock.resume(other.engine, home.id))  # noqa: B023 -- done before the next
                except INFRASTRUCTURE:
                    continue
                return

    # The world outside

    async def _outside(self, home: Home, work: Callable[[SandboxBank, Any], Awaitable[Any]]) -> None:
        running = self.sim.some_api()

        async def do() -> None:
            now = (await clock.read_clock(running.engine, home.id)).now
            await work(SandboxBank(running.engine.database), now)

            async def hurry(tx: WriteTx) -> None:
                await feeds.hurry(tx, home.id, home.id, now)

            await running.engine.database.write(hurry)

        await self.sim.ask(running, do)

    async def happen_outside(self, home: Home) -> None:
        draw, accounts = self.draw, home.world.accounts
        kinds = [EventKind.DEPOSIT, EventKind.WITHDRAWAL]
        kind = draw.choice([*kinds, EventKind.TRANSACTION] if "checking" in accounts else kinds)
        name = "checking" if kind is EventKind.TRANSACTION else "income"
        amount = draw.choice((20_000, 7_000, 90_000)) * (draw.choice((1, -1)) if name == "checking" else 1)
        id_, later = self.sim.new_id(), timedelta(minutes=draw.choice((0, 90, 2_000)))
        await self._outside(
            home, lambda bank, now: bank.plan(home.id, [BankEvent(id_, kind, accounts[name], now + later, amount)], now)
        )

    async def send_back(self, home: Home) -> None:
        """Return a payment, one of the latest."""
        payments = await self.sim.ids("bank_payment", home, None)
        if not payments:
            return
        key, code = LegId(self.draw.choice(payments[-6:])), self.draw.choice(list(ReturnCode))
        await self._outside(home, lambda bank, now: bank.return_now(home.id, key, code, now))

    async def change_state(self, home: Home) -> None:
        if "checking" not in home.world.accounts:
            return
        account_id, state = AccountId(home.world.accounts["checking"]), self.draw.choice(list(BankAccountState))
        await self._outside(home, lambda bank, now: bank.set_state(home.id, account_id, state, now))
        await self.sim.sleep(600)
        await self._outside(home, lambda bank, now: bank.set_state(home.id, account_id, BankAccountState.OPEN, now))

    async def fail_at_the_bank(self, home: Home) -> None:
        call, fault = self.draw.choice(FAULTS)
        id_, times = self.sim.new_id(), self.draw.choice((1, 2, 4))
        await self._outside(home, lambda bank, now: bank.fail_next(home.id, id_, call, fault, times, now))


def _edge(running: Running) -> Any:
    assert running.edge is not None, "only processes with an edge are asked"
    return running.edge
