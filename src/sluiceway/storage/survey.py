"""What `sluiceway doctor` asks of a database: how it is set, what was migrated, who may do what. Changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sluiceway.storage.database import APPLICATION_ROLE, READING_ROLE, ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class Server(NamedTuple):
    """A server, and whom it takes us for."""

    version: str
    now: datetime
    login_role: str
    role: str
    is_login_superuser: bool
    is_superuser: bool
    has_application_role: bool
    has_reading_role: bool
    """Whoever connects can also be the one who only reads."""
    is_login_owner: bool
    """Whoever connects could change the schema, and so undo what binds our role."""
    has_checksums: bool
    max_connections: int
    size_bytes: int
    is_remote: bool
    """It is reached over a network, be it this machine's own."""
    is_encrypted: bool
    has_history: bool
    has_heartbeats: bool


class AppliedMigration(NamedTuple):
    """A migration as the database has it on record."""

    version: int
    name: str
    sha256: str


class Strength(NamedTuple):
    """How well what opens doors is made; nothing of what it is."""

    keys: int
    unlimited_keys: int
    signing_secrets: int
    short_signing_secrets: int
    admins: int
    outdated_hashes: int
    admins_without_second_factor: int


async def ask_server(tx: ReadTx) -> Server:
    """Ask what can be asked of any database, also an empty one."""
    [row] = await fetch_all(tx, QUERIES["server"], {"role": APPLICATION_ROLE, "reading": READING_ROLE})
    return Server(*row)


async def applied_migrations(tx: ReadTx) -> list[AppliedMigration]:
    """List what was migrated, in order."""
    return [AppliedMigration(*row) for row in await fetch_all(tx, QUERIES["applied"], {})]


async def excessive_rights(tx: ReadTx) -> list[str]:
    """List what our role could do to what has happened, and must not."""
    return [f"{privilege} {table}" for table, privilege in await fetch_all(tx, QUERIES["rights"], {})]


async def beat_ages_s(tx: ReadTx) -> Sequence[float]:
    """Tell of each worker how long ago it said that it settles, the latest first."""
    return [age_s for (age_s,) in await fetch_all(tx, QUERIES["beats"], {})]


async def strength(tx: ReadTx) -> Strength:
    """Count what is weak."""
    [(keys, unlimited)] = await fetch_all(tx, QUERIES["keys"], {})
    [(secrets, short)] = await fetch_all(tx, QUERIES["signing_secrets"], {})
    admins = await fetch_all(tx, QUERIES["admins"], {})
    codes = await fetch_all(tx, QUERIES["one_time_codes"], {})
    factors = {*codes, *await fetch_all(tx, QUERIES["passkeys"], {})}
    return Strength(
        keys=keys,
        unlimited_keys=unlimited,
        signing_secrets=secrets,
        short_signing_secrets=short,
        admins=len(admins),
        outdated_hashes=sum(not is_argon2id for _, _, is_argon2id in admins),
        admins_without_second_factor=sum((organization, person) not in factors for organization, person, _ in admins),
    )
