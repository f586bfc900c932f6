"""Moves transfers on inside an organization's gate: what banks and people decide, applied to ledger and executions."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from sluiceway.domain.advancing import (
    Effect,
    EffectKind,
    LegCancelled,
    LegReturned,
    LegState,
    News,
    Path,
    Role,
    Step,
    advance,
)
from sluiceway.domain.executions import Counts, ExecutionStatus, explain, status_of
from sluiceway.domain.ids import AccountId, ExecutionId, LegId, OrganizationId, TransferId
from sluiceway.domain.ledger import Book
from sluiceway.domain.transfers import Leg, LegPurpose, LegStatus, TransferStatus
from sluiceway.domain.transfers import Origin as TransferOrigin
from sluiceway.services.engine import Engine
from sluiceway.services.movements import Carried, Movements, Origin, fired_rules
from sluiceway.storage.accounts import OwnAccounts, lock_accounts, own_accounts, reopen_accounts
from sluiceway.storage.database import WriteTx
from sluiceway.storage.days import Moved
from sluiceway.storage.executions import Tally, lock_executions, recount_execution
from sluiceway.storage.legs import LegStep, lock_legs, transfers_of_legs
from sluiceway.storage.organizations import Organization
from sluiceway.storage.outbox import EventKind
from sluiceway.storage.transfers import MovedOn, OnTheWay, transfers_on_the_way

_OPEN = (TransferStatus.PENDING_APPROVAL, TransferStatus.PROCESSING, TransferStatus.PENDING)


@dataclass(slots=True)
class Progress:
    """The transfers of one organization that may move on in this transaction, and everything that doing so touches."""

    organization_id: OrganizationId
    movements: Movements
    own: dict[tuple[OrganizationId, str], OwnAccounts]
    transfers: dict[TransferId, OnTheWay]
    legs: dict[TransferId, list[Leg]]
    tallies: dict[ExecutionId, Tally]
    transfers_of_legs: dict[LegId, TransferId]
    changed: set[ExecutionId] = field(default_factory=set[ExecutionId])
    reopened: set[AccountId] = field(default_factory=set[AccountId])

    def news(self, leg_id: LegId, news: News, status_reason: str | None = None) -> None:
        """Apply what became of a leg; what is known already, or belongs to no leg of ours, changes nothing."""
        transfer_id = self.transfers_of_legs.get(leg_id)
        if transfer_id is None:
            return
        [leg] = [leg for leg in self.legs[transfer_id] if leg.id == leg_id]
        self._apply(self.transfers[transfer_id], leg, news, status_reason)

    def _apply(self, transfer: OnTheWay, leg: Leg, news: News, status_reason: str | None) -> None:
        is_pull_returned = any(
            each.purpose is LegPurpose.PULL and each.status is LegStatus.RETURNED for each in self.legs[transfer.id]
        )
        state = LegState(leg.purpose, leg.status, is_pull_returned)
        step = advance(path_of(transfer), transfer.status, state, news)
        if step is None:
            return
        self._book(transfer, step)
        self._step_leg(transfer, leg, step, news)
        if step.status is not None and step.status is not transfer.status:
            returned = news if isinstance(news, LegReturned) and leg.status is LegStatus.SETTLED else None
            self.move_on(
                transfer,
                MovedOn(
                    self.organization_id,
                    transfer.id,
                    step.status,
                    step.error_code,
                    self.movements.clocks[self.organization_id],
                    status_reason,
                    returned and returned.at,
                    news.code if isinstance(news, LegReturned) else None,
                ),
            )
        if step.next_leg is not None:
            self._add_leg(transfer, step.next_leg)
        if step.is_stranded:
            self.movements.tell(self.organization_id, EventKind.TRANSFER_STRANDED, transfer.id)
        if leg.purpose is LegPurpose.PULL and isinstance(news, LegReturned):
            self._call_back(transfer.id)

    def _call_back(self, transfer_id: TransferId) -> None:
        """Send neither on nor back what has just been taken back, as far as nobody has begun to."""
        # Going through a copy: what is called back is replaced in the list.
        for leg in list(self.legs[transfer_id]):
            if leg.purpose is not LegPurpose.PULL and leg.status is LegStatus.PROCESSING and leg.attempts == 0:
                self._apply(self.transfers[transfer_id], leg, LegCancelled(), None)

    def move_on(self, transfer: OnTheWay, moved: MovedOn) -> None:
        """Give a transfer its new status, also in its execution's counts; fire rules where its money has arrived."""
        self.movements.moved_on.append(moved)
        self.transfers[transfer.id] = transfer._replace(status=moved.status)
        self.movements.tell(self.organization_id, EventKind.TRANSFER_UPDATED, transfer.id)
        if moved.returned_at is not None:
            self.movements.tell(self.organization_id, EventKind.TRANSFER_RETURNED, transfer.id)
        if transfer.rule_id is not None and TransferStatus.COMPLETE in (transfer.status, moved.status):
            is_back = transfer.status is TransferStatus.COMPLETE
            counted = Moved(0, 0, transfer.amount) if is_back else Moved(transfer.amount, 1, 0)
            ends = (transfer.source, transfer.named_destination)
            # What comes back counts on the bank's day, which may be over by the time that we hear of it.
            at = moved.returned_at if is_back else None
            self.movements.count_moved(self.organization_id, transfer.rule_id, ends, counted, at)
        tally = None if transfer.execution_id is None else self.tallies.get(transfer.execution_id)
        origin = Origin(transfer.id, -1, None)
        if tally is not None:
            origin = Origin(tally.origin_id, tally.depth, tally.rule_id)
            self._count(tally, transfer.status, moved)
        if moved.status is TransferStatus.COMPLETE:
            self.movements.arrive(self.organization_id, transfer.destination, transfer.amount, transfer.id, origin)

    def _count(self, tally: Tally, before: TransferStatus, moved: MovedOn) -> None:
        attempted, completed, failed, pending = tally.counts
        if before in _OPEN and moved.status not in _OPEN:
            pending -= 1
        elif before is TransferStatus.COMPLETE:
            completed -= 1
        if moved.status is TransferStatus.COMPLETE:
            completed += 1
        elif moved.status not in _OPEN:
            failed += 1
        counts = Counts(attempted, completed, failed, pending)
        problem = explain(moved.status_reason or moved.error_code)
        self.tallies[tally.id] = tally._replace(counts=counts, error_message=tally.error_message or problem)
        self.changed.add(tally.id)
        was_open = status_of(tally.counts) is ExecutionStatus.IN_PROGRESS
        status = status_of(counts)
        if was_open and status is not ExecutionStatus.IN_PROGRESS:
            has_failed = status is ExecutionStatus.FAILED
            kind = EventKind.EXECUTION_FAILED if has_failed else EventKind.EXECUTION_FINISHED
            self.movements.tell(self.organization_id, kind, tally.id)

    def _step_leg(self, transfer: OnTheWay, leg: Leg, step: Step, news: News) -> None:
        at = self.movements.clocks[self.organization_id]
        self.movements.leg_steps.append(
            LegStep(
                self.organization_id,
                leg.id,
                step.leg_status,
                at,
                getattr(step.error_code, "value", None) if step.leg_status is LegStatus.REFUSED else None,
                news.code.value if isinstance(news, LegReturned) else None,
                getattr(news, "expected_at", None),
            )
        )
        legs = self.legs[transfer.id]
        legs[legs.index(leg)] = replace(leg, status=step.leg_status)

    def _add_leg(self, transfer: OnTheWay, purpose: LegPurpose) -> None:
        legs = self.legs[transfer.id]
        account_id = transfer.destination if purpose is LegPurpose.PUSH else transfer.source
        leg_id = self.movements.add_leg(carried(self.organization_id, transfer), len(legs), purpose, account_id)
        amount = transfer.amount
        legs.append(
            Leg(
                leg_id, transfer.id, len(legs), purpose, account_id, amount, LegStatus.PROCESSING,
                0, None, None, None, None,
            )
        )  # fmt: skip

    def _book(self, transfer: OnTheWay, step: Step) -> None:
        """Do in the ledger what a step says; tell of accounts that are deeper below their floor than before it."""
        balances = self.movements.books[self.organization_id].balances
        debits = sorted({self._account(transfer, effect.debit) for effect in step.effects})
        before = {account_id: balances[account_id].overdrawn for account_id in debits}
        for effect in step.effects:
            self._effect(transfer, effect)
        for account_id in debits:
            if balances[account_id].overdrawn > before[account_id]:
                self.movements.tell(self.organization_id, EventKind.ACCOUNT_OVERDRAWN, account_id)

    def _effect(self, transfer: OnTheWay, effect: Effect) -> None:
        book = self.movements.books[self.organization_id]
        debit, credit = self._account(transfer, effect.debit), self._account(transfer, effect.credit)
        if effect.kind is EffectKind.REVERSE:
            self.reopen(debit, credit)
        match effect.kind:
            case EffectKind.POST:
                book.post(transfer.id, debit, credit, transfer.amount)
            case EffectKind.HOLD:
                book.hold(transfer.id, debit, credit, transfer.amount)
            case EffectKind.RELEASE:
                book.release(transfer.id, debit, credit, transfer.amount)
            case EffectKind.SETTLE:
                book.settle(transfer.id, debit, credit, transfer.amount)
            case EffectKind.REVERSE:
                book.reverse(transfer.id, debit, credit, transfer.amount)
            case EffectKind.NO_LONGER_EXPECTED:
                book.expect(debit, -transfer.amount)
            case EffectKind.NO_LONGER_PULLED:
                book.hold_outside(debit, -transfer.amount)
            case _:
                assert_never(effect.kind)

    def reopen(self, *account_ids: AccountId) -> None:
        """Bring back an account that has been deleted since: what a bank sends, or sends back, has to be somewhere."""
        accounts = self.movements.books[self.organization_id].accounts
        for account_id in account_ids:
            if accounts[account_id].is_deleted and account_id not in self.reopened:
                self.reopened.add(account_id)
                self.movements.tell(self.organization_id, EventKind.ACCOUNT_REOPENED, account_id)

    def _account(self, transfer: OnTheWay, role: Role) -> AccountId:
        own = self.own[self.organization_id, transfer.currency]
        match role:
            case Role.SOURCE:
                return transfer.source
            case Role.DESTINATION:
                return transfer.destination
            case Role.WORLD:
                return own.world
            case Role.CLEARING:
                return own.clearing
            case _:
                assert_never(role)

    async def write(self, tx: WriteTx) -> None:
        """Write everything that has changed."""
        if self.reopened:
            # First: the schema lets no deleted account hold money.
            at = self.movements.clocks[self.organization_id]
            await reopen_accounts(tx, self.organization_id, self.reopened, at)
        await self.movements.write(tx)
        for execution_id in sorted(self.changed):
            tally = self.tallies[execution_id]
            await recount_execution(
                tx,
                self.organization_id,
                execution_id,
                status=status_of(tally.counts),
                counts=tally.counts,
                error_message=tally.error_message,
                at=self.movements.clocks[self.organization_id],
            )


