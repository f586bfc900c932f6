"""What the loads ask for: towns with rules, and the requests that trigger them, move money and read."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from bench.founding import Town, enable, found, manual, share
from bench.load import Target
from bench.observing import Observer
from bench.processes import KEYRING
from sluiceway.domain.ids import AccountId, IdKind, RuleId, format_id
from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database, DatabaseOptions
from sluiceway.wiring import engine_of


@dataclass(frozen=True)
class Seeded:
    """What can be asked for."""

    towns: list[Town]
    triggers: list[Target]
    """Runs of rules with a condition and two transfers."""
    hot: list[Target]
    """Such runs that all take from one income source."""
    deposits: list[Target]
    """Deposits that a rule splits into four."""
    transfers: list[Target]


async def seed(url: str, organizations: int, accounts: int, rules: int) -> Seeded:
    """Fill an empty, migrated database."""
    chance = random.Random(1)
    async with Database(url, DatabaseOptions(keyring=KEYRING)) as database:
        engine = engine_of(database)
        towns = [await found(engine, f"Bench {number}", accounts) for number in range(organizations)]
        triggers = [await _halving(engine, town, *chance.sample(town.pods, 3)) for town in towns for _ in range(rules)]
        first = towns[0]
        hot = [await _halving(engine, first, first.income, *chance.sample(first.pods, 2)) for _ in range(rules)]
        deposits = [await _split(engine, town, chance.sample(town.pods, 4)) for town in towns[1:]]
    transfers = [_transfer(town, *chance.sample(town.pods, 2)) for town in towns for _ in range(rules)]
    return Seeded(towns, triggers, hot, deposits, transfers)


def skewed(targets: Sequence[Target]) -> list[Target]:
    """Weigh targets as Zipf's law with an exponent of 1 does: the second is asked half as often as the first."""
    return [replace(target, weight=1 / rank) for rank, target in enumerate(targets, start=1)]


def mixed(reads: Sequence[Target], transfers: Sequence[Target], triggers: Sequence[Target]) -> list[Target]:
    """Weigh them so that six of ten calls read, three move money and one triggers."""
    shares = ((reads, 6), (transfers, 3), (triggers, 1))
    return [replace(target, weight=part / len(targets)) for targets, part in shares for target in targets]


def reads(observer: Observer, towns: Sequence[Town]) -> list[Target]:
    """Read the latest executions by their ids, and list the transfers of accounts, half and half."""
    latest: LiteralString = (
        "SELECT id::text FROM execution WHERE organization_id = %(town)s::uuid ORDER BY id DESC LIMIT 50"
    )
    by_id = [
        _read(town.key, f"/api/v1/rule-executions/{format_id(IdKind.EXECUTION, execution_id)}")
        for town in towns
        for (execution_id,) in observer.rows(latest, town=town.id)
    ]
    lists = [
        _read(town.key, f"/api/v1/transfers?account_id={format_id(IdKind.ACCOUNT, pod)}")
        for town in towns
        for pod in town.pods
    ]
    return [replace(target, weight=1 / len(targets)) for targets in (by_id, lists) for target in targets]


def trigger(town: Town, rule_id: RuleId) -> Target:
    """Trigger a rule with $10."""
    path = f"/api/v1/rules/{format_id(IdKind.RULE, rule_id)}/trigger"
    return Target("POST", path, town.key, '{"manual_execute_amount": 1000}', is_idempotent=True)


async def _halving(engine: Engine, town: Town, source: AccountId, first: AccountId, second: AccountId) -> Target:
    shares = (share(20, source, first), share(10, source, second))
    return trigger(town, await enable(engine, town.person, manual(source), *shares))


async def _split(engine: Engine, town: Town, pods: Sequence[AccountId]) -> Target:
    income = town.income
    shares = [share(percent, income, pod) for percent, pod in zip((40, 30, 20, 10), pods, strict=True)]
    await enable(engine, town.person, {"type": "ON_FUNDS_TRANSFERRED", "account_id": income}, *shares)
    body = {"account_id": format_id(IdKind.ACCOUNT, income), "amount_in_cents": 100_000}
    return Target("POST", "/sandbox/deposits", town.key, json.dumps(body), is_idempotent=True)


def _transfer(town: Town, source: AccountId, destination: AccountId) -> Target:
    body = {
        "source_account_id": format_id(IdKind.ACCOUNT, source),
        "destination_account_id": format_id(IdKind.ACCOUNT, destination),
        "amount_in_cents": 1000,
    }
    return Target("POST", "/api/v1/transfers", town.key, json.dumps(body), is_idempotent=True)


def _read(key: str, path: str) -> Target:
    return Target("GET", path, key, "", is_idempotent=False)
