"""What a person or program in the sandbox may do to the world outside: accounts at its bank, faults, the clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.audit import Act
from sluiceway.domain.cards import Card
from sluiceway.domain.errors import BankRefused, ClockRefused, InvalidParameters, NotFound, Refusal, SandboxOnly
from sluiceway.domain.ids import AccountId, CardId, IdKind, OrganizationId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import NO_CENTS, Cents
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.rails.sandbox_checks import fault_problems
from sluiceway.rails.sandbox_issuer import SandboxIssuer
from sluiceway.services import clock as clocks
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.cards import find_card
from sluiceway.services.clock import LAST_YEAR, ClockState
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, KeyTaken, run_idempotently
from sluiceway.services.looking import look
from sluiceway.services.once import claim_plan, find_answer
from sluiceway.storage.accounts import find_account, list_accounts
from sluiceway.storage.bank_rows import BankAccount, BankAccountState, BankCall, Fault, LiabilityFigures
from sluiceway.storage.cards import every_card
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization, find_organizations, lock_organization
from sluiceway.storage.schedules import next_due

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class ConnectAccount:
    """Open an account at the sandbox bank with what `account.reported` says is in it, and connect it.

    With the name of a holding pod it is a manual liability, whose payments wait in that pod. `show` writes the answer
    from the account and the pod.
    """

    organization_id: OrganizationId
    account: NewAccount
    holding_pod_name: str | None
    idempotency: Idempotency | None
    show: Callable[[AccountRecord, AccountRecord | None], Answer]
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """An external account: as we know it, and its state at the bank."""

    record: AccountRecord
    state: BankAccountState


@dataclass(frozen=True, slots=True)
class World:
    """What a sandbox has for people to do something with. `next_due_at`: when something is due next, by its clock."""

    clock: ClockState
    next_due_at: datetime | None
    accounts: list[AccountRecord]
    cards: list[Card]


MOST_SHOWN: Final = 500
"""So many accounts are there to choose from."""


async def read_world(engine: Engine, organization_id: OrganizationId) -> World:
    """Read a sandbox's clock, accounts and cards. Raises SandboxOnly."""
    organization = await sandbox_of(engine, organization_id)
    now = organization.clock.read(engine.now())
    async with engine.database.read() as tx:
        is_paused = organization.paused_at is not None
        return World(
            ClockState(now, organization.clock.is_frozen),
            await next_due(tx, organization_id, now, is_paused=is_paused),
            await list_accounts(tx, organization_id, limit=MOST_SHOWN),
            await every_card(tx, organization_id),
        )


async def sandbox_of(engine: Engine, organization_id: OrganizationId) -> Organization:
    """Read a sandbox organization. Raises SandboxOnly for a live one."""
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
    if not organization.is_sandbox:
        raise SandboxOnly
    return organization


async def connect_account(engine: Engine, organization_id: OrganizationId, new: NewAccount) -> AccountRecord:
    """Open an account at the sandbox bank with what `new.reported` says is in it, and connect it as an external one.

    Raises SandboxOnly, and InvalidParameters for figures that contradict each other.
    """
    made: list[AccountRecord] = []

    def show(record: AccountRecord, _: AccountRecord | None) -> Answer:
        made.append(record)
        return Answer(201, b"")

    await connect(engine, ConnectAccount(organization_id, new, None, None, show))
    return made[-1]


