"""Owns the table worker_heartbeat: which processes settle. And what the database says of how it stands."""

from dataclasses import dataclass

from sluiceway.storage.database import ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the database stands at this moment."""

    applied: frozenset[str]
    """The SHA-256 of each migration that was applied."""
    beat_age_s: float | None
    """How long ago any worker said that it settles; None: none has said so since the database was started."""


async def beat(tx: ReadTx, worker_id: str) -> None:
    """Say that a worker settles. Not for a WriteTx: nothing depends on it, and so it waits for no disk."""
    await fetch_all(tx, QUERIES["beat"], {"worker_id": worker_id})


async def forget_workers(tx: ReadTx, worker_id: str) -> None:
    """Say that a worker has ended, and forget those that were killed."""
    await fetch_all(tx, QUERIES["forget_workers"], {"worker_id": worker_id})


async def standing(tx: ReadTx) -> Standing:
    """Tell how the database stands."""
    [(applied, beat_age_s)] = await fetch_all(tx, QUERIES["standing"])
    return Standing(frozenset(applied), beat_age_s)
