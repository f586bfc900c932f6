"""Owns the tables transfer and posting: what was asked for, and what it did to the ledger."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sluiceway.domain.ids import (
    AccountId,
    ExecutionId,
    KeyId,
    OrganizationId,
    PersonId,
    RuleId,
    TransferId,
    span_of_ids,
    span_of_transfers,
)
from sluiceway.domain.ledger import AccountKind, Posting
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Mode, Origin, Party, Transfer, TransferStatus
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load
from sluiceway.storage.rounds import in_rounds

QUERIES = load(__file__)

_SLACK: Final = timedelta(minutes=1)
"""By how much an id may be later than the time of its row, which the same process read at about that time."""


class NewTransfer(NamedTuple):
    """A transfer to record. An account of None is somebody unknown outside."""

    organization_id: OrganizationId
    id: TransferId
    execution_id: ExecutionId | None
    rule_id: RuleId | None
    step: int | None
    action: int | None
    part: int | None
    source_account_id: AccountId | None
    destination_account_id: AccountId | None
    amount: Cents
    direction: Direction
    origin: Origin
    mode: Mode
    status: TransferStatus
    error_code: str | None
    description: str | None = None
    key_id: KeyId | None = None
    staged_account_id: AccountId | None = None
    """The holding pod in which a payment to a manual liability waits."""
    approval_expires_at: datetime | None = None
    is_direct_deposit: bool = False


class OnTheWay(NamedTuple):
    """A transfer whose story goes on. `destination` is where the money goes now: a holding pod, or the destination."""

    id: TransferId
    source: AccountId
    destination: AccountId
    amount: Cents
    status: TransferStatus
    execution_id: ExecutionId | None
    rule_id: RuleId | None
    origin: Origin
    currency: str
    is_source_external: bool
    is_destination_external: bool
    description: str | None
    mode: Mode
    named_destination: AccountId
    is_direct_deposit: bool
    postings: int


class MovedOn(NamedTuple):
    """How a transfer has moved on."""

    organization_id: OrganizationId
    id: TransferId
    status: TransferStatus
    error_code: str | None
    at: datetime
    status_reason: str | None = None
    returned_at: datetime | None = None
    return_code: str | None = None
    decided_by: PersonId | None = None
    is_decided: bool = False


async def insert_transfers(
    tx: WriteTx, transfers: Sequence[NewTransfer], clocks: Mapping[OrganizationId, datetime]
) -> None:
    """Record transfers at the time of their organization; complete ones are complete then."""
    if not transfers:
        return
    columns = [list(column) for column in zip(*transfers, strict=True)]
    names = (
        "organization_ids", "ids", "execution_ids", "rule_ids", "steps", "actions", "parts", "source_account_ids",
        "destination_account_ids", "amounts", "directions", "origins", "modes", "statuses", "error_codes",
        "descriptions", "key_ids", "staged_account_ids", "approvals_expire_at",
        "are_direct_deposits",
    )  # fmt: skip
    ats = [clocks[transfer.organization_id] for transfer in transfers]
    await execute(tx, QUERIES["insert_transfers"], {"ats": ats, **dict(zip(names, columns, strict=True))})


async def insert_postings(
    tx: WriteTx, postings: Iterable[tuple[OrganizationId, Posting]], clocks: Mapping[OrganizationId, datetime]
) -> None:
    """Append postings to the ledger."""
    rows = [(organization_id, *posting) for organization_id, posting in postings]
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = (
        "organization_ids", "transfer_ids", "sequences", "kinds", "debit_account_ids", "credit_account_ids", "amounts",
        "debit_after", "credit_after", "card_transaction_ids",
    )  # fmt: skip
    ats = [clocks[row[0]] for row in rows]
    await execute(tx, QUERIES["insert_postings"], {"ats": ats, **dict(zip(names, columns, strict=True))})


async def transfers_on_the_way(
    tx: WriteTx, organization_id: OrganizationId, transfer_ids: Collection[TransferId]
) -> dict[TransferId, OnTheWay]:
    """Read transfers whose story goes on, inside the gate; those without two ends of ours are left out."""
    if not transfer_ids:
        return {}
    row = {"organization_id": organization_id, "ids": sorted(transfer_ids)}
    rows = await fetch_all(tx, QUERIES["on_the_way"], row)
    return {
        row[0]: OnTheWay(*row)._replace(status=TransferStatus(row[4]), origin=Origin(row[7]), mode=Mode(row[12]))
        for row in rows
    }


async def move_on(tx: WriteTx, moved: Sequence[MovedOn]) -> None:
    """Record how transfers have moved on."""
    names = (
        "ids", "statuses", "error_codes", "ats", "status_reasons", "returned_ats", "return_codes", "decided_bys",
        "are_decided",
    )  # fmt: skip
    for row in in_rounds(names, moved):
        await execute(tx, QUERIES["move_on"], row)


async def transfers_to_approve(tx: ReadTx, organization_id: OrganizationId) -> list[TransferId]:
    """List the transfers that wait for a person, the one that expires first at the top."""
    return [row[0] for row in await fetch_all(tx, QUERIES["to_approve"], {"organization_id": organization_id})]


async def approvals_to_expire(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations in which a transfer has waited too long for a person; `now` is the real time."""
    return [row[0] for row in await fetch_all(tx, QUERIES["approvals_to_expire"], {"now": now})]


