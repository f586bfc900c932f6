"""What a card issuer must be able to do for us. Like a bank, it is called while no transaction of ours is open."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from sluiceway.domain.ids import CardId, OrganizationId
from sluiceway.domain.money import Cents


class Issued(NamedTuple):
    """A card that has been issued: the last four digits of its number, and the last day on which it pays."""

    last_four: str
    expires_on: date


class Authorization(NamedTuple):
    """A purchase that somebody wants to make with a card. `key` is its own: the same key is the same purchase."""

    organization_id: OrganizationId
    card_id: CardId
    key: str
    amount: Cents


class CardIssuer(Protocol):
    """Who issues cards. `at` is the organization's clock."""

    async def issue(self, organization_id: OrganizationId, card_id: CardId, at: datetime) -> Issued:
        """Issue a card. The same id again gives the same card."""
        ...

    async def authorize(self, purchases: Sequence[Authorization]) -> list[bool]:
        """Tell which purchases it lets through, in order. What it has declined once it declines again.

        Whether there is money for them is not its concern.
        """
        ...
