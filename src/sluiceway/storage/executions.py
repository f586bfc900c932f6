"""Owns the table execution. A row with a due time is a job; claiming it is locking it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from sluiceway.domain.executions import Counts, Execution, ExecutionStatus, explain
from sluiceway.domain.ids import ApprovalId, ExecutionId, OrganizationId, RuleId, TransferId, span_of_ids
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Trace, TriggerType
from sluiceway.domain.transfers import Mode
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)

_SLACK: Final = timedelta(minutes=1)
"""How far an id and the time of its row may be apart, which the same process made at about the same time."""

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
    is_refresh_due: bool = False
    """External balances are fetched before it is planned."""
    scheduled_for: datetime | None = None
    nominal: datetime | None = None
    """The naive local time of the occurrence: with the rule its identity."""
    awaited: datetime | None = None
    """The local time that the rule waited for: an earlier one, where some were missed."""
    approval_above: Cents | None = None
    """What the key that triggered it may move without a person."""


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
    approval_above: Cents | None


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
    at: datetime


class ToGather(NamedTuple):
    """An execution whose matching step waits for amounts from outside."""

    organization_id: OrganizationId
    id: ExecutionId
    step: int


class Gathering(NamedTuple):
    """An execution that waits for the outside, leased to us: `fence` proves it."""

    organization_id: OrganizationId
    id: ExecutionId
    rule_id: RuleId
    revision: int
    mode: Mode
    transfer_amount: Cents | None
    is_refresh_due: bool
    step: int | None
    fence: int
    attempts: int
    created_at: datetime


class Tally(NamedTuple):
    """How an execution stands, as far as a change of one of its transfers needs it."""

    id: ExecutionId
    counts: Counts
    error_message: str | None
    origin_id: str
    depth: int
    rule_id: RuleId


async def organizations_with_due_work(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations that have executions due, in no order."""
    return [row[0] for row in await fetch_all(tx, QUERIES["organizations_with_due_work"], {"now": now})]


async def count_due(tx: ReadTx, organization_id: OrganizationId, now: datetime, most: int) -> int:
    """Count what is due in an organization, up to `most`; nothing while it is paused."""
    params = {"organization_id": organization_id, "now": now, "most": most}
    [(count,)] = await fetch_all(tx, QUERIES["count_due"], params)
    return int(count)


