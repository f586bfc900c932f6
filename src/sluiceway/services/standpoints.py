"""How an organization stands now: what drafts and reviews are looked at from. Reads one state; writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, OrganizationId, RuleId
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Rule, Snapshot
from sluiceway.services.engine import Engine
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.database import ReadTx
from sluiceway.storage.organizations import Organization, find_organizations


@dataclass(frozen=True, slots=True)
class Standpoint:
    """An organization as it stands: its accounts with their balances, and its rules."""

    organization: Organization
    at: datetime
    records: Mapping[AccountId, AccountRecord]
    rules: list[RuleRecord]

    @property
    def accounts(self) -> dict[AccountId, Account]:
        """Give the facts of all accounts, deleted ones too."""
        return {account_id: record.account for account_id, record in self.records.items()}

    @property
    def names(self) -> dict[AccountId, str]:
        """Give the accounts' names."""
        return {account_id: record.name for account_id, record in self.records.items()}

    @property
    def currencies(self) -> dict[AccountId, str]:
        """Give the accounts' currencies."""
        return {account_id: record.account.currency for account_id, record in self.records.items()}

    def others(self, rule_id: RuleId | None) -> list[Rule]:
        """Give the enabled rules but one."""
        return [record.rule for record in self.rules if record.is_enabled and record.id != rule_id]

    def snapshot(self) -> Snapshot:
        """Give the present balances, for conditions to be looked at; nothing about limits, which no condition sees."""
        balances = {account_id: record.balance for account_id, record in self.records.items()}
        return Snapshot(self.accounts, balances, at=self.at)


async def stand_in(tx: ReadTx, engine: Engine, organization_id: OrganizationId) -> Standpoint:
    """Read how an organization stands."""
    organization = (await find_organizations(tx, [organization_id]))[organization_id]
    records = await list_accounts(tx, organization_id, with_deleted=True)
    return Standpoint(
        organization,
        organization.clock.read(engine.now()),
        {record.account.id: record for record in records},
        await stored_rules.list_rules(tx, organization_id),
    )


async def read_standpoint(engine: Engine, organization_id: OrganizationId) -> Standpoint:
    """Read how an organization stands, for whoever reads nothing else."""
    async with engine.database.read() as tx:
        return await stand_in(tx, engine, organization_id)
