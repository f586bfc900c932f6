"""One key, one effect, one answer: over two servers at once, and across kill -9 at any moment."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.processes import Serving, data_folder, free_port, new_key, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MOMENTS = 6
MOMENT_S = 0.01


@dataclass
class Caller:
    """A program that calls a server of the demo."""

    http: httpx.AsyncClient
    url: str
    headers: dict[str, str]

    async def post(self, path: str, body: Any, key: str) -> httpx.Response:
        return await self.http.post(self.url + path, headers=self.headers | {"Idempotency-Key": key}, json=body)

    async def count(self, path: str, **fields: Any) -> int:
        """Count the entries of a list that have these fields."""
        answer = (await self.http.get(self.url + path, headers=self.headers)).raise_for_status()
        return sum(all(entry[name] == value for name, value in fields.items()) for entry in answer.json()["data"])


@dataclass(frozen=True)
class Call:
    """Something to ask for, told from all others by a number, and how often it has happened."""

    path: str
    body: dict[str, Any]
    happened: Callable[[Caller], Awaitable[int]]


def calls(said: dict[str, Any], number: int) -> dict[str, Call]:
    income, savings = said["accounts"]["income"]["id"], said["accounts"]["savings"]["id"]
    rule_id, name = said["rules"]["auto_save"]["id"], f"number {number}"
    amount = 10_000 + number
    transfers, executions = f"/api/v1/transfers?account_id={income}", f"/api/v1/rule-executions?rule_id={rule_id}"
    trigger_details = {"type": "manual", "amount_in_cents": amount}
    ends = {"source_account_id": income, "destination_account_id": savings}
    action = {
        "type": "fixed_amount",
        "amount_in_cents": amount,
        "source": {"id": income, "type": "income_source"},
        "destination": {"id": savings, "type": "pod"},
    }
    rule = {
        "nickname": name,
        "status": "disabled",
        "trigger": {"type": "MANUAL", "account_id": income},
        "steps": [{"actions": [action]}],
    }
    return {
        "trigger": Call(
            f"/api/v1/rules/{rule_id}/trigger",
            {"manual_execute_amount": amount},
            lambda caller: caller.count(executions, trigger_details=trigger_details),
        ),
        "transfer": Call(
            "/api/v1/transfers",
            ends | {"amount_in_cents": 20_000 + number},
            lambda caller: caller.count(transfers, amount_in_cents=20_000 + number),
        ),
        # What the rule moves has other amounts than these two.
        "deposit": Call(
            "/sandbox/deposits",
            {"account_id": income, "amount_in_cents": 5_000_000 + number},
            lambda caller: caller.count(transfers, amount_in_cents=5_000_000 + number),
        ),
        "rule": Call("/api/v1/rules", rule, lambda caller: caller.count("/api/v1/rules", nickname=name)),
        "pod": Call(
            "/api/v1/accounts/pods", {"nickname": name}, lambda caller: caller.count("/api/v1/accounts", name=name)
        ),
    }


async def give_money(caller: Caller, said: dict[str, Any]) -> None:
    deposit = calls(said, 0)["deposit"]
    answer = await caller.post(deposit.path, deposit.body, "some-money")
    assert answer.is_success, answer.text


async def test_fifty_at_once_over_two_servers_are_one():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        said, headers = demo.demo(), new_key(data_dir)
        with Serving("serve", data_dir, free_port()) as other:
            async with httpx.AsyncClient(timeout=30) as http:
                callers = [Caller(http, server.url, headers) for server in (demo, other)]
                await give_money(callers[0], said)

                for name, call in calls(said, 1).items():
                    answers = await asyncio.gather(
                        *(callers[number % 2].post(call.path, call.body, name) for number in range(50))
                    )

                    assert {answer.status_code for answer in answers} <= {200, 201}, answers[0].text
                    assert len({answer.content for answer in answers}) == 1
                    assert [answer.headers.get("idempotent-replayed") for answer in answers].count("true") == 49
                    assert [await call.happened(caller) for caller in callers] == [1, 1]


async def test_killed_at_any_moment_a_repeated_call_has_happened_once():
    dice = random.Random(20261128)
    answered: list[int] = []
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        said, headers = demo.demo(), new_key(data_dir)
        async with httpx.AsyncClient(timeout=30) as http:
            caller = Caller(http, demo.url, headers)
            await give_money(caller, said)

            for number in range(MOMENTS):
                asked = calls(said, number + 1)
                keys = {name: f"{name}-{number}" for name in asked}
                sent = {
                    name: asyncio.create_task(caller.post(call.path, call.body, keys[name]))
                    for name, call in asked.items()
                }
                await some_are_answered(list(sent.values()), number % len(asked), dice)
                await asyncio.to_thread(demo.kill)
                await asyncio.wait(sent.values())
                await asyncio.to_thread(demo.start)
                before = {name: task.result() for name, task in sent.items() if task.exception() is None}
                answered.append(len(before))
                for name, call in asked.items():
                    again = await caller.post(call.path, call.body, keys[name])
                    replay = await caller.post(call.path, call.body, keys[name])

                    assert again.is_success, again.text
                    assert replay.headers["idempotent-replayed"] == "true"
                    assert replay.content == again.content == before.get(name, again).content
                    assert await call.happened(caller) == 1

        audited = run("audit", "--data-dir", str(data_dir))
        assert audited.returncode == 0, audited.stdout
    print(f"answered before each kill, of {len(asked)} calls: {answered}")


async def some_are_answered(sent: list[asyncio.Task[httpx.Response]], count: int, dice: random.Random) -> None:
    """Wait until so many calls have been answered, and a moment longer."""
    while sum(task.done() for task in sent) < count:
        await asyncio.wait([task for task in sent if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(dice.uniform(0, MOMENT_S))
