"""The release before: its code in a folder of its own, and a database of its schema with as much history as wanted."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from bench.filling import fill
from bench.founding import Town, enable, found, manual, share
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import TriggerType
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.settlement import settle_due
from sluiceway.storage.database import Database
from sluiceway.storage.migrate import migrate, migrations
from tests.evidence import ROOT
from tests.support import real_engine
from tests.upgrade.schema import columns_of

BASELINE = 14
"""The schema of the release before: what came since is looked at. To be set to the newest when a release is made."""

_FOLDER = "src/sluiceway/storage/migrations"


def previous_commit() -> str | None:
    """Find the last commit whose schema was the baseline's; None where there is no history to look at."""
    first_after = f"{_FOLDER}/{BASELINE + 1:04}_*.sql"
    ran = _git("log", "--diff-filter=A", "--format=%H", "--", first_after)
    added = ran.stdout.split()
    if ran.returncode or not added:
        return None
    before = _git("rev-parse", "--verify", f"{added[-1]}^")
    return before.stdout.strip() if before.returncode == 0 else None


@contextmanager
def previous_release(commit: str) -> Generator[Path]:
    """Put a commit's files into a folder, and take them away again."""
    folder = Path(tempfile.mkdtemp(prefix="sluiceway-before-"))
    folder.chmod(0o755)  # Root's server runs as somebody else.
    try:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)


async def make_past(url: str, scratch_url: str, transfers: int) -> Town:
    """Fill an empty database of the baseline's schema with an organization that has made so many transfers.

    It is made in a scratch database by this program, which knows no older schema, and copied as far as that goes.
    """
    await migrate(scratch_url)
    async with Database(scratch_url) as database:
        town = await found_town(real_engine(database))
    await migrate(url, migrations()[:BASELINE])
    _copy(scratch_url, url)
    await asyncio.to_thread(fill, url, transfers)
    return town


async def found_town(engine: Engine) -> Town:
    """Make an organization with a rule that has run once, which history can be made of."""
    town = await found(engine, "An old town", 4)
    shares = [share(1, town.income, pod) for pod in town.pods[:2]]
    rule_id = await enable(engine, town.person, manual(town.income), *shares)

    def show(execution_id: str) -> Answer:
        return Answer(200, execution_id.encode())

    await admit(
        engine, [TriggerRule(town.id, rule_id, str(rule_id), TriggerType.SEQUENCE_API, Cents(100_000), None, show)]
    )
    while await settle_due(engine):
        pass
    return town


def _copy(from_url: str, to_url: str) -> None:
    """Copy all rows, of the columns that both have."""
    known = columns_of(from_url)
    with psycopg.connect(from_url) as source, psycopg.connect(to_url) as target:
        target.execute("SET session_replication_role = replica")  # In no order, so foreign keys are not looked up.
        for table, there in columns_of(to_url).items():
            shared = sql.SQL(", ").join(sql.Identifier(name) for name in there if name in known[table])
            name = sql.Identifier(table)
            with (
                source.cursor().copy(sql.SQL("COPY {} ({}) TO STDOUT").format(name, shared)) as out,
                target.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, shared)) as into,
            ):
                for piece in out:
                    into.write(piece)
