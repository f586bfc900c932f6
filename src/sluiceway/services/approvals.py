"""Transfers that wait for a person: approve exactly what was shown, refuse, let expire; and call transfers back."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sluiceway.domain.access import Principal, require_transfer
from sluiceway.domain.advancing import LegCancelled
from sluiceway.domain.audit import Act, persons_act
from sluiceway.domain.errors import MoneyStopped, NotFound, Refusal, TransferChanged, TransferNotCancellable
from sluiceway.domain.ids import IdKind, OrganizationId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import ErrorCode
from sluiceway.domain.transfers import LegStatus, Transfer, TransferStatus
from sluiceway.services.audit_log import attempt, require_proof
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.services.limits import load_rooms
from sluiceway.services.progress import Progress, carried, load_progress
from sluiceway.services.proofs import Proof
from sluiceway.storage import transfers as stored
from sluiceway.storage.credentials import Person
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.executions import find_execution
from sluiceway.storage.organizations import Organization, lock_organization
from sluiceway.storage.rules import rule_states
from sluiceway.storage.transfers import MovedOn, OnTheWay

AT_ONCE: Final = 200
NOTHING: Final = Cents(0)


@dataclass(frozen=True, slots=True)
class WaitingTransfer:
    """A transfer that waits for a person. Who approves it signs the digest of exactly this."""

    transfer: Transfer
    digest: bytes


async def list_waiting(engine: Engine, organization_id: OrganizationId) -> list[WaitingTransfer]:
    """List the transfers that wait for a person, the one that expires first at the top."""
    async with engine.database.read() as tx:
        ids = await stored.transfers_to_approve(tx, organization_id)
        found = [await stored.find_transfer(tx, organization_id, transfer_id) for transfer_id in ids]
    return [WaitingTransfer(transfer, digest_of(transfer)) for transfer in found if transfer is not None]


async def find_waiting(engine: Engine, organization_id: OrganizationId, transfer_id: TransferId) -> WaitingTransfer:
    """Read one transfer that waits for a person. Raises NotFound."""
    async with engine.database.read() as tx:
        transfer = await stored.find_transfer(tx, organization_id, transfer_id)
    if transfer is None or transfer.status is not TransferStatus.PENDING_APPROVAL:
        raise NotFound(IdKind.TRANSFER, transfer_id)
    return WaitingTransfer(transfer, digest_of(transfer))


def digest_of(transfer: Transfer) -> bytes:
    """Hash what a person is shown of a transfer: between which accounts, under which names, how much, for which run."""
    ends = [None if end is None else (end.id, end.name) for end in (transfer.source, transfer.destination)]
    staged, run = transfer.staged_account_id, transfer.execution_id
    return sha256(repr((transfer.id, ends, staged, int(transfer.amount), transfer.currency, run)).encode()).digest()


async def approve(engine: Engine, person: Person, proof: Proof, transfer_id: TransferId, digest: bytes) -> None:
    """Let a transfer go that waits for a person. Raises what `require_proof` does, NotFound and TransferChanged.

    TransferChanged: it is not what the person was shown, or its rule has been changed or disabled since.
    """
    act = persons_act(person.organization_id, person.id, "APPROVE_TRANSFER", transfer_id)
    await require_proof(engine, person, proof, act)

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, person.organization_id)
        if organization.stopped_for is not None:
            raise MoneyStopped
        shown = await stored.find_transfer(tx, organization.id, transfer_id)
        progress = await load_progress(engine, tx, organization, transfer_ids=[transfer_id])
        transfer = _waiting(progress, transfer_id)
        assert shown is not None, "what waits has been recorded"
        assert shown.approval_expires_at is not None, "approvals end"
        if shown.approval_expires_at <= progress.movements.clocks[organization.id]:
            # Its time has come, though nobody has got round to cancelling it yet.
            raise NotFound(IdKind.TRANSFER, transfer_id)
        if digest_of(shown) != digest or not await _is_rule_as_it_was(tx, organization, shown):
            raise TransferChanged
        await _approve(tx, progress, transfer, person)
        await progress.write(tx)

    await attempt(engine, act, work)
    engine.wake()


async def refuse(engine: Engine, person: Person, proof: Proof, transfer_id: TransferId) -> None:
    """Refuse a transfer that waits for a person: it is cancelled. Raises NotFound and what `require_proof` does."""
    act = persons_act(person.organization_id, person.id, "REFUSE_TRANSFER", transfer_id)
    await require_proof(engine, person, proof, act)

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, person.organization_id)
        progress = await load_progress(engine, tx, organization, transfer_ids=[transfer_id])
        _let_go(progress, _waiting(progress, transfer_id), TransferStatus.CANCELLED, "APPROVAL_REFUSED", person)
        await progress.write(tx)

    await attempt(engine, act, work)


async def expiring_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations in which a transfer has waited too long for a person."""
    async with engine.database.read() as tx:
        return await stored.approvals_to_expire(tx, engine.now())


