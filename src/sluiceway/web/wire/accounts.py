"""Accounts in the app's words: what is in them and since when that is known, targets, days, movements, rules around."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sluiceway.api.http import Choice
from sluiceway.domain.access import Role
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.attention import FRESHNESS_WORDS, Freshness, freshness
from sluiceway.domain.clocks import day_in_words
from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.money import Cents as Money
from sluiceway.domain.rules import format_money, refuse, visible
from sluiceway.domain.targets import Pace, Standing, Target
from sluiceway.domain.transfer_stories import STATUS_WORDS
from sluiceway.services.account_pages import AccountPage, Day, Movement, MovementKind, RuleAround
from sluiceway.services.accounts import NewAccount
from sluiceway.services.money_map import Layer, Node, name_of
from sluiceway.web.wire.shapes import (
    Cents,
    Moment,
    read_body,
    read_text,
    show_day,
    show_moment,
    show_moment_or_none,
)
from sluiceway.web.wire.shapes import Day as DayShown

KIND_WORDS: Final = {
    AccountKind.INCOME_SOURCE: "Income source",
    AccountKind.POD: "Pod",
}
EXTERNAL_WORDS: Final = {
    ExternalKind.DEPOSITORY: "Bank account",
    ExternalKind.INVESTMENT: "Investment",
    ExternalKind.LIABILITY: "Debt",
}
PACE_WORDS: Final = {
    Pace.MET: "Met",
    Pace.ON_PACE: "On pace",
    Pace.BEHIND: "Behind",
    Pace.BELOW: "Not there yet",
    Pace.UNKNOWN: "Not known",
}
SPANS: Final = {"30": 30, "90": 90, "365": 365}
DAYS: Final = Choice("days", SPANS, "How many days, today included; 90 unless it is said.")

AccountKindName = Literal["INCOME_SOURCE", "POD", "EXTERNAL_ACCOUNT"]
ExternalKindName = Literal["DEPOSITORY", "INVESTMENT", "LIABILITY"]
LayerName = Literal["INCOME", "ROUTING", "PODS", "OUTSIDE"]
FreshnessName = Literal["KEPT", "FRESH", "OLD", "UNKNOWN", "DISCONNECTED"]
PaceName = Literal["MET", "ON_PACE", "BEHIND", "BELOW", "UNKNOWN"]
MovementKindName = Literal["TRANSFER", "CARD"]
AccountAct = Literal["MOVE_MONEY", "SET_TARGET", "DELETE"]
AccountsAct = Literal["CREATE_ACCOUNT", "MOVE_MONEY"]


class FreshnessShown(Struct, rename="camel"):
    """How well a balance is known, in a word and in words; `at`: of when it is."""

    state: FreshnessName
    said: str
    at: Moment | None


class TargetShown(Struct, rename="camel"):
    """What somebody wants in an account, and how far it is. `percent` is whole, from 0 to 100; `said` tells it all."""

    amount_in_cents: Cents
    by: DayShown | None
    pace: PaceName
    word: str
    said: str
    percent: int
    short_in_cents: Cents
    a_month_in_cents: Cents | None


class AccountShown(Struct, rename="camel"):
    """An account. Null amounts are not known. Of a debt, `balanceInCents` is what is owed.

    `said`: all of it in a sentence. `canSend`: money can be taken from it.
    """

    id: str
    name: str
    kind: AccountKindName
    external_kind: ExternalKindName | None
    kind_word: str
    said: str
    can_send: bool
    layer: LayerName
    currency: str
    balance_in_cents: Cents | None
    available_in_cents: Cents | None
    held_in_cents: Cents
    expected_in_cents: Cents
    overdrawn_in_cents: Cents
    freshness: FreshnessShown
    institution_name: str | None
    target: TargetShown | None


class AccountsShown(Struct, rename="camel"):
    """All accounts, oldest first, and what the one who asks may do."""

    accounts: list[AccountShown]
    can: list[AccountsAct]


class RuleAroundShown(Struct, rename="camel"):
    """A rule that has to do with an account: whether it looks at it, and how much it takes from it and pays into it."""

    id: str
    title: str
    sentence: str
    is_enabled: bool
    reads: bool
    takes: list[str]
    pays: list[str]
    failed_run_id: str | None


class StatementShown(Struct, rename="camel"):
    """What a lender has said of a debt."""

    balance_in_cents: Cents | None
    on: DayShown | None
    minimum_in_cents: Cents | None
    due_on: DayShown | None


class AccountName(Struct):
    """Another account."""

    id: str
    name: str


class AccountPageShown(Struct, rename="camel"):
    """One account with what stands around it. `holdsFor`: the debt whose payments wait in this pod."""

    account: AccountShown
    description: str | None
    beneficiary_name: str | None
    floor_in_cents: Cents
    is_deleted: bool
    created_at: Moment
    holds_for: AccountName | None
    statement: StatementShown | None
    rules: list[RuleAroundShown]
    can: list[AccountAct]


class DayBalance(Struct, rename="camel"):
    """How a day ended."""

    on: DayShown
    balance_in_cents: Cents | None


class DaysShown(Struct, rename="camel"):
    """How days ended, the oldest first; today is as it is now. `said` tells it in a sentence."""

    currency: str
    said: str
    days: list[DayBalance]


class MovementShown(Struct, rename="camel"):
    """What moved, or was to move, money into an account or (negative) out of it, and what made it.

    `otherName`: the other end, null where that is somebody outside. `madeBy`: in words, where it was no rule.
    """

    id: str
    kind: MovementKindName
    amount_in_cents: Cents
    currency: str
    status: str
    status_word: str
    at: Moment
    other_id: str | None
    other_name: str | None
    description: str | None
    rule_id: str | None
    rule_title: str | None
    run_id: str | None
    made_by: str


class NewAccountAsked(Struct, rename="camel", forbid_unknown_fields=True):
    """A new account. Of one at a bank, `externalKind`; its balance, where it is known, or what is owed on a debt."""

    kind: AccountKindName
    name: str
    external_kind: ExternalKindName | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    institution_name: str | UnsetType = UNSET
    beneficiary_name: str | UnsetType = UNSET
    balance_in_cents: int | UnsetType = UNSET


class TargetAsked(Struct, rename="camel", forbid_unknown_fields=True):
    """What is wanted in an account: an amount, at some time or by the end of a day."""

    amount_in_cents: int
    by: str | None = None


def word_of(record: AccountRecord) -> str:
    """Name the kind of an account for people."""
    external = record.account.external_kind
    return KIND_WORDS[record.account.kind] if external is None else EXTERNAL_WORDS[external]


def show_account(node: Node, now: datetime) -> AccountShown:
    """Show an account."""
    record, account, balance = node.record, node.record.account, node.record.balance
    kind: AccountKindName = msgspec.convert(account.kind.value, AccountKindName)
    return AccountShown(
        id=format_id(IdKind.ACCOUNT, account.id),
        name=visible(record.name),
        kind=kind,
        external_kind=None if account.external_kind is None else account.external_kind.value,
        kind_word=word_of(record),
        said=_sentence(record, now),
        can_send=account.can_be_source,
        layer=node.layer.value,
        currency=account.currency,
        balance_in_cents=account.current(balance),
        available_in_cents=None if account.is_liability else account.available(balance),
        held_in_cents=balance.held_out,
        expected_in_cents=balance.expected_in,
        overdrawn_in_cents=balance.overdrawn,
        freshness=_freshness(record, now),
        institution_name=record.institution_name,
        target=None
        if node.target is None or node.standing is None
        else _target(node.target, node.standing, account.currency),
    )


def _sentence(record: AccountRecord, now: datetime) -> str:
    account = record.account
    current = account.current(record.balance)
    held = "an unknown amount" if current is None else format_money(current, account.currency)
    verb = "owing" if account.is_liability else "holding"
    state = freshness(account, now)
    known = "" if state in (Freshness.KEPT, Freshness.FRESH) else f" {FRESHNESS_WORDS[state]}."
    return f"{visible(record.name)}, {word_of(record).lower()}, {verb} {held}.{known}"


def _freshness(record: AccountRecord, now: datetime) -> FreshnessShown:
    state = freshness(record.account, now)
    at = None if state is Freshness.KEPT else record.account.reported.updated_at
    return FreshnessShown(state.value, FRESHNESS_WORDS[state], show_moment_or_none(at))


def _target(target: Target, standing: Standing, currency: str) -> TargetShown:
    reached = target.amount - standing.short
    return TargetShown(
        amount_in_cents=target.amount,
        by=show_day(target.by_day),
        pace=standing.pace.value,
        word=PACE_WORDS[standing.pace],
        said=_said(target, standing, currency),
        percent=0 if standing.pace is Pace.UNKNOWN else max(0, min(100, 100 * reached // target.amount)),
        short_in_cents=standing.short,
        a_month_in_cents=standing.a_month,
    )


def _said(target: Target, standing: Standing, currency: str) -> str:
    wanted = format_money(target.amount, currency)
    until = "" if target.by_day is None else f" by {day_in_words(target.by_day)}"
    match standing.pace:
        case Pace.MET:
            return f"{wanted}{until}: it is there."
        case Pace.UNKNOWN:
            return f"{wanted}{until}: nobody knows what is there now."
        case Pace.BELOW:
            return f"{wanted}: {format_money(standing.short, currency)} to go."
        case Pace.ON_PACE | Pace.BEHIND:
            a_month = (
                "" if standing.a_month is None else f", which is {format_money(standing.a_month, currency)} a month"
            )
            return f"{wanted}{until}: {format_money(standing.short, currency)} to go{a_month}."


def accounts_acts(role: Role) -> list[AccountsAct]:
    """Tell what somebody with a role may do with accounts."""
    return ["CREATE_ACCOUNT", "MOVE_MONEY"] if role.covers(Role.WRITER) else []


def show_accounts(nodes: Sequence[Node], now: datetime, role: Role) -> AccountsShown:
    """Show all accounts."""
    return AccountsShown([show_account(node, now) for node in nodes], accounts_acts(role))


def show_page(page: AccountPage, role: Role) -> AccountPageShown:
    """Show one account with what stands around it."""
    record, account = page.record, page.record.account
    reported = account.reported
    node = Node(record, _layer(record), page.target, page.standing)
    return AccountPageShown(
        account=show_account(node, page.now),
        description=record.description,
        beneficiary_name=record.beneficiary_name,
        floor_in_cents=account.floor,
        is_deleted=account.is_deleted,
        created_at=show_moment(record.created_at),
        holds_for=None
        if page.linked is None
        else AccountName(format_id(IdKind.ACCOUNT, page.linked.account.id), visible(page.linked.name)),
        statement=StatementShown(
            reported.last_statement_balance,
            show_day(reported.last_statement_date),
            reported.next_payment_minimum,
            show_day(reported.next_payment_due_date),
        )
        if account.is_liability
        else None,
        rules=[_around(each) for each in page.rules],
        can=_acts(page.record, role),
    )


def _acts(record: AccountRecord, role: Role) -> list[AccountAct]:
    if not role.covers(Role.WRITER) or record.account.is_deleted:
        return []
    return ["MOVE_MONEY", "DELETE"] if record.account.is_liability else ["MOVE_MONEY", "SET_TARGET", "DELETE"]


def _layer(record: AccountRecord) -> Layer:
    match record.account.kind:
        case AccountKind.INCOME_SOURCE:
            return Layer.INCOME
        case AccountKind.EXTERNAL_ACCOUNT:
            return Layer.OUTSIDE
        case _:
            return Layer.PODS


def _around(around: RuleAround) -> RuleAroundShown:
    return RuleAroundShown(
        id=format_id(IdKind.RULE, around.record.id),
        title=name_of(around.record),
        sentence=around.sentence,
        is_enabled=around.record.is_enabled,
        reads=around.reads,
        takes=list(around.takes),
        pays=list(around.pays),
        failed_run_id=None if around.failed_run is None else format_id(IdKind.EXECUTION, around.failed_run.id),
    )


def show_days(record: AccountRecord, days: Sequence[Day]) -> DaysShown:
    """Show how days ended, and say it."""
    currency = record.account.currency
    known = [(day.on, day.balance) for day in days if day.balance is not None]
    if not known:
        said = f"Nothing is known of {visible(record.name)} in these days."
    else:
        (first, began), (_, ends) = known[0], known[-1]
        low, high = (pick(balance for _, balance in known) for pick in (min, max))
        said = (
            f"{visible(record.name)} had {format_money(began, currency)} on {day_in_words(first)} and has "
            f"{format_money(ends, currency)} now; at least {format_money(low, currency)} and at most "
            f"{format_money(high, currency)} at the end of a day in between."
        )
    return DaysShown(currency, said, [DayBalance(day.on.isoformat(), day.balance) for day in days])


_MADE_BY: Final = {
    "DIRECT_DEPOSIT": "A deposit",
    "CHECK_DEPOSIT": "A check",
    "CASHBACK": "Cashback",
    "USER_PULL": "By hand",
    "RULE": "A rule",
    "USER": "By hand",
    "EXTERNAL_PULL": "Collected from outside",
    "UNKNOWN": "Not known",
    "CARD": "A card",
}


def show_movement(movement: Movement) -> MovementShown:
    """Show one thing that moved money."""
    is_card = movement.kind is MovementKind.CARD
    kind = IdKind.CARD_TRANSACTION if is_card else IdKind.TRANSFER
    return MovementShown(
        id=format_id(kind, movement.id),
        kind=movement.kind.value,
        amount_in_cents=movement.amount,
        currency=movement.currency,
        status=movement.status.value,
        status_word=STATUS_WORDS[movement.status],
        at=show_moment(movement.at),
        other_id=None if movement.other_id is None else format_id(IdKind.ACCOUNT, movement.other_id),
        other_name=None if movement.other_name is None else visible(movement.other_name),
        description=None if movement.description is None else visible(movement.description),
        rule_id=None if movement.rule_id is None else format_id(IdKind.RULE, movement.rule_id),
        rule_title=None if movement.rule_id is None else visible(movement.rule_name or "A rule without a name"),
        run_id=None if movement.execution_id is None else format_id(IdKind.EXECUTION, movement.execution_id),
        made_by=_MADE_BY[movement.made_by],
    )


def read_new_account(body: object) -> NewAccount:
    """Read a new account. Raises InvalidParameters."""
    asked = read_body(body, NewAccountAsked)
    kind = AccountKind(asked.kind)
    is_outside = kind is AccountKind.EXTERNAL_ACCOUNT
    problems: list[Problem] = []
    if is_outside == isinstance(asked.external_kind, UnsetType):
        said = "must say what it is at its bank" if is_outside else "is only of accounts at a bank"
        problems.append(Problem("externalKind", said))
    if not is_outside and not isinstance(asked.balance_in_cents, UnsetType):
        problems.append(Problem("balanceInCents", "is only of accounts at a bank; others begin empty"))
    if problems:
        raise InvalidParameters(tuple(problems))
    balance = None if isinstance(asked.balance_in_cents, UnsetType) else _cents(asked.balance_in_cents)
    currency = "USD" if isinstance(asked.currency, UnsetType) else asked.currency
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):  # noqa: PLR2004 -- ISO 4217
        refuse("currency", "must be the three letters of a currency, such as USD")
    return NewAccount(
        kind=kind,
        name=read_text(asked.name, "name", 100),
        external_kind=None if isinstance(asked.external_kind, UnsetType) else ExternalKind(asked.external_kind),
        currency=currency,
        description=_text(asked.description, "description"),
        institution_name=_text(asked.institution_name, "institutionName"),
        beneficiary_name=_text(asked.beneficiary_name, "beneficiaryName"),
        reported=ReportedBalance(balance=balance),
    )


def _cents(value: int) -> Money:
    if not 0 <= value <= MAX_CENTS:
        refuse("balanceInCents", f"must be from 0 to {MAX_CENTS}")
    return Money(value)


def _text(text: str | UnsetType, path: str) -> str | None:
    return None if isinstance(text, UnsetType) or not text.strip() else read_text(text, path)


def read_target(body: object) -> tuple[Money, date | None]:
    """Read what is wanted in an account. Raises InvalidParameters."""
    asked = read_body(body, TargetAsked)
    if asked.by is None:
        return Money(asked.amount_in_cents), None
    try:
        return Money(asked.amount_in_cents), date.fromisoformat(asked.by)
    except ValueError:
        refuse("by", "must be a day, such as 2026-12-24")
