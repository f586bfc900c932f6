"""Money that has come in and that nothing has sent on yet: what still lies in the income sources.

Money goes in the order in which it came, so what is left is of the latest arrivals.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.ids import AccountId, TransferId
from sluiceway.domain.money import Cents


@dataclass(frozen=True, slots=True)
class Part:
    """What is left of one arrival: `left` of `amount`."""

    transfer_id: TransferId
    description: str | None
    at: datetime
    amount: Cents
    left: Cents


@dataclass(frozen=True, slots=True)
class Unassigned:
    """What lies in one income source. `older`: how much of it is of arrivals before those that are listed."""

    account_id: AccountId
    currency: str
    amount: Cents
    parts: tuple[Part, ...]
    older: Cents


def unassigned(
    account_id: AccountId,
    currency: str,
    amount: Cents,
    latest: Iterable[tuple[TransferId, Cents, str | None, datetime]],
) -> Unassigned:
    """Find which arrivals, given the latest first, an amount is left of."""
    parts: list[Part] = []
    rest = amount
    for transfer_id, arrived, description, at in latest:
        if rest <= 0:
            break
        left = Cents(min(rest, arrived))
        parts.append(Part(transfer_id, description, at, arrived, left))
        rest = Cents(rest - left)
    return Unassigned(account_id, currency, amount, tuple(parts), Cents(max(0, rest)))
