"""A town with every kind of secret, whose plain texts are known, and looking at what a database keeps of them."""

import asyncio
import random
import secrets
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from sluiceway.domain.ids import EndpointId, OrganizationId, RuleId
from sluiceway.services import second_factors, webhooks
from sluiceway.services.engine import Engine
from sluiceway.services.rules import fresh_secret, open_secret
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.database import Database, DatabaseOptions, WriteTx
from sluiceway.storage.keyring import (
    COLUMNS,
    ENDPOINT_SECRET,
    PREVIOUS_ENDPOINT_SECRET,
    RULE_SECRET,
    TOTP_SECRET,
    Column,
    Keyring,
)
from tests.support import World, first_story, fixed, on_demand

ROW_OF = {RULE_SECRET: "id", ENDPOINT_SECRET: "id", PREVIOUS_ENDPOINT_SECRET: "id", TOTP_SECRET: "person_id"}


@dataclass(frozen=True)
class Kept:
    """A sealed value as the database has it."""

    column: Column
    organization_id: OrganizationId
    row_id: str
    value: str


@dataclass
class Vault:
    """Organizations with secrets. `plain`: what each has to open to, by its place."""

    engine: Engine
    worlds: list[World] = field(default_factory=list[World])
    plain: dict[tuple[Column, str, str], str] = field(default_factory=dict[tuple[Column, str, str], str])
    is_known: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while something has changed of which `plain` has not heard yet."""

    async def fill(self, organizations: int, rules: int) -> None:
        """Give each organization rules, webhooks one of which was renewed, and a person with one-time codes."""
        for number in range(organizations):
            world = await first_story(self.engine)
            self.worlds.append(world)
            await self._one_time_codes(world)
            for url in (f"https://one.example/{number}", f"https://two.example/{number}"):
                made, secret = await webhooks.create_endpoint(self.engine, world.organization_id, url, ["*"])
                self.plain[ENDPOINT_SECRET, world.organization_id, made.id] = secret
            await self.renew(world, made.id)
            await self.add_rules(world, rules)

    async def add_rules(self, world: World, count: int) -> None:
        """Add rules, each with a secret."""
        rule = world.read(on_demand("income", fixed(1_000, "income", "savings")))

        async def work(tx: WriteTx) -> dict[RuleId, str]:
            made: dict[RuleId, str] = {}
            for _ in range(count):
                rule_id = RuleId(self.engine.new_id())
                made[rule_id] = fresh_secret(self.engine, world.organization_id, rule_id)
                await stored_rules.insert_rule(
                    tx, world.organization_id, rule_id, rule, made[rule_id], self.engine.now()
                )
            return made

        for rule_id, sealed in (await self.engine.database.write(work)).items():
            plain = open_secret(self.engine, world.organization_id, rule_id, sealed)
            self.plain[RULE_SECRET, world.organization_id, rule_id] = plain

    async def renew(self, world: World, endpoint_id: EndpointId) -> None:
        """Give a webhook another secret; the one from before is kept too."""
        of = world.organization_id
        old = self.plain[ENDPOINT_SECRET, of, endpoint_id]
        _, secret = await webhooks.rotate_secret(self.engine, of, endpoint_id, "")
        self.plain[ENDPOINT_SECRET, of, endpoint_id] = secret
        self.plain[PREVIOUS_ENDPOINT_SECRET, of, endpoint_id] = old

    async def _one_time_codes(self, world: World) -> None:
        begun = await second_factors.begin_totp(self.engine, world.person)
        self.plain[TOTP_SECRET, world.organization_id, world.person.id] = begun.secret

    def differences(self, conn: psycopg.Connection, keyring: Keyring) -> list[str]:
        """Open everything that the database keeps, and say what is not what it has to be."""
        found = {
            (each.column, each.organization_id, each.row_id): keyring.open(
                each.column, each.organization_id, each.row_id, each.value
            )
            for each in kept(conn)
        }
        # Rules of the story have secrets too, which nobody has been shown.
        return [
            f"{place[0]} of {place[2]} opens to another secret"
            for place in self.plain
            if found.get(place) != self.plain[place]
        ]


def kept(conn: psycopg.Connection) -> list[Kept]:
    """Read every sealed value."""
    found: list[Kept] = []
    for column in COLUMNS:
        query = sql.SQL("SELECT organization_id::text, {}::text, {} FROM {} WHERE {} IS NOT NULL ORDER BY 1, 2").format(
            sql.Identifier(ROW_OF[column]), sql.Identifier(column.name), sql.Identifier(column.table),
            sql.Identifier(column.name),
        )  # fmt: skip
        found += [
            Kept(column, OrganizationId(of), row_id, value) for of, row_id, value in conn.execute(query).fetchall()
        ]
    return found


def put(conn: psycopg.Connection, place: Kept, value: str) -> None:
    """Write a value into the database behind everybody's back."""
    query = sql.SQL("UPDATE {} SET {} = %s WHERE organization_id = %s AND {} = %s").format(
        sql.Identifier(place.column.table), sql.Identifier(place.column.name), sql.Identifier(ROW_OF[place.column])
    )
    conn.execute(query, (value, place.organization_id, place.row_id))


def everything(conn: psycopg.Connection) -> str:
    """Write down all rows of all tables, bytes in hexadecimal."""
    tables = conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
    ).fetchall()
    return "\n".join(
        row for (table,) in tables
        for (row,) in conn.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))).fetchall()
    )  # fmt: skip


def with_keys(url: str, keyring: Keyring) -> Database:
    """Describe a database whose secrets these keys open."""
    return Database(url, DatabaseOptions(keyring=keyring))


async def killed_while_sealing(url: str, file: Path, after: int) -> bool:
    """Seal everything anew in a process of its own, killed after so many values; tell whether it was killed in time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.privileges.rotating", url, str(file), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async for line in process.stdout:
        if int(line) >= after:
            process.kill()
            break
    return await process.wait() == -signal.SIGKILL


async def keep_busy(vault: Vault, chance: random.Random, stop: asyncio.Event) -> int:
    """Meanwhile renew secrets, make others, and open some; count what was done."""
    done = 0
    while not stop.is_set():
        world = chance.choice(vault.worlds)
        endpoints = [
            row_id
            for column, of, row_id in vault.plain
            if column is PREVIOUS_ENDPOINT_SECRET and of == world.organization_id
        ]
        async with vault.is_known:
            await vault.renew(world, EndpointId(endpoints[0]))
            await vault.add_rules(world, 1)
        done += 2
        await asyncio.sleep(0.01)
    return done


def keyring_of(file: Path) -> Keyring:
    """Open a file with keys as a process does."""
    return Keyring(file=file, random_bytes=secrets.token_bytes)


def keep_only(file: Path, number: int) -> None:
    """Forget all keys of a file but one."""
    file.write_text(file.read_text(encoding="utf-8").split()[number], encoding="utf-8")
