"""What a person may do to a sandbox's world: turn its clock, let money arrive, let cards pay, let its bank fail."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.cards import CardTransaction
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import IdKind
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Transfer
from sluiceway.services import accounts, outside, sandbox
from sluiceway.services import clock as clocks
from sluiceway.services.card_transactions import Purchase
from sluiceway.services.clock import ClockState
from sluiceway.services.deposits import Deposit
from sluiceway.services.idempotency import Answer
from sluiceway.storage.bank_rows import BankCall, EventKind, Fault
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import sandbox as wire
from sluiceway.web.wire.shapes import Envelope, read_body, read_text

MONEY: Final = "money"
CLOCK: Final = "clock"


@operation("GET", "/sandbox", role=Role.VIEWER, summary="Read a sandbox's world", answer=Envelope[wire.SandboxShown])
async def get_sandbox(call: AppCall) -> Reply:
    """Read the clock, and which accounts, cards and faults there are to do something with."""
    world = await sandbox.read_world(call.edge.engine, call.principal.organization_id)
    return call.reply(wire.show_sandbox(world.clock, world.next_due_at, world.accounts, world.cards))


@operation(
    "POST", "/sandbox/clock/freeze", role=Role.WRITER, summary="Stop the clock", answer=Envelope[wire.ClockShown]
)
async def freeze_clock(call: AppCall) -> Reply:
    """Let the clock stand still where it is."""
    return await _show_clock(call, await clocks.freeze(call.edge.engine, call.principal.organization_id, act=call.act))


@operation(
    "POST", "/sandbox/clock/resume", role=Role.WRITER, summary="Let the clock run", answer=Envelope[wire.ClockShown]
)
async def resume_clock(call: AppCall) -> Reply:
    """Let the clock run on from where it is."""
    return await _show_clock(call, await clocks.resume(call.edge.engine, call.principal.organization_id, act=call.act))


@operation(
    "POST",
    "/sandbox/clock/advance",
    role=Role.WRITER,
    summary="Move the clock forward",
    body=wire.NewTime,
    answer=Envelope[wire.ClockShown],
    refusals=(409,),
)
async def advance_clock(call: AppCall) -> Reply:
    """Move the clock forward, and do everything that is due in between, each at its time. The answer comes then."""
    wanted = read_body(call.body, wire.NewTime)
    world = await sandbox.read_world(call.edge.engine, call.principal.organization_id)
    by = wire.read_target(wanted, world.next_due_at)
    moved: list[ClockState] = []

    async def advance() -> Answer:
        moved.append(await sandbox.advance(call.edge.engine, call.principal.organization_id, None, by))
        return Answer(200, b"")

    await call.once(advance, turn=CLOCK)
    return await _show_clock(call, moved[0])


async def _show_clock(call: AppCall, state: ClockState) -> Reply:
    world = await sandbox.read_world(call.edge.engine, call.principal.organization_id)
    return call.reply(wire.show_clock(state, world.next_due_at))


@operation(
    "POST",
    "/sandbox/deposits",
    role=Role.WRITER,
    summary="Let money arrive",
    body=wire.NewDeposit,
    status=201,
    answer=Envelope[wire.Happened],
    refusals=(404, 409),
)
async def create_deposit(call: AppCall) -> Reply:
    """Let money arrive at an account, as if somebody outside had sent it. The account's rules then run."""
    wanted = read_body(call.body, wire.NewDeposit)
    account_id = wire.read_account_id(wanted.account_id)
    found = await accounts.get_account(call.edge.engine, call.principal, account_id, wanted.account_id)
    amount = Cents(wanted.amount_in_cents)

    def show(transfer: Transfer | None) -> Answer:
        return Answer(201, wire.show_arrived(found, amount, transfer))

    if found.account.is_kept:
        deposit = Deposit(
            organization_id=call.principal.organization_id,
            account_id=found.account.id,
            spelling=wanted.account_id,
            amount=amount,
            key_id=None,
            idempotency=None,
            show=show,
            act=call.act,
        )
        return call.answer(await call.edge.deposit(deposit))

    async def book() -> Answer:
        await sandbox.book_transaction(
            call.edge.engine,
            call.principal.organization_id,
            found.account.id,
            wanted.account_id,
            amount=amount,
            description=wire.read_description(wanted.description),
            idempotency=None,
        )
        return show(None)

    return await call.once(book)


@operation(
    "POST",
    "/sandbox/withdrawals",
    role=Role.WRITER,
    summary="Let money be collected",
    body=wire.NewWithdrawal,
    status=201,
    answer=Envelope[wire.Happened],
    refusals=(404,),
)
async def create_withdrawal(call: AppCall) -> Reply:
    """Let somebody outside collect money from a pod or an income source. What is not there is not paid."""
    wanted = read_body(call.body, wire.NewWithdrawal)
    account_id = wire.read_account_id(wanted.account_id)
    found = await accounts.get_account(call.edge.engine, call.principal, account_id, wanted.account_id)
    if not found.account.is_kept:
        raise NotFound(IdKind.ACCOUNT, wanted.account_id)

    async def move() -> Answer:
        transfer = await outside.move_from_outside(
            call.edge.engine,
            call.principal.organization_id,
            EventKind.WITHDRAWAL,
            account_id,
            wanted.account_id,
            amount=Cents(wanted.amount_in_cents),
            description=wire.read_description(wanted.description),
            payee_name=None,
            idempotency=None,
        )
        return Answer(201, wire.show_collected(found, wanted.amount_in_cents, transfer))

    return await call.once(move, turn=MONEY)


@operation(
    "POST",
    "/sandbox/cards/{id}/purchases",
    role=Role.WRITER,
    summary="Pay with a card",
    id_kind=IdKind.CARD,
    body=wire.NewPurchase,
    status=201,
    answer=Envelope[wire.Happened],
    refusals=(404,),
)
async def create_purchase(call: AppCall) -> Reply:
    """Pay somebody outside with a card. What cannot be paid is recorded as declined: nothing moves."""
    wanted = read_body(call.body, wire.NewPurchase)

    def show(made: CardTransaction) -> Answer:
        return Answer(201, wire.show_paid(made))

    purchase = Purchase(
        organization_id=call.principal.organization_id,
        card_id=wire.read_card_id(call.id),
        spelling=call.spelling,
        amount=Cents(wanted.amount_in_cents),
        description=read_text(wanted.description, "description"),
        key_id=None,
        idempotency=None,
        show=show,
        act=call.act,
    )
    return call.answer(await call.edge.use_card(purchase))


@operation(
    "POST",
    "/sandbox/faults",
    role=Role.WRITER,
    summary="Let calls to the bank fail",
    body=wire.NewFault,
    status=201,
    answer=Envelope[wire.Happened],
)
async def create_fault(call: AppCall) -> Reply:
    """Let the next calls of a kind to the bank go wrong, after those that shall already."""
    wanted = read_body(call.body, wire.NewFault)

    async def fail() -> Answer:
        await sandbox.fail_next(
            call.edge.engine,
            call.principal.organization_id,
            BankCall(wanted.call),
            Fault(wanted.fault),
            wanted.times,
            idempotency=None,
        )
        return Answer(201, wire.show_fault(wanted))

    return await call.once(fail)


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    get_sandbox,
    freeze_clock,
    resume_clock,
    advance_clock,
    create_deposit,
    create_withdrawal,
    create_purchase,
    create_fault,
)
