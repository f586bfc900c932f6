"""Thousands of rules that are due at one instant: how long until all have run, each of them once."""

import asyncio
import time
from datetime import datetime, timedelta

from bench.figures import Row, latencies
from bench.founding import Town, enable, found
from bench.observing import now
from bench.processes import KEYRING
from bench.stage import Stage
from sluiceway.domain.ids import least_id
from sluiceway.services.clock import advance, freeze, resume
from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database, DatabaseOptions
from sluiceway.wiring import engine_of

TOWNS = 10
_PODS = 20
_AMOUNT = 500
_AHEAD = timedelta(hours=1)
"""The instant is far enough away to enable all rules before it, while the clocks stand still."""
_LEAD = timedelta(seconds=2)
_LONGEST_S = 600
_POLL_S = 0.2


def schedules(stage: Stage) -> list[Row]:
    """Let the instant come, and wait for the last rule."""
    since = least_id(now())
    asyncio.run(_prepare(stage))
    before = stage.usage()
    asked = stage.options.rules // TOWNS * TOWNS
    lags_s, rules = _wait(stage, asked, since)
    return [
        {
            "scenario": "schedules",
            "rules": asked,
            "seconds": round(max(lags_s, default=0.0), 3),
            "per_second": round(asked / max(lags_s), 1) if lags_s else None,
            **latencies(lags_s),
            **stage.spent_since(before, asked),
            # Those that did not run, and those that ran twice.
            "errors": asked - rules + len(lags_s) - rules,
        }
    ]


def _wait(stage: Stage, asked: int, since: str) -> tuple[list[float], int]:
    """Wait until so many runs have ended that have that id or a later one.

    Return how late each has ended, in seconds, and of how many rules they are.
    """
    began = time.perf_counter()
    while True:
        [[lags_s, rules]] = stage.observer.rows(
            "SELECT coalesce(array_agg(extract(epoch FROM finished_at - scheduled_for)::float8), '{}'),"
            " count(DISTINCT (organization_id, rule_id)) FROM execution"
            " WHERE nominal IS NOT NULL AND finished_at IS NOT NULL AND id >= %(since)s::uuid",
            since=since,
        )
        if len(lags_s) >= asked or time.perf_counter() - began > _LONGEST_S:
            return lags_s, rules
        time.sleep(_POLL_S)


async def _prepare(stage: Stage) -> None:
    """Found towns, enable rules for an instant ahead of them while their clocks stand still, and let the clocks run."""
    async with Database(stage.url, DatabaseOptions(keyring=KEYRING)) as database:
        engine = engine_of(database)
        towns = [await found(engine, f"Schedules {number}", _PODS) for number in range(TOWNS)]
        for town in towns:
            await freeze(engine, town.id)
        due = now().replace(microsecond=0) + _AHEAD
        each = stage.options.rules // TOWNS
        await asyncio.gather(*[_enable(engine, town, due, each) for town in towns])
        for town in towns:
            await advance(engine, town.id, due - _LEAD)
        for town in towns:
            await resume(engine, town.id)


async def _enable(engine: Engine, town: Town, due: datetime, count: int) -> None:
    start = due.replace(tzinfo=None).isoformat()
    for number in range(count):
        source, destination = (town.pods[(number + place) % len(town.pods)] for place in range(2))
        trigger = {"type": "SCHEDULED", "schedule_type": "DAILY", "start": start, "account_id": source}
        action = {"type": "FIXED", "amount_in_cents": _AMOUNT, "source": source, "destination": destination}
        await enable(engine, town.person, trigger, action)
