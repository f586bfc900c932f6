"""Owns the table execution. A row with a due time is a job; claiming it is locking it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from sluiceway.domain.executions import Counts, Execution, ExecutionStatus
from sluiceway.domain.ids import ApprovalId, ExecutionId, OrganizationId, RuleId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Trace, TriggerType
from sluiceway.domain.transfers import Mode
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)

_encode_trace = msgspec.json.Encoder().encode
_decode_trace = msgspec.json.Decoder(Trace).decode


class Admitted(NamedTuple):
    """An execution to record: due at once."""

    organization_id: OrganizationId
    id: ExecutionId
    rule_id: RuleId
    revision: int
    fingerprint: bytes
    approval_id: ApprovalId | None
    mode: Mode
    trigger_type: TriggerType
    transfer_amount: Cents | None
    stands_in: bool
    cause_transfer_id: TransferId | None
    origin_id: str
    depth: int


class Claimed(NamedTuple):
    """A due execution that this transaction holds."""

    organization_id: OrganizationId
    id: ExecutionId
    rule_id: RuleId
    revision: int
    fingerprint: bytes
    approval_id: ApprovalId | None
    mode: Mode
    trigger_type: TriggerType
    transfer_amount: Cents | None
    stands_in: bool
    origin_id: str
    depth: int
    created_at: datetime


class Finished(NamedTuple):
    """How an execution was planned."""

    organization_id: OrganizationId
    id: ExecutionId
    status: ExecutionStatus
    step_matched: int | None
    conditions_not_met: bool
    counts: Counts
    error_message: str | None
    transfer_ids: Sequence[TransferId]
    trace: Trace | None


async def organizations_with_due_work(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations that have executions due, the one that has waited longest first."""
    return [row[0] for row in await fetch_all(tx, QUERIES["organizations_with_due_work"], {"now": now})]


async def claim_executions(
    tx: WriteTx, organization_ids: Collection[OrganizationId], now: datetime, limit: int
) -> list[Claimed]:
    """Claim due executions until the transaction ends: of each organization its oldest, at most `limit` in all."""
    each = max(1, limit // max(1, len(organization_ids)))
    rows = await fetch_all(
        tx,
        QUERIES["claim_executions"],
        {"organization_ids": sorted(organization_ids), "now": now, "each": each},
    )
    return [Claimed(*row)._replace(mode=Mode(row[6]), trigger_type=TriggerType(row[7])) for row in rows]


async def insert_executions(tx: WriteTx, admitted: Sequence[Admitted], at: datetime) -> None:
    """Record executions, due at once."""
    if not admitted:
        return
    columns = [list(column) for column in zip(*admitted, strict=True)]
    names = (
        "organization_ids", "ids", "rule_ids", "revisions", "fingerprints", "approval_ids", "modes", "trigger_types",
        "transfer_amounts", "stands_in", "cause_transfer_ids", "origin_ids", "depths",
    )  # fmt: skip
    await execute(tx, QUERIES["insert_executions"], {"at": at, **dict(zip(names, columns, strict=True))})


async def finish_executions(tx: WriteTx, finished: Sequence[Finished], at: datetime) -> None:
    """Record how executions were planned, which takes them off the list of due work."""
    if not finished:
        return
    await execute(
        tx,
        QUERIES["finish_executions"],
        {
            "at": at,
            "locked_organizations": sorted({row.organization_id for row in finished}),
            "organization_ids": [row.organization_id for row in finished],
            "ids": [row.id for row in finished],
            "statuses": [row.status.value for row in finished],
            "steps": [row.step_matched for row in finished],
            "conditions_not_met": [row.conditions_not_met for row in finished],
            "attempted": [row.counts.attempted for row in finished],
            "completed": [row.counts.completed for row in finished],
            "failed": [row.counts.failed for row in finished],
            "pending": [row.counts.pending for row in finished],
            "error_messages": [row.error_message for row in finished],
            # An array of arrays would have to be rectangular, so each list travels as PostgreSQL's own array text.
            "transfer_ids": ["{" + ",".join(row.transfer_ids) + "}" for row in finished],
            "traces": [None if row.trace is None else _encode_trace(row.trace).decode() for row in finished],
        },
    )


async def executions_of_origins(
    tx: ReadTx, origins: Iterable[tuple[OrganizationId, str]]
) -> dict[tuple[OrganizationId, str], int]:
    """Count the executions that each event has caused so far (one that is its own origin is not caused)."""
    wanted = set(origins)
    rows = await fetch_all(
        tx,
        QUERIES["executions_of_origins"],
        {
            "organization_ids": sorted({organization_id for organization_id, _ in wanted}),
            "origin_ids": sorted({origin_id for _, origin_id in wanted}),
        },
    )
    return {(organization_id, origin_id): count for organization_id, origin_id, count in rows}


async def find_execution(tx: ReadTx, organization_id: OrganizationId, execution_id: ExecutionId) -> Execution | None:
    """Find an execution with its trace."""
    row = await fetch_one(tx, QUERIES["find_execution"], {"organization_id": organization_id, "id": execution_id})
    return None if row is None else _read(row)


async def list_executions(
    tx: ReadTx,
    organization_id: OrganizationId,
    rule_id: RuleId,
    *,
    mode: Mode | None = Mode.LIVE,
    status: ExecutionStatus | None = None,
    trigger_types: Collection[TriggerType] | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: str | None = None,
    limit: int,
) -> list[Execution]:
    """List a rule's executions, newest first, without their traces; both ends of the time range are inclusive."""
    rows = await fetch_all(
        tx,
        QUERIES["list_executions"],
        {
            "organization_id": organization_id,
            "rule_id": rule_id,
            "mode": mode and mode.value,
            "status": status and status.value,
            "trigger_types": None if trigger_types is None else [kind.value for kind in trigger_types],
            "from_at": from_at,
            "to_at": to_at,
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


def _read(row: tuple[Any, ...]) -> Execution:
    return Execution(
        organization_id=row[0],
        id=row[1],
        rule_id=row[2],
        rule_name=row[3],
        revision=row[4],
        approval_id=row[5],
        mode=Mode(row[6]),
        trigger_type=TriggerType(row[7]),
        transfer_amount=row[8],
        status=ExecutionStatus(row[9]),
        created_at=row[10],
        finished_at=row[11],
        step_matched=row[12],
        conditions_not_met=row[13],
        counts=Counts(*row[14:18]),
        transfer_ids=tuple(row[18]),
        error_message=row[19],
        next_attempt_at=row[20],
        depth=row[21],
        origin_id=row[22],
        trace=None if row[23] is None else _decode_trace(row[23]),
    )
