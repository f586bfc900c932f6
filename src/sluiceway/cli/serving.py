"""Processes that stay: how they listen, serve, and stop."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.tls import identity_of
from sluiceway.settings import Settings

if TYPE_CHECKING:
    import uvicorn

    from sluiceway.cli.limits import Limits
    from sluiceway.wiring import Running

Host = Annotated[
    str | None, typer.Option("--host", help="The address to listen at (default: $HOST, or 127.0.0.1).", metavar="HOST")
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535, help="The port to listen at; 0 takes a free one (default: $PORT, or 8080)."
    ),
]

_BACKLOG: Final = 4096
_UNREAD_BYTES: Final = 128 * 1024
"""How much of an answer the kernel keeps for a client, which all its connections inherit; Linux takes it twice."""
LONGEST_GOODBYE_S: Final = 10
_COLLECT_EVERY: Final = 50_000
"""How many more objects there are before the youngest are looked through for cycles; Python's own is 700."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def serve_from(
    sock: socket.socket,
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[], None],
    *,
    with_worker: bool,
    tell: "Callable[[Running], AbstractAsyncContextManager[None]] | None" = None,
) -> None:
    """Open the database, serve on a socket until `stop` is set, and meanwhile settle what is due, if that is wanted.

    Figures are told where the settings say, unless `tell` does it in another way.
    """
    from sluiceway.cli.metrics import telling
    from sluiceway.cli.tax import beside_the_demo
    from sluiceway.wiring import open_database, running

    async with AsyncExitStack() as stack:
        widened = stack.enter_context(beside_the_demo(settings))
        database = await stack.enter_async_context(open_database(widened, is_to_stay=True))
        parts = await stack.enter_async_context(running(database, widened, with_worker=with_worker))
        await stack.enter_async_context(telling(parts, settings) if tell is None else tell(parts))
        await serve_until(stop, parts, sock, on_ready, limits_of(settings), settings)


def with_address(settings: Settings, host: str | None, port: int | None) -> Settings:
    """Let the options win over the environment."""
    return replace(settings, host=host or settings.host, port=settings.port if port is None else port)


@contextmanager
def listening(settings: Settings) -> Generator[tuple[socket.socket, str]]:
    """Take the port before anything else starts, so that one that is in use is known at once; give its address.

    What it shows to whoever connects over TLS is looked at too, for the same reason.
    """
    is_tls = identity_of(settings) is not None
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as failure:
        raise CommandFailed(f"There is no address {settings.host} to listen at.") from failure
    with socket.socket(family, kind) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
        except OSError as failure:
            raise CommandFailed(_why_not(settings, failure)) from failure
        # The answers are small and waited for.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Left alone, the kernel takes megabytes for each client that does not read, and we notice nothing.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        yield sock, _base_url(settings.host, sock.getsockname()[1], is_tls=is_tls)


def _why_not(settings: Settings, failure: OSError) -> str:
    import errno

    place = f"Port {settings.port} of {settings.host}"
    if failure.errno == errno.EADDRINUSE:
        return f"{place} is in use. Choose another with --port, or stop what runs there."
    if failure.errno == errno.EACCES:
        return f"{place} is reserved. Choose one above 1023 with --port."
    return f"{place} cannot be used: {failure.strerror}."


def _base_url(host: str, port: int, *, is_tls: bool) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 -- what a person may have asked for
    shown = everywhere.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if is_tls else 'http'}://{shown}:{port}"


def run_until_stopped(main: Callable[[], Coroutine[None, None, None]], settings: Settings) -> None:
    """Run a process that stays and logs as the settings say.

    SIGINT and SIGTERM are the way to end it, so ending by them is no failure.
    """
    try:
        for number in _SIGNALS:
            # Before the loop takes over and after it has gone, a signal still ends us in order.
            signal.signal(number, signal.default_int_handler)
        import uvloop

        from sluiceway.cli.logs import log_to_stderr

        # A batch makes thousands of rows that live until it is written and then go by themselves. Measured, looking
        # through them for cycles, several times in each batch, took a tenth of the server's time and a fifth of the
        # worker's.
        gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])
        log_to_stderr(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            # Made here and not by the caller, or a signal that comes just before would leave it behind, never awaited.
            runner.run(main())
    except KeyboardInterrupt:
        return


def stopping() -> asyncio.Event:
    """Give the event that SIGINT and SIGTERM set from now on."""
    stop = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def limits_of(settings: Settings) -> "Limits":
    """Tell how many connections clients may have: as many as was set, if this process may open so many files."""
    import resource

    from sluiceway.cli.limits import FILES_BESIDE, TOLD_NO, Limits

    wanted = settings.client_connections * (TOLD_NO + 1) // TOLD_NO + 1 + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft not in (resource.RLIM_INFINITY, hard) and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    room = (allowed - FILES_BESIDE) * TOLD_NO // (TOLD_NO + 1)
    return Limits(
        connections=max(1, min(settings.client_connections, room)),
        per_address=settings.client_connections_per_address,
    )


async def serve_until(
    stop: asyncio.Event,
    parts: "Running",
    sock: socket.socket,
    on_ready: Callable[[], None],
    limits: "Limits | None" = None,
    settings: Settings | None = None,
) -> None:
    """Answer HTTP on the socket until `stop` is set; then finish what is under way, and let nobody ask in vain."""
    import uvicorn

    from sluiceway.cli.limits import Connections, Limits
    from sluiceway.wiring import application

    connections = Connections(limits or Limits(), None if settings is None else identity_of(settings))
    config = uvicorn.Config(
        application(parts.edge, settings, parts.door),
        loop="uvloop",
        # Uvicorn takes a class, and calls it.
        http=cast("type[asyncio.Protocol]", connections.protocol),
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=round(connections.limits.idle_s),
        timeout_graceful_shutdown=LONGEST_GOODBYE_S,
    )
    server = _quiet_server(config, on_ready)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    waiting = asyncio.create_task(stop.wait())
    watching = asyncio.create_task(connections.look_after())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    parts.edge.readiness.leave()
    # Streams of changes have no end of their own.
    parts.edge.changes.end()
    if server.started:
        # Who connects from now on comes to another process, if there is one.
        for listener in server.servers:
            listener.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(connections.say_goodbye(), LONGEST_GOODBYE_S)
    watching.cancel()
    server.should_exit = True
    await serving


def _quiet_server(config: "uvicorn.Config", on_ready: Callable[[], None]) -> "uvicorn.Server":
    import uvicorn

    class QuietServer(uvicorn.Server):
        """A server that says when it is ready, and leaves signals to us: uvicorn would raise them again at its end."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                # What was made so far stays. Measured: looking at its 80,000 objects again in every full collection
                # took 30 ms each time, during which nobody is answered.
                gc.collect()
                gc.freeze()
                on_ready()

    return QuietServer(config)
