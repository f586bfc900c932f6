"""`python -m tests.corruption`: a thousand lies and more, each told, looked for, and taken back."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

import psycopg
from psycopg import sql

from sluiceway.storage.database import Database
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.corruption.harmless import HARMLESS_COLUMNS, HARMLESS_TABLES
from tests.corruption.telling import Told, tell
from tests.evidence import Evidence

IN_ONE_WORLD = 500
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def main() -> int:
    """Tell lies in one fresh database after the other; each world has a seed of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.corruption", description=__doc__)
    parser.add_argument("--lies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this lie of the seed alone, to look at it again")
    parser.add_argument("--dry", action="store_true", help="write no evidence")
    given = parser.parse_args()
    evidence = Evidence("corruption", ["python", "-m", "tests.corruption", *sys.argv[1:]])
    every: list[Told] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "server", QUICK) as url:
            if given.only is not None:
                every.append(asyncio.run(_world(url, given.seed, 1, given.only)))
            for start in range(0, 0 if given.only is not None else given.lies, IN_ONE_WORLD):
                count = min(IN_ONE_WORLD, given.lies - start)
                every.append(asyncio.run(_world(url, given.seed + start // IN_ONE_WORLD, count, 0)))
                print(f"{every[-1].found} of {every[-1].injected} in {every[-1].seconds:.0f} s", flush=True)
                for number, lie in every[-1].missed:
                    print(
                        f"missed: seed {every[-1].seed}, lie {number}: {lie.kind} {lie.table}: {lie.said}", flush=True
                    )
    for told in every:
        for number, lie in told.missed:
            evidence.violations.append(f"seed {told.seed}, lie {number}: {lie.kind} {lie.table}: {lie.said}")
    kinds = sum((told.by_kind for told in every), Counter[str]())
    checks = sum((told.by_check for told in every), Counter[str]())
    evidence.figures.update(
        injected=sum(told.injected for told in every),
        detected=sum(told.found for told in every),
        refused_by_the_schema=sum(told.refused for told in every),
        seed=given.seed,
        kinds=dict(kinds.most_common()),
        tables_and_columns=len({column for told in every for column in told.columns}),
        left_out={"tables": len(HARMLESS_TABLES), "columns": len(HARMLESS_COLUMNS)},
        found_by=dict(checks.most_common()),
        seconds_an_audit=round(sum(t.seconds for t in every) / max(1, sum(t.injected for t in every)), 3),
    )
    if given.only is not None:
        print(*evidence.violations, sep="\n")
    if given.only is None and not given.dry:
        print(evidence.write())
    return 1 if evidence.violations else 0


async def _world(url: str, seed: int, lies: int, first: int) -> Told:
    name = f"corruption_{seed}_{first}"
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    own = url.replace(url.rpartition("/")[2].partition("?")[0], name) if "?" not in url else _with(url, name)
    await migrate(own)
    async with Database(own) as database:
        told = await tell(database, seed, lies, first=first)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    return told


def _with(url: str, name: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url)._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    sys.exit(main())
