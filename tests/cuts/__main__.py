"""The long run: `python -m tests.cuts`. It takes minutes; what it found is in evidence/cut-commits-DATE.json.

Runs may be taken in pieces: `--more` adds what this one finds to what is there of today, if that is of the same commit.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.cuts.campaign import run_campaign, shown, told
from tests.cuts.outages import AWAY, HALF_OPEN, lives_through, notices, scene, well
from tests.cuts.reading import read_over
from tests.cuts.small_pools import tell
from tests.db.relay import Cut
from tests.evidence import FOLDER, Evidence, Figure, where

PART: Final = "cut-commits"
PIECES: Final = ("cuts", "few", "stories", "reads", "outages")
STORIES: Final = ("tests/api/stories", "tests/api/test_story.py", "tests/api/test_real_server.py")
AT_ONCE: Final = 250
"""Cuts on each side before everything is looked at: how much is read then grows with what was done."""

_COUNTED: Final = (
    *("cuts", "before", "after", "told_to_come_again", "webhooks_arrived"),
    *("answers_broken_off", "reads_right", "reads_of_single_bytes"),
)
_BY_NAME: Final = ("cuts_by_kind", "calls", "outages", "with_few_connections", "stories_with_few_connections")
_LISTED: Final = ("seeds", "commands")


def main() -> int:
    """Run what was asked for, write it down, and end with 1 if anything was false."""
    parser = argparse.ArgumentParser(prog="python -m tests.cuts", description=__doc__)
    parser.add_argument("--only", choices=PIECES, action="append", help="some of it, and not all")
    parser.add_argument(
        "--each-side", type=int, default=2000, help="how many COMMITs to cut before, and how many after"
    )
    parser.add_argument("--few", type=int, default=100, help="as many with one connection, and with two")
    parser.add_argument("--reads", type=int, default=500, help="how many answers to reads break off")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--more", action="store_true", help="add to what was found today")
    given = parser.parse_args()
    evidence = Evidence(PART, ["python", "-m", "tests.cuts", *sys.argv[1:]])
    before = _before(evidence) if given.more else {}
    with tempfile.TemporaryDirectory(prefix="sluiceway-cuts-", dir=_quick_place()) as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "server") as url:
            asyncio.run(_run(given, url, evidence, before))
    file = evidence.write()
    print(f"{file}: {len(evidence.violations)} violations")
    return 1 if evidence.violations else 0


async def _run(given: argparse.Namespace, url: str, evidence: Evidence, before: dict[str, Any]) -> None:
    figures: dict[str, Any] = {name: before.get(name, 0) for name in _COUNTED}
    figures |= {name: before.get(name, {}) for name in _BY_NAME} | {name: before.get(name, []) for name in _LISTED}
    figures["commands"] = [*figures["commands"], " ".join(evidence.command)]
    evidence.violations += before.get("what_was_violated", [])
    evidence.figures = figures
    pieces = given.only or PIECES
    if "outages" in pieces:
        await _outages(url, figures, evidence)
    if "reads" in pieces:
        await _reads(given, url, figures, evidence)
    if "stories" in pieces:
        for connections in (1, 2):
            passed, failed = tell(STORIES, connections)
            figures["stories_with_few_connections"][str(connections)] = passed
            evidence.violations += [failed] * bool(failed)
    if "few" in pieces:
        for connections in (1, 2):
            await _cuts(url, given.few, given.seed, figures, evidence, connections)
    if "cuts" in pieces:
        await _cuts(url, given.each_side, given.seed, figures, evidence)


async def _cuts(
    url: str, each_side: int, seed: int, figures: dict[str, Any], evidence: Evidence, connections: int = 0
) -> None:
    began, left = time.monotonic(), each_side
    while left > 0:
        count = min(left, AT_ONCE)
        fresh = await _database(url, f"cuts_{connections}_{seed}")
        found = await run_campaign(fresh, count, seed, connections=connections or None)
        print(told(found), f"{time.monotonic() - began:.0f} s", flush=True)
        evidence.violations += [f"seed {seed}: {violation}" for violation in found.violations]
        figures["seeds"] = [*figures["seeds"], seed]
        if connections:
            few = figures["with_few_connections"]
            few[str(connections)] = few.get(str(connections), 0) + sum(found.cuts.values())
        figures["cuts"] += sum(found.cuts.values())
        for side in Cut:
            figures[side.value] += found.cuts[side]
        figures["cuts_by_kind"] = _added(figures["cuts_by_kind"], shown(found.by_kind))
        figures["calls"] = dict(Counter(figures["calls"]) + found.calls)
        figures["told_to_come_again"] += found.refused
        figures["webhooks_arrived"] += found.webhooks
        left, seed = left - count, seed + 1
        # What was found is there even if the rest is not waited for.
        evidence.write()


async def _reads(given: argparse.Namespace, url: str, figures: dict[str, Any], evidence: Evidence) -> None:
    reads = await read_over(await _database(url, "reads"), given.seed, broken=given.reads, splitting=given.reads)
    evidence.violations += reads.wrong
    figures["answers_broken_off"] += reads.broken
    figures["reads_right"] += reads.answered
    figures["reads_of_single_bytes"] += given.reads


async def _outages(url: str, figures: dict[str, Any], evidence: Evidence) -> None:
    async with scene(await _database(url, "outages")) as stage:
        for name, trouble in (AWAY | HALF_OPEN).items():
            try:
                measured: Figure = (
                    await lives_through(stage, trouble) if name in AWAY else await notices(stage, trouble)
                )
            except AssertionError as failure:
                evidence.violations.append(f"{name}: {failure}")
                measured = None
                await well(stage.relay)
            print(name, json.dumps(measured), flush=True)
            figures["outages"] = {**figures["outages"], name: measured}


async def _database(url: str, name: str) -> str:
    """Make a migrated database beside that of a URL."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    fresh = url.replace(f"/{_name(url)}?", f"/{name}?", 1)
    await migrate(fresh)
    return fresh


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _before(evidence: Evidence) -> dict[str, Any]:
    file = FOLDER / f"{PART}-{evidence.began_at:%Y-%m-%d}.json"
    if not file.exists():
        return {}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found if found["commit"] == where()["commit"] else {}


def _added(some: dict[str, dict[str, int]], more: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {
        kind: {
            side.value: some.get(kind, {}).get(side.value, 0) + more.get(kind, {}).get(side.value, 0) for side in Cut
        }
        for kind in sorted({*some, *more})
    }


def _quick_place() -> str | None:
    # What is written here is not what is tested; it need not wait for a disk.
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
    return str(memory) if memory.is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
