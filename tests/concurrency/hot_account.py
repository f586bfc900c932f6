"""Many clients want the money of one account, and there is enough for half of what they ask: exactly half succeeds.

Half of them move it, the others have it held for a person; meanwhile somebody sums all balances in one statement, over
and over, and it never changes.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import psycopg

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.money import Cents
from sluiceway.services.keys import create_key, every_grant
from sluiceway.storage.database import Database
from tests.concurrency.talking import Line
from tests.invariants import violations
from tests.support import World, new_world, plain_engine

CLIENTS: Final = 64
AMOUNT: Final = 137
REST: Final = AMOUNT - 1
"""What is left over: a cent short of one more."""

_SUM: Final = """
    SELECT sum(posted), min(posted - held_out) FILTER (WHERE kind = 'POD') FROM account WHERE organization_id = %s
        AND kind NOT IN ('WORLD', 'CLEARING')
"""


@dataclass
class Contest:
    """What came of it."""

    attempts: int
    statuses: Counter[int] = field(default_factory=Counter[int])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    sums: set[int] = field(default_factory=set[int])
    lowest: int = 0
    looks: int = 0
    left: int = 0
    violations: list[str] = field(default_factory=list[str])

    @property
    def successes(self) -> int:
        return self.outcomes["complete"] + self.outcomes["pending_approval"]


@dataclass(frozen=True)
class _Stage:
    world: World
    headers: tuple[dict[str, str], dict[str, str]]
    """The key of those who move money, and of those whose transfers are held."""

    def spelled(self, account: str) -> str:
        return format_id(IdKind.ACCOUNT, self.world.accounts[account])


@asynccontextmanager
async def _stage(url: str, money: int) -> AsyncGenerator[_Stage]:
    async with Database(url) as database:
        engine = plain_engine(database)
        world = await new_world(engine)
        for pod in ("hot", *(f"pod {number}" for number in range(8))):
            await world.account(pod)
        await world.deposit("hot", money)
        keys: list[dict[str, str]] = []
        for above in (None, Cents(0)):
            made = await create_key(
                engine, world.organization_id, "client", every_grant(), approval_above=above, rate_limit=None
            )
            keys.append({"Authorization": f"ApiKey {made[1]}"})
        yield _Stage(world, (keys[0], keys[1]))


async def contest(database_url: str, server_url: str, attempts: int) -> Contest:
    """Ask for the same money `attempts` times, from many connections at once."""
    found = Contest(attempts)
    async with _stage(database_url, attempts // 2 * AMOUNT + REST) as stage:
        numbers = iter(range(attempts))
        is_over = asyncio.Event()

        async def client(index: int) -> None:
            async with Line(server_url, stage.headers[index % 2]) as line:
                for number in numbers:
                    body = {
                        "source_account_id": stage.spelled("hot"),
                        "destination_account_id": stage.spelled(f"pod {number % 8}"),
                        "amount_in_cents": AMOUNT,
                    }
                    heard = await line.ask("POST", "/api/v1/transfers", body, Idempotency_Key=f"hot-{number}")
                    found.statuses[heard.status] += 1
                    if heard.status == 201:
                        found.outcomes[heard.json()["data"]["status"]] += 1

        watching = asyncio.create_task(_watch(database_url, stage.world.organization_id, found, is_over))
        try:
            await asyncio.gather(*[client(index) for index in range(CLIENTS)])
        finally:
            is_over.set()
        await watching
        found.left = (await stage.world.balances())["hot"]
        await _judge(stage.world, found)
    return found


async def _watch(url: str, organization_id: str, found: Contest, is_over: asyncio.Event) -> None:
    """Sum all balances in one statement, which sees one moment, until it is over."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        while not is_over.is_set():
            total, lowest = (await (await conn.execute(_SUM, (organization_id,))).fetchall())[0]
            found.sums.add(int(total))
            found.lowest = min(found.lowest, lowest)
            found.looks += 1
            await asyncio.sleep(0.002)


async def _judge(world: World, found: Contest) -> None:
    successes, money = found.attempts // 2, found.attempts // 2 * AMOUNT + REST
    refused = found.attempts - successes
    held = found.outcomes["pending_approval"] * AMOUNT
    expected = {
        f"all {found.attempts} attempts are answered 201": found.statuses == {201: found.attempts},
        f"exactly {successes} succeed": found.successes == successes,
        "the others say that there was too little": found.outcomes["incomplete"] == refused,
        f"{REST} cents are left": found.left == REST,
        "what is held is what waits": await world.figures("hot") == (REST + held, held, 0),
        "the sum over all accounts never changes": found.sums == {money},
        "nothing is ever below its floor": found.lowest >= 0,
        "somebody looked": found.looks > 0,
    }
    found.violations += [f"not true: {sentence}: {found}" for sentence, is_true in expected.items() if not is_true]
    found.violations += [f"not true: {sentence}" for sentence in await violations(world.engine.database)]