async def expired_approvals(tx: ReadTx, organization_id: OrganizationId, at: datetime, limit: int) -> list[TransferId]:
    """List transfers that nobody has approved in time; `at` is the organization's time."""
    row = {"organization_id": organization_id, "at": at, "limit": limit}
    return [row[0] for row in await fetch_all(tx, QUERIES["expired_approvals"], row)]


async def find_transfer(tx: ReadTx, organization_id: OrganizationId, transfer_id: TransferId) -> Transfer | None:
    """Find a transfer."""
    row = await fetch_one(tx, QUERIES["find_transfer"], {"organization_id": organization_id, "id": transfer_id})
    return None if row is None else _read(row)


async def find_transfers(
    tx: ReadTx, organization_id: OrganizationId, transfer_ids: Collection[TransferId]
) -> list[Transfer]:
    """Find transfers, in the order of their ids, which is that in which a run made them."""
    if not transfer_ids:
        return []
    params = {"organization_id": organization_id, "ids": sorted(transfer_ids)}
    return [_read(row) for row in await fetch_all(tx, QUERIES["find_transfers"], params)]


async def latest_transfers(
    tx: ReadTx,
    organization_id: OrganizationId,
    *,
    mode: Mode | None = Mode.LIVE,
    direction: Direction | None = None,
    status: TransferStatus | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: TransferId | None = None,
    reach: int,
    limit: int,
) -> list[Transfer]:
    """List an organization's transfers, newest first, out of the first `reach` that lie before one."""
    params = {
        "organization_id": organization_id,
        "mode": mode and mode.value,
        "direction": direction and direction.value,
        "status": status and status.value,
        "from_at": from_at,
        "to_at": to_at,
        "before_id": before_id,
        "reach": reach,
        "limit": limit,
    }
    return [_read(row) for row in await fetch_all(tx, QUERIES["latest_transfers"], params)]


async def end_of_transfers(
    tx: ReadTx, organization_id: OrganizationId, before_id: TransferId | None, reach: int
) -> TransferId | None:
    """Find the last of the first `reach` transfers that lie before one; None: there are fewer."""
    params = {"organization_id": organization_id, "before_id": before_id, "reach": reach}
    row = await fetch_one(tx, QUERIES["end_of_transfers"], params)
    return None if row is None else row[0]


async def list_transfers(
    tx: ReadTx,
    organization_id: OrganizationId,
    account_ids: Collection[AccountId],
    *,
    as_source: bool = True,
    as_destination: bool = True,
    mode: Mode | None = Mode.LIVE,
    direction: Direction | None = None,
    origin: Origin | None = None,
    status: TransferStatus | None = None,
    execution_id: ExecutionId | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: str | None = None,
    offset: int = 0,
    limit: int,
) -> list[Transfer]:
    """List the transfers of accounts, newest first; both ends of the time range are inclusive."""
    from_id, beyond = (None, None) if execution_id is None else span_of_transfers(execution_id)
    _, to_id = span_of_ids(None, to_at, _SLACK)
    rows = await fetch_all(
        tx,
        QUERIES["list_transfers"],
        {
            "organization_id": organization_id,
            "account_ids": sorted(account_ids),
            "as_source": as_source,
            "as_destination": as_destination,
            "mode": mode and mode.value,
            "direction": direction and direction.value,
            "origin": origin and origin.value,
            "status": status and status.value,
            "execution_id": execution_id,
            "from_at": from_at,
            "to_at": to_at,
            "from_id": from_id,
            "to_id": to_id,
            "before_id": min(filter(None, (before_id, beyond)), default=None),
            "offset": offset,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


def _read(row: tuple[Any, ...]) -> Transfer:
    status = TransferStatus(row[15])
    return Transfer(
        organization_id=row[0],
        id=row[1],
        source=_party(row[2:6]),
        destination=_party(row[6:10]),
        amount=row[10],
        currency=row[11],
        direction=Direction(row[12]),
        origin=Origin(row[13]),
        mode=Mode(row[14]),
        status=status,
        error_code=row[16],
        execution_id=row[17],
        rule_id=row[18],
        description=row[19],
        created_at=row[20],
        completed_at=row[21],
        status_reason=row[22],
        returned_at=row[23],
        return_code=row[24],
        # The row keeps how long it would have waited; once somebody has decided, nothing expires.
        approval_expires_at=row[25] if status is TransferStatus.PENDING_APPROVAL else None,
        staged_account_id=row[26],
    )


def _party(row: tuple[Any, ...]) -> Party | None:
    return None if row[0] is None else Party(row[0], row[1], AccountKind(row[2]), row[3])
