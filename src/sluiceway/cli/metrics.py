"""Figures for who collects them, in the text format of Prometheus, at an address of their own.

That address is beside the one that serves: it is asked of a parent that has little to do, or of a worker that serves
nothing, and never waits behind requests. The figures of several processes come to their parent over the lines that they
hold anyway, once a second, added up there.
"""

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from sluiceway.cli.failures import CommandFailed
from sluiceway.services.tally import COUNTERS, DISTRIBUTIONS, NOW, Copied, Labels, Tally
from sluiceway.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

    from sluiceway.api.http import Receive, Scope, Send
    from sluiceway.services.measuring import Measurer
    from sluiceway.wiring import Running

PREFIX: Final = "sluiceway_"
TELL_EVERY_S: Final = 1.0
LONGEST_LINE: Final = 1 << 20
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def telling(parts: "Running", settings: Settings) -> AsyncGenerator[None]:
    """Tell the figures of this process where the settings say so, if they do."""
    from sluiceway.services.measuring import Measurer

    def tallies() -> list[Tally]:
        tally = Tally()
        tally.absorb(parts.counted())
        return [tally]

    if settings.metrics is None:
        yield
        return
    measurer = Measurer(parts.engine)
    try:
        async with _served(settings, tallies, measurer):
            yield
    finally:
        await measurer.close()


@asynccontextmanager
async def telling_of_all(settings: Settings, tallies: Callable[[], list[Tally]]) -> AsyncGenerator[None]:
    """Tell the figures of several processes, from their parent, which has a few connections of its own for it."""
    from sluiceway.services.measuring import Measurer
    from sluiceway.wiring import engine_of, open_database

    if settings.metrics is None:
        yield
        return
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, migrated=False, is_small=True))
        measurer = Measurer(engine_of(database))
        stack.push_async_callback(measurer.close)
        await stack.enter_async_context(_served(settings, tallies, measurer))
        yield


@asynccontextmanager
async def telling_a_parent(
    parts: "Running", line: socket.socket, settings: Settings, ready: asyncio.Event
) -> AsyncGenerator[None]:
    """Once it is `ready`, tell the parent every second what this process has counted, and at the end once more."""
    if settings.metrics is None:
        yield
        return
    loop = asyncio.get_running_loop()
    line.settimeout(0)

    async def say() -> None:
        with suppress(OSError):
            await loop.sock_sendall(line, json.dumps(parts.counted(), separators=(",", ":")).encode() + b"\n")

    async def go_on() -> None:
        await ready.wait()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            await say()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if ready.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(say(), TELL_EVERY_S)


async def hear_child(line: socket.socket) -> AsyncGenerator[Copied]:
    """Give what a process says that it has counted, until it has nothing more to say."""
    loop, unread = asyncio.get_running_loop(), b""
    with suppress(OSError):
        while said := await loop.sock_recv(line, 1 << 16):
            *lines, unread = (unread + said).split(b"\n")
            assert len(unread) <= LONGEST_LINE, "figures are few"
            for each in lines[-1:]:
                yield json.loads(each)


@asynccontextmanager
async def _served(settings: Settings, tallies: Callable[[], list[Tally]], measurer: "Measurer") -> AsyncGenerator[None]:
    import uvicorn

    class Server(uvicorn.Server):
        """A server that leaves signals to who runs it."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:  # noqa: ARG001 -- as servers call it
        status, kind, body = await _answer(scope, settings.metrics_token, tallies, measurer)
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if status == 401:  # noqa: PLR2004 -- what it says
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with _bound(settings) as sock:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


@contextmanager
def _bound(settings: Settings) -> Generator[socket.socket]:
    place = settings.metrics
    assert place is not None, "asked for only where there is one"
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            # Whoever asks before the server has begun waits for it.
            sock.listen()
            yield sock
    except OSError as failure:
        raise CommandFailed(f"Figures cannot be told at {place.host}:{place.port}: {failure.strerror}.") from failure


async def _answer(
    scope: "Scope", token: str | None, tallies: Callable[[], list[Tally]], measurer: "Measurer"
) -> tuple[int, bytes, bytes]:
    if scope["path"] != "/metrics" or scope["method"] not in ("GET", "HEAD"):
        return 404, b"text/plain", b"Figures are at /metrics.\n"
    if token is not None and not _shows(scope["headers"], token):
        return 401, b"text/plain", b"Show the token: Authorization: Bearer ...\n"
    return 200, _TEXT, written(tallies(), await measurer.figures())


def _shows(headers: Sequence[tuple[bytes, bytes]], token: str) -> bool:
    shown = [value for name, value in headers if name == b"authorization"]
    return len(shown) == 1 and hmac.compare_digest(shown[0], b"Bearer " + token.encode())


def written(tallies: Sequence[Tally], figures: Mapping[str, float]) -> bytes:
    """Write what these processes have counted, and what was found in the database."""
    from prometheus_client import CollectorRegistry, generate_latest

    total = Tally()
    for tally in tallies:
        total.absorb(tally.copy())
    registry = CollectorRegistry()
    registry.register(_Families(total, figures))
    return generate_latest(registry)


class _Families:
    """The figures as the library wants them. What has not happened yet is there as well, where its labels are known."""

    def __init__(self, total: Tally, figures: Mapping[str, float]) -> None:
        self._total = total
        self._figures = figures

    def collect(self) -> Iterator["Family"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        from sluiceway.services.measuring import GAUGES

        info = GaugeMetricFamily(f"{PREFIX}info", "The version of the program.", labels=["version"])
        info.add_metric([version("sluiceway")], 1)
        yield info
        for name, metric in COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, metric.says, labels=metric.labels)
            for labels, value in self._counted(name, metric.labels):
                counter.add_metric(labels, value)
            yield counter
        for name, metric in DISTRIBUTIONS.items():
            histogram = HistogramMetricFamily(PREFIX + name, metric.says, labels=metric.labels)
            for labels, values in sorted(self._total.spread(name).items()):
                histogram.add_metric(labels, _cumulated(metric.buckets, values), values[-1])
            yield histogram
        for name, metric in NOW.items():
            gauge = GaugeMetricFamily(PREFIX + name, metric.says, labels=metric.labels)
            for labels, value in self._counted(name, metric.labels):
                gauge.add_metric(labels, value)
            yield gauge
        for name, metric in GAUGES.items():
            if name in self._figures:
                yield GaugeMetricFamily(PREFIX + name, metric.says, value=self._figures[name])

    def _counted(self, name: str, labels: Labels) -> list[tuple[Labels, float]]:
        found: dict[Labels, float] = self._total.counted(name)
        return sorted((found or ({} if labels else {(): 0.0})).items())


def _cumulated(buckets: Sequence[float], values: Sequence[float]) -> list[tuple[str, float]]:
    cumulated: list[tuple[str, Any]] = []
    so_far = 0.0
    for end, count in zip([*map(str, buckets), "+Inf"], values[:-1], strict=True):
        so_far += count
        cumulated.append((end, so_far))
    return cumulated
