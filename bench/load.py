"""A load generator: keep-alive connections that send one request at a time each, as fast as answers come.

Run as a process of its own: reads a plan as JSON from standard input, prints what it measured as JSON.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass(frozen=True)
class Target:
    """One thing to ask for: `body` is sent as JSON; `{n}` in it becomes the number of the request."""

    method: str
    path: str
    key: str
    body: str
    is_idempotent: bool


@dataclass
class Counts:
    """What came back."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends the next request when the answer to the last one is complete."""

    def __init__(self, next_request: Callable[[], bytes | None], counts: Counts, ended: asyncio.Future[None]) -> None:
        self._next_request = next_request
        self._counts = counts
        self._ended = ended
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count an answer when it is complete, and send the next request."""
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        status = int(head[9:12])
        self._counts.statuses[status] = self._counts.statuses.get(status, 0) + 1
        self._counts.latencies_s.append(time.perf_counter() - self._sent_at)
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the protocol's signature
        """Say that this connection has ended."""
        if not self._ended.done():
            self._ended.set_result(None)

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def requests(targets: list[Target], host: str, until: float, run: str) -> Callable[[], bytes | None]:
    """Make requests at random targets, each with an idempotency key of its own, until the time is over."""
    chance = random.Random(run)
    count = 0

    def next_request() -> bytes | None:
        nonlocal count
        if time.perf_counter() >= until:
            return None
        count += 1
        target = chance.choice(targets)
        body = target.body.replace("{n}", str(count)).encode()
        idempotency = f"Idempotency-Key: {run}-{count}\r\n" if target.is_idempotent else ""
        return (
            f"{target.method} {target.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: ApiKey {target.key}\r\n"
            f"Content-Type: application/json\r\n{idempotency}Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    return next_request


async def measure(plan: dict[str, object]) -> dict[str, object]:
    """Run a plan: `host`, `port`, `connections`, `seconds`, `run`, `targets`."""
    targets = [Target(**target) for target in plan["targets"]]  # type: ignore[attr-defined]
    host, port = str(plan["host"]), int(str(plan["port"]))
    counts = Counts()
    started = time.perf_counter()
    next_request = requests(targets, host, started + float(str(plan["seconds"])), str(plan["run"]))
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(int(str(plan["connections"])))]
    for ended in ends:
        await loop.create_connection(lambda ended=ended: Connection(next_request, counts, ended), host, port)
    await asyncio.gather(*ends)
    took_s = time.perf_counter() - started
    ordered = sorted(counts.latencies_s)
    return {
        "requests": len(ordered),
        "seconds": round(took_s, 3),
        "statuses": counts.statuses,
        "per_second": round(len(ordered) / took_s, 1),
        **{f"p{share}_ms": at_share(ordered, share) for share in (50, 95, 99)},
        "max_ms": round(ordered[-1] * 1000, 2) if ordered else None,
        "cpu_s": round(time.process_time(), 2),
    }


def at_share(ordered: list[float], percent: int) -> float | None:
    """Give the latency in milliseconds that so many percent of the answers stayed under."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000, 2)


if __name__ == "__main__":
    uvloop.install()
    print(json.dumps(asyncio.run(measure(json.load(sys.stdin)))))
