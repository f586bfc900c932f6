"""Owns audit_entry, audit_batch and audit_head: adds to the audit log and reads it; nothing changes what is there."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sluiceway.domain.access import Actor, ActorKind
from sluiceway.domain.audit import Act, AuditEntry, Outcome, Reads, digest_of, first_link, reads_of
from sluiceway.domain.ids import OrganizationId, span_of_ids
from sluiceway.storage.database import LentTx, ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)

ENTRIES_BY_ID: Final = "audit_entry_pkey"
"""The constraint that refuses an entry that is there already."""
_SLACK: Final = timedelta(seconds=1)
_COLUMNS: Final = (
    "entry_organization_ids",
    "ids",
    "positions",
    "ats",
    "actor_kinds",
    "actor_ids",
    "actions",
    "subject_ids",
    "paths",
    "request_ids",
    "reasons",
    "outcomes",
    "error_codes",
    "are_replays",
)


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry, with what its actor is called now: a key's or token's name, a person's e-mail."""

    entry: AuditEntry
    actor_name: str | None


class Head(NamedTuple):
    """Where an organization's chain ends: the last batch, how many entries there are, the last hash."""

    number: int
    entries: int
    hash: bytes


class StoredBatch(NamedTuple):
    """What was written down of a batch beside its entries."""

    entries: int
    digest: bytes
    hash: bytes
    reads: Reads | None
    """Where it is said to have had reads alone."""
    is_cut: bool


class Chained(NamedTuple):
    """One batch of an organization's chain, as it is stored. No `batch`: there are only entries that name it."""

    organization_id: OrganizationId
    number: int
    batch: StoredBatch | None
    positions: list[int]
    entries: list[AuditEntry]


async def insert_head(tx: WriteTx, organization_id: OrganizationId) -> None:
    """Begin the log of a new organization."""
    row = {"organization_id": organization_id, "hash": first_link(organization_id)}
    await execute(tx, QUERIES["insert_head"], row)


async def append(tx: WriteTx, entries: Sequence[AuditEntry]) -> None:
    """Add entries as one batch for each organization. Nothing may be locked after this."""
    if not entries:
        return
    batches: dict[OrganizationId, list[AuditEntry]] = {}
    for entry in entries:
        batches.setdefault(entry.act.organization_id, []).append(entry)
    reads = [reads_of(batch) for batch in batches.values()]
    rows = [_row(position, entry) for batch in batches.values() for position, entry in enumerate(batch)]
    heads = {
        "organization_ids": list(batches),
        "counts": [len(batch) for batch in batches.values()],
        "digests": [
            digest_of(batch) if found is None else found.digest
            for batch, found in zip(batches.values(), reads, strict=True)
        ],
        "first_ids": [found and found.first_id for found in reads],
        "last_ids": [found and found.last_id for found in reads],
        "entries_digests": [found and found.entries_digest for found in reads],
    }
    columns = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    # Each a plain statement: a database that is spread over machines takes no other.
    await execute(tx, QUERIES["move_heads"], heads)
    await execute(tx, QUERIES["insert_batches"], heads)
    await execute(tx, QUERIES["insert_entries"], {**heads, **columns})


def _row(position: int, entry: AuditEntry) -> tuple[Any, ...]:
    act = entry.act
    return (
        act.organization_id,
        entry.id,
        position,
        entry.at,
        act.actor.kind,
        act.actor.id,
        act.action,
        act.subject_id,
        act.path,
        act.request_id,
        act.reason,
        entry.outcome,
        entry.error_code,
        entry.is_replay,
    )


async def list_entries(
    tx: ReadTx,
    organization_id: OrganizationId,
    *,
    actor_kind: ActorKind | None = None,
    actor_id: str | None = None,
    action: str | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: str | None = None,
    offset: int = 0,
    limit: int,
) -> list[ListedEntry]:
    """List entries, newest first, between two instants with both, and older than the entry `before_id`."""
    from_id, to_id = span_of_ids(from_at, to_at, _SLACK)
    to_id = min(filter(None, (to_id, before_id)), default=None)
    rows = await fetch_all(
        tx,
        QUERIES["list_entries"],
        {
            "organization_id": organization_id,
            "actor_kind": actor_kind,
            "actor_id": actor_id,
            "action": action,
            "from_id": from_id,
            "to_id": to_id,
            "from_at": from_at,
            "to_at": to_at,
            "offset": offset,
            "limit": limit,
        },
    )
    return [ListedEntry(_entry(row[:-1]), row[-1]) for row in rows]


async def every_batch(tx: LentTx, only: OrganizationId | None) -> AsyncGenerator[Chained]:
    """Go through all batches of an organization, or of all (None), in the order of their chains."""
    current: Chained | None = None
    async for row in tx.stream(QUERIES["every_entry"], {"only": only}):
        organization_id, number = OrganizationId(row[0]), row[1]
        if current is None or (current.organization_id, current.number) != (organization_id, number):
            if current is not None:
                yield current
            current = Chained(organization_id, number, _batch(row[2:9]), [], [])
        if row[9] is not None:
            current.positions.append(row[9])
            current.entries.append(_entry(row[10:]))
    if current is not None:
        yield current


async def heads(tx: ReadTx, only: OrganizationId | None) -> Mapping[OrganizationId, Head | None]:
    """Find where the chain of an organization, or of every one (None), ends; None: nothing says so."""
    rows = await fetch_all(tx, QUERIES["heads"], {"only": only})
    return {OrganizationId(row[0]): None if row[1] is None else Head(row[1], row[2], bytes(row[3])) for row in rows}


def _batch(row: Sequence[Any]) -> StoredBatch | None:
    entries, digest, link, first_id, last_id, entries_digest, is_cut = row
    if entries is None:
        return None
    reads = None if first_id is None else Reads(first_id, last_id, bytes(entries_digest))
    return StoredBatch(entries, bytes(digest), bytes(link), reads, is_cut)


def _entry(row: Sequence[Any]) -> AuditEntry:
    entry_id, at, organization_id, actor_kind, actor_id, action, *call, outcome, error_code, is_replay = row
    actor = Actor(ActorKind(actor_kind), actor_id)
    return AuditEntry(
        id=entry_id,
        at=at,
        act=Act(OrganizationId(organization_id), actor, action, *call),
        outcome=Outcome(outcome),
        error_code=error_code,
        is_replay=is_replay,
    )
