"""Services that are slow or down: asked again by the clock, by whoever has the lease, and never for what is known."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.transfers import Mode
from sluiceway.services.admission import admit
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.gathering import NOT_ALLOWED, gather, waiting_organizations
from sluiceway.services.organizations import pause, resume
from sluiceway.services.rules import disable_rule
from sluiceway.storage.database import Database, DatabaseOptions
from tests.api.client import open_api
from tests.clocks import go_to, shown, until
from tests.outbound.servers import replying, serving
from tests.support import World, on_demand
from tests.taxes import (
    Pausing,
    amount,
    are_recorded,
    asked,
    asking,
    finish,
    make_taxed,
    moved,
    only_run,
    paths,
    recorded,
    remote,
    sequence,
    tried,
)

RETRIES = [
    "2027-03-01 00:01",
    "2027-03-01 00:06",
    "2027-03-01 00:36",
    "2027-03-01 02:36",
    "2027-03-01 08:36",
]


@pytest_asyncio.fixture(loop_scope="session")
async def taxed(world: World) -> World:
    return await make_taxed(world)


@pytest.mark.parametrize("status", [500, 503, 429, 408, 0])
async def test_a_service_that_is_down_is_asked_again_by_the_organizations_clock_and_then_no_more(
    taxed: World, status: int
):
    async with asking(taxed, replying(status)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await finish(world)

        assert await tried(world) == RETRIES
        run = await only_run(world)
        assert (run.status, run.next_attempt_at, shown(run.finished_at)) == (
            ExecutionStatus.FAILED,
            None,
            RETRIES[-1],
        )
        assert run.error_message is not None
        assert run.error_message.startswith("The remote service has given no amount. The remote service ")
        await go_to(world, "2027-03-05")
        assert (len(server.requests), await moved(world)) == (6, [])


async def test_a_run_that_waits_for_another_attempt_says_so_in_the_api(taxed: World):
    async with asking(taxed, replying(500)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await finish(world)
        edge = Edge(world.engine)
        async with open_api(world, edge) as api:
            shown_now = (await api.get(f"/api/v1/rule-executions/{(await only_run(world)).id}")).json()["data"]
        await edge.close()

    assert shown_now["status"] == "in_progress"
    assert shown_now["next_attempt_at"].startswith("2027-03-01T00:01:00")
    assert "status 500" in json.dumps(shown_now)


async def test_it_recovers_on_the_third_try(taxed: World):
    async with asking(taxed, sequence(replying(500), replying(0), amount(4_200))) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await finish(world)

        assert await tried(world) == RETRIES[:2]
        run = await only_run(world)
        assert (run.status, run.error_message, run.next_attempt_at) == (ExecutionStatus.EXECUTED, None, None)
        assert (len(server.requests), await moved(world)) == (3, [4_200])


async def test_every_action_has_all_its_attempts(taxed: World):
    fails, down = replying(500), [replying(500)] * 6
    async with asking(taxed, sequence(fails, fails, amount(1_000), *down)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server, "one"), remote(server, "two")))
        await world.trigger("tax")
        await finish(world)
        waits = await tried(world)

        assert len(waits) == 2 + 5
        assert paths(server) == ["one"] * 3 + ["two"] * 6
        # What was answered is used; what was not, stops the step.
        assert (await moved(world), (await only_run(world)).status) == ([1_000], ExecutionStatus.PARTIAL)


async def test_a_server_that_may_ask_nobody_tries_again_in_case_another_one_may(taxed: World):
    async with serving() as server:
        await taxed.rule("tax", on_demand("income", remote(server)))
    await taxed.trigger("tax")
    await finish(taxed)

    run = await only_run(taxed)
    assert (run.status, run.error_message, shown(run.next_attempt_at)) == (
        ExecutionStatus.IN_PROGRESS,
        NOT_ALLOWED,
        RETRIES[0],
    )


async def test_a_simulation_asks_and_says_that_nothing_will_move(taxed: World):
    async with asking(taxed, amount(4_200)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)), enabled=False)
        await admit(world.engine, [replace(world.trigger_command("tax", 50_000), mode=Mode.SIMULATION)])
        await finish(world)

        [question] = asked(server)
        [made] = (await world.transfers())[1:]
        assert (question["mode"], question["transfer_amount_in_cents"]) == ("SIMULATION", 50_000)
        assert (made.mode, made.amount) == (Mode.SIMULATION, 4_200)
        assert (await world.balances())["income"] == 1_000_000


async def test_a_rule_that_is_disabled_meanwhile_asks_nobody(taxed: World):
    async with asking(taxed, replying(500)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await finish(world)
        await disable_rule(world.engine, world.organization_id, world.rules["tax"].id, "")
        await go_to(world, "2027-03-02")

        assert (len(server.requests), (await only_run(world)).status) == (1, ExecutionStatus.FAILED)


async def test_while_automation_is_paused_nobody_is_asked(taxed: World):
    async with asking(taxed, amount(100)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await world.settle()
        await pause(world.engine, world.organization_id)
        await go_to(world, "2027-03-02")
        assert (server.requests, await waiting_organizations(world.engine)) == ([], [])
        assert await gather(world.engine, world.organization_id) == 0
        await resume(world.engine, world.organization_id)
        await finish(world)

        assert (len(server.requests), await moved(world)) == (1, [100])


async def test_a_worker_that_is_stuck_is_replaced_after_its_lease_and_what_it_brings_is_dropped(
    taxed: World, other_engine: Engine
):
    service = Pausing([amount(999), amount(100)])
    async with asking(taxed, service) as (world, server):
        later = timedelta(seconds=29)
        successor = replace(other_engine, outbound=world.engine.outbound, now=lambda: other_engine.now() + later)
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await world.settle()

        stuck = asyncio.create_task(gather(world.engine, world.organization_id))
        await service.are_waiting(1)
        assert await gather(successor, world.organization_id) == 0, "the lease still holds"
        assert await waiting_organizations(successor) == []
        later = timedelta(seconds=31)
        assert await waiting_organizations(successor) == [world.organization_id]
        taking_over = asyncio.create_task(gather(successor, world.organization_id))
        await service.are_waiting(2)
        service.gates[0].set()
        await stuck
        assert await recorded(world) == [], "the answer of whoever lost the lease"
        service.gates[1].set()
        await taking_over
        await finish(world)

        assert (await moved(world), len(server.requests)) == ([100], 2)


async def test_many_slow_answers_outlast_a_lease_and_are_asked_for_once(taxed: World, other_engine: Engine):
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(amount(100))

    async with asking(taxed, slowly) as (world, server):
        lease = timedelta(seconds=0.5)
        engines = [replace(each, outbound=world.engine.outbound, lease=lease) for each in (world.engine, other_engine)]
        await world.rule("tax", on_demand("income", *[remote(server, str(number)) for number in range(6)]))
        await world.trigger("tax")
        await world.settle()

        async def again_and_again(engine: Engine) -> None:
            while await recorded(world) != [(0, number, 100) for number in range(6)]:
                await gather(engine, world.organization_id)
                await asyncio.sleep(0.01)

        await asyncio.wait_for(asyncio.gather(*map(again_and_again, engines)), 10)
        await finish(world)

        assert paths(server) == list("012345")
        assert await moved(world) == [100] * 6


async def test_one_service_that_hangs_does_not_keep_the_answers_of_others(taxed: World):
    service = Pausing([amount(1), amount(2_000), amount(3_000)])
    async with asking(taxed, service) as (world, server):
        for name in ("hangs", "two", "three"):
            await world.rule(name, on_demand("income", remote(server, name)))
            await world.trigger(name)
        await world.settle()
        gathering = asyncio.create_task(gather(world.engine, world.organization_id))
        await service.are_waiting(3)
        for place, path in enumerate(paths(server)):
            if path != "hangs":
                service.gates[place].set()
        await until(lambda: are_recorded(world, 2))
        await world.settle()

        assert len(await moved(world)) == 2
        assert not gathering.done()
        for gate in service.gates:
            gate.set()
        await gathering


async def test_an_answer_outlasts_somebody_who_keeps_the_organization_locked(taxed: World, database_url: str):
    gate = "SELECT FROM organization WHERE id = %s FOR UPDATE"
    async with (
        asking(taxed, amount(700)) as (world, server),
        Database(database_url, DatabaseOptions(lock_timeout_s=0.2)) as hasty,
    ):
        engine = replace(world.engine, database=hasty)
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await world.settle()
        async with await psycopg.AsyncConnection.connect(database_url) as holder:
            gathering = asyncio.create_task(gather(engine, world.organization_id))
            await holder.execute(gate, (world.organization_id,))
            await asyncio.sleep(0.4)
            await holder.rollback()
            await gathering
        await world.settle()

        assert (await moved(world), len(server.requests)) == ([700], 1)