def path_of(transfer: OnTheWay) -> Path:
    """Tell which way a transfer goes."""
    if not transfer.is_source_external:
        assert transfer.is_destination_external, "between accounts that we keep no bank is asked"
        return Path.OUT
    return Path.ACROSS if transfer.is_destination_external else Path.IN


def carried(organization_id: OrganizationId, transfer: OnTheWay) -> Carried:
    """Describe a transfer's money for a leg."""
    return Carried(
        organization_id=organization_id,
        id=transfer.id,
        source=transfer.source,
        arrival=transfer.destination,
        amount=transfer.amount,
        is_automatic=transfer.origin is TransferOrigin.RULE,
        description=transfer.description,
        is_direct_deposit=transfer.is_direct_deposit,
    )


async def load_progress(
    engine: Engine,
    tx: WriteTx,
    organization: Organization,
    *,
    leg_ids: Iterable[LegId] = (),
    transfer_ids: Iterable[TransferId] = (),
    account_ids: Iterable[AccountId] = (),
) -> Progress:
    """Lock and load transfers (by their legs or themselves) and whatever moving them on touches, inside the gate.

    `account_ids` are locked too: money may arrive there.
    """
    by_leg = await transfers_of_legs(tx, organization.id, set(leg_ids))
    wanted = {*by_leg.values(), *transfer_ids}
    # Legs before transfers: so does whoever has been at a bank, who first looks whether the leg is still theirs.
    locked = await lock_legs(tx, organization.id, wanted)
    transfers = await transfers_on_the_way(tx, organization.id, wanted)
    legs = {transfer_id: locked.get(transfer_id, []) for transfer_id in transfers}
    own = await own_accounts(tx, [organization.id])
    accounts = {*account_ids}
    for transfer in transfers.values():
        accounts |= {transfer.source, transfer.destination}
    accounts |= {account_id for pair in own.values() for account_id in pair}
    books = await lock_accounts(tx, {(organization.id, account_id) for account_id in accounts})
    book = books.setdefault(organization.id, Book({}, {}))
    book.next_sequences.update({transfer.id: transfer.postings for transfer in transfers.values()})
    arrivals = {transfer.destination for transfer in transfers.values()} | set(account_ids)
    fired = await fired_rules(tx, {(organization.id, account_id) for account_id in arrivals})
    executions = {each.execution_id for each in transfers.values() if each.execution_id is not None}
    tallies = await lock_executions(tx, organization.id, executions)
    movements = Movements(engine, {organization.id: organization}, books, fired, engine.now())
    await movements.count_causes(tx, {(organization.id, tally.origin_id) for tally in tallies.values()})
    by_leg = {leg.id: transfer_id for transfer_id, listed in legs.items() for leg in listed}
    return Progress(organization.id, movements, own, transfers, legs, tallies, by_leg)
