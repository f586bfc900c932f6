"""How long a backup and a restore of a large database take, through the commands that an operator types."""

import asyncio
import json
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from bench.filling import fill
from sluiceway.storage.database import Database
from sluiceway.storage.migrate import migrate
from tests.e2e.processes import SLUICEWAY
from tests.support import real_engine
from tests.upgrade.baseline import found_town

TIMEOUT_S = 1800


async def large(folder: Path, cluster_url: str, transfers: int) -> dict[str, float]:
    """Fill a database, back it up, and restore it into another one; give the figures."""
    full, empty = (urlsplit(cluster_url)._replace(path=f"/{name}").geturl() for name in ("large", "large_again"))
    with psycopg.connect(cluster_url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE large")
        conn.execute("CREATE DATABASE large_again")
    await migrate(full)
    async with Database(full) as database:
        await found_town(real_engine(database))
    filled = await asyncio.to_thread(fill, full, transfers)
    file = folder / "large.zip"
    backup_s, _ = await asyncio.to_thread(_timed, "backup", "--to", str(file), "--no-verify", "--database-url", full)
    restore_s, said = await asyncio.to_thread(_timed, "restore", str(file), "--json", "--database-url", empty)
    assert json.loads(said)["failed_checks"] == []
    return {
        "transfers": transfers,
        "database_gb": float(str(filled["database_gb"])),
        "backup_mb": round(file.stat().st_size / 1e6, 1),
        "backup_s": backup_s,
        "restore_and_audit_s": restore_s,
    }


def _timed(*words: str) -> tuple[float, str]:
    began = time.monotonic()
    ran = subprocess.run([SLUICEWAY, *words], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert ran.returncode == 0, ran.stderr
    return round(time.monotonic() - began, 1), ran.stdout
