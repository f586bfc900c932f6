"""What people outside do with money in a sandbox: their banks settle and return payments, send money and collect it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.errors import BankRefused, InvalidParameters, NotFound
from sluiceway.domain.ids import AccountId, IdKind, LegId, OrganizationId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Origin, Transfer
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.rails.sandbox_book import NotDone
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Idempotency
from sluiceway.services.looking import expect_news, look
from sluiceway.services.once import claim_plan
from sluiceway.services.sandbox import sandbox_of
from sluiceway.services.transfers import find_with_legs
from sluiceway.storage.accounts import find_account
from sluiceway.storage.bank_rows import BankEvent, EventKind
from sluiceway.storage.transfers import list_transfers

_ORIGINS: Final = {EventKind.DEPOSIT: Origin.DIRECT_DEPOSIT, EventKind.WITHDRAWAL: Origin.EXTERNAL_PULL}
_AT_ONCE: Final = 50
_REASONS: Final = {
    NotDone.UNKNOWN_PAYMENT: "it has no payment for this transfer",
    NotDone.NOT_CARRIED: "it does not carry the payment, which was refused or cancelled",
    NotDone.ALREADY_SETTLED: "the payment has settled already",
    NotDone.ALREADY_RETURNED: "the payment has been returned already",
    NotDone.WRONG_KIND: "there is no such return for this kind of payment",
    NotDone.TOO_LATE: "the deadline for this return has passed",
}
_LOOK_FURTHER: Final = (NotDone.UNKNOWN_PAYMENT, NotDone.WRONG_KIND)

Act = Callable[[LegId], Awaitable[NotDone | None]]


@dataclass(frozen=True, slots=True)
class TransferToMove:
    """A transfer whose payment somebody outside moves on, as a caller names it."""

    organization_id: OrganizationId
    id: TransferId | None
    spelling: str
    idempotency: Idempotency | None = None


async def settle_transfer(engine: Engine, named: TransferToMove) -> Transfer:
    """Let the payment that the bank has for a transfer settle now. Raises SandboxOnly, NotFound and BankRefused."""
    at = (await sandbox_of(engine, named.organization_id)).clock.read(engine.now())
    bank = SandboxBank(engine.database)
    return await _move_on(
        engine, named, lambda key: bank.settle_now(named.organization_id, key, at), NotDone.ALREADY_SETTLED
    )


async def return_transfer(engine: Engine, named: TransferToMove, code: ReturnCode) -> Transfer:
    """Let the latest payment of a transfer that can be returned with this code be returned now, settled or not.

    Raises SandboxOnly, NotFound and BankRefused.
    """
    at = (await sandbox_of(engine, named.organization_id)).clock.read(engine.now())
    bank = SandboxBank(engine.database)
    return await _move_on(
        engine, named, lambda key: bank.return_now(named.organization_id, key, code, at), NotDone.ALREADY_RETURNED
    )


async def _move_on(engine: Engine, named: TransferToMove, act: Act, done_before: NotDone) -> Transfer:
    organization_id = named.organization_id
    transfer = await _get(engine, named)
    obstacle = NotDone.UNKNOWN_PAYMENT
    is_again = await _is_asked_again(engine, named, transfer)
    await expect_news(engine, organization_id, [organization_id, *{leg.account_id for leg in transfer.legs}])
    for leg in reversed(transfer.legs):
        found = await act(leg.id)
        # The same call elsewhere may have been quicker than this one, or than this one's first attempt.
        was_done = leg.return_code if done_before is NotDone.ALREADY_RETURNED else leg.settled_at
        is_done = found is done_before and named.idempotency is not None and (is_again or was_done is None)
        if found is None or is_done:
            await look(engine, organization_id, [leg.account_id])
            return await _get(engine, named)
        if found not in _LOOK_FURTHER:
            raise BankRefused(_REASONS[found])
        obstacle = found if found is NotDone.WRONG_KIND else obstacle
    raise BankRefused(_REASONS[obstacle])


async def _is_asked_again(engine: Engine, named: TransferToMove, transfer: Transfer) -> bool:
    """Tell whether the same call was on its way before: then what has been done already is what it did."""
    if not any(leg.attempts for leg in transfer.legs):
        # The bank has nothing to do it with, so nothing is planned, and a refusal leaves nothing behind.
        return False
    mine = engine.new_id()
    return await claim_plan(engine, named.organization_id, named.idempotency, lambda: mine) != mine


async def _get(engine: Engine, named: TransferToMove) -> Transfer:
    found = None if named.id is None else await find_with_legs(engine, named.organization_id, named.id)
    if found is None:
        raise NotFound(IdKind.TRANSFER, named.spelling)
    return found


async def move_from_outside(
    engine: Engine,
    organization_id: OrganizationId,
    kind: EventKind,
    account_id: AccountId | None,
    spelling: str,
    *,
    amount: Cents,
    description: str | None = None,
    payee_name: str | None = None,
    idempotency: Idempotency | None,
) -> Transfer | None:
    """Let somebody outside send money to an account that we keep (DEPOSIT) or collect some from it (WITHDRAWAL).

    Through the bank, which reports it. Gives the transfer that this made; None: the bank has not told yet. Raises
    SandboxOnly, and NotFound also for accounts that others keep.
    """
    organization = await sandbox_of(engine, organization_id)
    record = None
    if account_id is not None:
        async with engine.database.read() as tx:
            record = await find_account(tx, organization_id, account_id)
    if record is None or record.deleted_at is not None or not record.account.is_kept:
        raise NotFound(IdKind.ACCOUNT, spelling)
    event_id = await claim_plan(engine, organization_id, idempotency, engine.new_id)
    at = organization.clock.read(engine.now())
    event = BankEvent(event_id, kind, record.account.id, at, amount, description, payee_name)
    await expect_news(engine, organization_id, [organization_id])
    problems = await SandboxBank(engine.database).plan(organization_id, [event], at)
    if problems:
        raise InvalidParameters(problems)
    await look(engine, organization_id)
    return await _made_by(engine, organization_id, event)


async def _made_by(engine: Engine, organization_id: OrganizationId, event: BankEvent) -> Transfer | None:
    """Find the transfer that an event has made: the first one like it that is younger. Ids grow with time."""
    async with engine.database.read() as tx:
        found = await list_transfers(
            tx, organization_id, [event.account_id], origin=_ORIGINS[event.kind], limit=_AT_ONCE
        )
    like = (event.amount, event.description)
    younger = [one for one in found if one.id > event.id and (one.amount, one.description) == like]
    return younger[-1] if younger else None