async def expire(engine: Engine, organization_id: OrganizationId) -> int:
    """Cancel transfers that nobody has approved in time; return how many."""

    async def work(tx: WriteTx) -> int:
        organization = await lock_organization(tx, organization_id)
        at = organization.clock.read(engine.now())
        expired = await stored.expired_approvals(tx, organization_id, at, AT_ONCE)
        progress = await load_progress(engine, tx, organization, transfer_ids=expired)
        for transfer_id in expired:
            _let_go(progress, progress.transfers[transfer_id], TransferStatus.CANCELLED, "APPROVAL_EXPIRED", None)
        await progress.write(tx)
        return len(expired)

    return await engine.database.write(work)


async def require_cancel(engine: Engine, principal: Principal, transfer_id: TransferId | None) -> None:
    """Raise PermissionDenied or MaximumAmountExceeded unless the key may call this transfer back.

    A transfer that does not exist is refused to whoever could not make every transfer.
    """
    found = None
    if transfer_id is not None:
        async with engine.database.read() as tx:
            found = await stored.find_transfer(tx, principal.organization_id, transfer_id)
    _require(principal, found)


def _require(principal: Principal, found: Transfer | None) -> None:
    source = None if found is None or found.source is None else found.source.id
    destination = None if found is None or found.destination is None else found.destination.id
    require_transfer(principal, source, destination, found.amount if found is not None else NOTHING)


@dataclass(frozen=True, slots=True)
class CancelTransfer:
    """Call a transfer back. `show` writes the answer, which is remembered under the idempotency key."""

    principal: Principal
    transfer_id: TransferId | None
    spelling: str
    idempotency: Idempotency | None
    show: Callable[[Transfer], Answer]
    act: Act | None = None

    @property
    def organization_id(self) -> OrganizationId:
        """Whose transfer it is."""
        return self.principal.organization_id


async def cancel(engine: Engine, command: CancelTransfer) -> Answer:
    """Call a transfer back that has not been handed over, or that waits for a person.

    The key must be allowed to make a transfer like it. Raises PermissionDenied, MaximumAmountExceeded, NotFound,
    TransferNotCancellable and the refusals of idempotency.
    """

    async def effect(tx: WriteTx, _: object) -> list[Answer | Refusal]:
        try:
            return [command.show(await _call_back(engine, tx, command))]
        except Refusal as refusal:
            # Whatever refuses does so before anything is written.
            return [refusal]

    [answer] = await run_idempotently(engine, [command], effect)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def _call_back(engine: Engine, tx: WriteTx, command: CancelTransfer) -> Transfer:
    organization, transfer_id = await lock_organization(tx, command.organization_id), command.transfer_id
    found = None if transfer_id is None else await stored.find_transfer(tx, organization.id, transfer_id)
    _require(command.principal, found)
    if found is None:
        raise NotFound(IdKind.TRANSFER, command.spelling)
    progress = await load_progress(engine, tx, organization, transfer_ids=[found.id])
    _cancel(progress, progress.transfers.get(found.id))
    await progress.write(tx)
    left = await stored.find_transfer(tx, organization.id, found.id)
    assert left is not None, "a cancelled transfer keeps its row"
    return left


