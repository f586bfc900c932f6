"""Checks that the audit log is whole: every batch as it was written, chained to the one before, up to the head."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.audit import AuditEntry, digest_of, first_link, next_link, reads_of
from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.domain.retention import LEAST
from sluiceway.services.engine import Engine
from sluiceway.storage.audit_log import Chained, Head, StoredBatch, every_batch, heads
from sluiceway.storage.database import LentTx
from sluiceway.storage.organizations import list_organizations

EMPTY: Final = "nothing"
_EXAMPLES: Final = 20


class KnownHead(NamedTuple):
    """A head that somebody wrote down elsewhere: whatever has been cut off since, it must still be in the chain."""

    organization_id: OrganizationId
    number: int
    hash: bytes


class Break(NamedTuple):
    """A place at which an organization's chain is not what it was."""

    organization_id: OrganizationId
    number: int
    expected: str
    found: str


@dataclass(slots=True)
class ChainReport:
    """How many entries were looked at, how many places are wrong, and the first of those."""

    most: int
    entries: int = 0
    breaks: int = 0
    first: list[Break] = field(default_factory=list[Break])

    def add(self, organization_id: OrganizationId, number: int, expected: str, found: str) -> None:
        """Count a place that is wrong."""
        self.breaks += 1
        if len(self.first) < self.most:
            self.first.append(Break(organization_id, number, expected, found))


@dataclass(slots=True)
class _Chain:
    """What has been read of one organization's chain."""

    link: bytes
    number: int = 0
    entries: int = 0


async def check_chains(
    tx: LentTx, only: OrganizationId | None, known: tuple[KnownHead, ...] = (), *, now: datetime, most: int
) -> ChainReport:
    """Go through one organization's log, or every one's, in one snapshot; give at most `most` examples of breaks.

    Reads may have been cut by `now`, if they are as old as everybody has been promised to find them.
    Someone who may write to the database can rewrite the whole log with its hashes. Heads that were written down
    elsewhere, `known` here, show that too.
    """
    report = ChainReport(most)
    cut_before = least_id(now - LEAST.reads)
    chains: dict[OrganizationId, _Chain] = {}
    wanted = {(head.organization_id, head.number): head.hash for head in known}
    async for chained in every_batch(tx, only):
        organization_id = chained.organization_id
        chain = chains.setdefault(organization_id, _Chain(first_link(organization_id)))
        _check_batch(report, chain, chained, cut_before)
        expected = wanted.pop((organization_id, chained.number), chain.link)
        if expected != chain.link:
            report.add(organization_id, chained.number, _shown(expected), _shown(chain.link))
    for (organization_id, number), expected in wanted.items():
        report.add(organization_id, number, _shown(expected), EMPTY)
    _check_heads(report, chains, await heads(tx, only))
    return report


async def list_heads(engine: Engine) -> list[KnownHead]:
    """Tell where each organization's log ends, to be written down elsewhere; without those that have no entry."""
    found: dict[OrganizationId, Head | None] = {}
    for only in await parts(engine):
        async with engine.database.read() as tx:
            found |= await heads(tx, only)
    return [KnownHead(key, head.number, head.hash) for key, head in found.items() if head is not None and head.number]


async def parts(engine: Engine) -> list[OrganizationId | None]:
    """Tell of whom to read at a time: of all at once (None), or of each alone where they are spread over machines."""
    if engine.database.options.organizations_at_once is None:
        return [None]
    async with engine.database.read() as tx:
        return [organization.id for organization in await list_organizations(tx)]


def _check_batch(report: ChainReport, chain: _Chain, chained: Chained, cut_before: str) -> None:
    organization_id, number, batch, positions, entries = chained
    report.entries += len(entries)
    if number != chain.number + 1:
        report.add(organization_id, chain.number + 1, f"batch {chain.number + 1}", f"batch {number}")
    elif batch is None:
        report.add(organization_id, number, "a batch with its hash", f"{len(entries)} entries without one")
    elif (wrong := _wrong_with(batch, positions, entries, cut_before)) is not None:
        report.add(organization_id, number, *wrong)
    elif next_link(chain.link, number, batch.digest) != batch.hash:
        report.add(organization_id, number, _shown(next_link(chain.link, number, batch.digest)), _shown(batch.hash))
    chain.number = number
    chain.entries += len(entries) if batch is None else batch.entries
    # What follows is chained to what is written here: one break is told once.
    chain.link = chain.link if batch is None else batch.hash


def _wrong_with(
    batch: StoredBatch, positions: list[int], entries: list[AuditEntry], cut_before: str
) -> tuple[str, str] | None:
    """Tell how a batch's entries are not what was written down of them: what there should be, and what there is."""
    reads = batch.reads
    if reads is not None and reads.digest != batch.digest:
        return f"reads with digest {_shown(batch.digest)}", _shown(reads.digest)
    if reads is not None and batch.is_cut and not entries and reads.last_id < cut_before:
        return None
    if len(positions) != batch.entries:
        return f"{batch.entries} entries", f"{len(positions)} entries"
    if positions != list(range(len(positions))):
        return f"entries 0 to {batch.entries - 1}", f"entries {positions[:_EXAMPLES]}"
    expected, found = batch.digest if reads is None else reads.entries_digest, digest_of(entries)
    if found != expected:
        return f"entries with digest {_shown(expected)}", _shown(found)
    if reads is not None and reads != reads_of(entries):
        return "reads alone, from the first to the last id", "others among them"
    return ("no mark that it was cut", "one") if batch.is_cut else None


def _check_heads(
    report: ChainReport, chains: Mapping[OrganizationId, _Chain], found: Mapping[OrganizationId, Head | None]
) -> None:
    for organization_id in found.keys() | chains.keys():
        chain = chains.get(organization_id, _Chain(first_link(organization_id)))
        expected = Head(chain.number, chain.entries, chain.link)
        head = found.get(organization_id)
        if head != expected:
            report.add(organization_id, chain.number, _told(head), _told(expected))


def _told(head: Head | None) -> str:
    return "a head" if head is None else f"{head.number} batches of {head.entries} entries up to {_shown(head.hash)}"


def _shown(hashed: bytes) -> str:
    return hashed.hex()
