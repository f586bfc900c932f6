"""Clients of two organizations that hang up on a server in the middle of their requests: nobody hears the other's.

After each of them the other organization asks for something, on a connection that it keeps, and looks at every byte.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.storage.database import Database
from tests.concurrency.cancelling import AMOUNT, MARKS, Broken, Household, household
from tests.concurrency.talking import Line
from tests.invariants import violations
from tests.support import plain_engine

LANES: Final = 16
_LONGEST_S: Final = 0.006
"""About as long as a request takes: some are broken off before they are read, some after they are answered."""


async def hang_up(
    database_url: str, server_url: str, count: int, dice: random.Random, *, until: Callable[[], bool] = lambda: False
) -> Broken:
    """Hang up on `count` requests, and look at what the other organization hears after each of them."""
    found = Broken()
    async with Database(database_url) as house:
        homes = [await household(plain_engine(house), mark) for mark in MARKS]

        async def lane(_: int) -> None:
            lines = {home.mark: Line(server_url, _headers(home)) for home in homes}
            while found.cancelled < count and not until():
                mine, other = dice.sample(homes, 2)
                await _break_off(Line(server_url, _headers(mine)), mine, dice)
                found.cancelled += 1
                await _ask(lines[other.mark], other, dice, found)
            for line in lines.values():
                line.hang_up()

        await asyncio.gather(*[lane(number) for number in range(LANES)])
        found.violations += [f"not true: {sentence}" for sentence in await violations(house)]
        for home in homes:
            moved = (await home.world.balances())[f"{home.mark} b"]
            if moved % AMOUNT or moved > AMOUNT * len(home.keys):
                found.violations.append(f"{len(home.keys)} keys of {home.mark} have moved {moved}")
    return found


def _headers(home: Household) -> dict[str, str]:
    return {"Authorization": f"ApiKey {home.secret}"}


async def _break_off(line: Line, home: Household, dice: random.Random) -> None:
    """Ask for something, and hang up a moment later."""
    if dice.random() < 0.5:
        await line.send("GET", _path(home, dice))
    else:
        key = f"{home.mark} {len(home.keys)}"
        home.keys.append(key)
        a, b = (format_id(IdKind.ACCOUNT, home.world.accounts[f"{home.mark} {name}"]) for name in "ab")
        body = {"source_account_id": a, "destination_account_id": b, "amount_in_cents": AMOUNT}
        await line.send("POST", "/api/v1/transfers", body, Idempotency_Key=key)
    await asyncio.sleep(dice.uniform(0, _LONGEST_S))
    line.hang_up()


async def _ask(line: Line, home: Household, dice: random.Random, found: Broken) -> None:
    heard = await line.ask("GET", _path(home, dice))
    found.asked_after += 1
    [foreign] = [mark for mark in MARKS if mark != home.mark]
    count = heard.body.count(foreign.encode())
    if count:
        found.foreign += count * len(foreign)
        found.violations.append(f"{home.mark} has heard {heard.body!r}")
    elif heard.status != 200 or home.mark.encode() not in heard.body:
        found.violations.append(f"{home.mark} has heard {heard}")


def _path(home: Household, dice: random.Random) -> str:
    account = format_id(IdKind.ACCOUNT, home.world.accounts[f"{home.mark} a"])
    return dice.choice(["/api/v1/accounts", f"/api/v1/accounts/{account}", f"/api/v1/transfers?account_id={account}"])
