"""Reads what has happened, for trying rules on it. Owns no table and changes nothing; made for a snapshot."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import PostingKind
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import PastExecution, PastPosting, Seen
from sluiceway.domain.rules import TriggerType
from sluiceway.domain.transfers import LegPurpose
from sluiceway.storage.database import ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)

_TIMEOUT: Final = "10min"


class MovedByRule(NamedTuple):
    """What one transfer of a rule moved, by the place of its action in the revision that ran.

    The run was queued at `queued_at`, whose day is the one that limits count by, and made the transfer at `at`.
    """

    rule_id: RuleId
    revision: int
    step: int
    action: int
    amount: Cents
    transfer_id: TransferId
    execution_id: ExecutionId
    queued_at: datetime
    at: datetime


class OpenTransfer(NamedTuple):
    """A transfer on its way, with its open leg (None: it waits for a person) and when that is expected to settle."""

    source: AccountId
    destination: AccountId
    amount: Cents
    rule_id: RuleId | None
    leg: LegPurpose | None
    expected_at: datetime | None


async def take_time(tx: ReadTx) -> None:
    """Let this transaction's statements take longer than a request may."""
    await fetch_all(tx, QUERIES["take_time"], {"timeout": _TIMEOUT})


async def postings_since(tx: ReadTx, organization_id: OrganizationId, from_at: datetime) -> list[PastPosting]:
    """Read the postings from an instant on, in the order in which they happened."""
    rows = await fetch_all(tx, QUERIES["postings_since"], {"organization_id": organization_id, "from_at": from_at})
    kinds = {kind.value: kind for kind in PostingKind}
    return [PastPosting(row[0], kinds[row[1]], *row[2:]) for row in rows]


async def executions_since(tx: ReadTx, organization_id: OrganizationId, from_at: datetime) -> list[PastExecution]:
    """Read the live executions that were admitted or ended from an instant on, or have not ended."""
    rows = await fetch_all(tx, QUERIES["executions_since"], {"organization_id": organization_id, "from_at": from_at})
    kinds = {kind.value: kind for kind in TriggerType}
    return [PastExecution(row[0], row[1], kinds[row[2]], *row[3:]) for row in rows]


async def moved_by_rules(
    tx: ReadTx, organization_id: OrganizationId, rule_ids: Collection[RuleId], from_at: datetime
) -> list[MovedByRule]:
    """Read what rules moved from an instant on."""
    rows = await fetch_all(
        tx,
        QUERIES["moved_by_rules"],
        {"organization_id": organization_id, "rule_ids": sorted(rule_ids), "from_at": from_at},
    )
    return [MovedByRule(*row) for row in rows]


async def money_from_and_to_outside(tx: ReadTx, organization_id: OrganizationId, from_at: datetime) -> list[Seen]:
    """Read what arrived from outside, and (negative) what was collected, from an instant on."""
    rows = await fetch_all(
        tx, QUERIES["money_from_and_to_outside"], {"organization_id": organization_id, "from_at": from_at}
    )
    return [Seen(*row[:4]) for row in rows]


async def open_transfers(tx: ReadTx, organization_id: OrganizationId) -> list[OpenTransfer]:
    """Read what is on its way now."""
    rows = await fetch_all(tx, QUERIES["open_transfers"], {"organization_id": organization_id})
    return [
        OpenTransfer(source, destination, amount, rule_id, None if leg is None else LegPurpose(leg), expected_at)
        for source, destination, amount, rule_id, leg, expected_at in rows
    ]


async def latest_remote_amounts(
    tx: ReadTx, organization_id: OrganizationId, rule_ids: Collection[RuleId]
) -> dict[RuleId, dict[tuple[int, int], Cents]]:
    """Read what the remote services of rules answered last, by rule and (step, action)."""
    rows = await fetch_all(
        tx,
        QUERIES["latest_remote_amounts"],
        {"organization_id": organization_id, "rule_ids": sorted(rule_ids)},
    )
    found: dict[RuleId, dict[tuple[int, int], Cents]] = {}
    for rule_id, step, action, amount in rows:
        found.setdefault(rule_id, {})[step, action] = amount
    return found
