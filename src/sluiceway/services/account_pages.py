"""An account's page: how its days ended, what moved in and out with the rule and run of each, the rules around it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.attention import title_of
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, OrganizationId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import looks_at, sentence, ways_of
from sluiceway.domain.targets import Standing, Target, standing
from sluiceway.domain.transfers import Direction, Mode, TransferStatus
from sluiceway.services.attention import failing_rules
from sluiceway.services.engine import Engine
from sluiceway.services.money_map import Node, node_of
from sluiceway.services.overview import MOST, organization_of
from sluiceway.storage import accounts as stored_accounts
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.attention import FailedRun, rule_names, uses_of_cards
from sluiceway.storage.database import ReadTx
from sluiceway.storage.days import MOST_DAYS, balances_by_day
from sluiceway.storage.targets import list_targets
from sluiceway.storage.transfers import list_transfers

_DAY: Final = timedelta(days=1)


class MovementKind(StrEnum):
    """What moved it: a transfer, or a card."""

    TRANSFER = "TRANSFER"
    CARD = "CARD"


@dataclass(frozen=True, slots=True)
class Movement:
    """One thing that moved, or was to move, money into or out of an account. `amount` is negative where it goes out.

    `rule_id` and `execution_id`: which rule in which run made it; None: a person, a program, the bank or a card did.
    """

    id: str
    kind: MovementKind
    amount: Cents
    currency: str
    status: TransferStatus
    at: datetime
    other_id: AccountId | None
    other_name: str | None
    description: str | None
    error_code: str | None
    rule_id: RuleId | None
    rule_name: str | None
    execution_id: ExecutionId | None
    made_by: str


@dataclass(frozen=True, slots=True)
class RuleAround:
    """A rule that has to do with an account. `reads`: what it does depends on it; `takes`, `pays`: from it, into it."""

    record: RuleRecord
    sentence: str
    reads: bool
    takes: tuple[str, ...]
    pays: tuple[str, ...]
    failed_run: FailedRun | None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One account with what stands around it."""

    now: datetime
    record: AccountRecord
    linked: AccountRecord | None
    target: Target | None
    standing: Standing | None
    rules: Sequence[RuleAround]


@dataclass(frozen=True, slots=True)
class Day:
    """How a day ended; None: nothing is known from before the first that is."""

    on: date
    balance: Cents | None


async def list_pages(engine: Engine, organization_id: OrganizationId) -> tuple[datetime, list[Node]]:
    """List the accounts with their targets, oldest first, up to MOST."""
    async with engine.database.read() as tx:
        organization = await organization_of(tx, organization_id)
        now = organization.clock.read(engine.now())
        records = (await stored_accounts.list_accounts(tx, organization_id, limit=MOST))[::-1]
        targets = await list_targets(tx, organization_id)
    return now, [node_of(record, targets.get(record.account.id), organization.day(now), set()) for record in records]


async def account_page(
    engine: Engine, organization_id: OrganizationId, account_id: AccountId | None, spelling: str
) -> AccountPage:
    """Read an account's page, also of a deleted one. Raises NotFound."""
    async with engine.database.read() as tx:
        organization = await organization_of(tx, organization_id)
        now = organization.clock.read(engine.now())
        record = await _find(tx, organization_id, account_id, spelling)
        linked_id = record.account.linked_account_id
        linked = None if linked_id is None else await stored_accounts.find_account(tx, organization_id, linked_id)
        target = (await list_targets(tx, organization_id, record.account.id)).get(record.account.id)
        rules = (await stored_rules.list_rules(tx, organization_id, limit=MOST))[::-1]
        around = [each for each in rules if _has_to_do(each, record.account.id)]
        mentioned = await stored_accounts.find_accounts(tx, organization_id, _mentioned(around))
        failing = await failing_rules(tx, organization_id) if around else {}
    names = {account.id: account.name for account in mentioned.values()}
    currencies = {account.id: account.currency for account in mentioned.values()}
    stands = None if target is None else standing(target, record.account.current(record.balance), organization.day(now))
    return AccountPage(
        now=now,
        record=record,
        linked=linked,
        target=target,
        standing=stands,
        rules=[_around(each, record.account.id, names, currencies, failing) for each in around],
    )


async def _find(
    tx: ReadTx, organization_id: OrganizationId, account_id: AccountId | None, spelling: str
) -> AccountRecord:
    found = None if account_id is None else await stored_accounts.find_account(tx, organization_id, account_id)
    if found is None:
        raise NotFound(IdKind.ACCOUNT, spelling)
    return found


