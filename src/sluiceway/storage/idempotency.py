"""Owns the table idempotency: the claim and its answer are rows of the effect's own transaction."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)

CLAIMED: Final = "idempotency_pkey"
"""The constraint that refuses a key which somebody else has claimed."""


class ClaimKey(NamedTuple):
    """What a key is unique within: organization, and operation with its path. Not the credential that called."""

    organization_id: OrganizationId
    scope: str
    key: str


class Claim(NamedTuple):
    """A key with the answer to remember under it."""

    key: ClaimKey
    body_hash: bytes
    status: int
    answer: bytes


class Remembered(NamedTuple):
    """What the first request with a key sent, and what it was answered."""

    body_hash: bytes
    status: int
    answer: bytes


async def claim(tx: WriteTx, claims: Collection[Claim], at: datetime) -> None:
    """Claim keys. The transaction fails by the constraint CLAIMED when somebody else has claimed one of them."""
    if not claims:
        return
    await execute(
        tx,
        QUERIES["claim"],
        {
            **_keys(claim.key for claim in claims),
            "body_hashes": [claim.body_hash for claim in claims],
            "statuses": [claim.status for claim in claims],
            "answers": [claim.answer for claim in claims],
            "at": at,
        },
    )


async def find_answers(tx: ReadTx, keys: Collection[ClaimKey]) -> dict[ClaimKey, Remembered]:
    """Find what the first requests with these keys were answered."""
    if not keys:
        return {}
    rows = await fetch_all(
        tx, QUERIES["find_answers"], {**_keys(keys), "only": only({key.organization_id for key in keys})}
    )
    return {ClaimKey(*row[:3]): Remembered(*row[3:]) for row in rows}


def _keys(keys: Iterable[ClaimKey]) -> dict[str, object]:
    rows = list(keys)
    return {
        "organization_ids": [key.organization_id for key in rows],
        "scopes": [key.scope for key in rows],
        "keys": [key.key for key in rows],
    }
