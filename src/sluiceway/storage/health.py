"""Owns the table worker_heartbeat: which processes settle. And how the database stands, and what waits in it."""

from dataclasses import dataclass
from datetime import datetime

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


async def is_anybody_held(tx: ReadTx) -> bool:
    """Tell whether the database was restored and somebody's money is still held. The schema has to be up to date."""
    [[held]] = await fetch_all(tx, QUERIES["is_held"])
    return bool(held)


async def measure(tx: ReadTx, now: datetime) -> dict[str, float | None]:
    """Count what waits, and tell for how many seconds the oldest has; None: nothing waits."""
    at = {"now": now}
    [(workers, beat_age_s)] = await fetch_all(tx, QUERIES["beats"], {})
    [(due, due_age_s)] = await fetch_all(tx, QUERIES["executions_due"], at)
    [(gathering,)] = await fetch_all(tx, QUERIES["executions_gathering"], {})
    [(payments, payment_age_s)] = await fetch_all(tx, QUERIES["payments_due"], at)
    [(at_banks,)] = await fetch_all(tx, QUERIES["payments_at_banks"], {})
    [(to_approve,)] = await fetch_all(tx, QUERIES["transfers_to_approve"], {})
    [(events, event_age_s)] = await fetch_all(tx, QUERIES["events_pending"], at)
    [(late, late_age_s)] = await fetch_all(tx, QUERIES["webhooks_late"], at)
    [(verified_age_s, violations)] = await fetch_all(tx, QUERIES["verified"], at)
    [(stopped,)] = await fetch_all(tx, QUERIES["stopped"], {})
    return {
        "verified_age_seconds": verified_age_s,
        "violations": float(violations),
        "organizations_stopped": stopped,
        "workers": workers,
        "worker_heartbeat_age_seconds": beat_age_s,
        "executions_due": due,
        "executions_due_age_seconds": due_age_s or 0.0,
        "executions_gathering": gathering,
        "payments_due": payments,
        "payments_due_age_seconds": payment_age_s or 0.0,
        "payments_at_banks": at_banks,
        "transfers_to_approve": to_approve,
        "events_pending": events,
        "events_pending_age_seconds": float(event_age_s or 0),
        "webhooks_late": late,
        "webhooks_late_age_seconds": late_age_s or 0.0,
    }
