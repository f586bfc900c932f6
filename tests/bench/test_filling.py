"""History that is filled in for the benchmarks is history: everything adds up, and the application goes on from it."""

import asyncio

from bench.filling import ENTRIES_IN_A_BATCH, fill
from bench.founding import Town, enable, found, manual, share
from sluiceway.domain.ids import RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import TriggerType
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.audit import run_audit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.settlement import settle_due
from sluiceway.storage.database import Database, fetch_all
from tests.invariants import violations
from tests.support import plain_engine


async def founded(engine: Engine, name: str) -> tuple[Town, RuleId]:
    town = await found(engine, name, pods=3)
    source, first, second = town.pods
    shares = (share(20, source, first), share(10, source, second))
    return town, await enable(engine, town.person, manual(source), *shares)


async def run(engine: Engine, town: Town, rule_id: RuleId) -> None:
    def show(execution_id: str) -> Answer:
        return Answer(200, execution_id.encode())

    command = TriggerRule(town.id, rule_id, rule_id, TriggerType.SEQUENCE_API, Cents(1000), None, show)
    assert isinstance((await admit(engine, [command]))[0], Answer)
    assert await settle_due(engine) == 1


async def count(database: Database) -> tuple[int, ...]:
    async with database.read() as tx:
        [row] = await fetch_all(
            tx,
            "SELECT (SELECT count(*) FROM transfer), (SELECT count(*) FROM posting), (SELECT count(*) FROM execution),"
            " (SELECT sum(entries) FROM audit_head)::bigint",
        )
    return tuple(row)


async def test_history_adds_up_and_the_application_goes_on_from_it(database: Database, database_url: str) -> None:
    engine = plain_engine(database)
    towns = [await founded(engine, name) for name in ("One", "Two")]
    for town, rule_id in towns:
        await run(engine, town, rule_id)
    before = await count(database)

    filled = await asyncio.to_thread(fill, database_url, 2_000)

    transfers, postings, executions, entries = await count(database)
    made = transfers - before[0]
    assert filled["transfers"] == transfers >= 2_000
    assert (postings - before[1], executions - before[2], entries - before[3]) == (made, made // 2, made // 2)
    for town, rule_id in towns:
        await run(engine, town, rule_id)
    assert [check for check in await run_audit(engine) if check.violations] == []
    assert await violations(database) == {}


async def test_history_is_filled_up_to_what_is_asked_for(database: Database, database_url: str) -> None:
    engine = plain_engine(database)
    town, rule_id = await founded(engine, "One")
    await run(engine, town, rule_id)
    await asyncio.to_thread(fill, database_url, 100)
    before = await count(database)

    filled = await asyncio.to_thread(fill, database_url, 100)

    assert await count(database) == before
    assert filled["transfers"] == before[0]
    assert before[3] > ENTRIES_IN_A_BATCH
