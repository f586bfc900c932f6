"""One seed's world: organizations with people, programs, banks and remote servers, over thirty virtual days."""

import asyncio
import itertools
import random
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from sluiceway.domain.errors import Refusal
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.services.accounts import NewAccount
from sluiceway.services.idempotency import Answer, KeyTaken
from sluiceway.services.queues import Overloaded
from sluiceway.services.sandbox import connect_account
from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.worker import loop as worker_loop
from tests.model.drawing import RuleDice
from tests.simulation.checks import Asked, due, effects, invariants, overdue, watch_commit
from tests.simulation.eventloop import Loop
from tests.simulation.processes import INFRASTRUCTURE, START, Machine, Running
from tests.simulation.transactions import Store
from tests.support import World, new_world

OF_CLOCKS: Final = ("nothing moved before its approval or after it was revoked",)
"""What compares times that different machines have written: it says so when one machine's clock is behind another's."""
DAYS: Final = 30
DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0
PACE: Final = {"BEAT_EVERY_S": 1e9, "POLL_S": 0.25}
"""How often idle workers look, and say that they live: each look costs, and none finds more than another."""
QUIET_S: Final = 0.27
"""After so long without a change, idle workers have all looked once, and found nothing: time may jump."""
GRACE: Final = timedelta(minutes=10)
WORKERS: Final = ("worker 1", "worker 2", "worker 3")
APIS: Final = ("api 1", "api 2")


class FoundFalse(Exception):
    """Something that must hold does not: the world ends."""


class SeededDice(RuleDice):
    """Draws rules as the model does, from a seed."""

    def __init__(self, draw: random.Random, world: World, now: Any, debts: list[str], pods: dict[str, str]) -> None:
        everyone = list(world.accounts.values())
        sources = [id_ for id_ in everyone if id_ not in debts]
        super().__init__(None, now, sources, everyone, debts, pods)  # type: ignore[arg-type]
        self.draw = draw

    def pick(self, values: Any) -> Any:
        return values[int(self.draw.random() * len(values))]

    def one_in(self, times: int) -> bool:
        return self.draw.random() * times < 1


