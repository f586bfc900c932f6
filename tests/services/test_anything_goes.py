"""Hundreds of random operations at once, and then the books are checked: nothing lost, doubled or unapproved."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sluiceway.domain.errors import Refusal
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.services.accounts import delete_account
from sluiceway.services.admission import admit
from sluiceway.services.audit import run_audit
from sluiceway.services.deposits import deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import delete_rule, disable_rule, enable_rule, review_rule, revise_rule
from sluiceway.services.settlement import settle_due
from sluiceway.services.transfers import transfer
from sluiceway.storage.database import Database, fetch_all
from tests.invariants import violations
from tests.support import PASSWORD, World, deadlocks, new_world, plain_engine

CAP = 9_000
OPERATIONS = 350


@dataclass
class Chaos:
    """Somebody who does whatever comes to mind in an organization, through either of two processes."""

    worlds: list[World]
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)

    @property
    def world(self) -> World:
        return self.dice.choice(self.worlds)

    def account(self) -> str:
        return self.dice.choice(list(self.worlds[0].accounts))

    def a_rule(self) -> str:
        return self.dice.choice(list(self.worlds[0].rules))

    def key(self) -> str | None:
        return self.dice.choice([None, f"key {self.dice.randrange(40)}"])

    def written(self) -> dict[str, Any]:
        """Write a rule that may make sense."""
        names = list(self.worlds[0].accounts)
        sources = self.dice.sample([name for name in names if name != "card"], 2)
        trigger = self.dice.choice(sources)
        limits = [None, {"period": self.dice.choice(["PER_WEEK", "PER_MONTH"]), "amount_in_cents": CAP}]
        limit = self.dice.choice(limits)
        actions = [self.action(self.dice.choice(sources), names, limit) for _ in range(3)]
        kind = self.dice.choice(["MANUAL", "ON_FUNDS_TRANSFERRED", "ON_FUNDS_TRANSFERRED"])
        operator = self.dice.choice(["GREATER_THAN", "LESS_THAN"])
        condition = {"condition": {"fact": "BALANCE", "operator": operator, "value": 20_000}}
        return {
            "name": None,
            "trigger": {"type": kind, "account_id": trigger},
            "steps": [
                {"conditions": condition, "actions": actions[:2]},
                {"conditions": None, "actions": actions[2:]},
            ],
        }

    def action(self, source: str, names: list[str], limit: dict[str, Any] | None) -> dict[str, Any]:
        action: dict[str, Any] = {
            "source": source,
            "destination": self.dice.choice([name for name in names if name != source]),
            "up_to_enabled": self.dice.random() < 0.7,
            "group_index": self.dice.randrange(2),
            "limit": limit,
        }
        if self.dice.random() < 0.5:
            return action | {"type": "FIXED", "amount_in_cents": self.dice.randrange(50, 4_000)}
        target = self.dice.choice(["SOURCE_ACCOUNT", "INCOMING_AMOUNT"])
        return action | {"type": "PERCENTAGE", "percentage_value": 33, "percentage_target": target}

    async def do(self, name: str) -> None:
        try:
            outcomes = await getattr(self, name)(self.world)
        except Refusal as refusal:
            outcomes = [refusal]
        for outcome in outcomes:
            self.done[f"{name} {'done' if isinstance(outcome, Answer) else type(outcome).__name__}"] += 1

    async def deposits(self, world: World) -> list[Answer | Refusal]:
        wanted = [(self.account(), self.dice.randrange(1, 30_000), self.key()) for _ in range(3)]
        return [await world.deposit(*one) for one in wanted[:1]] + await self.batch_of_deposits(world, wanted[1:])

    async def batch_of_deposits(self, world: World, wanted: list[tuple[str, int, str | None]]):
        return await deposit(world.engine, [world.deposit_command(*one) for one in wanted])

    async def triggers(self, world: World) -> list[Answer | Refusal]:
        amounts = [self.dice.choice([None, self.dice.randrange(20_000)]) for _ in range(4)]
        return await admit(world.engine, [world.trigger_command(self.a_rule(), a, self.key()) for a in amounts])

    async def transfers(self, world: World) -> list[Answer | Refusal]:
        wanted = [(self.account(), self.account(), self.dice.randrange(50, 20_000), self.key()) for _ in range(3)]
        return await transfer(world.engine, [world.transfer_command(*one) for one in wanted])

    async def new_rule(self, world: World) -> list[Answer | Refusal]:
        await world.rule(f"rule {self.dice.random()}", self.written())
        return [Answer(200, b"")]

    async def revise(self, world: World) -> list[Answer | Refusal]:
        rule = world.rules[self.a_rule()]
        await revise_rule(world.engine, world.organization_id, rule.id, "", world.read(self.written()))
        return [Answer(200, b"")]

    async def enable(self, world: World) -> list[Answer | Refusal]:
        shown = await review_rule(world.engine, world.organization_id, world.rules[self.a_rule()].id, "")
        await enable_rule(world.engine, world.person, PASSWORD, shown.record.id, shown.record.fingerprint)
        return [Answer(200, b"")]

    async def disable(self, world: World) -> list[Answer | Refusal]:
        await disable_rule(world.engine, world.organization_id, world.rules[self.a_rule()].id, "")
        return [Answer(200, b"")]

    async def delete_rule(self, world: World) -> list[Answer | Refusal]:
        await delete_rule(world.engine, world.organization_id, world.rules[self.a_rule()].id, "")
        return [Answer(200, b"")]

    async def new_account(self, world: World) -> list[Answer | Refusal]:
        await world.account(f"pod {self.dice.random()}", currency=self.dice.choice(["USD", "USD", "USD", "EUR"]))
        return [Answer(200, b"")]

    async def delete_account(self, world: World) -> list[Answer | Refusal]:
        await delete_account(world.engine, world.organization_id, world.accounts[self.account()], "")
        return [Answer(200, b"")]

    async def settle(self, world: World) -> list[Answer | Refusal]:
        await settle_due(world.engine, limit=self.dice.choice([1, 5, 500]))
        return [Answer(200, b"")]


WEIGHTS = {
    "deposits": 20,
    "triggers": 20,
    "transfers": 20,
    "settle": 25,
    "new_rule": 5,
    "revise": 3,
    "enable": 8,
    "disable": 3,
    "delete_rule": 1,
    "new_account": 2,
    "delete_account": 1,
}


async def a_start(engine: Engine) -> World:
    world = await new_world(engine)
    for name in ("income", "pod", "savings", "taxes"):
        await world.account(name)
    bank = ReportedBalance(balance=Cents(40_000), available=Cents(40_000))
    for name, kind in (("checking", ExternalKind.DEPOSITORY), ("card", ExternalKind.LIABILITY)):
        await world.account(name, AccountKind.EXTERNAL_ACCOUNT, external_kind=kind, reported=bank)
    return world


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_happens_at_once_the_books_are_right_in_the_end(
    database: Database, database_url: str, seed: int
):
    engine = plain_engine(database)
    world = await a_start(engine)
    neighbour = await a_start(engine)
    await neighbour.deposit("income", 1_234)
    dice = random.Random(seed)

    async with Database(database_url) as second, Database(database_url) as third:
        worlds = [replace(world, engine=plain_engine(one)) for one in (second, third)]
        chaos = Chaos(worlds, dice)
        for _ in range(20):
            await chaos.do("new_rule")
        steps = iter(dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=OPERATIONS))

        async def hand() -> None:
            for name in steps:
                await chaos.do(name)

        async def worker(engine: Engine) -> None:
            while hands:
                if not await settle_due(engine):
                    await asyncio.sleep(0.005)

        hands = [asyncio.create_task(hand()) for _ in range(6)]
        workers = [asyncio.create_task(worker(of.engine)) for of in worlds]
        await asyncio.gather(*hands)
        hands.clear()
        await asyncio.gather(*workers)
        while await settle_due(plain_engine(second)):
            pass

    assert await violations(database) == {}
    assert [check for check in await run_audit(engine) if check.violations] == []
    assert await neighbour.balances() == dict.fromkeys(neighbour.accounts, 0) | {
        "income": 1_234,
        "checking": 40_000,
        "card": 40_000,
    }
    async with database.read() as tx:
        assert await fetch_all(tx, "SELECT id FROM execution WHERE due_at IS NOT NULL") == []
        used = await fetch_all(tx, "SELECT used FROM cap_used")
        moved = await fetch_all(
            tx,
            "SELECT count(*), count(DISTINCT status), count(DISTINCT execution_id) FROM transfer WHERE amount > 0",
        )
    assert used
    assert max(amount for (amount,) in used) <= CAP
    assert moved[0][0] > 300, "something was tried"
    assert moved[0][1] >= 3, "and ended in several ways"
    assert {"triggers done", "transfers done", "deposits done", "enable done"} <= set(chaos.done), chaos.done
    assert deadlocks(database_url) == 0
