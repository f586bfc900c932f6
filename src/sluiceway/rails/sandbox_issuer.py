"""The sandbox issuer: cards whose numbers follow from their ids, and purchases that it declines when told to."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

from sluiceway.domain.ach import eastern_day
from sluiceway.domain.cards import last_day
from sluiceway.domain.ids import CardId, OrganizationId
from sluiceway.rails.issuing import Authorization, CardIssuer, Issued
from sluiceway.storage import issuing as stored
from sluiceway.storage.database import Database, WriteTx
from sluiceway.storage.issuing import DeclineRow

MOST_DECLINES: Final = 1000
_NUMBERS: Final = 10_000


class SandboxIssuer(CardIssuer):
    """An issuer, and what a test or a person in the sandbox may do to it."""

    def __init__(self, database: Database) -> None:
        """Keep the issuer's book in a database."""
        self._database = database

    async def issue(self, organization_id: OrganizationId, card_id: CardId, at: datetime) -> Issued:  # noqa: ARG002 -- whose card it is makes no difference here
        """Issue a card."""
        digest = blake2b(card_id.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "big") % _NUMBERS
        return Issued(f"{number:04}", last_day(eastern_day(at)))

    async def authorize(self, purchases: Sequence[Authorization]) -> list[bool]:
        """Decline as many purchases of a card as were asked for, the first ones that come."""
        cards = [(purchase.organization_id, purchase.card_id) for purchase in purchases]
        if not cards:
            return []
        async with self._database.read() as tx:
            if not await stored.has_declines(tx, cards):
                return [True] * len(purchases)

        async def work(tx: WriteTx) -> list[bool]:
            rows = await stored.lock_declines(tx, cards, [purchase.key for purchase in purchases])
            taken: list[DeclineRow] = []
            answers = [not _declines(rows, purchase, taken) for purchase in purchases]
            await stored.take_declines(tx, taken)
            return answers

        return await self._database.write(work)

    # ------------------------------------------------------------------------------------------------- the controls

    async def decline_next(self, organization_id: OrganizationId, card_id: CardId, asked_id: str, times: int) -> None:
        """Decline so many more purchases of a card. The same `asked_id` again asks for nothing more."""
        assert 1 <= times <= MOST_DECLINES, "so many are read in one go"

        async def work(tx: WriteTx) -> None:
            await stored.insert_declines(tx, organization_id, card_id, asked_id, times)

        await self._database.write(work)


def _declines(rows: list[DeclineRow], purchase: Authorization, taken: list[DeclineRow]) -> bool:
    """Tell whether a purchase is declined, taking the first decline of its card that waits for one."""
    of_card = [
        index
        for index, row in enumerate(rows)
        if (row.organization_id, row.card_id) == (purchase.organization_id, purchase.card_id)
    ]
    if any(rows[index].purchase_key == purchase.key for index in of_card):
        return True
    waiting = next((index for index in of_card if rows[index].purchase_key is None), None)
    if waiting is None:
        return False
    rows[waiting] = rows[waiting]._replace(purchase_key=purchase.key)
    taken.append(rows[waiting])
    return True
