"""Looks at once at what a bank knows, where the next regular look would be too late for whoever asks."""

import asyncio
from collections.abc import Sequence
from typing import Final

from sluiceway.domain.access import Principal
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.services.accounts import get_account
from sluiceway.services.engine import Engine
from sluiceway.services.refreshing import fetch_now
from sluiceway.storage.database import WriteTx
from sluiceway.storage.feeds import hurry
from sluiceway.storage.organizations import find_organizations

BUSY_S: Final = 0.02
MOST_WAITS: Final = 150
"""How often to wait for somebody else who is at it. After that, the news comes with the next regular look."""


async def look(
    engine: Engine, organization_id: OrganizationId, account_ids: Sequence[AccountId] = (), *, at_reports: bool = True
) -> None:
    """Fetch what the bank reports, and these external accounts, so that what has happened before this call is known.

    A bank that does not answer is asked again later, as always.
    """
    for subject in [*([organization_id] if at_reports else []), *account_ids]:
        for _ in range(MOST_WAITS):
            # Whoever is at it may have asked before it happened, so their answer is not enough.
            if await fetch_now(engine, organization_id, subject):
                break
            await asyncio.sleep(BUSY_S)


async def expect_news(engine: Engine, organization_id: OrganizationId, subject_ids: Sequence[str]) -> None:
    """Put a look on the list before a bank is told to do something: whoever dies meanwhile, somebody looks.

    The subjects are the organization (what the bank reports) and external accounts.
    """

    async def work(tx: WriteTx) -> None:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        at = organization.clock.read(engine.now())
        for subject_id in sorted(subject_ids):
            await hurry(tx, organization_id, subject_id, at)

    await engine.database.write(work)


async def refresh_account(
    engine: Engine, principal: Principal, account_id: AccountId | None, spelling: str
) -> AccountRecord:
    """Fetch an external account's balance and movements now; give the account as it then is, also a kept one.

    Raises PermissionDenied and NotFound.
    """
    record = await get_account(engine, principal, account_id, spelling)
    if record.account.is_kept:
        return record
    await look(engine, principal.organization_id, [record.account.id], at_reports=False)
    return await get_account(engine, principal, account_id, spelling)
