"""A real process that serves a world with something of everything, and what its callers hold."""

import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.outbound import Outbound, Policy
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key
from sluiceway.services.passwords import Passwords
from sluiceway.services.people import invite
from sluiceway.services.sessions import Visitor, sign_in
from sluiceway.services.webhooks import create_endpoint
from sluiceway.storage.database import Database, fetch_all
from tests.abuse.asked import Operation, operations
from tests.e2e.processes import Serving, free_port
from tests.fuzz.town import Town, open_town
from tests.outbound.servers import AUTHORITIES
from tests.support import PASSWORD, fixed, on_demand

COOKIE: Final = "sluiceway-session"
OWN_PAGE: Final = {"sec-fetch-site": "same-origin", "x-requested-by": "sluiceway"}
"""What a browser and our pages send with what changes something."""
_NOT_AN_EFFECT: Final = "migration|^audit_|^call_bucket$|^worker_|^session$"
"""Every call is counted and recorded, and a session remembers when it was last used."""


@dataclass
class Stage:
    """What is served, and by whom it may be asked."""

    town: Town
    serving: Serving
    url: str
    """Of the database, for who may see everything in it."""
    known: Mapping[str, list[Any]]

    @property
    def engine(self) -> Engine:
        """The engine by which the world was made. Its passwords cost nothing."""
        return self.town.api.world.engine

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.serving.url.rpartition(":")[2])

    async def cookie(self) -> str:
        """Sign the world's person in, whatever has been done to their password."""
        person = self.town.api.world.person
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as conn:
            await conn.execute(
                "UPDATE person SET password_hash = %s WHERE id = %s", [self.engine.hash_password(PASSWORD), person.id]
            )
        visitor = Visitor("127.0.0.1", "tests")
        passwords = Passwords(self.engine)
        signed_in = await sign_in(
            self.engine, passwords, visitor, email=person.email, password=PASSWORD, note=lambda _: None
        )
        return f"{COOKIE}={signed_in.token}"

    async def operations(self, number: int = 0) -> list[Operation]:
        """List every operation of every document, asked by somebody who may."""
        cookie = await self.cookie()

        def credentials(document: str) -> Mapping[str, str]:
            if document == "app":
                return {"cookie": cookie, **OWN_PAGE}
            return self.town.credentials(document, "everything")

        return operations(self.known, credentials, number)

    async def digest(self) -> dict[str, str]:
        """Hash every table, as far as a refused request leaves it as it was."""
        async with self.engine.database.read() as tx:
            tables = await fetch_all(
                tx,
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ %(not)s ORDER BY 1",
                {"not": _NOT_AN_EFFECT},
            )
            found: dict[str, str] = {}
            for (table,) in tables:
                query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(table))
                rows = "\n".join(row[0] for row in await fetch_all(tx, query))  # type: ignore[arg-type]
                found[table] = sha256(rows.encode()).hexdigest()
        return found

    def memory_kib(self) -> int:
        """Tell how much memory the process has at most had since `forget_peak`."""
        lines = Path(f"/proc/{self.serving.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    def forget_peak(self) -> None:
        """Begin anew to look for the most memory."""
        Path(f"/proc/{self.serving.pid}/clear_refs").write_text("5", encoding="ascii")


@asynccontextmanager
async def open_stage(url: str, *, with_worker: bool = False, **environment: str) -> AsyncGenerator[Stage]:
    """Make the world in a migrated, empty database, and serve it."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(url))
        town = await stack.enter_async_context(open_town(database))
        known = town.known | await _more(town)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluiceway-abuse-"))
        serving = stack.enter_context(
            Serving(
                *("serve", Path(folder) / "data", free_port(), "--worker" if with_worker else "--no-worker"),
                **{"DATABASE_URL": url, "ALLOW_UNSAFE_POSTGRES": "1", **environment},
            )
        )
        yield Stage(town, serving, url, known)


async def _more(town: Town) -> dict[str, list[Any]]:
    """Make what only the app offers, and name it."""
    world = town.api.world
    engine = replace(world.engine, outbound=Outbound(Policy(), None, AUTHORITIES))
    endpoint, _ = await create_endpoint(engine, world.organization_id, "https://hooks.example/x", ["*"])
    key, _ = await create_key(engine, world.organization_id, "small", {}, rate_limit=None)
    income, savings = (world.accounts[name] for name in ("income", "savings"))
    invitation, _ = await invite(engine, world.person, "guest@example.com", Role.VIEWER)
    return {
        "webhooks": [endpoint.id],
        "keys": [format_id(IdKind.KEY, key.id)],
        "invitations": [invitation.id],
        "people": [world.person.id],
        "definitions": [{**on_demand(income, fixed(500, income, savings)), "name": "A rule"}],
    }
