"""A database with a long past, on a server that keeps what it is told, for measuring what an audit of it takes."""

import asyncio
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.filling import fill
from bench.founding import Town, enable, found, manual, share
from sluiceway.domain.ids import RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import TriggerType
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.settlement import settle_due
from sluiceway.storage.embedded import EmbeddedPostgres

Ruled = tuple[Town, RuleId]


@contextmanager
def server() -> Generator[str]:
    """Run a server of our own with its usual settings; give the URL of its database."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "server") as url:
            yield url


async def founded(engine: Engine, towns: int) -> list[Ruled]:
    """Found organizations with one rule each, which has run once."""
    made: list[Ruled] = []
    for number in range(towns):
        town = await found(engine, f"Town {number}", pods=8)
        source, *others = town.pods
        shares = (share(20, source, others[0]), share(10, source, others[1]))
        made.append((town, await enable(engine, town.person, manual(source), *shares)))
    await run(engine, made)
    return made


async def run(engine: Engine, towns: list[Ruled], times: int = 1) -> None:
    """Run each rule so many times, in one batch."""

    def show(execution_id: str) -> Answer:
        return Answer(200, execution_id.encode())

    commands = [
        TriggerRule(
            town.id,
            rule_id,
            rule_id,
            TriggerType.SEQUENCE_API,
            Cents(1000),
            Idempotency(f"run {rule_id}", engine.new_id(), b"1"),
            show,
        )
        for town, rule_id in towns
        for _ in range(times)
    ]
    await admit(engine, commands)
    while await settle_due(engine):
        pass


async def filled(url: str, transfers: int) -> None:
    """Write a past of so many transfers."""
    await asyncio.to_thread(fill, url, transfers)
