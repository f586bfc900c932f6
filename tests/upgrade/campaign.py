"""What is proved of an upgrade: nobody waits long, nothing changes but the schema, and no kill leaves it in between."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from bench.founding import Town
from sluiceway.services.audit import run_audit
from sluiceway.storage.database import Database, DatabaseOptions
from sluiceway.storage.migrate import migrate, migrations
from sluiceway.wiring import PATIENCE_S, engine_of
from tests.evidence import ROOT
from tests.upgrade.baseline import BASELINE
from tests.upgrade.schema import columns_of, digest_of, schema_of
from tests.upgrade.upgrading import Waits, kill_at, migrate_under_load, served_by

LONGEST_BLOCK_S = 1.0
MIGRATORS = 10


async def beside_the_release_before(url: str, release: Path, town: Town) -> tuple[Waits, list[str]]:
    """Migrate while the release before serves; give what requests met, and what was found wrong."""
    with served_by(release, url) as address:
        waits = await migrate_under_load(url, address, town)
    wrong = [f"a request failed: {each}" for each in waits.wrong[:5]]
    if waits.longest_lock_s > LONGEST_BLOCK_S:
        wrong.append(f"somebody waited {waits.longest_lock_s:.2f} s for a lock")
    return waits, wrong + await audited(url)


async def audited(url: str) -> list[str]:
    """Audit a database; give the promises that are broken."""
    async with Database(url, DatabaseOptions(transaction_timeout_s=PATIENCE_S)) as database:
        results = await run_audit(engine_of(database))
    return [f"the audit says no: {result.promise}" for result in results if result.violations]


async def at_once(url: str) -> list[str]:
    """Let many migrators start together; each file is applied by one of them, and nothing that stands there changes."""
    columns = columns_of(url)
    before = digest_of(url, columns)
    done = await asyncio.gather(*(migrate(url) for _ in range(MIGRATORS)))
    applied = sorted(migration.version for each in done for migration in each)
    wrong: list[str] = []
    if applied != list(range(BASELINE + 1, len(migrations()) + 1)):
        wrong.append(f"{MIGRATORS} migrators at once applied {applied}")
    if digest_of(url, columns) != before:
        wrong.append("what stood in the tables is not what it was")
    return wrong + await audited(url)


async def killed(url: str, expected: list[str], statements: list[int]) -> tuple[int, list[str]]:
    """Kill a migrator after each of these statements, then let one end its work; give how many were killed."""
    kills = 0
    for statement in statements:
        kills += await asyncio.to_thread(kill_at, url, statement)
    await migrate(url)
    found = schema_of(url)
    wrong = [] if found == expected else [f"killed and run again, it is another schema: {set(found) ^ set(expected)}"]
    return kills, wrong + await audited(url)


def stories_of(release: Path, *paths: str) -> list[str]:
    """Run tests of the release before on the newer schema; give what failed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SLUICEWAY_TEST"))},
        "PYTHONPATH": os.pathsep.join((str(release / "src"), str(release), str(ROOT / "tests" / "upgrade"))),
        "NEWER_MIGRATIONS": str(ROOT / "src" / "sluiceway" / "storage" / "migrations"),
    }
    words = ["-p", "newer_schema", "-p", "no:randomly", "-p", "no:cacheprovider", "-q", "-x", *paths]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=release,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if ran.returncode == 0 else [f"a story of the release before fails: {ran.stdout[-1500:]}"]