def _cancel(progress: Progress, transfer: OnTheWay | None) -> None:
    if transfer is None:
        raise TransferNotCancellable
    if transfer.status is TransferStatus.PENDING_APPROVAL:
        _let_go(progress, transfer, TransferStatus.CANCELLED, "CANCELLED", None)
        return
    legs = progress.legs[transfer.id]
    if transfer.status is not TransferStatus.PROCESSING or any(leg.attempts for leg in legs):
        # The bank may have it already.
        raise TransferNotCancellable
    [leg] = legs
    assert leg.status is LegStatus.PROCESSING, "a transfer to be handed over has a leg to be handed over"
    progress.news(leg.id, LegCancelled(), "CANCELLED")


def _waiting(progress: Progress, transfer_id: TransferId) -> OnTheWay:
    transfer = progress.transfers.get(transfer_id)
    if transfer is None or transfer.status is not TransferStatus.PENDING_APPROVAL:
        raise NotFound(IdKind.TRANSFER, transfer_id)
    return transfer


async def _is_rule_as_it_was(tx: ReadTx, organization: Organization, transfer: Transfer) -> bool:
    if transfer.execution_id is None or transfer.rule_id is None:
        return True
    execution = await find_execution(tx, organization.id, transfer.execution_id)
    states = await rule_states(tx, [(organization.id, transfer.rule_id)])
    state = states[organization.id, transfer.rule_id]
    return execution is not None and state.approval_id is not None and state.approval_id == execution.approval_id


async def _approve(tx: WriteTx, progress: Progress, transfer: OnTheWay, person: Person) -> None:
    """Do what would have been done at once, had nobody had to be asked."""
    movements = progress.movements
    book = movements.books[progress.organization_id]
    if not transfer.is_source_external and not transfer.is_destination_external:
        book.settle(transfer.id, transfer.source, transfer.destination, transfer.amount)
        book.expect(transfer.destination, -transfer.amount)
        progress.move_on(transfer, _decided(progress, transfer, TransferStatus.COMPLETE, None, person))
        return
    ends = (book.accounts[transfer.source], book.accounts[transfer.destination])
    if any(end.reported.error == ErrorCode.DISCONNECTED_ACCOUNT for end in ends):
        code: ErrorCode | None = ErrorCode.DISCONNECTED_ACCOUNT
    else:
        rooms = await load_rooms(tx, movements)
        code = rooms.reached_by(progress.organization_id, transfer.source, transfer.destination, transfer.amount)
    if code is not None:
        _let_go(progress, transfer, TransferStatus.ERROR, None, person, code)
        return
    movements.hand_over(carried(progress.organization_id, transfer))
    progress.move_on(transfer, _decided(progress, transfer, TransferStatus.PROCESSING, None, person))


def _let_go(
    progress: Progress,
    transfer: OnTheWay,
    status: TransferStatus,
    reason: str | None,
    person: Person | None,
    code: ErrorCode | None = None,
) -> None:
    """Give back what was held for a transfer that will not happen."""
    book = progress.movements.books[progress.organization_id]
    if transfer.is_source_external:
        book.hold_outside(transfer.source, -transfer.amount)
    else:
        book.release(transfer.id, transfer.source, transfer.destination, transfer.amount)
    book.expect(transfer.destination, -transfer.amount)
    progress.move_on(transfer, _decided(progress, transfer, status, reason, person, code))


def _decided(
    progress: Progress,
    transfer: OnTheWay,
    status: TransferStatus,
    reason: str | None,
    person: Person | None,
    code: ErrorCode | None = None,
) -> MovedOn:
    return MovedOn(
        organization_id=progress.organization_id,
        id=transfer.id,
        status=status,
        error_code=code,
        at=progress.movements.clocks[progress.organization_id],
        status_reason=reason,
        decided_by=None if person is None else person.id,
        is_decided=True,
    )
