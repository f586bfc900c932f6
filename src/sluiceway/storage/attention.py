"""Reads what a person should look at. Owns no table and changes nothing."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import AccountId, CardTransactionId, ExecutionId, OrganizationId, RuleId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, LegPurpose
from sluiceway.storage.database import ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class Arrival(NamedTuple):
    """Money that has come to an account."""

    transfer_id: TransferId
    amount: Cents
    description: str | None
    at: datetime


class FailedRun(NamedTuple):
    """A run in which something failed."""

    id: ExecutionId
    rule_id: RuleId
    status: ExecutionStatus
    error_message: str | None
    created_at: datetime


class ExpectedLeg(NamedTuple):
    """A payment at a bank: since when it is there, and when it is expected to settle."""

    transfer_id: TransferId
    purpose: LegPurpose
    amount: Cents
    submitted_at: datetime | None
    expected_at: datetime
    source_id: AccountId | None
    destination_id: AccountId | None


class CardUse(NamedTuple):
    """What a card has paid from an account, or been paid back to it."""

    id: CardTransactionId
    direction: Direction
    amount: Cents
    description: str
    at: datetime


class NamedRule(NamedTuple):
    """What a rule is called now."""

    name: str | None
    is_deleted: bool


async def arrivals(tx: ReadTx, organization_id: OrganizationId, account_id: AccountId, limit: int) -> list[Arrival]:
    """List what has come to an account, the latest first."""
    row = {"organization_id": organization_id, "account_id": account_id, "limit": limit}
    return [Arrival(*found) for found in await fetch_all(tx, QUERIES["arrivals"], row)]


async def failed_runs(tx: ReadTx, organization_id: OrganizationId, limit: int) -> list[FailedRun]:
    """List live runs in which something failed, the latest first."""
    rows = await fetch_all(tx, QUERIES["failed_runs"], {"organization_id": organization_id, "limit": limit})
    return [FailedRun(row[0], row[1], ExecutionStatus(row[2]), row[3], row[4]) for row in rows]


async def succeeded_since(
    tx: ReadTx, organization_id: OrganizationId, failed: Mapping[RuleId, ExecutionId]
) -> frozenset[RuleId]:
    """Tell which rules have had a run without a failure since the one that is named."""
    if not failed:
        return frozenset()
    rows = await fetch_all(
        tx,
        QUERIES["succeeded_since"],
        {
            "organization_id": organization_id,
            "rule_ids": list(failed),
            "execution_ids": list(failed.values()),
        },
    )
    return frozenset(row[0] for row in rows)


async def reviewed(tx: ReadTx, organization_id: OrganizationId, revisions: Mapping[RuleId, int]) -> frozenset[RuleId]:
    """Tell of which rules a person has at some time enabled the revision that is named."""
    if not revisions:
        return frozenset()
    rows = await fetch_all(
        tx,
        QUERIES["reviewed"],
        {
            "organization_id": organization_id,
            "rule_ids": list(revisions),
            "revisions": list(revisions.values()),
        },
    )
    return frozenset(row[0] for row in rows)


async def legs_expected(tx: ReadTx, organization_id: OrganizationId, until: datetime, limit: int) -> list[ExpectedLeg]:
    """List payments that are expected to settle by an instant, the first one first."""
    row = {"organization_id": organization_id, "until": until, "limit": limit}
    rows = await fetch_all(tx, QUERIES["legs_expected"], row)
    return [ExpectedLeg(row[0], LegPurpose(row[1]), *row[2:]) for row in rows]


async def count_to_approve(tx: ReadTx, organization_id: OrganizationId, limit: int) -> tuple[int, datetime | None]:
    """Count what waits for a person, up to a limit, and tell when the first of it expires."""
    [(count, first)] = await fetch_all(
        tx, QUERIES["count_to_approve"], {"organization_id": organization_id, "limit": limit}
    )
    return count, first


async def uses_of_cards(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId, before_id: str | None, limit: int
) -> list[CardUse]:
    """List what cards did to an account, the latest first; `before_id` continues a list."""
    row = {"organization_id": organization_id, "account_id": account_id, "before_id": before_id, "limit": limit}
    rows = await fetch_all(tx, QUERIES["uses_of_cards"], row)
    return [CardUse(row[0], Direction(row[1]), *row[2:]) for row in rows]


async def rule_names(
    tx: ReadTx, organization_id: OrganizationId, rule_ids: Collection[RuleId]
) -> dict[RuleId, NamedRule]:
    """Tell what rules are called, deleted ones too."""
    if not rule_ids:
        return {}
    rows = await fetch_all(tx, QUERIES["rule_names"], {"organization_id": organization_id, "ids": sorted(rule_ids)})
    return {row[0]: NamedRule(row[1], row[2]) for row in rows}
