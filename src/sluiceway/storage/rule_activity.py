"""Reads what rules have done lately, and their revisions with who signed them. Owns no table and changes nothing."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sluiceway.domain.ids import AccountId, OrganizationId, PersonId, RuleId, TransferId, span_of_ids
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import Rule, read_rule
from sluiceway.storage.database import ReadTx, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)

_SLACK: Final = timedelta(minutes=1)


class Moved(NamedTuple):
    """What a rule moved in one currency."""

    rule_id: RuleId
    currency: str
    amount: int


class Arrival(NamedTuple):
    """Money that arrived in an account."""

    transfer_id: TransferId
    amount: Cents
    at: datetime


class Revision(NamedTuple):
    """One revision of a rule."""

    revision: int
    rule: Rule
    fingerprint: bytes
    created_at: datetime


class Signature(NamedTuple):
    """Who enabled a revision, and when that ended."""

    revision: int
    person_id: PersonId
    email: str
    approved_at: datetime
    revoked_at: datetime | None


async def moved_since(
    tx: ReadTx, organization_id: OrganizationId, rule_ids: Collection[RuleId], from_at: datetime
) -> list[Moved]:
    """Sum up what rules moved from an instant of the organization's clock on."""
    params = {
        "organization_id": organization_id,
        "rule_ids": sorted(rule_ids),
        "from_at": from_at,
        "from_id": span_of_ids(from_at, None, _SLACK)[0],
    }
    return [Moved(*row) for row in await fetch_all(tx, QUERIES["moved_since"], params)]


async def latest_arrival(tx: ReadTx, organization_id: OrganizationId, account_id: AccountId) -> Arrival | None:
    """Read what arrived in an account last."""
    row = await fetch_one(tx, QUERIES["latest_arrival"], {"organization_id": organization_id, "account_id": account_id})
    return None if row is None else Arrival(*row)


async def list_revisions(
    tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId, *, before: int | None = None, limit: int
) -> list[Revision]:
    """List revisions, newest first."""
    params = {"organization_id": organization_id, "rule_id": rule_id, "before": before, "limit": limit}
    return [
        Revision(revision, read_rule(definition), fingerprint, created_at)
        for revision, definition, fingerprint, created_at in await fetch_all(tx, QUERIES["list_revisions"], params)
    ]


async def list_approvals(
    tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId, revisions: Collection[int]
) -> list[Signature]:
    """List who signed these revisions, oldest first."""
    params = {"organization_id": organization_id, "rule_id": rule_id, "revisions": sorted(revisions)}
    return [Signature(*row) for row in await fetch_all(tx, QUERIES["list_approvals"], params)]


async def latest_approved(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId) -> int | None:
    """Tell which revision was enabled last, whether or not it still is."""
    row = await fetch_one(tx, QUERIES["latest_approved"], {"organization_id": organization_id, "rule_id": rule_id})
    return None if row is None else int(row[0])
