"""One seed's world: organizations with people, programs, banks and remote servers, over thirty virtual days."""

import asyncio
import gc
import itertools
import random
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from sluiceway.domain.errors import Refusal
from sluiceway.services.errands import ERRANDS
from sluiceway.services.idempotency import Answer, KeyTaken
from sluiceway.services.queues import Overloaded
from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.worker import loop as worker_loop
from tests.simulation.acts import Acts
from tests.simulation.checks import Asked, due, effects, failures, invariants, overdue, watch_commit
from tests.simulation.eventloop import Endless, Loop
from tests.simulation.homes import Home, new_home
from tests.simulation.processes import INFRASTRUCTURE, START, Machine, Running
from tests.simulation.transactions import Store

OF_CLOCKS: Final = ("nothing moved before its approval or after it was revoked",)
"""What compares times that different machines have written: it says so when one machine's clock is behind another's."""
DAYS: Final = 30
DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0
PACE: Final = {
    "BEAT_EVERY_S": 1e9,
    "POLL_S": 0.25,
    "ERRANDS": [each._replace(poll_s=6 * 3600) if each.name == "forget" else each for each in ERRANDS],
}
"""How often idle workers look, and say that they live: each look costs, and none finds more than another."""
QUIET_S: Final = 0.27
"""After so long without a change, idle workers have all looked once, and found nothing: time may jump."""
STUCK_S: Final = 2 * HOUR_S
GRACE: Final = timedelta(minutes=10)
WORKERS: Final = ("worker 1", "worker 2", "worker 3")
APIS: Final = ("api 1", "api 2")


class FoundFalse(Exception):
    """Something that must hold does not: the world ends."""


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
        self.idle_at = 0.0
        self.loop.jump, self.loop.passing = self._jump, self._pass
        self.faults_end_s = days * DAY_S

    def run(self) -> Outcome:
        """Live through it all."""
        asyncio.set_event_loop(self.loop)
        usual = {name: getattr(worker_loop, name) for name in PACE}
        vars(worker_loop).update(PACE)
        structlog.configure(processors=[self._hear])
        gc.disable()
        try:
            self.loop.run_until_complete(self._live())
        except Endless:
            stuck = min(due(self.store), key=lambda each: each.at, default=None)
            self.violations.append(f"work goes round and round: {stuck}")
        except FoundFalse:
            """It is said already; what follows from it would only hide it."""
        except Exception:  # noqa: BLE001 -- whatever breaks the world is what a seed has found
            self.violations.append("the world fell over: " + traceback.format_exc(limit=-6))
        finally:
            self._unwind()
            structlog.reset_defaults()
            vars(worker_loop).update(usual)
            asyncio.set_event_loop(None)
            gc.enable()
        if self.violations:
            # A world that ends early leaves work behind that nobody has begun. Python says so: not to whoever is next.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                gc.collect()
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
        for _ in range(10):
            tasks = asyncio.all_tasks(self.loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            try:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=60))
            except Endless:
                break
        self.loop.close()

    # Time

    def _jump(self) -> float | None:
        """When nothing has changed for a while and nothing is under way, go on to what happens next."""
        now = self.loop.time()
        if now - self.idle_at > STUCK_S:
            stuck = min(due(self.store), key=lambda each: each.at, default=None)
            self.violations.append(f"for two hours nothing came of what is due: {stuck}")
            raise FoundFalse
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
        if self.due_s is not None and self.due_s - skew <= now:
            return None
        if self.due_s is not None:
            instants.append(self.due_s - skew)
        self.idle_at = max(now, min(instants, default=now))
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
        bursts = sorted(self.draw.uniform(60, self.days * DAY_S) for _ in range(self.draw.choice((5, 8, 12))))
        acts = Acts(self)
        if not self.is_calm:
            self._begin_faults()
        for at in bursts:
            await asyncio.sleep(max(0.0, at - self.loop.time()))
            await self._burst(acts)
        await asyncio.sleep(max(0.0, self.days * DAY_S - self.loop.time()))
        await self._end_faults()
        self._check()
        await asyncio.sleep(GRACE.total_seconds() + 120)
        self.violations += overdue(self.store, self.store.server_now(), GRACE)
        auditor = self.machine.start("auditor", is_worker=False)
        await asyncio.sleep(0)
        self.violations += await failures(auditor.engine, self.store)
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

    async def _burst(self, acts: Acts) -> None:
        """Let several things happen at once, and perhaps something go wrong meanwhile."""
        work = [self._soon(name, act, home) for name, act, home in acts.some()]
        if not self.is_calm and self.draw.random() < 0.7:
            work += [self._go_wrong() for _ in range(self.draw.randrange(1, 3))]
        await asyncio.gather(*work)

    async def _soon(self, name: str, act: Callable[[Home], Awaitable[None]], home: Home) -> None:
        await self.sleep(self.draw.random() * self.draw.choice((0.005, 0.05, 2)))
        try:
            await act(home)
        except (Refusal, Overloaded, *INFRASTRUCTURE) as failure:
            self.reached[f"{name}: {type(failure).__name__}"] += 1
        else:
            self.reached[name] += 1

    async def _go_wrong(self) -> None:
        """Let a process die, stand still, or have a clock that is wrong; and be well again some time later."""
        draw = self.draw
        await self.sleep(draw.random() * draw.choice((0.01, 0.1, 3)))
        names = list(self.machine.running)
        name = draw.choice(names)
        running = self.machine.running[name]
        match draw.randrange(3 if self.has_wrong_clocks else 2):
            case 0:
                self.machine.kill(name)
                await self.sleep(draw.choice((0.01, 1, 45)))
                if running.process.is_dead and self.machine.running[name] is running:
                    self.machine.start(name, is_worker=name.startswith("worker"))
            case 1:
                self.reached["a process stands still"] += 1
                running.process.is_paused = True
                await self.sleep(draw.choice((0.5, 5, 40)))
                self.loop.resume(running.process)
            case _:
                self.reached["a clock is wrong"] += 1
                running.process.skew_s = draw.uniform(-25, 25)

    # Organizations

    async def _build(self) -> None:
        running = self.machine.running[APIS[0]]
        for _ in range(self.draw.choice((2, 2, 2, 3, 4))):
            self.homes.append(await self.ask(running, partial(new_home, self.draw, running)))

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

    @property
    def reached(self) -> Counter[str]:
        return self.store.reached

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def at_once(self, *work: Awaitable[None]) -> None:
        await asyncio.gather(*work)

    def new_id(self) -> str:
        return self.machine.running[APIS[0]].engine.new_id()

    async def ids(self, table: str, home: Home, status: str | None) -> list[str]:
        """Name rows of an organization as somebody who reads all that there is would, in the order of their keys."""
        found = self.store.tables[table]
        place = found.place.get("status")
        return sorted(
            pk[1]
            for pk, row in found.rows.items()
            if row[0] == home.id and (status is None or place is None or row[place] == status)
        )

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
            if answer.is_replay:
                self.reached["a call is answered as before"] += 1
            asked.answers.add(answer.body)
            return
