"""What needs a person: something that waits, or that keeps a rule from doing its work; each with what would fix it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import ErrorCode, needs, visible


class NeedKind(StrEnum):
    """What sort of thing needs a person; the order is that of the list."""

    PAUSED = "PAUSED"
    APPROVALS = "APPROVALS"
    FAILED_RUN = "FAILED_RUN"
    FEED = "FEED"
    DRAFT = "DRAFT"
    WEBHOOK = "WEBHOOK"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that needs a person, in words. `subject_id`: of the run, account, rule or endpoint that it is about.

    `action`: what would fix it, as it stands on a button. `at`: since when, or when it ends.
    """

    kind: NeedKind
    title: str
    detail: str
    action: str
    subject_id: str | None = None
    rule_id: str | None = None
    at: datetime | None = None


def title_of(name: str | None) -> str:
    """Give what a rule is called where somebody reads it."""
    return visible(name) if name else "A rule without a name"


def problem_of(account: Account, age_limit: timedelta | None, now: datetime) -> str | None:
    """Say why a bank's balance is not to be had or is too old for a rule; None: it will do."""
    reported = account.reported
    if account.is_kept or account.is_deleted:
        return None
    if reported.error == ErrorCode.DISCONNECTED_ACCOUNT:
        return "is disconnected from its bank"
    if reported.error is not None:
        return "gives no balance: its bank cannot be reached"
    if age_limit is not None and (reported.updated_at is None or now - reported.updated_at > age_limit):
        return "has a balance that is older than a rule allows"
    return None


def blocked_feeds(
    accounts: dict[AccountId, Account], enabled: list[RuleRecord], now: datetime
) -> list[tuple[Account, str, list[RuleRecord]]]:
    """List accounts whose balance cannot be had though enabled rules need it: why, and which rules those are.

    A feed that no enabled rule needs keeps nobody from anything, and is not listed.
    """
    found: dict[AccountId, tuple[Account, str, list[RuleRecord]]] = {}
    for record in enabled:
        for account_id in sorted(needs(record.rule).accounts):
            account = accounts.get(account_id)
            problem = None if account is None else problem_of(account, record.rule.max_balance_age, now)
            if account is not None and problem is not None:
                found.setdefault(account_id, (account, problem, []))[2].append(record)
    return list(found.values())


class Freshness(StrEnum):
    """How well the balance of an account is known."""

    KEPT = "KEPT"
    """By ourselves, to the cent, at every moment."""
    FRESH = "FRESH"
    OLD = "OLD"
    UNKNOWN = "UNKNOWN"
    """The bank could not be asked, or has never said."""
    DISCONNECTED = "DISCONNECTED"


OLD_AFTER: Final = timedelta(days=2)
"""Banks are asked several times a day: what has not been heard for so long has a reason."""
FRESHNESS_WORDS: Final = {
    Freshness.KEPT: "Kept here",
    Freshness.FRESH: "From its bank",
    Freshness.OLD: "Not heard for days",
    Freshness.UNKNOWN: "Bank not reachable",
    Freshness.DISCONNECTED: "Disconnected",
}


def freshness(account: Account, now: datetime) -> Freshness:
    """Tell how well the balance of an account is known."""
    if account.is_kept:
        return Freshness.KEPT
    reported = account.reported
    if reported.error == ErrorCode.DISCONNECTED_ACCOUNT:
        return Freshness.DISCONNECTED
    if reported.error is not None or reported.updated_at is None:
        return Freshness.UNKNOWN
    return Freshness.OLD if now - reported.updated_at > OLD_AFTER else Freshness.FRESH
