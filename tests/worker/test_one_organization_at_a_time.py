"""Where a transaction may name one organization, none names two: calls, settlement, errands, the log and the audit."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from sluiceway.domain.access import Actor, ActorKind
from sluiceway.domain.audit import Act
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.services.audit import run_audit
from sluiceway.services.audit_log import Done
from sluiceway.services.edge import Edge
from sluiceway.services.idempotency import Answer
from sluiceway.storage.audit import Check
from sluiceway.storage.database import Database, DatabaseOptions, fetch_all
from sluiceway.wiring import working
from sluiceway.worker import Worker
from tests.cards import issue, purchase
from tests.clocks import until
from tests.invariants import violations
from tests.support import World, fixed, new_world, on_demand, plain_engine, whenever_money_arrives
from tests.watching import Watch, watching

_EACH = 12


@dataclass
class Crowd:
    """Several organizations that all want something at the same time, and what was sent meanwhile."""

    worlds: list[World]
    watch: Watch
    at_once: int | None


@pytest.fixture(params=[None, 1, 2])
async def crowd(database_url: str, request: pytest.FixtureRequest) -> AsyncGenerator[Crowd]:
    """Make four organizations with money, rules, a bank and a card."""
    async with Database(database_url, DatabaseOptions(organizations_at_once=request.param)) as database:
        worlds = [await new_world(plain_engine(database)) for _ in range(4)]
        for world in worlds:
            await world.account("income", AccountKind.INCOME_SOURCE)
            await world.account("savings")
            await world.account("pod")
            await world.account("landlord", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
            await world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))
            await world.rule("pass on", whenever_money_arrives("savings", fixed(400, "savings", "pod")))
            await world.rule("rent", on_demand("income", fixed(2_000, "income", "landlord")))
            await world.deposit("income", 10_000_000)
            await world.deposit("pod", 100_000)
        with watching() as watch:
            yield Crowd(worlds, watch, request.param)
        assert await violations(database) == {}


async def test_everything_happens_and_no_statement_crosses(crowd: Crowd):
    engine = crowd.worlds[0].engine
    edge = Edge(engine)
    cards = [await issue(world, "pod") for world in crowd.worlds]

    async with working(Worker(engine)):
        answers = await asyncio.gather(
            *[
                call
                for number in range(_EACH)
                for world, card in zip(crowd.worlds, cards, strict=True)
                for call in (
                    edge.trigger(world.trigger_command("save", key=f"key {number}")),
                    edge.trigger(world.trigger_command("rent")),
                    edge.deposit(world.deposit_command("income", 100, key=f"key {number}")),
                    edge.transfer(world.transfer_command("income", "pod", 300, key=f"key {number}")),
                    edge.use_card(purchase(world, card, 50, key=f"key {number}")),
                )
            ]
        )
        for world in crowd.worlds * _EACH:
            edge.recorder.note(Done(Act(world.organization_id, Actor(ActorKind.OPERATOR, None), "LOOK")))
        await until(lambda: _is_done(crowd))
        await edge.close()

    assert all(isinstance(answer, Answer) for answer in answers)
    for world in crowd.worlds:
        assert await world.balances() == {
            "income": 10_000_000 - _EACH * (1_000 + 2_000 + 300 - 100),
            "savings": _EACH * (1_000 - 400),
            "pod": 100_000 + _EACH * (400 + 300 - 50),
            "landlord": 0,
        }
    assert [result for result in await run_audit(engine) if result.violations] == []
    assert {"lock_free_organizations", "lock_accounts", "claim", "move_heads", "insert_postings"} <= crowd.watch.seen
    assert max((len(named) for _, named in crowd.watch.crossing), default=1) <= (crowd.at_once or 4)
    # Without the setting they share transactions, which shows that the watch would see it.
    assert (crowd.watch.crossing == []) == (crowd.at_once == 1)


async def test_the_audit_sees_what_is_wrong_in_each(crowd: Crowd):
    engine = crowd.worlds[0].engine
    ids = [world.accounts["savings"] for world in crowd.worlds[:3]]
    await _invent(engine.database, ids, 1)

    [wrong] = [result for result in await run_audit(engine) if result.name == Check.BALANCES]
    assert wrong.violations == len(ids)
    assert {example.id for example in wrong.examples} == set(ids)

    await _invent(engine.database, ids, -1)


async def _invent(database: Database, ids: list[AccountId], cents: int) -> None:
    """Change balances behind everybody's back."""
    change = "UPDATE account SET posted = posted + %(cents)s WHERE id = ANY (%(ids)s::uuid[]) RETURNING id"
    async with database.read() as tx:
        assert len(await fetch_all(tx, change, {"ids": ids, "cents": cents})) == len(ids)


async def _is_done(crowd: Crowd) -> bool:
    async with crowd.worlds[0].engine.database.read() as tx:
        [(due, open_transfers)] = await fetch_all(
            tx,
            "SELECT (SELECT count(*) FROM execution WHERE due_at IS NOT NULL),"
            " (SELECT count(*) FROM transfer WHERE status = 'PROCESSING')",
        )
    return not due and not open_transfers
