"""The audit log: who did what, when, and with which outcome; in batches, each chained to the one before by its hash.

Whoever edits, drops, moves or inserts an entry afterwards breaks the chain from there on.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from sluiceway.domain.access import OPERATOR, Actor, ActorKind
from sluiceway.domain.ids import OrganizationId, PersonId

MAX_PATH: Final = 512
MAX_REASON: Final = 500

_LOOKING: Final = ("GET_", "LIST_", "READ_")


class Outcome(StrEnum):
    """How it ended."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does or tries to do, before anybody knows how it ends.

    `subject_id`: what it is done to. `path`, `request_id` and `reason`, which is what the caller says that it is for,
    are an API call's.
    """

    organization_id: OrganizationId
    actor: Actor
    action: str
    subject_id: str | None = None
    path: str | None = None
    request_id: str | None = None
    reason: str | None = None


def operators_act(organization_id: OrganizationId, action: str, subject_id: str | None = None) -> Act:
    """Name what whoever runs the server does."""
    return Act(organization_id, OPERATOR, action, subject_id)


def persons_act(organization_id: OrganizationId, person_id: PersonId, action: str, subject_id: str | None) -> Act:
    """Name what a person does who shows a password."""
    return Act(organization_id, Actor(ActorKind.PERSON, person_id), action, subject_id)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act with its end.

    `error_code`: a failure's, in the words of whoever was told. `is_replay`: it was answered again what it had been
    answered before, and did nothing.
    """

    id: str
    at: datetime
    act: Act
    outcome: Outcome
    error_code: str | None = None
    is_replay: bool = False


def digest_of(entries: Iterable[AuditEntry]) -> bytes:
    """Hash the entries of a batch in their order."""
    hashed = sha256()
    for entry in entries:
        act = entry.act
        # A list of JSON texts, so that nothing in one field can be taken for the beginning of the next.
        written = json.dumps(
            (
                entry.id,
                entry.at.isoformat(),
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
            ),
        )
        hashed.update(written.encode() + b"\n")
    return hashed.digest()


def is_read(entry: AuditEntry) -> bool:
    """Tell whether somebody has only looked at something, and was let. Nothing else may ever be cut from the log."""
    return entry.outcome is Outcome.SUCCESS and entry.act.action.startswith(_LOOKING)


class Reads(NamedTuple):
    """What proves, once its entries have been cut, that a batch had nothing but reads, and how old they are.

    Ids are in the order of time: all of the batch's are from the first to the last one.
    """

    first_id: str
    last_id: str
    entries_digest: bytes

    @property
    def digest(self) -> bytes:
        """What the chain holds of the batch. No digest of entries alone begins like this."""
        return sha256(f"reads {self.first_id} {self.last_id} ".encode() + self.entries_digest).digest()


def reads_of(entries: Sequence[AuditEntry]) -> Reads | None:
    """Say of a batch of reads alone what is kept of it; None where anything else is among them."""
    if not all(map(is_read, entries)):
        return None
    ids = [entry.id for entry in entries]
    return Reads(min(ids), max(ids), digest_of(entries))


def first_link(organization_id: OrganizationId) -> bytes:
    """Give what an organization's first batch is chained to, so that no chain can stand in for another's."""
    return sha256(bytes.fromhex(organization_id.replace("-", ""))).digest()


def next_link(before: bytes, number: int, digest: bytes) -> bytes:
    """Chain a batch with its number to the link before."""
    return sha256(before + number.to_bytes(8, "big") + digest).digest()