async def connect(engine: Engine, command: ConnectAccount) -> Answer:
    """Open an account at the bank, and connect it. Its movements until now are history, which fires nothing.

    Raises SandboxOnly, InvalidParameters for figures that contradict each other, and the refusals of idempotency.
    """
    new = command.account
    assert new.external_kind is not None, "only external accounts are kept by a bank outside"
    organization = await sandbox_of(engine, command.organization_id)
    at = organization.clock.read(engine.now())
    # Another body under a used key is refused before it has a plan: it must not open an account at the bank.
    await find_answer(engine, organization.id, command.idempotency)
    account_id = AccountId(await claim_plan(engine, organization.id, command.idempotency, engine.new_id))
    account = bank_account_of(account_id, new, new.external_kind)
    problems = await SandboxBank(engine.database).open_account(organization.id, account, at)
    if problems:
        raise InvalidParameters(problems)
    is_all_available = account.available is None and new.external_kind is not ExternalKind.LIABILITY
    available = account.balance if is_all_available else account.available
    told = replace(new.reported, balance=account.balance, available=available, updated_at=at)

    async def effect(tx: WriteTx, _: Sequence[ConnectAccount]) -> list[Answer | Refusal]:
        # Inside the gate: whoever has connected it under the same key has answered too.
        await lock_organization(tx, organization.id)
        if await find_account(tx, organization.id, account_id) is not None:
            raise KeyTaken
        record = await insert_account(engine, tx, organization.id, replace(new, reported=told), account_id)
        pod = None
        if command.holding_pod_name is not None:
            holding = NewAccount(AccountKind.POD, command.holding_pod_name, linked_account_id=account_id)
            pod = await insert_account(engine, tx, organization.id, holding)
        return [command.show(record, pod)]

    [answer] = await run_idempotently(engine, [command], effect)
    if isinstance(answer, Refusal):
        raise answer
    await look(engine, organization.id, [account_id], at_reports=False)
    return answer


def bank_account_of(account_id: AccountId, new: NewAccount, kind: ExternalKind) -> BankAccount:
    """Write an external account as its bank keeps it."""
    reported = new.reported
    return BankAccount(
        id=account_id,
        kind=kind,
        holder_name=new.beneficiary_name,
        currency=new.currency,
        state=BankAccountState.OPEN,
        balance=reported.balance or NO_CENTS,
        available=reported.available,
        figures=LiabilityFigures(
            last_statement_balance=reported.last_statement_balance,
            last_statement_date=reported.last_statement_date,
            next_payment_minimum=reported.next_payment_minimum,
            next_payment_due_date=reported.next_payment_due_date,
            interest_rate=reported.interest_rate,
            original_loan_amount=reported.original_loan_amount,
        ),
    )


async def set_state(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    state: BankAccountState,
) -> Outside:
    """Open, close, freeze or disconnect an external account. Raises SandboxOnly, NotFound and BankRefused."""
    organization = await sandbox_of(engine, organization_id)
    found = await _outside(engine, organization, account_id, spelling)
    at = organization.clock.read(engine.now())
    await SandboxBank(engine.database).set_state(organization_id, found.record.account.id, state, at)
    return await _looked_at(engine, organization, found)


async def set_figures(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    figures: LiabilityFigures,
    debt: Cents | None,
) -> Outside:
    """Replace all that a liability's provider says, and, where `debt` is given, what is owed.

    Raises SandboxOnly, NotFound, BankRefused, and InvalidParameters for figures that contradict each other.
    """
    organization = await sandbox_of(engine, organization_id)
    found = await _outside(engine, organization, account_id, spelling)
    if not found.record.account.is_liability:
        raise BankRefused("the account is not a liability")
    at = organization.clock.read(engine.now())
    bank = SandboxBank(engine.database)
    problems = await bank.set_liability(organization_id, found.record.account.id, figures, at, debt)
    if problems:
        raise InvalidParameters(problems)
    return await _looked_at(engine, organization, found)


async def book_transaction(
    engine: Engine,
    organization_id: OrganizationId,
    account_id: AccountId | None,
    spelling: str,
    *,
    amount: int,
    description: str | None,
    idempotency: Idempotency | None,
) -> datetime:
    """Let somebody outside pay into an external account (positive) or out of it; tell when that was.

    Raises SandboxOnly, NotFound and BankRefused.
    """
    organization = await sandbox_of(engine, organization_id)
    found = await _outside(engine, organization, account_id, spelling)
    if found.state is BankAccountState.CLOSED or found.state is BankAccountState.FROZEN:
        raise BankRefused(f"the account is {found.state.lower()}")
    event_id = await claim_plan(engine, organization_id, idempotency, engine.new_id)
    at = organization.clock.read(engine.now())
    account = found.record.account.id
    bank = SandboxBank(engine.database)
    problems = await bank.book_transaction(organization_id, event_id, account, amount, description, at)
    if problems:
        raise InvalidParameters(problems)
    await look(engine, organization_id, [account], at_reports=False)
    return at


