"""An account as it is kept and shown: the facts and figures that decisions need, and what people call it."""

from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.ledger import Account, Balance


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One account of an organization."""

    organization_id: OrganizationId
    account: Account
    balance: Balance
    name: str
    description: str | None
    icon: str | None
    beneficiary_name: str | None
    institution_name: str | None
    routing_number: str | None
    account_number: str | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
