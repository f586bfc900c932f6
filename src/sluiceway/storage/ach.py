"""Owns the tables ach_limit and ach_used: what an organization may send to and take from other banks in a period."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.rules import PaymentSide
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)


class Period(StrEnum):
    """Over what a limit runs, by the calendar of the banks (Eastern time)."""

    DAY = "DAY"
    MONTH = "MONTH"

    def starts_on(self, day: date) -> date:
        """Give the first day of the period in which `day` is."""
        return day if self is Period.DAY else day.replace(day=1)


class LimitKey(NamedTuple):
    """One limit of an organization."""

    organization_id: OrganizationId
    side: PaymentSide
    period: Period


class Room(NamedTuple):
    """What is left of a limit; None: there is no limit."""

    amount: int | None
    transfers: int | None


class Limit(NamedTuple):
    """A limit, and what has been used of it in the present period."""

    side: PaymentSide
    period: Period
    amount: int | None
    transfers: int | None
    used_amount: int
    used_transfers: int


async def lock_rooms(tx: WriteTx, days: Mapping[OrganizationId, date]) -> dict[LimitKey, Room]:
    """Lock the limits of organizations and tell what is left of each; `days` is each one's day at the banks."""
    rows = await fetch_all(tx, QUERIES["limits"], {"organization_ids": sorted(days)})
    limits = {LimitKey(row[0], PaymentSide(row[1]), Period(row[2])): Room(row[3], row[4]) for row in rows}
    if not limits:
        return {}
    keys = sorted(limits)
    used = await fetch_all(
        tx,
        QUERIES["used"],
        {
            "only": only({key.organization_id for key in keys}),
            "organization_ids": [key.organization_id for key in keys],
            "sides": [key.side.value for key in keys],
            "periods": [key.period.value for key in keys],
            "starts_on": [key.period.starts_on(days[key.organization_id]) for key in keys],
        },
    )
    for organization_id, side, period, amount, transfers in used:
        key = LimitKey(organization_id, PaymentSide(side), Period(period))
        limits[key] = Room(_less(limits[key].amount, amount), _less(limits[key].transfers, transfers))
    return limits


async def use_rooms(
    tx: WriteTx,
    uses: Mapping[tuple[OrganizationId, PaymentSide], tuple[int, int]],
    days: Mapping[OrganizationId, date],
) -> None:
    """Count payments (amount, number) in their day and month."""
    rows = [
        (organization_id, side.value, period.value, period.starts_on(days[organization_id]), amount, transfers)
        for (organization_id, side), (amount, transfers) in sorted(uses.items())
        for period in Period
    ]
    if not rows:
        return
    names = ("organization_ids", "sides", "periods", "starts_on", "amounts", "transfers")
    columns = [list(column) for column in zip(*rows, strict=True)]
    await execute(tx, QUERIES["use"], dict(zip(names, columns, strict=True)))


async def set_limit(
    tx: WriteTx, organization_id: OrganizationId, side: PaymentSide, period: Period, room: Room
) -> None:
    """Set a limit; None in the room: no limit."""
    row = {"organization_id": organization_id, "side": side.value, "period": period.value}
    await execute(tx, QUERIES["set_limit"], row | room._asdict())


async def list_limits(tx: ReadTx, organization_id: OrganizationId, day: date) -> list[Limit]:
    """List an organization's limits with what has been used of each."""
    row = {"organization_id": organization_id, "day": day, "month": day.replace(day=1)}
    rows = await fetch_all(tx, QUERIES["list_limits"], row)
    return [Limit(PaymentSide(row[0]), Period(row[1]), *row[2:]) for row in rows]


def _less(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)