def _has_to_do(record: RuleRecord, account_id: AccountId) -> bool:
    return account_id in looks_at(record.rule) or any(way.destination == account_id for way in ways_of(record.rule, {}))


def _mentioned(rules: Sequence[RuleRecord]) -> set[AccountId]:
    return {
        account_id
        for record in rules
        for account_id in (*looks_at(record.rule), *(way.destination for way in ways_of(record.rule, {})))
    }


def _around(
    record: RuleRecord,
    account_id: AccountId,
    names: dict[AccountId, str],
    currencies: dict[AccountId, str],
    failing: dict[RuleId, FailedRun],
) -> RuleAround:
    on_its_ways = list(ways_of(record.rule, names, currencies))
    return RuleAround(
        record=record,
        sentence=sentence(record.rule, names, currencies),
        reads=account_id in looks_at(record.rule),
        takes=tuple(dict.fromkeys(way.label for way in on_its_ways if way.source == account_id)),
        pays=tuple(dict.fromkeys(way.label for way in on_its_ways if way.destination == account_id)),
        failed_run=failing.get(record.id),
    )


async def balance_history(
    engine: Engine, organization_id: OrganizationId, account_id: AccountId | None, spelling: str, days: int
) -> list[Day]:
    """Tell how the last so many days ended for an account, today as it is now. Raises NotFound."""
    async with engine.database.read() as tx:
        organization = await organization_of(tx, organization_id)
        today = organization.clock.read(engine.now()).date()
        record = await _find(tx, organization_id, account_id, spelling)
        first = today - (min(days, MOST_DAYS) - 1) * _DAY
        known = await balances_by_day(tx, organization_id, record.account.id, first, today)
    before = [day for day in known if day < first]
    balance = known[before[0]] if before else None
    if balance is None and record.account.is_kept:
        # An account of ours begins empty.
        balance = Cents(0) if record.created_at.date() < first else None
    found: list[Day] = []
    for number in range((today - first).days + 1):
        day = first + number * _DAY
        balance = known.get(day, balance)
        found.append(Day(day, balance))
    return found


async def movements(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    before_id: str | None,
    limit: int,
) -> list[Movement]:
    """List what moved into and out of an account, newest first. `before_id` continues a list. Raises NotFound."""
    async with engine.database.read() as tx:
        record = await _find(tx, organization_id, account_id, spelling)
        account = record.account
        transfers = await list_transfers(
            tx, organization_id, [account.id], mode=Mode.LIVE, before_id=before_id, limit=limit
        )
        cards = await uses_of_cards(tx, organization_id, account.id, before_id, limit)
        named = await rule_names(tx, organization_id, {each.rule_id for each in transfers if each.rule_id is not None})
    found = [
        Movement(
            id=each.id,
            kind=MovementKind.TRANSFER,
            amount=Cents(-each.amount if is_out else each.amount),
            currency=each.currency,
            status=each.status,
            at=each.completed_at or each.created_at,
            other_id=None if other is None else other.id,
            other_name=None if other is None else other.name,
            description=each.description,
            error_code=each.error_code,
            rule_id=each.rule_id,
            rule_name=None if each.rule_id is None else named[each.rule_id].name,
            execution_id=each.execution_id,
            made_by=each.origin.value,
        )
        for each in transfers
        for is_out in [each.source is not None and each.source.id == account.id]
        for other in [each.destination if is_out else each.source]
    ]
    found += [
        Movement(
            id=use.id,
            kind=MovementKind.CARD,
            amount=Cents(-use.amount if use.direction is Direction.MONEY_OUT else use.amount),
            currency=account.currency,
            status=TransferStatus.COMPLETE,
            at=use.at,
            other_id=None,
            other_name=None,
            description=use.description,
            error_code=None,
            rule_id=None,
            rule_name=None,
            execution_id=None,
            made_by="CARD",
        )
        for use in cards
    ]
    return sorted(found, key=lambda each: each.id, reverse=True)[:limit]


async def is_sandbox(engine: Engine, organization_id: OrganizationId) -> bool:
    """Tell whether an organization's bank is the sandbox's."""
    async with engine.database.read() as tx:
        return (await organization_of(tx, organization_id)).is_sandbox


async def titles_of(engine: Engine, organization_id: OrganizationId, rule_ids: Collection[RuleId]) -> dict[RuleId, str]:
    """Tell what rules are called."""
    async with engine.database.read() as tx:
        found = await rule_names(tx, organization_id, rule_ids)
    return {rule_id: title_of(named.name) for rule_id, named in found.items()}
