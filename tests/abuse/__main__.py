"""Everything of the tables against every operation, ten thousand lies, floods, canaries: `python -m tests.abuse`."""

import argparse
import asyncio
import json
import shlex
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sluiceway.storage.database import Database
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.abuse.bombard import ask_bodies, ask_heads, ask_odd_bodies, leaving_no_trace, smuggle, some_of
from tests.abuse.canaries import Aviary
from tests.abuse.floods import flooding, from_everywhere, guessing_keys, p99_ms
from tests.abuse.judged import Seen
from tests.abuse.listening import look_around, search_files, sow, talkative
from tests.abuse.replies import ask_all
from tests.abuse.stage import open_stage
from tests.abuse.wires import in_a_network_of_its_own
from tests.e2e.processes import data_folder
from tests.evidence import Evidence, where
from tests.invariants import violations
from tests.support import new_world, plain_engine
from tests.taxes import make_taxed

PARTS: Final = ("bytes", "outside", "canaries", "floods", "replies")
SLOWEST_S: Final = 0.05
"""Within this, ninety-nine of a hundred refusals are there, on a machine that does nothing else."""
VARIANTS: Final = 3
"""How many right bodies of each operation are spoilt, where its document leaves a choice."""


class Bench:
    """A server of PostgreSQL for one run, and a migrated database of it for whoever asks."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self.folder = folder
        self._numbers = count(1)

    def new_database(self) -> str:
        """Make one."""
        name = f"abuse_{next(self._numbers)}"
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE abuse_template").format(sql.Identifier(name)))
        return urlsplit(self._url)._replace(path=f"/{name}").geturl()

    def write_out(self) -> None:
        """Have everything in files."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute("CHECKPOINT")


@contextmanager
def bench() -> Generator[Bench]:
    """Run a server in a folder that goes when this ends."""
    with data_folder() as folder, EmbeddedPostgres(folder) as url:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE DATABASE abuse_template")
        asyncio.run(migrate(urlsplit(url)._replace(path="/abuse_template").geturl()))
        yield Bench(url, folder)


async def bytes_(place: Bench, evidence: Evidence, wanted: argparse.Namespace) -> None:
    """Send the tables."""
    figures, faults = evidence.figures, evidence.violations
    refused, odd, hidden = Seen(), Seen(), Seen()
    sent: Counter[str] = Counter()
    growths_mib: list[float] = []
    for variant in range(VARIANTS):
        # Each in a world of its own: what is odd may be done, and what it deletes is not there to be asked wrongly.
        async with open_stage(place.new_database()) as stage:
            stage.forget_peak()
            before = stage.memory_kib()
            asked = await stage.operations(variant)
            figures["operations"] = len(asked)
            takers = [operation for operation in asked if operation.takes_body]
            choose = some_of(wanted.one_in, wanted.seed)
            async with leaving_no_trace(stage, refused, f"variant {variant}"):
                sent["bodies"] += await ask_bodies(stage, takers, refused, choose)
                if not variant:
                    sent["heads"] += await ask_heads(stage, asked, refused, choose)
            sent["odd_bodies"] += await ask_odd_bodies(stage, await stage.operations(variant), odd, choose)
            if not variant:
                carriers = [operation for operation in await stage.operations() if operation.path != "/app/events"]
                sent["smugglings"] = await smuggle(stage, carriers[:: 8 * wanted.one_in] + carriers[:1], hidden)
            growths_mib.append(round((stage.memory_kib() - before) / 1024, 1))
            faults += [f"{name}: {text}" for name, text in (await violations(stage.engine.database)).items()]
    figures["memory_growth_mib"] = max(growths_mib)
    figures |= dict(sent)
    figures["statuses"] = {str(status): number for status, number in sorted(refused.statuses.items())}
    figures["p50_ms"], figures["p99_ms"] = (round(1000 * refused.within_s(part), 2) for part in (0.5, 0.99))
    figures["slowest_ms"] = round(1000 * max(refused.seconds), 1)
    faults += [*refused.faults, *odd.faults, *hidden.faults]


async def outside(place: Bench, evidence: Evidence, wanted: argparse.Namespace) -> None:
    """Lead whatever calls out astray."""
    words = ("tests.abuse.inside", "--one-in", str(wanted.one_in), "--rebindings", str(wanted.rebindings))
    ran = await asyncio.to_thread(in_a_network_of_its_own, *words, timeout_s=1200, DATABASE_URL=place.new_database())
    if ran is None or ran.returncode:
        evidence.violations.append("no network of its own here" if ran is None else ran.stderr[-2000:])
        return
    told = json.loads(ran.stdout)
    evidence.figures |= told["figures"]
    evidence.violations += told["faults"]


