"""The long run: `python -m tests.cuts`. It takes minutes; what it found is in evidence/cut-commits-DATE.json.

Runs may be taken in pieces, also at the same time: `--more` adds what this one finds to what is there of today.
"""

import argparse
import asyncio
import fcntl
import json
import shlex
import sys
import tempfile
import time
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
from tests.evidence import FOLDER, Evidence, where

PART: Final = "cut-commits"
PIECES: Final = ("cuts", "few", "stories", "reads", "outages")
STORIES: Final = ("tests/api/stories", "tests/api/test_story.py", "tests/api/test_real_server.py")
AT_ONCE: Final = 250
"""Cuts on each side before everything is looked at: how much is read then grows with what was done."""

_FIGURES: Final[dict[str, Any]] = {
    **dict.fromkeys(("cuts", "before", "after", "told_to_come_again", "webhooks_arrived"), 0),
    **dict.fromkeys(("answers_broken_off", "reads_right", "reads_of_single_bytes"), 0),
    "cuts_by_kind": {},
    "calls": {},
    "with_few_connections": {},
    "stories_with_few_connections": {},
    "outages": {},
    "seeds": [],
    "runs": [],
}
"""What is counted, and what it is where there was none."""


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
    report = _Report(Evidence(PART, ["python", "-m", "tests.cuts", *sys.argv[1:]]))
    if not given.more:
        report.file.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="sluiceway-cuts-", dir=_quick_place()) as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "server") as url:
            asyncio.run(_run(given, url, report))
    print(f"{report.file}: {report.violations} violations")
    return 1 if report.violations else 0


class _Report:
    """What is written down, piece by piece, beside what others of the same day write."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.file = FOLDER / f"{PART}-{evidence.began_at:%Y-%m-%d}.json"
        self.violations = 0
        self._began = time.monotonic()

    def add(self, violations: list[str], **figures: Any) -> None:
        """Write down what a piece has found."""
        command, commit = shlex.join(self._evidence.command), where()["commit"]
        figures["runs"] = [{"command": command, "commit": commit, "seconds": round(self.seconds(), 1)}]
        self._began = time.monotonic()
        self.violations += len(violations)
        with Path(tempfile.gettempdir(), f"sluiceway-{PART}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
            self._evidence.violations = [*found.get("what_was_violated", []), *violations]
            self._evidence.figures = {
                name: added(found.get(name), figures.get(name, nothing)) for name, nothing in _FIGURES.items()
            }
            self._evidence.write()

    def seconds(self) -> float:
        return time.monotonic() - self._began


def added(some: Any, more: Any) -> Any:
    """Add up figures: counts, lists, and whatever goes by name."""
    if some is None:
        return more
    if isinstance(some, dict):
        return {name: added(some.get(name), more[name]) if name in more else some[name] for name in {**some, **more}}
    return some + more


async def _run(given: argparse.Namespace, url: str, report: _Report) -> None:
    pieces = given.only or PIECES
    if "outages" in pieces:
        await _outages(url, report)
    if "reads" in pieces:
        reads = await read_over(await _database(url, "reads"), given.seed, broken=given.reads, splitting=given.reads)
        answers = {"answers_broken_off": reads.broken, "reads_right": reads.answered}
        report.add(reads.wrong, **answers, reads_of_single_bytes=given.reads)
    if "stories" in pieces:
        for connections in (1, 2):
            passed, failed = tell(STORIES, connections)
            report.add([failed] * bool(failed), stories_with_few_connections={str(connections): passed})
    if "few" in pieces:
        for connections in (1, 2):
            await _cuts(url, given.few, given.seed, report, connections)
    if "cuts" in pieces:
        await _cuts(url, given.each_side, given.seed, report)


async def _cuts(url: str, each_side: int, seed: int, report: _Report, connections: int = 0) -> None:
    left = each_side
    while left > 0:
        count = min(left, AT_ONCE)
        fresh = await _database(url, f"cuts_{connections}_{seed}")
        found = await run_campaign(fresh, count, seed, connections=connections or None)
        print(told(found), f"{report.seconds():.0f} s", flush=True)
        cuts = sum(found.cuts.values())
        report.add(
            [f"seed {seed}: {violation}" for violation in found.violations],
            cuts=cuts,
            **{side.value: found.cuts[side] for side in Cut},
            cuts_by_kind=shown(found.by_kind),
            calls=dict(found.calls),
            told_to_come_again=found.refused,
            webhooks_arrived=found.webhooks,
            with_few_connections={str(connections): cuts} if connections else {},
            seeds=[seed],
        )
        left, seed = left - count, seed + 1


async def _outages(url: str, report: _Report) -> None:
    async with scene(await _database(url, "outages")) as stage:
        for name, trouble in (AWAY | HALF_OPEN).items():
            violations: list[str] = []
            measured: Any = None
            try:
                measured = await lives_through(stage, trouble) if name in AWAY else await notices(stage, trouble)
            except AssertionError as failure:
                violations = [f"{name}: {failure}"]
                await well(stage.relay)
            print(name, json.dumps(measured), flush=True)
            report.add(violations, outages={name: [measured]})


async def _database(url: str, name: str) -> str:
    """Make a migrated database beside that of a URL."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    fresh = url.replace(f"/{_name(url)}?", f"/{name}?", 1)
    await migrate(fresh)
    return fresh


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _quick_place() -> str | None:
    # What is written here is not what is tested; it need not wait for a disk.
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
    return str(memory) if memory.is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
