"""The proof of concurrency at length: `python -m tests.concurrency`.

`--only` runs some of it, and adds to what the same day's file says already, so that it can be run in pieces.
"""

import argparse
import asyncio
import fcntl
import logging
import os
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Final

from sluiceway.services.audit import run_audit
from sluiceway.storage.database import Database
from tests.concurrency.cancelling import break_off
from tests.concurrency.duplicates import storm
from tests.concurrency.enumerating import play_orders
from tests.concurrency.hanging_up import hang_up
from tests.concurrency.hot_account import CLIENTS, contest
from tests.concurrency.previewing import Compared, compare
from tests.concurrency.scenes import PAIRS
from tests.concurrency.server import Make, server
from tests.concurrency.stepping import Stepper
from tests.e2e.processes import Serving, free_port
from tests.evidence import FOLDER, Evidence
from tests.support import plain_engine

PIECES: Final = ("hot", "duplicates", "interleavings", "cancellations", "previews")
PAIRS_AT_ONCE: Final = 4
SUMMED: Final = (
    "hot_attempts", "hot_successes", "snapshots", "duplicates", "keys", "kills", "replays", "in_use", "cut_off",
    "unavailable", "schedules", "statements", "waits_for_locks", "deadlocks", "cancellations", "asked_after",
    "hang_ups", "foreign_bytes", "previews",
)  # fmt: skip
"""What pieces add up to."""


