"""The same story on tables in memory and on PostgreSQL: every answer and every row has to be the same.

One act after the other, nothing goes wrong, and after each act all work that is due is done; the clock and the ids are
the story's own. What only several at once can do is not compared here: that is up to what the store's tests say.
"""

import asyncio
import itertools
import json
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from sluiceway.domain.errors import Refusal
from sluiceway.outbound import Response, read_policy
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.errands import work_off
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import identify
from sluiceway.services.transfers import CreateTransfer, transfer
from sluiceway.storage.database import Database
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.simulation.acts import Acts
from tests.simulation.checks import Asked, named
from tests.simulation.connections import SimulatedDatabase
from tests.simulation.eventloop import Process
from tests.simulation.homes import Home, new_home
from tests.simulation.processes import START, RemoteServer, Running, amount, engine_over, misbehave
from tests.simulation.tables import Table
from tests.simulation.transactions import Store
from tests.simulation.values import INFINITY, MINUS_INFINITY

ACTS: Final = 40
OF_THE_SERVER: Final = {"call_bucket", "worker_heartbeat", "schema_migration"}
"""By the server's own clock."""
QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}


class Door:
    """Stands for the edge: one call after the other needs no batches."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def deposit(self, command: Deposit) -> Answer:
        return _answer(await deposit(self.engine, [command]))

    async def trigger(self, command: TriggerRule) -> Answer:
        return _answer(await admit(self.engine, [command]))

    async def transfer(self, command: CreateTransfer) -> Answer:
        return _answer(await transfer(self.engine, [command]))

    async def identify(self, secret: str) -> Any:
        return _answer(await identify(self.engine, [secret]))


def _answer(answers: Sequence[Any]) -> Any:
    [answer] = answers
    if isinstance(answer, Refusal):
        raise answer
    return answer


class Answering(RemoteServer):
    """Somebody's server that answers at once, and not always well."""

    def __init__(self, story: "Story") -> None:
        self.story = story
        self.asked = Counter[str]()
        self._policy = read_policy("")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], **_: Any) -> Response:  # noqa: ARG002 -- as asked
        # Several are asked at once, in no order: what each is told depends on the question, and how often it was asked.
        message = headers["webhook-id"]
        self.asked[message] += 1
        draw = random.Random(f"{self.story.seed} {message} {self.asked[message]}")
        return misbehave(draw) if draw.random() < 0.2 else amount(draw)


@dataclass
class Story:
    """One seed's acts, on whatever database."""

    seed: int
    ids: Callable[[str, Home, str | None], Awaitable[list[str]]]
    draw: random.Random = field(init=False)
    is_calm: bool = False
    homes: list[Home] = field(default_factory=list[Home])
    journal: list[Asked] = field(default_factory=list[Asked])
    serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    violations: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])
    at: datetime = START

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def engine(self, database: Database) -> Engine:
        """Build the engine, whose time, ids and chance are the story's."""
        return engine_over(database, lambda: self.at, random.Random(self.seed + 1), Answering(self))

    async def tell(self, database: Database) -> None:
        """Let it all happen."""
        engine = self.engine(database)
        self.running = Running(Process("story"), None, engine, Door(engine), None, asyncio.Event())  # type: ignore[arg-type]
        for number in range(self.draw.choice((1, 2))):
            self.homes.append(await new_home(self.draw, self.running, email=f"person{number}@example.com"))
        await self.work()
        acts = Acts(self)
        while len(self.told) < ACTS:
            for name, act, home in acts.some():
                try:
                    await act(home)
                except Refusal as refusal:
                    self.told.append(f"{name}: {refusal!r}")
                else:
                    self.told.append(name)
                await self.work()
            await self.sleep(self.draw.choice((60, 3_600, 40_000, 200_000)))

    async def work(self) -> None:
        """Do all that is due."""
        for home in self.homes:
            for _ in range(1000):
                if not await work_off(self.running.engine, home.id):
                    break

    # What acts need

    def some_api(self) -> Running:
        return self.running

    def new_id(self) -> str:
        return self.running.engine.new_id()

    async def at_once(self, *work: Awaitable[None]) -> None:
        """One after the other, since only then both databases are sure to see the same."""
        for each in work:
            await each

    async def ask(self, _: Running, work: Callable[[], Awaitable[Any]]) -> Any:
        return await work()

    async def keyed(self, asked: Asked, send: Callable[[Running], Awaitable[Answer]]) -> None:
        try:
            answer = await send(self.running)
        except Refusal as refusal:
            asked.is_refused = True
            self.told.append(f"{asked.kind} {asked.amount}: {refusal!r}")
            return
        asked.answers.add(answer.body)
        self.told.append(f"{asked.kind} {asked.amount}: {answer}")

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and do what has become due."""
        self.at += timedelta(seconds=seconds)
        if seconds >= 1:
            await self.work()


async def in_memory(seed: int, store: Store) -> tuple[list[str], dict[str, list[str]]]:
    """Tell a story on tables in memory; give what was told, and all rows."""
    store.empty(lambda: story.at)

    async def ids(table: str, home: Home, status: str | None) -> list[str]:
        found = store.tables[table]
        rows = [named(found, row) for row in found.rows.values()]
        return sorted(row[found.primary[1]] for row in rows
                      if row["organization_id"] == home.id and (status is None or row["status"] == status))  # fmt: skip

    story = Story(seed, ids)
    await story.tell(SimulatedDatabase(store, random.Random(seed)))
    own = {home.id for home in story.homes}
    return story.told, {name: _plain_rows(table, own) for name, table in store.tables.items()}


async def on_postgresql(seed: int, url: str, tables: Iterable[Table]) -> tuple[list[str], dict[str, list[str]]]:
    """Tell it on PostgreSQL."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn, Database(url) as database:

        async def ids(table: str, home: Home, status: str | None) -> list[str]:
            key = "key" if table == "bank_payment" else "id"
            query = f"SELECT {key}::text, status FROM {table} WHERE organization_id = %s"  # noqa: S608 -- our own names
            if status is None:
                query = query.replace(", status", ", NULL")
            rows = await (await conn.execute(query, (home.id,))).fetchall()
            return sorted(id_ for id_, found in rows if status in (None, found))

        story = Story(seed, ids)
        await story.tell(database)
        own = [home.id for home in story.homes]
        found: dict[str, list[str]] = {}
        for table in compared(tables):
            name = table.name
            column = "id" if name == "organization" else "organization_id"
            # The same interval may be written in several ways.
            lengths = [name for name, kind in zip(table.columns, table.types, strict=True) if kind == "interval"]
            more = ", ".join(f"'{length}', extract(epoch FROM {length})::float8" for length in lengths)
            query = f"SELECT to_jsonb(t) || jsonb_build_object({more}) FROM {name} t WHERE {column} = ANY (%s::uuid[])"  # noqa: S608 -- our own names
            rows = await (await conn.execute(query, (own,))).fetchall()
            found[name] = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
        return story.told, found


