"""The operations of the sandbox on the world outside: the clock, accounts at its bank, what people do with money."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.sandbox.wire import accounts, clock, money
from sluiceway.api.sandbox.wire.shapes import Envelope, Nothing, read_nothing, show_moment
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import AccountId, IdKind, TransferId
from sluiceway.services import clock as clocks
from sluiceway.services import outside, sandbox
from sluiceway.services.idempotency import Answer
from sluiceway.storage.bank_rows import EventKind

CLOCK: Final = "clock"
"""The turn of what moves the clock: one after the other."""
MONEY: Final = "money"
"""The turn of what somebody outside sends or collects."""


@operation(
    "GET",
    "/clock",
    summary="Read the clock",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    answer=Envelope[clock.ClockShown],
)
async def read_clock(call: Call) -> Reply:
    """Read the organization's time, by which schedules, banks, retries and approvals go."""
    state = await sandbox.read_clock(call.edge.engine, call.principal.organization_id)
    return call.answer(clock.show_clock(call, state))


@operation(
    "POST",
    "/clock/freeze",
    summary="Freeze the clock",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=Nothing,
    is_body_required=False,
    answer=Envelope[clock.ClockShown],
)
async def freeze_clock(call: Call) -> Reply:
    """Let the clock stand still where it is."""
    read_nothing(call)

    async def freeze() -> Answer:
        state = await clocks.freeze(call.edge.engine, call.principal.organization_id, act=call.act)
        return clock.show_clock(call, state)

    return await call.once(freeze, turn=CLOCK, records_itself=True)


@operation(
    "POST",
    "/clock/resume",
    summary="Let the clock run",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=Nothing,
    is_body_required=False,
    answer=Envelope[clock.ClockShown],
)
async def resume_clock(call: Call) -> Reply:
    """Let the clock run on from where it is."""
    read_nothing(call)

    async def resume() -> Answer:
        state = await clocks.resume(call.edge.engine, call.principal.organization_id, act=call.act)
        return clock.show_clock(call, state)

    return await call.once(resume, turn=CLOCK, records_itself=True)


@operation(
    "POST",
    "/clock/advance",
    summary="Move the clock forward",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=clock.NewTime,
    answer=Envelope[clock.Advanced],
)
async def advance_clock(call: Call) -> Reply:
    """Move the clock forward by `days`, or `to` an instant, and do everything that is due in between, each at its time.

    The answer comes when all of it has happened, which may take minutes for years. If it does not come, send the
    request again with its idempotency key: it goes on to where the first one was going, and no further. The clock
    never goes back. One that ran runs on afterwards.
    """
    by = clock.read_time(call)

    async def advance() -> Answer:
        organization_id = call.principal.organization_id
        return clock.show_advanced(call, await sandbox.advance(call.edge.engine, organization_id, call.idempotency, by))

    return await call.once(advance, turn=CLOCK)


@operation(
    "POST",
    "/external-accounts",
    summary="Open an account at the bank",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=accounts.NewExternalAccount,
    status=201,
    answer=Envelope[accounts.ConnectedAccount],
)
async def create_external_account(call: Call) -> Reply:
    """Open an account at the sandbox bank, with what is in it, and connect it as an external account.

    With `holding_pod_name` a liability becomes a manual one: payments to it wait in a pod of that name until its
    provider collects them (a withdrawal).
    """
    return call.answer(await sandbox.connect(call.edge.engine, accounts.read_account(call)))


@operation(
    "POST",
    "/accounts/{id}/statement",
    summary="Say what a liability's provider says",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.ACCOUNT,
    body=accounts.NewStatement,
    answer=Envelope[accounts.ExternalAccount],
    refusals=(404, 409),
)
async def set_statement(call: Call) -> Reply:
    """Replace all that a liability's provider says. Figures that contradict each other are refused, and none is set."""
    wanted = accounts.read_statement(call)

    async def set_figures() -> Answer:
        found = await sandbox.set_figures(
            call.edge.engine, call.principal.organization_id, _account_id(call), call.spelling, *wanted
        )
        return accounts.show_account(call, found)

    return await call.once(set_figures)


@operation(
    "POST",
    "/accounts/{id}/transactions",
    summary="Let money move on an external account",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.ACCOUNT,
    body=accounts.NewTransaction,
    status=201,
    answer=Envelope[accounts.TransactionShown],
    refusals=(404, 409),
)
async def create_transaction(call: Call) -> Reply:
    """Let somebody outside pay into an external account, or out of it. What comes in fires its rules."""
    booking = accounts.read_transaction(call)

    async def book() -> Answer:
        account_id = _account_id(call)
        at = await sandbox.book_transaction(
            call.edge.engine,
            call.principal.organization_id,
            account_id,
            call.spelling,
            amount=booking.amount,
            description=booking.description,
            idempotency=call.idempotency,
        )
        assert account_id is not None, "it was found"
        return accounts.show_transaction(call, account_id, booking, show_moment(at))

    return await call.once(book)


