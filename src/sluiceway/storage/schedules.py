"""Owns when rules fire next (columns of the table rule), and knows when anything of an organization is due."""

from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.ids import ApprovalId, OrganizationId, RuleId
from sluiceway.domain.schedule import Occurrence
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class DueRule(NamedTuple):
    """An enabled rule whose time has come. `is_unplanned`: nobody has worked out yet when it fires; it must not run."""

    rule_id: RuleId
    revision: int
    fingerprint: bytes
    approval_id: ApprovalId
    is_unplanned: bool
    fires_at: datetime | None
    nominal: datetime | None


async def schedules_due(tx: ReadTx, now: datetime) -> list[OrganizationId]:
    """Find organizations with a schedule whose time has come; `now` is the real time."""
    return [row[0] for row in await fetch_all(tx, QUERIES["schedules_due"], {"now": now})]


async def rules_to_fire(tx: WriteTx, organization_id: OrganizationId, at: datetime, limit: int) -> list[DueRule]:
    """List the rules whose time has come, inside the gate; `at` is the organization's time."""
    row = {"organization_id": organization_id, "at": at, "limit": limit}
    return [DueRule(*row) for row in await fetch_all(tx, QUERIES["rules_to_fire"], row)]


async def set_next_fire(
    tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, following: Occurrence | None
) -> None:
    """Set which occurrence of a rule fires next; None: never again."""
    at, nominal = (None, None) if following is None else (following.at, following.nominal)
    row = {"organization_id": organization_id, "id": rule_id, "at": at, "nominal": nominal}
    await execute(tx, QUERIES["set_next_fire"], row)


async def next_due(tx: ReadTx, organization_id: OrganizationId, after: datetime, *, is_paused: bool) -> datetime | None:
    """Find the next instant, by the organization's clock, at which anything is due; None: nothing is planned."""
    row = {"organization_id": organization_id, "after": after, "is_paused": is_paused}
    found = await fetch_one(tx, QUERIES["next_due"], row)
    assert found is not None, "an aggregate gives a row"
    at: datetime | None = found[0]
    return at


class DueNow(NamedTuple):
    """Which kinds of work are due in one organization and free to be done."""

    fetch: bool
    fire: bool
    gather: bool
    hand_over: bool
    expire: bool
    settle: bool


async def due_now(
    tx: ReadTx, organization_id: OrganizationId, *, at: datetime, now: datetime, is_paused: bool
) -> DueNow:
    """Tell what is due in an organization by `at`; `now` is the real time."""
    row = {"organization_id": organization_id, "at": at, "now": now, "is_paused": is_paused}
    found = await fetch_one(tx, QUERIES["due_now"], row)
    assert found is not None, "a question gives a row"
    return DueNow(*found)


async def is_unfinished(
    tx: ReadTx, organization_id: OrganizationId, *, at: datetime, now: datetime, is_paused: bool
) -> bool:
    """Tell whether anything is due by `at`, free or with somebody at it; `now` is the real time."""
    row = {"organization_id": organization_id, "at": at, "now": now, "is_paused": is_paused}
    found = await fetch_one(tx, QUERIES["is_unfinished"], row)
    assert found is not None, "a question gives a row"
    return bool(found[0])
