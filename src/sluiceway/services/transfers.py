"""Manual transfers: a batch of them is one transaction; and reading transfers."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sluiceway.domain.access import Permission, Principal, require, require_transfer, visible
from sluiceway.domain.audit import Act
from sluiceway.domain.errors import (
    InvalidParameters,
    MoneyStopped,
    NotFound,
    PermissionDenied,
    Problem,
    Refusal,
    TransferAccountNotFound,
)
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import Account, Book
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import ErrorCode
from sluiceway.domain.transfers import Direction, Mode, Transfer, TransferStatus, direction_of
from sluiceway.domain.transfers import Origin as TransferOrigin
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.services.limits import AchRooms, load_rooms
from sluiceway.services.movements import Movements, Origin, arrival_of, fired_rules
from sluiceway.services.showing import transfer_of
from sluiceway.storage import transfers as stored
from sluiceway.storage.accounts import lock_accounts
from sluiceway.storage.database import WriteTx
from sluiceway.storage.legs import legs_of
from sluiceway.storage.organizations import Organization, find_organizations
from sluiceway.storage.transfers import NewTransfer

NO_ACCOUNTS = Book({}, {})
REACH: Final = 5_000
"""How many transfers a page of the whole organization looks through at most."""


@dataclass(frozen=True, slots=True)
class CreateTransfer:
    """Move an amount between two accounts because somebody asked for it.

    The spellings are the ids as the caller wrote them; a malformed one is None. `show` writes the answer, which is
    remembered under the key. A simulation ends at once, COMPLETE if the transfer could be made, and moves nothing.
    """

    principal: Principal
    source_id: AccountId | None
    destination_id: AccountId | None
    source_spelling: str
    destination_spelling: str
    amount: Cents
    description: str | None
    idempotency: Idempotency | None
    show: Callable[[Transfer], Answer]
    mode: Mode = Mode.LIVE
    act: Act | None = None

    @property
    def organization_id(self) -> OrganizationId:
        """Whose money it is."""
        return self.principal.organization_id


async def transfer(engine: Engine, commands: Sequence[CreateTransfer]) -> list[Answer | Refusal]:
    """Make a batch of transfers in one transaction; an answer or a refusal for each, in order.

    Refusals: PermissionDenied, MaximumAmountExceeded, TransferAccountNotFound, InvalidParameters, MoneyStopped, and
    those of idempotency. Lack of funds is not a refusal: the transfer is recorded as INCOMPLETE.
    """
    refused: dict[int, Refusal] = {}
    for index, command in enumerate(commands):
        try:
            require_transfer(command.principal, command.source_id, command.destination_id, command.amount)
        except Refusal as refusal:
            refused[index] = refusal
    allowed = [command for index, command in enumerate(commands) if index not in refused]

    async def effect(tx: WriteTx, active: Sequence[CreateTransfer]) -> list[Answer | Refusal]:
        return await _transfer(engine, tx, active)

    answers = iter(await run_idempotently(engine, allowed, effect) if allowed else [])
    engine.wake()
    return [refused[index] if index in refused else next(answers) for index in range(len(commands))]


async def _transfer(engine: Engine, tx: WriteTx, commands: Sequence[CreateTransfer]) -> list[Answer | Refusal]:
    movements = await _open(engine, tx, commands)
    rooms = await load_rooms(tx, movements)
    answers: list[Answer | Refusal] = []
    for command in commands:
        if movements.organizations[command.organization_id].stopped_for is not None:
            answers.append(MoneyStopped())
            continue
        book = movements.books.get(command.organization_id, NO_ACCOUNTS)
        checked = _check(command, book, movements.organizations[command.organization_id])
        answers.append(
            checked if isinstance(checked, Refusal) else command.show(_move(movements, rooms, book, command, *checked))
        )
    await movements.write(tx)
    return answers


async def _open(engine: Engine, tx: WriteTx, commands: Sequence[CreateTransfer]) -> Movements:
    """Lock the accounts at hand, and find the rules that money arriving there fires."""
    organizations = await find_organizations(tx, {command.organization_id for command in commands})
    ends = {(c.organization_id, end) for c in commands for end in (c.source_id, c.destination_id) if end is not None}
    books = await lock_accounts(tx, ends)
    pods = {(key, pod) for key, book in books.items() for pod in book.holding_pods.values()}
    return Movements(engine, organizations, books, await fired_rules(tx, ends | pods), engine.now())


@dataclass(frozen=True, slots=True)
class EndAfter:
    """What can be spent at one end, before and after (None: unknown), and what is on its way there then."""

    account: Account
    before: Cents | None
    after: Cents | None
    expected: Cents


@dataclass(frozen=True, slots=True)
class TransferPreview:
    """What a transfer would do. `fires`: the rules that the money would start where it arrives, by their ids."""

    transfer: Transfer
    source: EndAfter
    destination: EndAfter
    fires: tuple[RuleId, ...]


async def preview_transfer(engine: Engine, command: CreateTransfer) -> TransferPreview:
    """Tell what a transfer would do now: it is decided as it would be, and nothing of it is written.

    Raises what `transfer` refuses. Lack of funds is told by the transfer's status and error code.
    """
    require_transfer(command.principal, command.source_id, command.destination_id, command.amount)

    async def work(tx: WriteTx) -> TransferPreview:
        movements = await _open(engine, tx, [command])
        rooms = await load_rooms(tx, movements)
        book = movements.books.get(command.organization_id, NO_ACCOUNTS)
        checked = _check(command, book, movements.organizations[command.organization_id])
        if isinstance(checked, Refusal):
            raise checked
        source, destination = checked
        before = {end.id: end.available(book.balances[end.id]) for end in checked}
        made = _move(movements, rooms, book, command, source, destination)
        arrival = arrival_of(book, source.id, destination.id)
        fires = movements.fired.get((command.organization_id, arrival), ())
        return TransferPreview(
            made,
            _end(source, before[source.id], book),
            _end(destination, before[destination.id], book),
            tuple(state.rule_id for state in fires) if made.error_code is None else (),
        )

    return await engine.database.write(work)


def _end(account: Account, before: Cents | None, book: Book) -> EndAfter:
    after = book.balances[account.id]
    return EndAfter(account, before, account.available(after), Cents(after.expected_in))


def _check(command: CreateTransfer, book: Book, organization: Organization) -> Refusal | tuple[Account, Account]:
    """Find both ends, every refusal first."""
    source = None if command.source_id is None else book.accounts.get(command.source_id)
    destination = None if command.destination_id is None else book.accounts.get(command.destination_id)
    if source is None or source.is_deleted or not source.is_listed:
        return TransferAccountNotFound(is_source=True, spelling=command.source_spelling)
    if destination is None or destination.is_deleted or not destination.is_listed:
        return TransferAccountNotFound(is_source=False, spelling=command.destination_spelling)
    if source.id == destination.id:
        return InvalidParameters((Problem("destination", "must differ from the source"),))
    if not source.can_be_source:
        return InvalidParameters((Problem("source", "money cannot be taken from an account of this type"),))
    if source.linked_account_id == destination.id:
        return InvalidParameters((Problem("destination", "collects from the source by itself"),))
    if source.currency != destination.currency:
        return InvalidParameters((Problem("destination", "has another currency than the source"),))
    if command.amount < organization.minimum_transfer:
        smallest = f"must be at least {organization.minimum_transfer}"
        return InvalidParameters((Problem("amount", smallest),))
    return source, destination


def _move(
    movements: Movements,
    rooms: AchRooms,
    book: Book,
    command: CreateTransfer,
    source: Account,
    destination: Account,
) -> Transfer:
    direction = direction_of(source, destination)
    made = NewTransfer(
        organization_id=command.organization_id,
        id=TransferId(movements.engine.new_id()),
        execution_id=None,
        rule_id=None,
        step=None,
        action=None,
        part=None,
        source_account_id=source.id,
        destination_account_id=destination.id,
        amount=command.amount,
        direction=direction,
        origin=TransferOrigin.USER_PULL if direction is Direction.MONEY_IN else TransferOrigin.USER,
        mode=command.mode,
        status=TransferStatus.PROCESSING,
        error_code=None,
        description=command.description,
        key_id=command.principal.key_id,
    )
    error_code = _first_error(rooms, book, made, source, destination)
    if error_code is not None:
        is_lack = error_code is ErrorCode.INSUFFICIENT_FUNDS
        status = TransferStatus.INCOMPLETE if is_lack else TransferStatus.ERROR
        made = made._replace(status=status, error_code=error_code)
    elif command.mode is Mode.SIMULATION:
        made = made._replace(status=TransferStatus.COMPLETE)
    else:
        above = command.principal.approval_above
        needs_approval = above is not None and command.amount > above
        if not needs_approval:
            rooms.use(command.organization_id, source.id, arrival_of(book, source.id, destination.id), command.amount)
        made = movements.carry(made, needs_approval=needs_approval)
    movements.add(made, Origin(made.id, -1, None))
    return transfer_of(made, book, movements.clocks[command.organization_id])


def _first_error(
    rooms: AchRooms, book: Book, made: NewTransfer, source: Account, destination: Account
) -> ErrorCode | None:
    """Tell why money cannot be moved, in the order in which a rule's plan looks."""
    if any(end.reported.error == ErrorCode.DISCONNECTED_ACCOUNT for end in (source, destination)):
        return ErrorCode.DISCONNECTED_ACCOUNT
    spendable = book.spendable(source.id)
    if spendable is None:
        return ErrorCode.NULL_BALANCE
    if spendable < made.amount:
        return ErrorCode.INSUFFICIENT_FUNDS
    return rooms.reached_by(made.organization_id, source.id, arrival_of(book, source.id, destination.id), made.amount)


