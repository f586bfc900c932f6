"""A load generator for crowds: groups of callers, and what each group was answered, the refused apart from the served.

Nobody here waits as told by Retry-After. Run as a process of its own: reads plans by name as JSON from standard input,
prints what it measured as JSON.
"""

import asyncio
import json
import random
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import uvloop

from bench.figures import latencies
from bench.load import Plan, Target, requests

REFUSALS = ("429", "503")
_APART_S = 0.0005
"""How long after one another callers connect: what does not fit a server's queue waits for seconds, in the kernel."""


@dataclass
class Group:
    """Callers with the same plan, and what they were answered."""

    plan: Plan
    served_s: "array[float]" = field(default_factory=lambda: array("d"))
    refused_s: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[str] = field(default_factory=Counter[str])
    without_retry_after: int = 0
    lost: int = 0

    def shown(self, seconds: float) -> dict[str, Any]:
        """Tell what was measured."""
        wrong = sum(times for status, times in self.statuses.items() if status not in ("200", "201", *REFUSALS))
        return {
            "callers": self.plan.callers,
            "per_second": round(len(self.served_s) / seconds, 1),
            **latencies(self.served_s),
            "refused_per_second": round(len(self.refused_s) / seconds, 1),
            **{f"refused_{name}": value for name, value in latencies(self.refused_s).items()},
            "statuses": dict(self.statuses),
            "errors": wrong + self.without_retry_after + self.lost,
        }


class Caller(asyncio.Protocol):
    """One keep-alive connection of a group: asks again as soon as it is answered, whatever the answer."""

    def __init__(self, group: Group, asked: Iterator[bytes], until: float, ended: asyncio.Future[None]) -> None:
        """Ask until the time is over; then say that it has `ended`."""
        self._group, self._asked, self._until, self._ended = group, asked, until, ended
        self._answer = b""
        self._is_done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count an answer when it is complete, and ask again."""
        self._answer += data
        head, ends, body = self._answer.partition(b"\r\n\r\n")
        if not ends or len(body) < int(head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0]):
            return
        status, took_s = head[9:12].decode(), time.perf_counter() - self._asked_at
        self._group.statuses[status] += 1
        if status in REFUSALS:
            self._group.refused_s.append(took_s)
            self._group.without_retry_after += b"\r\nretry-after: " not in head
        else:
            self._group.served_s.append(took_s)
        self._answer = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the protocol's signature
        """Say that this connection has ended; too early, if it still waited."""
        self._group.lost += not self._is_done
        if not self._ended.done():
            self._ended.set_result(None)

    def _ask(self) -> None:
        if time.perf_counter() >= self._until:
            self._is_done = True
            self._transport.close()
            return
        self._asked_at = time.perf_counter()
        self._transport.write(next(self._asked))


async def measure(plans: dict[str, Plan]) -> dict[str, dict[str, Any]]:
    """Run all plans at once, and say what each showed."""
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    groups = {name: Group(plan) for name, plan in plans.items()}
    asking = [(group, requests(group.plan)) for group in groups.values()]
    callers = [pair for pair in asking for _ in range(pair[0].plan.callers)]
    # All mixed, so that no group has its connections before the others.
    random.Random(1).shuffle(callers)
    ends: list[asyncio.Future[None]] = []
    for group, asked in callers:
        ends.append(loop.create_future())
        caller = partial(Caller, group, asked, began + group.plan.seconds, ends[-1])
        await loop.create_connection(caller, group.plan.host, group.plan.port)
        await asyncio.sleep(_APART_S)
    await asyncio.gather(*ends)
    took_s = time.perf_counter() - began
    return {name: group.shown(took_s) for name, group in groups.items()}


if __name__ == "__main__":
    uvloop.install()
    written = json.load(sys.stdin)
    for given in written.values():
        given["targets"] = [Target(**target) for target in given["targets"]]
    print(json.dumps(asyncio.run(measure({name: Plan(**given) for name, given in written.items()}))))
