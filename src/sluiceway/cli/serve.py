"""`sluiceway serve` and `sluiceway worker`."""

import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, settings_of
from sluiceway.cli.output import say
from sluiceway.cli.processes import supervise
from sluiceway.cli.serving import Host, Port, listening, run_until_stopped, serve_from, stopping, with_address
from sluiceway.settings import Settings

Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        min=1,
        max=64,
        help="Serve from so many processes, which this one keeps alive; SIGHUP renews them one by one.",
        show_default=False,
    ),
]


def serve(
    host: Host = None,
    port: Port = None,
    processes: Processes = None,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Settle in these processes too, or leave that to `worker`.")
    ] = True,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve the APIs and settle what is due, until Ctrl-C.

    Several processes may serve one database. What was answered is safe: after a crash, starting again goes on.
    """
    settings = with_address(settings_of(data_dir, database_url), host, port)
    with listening(settings) as (sock, base_url):

        def on_ready() -> None:
            say(f"Sluiceway is at {base_url}")

        if processes is None:
            run_until_stopped(lambda: _serve(sock, settings, on_ready, with_worker=worker), settings)
        else:
            run_until_stopped(lambda: supervise(processes, settings, sock, on_ready, with_worker=worker), settings)


async def _serve(sock: socket.socket, settings: Settings, on_ready: Callable[[], None], *, with_worker: bool) -> None:
    await serve_from(sock, settings, stopping(), on_ready, with_worker=with_worker)


def worker(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Settle what is due, until Ctrl-C, without serving anything.

    Any number of workers may share one database; each execution is settled by one of them.
    """
    settings = settings_of(data_dir, database_url)
    run_until_stopped(lambda: _work(settings), settings)


async def _work(settings: Settings) -> None:
    from sluiceway.cli.metrics import telling
    from sluiceway.cli.tax import beside_the_demo
    from sluiceway.wiring import open_database, running

    stop = stopping()
    async with AsyncExitStack() as stack:
        widened = stack.enter_context(beside_the_demo(settings))
        database = await stack.enter_async_context(open_database(widened, is_to_stay=True))
        parts = await stack.enter_async_context(running(database, widened))
        await stack.enter_async_context(telling(parts, settings))
        say("Sluiceway is settling what is due.")
        await stop.wait()
