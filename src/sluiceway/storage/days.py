"""Owns account_day and rule_day: how each account's day ended, and what rules moved on each day."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final, NamedTuple

from sluiceway.domain.ids import AccountId, OrganizationId, RuleId
from sluiceway.domain.ledger import AccountKind, Book
from sluiceway.domain.money import Cents
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)

MOST_DAYS: Final = 1_830
"""Five years: no longer history is read at once."""


class Way(NamedTuple):
    """From one account to another, by one rule of an organization, on one day."""

    organization_id: OrganizationId
    day: date
    rule_id: RuleId
    source: AccountId
    destination: AccountId


class Moved(NamedTuple):
    """How much, in how many transfers; and how much came back."""

    amount: int
    transfers: int
    returned: int

    def plus(self, other: "Moved") -> "Moved":
        """Add up."""
        return Moved(self.amount + other.amount, self.transfers + other.transfers, self.returned + other.returned)


NOTHING_MOVED: Final = Moved(0, 0, 0)


async def end_days(
    tx: WriteTx, books: Iterable[tuple[OrganizationId, Book]], clocks: Mapping[OrganizationId, datetime]
) -> None:
    """Keep what the touched accounts of ours now hold as how their day ended."""
    rows = [
        (organization_id, account_id, clocks[organization_id].date(), book.balances[account_id].posted)
        for organization_id, book in books
        for account_id in sorted(book.touched)
        if book.accounts[account_id].kind in (AccountKind.POD, AccountKind.INCOME_SOURCE)
    ]
    if rows:
        await _end(tx, rows)


async def end_day(
    tx: WriteTx, organization_id: OrganizationId, account_id: AccountId, at: datetime, balance: Cents
) -> None:
    """Keep what a bank reports of an account as how its day ended."""
    await _end(tx, [(organization_id, account_id, at.date(), balance)])


async def _end(tx: WriteTx, rows: list[tuple[OrganizationId, AccountId, date, int]]) -> None:
    organization_ids, account_ids, days, balances = map(list, zip(*rows, strict=True))
    await execute(
        tx,
        QUERIES["end_days"],
        {"organization_ids": organization_ids, "account_ids": account_ids, "days": days, "balances": balances},
    )


async def add_moved(tx: WriteTx, moved: Mapping[Way, Moved]) -> None:
    """Add to what rules moved."""
    if not moved:
        return
    ways = sorted(moved)
    organization_ids, days, rule_ids, sources, destinations = map(list, zip(*ways, strict=True))
    await execute(
        tx,
        QUERIES["add_moved"],
        {
            "organization_ids": organization_ids,
            "days": days,
            "rule_ids": rule_ids,
            "sources": sources,
            "destinations": destinations,
            "moved": [moved[way].amount for way in ways],
            "transfers": [moved[way].transfers for way in ways],
            "returned": [moved[way].returned for way in ways],
        },
    )


async def balances_by_day(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId, from_day: date, to_day: date
) -> dict[date, Cents]:
    """Read how days ended, with the latest before the first: a day that is not named ended as the one before it."""
    rows = await fetch_all(
        tx,
        QUERIES["balances_by_day"],
        {
            "organization_id": organization_id,
            "account_id": account_id,
            "from_day": from_day,
            "to_day": to_day,
            "limit": MOST_DAYS,
        },
    )
    return {day: Cents(balance) for day, balance in rows}


async def moved_by_rules(
    tx: ReadTx, organization_id: OrganizationId, from_day: date, to_day: date, rule_id: RuleId | None = None
) -> dict[tuple[RuleId, AccountId, AccountId], Moved]:
    """Read what rules (or one) moved from one day to another, both included, by (rule, source, destination)."""
    rows = await fetch_all(
        tx,
        QUERIES["moved_by_rules_in"],
        {"organization_id": organization_id, "from_day": from_day, "to_day": to_day, "rule_id": rule_id},
    )
    return {(row[0], row[1], row[2]): Moved(*row[3:]) for row in rows}
