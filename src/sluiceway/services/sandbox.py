"""What a person or program in the sandbox may do to the world outside: accounts at its bank, and what happens there."""

from dataclasses import replace

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.errors import InvalidParameters, SandboxOnly
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.money import NO_CENTS
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.engine import Engine
from sluiceway.storage.bank_rows import BankAccount, BankAccountState, LiabilityFigures
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization, find_organizations


async def connect_account(engine: Engine, organization_id: OrganizationId, new: NewAccount) -> AccountRecord:
    """Open an account at the sandbox bank with what `new.reported` says is in it, and connect it as an external one.

    Raises SandboxOnly, and InvalidParameters for figures that contradict each other.
    """
    assert new.external_kind is not None, "only external accounts are kept by a bank outside"
    organization = await sandbox_of(engine, organization_id)
    at = organization.clock.read(engine.now())
    account_id = AccountId(engine.new_id())
    reported = new.reported
    problems = await SandboxBank(engine.database).open_account(
        organization_id,
        BankAccount(
            id=account_id,
            kind=new.external_kind,
            holder_name=new.beneficiary_name,
            currency=new.currency,
            state=BankAccountState.OPEN,
            balance=reported.balance or NO_CENTS,
            available=reported.available,
            figures=LiabilityFigures(
                last_statement_balance=reported.last_statement_balance,
                last_statement_date=reported.last_statement_date,
                next_payment_minimum=reported.next_payment_minimum,
                next_payment_due_date=reported.next_payment_due_date,
                interest_rate=reported.interest_rate,
                original_loan_amount=reported.original_loan_amount,
            ),
        ),
        at,
    )
    if problems:
        raise InvalidParameters(problems)
    is_all_available = reported.available is None and new.external_kind is not ExternalKind.LIABILITY
    available = reported.balance if is_all_available else reported.available
    told = replace(reported, available=available, updated_at=at)

    async def work(tx: WriteTx) -> AccountRecord:
        return await insert_account(engine, tx, organization_id, replace(new, reported=told), account_id)

    return await engine.database.write(work)


async def sandbox_of(engine: Engine, organization_id: OrganizationId) -> Organization:
    """Read a sandbox organization. Raises SandboxOnly for a live one."""
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
    if not organization.is_sandbox:
        raise SandboxOnly
    return organization
