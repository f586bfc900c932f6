"""Reading what happened on external accounts, as their banks list it."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from sluiceway.domain.access import Permission, Principal, require
from sluiceway.domain.external_transactions import ExternalTransaction
from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules import refuse
from sluiceway.services.engine import Engine
from sluiceway.storage import feeds as stored
from sluiceway.storage.organizations import find_organizations

REACH: Final = timedelta(days=90)
"""How far back lists go, to the beginning of that day in UTC."""


async def list_external_transactions(
    engine: Engine,
    principal: Principal,
    account_ids: Collection[AccountId],
    *,
    is_in: bool | None = None,
    is_settled: bool | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    offset: int = 0,
    limit: int,
) -> list[ExternalTransaction]:
    """List movements of the last 90 days, the latest first. Banks list what has settled, so nothing else is there.

    Raises PermissionDenied for an account whose transfers the principal may not see, and InvalidParameters for a time
    further back.
    """
    for account_id in account_ids:
        require(principal, Permission.READ_TRANSFERS, account_id)
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [principal.organization_id]))[principal.organization_id]
        # From the beginning of the day: whoever asks for 90 days counts from a moment ago.
        day = organization.clock.read(engine.now()).astimezone(UTC) - REACH
        earliest = day.replace(hour=0, minute=0, second=0, microsecond=0)
        if from_at is not None and from_at < earliest:
            refuse("from", f"must be within the last {REACH.days} days")
        if is_settled is False:
            return []
        return await stored.list_transactions(
            tx,
            principal.organization_id,
            account_ids,
            is_in=is_in,
            from_at=from_at or earliest,
            to_at=to_at,
            offset=offset,
            limit=limit,
        )
