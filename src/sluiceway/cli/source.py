"""Reads another server by its public API: its accounts and rules, and what of them cannot be taken over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

import msgspec

from sluiceway.api.platform.wire.rule_bodies import read_shown_rule
from sluiceway.client import Account, Balance, Denied, NotFound, NotUnderstood, Pages, Request, RuleSummary, Sluiceway
from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import AccountId, IdKind, RuleId, parse_id
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import MAX_CENTS, NO_CENTS, Cents, Percent, parse_percent
from sluiceway.domain.rules import Fields, refuse
from sluiceway.services.accounts import NewAccount
from sluiceway.services.importing import ImportAccount, ImportRule

T = TypeVar("T")

NO_WORDS: Final = Problem("", "this API has no words for it; make it here by hand")
GONE: Final = Problem("", "it was deleted while it was read")
_INVALID: Final = "INVALID_RULE"
_LONGEST_NAME: Final = 200
_LONGEST_TEXT: Final = 4096
_KINDS: Final = (AccountKind.INCOME_SOURCE, AccountKind.POD, AccountKind.EXTERNAL_ACCOUNT)


class Unread(NamedTuple):
    """An account or rule of the source that cannot be taken over, and why."""

    id: str
    name: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What the key may see, oldest first; names are by id."""

    accounts: list[ImportAccount] = field(default_factory=list[ImportAccount])
    rules: list[ImportRule] = field(default_factory=list[ImportRule])
    names: dict[str, str] = field(default_factory=dict[str, str])
    unread_accounts: list[Unread] = field(default_factory=list[Unread])
    unread_rules: list[Unread] = field(default_factory=list[Unread])


def read_source(client: Sluiceway, *, with_balances: bool) -> Source:
    """Read all accounts and rules that are not deleted. Raises SluicewayError."""
    source = Source()
    _read_accounts(client, source, with_balances=with_balances)
    _read_rules(client, source)
    return source


def _read_accounts(client: Sluiceway, source: Source, *, with_balances: bool) -> None:
    for summary in _oldest_first(client.accounts.list(), lambda each: each.id):
        try:
            account = _account(client.accounts.get(summary.id), with_balances=with_balances)
        except NotFound:
            source.unread_accounts.append(Unread(summary.id, summary.name, (GONE,)))
        except InvalidParameters as refused:
            source.unread_accounts.append(Unread(summary.id, summary.name, refused.problems))
        else:
            source.accounts.append(account)
            source.names[account.id] = summary.name


def _read_rules(client: Sluiceway, source: Source) -> None:
    for summary in _oldest_first(client.rules.list(), lambda each: each.id):
        found = _rule(client, summary)
        if isinstance(found, ImportRule):
            source.rules.append(found)
            source.names[found.id] = summary.name or ""
        else:
            source.unread_rules.append(Unread(summary.id, summary.name or "", found))


def _oldest_first(pages: Pages[T], id_of: Callable[[T], str]) -> Sequence[T]:
    """Walk a list that may grow at its beginning meanwhile, which shows an entry on two pages.

    Raises NotUnderstood for one that would never end, as a server that knows no pages gives it.
    """
    found: dict[str, T] = {}
    for page in pages.pages():
        known = len(found)
        found |= {id_of(each): each for each in page.items}
        if page.has_next and len(found) == known:
            raise NotUnderstood(f"page {page.number} of a list has nothing new, and is said not to be the last")
    return list(found.values())[::-1]


def _rule(client: Sluiceway, summary: RuleSummary) -> ImportRule | tuple[Problem, ...]:
    if not summary.is_supported:
        return (NO_WORDS,)
    try:
        rule_id = RuleId(_id(IdKind.RULE, summary.id))
        # Not as the client's own value, which leaves out what it does not know.
        shown = client.send(Request("GET", f"/rules/{summary.id}", msgspec.Raw))
        rule, typed_accounts = read_shown_rule(bytes(shown))
        return ImportRule(rule_id, rule, typed_accounts)
    except Denied as denied:
        if denied.code != _INVALID:
            raise
        return (NO_WORDS,)
    except NotFound:
        return (GONE,)
    except InvalidParameters as refused:
        return refused.problems


