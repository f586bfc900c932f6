"""Reads everything, and gives what contradicts itself. Owns no table and changes nothing."""

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, LiteralString, NamedTuple

from sluiceway.domain.ids import ApprovalId, ExecutionId, OrganizationId, RuleId
from sluiceway.domain.revisions import RevisionKey
from sluiceway.storage.database import ReadTx, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)

_TIMEOUT: Final = "10min"
_PAGE: Final = 500
_NIL: Final = "00000000-0000-0000-0000-000000000000"


class Check(StrEnum):
    """What is checked in SQL."""

    SUMS = "sums_are_zero"
    BALANCES = "balances_equal_postings"
    CHAINS = "balances_follow_each_other"
    ON_THE_WAY = "money_on_its_way_is_in_transfers"
    FLOORS = "no_account_below_its_floor"
    TRANSFERS = "transfers_equal_postings"
    CARDS = "card_transactions_equal_postings"
    ONCE = "transfers_are_made_once"
    ENDS = "executions_end_or_are_due"
    APPROVALS = "executions_are_approved"
    ENABLED = "enabled_rules_are_approved"
    COUNTS = "executions_count_their_transfers"
    CAPS = "limits_count_their_transfers"
    LEGS = "legs_fit_their_transfers"
    BANK = "the_banks_book_equals_ours"


_CHECKS: Final[dict[Check, LiteralString]] = {
    Check.SUMS: QUERIES["sums_that_are_not_zero"],
    Check.BALANCES: QUERIES["balances_without_their_postings"],
    Check.CHAINS: QUERIES["chains_that_break"],
    Check.ON_THE_WAY: QUERIES["money_on_its_way_without_transfer"],
    Check.FLOORS: QUERIES["accounts_below_their_floor"],
    Check.TRANSFERS: QUERIES["transfers_unlike_their_postings"],
    Check.CARDS: QUERIES["card_transactions_unlike_their_postings"],
    Check.ONCE: QUERIES["transfers_made_twice"],
    Check.ENDS: QUERIES["executions_in_limbo"],
    Check.APPROVALS: QUERIES["executions_without_approval"],
    Check.ENABLED: QUERIES["rules_without_approval"],
    Check.COUNTS: QUERIES["executions_that_miscount"],
    Check.CAPS: QUERIES["caps_that_miscount"],
    Check.LEGS: QUERIES["legs_unlike_their_transfer"],
    Check.BANK: QUERIES["legs_unlike_the_bank"],
}


class Examined(NamedTuple):
    """How many there are of everything that is looked at."""

    currencies: int
    accounts: int
    postings: int
    transfers: int
    executions: int
    rules: int
    revisions: int
    limits: int
    legs: int
    payments: int
    entries: int
    occurrences: int
    uses: int
    """Of cards."""
    days: int
    rule_days: int
    answers: int
    events: int
    deliveries: int
    reports: int


class Mismatch(NamedTuple):
    """One counter-example: whose, which, and the two sides that should be equal."""

    organization_id: str
    id: str
    expected: str
    found: str


class Revision(NamedTuple):
    """A revision as it is stored: its definition, unread, and the hash that was signed."""

    key: RevisionKey
    definition: Any
    fingerprint: bytes


class Ran(NamedTuple):
    """An occurrence of a schedule that has run: which local time of which rule, and when."""

    organization_id: OrganizationId
    rule_id: RuleId
    nominal: datetime
    execution_id: ExecutionId
    approval_id: ApprovalId
    scheduled_for: datetime
    awaited: datetime
    definition: Any
    """The rule as it ran, unread."""


async def take_room(tx: ReadTx) -> None:
    """Let this transaction's statements use more memory and time than a request may."""
    await fetch_all(tx, QUERIES["take_room"], {"timeout": _TIMEOUT})


async def count_examined(tx: ReadTx, only: OrganizationId | None) -> Examined:
    """Count everything; here and below of one organization, or of all (None)."""
    row = await fetch_one(tx, QUERIES["examined"], {"only": only})
    assert row is not None, "a query of counts has one row"
    return Examined(*row)


async def find_mismatches(
    tx: ReadTx, only: OrganizationId | None, check: Check, limit: int
) -> tuple[int, list[Mismatch]]:
    """Run one check: how many counter-examples there are, and the first of them."""
    rows = await fetch_all(tx, _CHECKS[check], {"only": only, "limit": limit})
    return (rows[0][4] if rows else 0), [Mismatch(*row[:4]) for row in rows]


async def every_occurrence(tx: ReadTx, only: OrganizationId | None) -> AsyncGenerator[Ran]:
    """Go through all occurrences of schedules that have run, each rule's in order of their local times."""
    last: dict[str, object] = {"after_id": _NIL, "rule_id": _NIL, "nominal": datetime.min}  # noqa: DTZ901
    while True:
        rows = await fetch_all(tx, QUERIES["occurrences_after"], {**last, "only": only, "limit": _PAGE})
        for row in rows:
            yield Ran(*row)
        if len(rows) < _PAGE:
            return
        last = dict(zip(("after_id", "rule_id", "nominal"), rows[-1][:3], strict=True))


async def every_revision(tx: ReadTx, only: OrganizationId | None) -> AsyncGenerator[Revision]:
    """Go through all revisions of all rules."""
    last = RevisionKey(OrganizationId(_NIL), RuleId(_NIL), 0)
    while True:
        after = {"after_id": last.organization_id, "rule_id": last.rule_id, "revision": last.revision}
        rows = await fetch_all(tx, QUERIES["revisions_after"], {**after, "only": only, "limit": _PAGE})
        for row in rows:
            yield Revision(RevisionKey(*row[:3]), row[3], row[4])
        if len(rows) < _PAGE:
            return
        last = RevisionKey(*rows[-1][:3])
