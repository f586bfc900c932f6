"""Owns the table account_target: what a person wants in an account."""

from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.targets import Target
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


async def set_target(tx: WriteTx, organization_id: OrganizationId, account_id: AccountId, target: Target) -> None:
    """Keep a target in the place of the one before."""
    await execute(
        tx,
        QUERIES["set_target"],
        {
            "organization_id": organization_id,
            "account_id": account_id,
            "amount": target.amount,
            "by_day": target.by_day,
            "from_day": target.from_day,
            "from_balance": target.from_balance,
        },
    )


async def clear_target(tx: WriteTx, organization_id: OrganizationId, account_id: AccountId) -> None:
    """Forget an account's target."""
    await execute(tx, QUERIES["clear_target"], {"organization_id": organization_id, "account_id": account_id})


async def list_targets(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId | None = None
) -> dict[AccountId, Target]:
    """Read the targets of an organization, or of one account."""
    row = {"organization_id": organization_id, "account_id": account_id}
    return {found[0]: Target(*found[1:]) for found in await fetch_all(tx, QUERIES["list_targets"], row)}
