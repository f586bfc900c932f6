"""What a batch moves: transfers and their postings, the rules they fire, the facts to tell; written in one go.

Settlement, manual transfers and deposits all end here, so that money moves in one way only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sluiceway.domain.executions import MAX_DEPTH, MAX_EXECUTIONS_PER_ORIGIN
from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import Book
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleState
from sluiceway.domain.rules import TriggerType
from sluiceway.domain.transfers import Mode, TransferStatus
from sluiceway.services.engine import Engine
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import write_balances
from sluiceway.storage.caps import OrganizationCap, add_caps_used
from sluiceway.storage.database import ReadTx, WriteTx, pipeline
from sluiceway.storage.executions import Admitted, Finished, executions_of_origins, finish_executions, insert_executions
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events
from sluiceway.storage.transfers import NewTransfer, insert_postings, insert_transfers

FiredRules = Mapping[tuple[OrganizationId, AccountId], Sequence[RuleState]]


def carry(
    book: Book, transfer_id: TransferId, source: AccountId, destination: AccountId, amount: Cents
) -> TransferStatus:
    """Move money between two accounts: at once where we keep both, held or expected until a bank has carried it."""
    source_is_kept = book.accounts[source].is_kept
    destination_is_kept = book.accounts[destination].is_kept
    if source_is_kept and destination_is_kept:
        book.post(transfer_id, source, destination, amount)
        return TransferStatus.COMPLETE
    if source_is_kept:
        book.hold(transfer_id, source, destination, amount)
    else:
        book.hold_outside(source, amount)
    book.expect(destination, amount)
    return TransferStatus.PROCESSING


class Origin:
    """Where a chain of executions began, and how far it has come."""

    __slots__ = ("depth", "id", "rule_id")

    def __init__(self, origin_id: str, depth: int, rule_id: RuleId | None) -> None:
        """Name the first event, the depth of the execution at hand (-1: none yet), and its rule."""
        self.id = origin_id
        self.depth = depth
        self.rule_id = rule_id


class Movements:
    """Everything that one batch writes, gathered while it is decided."""

    def __init__(self, engine: Engine, books: dict[OrganizationId, Book], fired: FiredRules, at: datetime) -> None:
        """Start with the books of the accounts that are locked, and the rules that arriving money fires."""
        self.engine = engine
        self.books = books
        self.at = at
        self.transfers: list[NewTransfer] = []
        self.finished: list[Finished] = []
        self.cap_uses: dict[OrganizationCap, int] = {}
        self._fired = fired
        self._admitted: list[Admitted] = []
        self._caused: dict[tuple[OrganizationId, str], int] = {}
        self._stopped: set[tuple[OrganizationId, str, RuleId]] = set()
        self._events: list[OutboxEvent] = []

    async def count_causes(self, tx: ReadTx, origins: set[tuple[OrganizationId, str]]) -> None:
        """Load how many executions each event has caused, where any rule could be fired now."""
        if self._fired and origins:
            self._caused.update(await executions_of_origins(tx, origins))

    def tell(self, organization_id: OrganizationId, kind: EventKind, subject_id: str) -> None:
        """Add a fact to the outbox."""
        self._events.append(OutboxEvent(organization_id, self.engine.new_id(), kind, subject_id))

    def add(self, transfer: NewTransfer, origin: Origin) -> bool:
        """Record a transfer and fire the rules of the account where its money has arrived.

        Returns False when rules had to be left out, because the chain has reached one of its limits.
        """
        self.transfers.append(transfer)
        self.tell(transfer.organization_id, EventKind.TRANSFER_CREATED, transfer.id)
        destination = transfer.destination_account_id
        if transfer.status is not TransferStatus.COMPLETE or destination is None or transfer.mode is not Mode.LIVE:
            return True
        states = self._fired.get((transfer.organization_id, destination), ())
        # A list, so that every rule has its turn before the answers are summed up.
        fired = [self._fire(transfer, state, origin) for state in states if state.rule_id != origin.rule_id]
        return all(fired)

    def _fire(self, transfer: NewTransfer, state: RuleState, origin: Origin) -> bool:
        key = (transfer.organization_id, origin.id)
        caused, depth = self._caused.get(key, 0), origin.depth + 1
        if depth > MAX_DEPTH or caused >= MAX_EXECUTIONS_PER_ORIGIN:
            # Once for each event and rule: a run of a hundred transfers would say so ten thousand times.
            stopped = (*key, state.rule_id)
            if stopped not in self._stopped:
                self._stopped.add(stopped)
                self.tell(transfer.organization_id, EventKind.AUTOMATION_STOPPED, state.rule_id)
            return False
        self._caused[key] = caused + 1
        self._admitted.append(
            Admitted(
                organization_id=transfer.organization_id,
                id=ExecutionId(self.engine.new_id()),
                rule_id=state.rule_id,
                revision=state.revision,
                fingerprint=state.fingerprint,
                approval_id=state.approval_id,
                mode=Mode.LIVE,
                trigger_type=TriggerType.ON_FUNDS_TRANSFERRED,
                transfer_amount=transfer.amount,
                stands_in=False,
                cause_transfer_id=transfer.id,
                origin_id=origin.id,
                depth=depth,
            )
        )
        return True

    async def write(self, tx: WriteTx) -> None:
        """Write it all in one round trip."""
        postings = [
            (organization_id, posting) for organization_id, book in self.books.items() for posting in book.postings
        ]
        async with pipeline(tx):
            await insert_transfers(tx, self.transfers, self.at)
            await insert_postings(tx, postings, self.at)
            await write_balances(tx, self.books.items())
            await add_caps_used(tx, self.cap_uses)
            await finish_executions(tx, self.finished, self.at)
            await insert_executions(tx, self._admitted, self.at)
            await insert_events(tx, self._events, self.at)


async def fired_rules(tx: ReadTx, keys: set[tuple[OrganizationId, AccountId]]) -> FiredRules:
    """Find which rules money arriving at these accounts fires."""
    return await stored_rules.rules_fired_by_funds(tx, keys) if keys else {}
