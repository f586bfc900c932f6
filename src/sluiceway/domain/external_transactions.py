"""A movement on an external account, as its bank lists it: one-sided, and not ours to change."""

from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.ids import AccountId


@dataclass(frozen=True, slots=True)
class ExternalTransaction:
    """One movement. A positive amount is money in, for a liability too (a payment)."""

    id: str
    account_id: AccountId
    amount: int
    description: str | None
    happened_at: datetime
