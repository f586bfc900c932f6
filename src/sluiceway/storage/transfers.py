"""Owns the tables transfer and posting: what was asked for, and what it did to the ledger."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.ids import AccountId, ExecutionId, KeyId, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import AccountKind, Posting
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Mode, Origin, Party, Transfer, TransferStatus
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


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


async def insert_transfers(tx: WriteTx, transfers: Sequence[NewTransfer], at: datetime) -> None:
    """Record transfers; complete ones are complete at `at`."""
    if not transfers:
        return
    columns = [list(column) for column in zip(*transfers, strict=True)]
    names = (
        "organization_ids", "ids", "execution_ids", "rule_ids", "steps", "actions", "parts", "source_account_ids",
        "destination_account_ids", "amounts", "directions", "origins", "modes", "statuses", "error_codes",
        "descriptions", "key_ids",
    )  # fmt: skip
    await execute(tx, QUERIES["insert_transfers"], {"at": at, **dict(zip(names, columns, strict=True))})


async def insert_postings(tx: WriteTx, postings: Iterable[tuple[OrganizationId, Posting]], at: datetime) -> None:
    """Append postings to the ledger."""
    rows = [(organization_id, *posting) for organization_id, posting in postings]
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = (
        "organization_ids", "transfer_ids", "sequences", "kinds", "debit_account_ids", "credit_account_ids", "amounts",
        "debit_after", "credit_after",
    )  # fmt: skip
    await execute(tx, QUERIES["insert_postings"], {"at": at, **dict(zip(names, columns, strict=True))})


async def find_transfer(tx: ReadTx, organization_id: OrganizationId, transfer_id: TransferId) -> Transfer | None:
    """Find a transfer."""
    row = await fetch_one(tx, QUERIES["find_transfer"], {"organization_id": organization_id, "id": transfer_id})
    return None if row is None else _read(row)


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
    limit: int,
) -> list[Transfer]:
    """List the transfers of accounts, newest first; both ends of the time range are inclusive."""
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
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


def _read(row: tuple[Any, ...]) -> Transfer:
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
        status=TransferStatus(row[15]),
        error_code=row[16],
        execution_id=row[17],
        rule_id=row[18],
        description=row[19],
        created_at=row[20],
        completed_at=row[21],
    )


def _party(row: tuple[Any, ...]) -> Party | None:
    return None if row[0] is None else Party(row[0], row[1], AccountKind(row[2]), row[3])
