"""Owns the table transfer_leg: the payments that banks carry for transfers, and who is handing them over."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.ids import AccountId, LegId, OrganizationId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Leg, LegPurpose, LegStatus
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load
from sluiceway.storage.rounds import in_rounds

QUERIES = load(__file__)


class NewLeg(NamedTuple):
    """A payment to hand over, from `due_at` on (None: at once)."""

    organization_id: OrganizationId
    id: LegId
    transfer_id: TransferId
    sequence: int
    purpose: LegPurpose
    account_id: AccountId
    amount: Cents
    is_automatic: bool
    """A rule made it: it waits while automation is paused."""
    description: str | None
    is_direct_deposit: bool
    due_at: datetime | None
    at: datetime


class ClaimedLeg(NamedTuple):
    """A payment to hand over, leased to us: `fence` proves it.

    `attempts` is how often it has been claimed, `tries` how often it will have been tried, both with this time. With
    `is_pull_returned` there is nothing left to send.
    """

    id: LegId
    transfer_id: TransferId
    purpose: LegPurpose
    account_id: AccountId
    amount: Cents
    currency: str
    beneficiary_name: str | None
    description: str | None
    is_direct_deposit: bool
    fence: int
    attempts: int
    tries: int
    is_automatic: bool
    is_pull_returned: bool


class LegStep(NamedTuple):
    """How a leg has moved on."""

    organization_id: OrganizationId
    id: LegId
    status: LegStatus
    at: datetime
    error_code: str | None = None
    return_code: str | None = None
    expected_at: datetime | None = None


async def insert_legs(tx: WriteTx, legs: Sequence[NewLeg]) -> None:
    """Record payments to hand over."""
    if not legs:
        return
    columns = [list(column) for column in zip(*legs, strict=True)]
    names = (
        "organization_ids", "ids", "transfer_ids", "sequences", "purposes", "account_ids", "amounts", "is_automatic",
        "descriptions", "are_direct_deposits", "due_ats", "ats",
    )  # fmt: skip
    await execute(tx, QUERIES["insert_leg"], dict(zip(names, columns, strict=True)))


async def legs_of(
    tx: ReadTx, organization_id: OrganizationId, transfer_ids: Collection[TransferId]
) -> dict[TransferId, list[Leg]]:
    """Read the legs of transfers, each transfer's in order; those without any are left out."""
    row = {"organization_id": organization_id, "transfer_ids": sorted(transfer_ids)}
    return _by_transfer(await fetch_all(tx, QUERIES["legs_of"], row))


async def lock_legs(
    tx: WriteTx, organization_id: OrganizationId, transfer_ids: Collection[TransferId]
) -> dict[TransferId, list[Leg]]:
    """Read the legs of transfers as `legs_of` does, and lock them: nobody begins to hand one over meanwhile."""
    row = {"organization_id": organization_id, "transfer_ids": sorted(transfer_ids)}
    return _by_transfer(await fetch_all(tx, QUERIES["lock_legs"], row))


def _by_transfer(rows: Iterable[tuple[Any, ...]]) -> dict[TransferId, list[Leg]]:
    found: dict[TransferId, list[Leg]] = {}
    for id_, transfer_id, sequence, purpose, account_id, amount, status, *more in rows:
        leg = Leg(id_, transfer_id, sequence, LegPurpose(purpose), account_id, amount, LegStatus(status), *more)
        found.setdefault(transfer_id, []).append(leg)
    return found


async def transfers_of_legs(
    tx: ReadTx, organization_id: OrganizationId, leg_ids: Collection[LegId]
) -> dict[LegId, TransferId]:
    """Find the transfers to which legs belong; keys that nobody has are left out."""
    row = {"organization_id": organization_id, "ids": sorted(leg_ids)}
    return {row[0]: row[1] for row in await fetch_all(tx, QUERIES["transfers_of_legs"], row)}


async def legs_to_hand_over(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations with payments to hand over that nobody is at; `now` is the real time."""
    return [row[0] for row in await fetch_all(tx, QUERIES["legs_to_hand_over"], {"now": now})]


async def claim_legs(
    tx: WriteTx,
    organization_id: OrganizationId,
    *,
    at: datetime,
    now: datetime,
    leased_until: datetime,
    is_paused: bool,
    limit: int,
) -> list[ClaimedLeg]:
    """Lease payments to hand over; `at` is the organization's time, the others are real."""
    rows = await fetch_all(
        tx,
        QUERIES["claim_legs"],
        {
            "organization_id": organization_id,
            "at": at,
            "now": now,
            "leased_until": leased_until,
            "is_paused": is_paused,
            "limit": limit,
        },
    )
    # An UPDATE gives its rows in no order; ids tell which payment is older.
    return [ClaimedLeg(*row)._replace(purpose=LegPurpose(row[2])) for row in sorted(rows)]


async def holds_leg(tx: WriteTx, organization_id: OrganizationId, claimed: ClaimedLeg) -> bool:
    """Tell, under lock, whether the lease is still ours."""
    row = {"organization_id": organization_id, "id": claimed.id, "fence": claimed.fence}
    return await fetch_one(tx, QUERIES["hold_leg"], row) is not None


async def retry_leg(tx: WriteTx, organization_id: OrganizationId, leg_id: LegId, retry_at: datetime) -> None:
    """Let a payment wait for another attempt."""
    await execute(tx, QUERIES["retry_leg"], {"organization_id": organization_id, "id": leg_id, "retry_at": retry_at})


async def let_go_of_leg(tx: WriteTx, organization_id: OrganizationId, claimed: ClaimedLeg) -> None:
    """Give a lease back, if it is still ours."""
    row = {"organization_id": organization_id, "id": claimed.id, "fence": claimed.fence}
    await execute(tx, QUERIES["let_go_of_leg"], row)


async def write_steps(tx: WriteTx, steps: Sequence[LegStep]) -> None:
    """Record how legs have moved on."""
    for row in in_rounds(("ids", "statuses", "ats", "error_codes", "return_codes", "expected_ats"), steps):
        await execute(tx, QUERIES["end_steps"], row)
