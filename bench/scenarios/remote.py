"""Rules that ask a service for an amount: from trigger to settled, with a question over HTTP on the way."""

import asyncio
import signal
import sys

from bench.figures import Row, latencies
from bench.founding import enable, manual
from bench.load import Target
from bench.processes import KEYRING, running, wait_until_listening
from bench.stage import HOST, Stage
from bench.world import trigger
from sluiceway.domain.ids import least_id
from sluiceway.storage.database import Database, DatabaseOptions
from sluiceway.wiring import engine_of


def remote(stage: Stage) -> list[Row]:
    """Trigger such rules so many times, and wait until all have their amounts and are settled."""
    targets = asyncio.run(_rules(stage))
    service = [sys.executable, "-m", "bench.amounts", str(stage.amounts_port)]
    with running(service, ends_with=-signal.SIGTERM):
        wait_until_listening(stage.amounts_port)
        before = stage.usage()
        seen = stage.load(targets, stage.options.callers, stage.options.seconds, most=stage.options.asked)
        stage.observer.wait_until_settled()
    [[settled, took_s]] = stage.observer.rows(
        "SELECT count(*), array_agg(extract(epoch FROM e.finished_at - e.created_at)::float8)"
        " FROM remote_amount a JOIN execution e ON e.organization_id = a.organization_id AND e.id = a.execution_id"
        " WHERE a.amount IS NOT NULL AND e.completed = 1 AND e.id >= %(since)s::uuid",
        since=least_id(before.at),
    )
    spent = stage.spent_since(before, settled)
    all_s = stage.usage().clock - before.clock
    return [
        {
            "scenario": "remote",
            **seen,
            "accepted_per_second": seen["per_second"],
            "per_second": round(settled / all_s, 1),
            "seconds": round(all_s, 3),
            **latencies(took_s or []),
            "callers": stage.options.callers,
            **spent,
            "errors": max(seen["errors"], seen["requests"] - settled),
        }
    ]


async def _rules(stage: Stage) -> list[Target]:
    """Enable a rule in every town that asks for the amount of its one transfer."""
    url = f"http://{HOST}:{stage.amounts_port}/amount"
    targets: list[Target] = []
    async with Database(stage.url, DatabaseOptions(keyring=KEYRING)) as database:
        engine = engine_of(database)
        for town in stage.seeded.towns:
            source, destination = town.pods[:2]
            action = {"type": "REMOTE_AMOUNT", "url": url, "source": source, "destination": destination}
            targets.append(trigger(town, await enable(engine, town.person, manual(source), action)))
    return targets