def _account(shown: Account, *, with_balances: bool) -> ImportAccount:
    """Read an account. Raises InvalidParameters."""
    kind = next((kind for kind in _KINDS if kind == shown.type), None)
    if kind is None:
        refuse("type", f"{shown.type} is no type of account that is known here")
    fields = Fields.of(msgspec.structs.asdict(shown), "")
    new = NewAccount(
        kind=kind,
        external_kind=_external_kind(shown) if kind is AccountKind.EXTERNAL_ACCOUNT else None,
        name=fields.text("name", _LONGEST_NAME),
        description=fields.text_or_none("description", _LONGEST_TEXT),
        beneficiary_name=fields.text_or_none("beneficiary_name", _LONGEST_NAME),
        institution_name=fields.text_or_none("institution_name", _LONGEST_NAME),
        routing_number=fields.text_or_none("routing_number", _LONGEST_NAME),
        account_number=fields.text_or_none("bank_account_number", _LONGEST_NAME),
        reported=_reported(shown) if kind is AccountKind.EXTERNAL_ACCOUNT else ReportedBalance(),
        linked_account_id=_linked(shown) if kind is AccountKind.POD else None,
    )
    opening = _opening(shown.balance) if with_balances and kind is not AccountKind.EXTERNAL_ACCOUNT else NO_CENTS
    return ImportAccount(AccountId(_id(IdKind.ACCOUNT, shown.id)), new, opening)


def _external_kind(shown: Account) -> ExternalKind:
    """Read what an external account is; of one added by its numbers the source does not say."""
    if shown.external_account_type is None:
        # Money is never taken from an investment account, so this gives no rule more than it had.
        return ExternalKind.DEPOSITORY if shown.can_be_source else ExternalKind.INVESTMENT
    try:
        return ExternalKind(shown.external_account_type)
    except ValueError:
        refuse("external_account_type", f"{shown.external_account_type} is no type that is known here")


def _linked(shown: Account) -> AccountId | None:
    return None if shown.linked_account is None else AccountId(_id(IdKind.ACCOUNT, shown.linked_account.id))


def _reported(shown: Account) -> ReportedBalance:
    """Read what the source says of an external account: of a liability its statement too."""
    told, is_liability = shown.balance or Balance(), shown.external_account_type == ExternalKind.LIABILITY
    fields = Fields.of(msgspec.structs.asdict(told), "balance")
    reported = ReportedBalance(
        balance=_amount(told.balance_in_cents, "balance_in_cents"),
        available=None if is_liability else _amount(told.available_balance_in_cents, "available_balance_in_cents"),
        error=fields.text_or_none("error", _LONGEST_NAME),
        updated_at=_moment(told.balance_last_updated_at),
    )
    return _with_statement(reported, told) if is_liability else reported


def _with_statement(reported: ReportedBalance, told: Balance) -> ReportedBalance:
    return replace(
        reported,
        last_statement_balance=_amount(told.last_statement_balance_in_cents, "last_statement_balance_in_cents"),
        last_statement_date=told.last_statement_date,
        next_payment_minimum=_amount(told.next_payment_minimum_in_cents, "next_payment_minimum_in_cents"),
        next_payment_due_date=told.next_payment_due_date,
        interest_rate=_rate(told.interest_rate_percentage),
        original_loan_amount=_amount(told.original_loan_amount_in_cents, "original_loan_amount_in_cents"),
    )


def _opening(told: Balance | None) -> Cents:
    amount = None if told is None else _amount(told.balance_in_cents, "balance_in_cents")
    return Cents(max(NO_CENTS, amount or NO_CENTS))


def _amount(value: int | None, name: str) -> Cents | None:
    if value is not None and abs(value) > MAX_CENTS:
        refuse(f"balance/{name}", "is out of range")
    return None if value is None else Cents(value)


def _moment(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


def _rate(value: Decimal | None) -> Percent | None:
    try:
        return None if value is None else parse_percent(value)
    except ValueError as problem:
        refuse("balance/interest_rate_percentage", str(problem))


def _id(kind: IdKind, spelling: str) -> str:
    found = parse_id(kind, spelling)
    if found is None:
        refuse("id", "is no UUID")
    return found
