"""The audit that goes on: looks, seals, stops money where a promise is broken, and lets it go on when told."""

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from sluiceway.domain.errors import MoneyStopped
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ledger import AccountKind
from sluiceway.services import verifying
from sluiceway.services.attention import what_needs_you
from sluiceway.services.audit import run_audit
from sluiceway.services.audit_log import list_entries
from sluiceway.services.idempotency import Answer
from sluiceway.services.organizations import resume
from sluiceway.services.verifying import look, organizations_to_verify, release, verify
from sluiceway.storage.database import Database, fetch_all
from sluiceway.storage.organizations import find_organizations
from tests.support import AUTO_SAVE, World, new_world, plain_engine


@pytest.fixture
async def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(verifying, "LONGEST_REST_S", 0.0)
    monkeypatch.setattr(verifying, "AGAIN_AFTER_S", 0.0)
    world = await new_world(replace(plain_engine(database), audit_share=1.0))
    await world.account("income", AccountKind.INCOME_SOURCE)
    for name in ("savings", "emergency", "tax"):
        await world.account(name)
    await world.rule("auto_save", AUTO_SAVE)
    await world.deposit("income", 100_000, key="d1")
    await world.trigger("auto_save", 1_000, key="t1")
    await world.settle()
    return world


def later(world: World, **by: float) -> World:
    """Let real time pass, as far as who looks can tell."""
    now = world.engine.now
    world.engine = replace(world.engine, now=lambda: now() + timedelta(**by))
    return world


async def tamper(database_url: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await conn.execute(statement.encode())


async def stopped_for(world: World) -> str | None:
    async with world.engine.database.read() as tx:
        return (await find_organizations(tx, [world.organization_id]))[world.organization_id].stopped_for


async def test_an_honest_organization_is_looked_at_again_and_again_and_sealed(world: World):
    first = await look(world.engine, world.organization_id)
    later(world, seconds=30)
    second = await look(world.engine, world.organization_id)
    await world.trigger("auto_save", 2_000)
    await world.settle()
    later(world, seconds=30)
    third = await look(world.engine, world.organization_id)
    later(world, days=2)
    everything = await look(world.engine, world.organization_id)

    assert [each.broken for each in (first, second, third, everything)] == [[]] * 4
    assert third.rows > 0
    assert len(everything.results) > len(third.results)
    assert not any(result.violations for result in await run_audit(world.engine))


async def test_it_is_due_every_twenty_seconds_and_can_be_switched_off(world: World):
    assert await organizations_to_verify(world.engine) == [world.organization_id]
    await verify(world.engine, world.organization_id)

    assert await organizations_to_verify(world.engine) == []
    later(world, seconds=21)
    assert await organizations_to_verify(world.engine) == [world.organization_id]
    assert await organizations_to_verify(replace(world.engine, audit_share=0.0)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE account SET posted = posted + 1 WHERE name = 'savings'",
        "UPDATE account SET account_number = '999' WHERE name = 'savings'",
        "UPDATE posting SET amount = amount + 1 WHERE kind = 'post'",
        "UPDATE audit_head SET hash = sha256(hash)",
        "UPDATE execution SET completed = 0, failed = 1 WHERE completed = 1",
    ],
)
async def test_a_broken_promise_stops_all_money_until_somebody_lets_it_go_on(
    world: World, database_url: str, statement: str
):
    await look(world.engine, world.organization_id)
    await tamper(database_url, statement)
    later(world, seconds=8)

    await verify(world.engine, world.organization_id)

    assert await stopped_for(world) is not None
    assert isinstance(await world.transfer("income", "savings", 100), MoneyStopped)
    with pytest.raises(MoneyStopped):
        await resume(world.engine, world.organization_id)
    answer = await world.trigger("auto_save", 1_000)
    await world.settle()
    assert isinstance(answer, Answer)
    assert (await world.execution(answer)).status is ExecutionStatus.IN_PROGRESS
    async with world.engine.database.read() as tx:
        organization = (await find_organizations(tx, [world.organization_id]))[world.organization_id]
        needs = await what_needs_you(tx, organization, {}, [], world.engine.now())
    assert "audit" in needs[0].title
    assert str(organization.stopped_for) in needs[0].detail

    assert await release(world.engine, world.organization_id) == organization.stopped_for
    assert isinstance(await world.transfer("income", "savings", 100), Answer)
    await world.settle()
    assert (await world.execution(answer)).status is ExecutionStatus.EXECUTED
    assert await release(world.engine, world.organization_id) is None


async def test_what_was_sealed_and_changed_is_found_by_the_full_look(world: World, database_url: str):
    later(world, seconds=8)
    await look(world.engine, world.organization_id)
    await tamper(database_url, "UPDATE idempotency SET answer = 'other' WHERE key = 't1'")

    results = await run_audit(world.engine)

    assert [result.name for result in results if result.violations] == ["seals_hold"]
    later(world, hours=25)
    await verify(world.engine, world.organization_id)


async def test_what_comes_late_is_no_lie(world: World, database_url: str):
    later(world, seconds=8)
    await look(world.engine, world.organization_id)
    await tamper(
        database_url,
        "INSERT INTO outbox SELECT organization_id, (left(id::text, 24) || '00000000dead')::uuid, 'rule.enabled',"
        " subject_id, created_at FROM outbox ORDER BY id LIMIT 1",
    )

    assert not any(result.violations for result in await run_audit(world.engine))
    later(world, days=2)
    assert (await look(world.engine, world.organization_id)).broken == []


async def test_an_organization_that_was_paused_before_stays_paused_when_it_is_released(world: World, database_url: str):
    await verifying.stop_money(world.engine, world.organization_id, (await run_audit(world.engine))[0])
    await release(world.engine, world.organization_id)
    async with world.engine.database.read() as tx:
        organization = (await find_organizations(tx, [world.organization_id]))[world.organization_id]

    assert organization.paused_at is None


async def test_a_stop_is_written_down_once_and_what_is_wrong_stays_to_be_seen(world: World, database_url: str):
    await look(world.engine, world.organization_id)
    await tamper(database_url, "UPDATE account SET account_number = '999' WHERE name = 'savings'")
    for _ in range(3):
        later(world, seconds=30)
        await verify(world.engine, world.organization_id)

    entries = await list_entries(world.engine, world.organization_id, action="STOP_MONEY", limit=10)
    assert len(entries) == 1
    assert [result.name for result in await run_audit(world.engine) if result.violations] == ["seals_hold"]
    await release(world.engine, world.organization_id)
    later(world, seconds=30)
    await verify(world.engine, world.organization_id)
    assert await stopped_for(world) is None
    assert not any(result.violations for result in await run_audit(world.engine))


async def test_what_may_be_forgotten_is_not_missed_and_its_seal_is_emptied(world: World, database_url: str):
    later(world, seconds=8)
    await look(world.engine, world.organization_id)
    await tamper(database_url, "DELETE FROM idempotency")
    assert [result.name for result in await run_audit(world.engine) if result.violations] == ["seals_hold"]

    later(world, hours=30)
    assert (await look(world.engine, world.organization_id)).broken == []
    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT cardinality(hashes) FROM audit_seal WHERE of = 'answers'")
    assert rows == [(0,)]
    assert not any(result.violations for result in await run_audit(world.engine))
