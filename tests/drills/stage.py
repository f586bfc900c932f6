"""Where drills are held: a server that is killed, and a bank whose book is in another database."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import Cents
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.storage.bank_rows import BankAccount, BankAccountState, BankEvent, EventKind
from sluiceway.storage.database import Database
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.e2e.processes import SLUICEWAY, free_port
from tests.support import World, new_world, on_demand, plain_engine, whenever_money_arrives

COMMAND_TIMEOUT_S = 300
WEALTH = 100_000_000_00

_ALL_OF_IT = {"type": "PERCENTAGE", "percentage_value": 100}


@dataclass
class Journal:
    """What clients know: when each request was sent and answered, and with what."""

    amounts: dict[str, int] = field(default_factory=dict)
    sent: dict[str, datetime] = field(default_factory=dict)
    answered: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    deposits: dict[int, datetime] = field(default_factory=dict)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `sluiceway` to its end, however busy the machine is."""
    return subprocess.run([SLUICEWAY, *words], capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S)


class Server:
    """The server under drill, which is killed."""

    def __init__(self, url: str, bank_url: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._words = ["--url", url, "--bank", bank_url, "--port", str(self.port)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.serving", *self._words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it on the spot."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Stage:
    """A server's database, the bank's beside it, and the world in the first."""

    cluster_url: str
    bank: SandboxBank
    bank_url: str
    world: World
    headers: dict[str, str]

    def url(self, name: str) -> str:
        return urlsplit(self.cluster_url)._replace(path=f"/{name}").geturl()

    def ask(self, query: str, *values: object, url: str | None = None) -> list[tuple]:
        with psycopg.connect(url or self.bank_url, autocommit=True) as conn:
            return conn.execute(query.encode(), values).fetchall()

    def paid(self) -> Counter[int]:
        """Count the payments in the bank's book by amount: what it refused or called back was none."""
        rows = self.ask(
            "SELECT amount, count(*) FROM bank_payment WHERE state NOT IN ('REFUSED', 'CANCELLED') GROUP BY 1"
        )
        return Counter(dict(rows))

    def calls(self) -> tuple[int, int]:
        return self.ask("SELECT count(*), coalesce(sum(calls), 0)::bigint FROM bank_payment")[0]


@contextmanager
def cluster(folder: Path) -> Generator[str]:
    """Run a PostgreSQL for drills."""
    with EmbeddedPostgres(folder / "data") as url:
        yield url


@contextmanager
def databases(cluster_url: str, *names: str) -> Generator[None]:
    with psycopg.connect(cluster_url, autocommit=True) as conn:
        for name in names:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield
        finally:
            for name in names:
                conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@asynccontextmanager
async def staged(cluster_url: str, name: str, bank_name: str) -> AsyncGenerator[Stage]:
    """Make an organization whose payments an outside bank carries, with rules that send every cent on."""
    url, bank_url = (urlsplit(cluster_url)._replace(path=f"/{each}").geturl() for each in (name, bank_name))
    await migrate(url)
    await migrate(bank_url)
    async with Database(bank_url) as bank_database:
        bank = SandboxBank(bank_database)
        async with Database(url) as database:
            engine = replace(plain_engine(database), rail_of=lambda _: bank)
            world = await new_world(engine, is_sandbox=False)
            with psycopg.connect(bank_url, autocommit=True) as conn:
                added = "INSERT INTO organization (id, name, mode, created_at) VALUES (%s, 'There', 'sandbox', now())"
                conn.execute(added, (world.organization_id,))
            await world.account("income", AccountKind.INCOME_SOURCE)
            await world.account("salary", AccountKind.INCOME_SOURCE)
            await world.account("pod")
            for account in ("landlord", "broker"):
                id_ = await world.account(account, AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
                opened = BankAccount(
                    id_, ExternalKind.DEPOSITORY, None, "USD", BankAccountState.OPEN, Cents(0), None
                )  # fmt: skip
                assert await bank.open_account(world.organization_id, opened, engine.now()) == ()
            await pay_in(bank, world, "income", WEALTH)
            triggered = {**_ALL_OF_IT, "percentage_target": "SOURCE_ACCOUNT", "source": "income"}
            arrived = {**_ALL_OF_IT, "percentage_target": "INCOMING_AMOUNT"}
            await world.rule("rent", on_demand("income", {**triggered, "destination": "landlord"}))
            await world.rule(
                "keep", whenever_money_arrives("salary", {**arrived, "source": "salary", "destination": "pod"})
            )
            await world.rule(
                "invest", whenever_money_arrives("pod", {**arrived, "source": "pod", "destination": "broker"})
            )
        words = ("--name", "drill", "--all", "--rate-limit", "off", "--json", "--database-url", url)
        made = await asyncio.to_thread(command, "keys", "create", *words)
        assert made.returncode == 0, made.stderr
        headers = {"Authorization": f"ApiKey {json.loads(made.stdout)['api_key']}"}
        yield Stage(cluster_url, bank, bank_url, world, headers)


async def pay_in(bank: SandboxBank, world: World, account: str, amount: int) -> None:
    """Let somebody pay money in at the bank."""
    at = datetime.now(UTC)
    event = BankEvent(world.engine.new_id(), EventKind.DEPOSIT, world.accounts[account], at, amount, "Paid")
    assert await bank.plan(world.organization_id, [event], at) == ()


def hurry(stage: Stage, url: str) -> None:
    """Say that the bank has news, as its own call would."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE feed SET due_at = '-infinity' WHERE subject_id = organization_id AND leased_until IS NULL")
