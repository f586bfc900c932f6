"""An event loop of its own: time is virtual, whose turn it is among what is ready is drawn from a seed.

Everything that runs belongs to a process (or to none: the world outside), known by its context. A process that has
crashed never runs again, at whatever await it was; one that is paused runs on later. When nothing is ready, time jumps
to the next timer; when nothing at all is to be done, far beyond the polls of idle workers.
"""

import asyncio
import contextvars
import heapq
import random
from asyncio import base_events, events
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

PROCESS: Final[ContextVar["Process | None"]] = ContextVar("process", default=None)


MOST_STEPS: Final = 1_000_000
"""A world takes some 30,000. Chains of rules that run to their limits, many at one instant, have taken 570,000."""


class Endless(Exception):
    """Many times more has run than a world needs: something goes round and round."""


@dataclass(eq=False)
class Process:
    """One process of the program, as far as the loop knows it."""

    name: str
    skew_s: float = 0.0
    is_dead: bool = False
    is_paused: bool = False
    held: list[events.Handle] = field(default_factory=list[events.Handle])


class Loop(base_events.BaseEventLoop):
    """Runs handles in a drawn order over virtual time."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        # Nobody debugs it, and every handle asks.
        self.get_debug = bool  # type: ignore[method-assign]
        self._now = 0.0
        self._draw = random.Random(seed)
        self.steps = 0
        self.most_steps = MOST_STEPS
        self.jump: Callable[[], float | None] = lambda: None
        """Tells to which time nothing will happen but polls; None: something may."""
        self.passing: Callable[[float], None] = lambda _: None
        """Is told to which time it goes on, when everything that runs has come to an await."""

    def time(self) -> float:
        return self._now

    def _process_events(self, event_list: Any) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> events.Handle:
        """As every loop does, without asking each time whether it is closed or debugged: it is called most of all."""
        made = events.Handle(callback, args, self, context)
        self._ready.append(made)  # type: ignore[attr-defined]
        return made

    def _run_once(self) -> None:
        """Run until somebody stops the loop: the caller asks after every round, and rounds are many."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        draw = self._draw.random
        while True:
            if not ready:
                self._advance()
            count = len(ready)
            if count > 1:
                ready.rotate(-int(draw() * count))
            elif not ready:
                return
            handle = ready.popleft()
            if not handle._cancelled:
                process = handle._context.get(PROCESS)
                if process is None or not (process.is_dead or process.is_paused):
                    self.steps += 1
                    if self.steps > self.most_steps:
                        self.most_steps *= 2
                        raise Endless
                    handle._run()
                else:
                    process.held.append(handle)
            if self._stopping:  # type: ignore[attr-defined]
                return

    def _advance(self) -> None:
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(scheduled)._scheduled = False
        if self._stopping or not scheduled:  # type: ignore[attr-defined]
            assert self._stopping or scheduled, "nothing will ever happen again"  # type: ignore[attr-defined]
            return
        to = self.jump()
        then = max(self._now, scheduled[0]._when if to is None else max(to, scheduled[0]._when))
        self.passing(then)
        self._now = then
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                self._ready.append(handle)  # type: ignore[attr-defined]

    def next_outside(self) -> float | None:
        """Tell when the world outside does something next."""
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        return min(
            (each._when for each in scheduled if not each._cancelled and each._context.get(PROCESS) is None),
            default=None,
        )

    def resume(self, process: Process) -> None:
        """Let a paused process go on."""
        process.is_paused = False
        held, process.held = process.held, []
        self._ready.extend(held)  # type: ignore[attr-defined]


def spawn(process: Process, work: Any) -> "asyncio.Task[Any]":
    """Begin work in a process."""
    context = contextvars.copy_context()
    context.run(PROCESS.set, process)
    return asyncio.get_running_loop().create_task(work, context=context)