class Proof:
    """What has been found so far."""

    def __init__(self, options: argparse.Namespace, make: Make) -> None:
        self.options = options
        self.make = make
        seeded = [] if "--seed" in sys.argv else ["--seed", str(options.seed)]
        self.evidence = Evidence("concurrency", ["python", "-m", "tests.concurrency", *sys.argv[1:], *seeded])
        self.figures: dict[str, Any] = self.evidence.figures
        self.dice = random.Random(options.seed)
        self.until_s = time.monotonic() + options.seconds

    def add(self, name: str, number: int) -> None:
        self.figures[name] = self.figures.get(name, 0) + number

    def require(self, **reached: int) -> None:
        """Require that states which are dangerous were reached, or what was found says less than it seems to."""
        self.evidence.violations += [f"never: {name}" for name, times in reached.items() if not times]

    def is_over(self) -> bool:
        return time.monotonic() > self.until_s

    def serving(self, stack: ExitStack, url: str, folder: Path) -> Serving:
        given = ("--database-url", url)
        return stack.enter_context(Serving("serve", folder / "data", free_port(), *given, ALLOW_UNSAFE_POSTGRES="1"))

    def hot(self, folder: Path) -> None:
        with self.make() as url, ExitStack() as stack:
            began = time.monotonic()
            found = asyncio.run(contest(url, self.serving(stack, url, folder).url, self.options.attempts))
            self.figures["hot_clients"] = CLIENTS
            self.figures["hot_attempts_per_second"] = round(found.attempts / (time.monotonic() - began))
            self.add("hot_attempts", found.attempts)
            self.add("hot_successes", found.successes)
            self.add("snapshots", found.looks)
            self.require(hot_successes=found.successes, hot_refusals=found.attempts - found.successes)
            self.evidence.violations += found.violations

    def duplicates(self, folder: Path) -> None:
        with self.make() as url, ExitStack() as stack:
            servers = [self.serving(stack, url, folder) for _ in range(2)]
            found = asyncio.run(storm(url, servers, self.options.keys, self.options.kills, self.dice))
            self.add("duplicates", found.sent)
            for name in ("keys", "kills", "replays", "in_use", "cut_off", "unavailable"):
                self.add(name, getattr(found, name))
            self.require(kills=found.kills, replays=found.replays, cut_off=found.cut_off)
            self.evidence.violations += found.violations

    def interleavings(self, _: Path) -> None:
        asyncio.run(self._pairs(iter(self.options.pairs or PAIRS)))

    async def _pairs(self, names: Iterator[str]) -> None:
        """Play a few pairs beside each other, each in a database of its own: a pair waits most of the time."""

        async def play() -> None:
            for name in names:
                if not self.is_over():
                    with self.make() as url:
                        await self._pair(name, url)

        await asyncio.gather(*[play() for _ in range(PAIRS_AT_ONCE)])
        if not self.options.pairs:
            self.require(**{name: self.figures.get(name, 0) for name in ("statements", "waits_for_locks")})

    async def _pair(self, name: str, url: str) -> None:
        pair, began = PAIRS[name], time.monotonic()
        async with AsyncExitStack() as stack:
            engine = plain_engine(await stack.enter_async_context(Database(url)))
            stepper = await stack.enter_async_context(Stepper(url, 3))
            found = await play_orders(
                stepper,
                engine,
                pair.scene,
                most=self.options.schedules,
                preemptions=pair.preemptions,
                dice=random.Random(f"{self.options.seed} {name}"),
                until=self.is_over,
            )
            audited = [result.name for result in await run_audit(engine) if result.violations]
        self.add("schedules", found.schedules)
        self.add("statements", stepper.statements)
        self.add("waits_for_locks", found.waits)
        self.add("deadlocks", stepper.deadlocks)
        self.figures.setdefault("pairs", {})[name] = {
            "schedules": found.schedules,
            "all": found.is_exhausted,
            "statements": [found.shortest, found.longest],
            "endings": sorted(found.outcomes),
            "locks": stepper.locks.order(),
        }
        broken = [*found.violations, *stepper.locks.broken, *(f"the audit: {each}" for each in audited)]
        if stepper.deadlocks or found.diverged:
            broken.append(f"{stepper.deadlocks} deadlocks, {found.diverged} orders that could not be repeated")
        self.evidence.violations += [f"{name}: {sentence}" for sentence in broken]
        seconds = time.monotonic() - began
        print(
            f"{name}: {found.schedules} orders{'' if found.is_exhausted else ' (not all)'}, {seconds:.0f} s", flush=True
        )

    def cancellations(self, folder: Path) -> None:
        with self.make() as url:
            found = asyncio.run(break_off(url, self.options.cancellations, self.dice, until=self.is_over))
        self.add("cancellations", found.cancelled)
        self.add("asked_after", found.asked_after)
        self.add("foreign_bytes", found.foreign)
        self.require(cancellations=found.cancelled, asked_after=found.asked_after)
        self.evidence.violations += found.violations
        with self.make() as url, ExitStack() as stack:
            serving = self.serving(stack, url, folder)
            hung = asyncio.run(hang_up(url, serving.url, self.options.hang_ups, self.dice))
        self.add("hang_ups", hung.cancelled)
        self.add("asked_after", hung.asked_after)
        self.add("foreign_bytes", hung.foreign)
        self.require(hang_ups=hung.cancelled, asked_after_hang_ups=hung.asked_after)
        self.evidence.violations += hung.violations

    def previews(self, _: Path) -> None:
        with self.make() as url:
            found = asyncio.run(self._previews(url))
        self.add("previews", found.transfers + found.runs)
        self.evidence.violations += found.violations

    async def _previews(self, url: str) -> Compared:
        async with Database(url) as database:
            return await compare(plain_engine(database), self.options.previews, self.dice, self.is_over)

    def write(self) -> int:
        """Write it all down, with what earlier pieces have found."""
        before = self.evidence.earlier() if self.options.only else None
        if before is not None:
            for name in SUMMED:
                if name in before:
                    self.add(name, before[name])
            pairs = before.get("pairs", {}) | self.figures.get("pairs", {})
            if pairs:
                self.figures["pairs"] = pairs
            for name, figure in before.items():
                if name.startswith("hot_"):
                    self.figures.setdefault(name, figure)
            self.figures["pieces"] = [*before.get("pieces", [before["command"]]), shlex.join(self.evidence.command)]
            self.evidence.violations += before["what_was_violated"]
        file = self.evidence.write()
        print(f"{file.name}: {len(self.evidence.violations)} violations")
        return 1 if self.evidence.violations else 0


def main() -> int:
    """Run what was asked for, and write down what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.concurrency", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PIECES, help="some of it, added to what there is")
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), help="of the interleavings only these")
    parser.add_argument("--schedules", type=int, default=2_000, help="orders of each pair, at most")
    parser.add_argument("--attempts", type=int, default=20_000, help="on the hot account")
    parser.add_argument("--keys", type=int, default=200, help="each sent fifty times at once")
    parser.add_argument("--kills", type=int, default=10, help="of a server, while keys are sent")
    parser.add_argument("--cancellations", type=int, default=20_000)
    parser.add_argument("--hang-ups", type=int, default=5_000)
    parser.add_argument("--previews", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=3_600, help="after so long nothing new is begun")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    # It warns of every connection that was closed, which is what is done here.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    with server() as make, tempfile.TemporaryDirectory(prefix="sluiceway-concurrency-") as folder:
        proof = Proof(options, make)
        for piece in options.only or PIECES:
            getattr(proof, piece)(Path(folder))
            print(f"{piece}: {len(proof.evidence.violations)} violations so far", flush=True)
    # Pieces may end at the same moment, and each adds to what it finds.
    folder_fd = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(folder_fd, fcntl.LOCK_EX)
        return proof.write()
    finally:
        os.close(folder_fd)


if __name__ == "__main__":
    sys.exit(main())
