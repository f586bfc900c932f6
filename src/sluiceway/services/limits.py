"""ACH limits of organizations: what is left of them, and setting them."""

from collections.abc import Mapping

from sluiceway.domain.ach import eastern_day
from sluiceway.domain.audit import Act, operators_act
from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import AchRoom, ErrorCode, PaymentSide
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.movements import Movements, bank_days
from sluiceway.storage import ach as stored
from sluiceway.storage.ach import Limit, Period, Room
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import find_organizations, lock_organization

LIMIT_CODES = {
    (PaymentSide.CREDIT, Period.DAY): ErrorCode.DAILY_ACH_CREDIT_LIMIT_REACHED,
    (PaymentSide.CREDIT, Period.MONTH): ErrorCode.MONTHLY_ACH_CREDIT_LIMIT_REACHED,
    (PaymentSide.DEBIT, Period.DAY): ErrorCode.DAILY_ACH_DEBIT_LIMIT_REACHED,
    (PaymentSide.DEBIT, Period.MONTH): ErrorCode.MONTHLY_ACH_DEBIT_LIMIT_REACHED,
}
_NONE: Mapping[PaymentSide, tuple[AchRoom, ...]] = {}


class AchRooms:
    """What is left of every limit while a batch is decided; payments of the batch use it up as they are made."""

    def __init__(self, movements: Movements, rooms: Mapping[stored.LimitKey, Room]) -> None:
        """Start from what was locked."""
        self._movements = movements
        self._left: dict[OrganizationId, dict[PaymentSide, tuple[AchRoom, ...]]] = {}
        # DAY sorts before MONTH: whichever is reached first in that order is named.
        for key in sorted(rooms):
            room = AchRoom(LIMIT_CODES[key.side, key.period], rooms[key].amount, rooms[key].transfers)
            sides = self._left.setdefault(key.organization_id, {})
            sides[key.side] = (*sides.get(key.side, ()), room)

    def left(self, organization_id: OrganizationId) -> Mapping[PaymentSide, tuple[AchRoom, ...]]:
        """Tell what is left of an organization's limits."""
        return self._left.get(organization_id, _NONE)

    def use(self, organization_id: OrganizationId, source: AccountId, arrival: AccountId, amount: Cents) -> None:
        """Count a transfer that is about to be made; `arrival` is where its money goes (see `arrival_of`)."""
        rooms = self._left.get(organization_id)
        if rooms is None:
            return
        for side in self._sides(organization_id, source, arrival):
            rooms[side] = tuple(_less(room, amount) for room in rooms.get(side, ()))

    def reached_by(
        self, organization_id: OrganizationId, source: AccountId, arrival: AccountId, amount: Cents
    ) -> ErrorCode | None:
        """Tell which limit a transfer would exceed; None: none."""
        rooms = self._left.get(organization_id, _NONE)
        for side in self._sides(organization_id, source, arrival):
            for room in rooms.get(side, ()):
                is_too_much = room.amount is not None and amount > room.amount
                if is_too_much or (room.transfers is not None and room.transfers < 1):
                    return room.code
        return None

    def _sides(self, organization_id: OrganizationId, source: AccountId, arrival: AccountId) -> list[PaymentSide]:
        book = self._movements.books[organization_id]
        sides = [PaymentSide.DEBIT] if not book.accounts[source].is_kept else []
        return sides if book.accounts[arrival].is_kept else [*sides, PaymentSide.CREDIT]


async def load_rooms(tx: WriteTx, movements: Movements) -> AchRooms:
    """Lock the limits of the organizations whose external accounts are at hand, and tell what is left of them."""
    outward = {
        organization_id
        for organization_id, book in movements.books.items()
        if any(not account.is_kept for account in book.accounts.values())
    }
    days = bank_days({key: movements.clocks[key] for key in outward})
    return AchRooms(movements, await stored.lock_rooms(tx, days) if outward else {})


async def set_limit(
    engine: Engine,
    organization_id: OrganizationId,
    side: PaymentSide,
    period: Period,
    *,
    amount: Cents | None,
    transfers: int | None,
    act: Act | None = None,
) -> None:
    """Set how much (None: no limit) an organization may send (CREDIT) or take (DEBIT) in a day or month."""

    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, organization_id)
        await stored.set_limit(tx, organization_id, side, period, Room(amount, transfers))

    await do(engine, act or operators_act(organization_id, "SET_ACH_LIMIT"), work)


async def list_limits(engine: Engine, organization_id: OrganizationId) -> list[Limit]:
    """List an organization's limits with what has been used of each today and this month."""
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        return await stored.list_limits(tx, organization_id, eastern_day(organization.clock.read(engine.now())))


def _less(room: AchRoom, amount: Cents) -> AchRoom:
    return AchRoom(
        room.code,
        None if room.amount is None else room.amount - amount,
        None if room.transfers is None else room.transfers - 1,
    )
