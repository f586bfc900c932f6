"""Amounts from people's own services: asked once for each action, recorded, and only then used."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import RuleId
from sluiceway.services.engine import Engine
from sluiceway.services.gathering import gather, waiting_organizations
from sluiceway.services.rules import open_secret
from sluiceway.storage.database import fetch_all
from tests.clocks import go_to, until
from tests.outbound.servers import replying
from tests.support import World, fixed, on_demand
from tests.taxes import (
    Pausing,
    amount,
    are_recorded,
    asked,
    asking,
    finish,
    headers,
    make_taxed,
    moved,
    only_run,
    paths,
    recorded,
    remote,
    sequence,
)


@pytest_asyncio.fixture(loop_scope="session")
async def taxed(world: World) -> World:
    return await make_taxed(world)


async def test_a_service_is_asked_for_an_amount_which_is_recorded_and_then_moves(taxed: World):
    async with asking(taxed, amount(12_345)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        answer = await world.trigger("tax", 40_000)
        await world.settle()
        assert (server.requests, await waiting_organizations(world.engine)) == ([], [world.organization_id])

        assert await gather(world.engine, world.organization_id) == 1
        assert (await recorded(world), await moved(world)) == ([(0, 0, 12_345)], [])
        await world.settle()

        assert await moved(world) == [12_345]
        run = await world.execution(answer)
        assert (run.status, run.next_attempt_at, run.error_message) == (ExecutionStatus.EXECUTED, None, None)
        assert asked(server) == [
            {
                "execution_id": run.id,
                "rule_id": world.rules["tax"].id,
                "step": 0,
                "action": 0,
                "mode": "LIVE",
                "transfer_amount_in_cents": 40_000,
                "source_account_id": world.accounts["income"],
                "destination_account_id": world.accounts["taxes"],
            }
        ]


async def test_a_question_is_signed_with_the_secret_of_its_rule(taxed: World):
    async with asking(taxed, sequence(replying(503), amount(5_000))) as (world, server):
        for name in ("tax", "other"):
            await world.rule(name, on_demand("income", remote(server, name)))
            await world.trigger(name)
            await finish(world)
        await go_to(world, "2027-03-01T00:01")
        async with world.engine.database.read() as tx:
            secrets = dict(await fetch_all(tx, "SELECT id, secret FROM rule"))

    by_path = dict(zip(paths(server), server.requests, strict=True))
    assert paths(server) == ["tax", "other", "tax"]
    for name, request in by_path.items():
        body = request.partition(b"\r\n\r\n")[2]
        rule_id = RuleId(world.rules[name].id)
        secret = open_secret(world.engine, world.organization_id, rule_id, secrets[rule_id])
        assert headers(request)["x-sequence-signature"] == f"Bearer {secret}"
        assert Webhook(secret).verify(body, headers(request))["rule_id"] == world.rules[name].id
    first, _, last = [headers(request)["webhook-id"] for request in server.requests]
    assert first == last, "the same question has the same id"
    assert len(set(secrets.values())) == 2


async def test_an_answer_that_was_recorded_before_a_crash_is_not_asked_for_again(taxed: World, other_engine: Engine):
    service = Pausing([amount(700), amount(999), amount(999)])
    async with asking(taxed, service) as (world, server):
        await world.rule("tax", on_demand("income", remote(server), remote(server, "savings", "savings")))
        await world.trigger("tax")
        await world.settle()
        asking_now = asyncio.create_task(gather(world.engine, world.organization_id))
        service.gates[0].set()
        await until(lambda: are_recorded(world, 1))
        asking_now.cancel()
        await asyncio.gather(asking_now, return_exceptions=True)
        # Whether the second question was on its way or not, it is answered when it is asked again.
        for gate in service.gates:
            gate.set()
        before = paths(server)

        survivor = replace(
            other_engine, outbound=world.engine.outbound, now=lambda: other_engine.now() + timedelta(seconds=31)
        )
        await finish(replace(world, engine=survivor))

        assert paths(server).count("amount") == 1
        assert before[0] == "amount"
        assert await moved(world) == [700, 999]


async def test_only_the_step_that_matches_is_asked_for(taxed: World):
    condition = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 5_000_000}}
    async with asking(taxed, amount(1_000)) as (world, server):
        rule = on_demand("income")
        rule["steps"] = [
            {"conditions": condition, "actions": [remote(server, "rich")]},
            {"conditions": None, "actions": [fixed(100, "income", "savings"), remote(server, "poor")]},
        ]
        await world.rule("tax", rule)
        await world.trigger("tax")
        await finish(world)

        assert paths(server) == ["poor"]
        assert [(each["step"], each["action"]) for each in asked(server)] == [(1, 1)]
        assert await moved(world) == [100, 1_000]


async def test_a_step_that_matches_no_longer_once_the_answer_is_there_gives_way_to_the_one_that_does(taxed: World):
    condition = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 500_000}}
    async with asking(taxed, amount(1_000)) as (world, server):
        rule = on_demand("income")
        rule["steps"] = [
            {"conditions": condition, "actions": [remote(server, "rich")]},
            {"conditions": None, "actions": [remote(server, "poor")]},
        ]
        await world.rule("tax", rule)
        await world.trigger("tax")
        await world.settle()
        await gather(world.engine, world.organization_id)
        await world.transfer("income", "savings", 900_000)
        await finish(world)

        assert paths(server) == ["rich", "poor"]
        assert await recorded(world) == [(0, 0, 1_000), (1, 0, 1_000)]
        assert ((await only_run(world)).step_matched, await moved(world)) == (1, [1_000])


async def test_several_services_of_one_step_are_asked_in_its_order(taxed: World):
    async with asking(taxed, sequence(amount(1_000), amount(2_000))) as (world, server):
        await world.rule("tax", on_demand("income", remote(server, "one"), remote(server, "two", "savings")))
        await world.trigger("tax")
        await finish(world)

        assert paths(server) == ["one", "two"]
        assert await recorded(world) == [(0, 0, 1_000), (0, 1, 2_000)]
        assert (await world.balances())["savings"] == 2_000


async def test_an_amount_is_cut_to_the_ceiling(taxed: World):
    async with asking(taxed, amount(99_999)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server, ceiling_in_cents=500)))
        await world.trigger("tax")
        await finish(world)

        assert (await recorded(world), await moved(world)) == ([(0, 0, 99_999)], [500])


async def test_zero_moves_nothing_and_is_no_failure(taxed: World):
    async with asking(taxed, amount(0)) as (world, server):
        await world.rule("tax", on_demand("income", remote(server)))
        await world.trigger("tax")
        await finish(world)

        assert (await moved(world), (await only_run(world)).status) == ([], ExecutionStatus.EXECUTED)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (replying(200, b'{"amountInCents":"5"}'), "The remote service's answer had no whole number amountInCents."),
        (replying(200, b'{"amountInCents":5.0}'), "The remote service's answer had no whole number amountInCents."),
        (replying(200, b"<html>5</html>"), "The remote service's answer was not a JSON object."),
        (replying(200, b'{"amountInCents":5,"amountInCents":5}'), "The remote service's answer was not a JSON object."),
        (
            replying(200, b'{"amountInCents":-1}'),
            "The remote service's amountInCents was below zero or above 10000000000000.",
        ),
        (replying(201, b'{"amountInCents":5}'), "The remote service answered with status 201 instead of 200."),
        (replying(404), "The remote service answered with status 404 instead of 200."),
    ],
)
async def test_an_answer_that_is_no_amount_ends_the_run_and_moves_nothing(taxed: World, answer: bytes, why: str):
    async with asking(taxed, answer) as (world, server):
        await world.rule("tax", on_demand("income", remote(server), fixed(100, "income", "savings")))
        await world.trigger("tax")
        await finish(world)
        await go_to(world, "2027-03-03")

        run = await only_run(world)
        assert (run.status, run.next_attempt_at) == (ExecutionStatus.FAILED, None)
        assert run.error_message == f"The remote service has given no amount. {why}"
        assert (len(server.requests), await moved(world)) == (1, [])
