"""The upgrade at length: a million transfers, a kill after every statement, all stories of the release before."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate, migrations
from tests.evidence import Evidence, Figure, without_record
from tests.upgrade.baseline import BASELINE, make_past, previous_commit, previous_release
from tests.upgrade.campaign import MIGRATORS, at_once, beside_the_release_before, killed, stories_of
from tests.upgrade.linter import dangers_in
from tests.upgrade.schema import schema_of

MOST_STATEMENTS = 200
PARTS = ("large", "small", "kills", "stories")


def main() -> int:
    """Prove it, and write down what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--transfers", type=int, default=1_000_000)
    parser.add_argument("--stories", default="tests/api/stories", help="which tests of the release before are run")
    parser.add_argument("--only", default=",".join(PARTS), help="which parts are done now, as far as they are not")
    parser.add_argument("--record", type=Path, help="what was done is written here, and not done again")
    given = parser.parse_args()
    evidence = Evidence("upgrade", ["python", "-m", "tests.upgrade", *without_record(sys.argv[1:])])
    commit = previous_commit()
    if commit is None:
        print("There is no git history here, and so no release before this one.", file=sys.stderr)
        return 1
    done: dict[str, Found] = {}
    if given.record is not None and given.record.exists():
        done = {name: Found(*found) for name, found in json.loads(given.record.read_text()).items()}
    with tempfile.TemporaryDirectory(prefix="sluiceway-upgrade-") as folder, previous_release(commit) as release:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "data") as url:
            for part in given.only.split(","):
                if part not in done:
                    done[part] = asyncio.run(_part(part, url, release, given.transfers, given.stories))
                    print(part, *done[part], flush=True)
                    if given.record is not None:
                        given.record.write_text(json.dumps(done))
    evidence.figures |= {
        "migrations": [migration.name for migration in migrations()[BASELINE:]],
        "release_before": commit[:7],
        "dangers_allowed": [danger for each in migrations()[BASELINE:] for danger in dangers_in(each.sql)],
    }
    for part in PARTS:
        if part in done:
            evidence.figures |= done[part].figures
            evidence.violations += done[part].violations
    print(evidence.write())
    return 1 if evidence.violations else 0


class Found(NamedTuple):
    """What a part found: its figures, and what was false."""

    figures: dict[str, Figure]
    violations: list[str]


async def _part(part: str, server_url: str, release: Path, transfers: int, stories: str) -> Found:
    match part:
        case "large":
            return await _large(server_url, release, transfers)
        case "small":
            url = _create(server_url, "small")
            await make_past(url, _create(server_url, "small_scratch"), 5_000)
            return Found({"migrators_at_once": MIGRATORS}, await at_once(url))
        case "kills":
            return await _kills(server_url)
        case _:
            return Found({"stories": stories}, await asyncio.to_thread(stories_of, release, *stories.split()))


async def _large(server_url: str, release: Path, transfers: int) -> Found:
    url = _create(server_url, "large")
    town = await make_past(url, _create(server_url, "large_scratch"), transfers)
    waits, wrong = await beside_the_release_before(url, release, town)
    figures: dict[str, Figure] = {
        "transfers": transfers,
        "longest_lock_wait_s": round(waits.longest_lock_s, 3),
        "slowest_request_before_s": round(waits.slowest_before_s, 3),
        "slowest_request_s": round(waits.slowest_s, 3),
        "requests_meanwhile": len(waits.during),
        "requests_failed": len(waits.wrong),
        "migration_seconds": waits.took,
    }
    return Found(figures, wrong)


async def _kills(server_url: str) -> Found:
    fresh, baseline = _create(server_url, "fresh"), _create(server_url, "killed")
    await migrate(fresh)
    await migrate(baseline, migrations()[:BASELINE])
    expected, kills, wrong = schema_of(fresh), 0, list[str]()
    for statement in range(1, MOST_STATEMENTS):
        # Each from the baseline, so that what one kill leaves is seen by itself.
        url = _create(server_url, f"killed_{statement}", like="killed")
        one, found = await killed(url, expected, [statement])
        wrong += found
        kills += one
        if not one:
            break
    return Found({"kills": kills}, wrong)


def _create(server_url: str, name: str, like: str = "template0") -> str:
    with psycopg.connect(server_url, autocommit=True) as conn:
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like))
        conn.execute(words)
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    sys.exit(main())