async def get_transfer(engine: Engine, principal: Principal, transfer_id: TransferId | None, spelling: str) -> Transfer:
    """Read a transfer, with its legs, of which the key may see either end. Raises PermissionDenied and NotFound.

    A narrow key is refused alike for a transfer of other accounts and for one that does not exist.
    """
    seen = visible(principal, Permission.READ_TRANSFERS)
    found = None
    if transfer_id is not None:
        found = await find_with_legs(engine, principal.organization_id, transfer_id)
    if seen is not None:
        ends = () if found is None else (found.source, found.destination)
        if not any(party is not None and party.id in seen for party in ends):
            raise PermissionDenied
    if found is None:
        raise NotFound(IdKind.TRANSFER, spelling)
    return found


async def find_with_legs(engine: Engine, organization_id: OrganizationId, transfer_id: TransferId) -> Transfer | None:
    """Find a transfer, with the payments that banks carry for it."""
    async with engine.database.read() as tx:
        found = await stored.find_transfer(tx, organization_id, transfer_id)
        legs = {} if found is None else await legs_of(tx, organization_id, [transfer_id])
    return None if found is None else replace(found, legs=tuple(legs.get(transfer_id, ())))


async def list_transfers(
    engine: Engine,
    principal: Principal,
    account_ids: Collection[AccountId],
    *,
    as_source: bool = True,
    as_destination: bool = True,
    mode: Mode | None = Mode.LIVE,
    direction: Direction | None = None,
    origin: TransferOrigin | None = None,
    status: TransferStatus | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    execution_id: ExecutionId | None = None,
    before_id: TransferId | None = None,
    offset: int = 0,
    limit: int,
) -> list[Transfer]:
    """List transfers of accounts, newest first; without a mode, live ones and simulations.

    Raises PermissionDenied for an account that the key may not see.
    """
    for account_id in account_ids:
        require(principal, Permission.READ_TRANSFERS, account_id)
    async with engine.database.read() as tx:
        return await stored.list_transfers(
            tx,
            principal.organization_id,
            account_ids,
            as_source=as_source,
            as_destination=as_destination,
            mode=mode,
            direction=direction,
            origin=origin,
            status=status,
            from_at=from_at,
            to_at=to_at,
            execution_id=execution_id,
            before_id=before_id,
            offset=offset,
            limit=limit,
        )


