"""Reading what happened on external accounts, as their banks list it."""

from collections.abc import Collection
from datetime import datetime

from sluiceway.domain.access import Permission, Principal, require
from sluiceway.domain.external_transactions import ExternalTransaction
from sluiceway.domain.ids import AccountId
from sluiceway.services.engine import Engine
from sluiceway.services.reach import reach
from sluiceway.storage import feeds as stored
from sluiceway.storage.organizations import find_organizations


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
        from_at = reach(organization.clock.read(engine.now()), from_at)
        if is_settled is False:
            return []
        return await stored.list_transactions(
            tx,
            principal.organization_id,
            account_ids,
            is_in=is_in,
            from_at=from_at,
            to_at=to_at,
            offset=offset,
            limit=limit,
        )