@operation(
    "POST",
    "/accounts/{id}/state",
    summary="Open, close, freeze or disconnect an account",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.ACCOUNT,
    body=accounts.NewState,
    answer=Envelope[accounts.ExternalAccount],
    refusals=(404, 409),
)
async def set_account_state(call: Call) -> Reply:
    """Change what the account at the bank lets happen: payments to closed and frozen ones come back."""
    state = accounts.read_state(call)

    async def set_state() -> Answer:
        found = await sandbox.set_state(
            call.edge.engine, call.principal.organization_id, _account_id(call), call.spelling, state
        )
        return accounts.show_account(call, found)

    return await call.once(set_state)


@operation(
    "POST",
    "/deposits",
    summary="Let money arrive",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=money.NewDeposit,
    status=201,
    answer=Envelope[money.MoneyShown],
    refusals=(404,),
)
async def create_deposit(call: Call) -> Reply:
    """Let money arrive at a pod or an income source, as if another bank had sent it. Its rules then run.

    What is meant for another `payee_name` than the account's beneficiary is sent back.
    """
    wanted = money.read_deposit(call)
    if wanted.payee_name is None:
        return call.answer(await call.edge.deposit(money.deposit_at_once(call, wanted)))
    return await _move(call, EventKind.DEPOSIT, wanted)


@operation(
    "POST",
    "/withdrawals",
    summary="Let money be collected",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=money.NewWithdrawal,
    status=201,
    answer=Envelope[money.MoneyShown],
    refusals=(404,),
)
async def create_withdrawal(call: Call) -> Reply:
    """Let somebody outside collect money from a pod or an income source. What is not there is not paid."""
    return await _move(call, EventKind.WITHDRAWAL, money.read_withdrawal(call))


async def _move(call: Call, kind: EventKind, wanted: money.Money) -> Reply:
    async def move() -> Answer:
        transfer = await outside.move_from_outside(
            call.edge.engine,
            call.principal.organization_id,
            kind,
            wanted.account_id,
            wanted.spelling,
            amount=wanted.amount,
            description=wanted.description,
            payee_name=wanted.payee_name,
            idempotency=call.idempotency,
        )
        return money.show_money(call, wanted, transfer)

    return await call.once(move, turn=MONEY)


@operation(
    "POST",
    "/transfers/{id}/settle",
    summary="Settle a transfer now",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.TRANSFER,
    body=Nothing,
    is_body_required=False,
    answer=Envelope[money.TransferShown],
    refusals=(404, 409),
)
async def settle_transfer(call: Call) -> Reply:
    """Let the payment that the bank has for a transfer settle now. A pull that cannot settle is returned."""
    read_nothing(call)

    async def settle() -> Answer:
        transfer = await outside.settle_transfer(call.edge.engine, _transfer(call))
        return money.show_transfer(call, transfer)

    return await call.once(settle)


@operation(
    "POST",
    "/transfers/{id}/return",
    summary="Return a transfer",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.TRANSFER,
    body=money.NewReturn,
    answer=Envelope[money.TransferShown],
    refusals=(404, 409),
)
async def return_transfer(call: Call) -> Reply:
    """Let a payment of a transfer come back now, settled or not: the latest for which there is such a return.

    Returns that do not exist for the payment, and those whose deadline has passed, are refused.
    """
    code = money.read_return(call)

    async def send_back() -> Answer:
        transfer = await outside.return_transfer(call.edge.engine, _transfer(call), code)
        return money.show_transfer(call, transfer)

    return await call.once(send_back)


@operation(
    "POST",
    "/failures",
    summary="Let calls to the bank fail",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=accounts.NewFault,
    status=201,
    answer=Envelope[accounts.FaultShown],
)
async def create_failure(call: Call) -> Reply:
    """Let the next calls of a kind to the bank go wrong, after those that shall already.

    `unavailable`: nothing is done; `lost_reply`: it is done, and there is no answer; `twice` (of `reports`): the answer
    is told again by the next one; `refused` (of `submit`): the bank will not carry the payment.
    """
    failing = accounts.read_fault(call)

    async def fail() -> Answer:
        organization_id = call.principal.organization_id
        await sandbox.fail_next(call.edge.engine, organization_id, *failing, idempotency=call.idempotency)
        return accounts.show_fault(call, failing)

    return await call.once(fail)


def _account_id(call: Call) -> AccountId | None:
    return None if call.id is None else AccountId(call.id)


def _transfer(call: Call) -> outside.TransferToMove:
    transfer_id = None if call.id is None else TransferId(call.id)
    return outside.TransferToMove(call.principal.organization_id, transfer_id, call.spelling, call.idempotency)


OPERATIONS: Final[tuple[Operation, ...]] = (
    read_clock,
    freeze_clock,
    resume_clock,
    advance_clock,
    create_external_account,
    set_statement,
    create_transaction,
    set_account_state,
    create_deposit,
    create_withdrawal,
    settle_transfer,
    return_transfer,
    create_failure,
)
