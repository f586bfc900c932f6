"""What a batch moves: transfers and their postings, the rules they fire, the facts to tell; written in one go.

Settlement, manual transfers, deposits, what banks report and what cards do all end here, so that money moves in one way
only.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import structlog

from sluiceway.domain.ach import eastern_day
from sluiceway.domain.executions import MAX_DEPTH, MAX_EXECUTIONS_PER_ORIGIN
from sluiceway.domain.ids import AccountId, ExecutionId, LegId, OrganizationId, RuleId, TransferId, derive_leg_id
from sluiceway.domain.ledger import Book
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleState
from sluiceway.domain.rules import PaymentSide, TriggerType
from sluiceway.domain.transfers import LegPurpose, Mode, TransferStatus
from sluiceway.domain.transfers import Origin as TransferOrigin
from sluiceway.services.engine import Engine
from sluiceway.services.holding import refuse_while_held
from sluiceway.services.tracing import current, here, named
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import write_balances
from sluiceway.storage.ach import use_rooms
from sluiceway.storage.caps import OrganizationCap, add_caps_used
from sluiceway.storage.card_transactions import (
    CardTransactionKey,
    NewCardTransaction,
    insert_card_transactions,
    refund_purchases,
)
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.days import NOTHING_MOVED, Moved, Way, add_moved, end_days
from sluiceway.storage.executions import (
    Admitted,
    Finished,
    ToGather,
    executions_of_origins,
    finish_executions,
    insert_executions,
    send_to_gather,
)
from sluiceway.storage.legs import LegStep, NewLeg, insert_legs, write_steps
from sluiceway.storage.organizations import Organization
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events
from sluiceway.storage.transfers import MovedOn, NewTransfer, insert_postings, insert_transfers, move_on

# Structlog would make the line before it knows that nobody wants it.
_detail = logging.getLogger(__name__)
log = structlog.get_logger()

FiredRules = Mapping[tuple[OrganizationId, AccountId], Sequence[RuleState]]


class Origin:
    """Where a chain of executions began, and how far it has come."""

    __slots__ = ("depth", "id", "rule_id")

    def __init__(self, origin_id: str, depth: int, rule_id: RuleId | None) -> None:
        """Name the first event, the depth of the execution at hand (-1: none yet), and its rule."""
        self.id = origin_id
        self.depth = depth
        self.rule_id = rule_id


@dataclass(frozen=True, slots=True)
class Carried:
    """A transfer to start on its way: between which accounts (the last one a holding pod, where there is one)."""

    organization_id: OrganizationId
    id: TransferId
    source: AccountId
    arrival: AccountId
    amount: Cents
    is_automatic: bool
    description: str | None
    is_direct_deposit: bool


@dataclass(slots=True)
class Movements:
    """Everything that one batch writes, gathered while it is decided.

    Start with the books of the accounts that are locked, and the rules that arriving money fires.
    """

    engine: Engine
    organizations: Mapping[OrganizationId, Organization]
    books: dict[OrganizationId, Book]
    fired: FiredRules
    at: datetime
    """The real time, from which each organization's clock tells its own."""
    transfers: list[NewTransfer] = field(default_factory=list[NewTransfer])
    card_transactions: list[NewCardTransaction] = field(default_factory=list[NewCardTransaction])
    refunded: dict[CardTransactionKey, int] = field(default_factory=dict[CardTransactionKey, int])
    """How much has been given back, in all, of purchases of which something was given back now."""
    moved_on: list[MovedOn] = field(default_factory=list[MovedOn])
    leg_steps: list[LegStep] = field(default_factory=list[LegStep])
    finished: list[Finished] = field(default_factory=list[Finished])
    to_gather: list[ToGather] = field(default_factory=list[ToGather])
    cap_uses: dict[OrganizationCap, int] = field(default_factory=dict[OrganizationCap, int])
    clocks: dict[OrganizationId, datetime] = field(init=False)
    _moved: dict[Way, Moved] = field(default_factory=dict[Way, Moved])
    _legs: list[NewLeg] = field(default_factory=list[NewLeg])
    _ach: dict[tuple[OrganizationId, PaymentSide], tuple[int, int]] = field(
        default_factory=dict[tuple[OrganizationId, PaymentSide], tuple[int, int]]
    )
    _admitted: list[Admitted] = field(default_factory=list[Admitted])
    _caused: dict[tuple[OrganizationId, str], int] = field(default_factory=dict[tuple[OrganizationId, str], int])
    _stopped: set[tuple[OrganizationId, str, RuleId]] = field(default_factory=set[tuple[OrganizationId, str, RuleId]])
    _events: list[OutboxEvent] = field(default_factory=list[OutboxEvent])

    def __post_init__(self) -> None:
        """Read every organization's clock once."""
        self.clocks = {key: organization.clock.read(self.at) for key, organization in self.organizations.items()}

    async def count_causes(self, tx: ReadTx, origins: set[tuple[OrganizationId, str]]) -> None:
        """Load how many executions each event has caused, where any rule could be fired now."""
        if self.fired and origins:
            self._caused.update(await executions_of_origins(tx, origins))

    def tell(self, organization_id: OrganizationId, kind: EventKind, subject_id: str) -> None:
        """Add a fact to the outbox."""
        at = self.clocks[organization_id]
        self._events.append(OutboxEvent(organization_id, self.engine.new_id(), kind, subject_id, at))

    def carry(self, transfer: NewTransfer, *, needs_approval: bool = False) -> NewTransfer:
        """Start to move a transfer's money: at once where we keep both ends, else held until a bank has carried it.

        Give the transfer with its status. One that needs approval is only held.
        """
        source, destination = transfer.source_account_id, transfer.destination_account_id
        assert source is not None, "somebody outside moves no money of ours"
        assert destination is not None, "money is sent to somebody"
        book = self.books[transfer.organization_id]
        arrival = arrival_of(book, source, destination)
        staged = arrival if arrival != destination else None
        if not needs_approval and book.accounts[source].is_kept and book.accounts[arrival].is_kept:
            book.post(transfer.id, source, arrival, transfer.amount)
            if staged is None and transfer.status is TransferStatus.COMPLETE:
                return transfer
            return transfer._replace(status=TransferStatus.COMPLETE, staged_account_id=staged)
        if book.accounts[source].is_kept:
            book.hold(transfer.id, source, arrival, transfer.amount)
        else:
            book.hold_outside(source, transfer.amount)
        book.expect(arrival, transfer.amount)
        if needs_approval:
            expires_at = (
                self.clocks[transfer.organization_id] + self.organizations[transfer.organization_id].approval_lasts
            )
            self.tell(transfer.organization_id, EventKind.APPROVAL_REQUESTED, transfer.id)
            return transfer._replace(
                status=TransferStatus.PENDING_APPROVAL, staged_account_id=staged, approval_expires_at=expires_at
            )
        self.hand_over(
            Carried(
                organization_id=transfer.organization_id,
                id=transfer.id,
                source=source,
                arrival=arrival,
                amount=transfer.amount,
                is_automatic=transfer.origin is TransferOrigin.RULE,
                description=transfer.description,
                is_direct_deposit=transfer.is_direct_deposit,
            )
        )
        return transfer._replace(status=TransferStatus.PROCESSING, staged_account_id=staged)

    def hand_over(self, carried: Carried) -> None:
        """Put the first leg of a transfer on the list of payments to hand over, and count it in the ACH limits."""
        accounts = self.books[carried.organization_id].accounts
        is_pull = not accounts[carried.source].is_kept
        if is_pull:
            self._count(carried.organization_id, PaymentSide.DEBIT, carried.amount)
        if not accounts[carried.arrival].is_kept:
            self._count(carried.organization_id, PaymentSide.CREDIT, carried.amount)
        purpose, account_id = (LegPurpose.PULL, carried.source) if is_pull else (LegPurpose.PUSH, carried.arrival)
        delay = self.organizations[carried.organization_id].handover_delay
        due_at = self.clocks[carried.organization_id] + delay if delay else None
        self.add_leg(carried, 0, purpose, account_id, due_at)

    def add_leg(
        self,
        carried: Carried,
        sequence: int,
        purpose: LegPurpose,
        account_id: AccountId,
        due_at: datetime | None = None,
    ) -> LegId:
        """Put a leg on the list of payments to hand over."""
        leg_id = derive_leg_id(carried.id, sequence)
        self._legs.append(
            NewLeg(
                organization_id=carried.organization_id,
                id=leg_id,
                transfer_id=carried.id,
                sequence=sequence,
                purpose=purpose,
                account_id=account_id,
                amount=carried.amount,
                is_automatic=carried.is_automatic,
                description=carried.description,
                is_direct_deposit=carried.is_direct_deposit and purpose is LegPurpose.PUSH,
                due_at=due_at,
                at=self.clocks[carried.organization_id],
            )
        )
        return leg_id

    def add(self, transfer: NewTransfer, origin: Origin) -> bool:
        """Record a transfer and fire the rules of the account where its money has arrived.

        Returns False when rules had to be left out, because the chain has reached one of its limits.
        """
        self.transfers.append(transfer)
        self.tell(transfer.organization_id, EventKind.TRANSFER_CREATED, transfer.id)
        arrival = transfer.staged_account_id or transfer.destination_account_id
        if transfer.status is not TransferStatus.COMPLETE or arrival is None or transfer.mode is not Mode.LIVE:
            return True
        if transfer.rule_id is not None:
            assert transfer.source_account_id is not None, "rules move what is in accounts"
            assert transfer.destination_account_id is not None, "rules send money to somebody"
            self.count_moved(
                transfer.organization_id,
                transfer.rule_id,
                (transfer.source_account_id, transfer.destination_account_id),
                Moved(transfer.amount, 1, 0),
            )
        return self.arrive(transfer.organization_id, arrival, transfer.amount, transfer.id, origin)

    def count_moved(
        self,
        organization_id: OrganizationId,
        rule_id: RuleId,
        ends: tuple[AccountId, AccountId],
        moved: Moved,
        at: datetime | None = None,
    ) -> None:
        """Count what a rule has moved, or what has come back of it, on the day of an instant, else the present day."""
        day = (self.clocks[organization_id] if at is None else at.astimezone(UTC)).date()
        way = Way(organization_id, day, rule_id, *ends)
        self._moved[way] = self._moved.get(way, NOTHING_MOVED).plus(moved)

    def arrive(
        self,
        organization_id: OrganizationId,
        account_id: AccountId,
        amount: Cents,
        transfer_id: TransferId | None,
        origin: Origin,
    ) -> bool:
        """Fire the rules of an account where money has arrived. False: some were left out."""
        states = self.fired.get((organization_id, account_id), ())
        # A list, so that every rule has its turn before the answers are summed up.
        fired = [
            self._fire(organization_id, amount, transfer_id, state, origin)
            for state in states
            if state.rule_id != origin.rule_id
        ]
        return all(fired)

    def _fire(
        self,
        organization_id: OrganizationId,
        amount: Cents,
        transfer_id: TransferId | None,
        state: RuleState,
        origin: Origin,
    ) -> bool:
        key = (organization_id, origin.id)
        caused, depth = self._caused.get(key, 0), origin.depth + 1
        if depth > MAX_DEPTH or caused >= MAX_EXECUTIONS_PER_ORIGIN:
            # Once for each event and rule: a run of a hundred transfers would say so ten thousand times.
            stopped = (*key, state.rule_id)
            if stopped not in self._stopped:
                self._stopped.add(stopped)
                self.tell(organization_id, EventKind.AUTOMATION_STOPPED, state.rule_id)
            return False
        self._caused[key] = caused + 1
        self._admitted.append(
            Admitted(
                organization_id=organization_id,
                id=ExecutionId(self.engine.new_id()),
                rule_id=state.rule_id,
                revision=state.revision,
                fingerprint=state.fingerprint,
                approval_id=state.approval_id,
                mode=Mode.LIVE,
                trigger_type=TriggerType.ON_FUNDS_TRANSFERRED,
                transfer_amount=amount,
                stands_in=False,
                cause_transfer_id=transfer_id,
                origin_id=origin.id,
                depth=depth,
            )
        )
        return True

    def _count(self, organization_id: OrganizationId, side: PaymentSide, amount: Cents) -> None:
        before, number = self._ach.get((organization_id, side), (0, 0))
        self._ach[organization_id, side] = (before + amount, number + 1)

    async def write(self, tx: WriteTx) -> None:
        """Write it all in one round trip. Raises HeldAfterRestore to whoever asked: workers find nothing to do then."""
        if self.transfers or self.card_transactions or self.moved_on or self.leg_steps or self.finished:
            refuse_while_held(self.organizations.values())
        postings = [
            (organization_id, posting) for organization_id, book in self.books.items() for posting in book.postings
        ]
        await insert_transfers(tx, self.transfers, self.clocks)
        await insert_card_transactions(tx, self.card_transactions, self.clocks)
        await refund_purchases(tx, self.refunded)
        await insert_postings(tx, postings, self.clocks)
        await write_balances(tx, self.books.items())
        await end_days(tx, self.books.items(), self.clocks)
        await add_moved(tx, self._moved)
        await move_on(tx, self.moved_on)
        await insert_legs(tx, self._legs)
        await write_steps(tx, self.leg_steps)
        await use_rooms(tx, self._ach, bank_days(self.clocks) if self._ach else {})
        await add_caps_used(tx, self.cap_uses)
        await finish_executions(tx, self.finished)
        await send_to_gather(tx, self.to_gather)
        await insert_executions(tx, self._admitted, self.at)
        await insert_events(tx, self._events)
        tx.afterwards.append(self._count_all)

    def _count_all(self) -> None:
        """Count what has been committed, and say so of each execution where every detail is wanted."""
        if _detail.isEnabledFor(logging.DEBUG):
            for one in self.finished:
                log.debug(
                    "execution_planned",
                    organization_id=one.organization_id,
                    execution_id=one.id,
                    status=one.status,
                    transfers=len(one.transfer_ids),
                    **named(self.engine.tracing.execution(one.id)),
                )
        if self.engine.tracing.is_on:
            self._trace_all()
        tally = self.engine.tally
        tally.add_each(
            "transfers",
            [
                *(transfer.status.lower() for transfer in self.transfers if transfer.mode is Mode.LIVE),
                *(transfer.status.lower() for transfer in self.moved_on),
            ],
        )
        tally.add_each(
            "executions",
            ["conditions_not_met" if one.conditions_not_met else one.status.lower() for one in self.finished],
        )

    def _trace_all(self) -> None:
        """Make the spans of what has been planned, and point at those of what it has fired."""
        tracing = self.engine.tracing
        current().link(*(tracing.execution(fired.id) for fired in self._admitted))
        for one in self.finished:
            tracing.executed(
                one.id,
                [here()],
                organization_id=one.organization_id,
                status=one.status.lower(),
                transfer_ids=list(one.transfer_ids),
            )


def arrival_of(book: Book, source: AccountId, destination: AccountId) -> AccountId:
    """Tell where money for an account goes: a manual liability's waits in its pod, unless it comes from there."""
    pod = book.holding_pods.get(destination)
    return destination if pod is None or pod == source else pod


def bank_days(clocks: Mapping[OrganizationId, datetime]) -> dict[OrganizationId, date]:
    """Tell each organization's day at the banks, in Eastern time."""
    return {organization_id: eastern_day(at) for organization_id, at in clocks.items()}


async def fired_rules(tx: ReadTx, keys: set[tuple[OrganizationId, AccountId]]) -> FiredRules:
    """Find which rules money arriving at these accounts fires."""
    return await stored_rules.rules_fired_by_funds(tx, keys) if keys else {}
