"""kill -9 at any moment: every trigger that was answered is one execution that ends; nothing happens twice."""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field

import httpx
import pytest

from tests.e2e.processes import Serving, data_folder, free_port, new_key, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("SLUICEWAY_TEST_KILLS", "6"))
CALLERS = 16
SECONDS_BETWEEN = (0.2, 0.9)


@dataclass
class Journal:
    """What was sent and what was answered, by idempotency key."""

    sent: dict[str, int] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)

    def unanswered(self) -> list[str]:
        return [key for key in self.sent if key not in self.answered]


class Caller:
    """A client that triggers the rule of the demo."""

    def __init__(self, demo: Serving) -> None:
        said = demo.demo()
        self.headers = new_key(demo.data_dir)
        self.rule = said["rules"]["auto_save"]["id"]
        self.income = said["accounts"]["income"]["id"]
        self.url = demo.url

    def deposit(self, amount: int) -> None:
        body = {"account_id": self.income, "amount_in_cents": amount}
        httpx.post(f"{self.url}/sandbox/deposits", headers=self.headers, json=body).raise_for_status()

    async def trigger(self, client: httpx.AsyncClient, journal: Journal, key: str) -> httpx.Response | None:
        """Trigger under a key; None when the server went away before it answered."""
        amount = journal.sent.setdefault(key, 100_00 + len(journal.sent))
        try:
            answer = await client.post(
                f"{self.url}/api/v1/rules/{self.rule}/trigger",
                headers={**self.headers, "Idempotency-Key": key},
                json={"manual_execute_amount": amount},
            )
        except httpx.TransportError:
            return None
        assert answer.status_code in (200, 503), answer.text
        return answer if answer.status_code == 200 else None

    async def until_cut_off(self, journal: Journal, number: int) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            for count in range(10_000):
                key = f"{number}-{len(journal.sent)}-{count}"
                answer = await self.trigger(client, journal, key)
                if answer is None:
                    return
                journal.answered[key] = execution_of(answer)

    async def retry(self, journal: Journal, key: str) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await self.trigger(client, journal, key)
            assert answer is not None
            journal.answered[key] = execution_of(answer)

    async def replays(self, journal: Journal, keys: list[str]) -> None:
        """Send keys again: the answer is the first one, and says that it is a replay."""
        async with httpx.AsyncClient(timeout=30) as client:
            for key in keys:
                answer = await self.trigger(client, journal, key)
                assert answer is not None
                assert answer.headers["Idempotent-Replayed"] == "true"
                assert execution_of(answer) == journal.answered[key]

    def executions(self) -> dict[str, dict]:
        found: dict[str, dict] = {}
        after: dict[str, str] = {}
        with httpx.Client(timeout=30, headers=self.headers) as client:
            while True:
                params = {"rule_id": self.rule, "first": "100", **after}
                page = client.get(f"{self.url}/api/v1/rule-executions", params=params).raise_for_status().json()
                found |= {execution["id"]: execution for execution in page["data"]}
                if not page["page_info"]["has_next_page"]:
                    return found
                after = {"after": page["page_info"]["end_cursor"]}


def execution_of(answer: httpx.Response) -> str:
    """Read the execution's id; its prefix differs from place to place."""
    return answer.json()["data"]["execution_id"].partition("_")[2]


async def load_until_killed(demo: Serving, caller: Caller, journal: Journal, after_s: float, number: int) -> None:
    callers = [asyncio.create_task(caller.until_cut_off(journal, number * CALLERS + each)) for each in range(CALLERS)]
    await asyncio.sleep(after_s)
    await asyncio.to_thread(demo.kill)
    await asyncio.gather(*callers)


async def test_killed_again_and_again_every_answered_trigger_runs_exactly_once():
    dice = random.Random(20261121)
    journal = Journal()
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        caller = Caller(demo)
        caller.deposit(1_000_000_000)

        for number in range(KILLS):
            await load_until_killed(demo, caller, journal, dice.uniform(*SECONDS_BETWEEN), number)
            demo.start()
            for key in journal.unanswered():
                await caller.retry(journal, key)

        assert len(journal.answered) > 100, "there was load"
        await caller.replays(journal, dice.sample(sorted(journal.answered), 50))
        executions = wait_until_all_ended(caller)
        by_trigger = [each for each in executions.values() if each["trigger_type"] != "on_funds_transferred"]
        assert len(set(journal.answered.values())) == len(journal.answered)
        assert {each["id"].partition("_")[2] for each in by_trigger} == set(journal.answered.values())
        assert {each["status"] for each in by_trigger} == {"executed"}
        assert sum(each["transfers_completed"] for each in by_trigger) == len(journal.answered)
        audited = run("audit", "--data-dir", str(data_dir))
        assert audited.returncode == 0, audited.stdout
        assert demo.stop() == 0
    print(f"{len(journal.answered)} triggers, {KILLS} kills")


def wait_until_all_ended(caller: Caller) -> dict[str, dict]:
    deadline = time.monotonic() + 60
    while True:
        executions = caller.executions()
        if all(each["status"] != "in_progress" for each in executions.values()):
            return executions
        assert time.monotonic() < deadline, "some executions do not end"
        time.sleep(0.2)
