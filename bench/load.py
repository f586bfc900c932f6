"""A load generator: keep-alive connections that send one request at a time each, as fast as answers come.

Run as a process of its own: reads a plan as JSON from standard input, prints what it measured as JSON. It shares the
machine with the server, so it does as little as it can: requests are written in advance but for their number, and of an
answer it reads the status and the length.
"""

import gc
import itertools
import json
import random
import select
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.figures import each, latencies

_LAST_ANSWERS_S = 30
"""How long answers are waited for once nothing more is asked."""
_CHOSEN_AHEAD = 1 << 16
_BUFFER = bytearray(1 << 16)
"""Where every caller receives: what is in it is looked at before the next one's answer."""
_LENGTH = b"content-length: "
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """One thing to ask for, `weight` times as often as one with a weight of 1; `body` is sent as JSON."""

    method: str
    path: str
    key: str
    body: str
    is_idempotent: bool
    weight: float = 1


@dataclass(frozen=True)
class Plan:
    """What to ask, by how many callers at once, until the time is over or so many requests have been sent.

    `run` makes idempotency keys of this run that no other has used.
    """

    host: str
    port: int
    seconds: float
    callers: int
    run: str
    targets: list[Target]
    most: int | None = None


@dataclass
class Seen:
    """What came back: how long each answer took, in seconds, and how many there were of each status.

    `lost` counts requests that were never answered: their connection ended, or nobody answered in time.
    """

    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[bytes] = field(default_factory=Counter[bytes])
    lost: int = 0


class _Caller:
    """A keep-alive connection, when it last asked, and what has come of an answer that is not complete."""

    __slots__ = ("connection", "left", "sent_at", "status")

    def __init__(self, address: tuple[str, int]) -> None:
        self.connection = socket.create_connection(address)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.settimeout(0)
        self.sent_at = 0.0
        self.status = bytearray()
        self.left = 0

    def ask(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        # Whoever has hung up is found out about when the answer is read.
        with suppress(OSError):
            self.connection.send(request)


def requests(plan: Plan) -> Iterator[bytes]:
    """Write one request after the other, at random targets, each with an idempotency key of its own."""
    chance = random.Random(plan.run)
    rendered = [_render(plan, target) for target in plan.targets]
    weights = [target.weight for target in plan.targets]
    chosen = chance.choices(rendered, weights, k=_CHOSEN_AHEAD)
    numbers = range(plan.most) if plan.most is not None else itertools.count()
    for number, (before, after) in zip(numbers, itertools.cycle(chosen), strict=False):
        yield b"%b%010d%b" % (before, number, after) if after else before


def _render(plan: Plan, target: Target) -> tuple[bytes, bytes]:
    """Write a request but for its number, which stands between the two parts; nothing follows where it has none."""
    body = target.body.encode()
    head = (
        f"{target.method} {target.path} HTTP/1.1\r\nHost: {plan.host}\r\nAuthorization: ApiKey {target.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    if not target.is_idempotent:
        return head.encode() + b"\r\n" + body, b""
    return f"{head}Idempotency-Key: {plan.run}-".encode(), _END_OF_HEAD + body


def drive(plan: Plan) -> Seen:
    """Keep every caller asking until the plan is over; return what they saw once the last answer has come."""
    seen, asked = Seen(), requests(plan)
    until = time.perf_counter() + plan.seconds
    callers: dict[int, _Caller] = {}
    with select.epoll() as poller:

        def next_request() -> bytes | None:
            return next(asked, None) if time.perf_counter() < until else None

        def begin() -> None:
            if request := next_request():
                caller = _Caller((plan.host, plan.port))
                callers[caller.connection.fileno()] = caller
                poller.register(caller.connection, select.EPOLLIN)
                caller.ask(request)

        for _ in range(plan.callers):
            begin()
        while callers and time.perf_counter() < until + _LAST_ANSWERS_S:
            for number, _ in poller.poll(_LAST_ANSWERS_S):
                caller = callers[number]
                is_answered = _receive(caller, seen)
                if is_answered and (request := next_request()):
                    caller.ask(request)
                elif is_answered is not False:
                    caller.connection.close()
                    del callers[number]
                    if is_answered is None:
                        seen.lost += 1
                        begin()
    seen.lost += len(callers)
    return seen


def _receive(caller: _Caller, seen: Seen) -> bool | None:
    """Read what has come: True once the answer is complete, False while it is not, None if the connection has ended."""
    try:
        size = caller.connection.recv_into(_BUFFER)
    except OSError:
        return None
    if not size:
        return None
    if caller.left:
        caller.left -= size
    else:
        end = _BUFFER.find(_END_OF_HEAD, 0, size)
        at = _BUFFER.find(_LENGTH, 0, end)
        assert 0 < at < end, "our server sends the head in one piece, with the length of the body"
        caller.status = _BUFFER[9:12]
        caller.left = end + 4 + int(_BUFFER[at + 16 : _BUFFER.index(b"\r", at)]) - size
    if caller.left:
        return False
    seen.latencies_s.append(time.perf_counter() - caller.sent_at)
    seen.statuses[bytes(caller.status)] += 1
    return True


def measure(plan: Plan) -> dict[str, Any]:
    """Run a plan and say what it showed."""
    gc.disable()  # There is nothing to collect, and looking for it would count as the server's time.
    started, cpu_before_s = time.perf_counter(), time.process_time()
    seen = drive(plan)
    took_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_before_s
    count = len(seen.latencies_s)
    good = sum(times for status, times in seen.statuses.items() if status.startswith(b"2"))
    return {
        "requests": count + seen.lost,
        "errors": count + seen.lost - good,
        "statuses": {status.decode(): times for status, times in seen.statuses.items()},
        "lost": seen.lost,
        "seconds": round(took_s, 3),
        "per_second": round(good / took_s, 1),
        **latencies(seen.latencies_s),
        "generator_cpu_s": round(cpu_s, 2),
        "generator_us_per_request": each(cpu_s * 1_000_000, count),
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(measure(Plan(**given | {"targets": [Target(**target) for target in given["targets"]]}))))
