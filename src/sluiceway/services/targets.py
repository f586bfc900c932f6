"""Targets: what a person wants in an account."""

from datetime import date

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.audit import Act
from sluiceway.domain.errors import InvalidParameters, NotFound, Problem
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.targets import Target
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.storage import targets as stored
from sluiceway.storage.accounts import find_account
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.organizations import find_organizations


async def set_target(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    amount: Cents,
    by_day: date | None,
    act: Act | None = None,
) -> Target:
    """Want an amount in an account (by the end of a day), in the place of what was wanted before.

    Raises NotFound, and InvalidParameters for a debt, for an account of which nobody knows what is in it, or for a day
    that is not to come.
    """

    async def work(tx: WriteTx) -> Target:
        record = await _account(tx, organization_id, account_id, spelling)
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        today = organization.day(organization.clock.read(engine.now()))
        balance = record.account.current(record.balance)
        problems: list[Problem] = []
        if record.account.is_liability:
            problems.append(Problem("accountId", "is a debt, which has no target"))
        elif balance is None:
            problems.append(Problem("accountId", "has no balance to start from"))
        if not 0 < amount <= MAX_CENTS:
            problems.append(Problem("amountInCents", f"must be from 1 to {MAX_CENTS}"))
        if by_day is not None and by_day <= today:
            problems.append(Problem("by", "must be a day to come"))
        if problems or balance is None:
            raise InvalidParameters(tuple(problems))
        target = Target(amount, by_day, today, balance)
        await stored.set_target(tx, organization_id, record.account.id, target)
        return target

    return await do(engine, act, work)


async def clear_target(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    act: Act | None = None,
) -> None:
    """Want nothing more of an account. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        record = await _account(tx, organization_id, account_id, spelling)
        await stored.clear_target(tx, organization_id, record.account.id)

    await do(engine, act, work)


async def _account(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId | None, spelling: str
) -> AccountRecord:
    found = None if account_id is None else await find_account(tx, organization_id, account_id)
    if found is None or found.deleted_at is not None:
        raise NotFound(IdKind.ACCOUNT, spelling)
    return found
