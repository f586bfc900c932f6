"""The plain way: one PostgreSQL transaction for each transfer, statement by statement, on a connection for each caller.

Run as a process of its own: reads what to do as JSON from standard input, prints what it measured as JSON.
"""

import asyncio
import json
import random
import sys
import time

import psycopg
import uvloop

from bench.figures import Row, latencies

ACCOUNTS = 500
_AMOUNT = 1000


async def _move(url: str, *, until: float, is_hot: bool, seed: int) -> list[float]:
    """Make one transfer after the other on one connection; return how long each took, in seconds."""
    chance = random.Random(seed)
    took_s: list[float] = []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=1) as connection:
        while (began := time.perf_counter()) < until:
            source, destination = chance.sample(range(1, ACCOUNTS + 1), 2)
            if is_hot:
                source, destination = 1, max(2, destination)
            await _transfer(connection, source, destination)
            took_s.append(time.perf_counter() - began)
    return took_s


async def _transfer(connection: psycopg.AsyncConnection, source: int, destination: int) -> None:
    async with connection.transaction():
        found = await connection.execute(
            "SELECT id, balance FROM account WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", (source, destination)
        )
        balances: dict[int, int] = dict(await found.fetchall())
        assert balances[source] >= _AMOUNT, "there is enough for every run"
        moved = await connection.execute(
            "INSERT INTO transfer (source_id, destination_id, amount) VALUES (%s, %s, %s) RETURNING id",
            (source, destination, _AMOUNT),
        )
        [[transfer_id]] = await moved.fetchall()
        for account_id, amount in ((source, -_AMOUNT), (destination, _AMOUNT)):
            after = balances[account_id] + amount
            await connection.execute("UPDATE account SET balance = %s WHERE id = %s", (after, account_id))
            await connection.execute(
                "INSERT INTO entry (transfer_id, account_id, amount, balance) VALUES (%s, %s, %s, %s)",
                (transfer_id, account_id, amount, after),
            )


async def _run(url: str, callers: int, seconds: float, *, is_hot: bool) -> Row:
    began = time.perf_counter()
    moves = [_move(url, until=began + seconds, is_hot=is_hot, seed=seed) for seed in range(callers)]
    took_s = [each for one in await asyncio.gather(*moves) for each in one]
    all_s = time.perf_counter() - began
    return {
        "requests": len(took_s),
        "seconds": round(all_s, 3),
        "per_second": round(len(took_s) / all_s, 1),
        **latencies(took_s),
        "generator_cpu_s": round(time.process_time(), 2),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_run(**json.load(sys.stdin)))))