@dataclass(eq=False)
class Home:
    """One organization, as the world outside knows it."""

    world: World
    debts: list[str] = field(default_factory=list[str])
    pods: dict[str, str] = field(default_factory=dict[str, str])
    rules: list[Any] = field(default_factory=list[Any])

    @property
    def id(self) -> Any:
        return self.world.organization_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed."""

    seed: int
    violations: list[str]
    trace: int
    commits: int
    calls: int
    reached: dict[str, int]


class Simulation:
    """Builds one seed's world, lets it live, and says what was found to be false."""

    def __init__(self, seed: int, store: Store | None = None, *, days: int = DAYS) -> None:
        self.seed = seed
        self.days = days
        self.draw = random.Random(seed)
        self.loop = Loop(self.draw.getrandbits(64))
        self.machine = Machine(self.loop, random.Random(self.draw.getrandbits(64)), store)
        self.store = self.machine.store
        self.violations = self.machine.violations
        self.is_calm = seed % 5 == 0
        self.has_wrong_clocks = seed % 5 == 1
        self.homes: list[Home] = []
        self.journal: list[Asked] = []
        self.serial = itertools.count(1)
        self.calls = 0
        self.checked_at_commit = self.due_at_commit = -1
        self.due_s: float | None = None
        self.loop.jump, self.loop.passing = self._jump, self._pass
        self.faults_end_s = days * DAY_S

    def run(self) -> Outcome:
        """Live through it all."""
        asyncio.set_event_loop(self.loop)
        usual = {name: getattr(worker_loop, name) for name in PACE}
        vars(worker_loop).update(PACE)
        structlog.configure(processors=[self._hear])
        try:
            self.loop.run_until_complete(self._live())
        except FoundFalse:
            """It is said already; what follows from it would only hide it."""
        except Exception:  # noqa: BLE001 -- whatever breaks the world is what a seed has found
            self.violations.append("the world fell over: " + traceback.format_exc(limit=-6))
        finally:
            self._unwind()
            structlog.reset_defaults()
            vars(worker_loop).update(usual)
            asyncio.set_event_loop(None)
        reached, self.store.reached = dict(self.store.reached), type(self.store.reached)()
        return Outcome(self.seed, self.violations, self.store.trace, self.store.commits, self.calls, reached)

    def _hear(self, _: Any, __: str, event: Any) -> Any:
        """Whatever the program logs with an exception is wrong, but what the database does to it."""
        failure = sys.exc_info()[1]
        if event.get("exc_info") and not isinstance(failure, DatabaseUnavailable):
            self.violations.append(f"{event['event']}: " + "".join(traceback.format_exception(failure, limit=-4)))
        raise structlog.DropEvent

    def _unwind(self) -> None:
        """End every task in order: those of the dead, too, which did not get to their ends."""
        self.store.on_commit = lambda _: None
        self.loop.jump, self.loop.passing = lambda: None, lambda _: None
        self.loop.set_exception_handler(lambda *_: None)
        for running in self.machine.everybody:
            running.database.is_cut_off = True
            running.process.is_dead = False
            self.loop.resume(running.process)
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(
            asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 600)
        ) if tasks else None
        self.loop.close()

    # Time

    def _jump(self) -> float | None:
        """When nothing has changed for a while and nothing is under way, go on to what happens next."""
        now = self.loop.time()
        if now - self.store.changed_at < QUIET_S or self.machine.under_way:
            return None
        awake = [each.process for each in self.machine.running.values() if each.worker is not None]
        skew = max((each.skew_s for each in awake if not each.is_dead and not each.is_paused), default=-60.0)
        outside = self.loop.next_outside()
        instants = [] if outside is None else [outside]
        if self.store.commits != self.due_at_commit:
            self.due_at_commit = self.store.commits
            at = min((each.at for each in due(self.store)), default=None)
            self.due_s = None if at is None else (at - START).total_seconds() if at.year > 1 else 0.0
        if self.due_s is not None:
            if self.due_s - skew <= now:
                return None
            instants.append(self.due_s - skew)
        return min(instants, default=None)

    # The story

    async def _live(self) -> None:
        for name in APIS:
            self.machine.start(name, is_worker=False)
        for name in WORKERS[: self.draw.choice((2, 2, 2, 3))]:
            self.machine.start(name, is_worker=True)
        await asyncio.sleep(0)
        watch_commit(self.store, self.violations)
        await self._build()
        bursts = sorted(self.draw.uniform(60, self.days * DAY_S) for _ in range(self.draw.choice((8, 12, 16))))
        from tests.simulation.acts import Acts

        acts = Acts(self)
        if not self.is_calm:
            self._begin_faults()
        for at in bursts:
            await asyncio.sleep(max(0.0, at - self.loop.time()))
            await acts.burst()
        await asyncio.sleep(max(0.0, self.days * DAY_S - self.loop.time()))
        await self._end_faults()
        self._check()
        await asyncio.sleep(GRACE.total_seconds() + 120)
        self.violations += overdue(self.store, self.store.server_now(), GRACE)
        for asked in self.journal:
            if self.is_calm and not asked.answers and not asked.is_refused:
                self.violations.append(f"nobody answered {asked}, and nothing was wrong")
        self._check()

    def _pass(self, to: float) -> None:
        """At the end of each hour in which something was written: look at all of it."""
        now = self.loop.time()
        if int(to / HOUR_S) > int(now / HOUR_S) and self.store.commits != self.checked_at_commit:
            self._check()

    def _check(self) -> None:
        self.checked_at_commit = self.store.commits
        skipped = OF_CLOCKS if self.has_wrong_clocks else ()
        found = invariants(self.store, skipped) + effects(self.store, self.journal)
        self.violations += [f"day {self.loop.time() / DAY_S:.2f}: {each}" for each in found]
        if found:
            raise FoundFalse

    def _begin_faults(self) -> None:
        draw, trouble = self.draw, self.machine.trouble
        for what, rate in (
            ("lost_before", 0.004),
            ("lost_after", 0.004),
            ("serialization", 0.01),
            ("no_connection", 0.002),
            ("slow", 0.002),
        ):
            if draw.random() < 0.5:
                setattr(trouble, what, rate * draw.choice((0.3, 1, 4)))
        self.machine.misbehaviour = draw.choice((0.0, 0.3, 0.8))

    async def _end_faults(self) -> None:
        """Nothing goes wrong any more; whoever has died is started again, whoever stands still goes on."""
        machine = self.machine
        for what in ("lost_before", "lost_after", "serialization", "no_connection", "slow"):
            setattr(machine.trouble, what, 0.0)
        machine.misbehaviour = 0.0
        for name, running in list(machine.running.items()):
            running.process.skew_s = 0.0
            self.loop.resume(running.process)
            if running.process.is_dead:
                machine.start(name, is_worker=name in WORKERS)
        await asyncio.sleep(0)

    # Organizations

    async def _build(self) -> None:
        running = self.machine.running[APIS[0]]
        for _ in range(self.draw.choice((2, 2, 3, 4))):
            self.homes.append(await self.ask(running, partial(self._organization, running)))

    async def _organization(self, running: Running) -> Home:
        draw = self.draw
        world = await new_world(running.engine)
        home = Home(world)
        await world.account("income", AccountKind.INCOME_SOURCE)
        for number in range(draw.choice((1, 2, 3))):
            await world.account(f"pod {number}")
        if draw.random() < 0.5:
            await self._connect(home, "checking", ExternalKind.DEPOSITORY, 300_000)
            if draw.random() < 0.4:
                await self._connect(home, "card", ExternalKind.LIABILITY, 30_000)
                home.debts.append(world.accounts["card"])
                if draw.random() < 0.5:
                    await world.account("card pod", linked_account_id=world.accounts["card"])
                    home.pods[world.accounts["card"]] = world.accounts["card pod"]
        await world.deposit("income", 60_000)
        for _ in range(draw.randrange(4, 9)):
            await self.add_rule(home, world)
        return home

    async def _connect(self, home: Home, name: str, kind: ExternalKind, balance: int) -> None:
        reported = ReportedBalance(balance=Cents(balance))
        if kind is ExternalKind.LIABILITY:
            reported = replace(reported, next_payment_minimum=Cents(2_500), last_statement_balance=Cents(20_000))
        new = NewAccount(AccountKind.EXTERNAL_ACCOUNT, name, external_kind=kind, reported=reported)
        record = await connect_account(home.world.engine, home.id, new)
        home.world.accounts[name] = record.account.id

    def drawn_rule(self, home: Home, world: World) -> dict[str, Any]:
        """Draw a rule for an organization's accounts."""
        return SeededDice(self.draw, world, world.engine.now(), home.debts, home.pods).rule()

    async def add_rule(self, home: Home, world: World) -> None:
        """Create a rule, and mostly enable it."""
        name = f"rule {len(home.rules)}"
        try:
            record = await world.rule(name, self.drawn_rule(home, world), enabled=self.draw.random() < 0.9)
        except Refusal:
            return
        home.rules.append(record)

    # Calls

    async def ask(self, running: Running, work: Callable[[], Awaitable[Any]]) -> Any:
        """Ask a process for something; a failure that is nobody's refusal is a violation."""
        self.calls += 1
        self.machine.under_way += 1
        try:
            return await self.machine.call(running, work)
        except (Refusal, Overloaded, *INFRASTRUCTURE):
            raise
        except Exception as failure:
            self.violations.append("".join(traceback.format_exception(failure, limit=-6)))
            raise DatabaseUnavailable("unexpected") from failure
        finally:
            self.machine.under_way -= 1

    def some_api(self) -> Running:
        """Choose a process to ask; the dead are started again sooner or later."""
        return self.machine.running[self.draw.choice(APIS)]

    async def keyed(self, asked: Asked, send: Callable[[Running], Awaitable[Answer]], attempts: int = 6) -> None:
        """Send a call with its key until it is answered: what failed on the way is sent again."""
        for attempt in range(attempts):
            running = self.some_api()
            try:
                answer = await self.ask(running, partial(send, running))
            except Refusal:
                asked.is_refused = True
                return
            except (Overloaded, KeyTaken, *INFRASTRUCTURE) as failure:
                self.store.reached[f"a call is repeated after {type(failure).__name__}"] += 1
                await asyncio.sleep(self.draw.uniform(0.1, 8) * (attempt + 1))
                continue
            asked.answers.add(answer.body)
            return
