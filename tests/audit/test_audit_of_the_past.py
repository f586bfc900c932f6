"""What `python -m tests.audit` measures of a million transfers, of some thousands: nothing wrong, twice the same."""

from dataclasses import replace
from datetime import timedelta

from sluiceway.services.audit import digest_of, run_audit
from sluiceway.services.verifying import look
from sluiceway.storage.database import Database, fetch_all
from tests.audit.past import filled, founded, run
from tests.support import plain_engine


async def test_a_long_past_is_sealed_stretch_by_stretch_and_audited_while_money_moves(
    database: Database, database_url: str
):
    engine = plain_engine(database)
    towns = await founded(engine, 2)
    await filled(database_url, 30_000)
    now = engine.now
    engine = replace(engine, now=lambda: now() + timedelta(seconds=10))

    for town, _ in towns:
        looked = await look(engine, town.id, is_full=True)
        assert looked.broken == []
        assert looked.rows > 100_000
    await run(engine, towns, 20)
    results = await run_audit(engine)
    async with database.read() as tx:
        [[seals]] = await fetch_all(tx, "SELECT count(*) FROM audit_seal WHERE of = 'transfers'")
    at = engine.now()
    frozen = replace(engine, now=lambda: at)

    assert [result.name for result in results if result.violations] == []
    assert seals >= 6
    assert digest_of(await run_audit(frozen)) == digest_of(await run_audit(frozen))