async def claim_executions(tx: WriteTx, clocks: Mapping[OrganizationId, datetime], limit: int) -> list[Claimed]:
    """Claim due executions until the transaction ends: of each organization its oldest, at most `limit` in all.

    Each has an equal share; what some leave of theirs goes to those that have more. `clocks` tells the time of each.
    """
    each = max(1, limit // max(1, len(clocks)))
    asked: list[OrganizationId] = sorted(clocks)
    claimed: dict[OrganizationId, list[Claimed]] = {}
    while asked:
        # Whoever is asked again gives the same ones again, which are ours, and those that follow.
        claimed.update((organization_id, []) for organization_id in asked)
        rows = await fetch_all(
            tx,
            QUERIES["claim_executions"],
            {"organization_ids": asked, "nows": [clocks[organization_id] for organization_id in asked], "each": each},
        )
        for row in rows:
            claimed[row[0]].append(Claimed(*row)._replace(mode=Mode(row[6]), trigger_type=TriggerType(row[7])))
        asked = [organization_id for organization_id in asked if len(claimed[organization_id]) >= each]
        more = (limit - sum(map(len, claimed.values()))) // max(1, len(asked))
        if more <= 0:
            break
        each += more
    return [execution for executions in claimed.values() for execution in executions]


async def insert_executions(tx: WriteTx, admitted: Sequence[Admitted], at: datetime) -> None:
    """Record executions, due at once; `at` is the real time, from which each organization's clock tells its own."""
    if not admitted:
        return
    columns = [list(column) for column in zip(*admitted, strict=True)]
    names = (
        "organization_ids", "ids", "rule_ids", "revisions", "fingerprints", "approval_ids", "modes", "trigger_types",
        "transfer_amounts", "stands_in", "cause_transfer_ids", "origin_ids", "depths", "is_refresh_due",
        "scheduled_for", "nominals", "awaited", "approvals_above",
    )  # fmt: skip
    row = {"at": at, "only": only({row.organization_id for row in admitted}), **dict(zip(names, columns, strict=True))}
    await execute(tx, QUERIES["insert_executions"], row)


async def finish_executions(tx: WriteTx, finished: Sequence[Finished]) -> None:
    """Record how executions were planned, which takes them off the list of due work."""
    if not finished:
        return
    await execute(
        tx,
        QUERIES["finish_executions"],
        {
            "ats": [row.at for row in finished],
            "only": only({row.organization_id for row in finished}),
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
            # An array of arrays would have to be rectangular, so each list travels as one text.
            "transfer_ids": [" ".join(row.transfer_ids) for row in finished],
            "traces": [None if row.trace is None else _encode_trace(row.trace).decode() for row in finished],
        },
    )


async def send_to_gather(tx: WriteTx, waiting: Sequence[ToGather]) -> None:
    """Let executions wait until their step's remote services have been asked."""
    if not waiting:
        return
    await execute(
        tx,
        QUERIES["send_to_gather"],
        {
            "only": only({row.organization_id for row in waiting}),
            "organization_ids": [row.organization_id for row in waiting],
            "ids": [row.id for row in waiting],
            "steps": [row.step for row in waiting],
        },
    )


async def executions_to_gather(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations with executions that wait for the outside and that nobody is at; `now` is the real time."""
    return [row[0] for row in await fetch_all(tx, QUERIES["executions_to_gather"], {"now": now})]


async def claim_gathering(
    tx: WriteTx,
    organization_id: OrganizationId,
    *,
    at: datetime,
    now: datetime,
    leased_until: datetime,
    limit: int,
) -> list[Gathering]:
    """Lease executions that wait for the outside; `at` is the organization's time, the others are real."""
    row = {"organization_id": organization_id, "at": at, "now": now, "leased_until": leased_until, "limit": limit}
    rows = await fetch_all(tx, QUERIES["claim_gathering"], row)
    return [Gathering(*row)._replace(mode=Mode(row[4])) for row in rows]


async def holds_gathering(tx: WriteTx, gathering: Gathering) -> bool:
    """Tell, under lock, whether the lease is still ours."""
    row = {"organization_id": gathering.organization_id, "id": gathering.id, "fence": gathering.fence}
    return await fetch_one(tx, QUERIES["hold_gathering"], row) is not None


async def end_gathering(tx: WriteTx, gathering: Gathering) -> None:
    """Let an execution be planned: what it waited for is recorded."""
    row = {"organization_id": gathering.organization_id, "id": gathering.id}
    await execute(tx, QUERIES["end_gathering"], row)


async def retry_gathering(tx: WriteTx, gathering: Gathering, retry_at: datetime, problem: str) -> None:
    """Let an execution wait for another attempt."""
    row = {"organization_id": gathering.organization_id, "id": gathering.id, "retry_at": retry_at, "problem": problem}
    await execute(tx, QUERIES["retry_gathering"], row)


async def keep_gathering(tx: WriteTx, gathering: Gathering, leased_until: datetime, attempts: int) -> None:
    """Make the lease begin anew, if it is still ours; `attempts` is how many there were of what is asked now."""
    row = {
        "organization_id": gathering.organization_id,
        "id": gathering.id,
        "fence": gathering.fence,
        "leased_until": leased_until,
        "attempts": attempts,
    }
    await execute(tx, QUERIES["keep_gathering"], row)


async def lock_executions(
    tx: WriteTx, organization_id: OrganizationId, execution_ids: Collection[ExecutionId]
) -> dict[ExecutionId, Tally]:
    """Lock executions whose transfers have changed, in id order."""
    if not execution_ids:
        return {}
    row = {"organization_id": organization_id, "ids": sorted(execution_ids)}
    rows = await fetch_all(tx, QUERIES["lock_executions"], row)
    return {row[0]: Tally(row[0], Counts(*row[1:5]), *row[5:]) for row in rows}


async def recount_execution(
    tx: WriteTx,
    organization_id: OrganizationId,
    execution_id: ExecutionId,
    *,
    status: ExecutionStatus,
    counts: Counts,
    error_message: str | None,
    at: datetime,
) -> None:
    """Record how an execution stands after one of its transfers has moved on."""
    row = {
        "organization_id": organization_id,
        "id": execution_id,
        "status": status.value,
        "completed": counts.completed,
        "failed": counts.failed,
        "pending": counts.pending,
        "error_message": error_message,
        "at": at,
    }
    await execute(tx, QUERIES["recount_execution"], row)


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
    return None if row is None else read_execution(row)


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
    offset: int = 0,
    limit: int,
) -> list[Execution]:
    """List a rule's executions, newest first, without their traces; both ends of the time range are inclusive."""
    from_id, to_id = span_of_ids(from_at, to_at, _SLACK)
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
            "from_id": from_id,
            "to_id": to_id,
            "before_id": before_id,
            "offset": offset,
            "limit": limit,
        },
    )
    return [read_execution(row) for row in rows]


async def latest_executions(
    tx: ReadTx, organization_id: OrganizationId, *, mode: Mode | None, limit: int
) -> list[Execution]:
    """List the newest executions of all rules of an organization, without their traces; `mode` None: both."""
    row = {"organization_id": organization_id, "mode": mode and mode.value, "limit": limit}
    return [read_execution(row) for row in await fetch_all(tx, QUERIES["latest_executions"], row)]


def read_execution(row: tuple[Any, ...]) -> Execution:
    """Read a row as the queries that show executions give it."""
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
        error_message=explain("PAUSED") if row[24] else row[19],
        next_attempt_at=row[20],
        depth=row[21],
        origin_id=row[22],
        scheduled_for=row[23],
        trace=None if row[25] is None else _decode_trace(row[25]),
    )
