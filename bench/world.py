"""What the benchmarks run against: organizations with accounts, money and enabled rules; and the server under test."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

from bench.load import Target
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, IdKind, KeyId, OrganizationId, PersonId, RuleId, format_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rate_limits import MOST_PER_MINUTE
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import read_rule
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.rules import CreateRule, create_rule, enable_rule
from sluiceway.storage.credentials import Person, insert_person
from sluiceway.storage.database import Database, WriteTx, fetch_all
from sluiceway.storage.organizations import insert_organization
from sluiceway.wiring import engine_of

FUNDS = Cents(10**12)
PASSWORD = "benchmark"  # noqa: S105 -- it protects nothing
SLUICEWAY = Path(sys.executable).parent / "sluiceway"


@dataclass(frozen=True)
class Seeded:
    """What can be asked for."""

    triggers: list[Target]
    transfers: list[Target]
    hot: list[Target]
    """Triggers of rules that all take from one account."""
    deposits: list[Target]
    """Deposits that a rule splits into four."""
    keys: dict[OrganizationId, str]


async def seed(url: str, organizations: int, accounts: int, rules: int) -> Seeded:
    """Fill an empty, migrated database."""
    chance = random.Random(1)
    triggers: list[Target] = []
    transfers: list[Target] = []
    hot: list[Target] = []
    deposits: list[Target] = []
    keys: dict[OrganizationId, str] = {}
    async with Database(url) as database:
        engine = engine_of(database)
        password_hash = engine.hash_password(PASSWORD)
        for number in range(organizations):
            organization_id, person = await _organization(engine, number, password_hash)
            pods = [await _account(engine, organization_id, index) for index in range(accounts)]
            await deposit(engine, [_deposit(engine, organization_id, pod) for pod in pods])
            _, secret = await create_key(engine, organization_id, "bench", every_grant(), rate_limit=MOST_PER_MINUTE)
            keys[organization_id] = secret
            for _ in range(rules):
                rule_id = await _rule(engine, person, chance.sample(pods, 3))
                triggers.append(_trigger(rule_id, secret))
                source, destination = (format_id(IdKind.ACCOUNT, pod) for pod in chance.sample(pods, 2))
                body = (
                    f'{{"source_account_id": "{source}", "destination_account_id": "{destination}",'
                    ' "amount_in_cents": 1000}'
                )
                transfers.append(Target("POST", "/api/v1/transfers", secret, body, is_idempotent=True))
            if not number:
                rest = pods[1:]
                hot = [
                    _trigger(await _rule(engine, person, [pods[0], *chance.sample(rest, 2)]), secret)
                    for _ in range(rules)
                ]
            income = await _account(engine, organization_id, accounts, AccountKind.INCOME_SOURCE)
            await _split_rule(engine, person, income, chance.sample(pods, 4))
            body = f'{{"account_id": "{format_id(IdKind.ACCOUNT, income)}", "amount_in_cents": 100000}}'
            deposits.append(Target("POST", "/sandbox/deposits", secret, body, is_idempotent=True))
    return Seeded(triggers, transfers, hot, deposits, keys)


def skewed(targets: list[Target]) -> list[Target]:
    """Weigh targets as Zipf's law with an exponent of 1 does: the second is asked half as often as the first."""
    return [target for rank, target in enumerate(targets, start=1) for _ in range(max(1, 1000 // rank))]


def mixed(reads: list[Target], transfers: list[Target], triggers: list[Target]) -> list[Target]:
    """Weigh them so that six of ten calls read, three move money and one triggers."""
    chance = random.Random(2)
    weights = ((reads, 6000), (transfers, 3000), (triggers, 1000))
    return [target for targets, weight in weights for target in chance.choices(targets, k=weight)]


def reads(url: str, keys: dict[OrganizationId, str]) -> list[Target]:
    """Read executions that there are, and the transfers of accounts, half and half."""
    half = 500
    executions = asyncio.run(rows(url, "SELECT organization_id, id FROM execution ORDER BY id DESC LIMIT 500"))
    accounts = asyncio.run(rows(url, "SELECT organization_id, id FROM account WHERE kind = 'POD' ORDER BY id"))
    paths = [(row[0], f"/api/v1/rule-executions/{format_id(IdKind.EXECUTION, row[1])}") for row in executions]
    paths += [(row[0], f"/api/v1/transfers?account_id={format_id(IdKind.ACCOUNT, row[1])}") for row in accounts[:half]]
    return [Target("GET", path, keys[whose], "", is_idempotent=False) for whose, path in paths]


def _trigger(rule_id: RuleId, secret: str) -> Target:
    path = f"/api/v1/rules/{format_id(IdKind.RULE, rule_id)}/trigger"
    return Target("POST", path, secret, '{"manual_execute_amount": 1000}', is_idempotent=True)


async def _organization(engine: Engine, number: int, password_hash: str) -> tuple[OrganizationId, Person]:
    organization_id = OrganizationId(engine.new_id())
    person = Person(organization_id, PersonId(engine.new_id()), f"bench{number}@example.com", password_hash)

    async def work(tx: WriteTx) -> None:
        await insert_organization(tx, organization_id, f"Bench {number}", is_sandbox=True, at=engine.now())
        await insert_person(tx, person, engine.now())

    await engine.database.write(work)
    return organization_id, person


async def _account(
    engine: Engine, organization_id: OrganizationId, index: int, kind: AccountKind = AccountKind.POD
) -> AccountId:
    async def work(tx: WriteTx) -> AccountRecord:
        return await insert_account(engine, tx, organization_id, NewAccount(kind, f"Account {index}"))

    return (await engine.database.write(work)).account.id


def _deposit(engine: Engine, organization_id: OrganizationId, pod: AccountId) -> Deposit:
    return Deposit(
        organization_id,
        pod,
        pod,
        FUNDS,
        KeyId(engine.new_id()),
        None,
        lambda transfer: Answer(201, transfer.id.encode()),
    )


async def _rule(engine: Engine, person: Person, pods: list[AccountId]) -> RuleId:
    """Make and enable a rule with a condition and two transfers, that runs when it is triggered."""
    source, first, second = pods
    above = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50000}}
    actions = [_part(20, source, first), _part(10, source, second)]
    trigger = {"type": "MANUAL", "account_id": source}
    return await _enabled(engine, person, "Split in two", trigger, {"conditions": above, "actions": actions})


async def _split_rule(engine: Engine, person: Person, income: AccountId, pods: list[AccountId]) -> RuleId:
    """Make and enable a rule that splits what arrives into four."""
    actions = [_part(percent, income, pod) for percent, pod in zip((40, 30, 20, 10), pods, strict=True)]
    trigger = {"type": "ON_FUNDS_TRANSFERRED", "account_id": income}
    return await _enabled(engine, person, "Split in four", trigger, {"conditions": None, "actions": actions})


def _part(percent: int, source: AccountId, destination: AccountId) -> dict[str, Any]:
    return {
        "type": "PERCENTAGE",
        "percentage_value": percent,
        "percentage_target": "INCOMING_AMOUNT",
        "source": source,
        "destination": destination,
    }


async def _enabled(engine: Engine, person: Person, name: str, trigger: dict[str, Any], step: dict[str, Any]) -> RuleId:
    rule = read_rule({"name": name, "trigger": trigger, "steps": [step]})
    made: list[tuple[RuleId, bytes]] = []

    def show(record: RuleRecord, _: object) -> Answer:
        made.append((record.id, record.fingerprint))
        return Answer(201, b"")

    await create_rule(engine, CreateRule(person.organization_id, rule, None, show))
    # Enabling checks the password, which costs time on purpose; here only the rule matters.
    quick = Engine(
        engine.database, engine.now, engine.new_id, engine.new_secret, engine.hash_password, lambda _hash, _given: True
    )
    await enable_rule(quick, person, PASSWORD, *made[-1])
    return made[-1][0]


@contextmanager
def server(url: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `sluiceway serve` until the block ends."""
    process = subprocess.Popen(
        [SLUICEWAY, "serve", "--port", str(port), "--database-url", url], stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(process, port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not become ready")


async def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """Ask the database directly."""
    async with Database(url) as database, database.read() as tx:
        return await fetch_all(tx, cast("LiteralString", query))


def wait_until_settled(url: str, limit_s: float = 120) -> float:
    """Wait until nothing is due; return how long that took, in seconds."""
    started = time.perf_counter()
    while time.perf_counter() - started < limit_s:
        [[due]] = asyncio.run(rows(url, "SELECT count(*) FROM execution WHERE due_at IS NOT NULL"))
        if not due:
            return time.perf_counter() - started
        time.sleep(0.05)
    raise SystemExit(f"{due} executions were still due after {limit_s} s")


def cpu_seconds(pid: int) -> float:
    """Sum the processor time of a process and its children, as far as /proc tells."""
    ticks = os.sysconf("SC_CLK_TCK")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / ticks + sum(cpu_seconds(int(child)) for child in children)
