"""Held after a restore: nothing moves, nothing leaves; afterwards what may have been sent waits for a person."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sluiceway.domain.ledger import AccountKind
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services import approvals, handover, refreshing, schedules, settlement
from sluiceway.services.audit import run_audit
from sluiceway.services.errands import ERRANDS, work_off
from sluiceway.services.holding import HeldAfterRestore
from sluiceway.services.idempotency import Answer
from sluiceway.services.restoring import record_restores, release, standings
from sluiceway.services.settlement import waiting_organizations
from sluiceway.storage.database import Database
from sluiceway.storage.restoration import list_restorations
from tests.banked import bank_of, connect
from tests.drills.stage import pay_in
from tests.drills.test_backup import ask, put_back, take
from tests.support import World, fixed, new_world, on_demand, plain_engine, whenever_money_arrives

DAILY = {"type": "SCHEDULED", "account_id": "income", "schedule_type": "DAILY", "start": "2026-01-01T15:00:00"}
_OVERDUE = """
    UPDATE rule SET next_fire_at = now() - interval '2 days', next_nominal = now() - interval '2 days'
    WHERE next_fire_at IS NOT NULL RETURNING id
"""
_BALANCES_ARE_FRESH = (
    "UPDATE execution SET stage = 'SETTLE', is_refresh_due = false WHERE due_at IS NOT NULL RETURNING id"
)


async def a_town(database: Database, *, is_sandbox: bool = True) -> World:
    """Make a pod, an outside account, and rules that pay there on demand and when money arrives."""
    engine = replace(plain_engine(database), rail_of=lambda _: SandboxBank(database))
    world = await new_world(engine, is_sandbox=is_sandbox)
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("pod")
    await connect(world, "landlord")
    await pay_in(bank_of(world), world, "income", 1_000_000)
    await refreshing.fetch_now(engine, world.organization_id, world.organization_id)
    await world.rule("rent", on_demand("income", fixed(10_000, "income", "landlord")))
    await world.rule("keep", whenever_money_arrives("income", fixed(20_000, "income", "pod")))
    await world.rule("invest", whenever_money_arrives("pod", fixed(15_000, "pod", "landlord")))
    return world


@pytest_asyncio.fixture
async def restored(
    database: Database, database_url: str, empty_database_url: str, tmp_path: Path
) -> AsyncGenerator[World]:
    """Restore a town in which a run was due and a payment was waiting when the backup was taken."""
    world = await a_town(database)
    await world.trigger("rent")
    await world.settle()
    await world.trigger("rent")
    await take(database_url, tmp_path / "a.zip")
    await put_back(empty_database_url, tmp_path / "a.zip")
    async with Database(empty_database_url) as again:
        engine = plain_engine(again)
        await record_restores(engine)
        yield World(engine, world.organization_id, world.person, world.accounts, world.rules)


async def test_no_worker_finds_anything_to_do_and_nobody_moves_anything(restored: World):
    engine = restored.engine
    triggered = await restored.trigger("rent", key="meanwhile")

    assert isinstance(triggered, Answer)
    assert await waiting_organizations(engine) == []
    assert await restored.settle() == 0
    # Those look at what is there, and take away what may be forgotten.
    for errand in (each for each in ERRANDS if each.name not in ("verify", "forget")):
        assert await errand.waiting(engine) == [], errand.name
    assert await work_off(engine, restored.organization_id) == 0
    assert await handover.hand_over(engine, restored.organization_id) == 0
    assert await schedules.fire(engine, restored.organization_id) == 0
    with pytest.raises(HeldAfterRestore):
        await restored.transfer("income", "pod", 10_000)
    with pytest.raises(HeldAfterRestore):
        await restored.deposit("income", 10_000)
    assert (await restored.execution(triggered)).status.value == "IN_PROGRESS"


async def test_nobody_is_signed_in_any_more(
    database: Database, database_url: str, empty_database_url: str, tmp_path: Path
):
    await a_town(database)
    signed_in = """
        INSERT INTO session (organization_id, id, person_id, token_hash, created_at, seen_at, reauthenticated_at,
                             is_complete, user_agent, address)
        SELECT organization_id, id, id, 'x', now(), now(), now(), true, '', '' FROM person RETURNING ended_at
    """
    assert ask(database_url, signed_in) == [(None,)]
    await take(database_url, tmp_path / "a.zip")
    await put_back(empty_database_url, tmp_path / "a.zip")

    assert ask(empty_database_url, "SELECT ended_at IS NOT NULL FROM session") == [(True,)]


async def test_the_status_tells_what_was_on_its_way_and_what_waits(restored: World):
    [standing] = await standings(restored.engine)

    assert [(leg.amount, says) for leg, says in standing.legs] == [(10_000, "does not know it")]
    assert standing.waiting.executions == 1
    assert standing.organization.held_since is not None
    assert standing.restoration.epoch == 2


async def test_the_log_has_the_epoch_and_who_released_it(restored: World):
    released = await release(restored.engine, "Ada")

    assert released == [restored.organization_id]
    assert await release(restored.engine, "Eve") == []
    async with restored.engine.database.read() as tx:
        [restoration] = await list_restorations(tx)
    assert restoration.released_by == "Ada"
    found = await logged(restored)
    assert [action for action, _ in found] == ["RESTORE", "RELEASE_RESTORE"]
    assert found[0][1].startswith("epoch 2, from a backup of ")
    assert found[1][1] == "epoch 2, by Ada"
    assert [check.name for check in await run_audit(restored.engine) if check.violations] == []


async def test_what_was_in_the_backup_goes_out_under_its_own_id_once_it_is_released(restored: World):
    [[standing_leg]] = [[leg.id for leg, _ in each.legs] for each in await standings(restored.engine)]
    await release(restored.engine, "Ada")
    await restored.settle()
    await handover.hand_over(restored.engine, restored.organization_id)

    assert await approvals.list_waiting(restored.engine, restored.organization_id) == []
    assert standing_leg in {transfer.id for transfer in await restored.transfers()}
    assert len([each for each in await restored.transfers() if each.rule_id == restored.rules["rent"].id]) == 2


async def test_what_a_new_request_sets_off_waits_for_nobody(restored: World):
    await release(restored.engine, "Ada")
    await restored.deposit("income", 50_000)
    await restored.settle()

    assert await approvals.list_waiting(restored.engine, restored.organization_id) == []


@pytest.mark.parametrize(("is_careful", "is_sandbox"), [(True, False), (False, False), (True, True)])
async def test_a_schedule_that_may_have_run_already_moves_nothing_without_a_person(
    database: Database,
    database_url: str,
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_careful: bool,
    is_sandbox: bool,
):
    if not is_careful:
        monkeypatch.setattr(settlement, "repeated_runs", nothing_is_repeated)
    world = await a_town(database, is_sandbox=is_sandbox)
    written = {**on_demand("income", fixed(30_000, "income", "landlord")), "trigger": DAILY}
    rule = await world.rule("daily", written)
    # Its time comes between the backup and the restore.
    assert len(ask(database_url, _OVERDUE)) == 1
    await take(database_url, tmp_path / "a.zip")
    await put_back(empty_database_url, tmp_path / "a.zip")
    async with Database(empty_database_url) as again:
        twin = World(plain_engine(again), world.organization_id, world.person, world.accounts, world.rules)
        [standing] = await standings(twin.engine)
        await release(twin.engine, "Ada")
        await schedules.fire(twin.engine, twin.organization_id)
        ask(
            empty_database_url,
            "UPDATE execution SET due_at = '-infinity', stage = 'SETTLE' WHERE due_at IS NOT NULL RETURNING id",
        )
        await twin.settle()
        waiting = await approvals.list_waiting(twin.engine, twin.organization_id)

    assert [passed.rule_id for passed in standing.schedules] == [rule.id]
    # A sandbox's bank came out of the backup too, so nothing can have been sent to it.
    assert [each.transfer.amount for each in waiting] == ([30_000] if is_careful and not is_sandbox else [])


async def nothing_is_repeated(*_: object) -> set[object]:
    return set()


async def logged(world: World) -> list[tuple[Any, ...]]:
    async with world.engine.database.snapshot() as tx:
        return await tx.fetch_all(
            "SELECT action, reason FROM audit_entry WHERE action LIKE '%%RESTORE' ORDER BY id", {}
        )
