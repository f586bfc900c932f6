"""The organizations of the simulated world: their accounts, banks and rules."""

import random
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sluiceway.domain.errors import Refusal
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.services.accounts import NewAccount
from sluiceway.services.sandbox import connect_account
from tests.model.drawing import RuleDice
from tests.simulation.processes import REMOTE_URL, Running
from tests.support import World, new_world


@dataclass(eq=False)
class Home:
    """One organization, as the world outside knows it."""

    world: World
    debts: list[str] = field(default_factory=list[str])
    pods: dict[str, str] = field(default_factory=dict[str, str])
    rules: list[Any] = field(default_factory=list[Any])

    @property
    def id(self) -> Any:
        return self.world.organization_id


class SeededDice(RuleDice):
    """Draws rules as the model does, from a seed; and some that ask somebody's server for an amount."""

    def __init__(self, draw: random.Random, home: Home, now: datetime) -> None:
        everyone = list(home.world.accounts.values())
        sources = [id_ for id_ in everyone if id_ not in home.debts]
        super().__init__(None, now, sources, everyone, home.debts, home.pods)  # type: ignore[arg-type]
        self.draw = draw

    def pick(self, values: Any) -> Any:
        return values[int(self.draw.random() * len(values))]

    def one_in(self, times: int) -> bool:
        return self.draw.random() * times < 1

    def trigger(self) -> Any:
        return {"type": "REMOTE_API", "account_id": None} if self.one_in(8) else super().trigger()

    def action(self) -> Any:
        drawn = super().action()
        if len(drawn) == 1 and drawn[0]["type"] == "FIXED" and self.one_in(3):
            asked = {"type": "REMOTE_AMOUNT", "url": REMOTE_URL, "ceiling_in_cents": self.pick((None, 20_000))}
            del drawn[0]["amount_in_cents"]
            drawn = [drawn[0] | asked]
        return drawn


def drawn_rule(draw: random.Random, home: Home, now: datetime) -> dict[str, Any]:
    """Draw a rule for an organization's accounts."""
    return SeededDice(draw, home, now).rule()


async def new_home(draw: random.Random, running: Running, *, email: str = "person@example.com") -> Home:
    """Make an organization with accounts and rules, and some money."""
    world = await new_world(running.engine, email=email)
    home = Home(world)
    await world.account("income", AccountKind.INCOME_SOURCE)
    for number in range(draw.choice((1, 2, 3))):
        await world.account(f"pod {number}")
    if draw.random() < 0.4:
        await _connect(home, "checking", ExternalKind.DEPOSITORY, 300_000)
        if draw.random() < 0.4:
            await _connect(home, "card", ExternalKind.LIABILITY, 30_000)
            home.debts.append(world.accounts["card"])
            if draw.random() < 0.5:
                await world.account("card pod", linked_account_id=world.accounts["card"])
                home.pods[world.accounts["card"]] = world.accounts["card pod"]
    await world.deposit("income", 60_000)
    for _ in range(draw.randrange(4, 8)):
        await add_rule(draw, home, world)
    return home


async def _connect(home: Home, name: str, kind: ExternalKind, balance: int) -> None:
    reported = ReportedBalance(balance=Cents(balance))
    if kind is ExternalKind.LIABILITY:
        reported = replace(reported, next_payment_minimum=Cents(2_500), last_statement_balance=Cents(20_000))
    new = NewAccount(AccountKind.EXTERNAL_ACCOUNT, name, external_kind=kind, reported=reported)
    record = await connect_account(home.world.engine, home.id, new)
    home.world.accounts[name] = record.account.id


async def add_rule(draw: random.Random, home: Home, world: World) -> None:
    """Create a rule, and mostly enable it."""
    name = f"rule {len(home.world.rules)}"
    try:
        record = await world.rule(name, drawn_rule(draw, home, world.engine.now()), enabled=draw.random() < 0.9)
    except Refusal:
        return
    home.rules.append(record)