async def fail_next(
    engine: Engine,
    organization_id: OrganizationId,
    call: BankCall,
    fault: Fault,
    times: int,
    *,
    idempotency: Idempotency | None,
) -> None:
    """Let the next calls of a kind to the bank go wrong. Raises SandboxOnly and InvalidParameters."""
    organization = await sandbox_of(engine, organization_id)
    at = organization.clock.read(engine.now())
    if problems := fault_problems(call, fault, times):
        raise InvalidParameters(problems)
    asked_id = await claim_plan(engine, organization_id, idempotency, engine.new_id)
    problems = await SandboxBank(engine.database).fail_next(organization_id, asked_id, call, fault, times, at)
    assert not problems, "they were looked for"


async def decline_next(
    engine: Engine,
    organization_id: OrganizationId,
    card_id: CardId | None,
    spelling: str,
    *,
    times: int,
    idempotency: Idempotency | None,
) -> Card:
    """Let the issuer decline the next purchases of a card. Raises SandboxOnly and NotFound."""
    await sandbox_of(engine, organization_id)
    card = await find_card(engine, organization_id, card_id, spelling)
    asked_id = await claim_plan(engine, organization_id, idempotency, engine.new_id)
    await SandboxIssuer(engine.database).decline_next(organization_id, card.id, asked_id, times)
    return card


async def _outside(engine: Engine, organization: Organization, account_id: AccountId | None, spelling: str) -> Outside:
    """Find an external account that the sandbox bank keeps. Raises NotFound and BankRefused."""
    record = None
    if account_id is not None:
        async with engine.database.read() as tx:
            record = await find_account(tx, organization.id, account_id)
    if record is None or record.deleted_at is not None:
        raise NotFound(IdKind.ACCOUNT, spelling)
    at = organization.clock.read(engine.now())
    account = await SandboxBank(engine.database).find_account(organization.id, record.account.id, at)
    if account is None:
        raise BankRefused("it does not keep this account")
    return Outside(record, account.state)


async def _looked_at(engine: Engine, organization: Organization, found: Outside) -> Outside:
    account_id = found.record.account.id
    await look(engine, organization.id, [account_id], at_reports=False)
    return await _outside(engine, organization, account_id, account_id)


# ------------------------------------------------------------------------------------------------------------ the clock


async def read_clock(engine: Engine, organization_id: OrganizationId) -> ClockState:
    """Tell the sandbox's time. Raises SandboxOnly."""
    await sandbox_of(engine, organization_id)
    return await clocks.read_clock(engine, organization_id)


async def advance(
    engine: Engine, organization_id: OrganizationId, idempotency: Idempotency | None, by: timedelta | datetime
) -> ClockState:
    """Move the clock forward by so much, or to an instant, past everything that is due in between.

    A repeated call goes on to where the first one was going, if that was interrupted. Raises SandboxOnly, and
    ClockRefused for a time in the past or too far ahead.
    """
    organization = await sandbox_of(engine, organization_id)
    was_frozen = organization.clock.is_frozen
    now = organization.clock.read(engine.now())
    plan = await claim_plan(
        engine, organization_id, idempotency, lambda: f"{_target(now, by).isoformat()} {'frozen' * was_frozen}"
    )
    instant, _, frozen = plan.partition(" ")
    target = datetime.fromisoformat(instant)
    state = await clocks.read_clock(engine, organization_id)
    if state.now < target:
        state = await clocks.advance(engine, organization_id, target)
    if state.is_frozen and not frozen:
        # Whoever was interrupted left a clock standing still that ran before.
        state = replace(await clocks.resume(engine, organization_id), stops=state.stops)
    return state


def _target(now: datetime, by: timedelta | datetime) -> datetime:
    # Moments are shown to the millisecond: the one that was shown as now is not in the past.
    target = now + by if isinstance(by, timedelta) else max(by, now) if by > now - _MILLISECOND else by
    if target < now:
        raise ClockRefused("the clock never goes back")
    if target.year > LAST_YEAR:
        raise ClockRefused(f"the clock goes no further than the year {LAST_YEAR}")
    return target