async def canaries(place: Bench, evidence: Evidence, wanted: argparse.Namespace) -> None:
    """Sow canaries and look for them."""
    aviary = Aviary(wanted.seed)
    async with talkative(place.new_database(), aviary) as (stage, heard, metrics):
        variants = [operation for number in range(VARIANTS) for operation in await stage.operations(number)]
        watcher = await sow(stage, heard, aviary, variants[:: wanted.one_in])
        seen = await look_around(stage, heard, metrics, aviary)
    place.write_out()
    evidence.figures |= {
        "canaries": len(aviary.sown),
        "canary_hits": len(aviary.faults),
        "columns_with_canaries": len(seen["kept"]),
        "log_lines": seen["log_lines"],
        "looks_at_sessions": watcher.looks,
        "searched_mib": round(search_files(place.folder, aviary) / 2**20),
    }
    evidence.violations += aviary.faults


async def floods(place: Bench, evidence: Evidence, wanted: argparse.Namespace) -> None:
    """Guess."""
    guesses = 0
    async with open_stage(place.new_database(), TRUSTED_PROXIES="127.0.0.1") as stage:
        evidence.figures["calm_p99_ms"] = await p99_ms(stage, wanted.reads)
        for name, ask in (
            ("passwords", from_everywhere),
            ("keys", guessing_keys(stage.town.api.secret or "")),
        ):
            stage.forget_peak()
            before = stage.memory_kib()
            async with flooding(stage, ask) as flood:
                evidence.figures[f"p99_ms_while_{name}_are_guessed"] = await p99_ms(stage, wanted.reads)
            evidence.figures[f"guessed_{name}"] = sum(flood.statuses.values())
            evidence.figures[f"growth_mib_while_{name}_are_guessed"] = round((stage.memory_kib() - before) / 1024, 1)
            guesses += sum(flood.statuses.values())
            if strange := set(flood.statuses) - {401, 403, 429, 503}:
                evidence.violations.append(f"guessed {name} were answered {strange}")
    evidence.figures["guesses"] = guesses


async def replies(place: Bench, evidence: Evidence, _: argparse.Namespace) -> None:
    """Answer with what is no amount."""
    async with Database(place.new_database()) as database:
        figures, faults = await ask_all(await make_taxed(await new_world(plain_engine(database))))
    evidence.figures |= dict(figures)
    evidence.violations += faults


RUN: Final[dict[str, Callable[[Bench, Evidence, argparse.Namespace], Awaitable[None]]]] = {
    "bytes": bytes_,
    "outside": outside,
    "canaries": canaries,
    "floods": floods,
    "replies": replies,
}


def main() -> int:
    """Run what is wanted, write down what was found, and end with 1 if anything was false."""
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all of them, if none is named")
    parser.add_argument("--one-in", type=int, default=1, help="take one of so many of each table")
    parser.add_argument("--rebindings", type=int, default=10_000)
    parser.add_argument("--reads", type=int, default=1000, help="how many reads are timed beside each flood")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--add", action="store_true", help="to what earlier runs have found about other parts")
    wanted = parser.parse_args()
    evidence = Evidence("abuse", ["python", "-m", "tests.abuse", *[word for word in sys.argv[1:] if word != "--add"]])
    if wanted.add:
        _add_to(evidence)
    evidence.figures["seed"] = wanted.seed
    with bench() as place:
        for part in _chosen(wanted.parts):
            asyncio.run(RUN[part](place, evidence, wanted))  # type: ignore[arg-type]
            print(f"{part}: {len(evidence.violations)} violations so far", flush=True)
    evidence.figures.setdefault("hits", 0)
    file = evidence.write()
    for violation in evidence.violations[:50]:
        print(violation)
    print(file)
    return 1 if evidence.violations else 0


def _add_to(evidence: Evidence) -> None:
    """Go on from what was written down before."""
    known = evidence.earlier()
    if known is None:
        return
    evidence.violations += known.pop("what_was_violated")
    earlier = shlex.split(known["command"])
    evidence.command = earlier + [word for word in evidence.command[3:] if word in PARTS and word not in earlier]
    of_the_run = {"part", "violations", "began_at", "seconds", "command", *where()}
    evidence.figures |= {name: value for name, value in known.items() if name not in of_the_run}


def _chosen(parts: list[str]) -> Iterator[str]:
    yield from parts or PARTS


if __name__ == "__main__":
    sys.exit(main())
