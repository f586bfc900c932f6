"""The upgrade at length: a million transfers, a kill after every statement, all stories of the release before."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate, migrations
from tests.evidence import Evidence
from tests.upgrade.baseline import BASELINE, make_past, previous_commit, previous_release
from tests.upgrade.campaign import MIGRATORS, at_once, beside_the_release_before, killed, stories_of
from tests.upgrade.linter import dangers_in
from tests.upgrade.schema import schema_of

MOST_STATEMENTS = 200


def main() -> int:
    """Prove it, and write down what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--transfers", type=int, default=1_000_000)
    parser.add_argument("--stories", default="tests/api/stories", help="which tests of the release before are run")
    given = parser.parse_args()
    command = ["python", "-m", "tests.upgrade", "--transfers", str(given.transfers), "--stories", given.stories]
    evidence = Evidence("upgrade", command)
    commit = previous_commit()
    if commit is None:
        print("There is no git history here, and so no release before this one.", file=sys.stderr)
        return 1
    evidence.figures |= {
        "migrations": [migration.name for migration in migrations()[BASELINE:]],
        "release_before": commit[:7],
        "migrators_at_once": MIGRATORS,
    }
    for migration in migrations()[BASELINE + 1 :]:
        evidence.violations += dangers_in(migration.sql)
    with tempfile.TemporaryDirectory(prefix="sluiceway-upgrade-") as folder, previous_release(commit) as release:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data") as url:
            asyncio.run(_prove(evidence, url, release, given.transfers))
        evidence.violations += stories_of(release, *given.stories.split())
    print(evidence.write())
    print(evidence.figures, *evidence.violations, sep="\n")
    return 1 if evidence.violations else 0


async def _prove(evidence: Evidence, server_url: str, release: Path, transfers: int) -> None:
    large, small, fresh, killed_often, *scratch = (
        _create(server_url, name) for name in ("large", "small", "fresh", "killed", "scratch_1", "scratch_2")
    )
    town = await make_past(large, scratch[0], transfers)
    waits, wrong = await beside_the_release_before(large, release, town)
    evidence.violations += wrong
    evidence.figures |= {
        "transfers": transfers,
        "longest_block_s": round(waits.longest_s, 3),
        "requests_meanwhile": len(waits.during),
        "migration_seconds": waits.took,
    }
    print(evidence.figures, flush=True)
    await make_past(small, scratch[1], 5_000)
    evidence.violations += await at_once(small)
    await migrate(fresh)
    await migrate(killed_often, migrations()[:BASELINE])
    expected, kills = schema_of(fresh), 0
    for statement in range(1, MOST_STATEMENTS):
        # Each from the baseline, so that what one kill leaves is seen by itself.
        url = _create(server_url, f"killed_{statement}", like="killed")
        one, wrong = await killed(url, expected, [statement])
        evidence.violations += wrong
        kills += one
        if not one:
            break
    evidence.figures["kills"] = kills


def _create(server_url: str, name: str, like: str = "template0") -> str:
    with psycopg.connect(server_url, autocommit=True) as conn:
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like))
        conn.execute(words)
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    sys.exit(main())
