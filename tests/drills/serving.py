"""A server whose bank keeps its book in another database, which outlives the server's own: for drills."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from sluiceway.cli.serving import listening, run_until_stopped, serve_until, stopping
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.edge import Edge
from sluiceway.settings import Settings, read_settings
from sluiceway.storage.database import Database
from sluiceway.wiring import Running, open_database, working, working_engine
from sluiceway.worker import Worker


def main() -> None:
    """Serve, and settle, until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--bank", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    settings = replace(
        read_settings(), database_url=given.url, data_dir=Path(os.devnull), port=given.port, host="127.0.0.1"
    )
    with listening(settings) as (sock, _):

        async def serve() -> None:
            await _serve(settings, given.bank, lambda stop, parts: serve_until(stop, parts, sock, _ready))

        run_until_stopped(serve, settings)


def _ready() -> None:
    print("ready", flush=True)


async def _serve(settings: Settings, bank_url: str, until: Callable[[asyncio.Event, Running], Awaitable[None]]) -> None:
    to_wake: list[Worker] = []

    def wake() -> None:
        for each in to_wake:
            each.wake()

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, is_to_stay=True))
        bank = SandboxBank(await stack.enter_async_context(Database(bank_url)))
        engine = replace(
            await stack.enter_async_context(working_engine(database, settings, wake)), rail_of=lambda _: bank
        )
        worker = Worker(engine)
        to_wake.append(worker)
        await stack.enter_async_context(working(worker))
        edge = Edge(engine)
        stack.push_async_callback(edge.close)
        await until(stopping(), Running(engine, edge, worker))


if __name__ == "__main__":
    main()