@dataclass(frozen=True, slots=True)
class TransferPage:
    """Some transfers, newest first. `next_id`: go on behind this one; None: there are no more."""

    transfers: list[Transfer]
    next_id: TransferId | None


async def latest_transfers(
    engine: Engine,
    organization_id: OrganizationId,
    *,
    account_id: AccountId | None = None,
    mode: Mode | None = Mode.LIVE,
    direction: Direction | None = None,
    status: TransferStatus | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: TransferId | None = None,
    limit: int,
) -> TransferPage:
    """List the transfers of an organization, or of one account of it, newest first.

    Of the organization a page may end short where what is wanted is rare; `next_id` says where to go on.
    """
    async with engine.database.read() as tx:
        if account_id is not None:
            found = await stored.list_transfers(
                tx,
                organization_id,
                [account_id],
                mode=mode,
                direction=direction,
                status=status,
                from_at=from_at,
                to_at=to_at,
                before_id=before_id,
                limit=limit + 1,
            )
            return TransferPage(found[:limit], found[limit - 1].id if len(found) > limit else None)
        found = await stored.latest_transfers(
            tx,
            organization_id,
            mode=mode,
            direction=direction,
            status=status,
            from_at=from_at,
            to_at=to_at,
            before_id=before_id,
            reach=REACH,
            limit=limit + 1,
        )
        if len(found) > limit:
            return TransferPage(found[:limit], found[limit - 1].id)
        return TransferPage(found, await stored.end_of_transfers(tx, organization_id, before_id, REACH))
