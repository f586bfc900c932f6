"""Reads runs the way people look for them. Owns no table and changes nothing."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.endings import LIMITS, TransferSum
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId, RuleId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Rule, read_rule
from sluiceway.domain.transfers import Mode, TransferStatus
from sluiceway.storage.database import ReadTx, fetch_all, fetch_one
from sluiceway.storage.executions import read_execution
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted; None: any. `account_id`: of rules that name the account."""

    rule_id: RuleId | None = None
    mode: Mode | None = None
    status: ExecutionStatus | None = None
    account_id: AccountId | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


class ListedRun(NamedTuple):
    """A run without its trace, and whether that says that a limit kept it from moving anything."""

    execution: Execution
    is_limited: bool


class Neighbours(NamedTuple):
    """The runs of the same rule before and after one, and the transfer whose arrival set it off."""

    older: ExecutionId | None
    newer: ExecutionId | None
    cause: TransferId | None


class Made(NamedTuple):
    """Where a transfer comes from: its event, and for a rule's transfer its place in the rule as it ran."""

    origin_id: str
    step: int | None
    action: int | None
    part: int | None
    revision: int | None
    rule: Rule | None


class RuleAt(NamedTuple):
    """A rule of an account: as it is now, and as it was enabled at an instant (None: it was not)."""

    id: RuleId
    created_at: datetime
    rule: Rule
    is_enabled: bool
    enabled_then: Rule | None


async def list_runs(
    tx: ReadTx,
    organization_id: OrganizationId,
    wanted: RunFilter,
    *,
    before_id: ExecutionId | None,
    reach: int,
    limit: int,
) -> list[ListedRun]:
    """List runs, newest first, out of the first `reach` that lie before one."""
    of_rule = "" if wanted.rule_id is None else "_of_rule"
    query = QUERIES["list_runs_of_rule"] if of_rule else QUERIES["list_runs"]
    params = {
        "organization_id": organization_id,
        "rule_id": wanted.rule_id,
        "mode": wanted.mode and wanted.mode.value,
        "status": wanted.status and wanted.status.value,
        "account_id": wanted.account_id,
        "from_at": wanted.from_at,
        "to_at": wanted.to_at,
        "before_id": before_id,
        "reach": reach,
        "limit": limit,
        "limits": sorted(LIMITS),
    }
    return [_read(row) for row in await fetch_all(tx, query, params)]


async def latest_of_rules(tx: ReadTx, organization_id: OrganizationId, rule_ids: Collection[RuleId]) -> list[ListedRun]:
    """Find the newest live run of each rule; rules that never ran are left out."""
    params = {"organization_id": organization_id, "rule_ids": sorted(rule_ids), "limits": sorted(LIMITS)}
    return [_read(row) for row in await fetch_all(tx, QUERIES["latest_of_rules"], params)]


async def end_of_reach(
    tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId | None, before_id: ExecutionId | None, reach: int
) -> ExecutionId | None:
    """Find the last of the first `reach` runs that lie before one; None: there are fewer."""
    query = QUERIES["end_of_reach"] if rule_id is None else QUERIES["end_of_reach_of_rule"]
    params = {"organization_id": organization_id, "rule_id": rule_id, "before_id": before_id, "reach": reach}
    row = await fetch_one(tx, query, params)
    return None if row is None else row[0]


async def sums_of_runs(
    tx: ReadTx, organization_id: OrganizationId, execution_ids: Collection[ExecutionId]
) -> dict[ExecutionId, list[TransferSum]]:
    """Sum up what has become of the transfers of runs."""
    if not execution_ids:
        return {}
    params = {"organization_id": organization_id, "ids": sorted(execution_ids)}
    found: dict[ExecutionId, list[TransferSum]] = {}
    for execution_id, currency, status, transfers, amount in await fetch_all(tx, QUERIES["sums_of_runs"], params):
        found.setdefault(execution_id, []).append(
            TransferSum(currency, TransferStatus(status), transfers, Cents(amount))
        )
    return found


async def neighbours(tx: ReadTx, execution: Execution) -> Neighbours:
    """Find the runs of the same rule before and after one, and what set it off."""
    params = {"organization_id": execution.organization_id, "rule_id": execution.rule_id, "id": execution.id}
    [row] = await fetch_all(tx, QUERIES["neighbours"], params)
    return Neighbours(*row)


async def caused_by(
    tx: ReadTx, organization_id: OrganizationId, transfer_id: TransferId, origin_id: str
) -> list[ListedRun]:
    """List the runs that the arrival of a transfer has set off, in their order."""
    params = {
        "organization_id": organization_id,
        "transfer_id": transfer_id,
        "origin_id": origin_id,
        "limits": sorted(LIMITS),
    }
    return [_read(row) for row in await fetch_all(tx, QUERIES["caused_by"], params)]


async def origin_of(tx: ReadTx, organization_id: OrganizationId, transfer_id: TransferId) -> Made | None:
    """Find where a transfer comes from."""
    params = {"organization_id": organization_id, "transfer_id": transfer_id}
    row = await fetch_one(tx, QUERIES["origin_of_transfer"], params)
    return None if row is None else Made(row[0], row[1], row[2], row[3], row[4], _read_rule(row[5]))


async def rules_at(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId, at: datetime
) -> Sequence[RuleAt]:
    """List the rules that have an account as their own, as they are and as they were at an instant."""
    params = {"organization_id": organization_id, "account_id": account_id, "at": at}
    found: list[RuleAt] = []
    for rule_id, created_at, definition, is_enabled, enabled in await fetch_all(
        tx, QUERIES["rules_at_account"], params
    ):
        rule = _read_rule(definition)
        if rule is not None:
            found.append(RuleAt(rule_id, created_at, rule, is_enabled, _read_rule(enabled)))
    return found


def _read(row: tuple[Any, ...]) -> ListedRun:
    return ListedRun(read_execution(row[:26]), row[26])


def _read_rule(definition: object) -> Rule | None:
    """Read a rule; one that this version cannot read is none."""
    with suppress(InvalidParameters):
        return None if definition is None else read_rule(definition)
    return None
