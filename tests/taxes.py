"""People's own services on loopback that are asked for amounts, and worlds that may ask them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.services.clock import advance
from sluiceway.services.errands import work_off
from sluiceway.storage.database import fetch_all
from tests.clocks import shown, stop_clock, until
from tests.outbound.servers import Answer, Server, allowing, replying, serving
from tests.support import World


async def make_taxed(world: World) -> World:
    """Give a world accounts with money, at a time at which it stands."""
    await stop_clock(world, "2027-03-01T00:00")
    await world.account("income")
    await world.account("taxes")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    return world


def amount(cents: int) -> bytes:
    return replying(200, b'{"amountInCents":%d}' % cents)


def sequence(*answers: bytes) -> Answer:
    """Give one answer after the other, and the last one for ever."""
    left = list(answers)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return answer


@asynccontextmanager
async def asking(world: World, answer: Answer) -> AsyncGenerator[tuple[World, Server]]:
    """Let a service listen, and give a world that may ask it."""
    async with serving(answer) as server, allowing(server) as outbound:
        yield replace(world, engine=replace(world.engine, outbound=outbound)), server


def remote(server: Server, path: str = "amount", destination: str = "taxes", **more: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.port}/{path}"
    return {"type": "REMOTE_AMOUNT", "url": url, "source": "income", "destination": destination, **more}


def asked(server: Server) -> list[dict[str, Any]]:
    """Read the bodies of all questions."""
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]


def paths(server: Server) -> list[str]:
    return [request.split(b" ")[1].decode().removeprefix("/") for request in server.requests]


def headers(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def finish(world: World) -> None:
    """Do everything that is due now."""
    while await work_off(world.engine, world.organization_id):
        pass


async def only_run(world: World) -> Execution:
    [run] = await world.executions()
    return run


async def moved(world: World) -> list[int]:
    """List what rules have moved."""
    return [transfer.amount for transfer in await world.transfers() if transfer.execution_id is not None]


async def recorded(world: World) -> list[tuple[int, int, int | None]]:
    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT step, action, amount FROM remote_amount ORDER BY step, action")
    return [(step, action, cents) for step, action, cents in rows]


async def are_recorded(world: World, count: int) -> bool:
    return len(await recorded(world)) == count


class Pausing:
    """Answers one after the other, each when it is let go."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = answers
        self.gates = [asyncio.Event() for _ in answers]
        self.count = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        mine, self.count = self.count, self.count + 1
        await self.gates[mine].wait()
        writer.write(self.answers[mine])

    async def are_waiting(self, count: int) -> None:
        async def are_there() -> bool:
            return self.count == count

        await until(are_there)


async def tried(world: World) -> list[str | None]:
    """Follow a run to its end; tell when it was to be tried again."""
    seen: list[str | None] = []
    while (run := await only_run(world)).status is ExecutionStatus.IN_PROGRESS:
        assert run.next_attempt_at is not None
        assert run.error_message is not None
        seen.append(shown(run.next_attempt_at))
        await advance(world.engine, world.organization_id, run.next_attempt_at)
    return seen
