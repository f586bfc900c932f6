"""A real server on a socket, with a worker beside it: what is asked for over HTTP happens by itself, and is seen."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import httpx
import pytest_asyncio

from sluiceway.cli.serving import serve_until
from sluiceway.services.keys import create_key, every_grant
from sluiceway.settings import Settings
from sluiceway.storage.database import Database
from sluiceway.wiring import running
from tests.api.client import Api
from tests.api.outside import MONDAY, balance, connect, read, told, transfer
from tests.api.test_clock import daily_rule
from tests.api.test_story import deposit
from tests.invariants import violations
from tests.support import first_story, plain_engine


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncGenerator[Api]:
    """Serve on a free port of this machine, and open a client with a key that may do everything."""
    world = await first_story(plain_engine(database))
    _, secret = await create_key(world.engine, world.organization_id, "everything", every_grant(), rate_limit=None)
    ready, stop = asyncio.Event(), asyncio.Event()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        async with running(database, Settings()) as parts:
            serving = asyncio.create_task(serve_until(stop, parts, sock, ready.set))
            await asyncio.wait_for(ready.wait(), 30)
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=60) as http:
                yield Api(http, world, secret)
            stop.set()
            await serving


async def status_of(api: Api, transfer_id: str, *, not_: str) -> str:
    """Wait until a transfer has moved on."""
    for _ in range(400):
        status: str = (await read(api, f"/transfers/{transfer_id}"))["status"]
        if status != not_:
            return status
        await asyncio.sleep(0.02)
    return not_


async def test_a_payment_goes_out_settles_and_comes_back(api: Api) -> None:
    bank = await connect(api, "Bank", 0)
    await deposit(api, 100_000, "savings")
    pushed = await transfer(api, api.account("savings"), bank, 40_000)
    handed_over = await status_of(api, pushed, not_="processing")
    settled = await told(api, f"/sandbox/transfers/{pushed}/settle")
    there = await balance(api, bank)
    returned = await told(api, f"/sandbox/transfers/{pushed}/return", {"code": "R03"})

    assert (handed_over, settled["status"], there) == ("pending", "complete", 40_000)
    assert (returned["status"], returned["return_code"]) == ("error", "R03")
    assert await balance(api, api.account("savings")) == 100_000
    assert await violations(api.world.engine.database) == {}


async def test_controls_are_seen_at_once_though_the_worker_looks_too(api: Api) -> None:
    await told(api, "/sandbox/clock/freeze")
    bank = await connect(api, "Bank", 0)
    await deposit(api, 100_000, "savings")
    money = {"account_id": api.account("savings"), "amount_in_cents": 1_000}
    for number in range(1, 21):
        collected = await told(api, "/sandbox/withdrawals", money, status=201)
        await told(api, f"/sandbox/accounts/{bank}/transactions", {"amount_in_cents": 7}, status=201)

        assert collected["status"] == "complete"
        assert await balance(api, bank) == 7 * number
        assert await balance(api, api.account("savings")) == 100_000 - 1_000 * number


async def test_a_long_move_is_answered_when_all_of_it_has_happened(api: Api) -> None:
    await told(api, "/sandbox/clock/freeze")
    await told(api, "/sandbox/clock/advance", {"to": MONDAY})
    rule = await daily_rule(api, "2030-01-07T20:30:00Z")
    moved = await told(api, "/sandbox/clock/advance", {"days": 60}, key="once")
    again = await told(api, "/sandbox/clock/advance", {"days": 60}, key="once")
    runs = await read(api, "/rule-executions", rule_id=rule, first=100)

    assert moved == again
    assert (moved["now"], len(runs)) == ("2030-03-08T14:00:00.000Z", 60)
    assert {run["status"] for run in runs} == {"executed"}
    assert all(run["created_at"] == run["trigger_details"]["scheduled_time"] for run in runs)