def _plain_rows(table: Table, own: set[str]) -> list[str]:
    if not compared([table]):
        return []
    place = table.place["id" if table.name == "organization" else "organization_id"]
    return sorted(
        json.dumps(
            {
                column: _plain(value, kind)
                for column, value, kind in zip(table.columns, row, table.types, strict=True)
                if column != "ctid"
            },
            sort_keys=True,
        )
        for row in table.rows.values()
        if row[place] in own
    )


def _plain(value: Any, kind: str) -> Any:
    """Write a value as the server writes it into JSON."""
    if value is INFINITY or value is MINUS_INFINITY:
        return "infinity" if value is INFINITY else "-infinity"
    if isinstance(value, datetime):
        text = value.isoformat()
        whole, dot, parts = text.partition(".")
        if dot:
            fraction, sign, zone = parts.partition("+")
            text = f"{whole}.{fraction.rstrip('0')}{sign}{zone}"
        return text
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if kind == "json" and isinstance(value, str):
        return json.loads(value)
    return value


def compared(tables: Iterable[Table]) -> list[Table]:
    """Name the tables whose rows belong to an organization, and whose times are the program's."""
    return [
        table
        for table in tables
        if table.name not in OF_THE_SERVER and (table.name == "organization" or "organization_id" in table.place)
    ]


def difference(
    told: Sequence[str], told_there: Sequence[str], rows: Mapping[str, Any], there: Mapping[str, Any]
) -> str | None:
    """Say where two tellings differ first; None: nowhere."""
    for number, (here, other) in enumerate(itertools.zip_longest(told, told_there)):
        if here != other:
            return f"answer {number}: {here} in memory, {other} on PostgreSQL"
    for name in rows:
        if name in there and rows[name] != there[name]:
            only = [json.loads(row) for row in rows[name] if row not in there[name]]
            others = [json.loads(row) for row in there[name] if row not in rows[name]]
            if len(only) != len(others):
                return f"table {name}: only in memory {only[:2]}, only on PostgreSQL {others[:2]}"
            said = {key: (value, others[0][key]) for key, value in only[0].items() if value != others[0][key]}
            return f"table {name}: {only[0].get('id')}: {said}"
    return None


def compare(seeds: Iterable[int], url: str) -> list[str]:
    """Tell each story twice; say which ones differ."""
    store = Store(lambda: START)
    found: list[str] = []
    for seed in seeds:
        told, rows = asyncio.run(in_memory(seed, store))
        told_there, there = asyncio.run(on_postgresql(seed, url, store.tables.values()))
        differs = difference(told, told_there, rows, there)
        if differs is not None:
            found.append(f"seed {seed} differs: {differs}")
    return found


def compare_on_postgresql(seeds: Iterable[int]) -> list[str]:
    """Compare on a server of our own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data", QUICK) as url:
            asyncio.run(migrate(url))
            return compare(seeds, url)
