"""The client's story against the real server: it reads, it writes, and what it sends twice happens once."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from sluiceway.client import (
    Action,
    AsyncSluiceway,
    AuditLogEntry,
    BadRequest,
    Comparison,
    Condition,
    Denied,
    NotFound,
    Sluiceway,
    Step,
    Trigger,
    Unauthorized,
)
from sluiceway.domain.ids import RuleId
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.rules import enable_rule
from sluiceway.storage.rules import find_rule
from tests.client.scripted import URL, LosingAnswers
from tests.support import PASSWORD, World


async def test_it_reads_accounts_and_what_is_in_them(client: AsyncSluiceway, world: World) -> None:
    await world.deposit("income", 12_345)
    listed = [account async for account in client.accounts.list()]
    income = await client.accounts.get(world.accounts["income"])

    assert {account.name: account.type for account in listed} == {
        "income": "INCOME_SOURCE", "savings": "POD", "emergency": "POD",
    }  # fmt: skip
    assert income.balance is not None
    assert income.balance.available_balance_in_cents == 12_345
    assert income.created_at.utcoffset() == timedelta(0)


async def test_a_rule_is_made_read_changed_and_run_once_a_person_enabled_it(
    client: AsyncSluiceway, world: World
) -> None:
    await world.deposit("income", 20_000)
    await world.settle()
    income = await client.accounts.get(world.accounts["income"])
    savings = await client.accounts.get(world.accounts["savings"])
    made = await client.rules.create(
        name="A quarter",
        trigger=Trigger("MANUAL", income.id),
        steps=[
            Step(
                [
                    Action(
                        "PERCENTAGE",
                        income.node,
                        savings.node,
                        percentage_value=Decimal(25),
                        percentage_target="SOURCE_ACCOUNT",
                    )
                ],
                Condition(condition=Comparison("BALANCE", "GREATER_THAN", 100)),
            ),
            Step([Action("TOP_UP", income.node, savings.node, amount_in_cents=500)]),
        ],
    )
    same = await client.rules.get(made.id)
    changed = await client.rules.update(made.id, name="A quarter of it", steps=same.steps)
    with pytest.raises(Denied) as refused:
        await client.rules.trigger(made.id)
    await enable(world, made.id)
    triggered = await client.rules.trigger(made.id, execute_amount=10_000)
    await world.settle()
    execution = await client.wait_for_execution(made.id, triggered.execution_id)
    [transfer] = [each async for each in client.transfers.list([savings.id], rule_execution_id=execution.id)]

    assert made == same
    assert (changed.name, changed.status, changed.steps) == ("A quarter of it", "DISABLED", made.steps)
    assert refused.value.code == "RULE_DEACTIVATED"
    assert (execution.status, execution.transfers_completed) == ("EXECUTED", 1)
    assert execution.transfer_ids == [transfer.id]
    assert (transfer.amount_in_cents, transfer.status, transfer.is_final) == (2_500, "COMPLETE", True)


async def enable(world: World, rule_id: str) -> None:
    async with world.engine.database.read() as tx:
        record = await find_rule(tx, world.organization_id, RuleId(rule_id))
    assert record is not None
    await enable_rule(world.engine, world.person, PASSWORD, record.id, record.fingerprint)


async def test_a_simulation_is_recorded_and_moves_nothing(client: AsyncSluiceway, world: World) -> None:
    triggered = await client.rules.trigger(world.rules["auto_save"].id, execute_amount=100_000, simulation=True)
    await world.settle()
    execution = await client.wait_for_execution(world.rules["auto_save"].id, triggered.execution_id)
    listed = [each async for each in client.executions.list(world.rules["auto_save"].id, execution_mode="SIMULATION")]

    assert execution.execution_mode == "SIMULATION"
    assert [each.id for each in listed] == [execution.id]
    assert await world.balances() == {"income": 0, "savings": 0, "emergency": 0}


@pytest.mark.parametrize("lost", [1, 3])
async def test_a_payment_whose_answer_is_lost_happens_once(
    application: httpx.ASGITransport, secret: str, world: World, lost: int
) -> None:
    await world.deposit("savings", 10_000)
    network = LosingAnswers(application, lost)

    async def no_pause(seconds: float) -> None:
        assert seconds > 0

    async with AsyncSluiceway(URL, secret, transport=network, sleep=no_pause) as client:
        made = await client.transfers.create(world.accounts["savings"], world.accounts["emergency"], 2_500)

    assert (made.status, made.amount_in_cents) == ("COMPLETE", 2_500)
    assert network.replayed == [True]
    assert [each.id for each in await world.transfers() if each.id == made.id] == [made.id]
    assert await world.balances() == {"income": 0, "savings": 7_500, "emergency": 2_500}


async def test_pages_of_one_are_walked_on_the_real_server(client: AsyncSluiceway, world: World) -> None:
    await world.deposit("savings", 10_000)
    for amount in (101, 102, 103):
        await client.transfers.create(world.accounts["savings"], world.accounts["emergency"], amount)
    walked = [each.amount_in_cents async for each in client.accounts.transfers(
        world.accounts["savings"], account_role="source", page_size=1
    )]  # fmt: skip
    past = await client.transfers.list([world.accounts["savings"]], page_size=2).page(9)

    assert walked == [103, 102, 101]
    assert (past.items, past.has_next) == ([], False)


async def test_refusals_of_the_real_server_are_read(client: AsyncSluiceway, application: httpx.ASGITransport) -> None:
    with pytest.raises(NotFound) as unknown:
        await client.accounts.get("01a1fe2a-23c9-7087-9301-88004bdd2979")
    with pytest.raises(BadRequest) as wrong:
        await client.transfers.create("nobody", "nobody else", 100)
    async with AsyncSluiceway(URL, "sk_wrong", transport=application) as stranger:
        with pytest.raises(Unauthorized):
            await stranger.rules.list().page()

    assert (unknown.value.code, wrong.value.code) == ("ACCOUNT_NOT_FOUND", "TRANSFER_SOURCE_NOT_FOUND")
    assert unknown.value.request_id


async def test_the_audit_log_tells_what_the_program_did_and_why(
    application: httpx.ASGITransport, secret: str, world: World
) -> None:
    async with AsyncSluiceway(URL, secret, transport=application, called_reason="the monthly look") as client:
        await client.accounts.get(world.accounts["savings"])
        entries: list[AuditLogEntry] = []
        # Reads are recorded a moment after they were answered.
        for _ in range(200):
            if entries := [each async for each in client.audit_logs.list(action="GET_ACCOUNT")]:
                break
            await asyncio.sleep(0.02)

    [entry] = entries
    assert (entry.outcome, entry.called_reason, entry.error_code) == ("SUCCESS", "the monthly look", None)
    assert entry.path == f"/platform/v1/accounts/{world.accounts['savings']}"


async def test_who_calls_too_often_waits_as_long_as_the_server_says(
    application: httpx.ASGITransport, world: World
) -> None:
    _, slow = await create_key(world.engine, world.organization_id, "slow", every_grant(), rate_limit=60)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(seconds)

    async with AsyncSluiceway(URL, slow, transport=application, sleep=sleep) as client:
        names = [(await client.accounts.get(world.accounts["savings"])).name for _ in range(63)]

    assert names == ["savings"] * 63
    assert slept
    assert min(slept) >= 1


async def test_a_program_that_blocks_does_the_same_over_a_socket(url: str, secret: str, world: World) -> None:
    await world.deposit("income", 100_000)

    def program() -> list[int]:
        with Sluiceway(url, secret) as client:
            [rule] = client.rules.list()
            triggered = client.rules.trigger(rule.id, execute_amount=100_000, idempotency_key="once")
            again = client.rules.trigger(rule.id, execute_amount=100_000, idempotency_key="once")
            assert triggered == again
            execution = client.wait_for_execution(rule.id, triggered.execution_id)
            assert execution.status == "EXECUTED"
            return [client.transfers.get(each).amount_in_cents for each in execution.transfer_ids]

    assert await asyncio.to_thread(program) == [20_000]
    # By the deposit, and once by the program.
    assert (await world.balances())["savings"] == 40_000
