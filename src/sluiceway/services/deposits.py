"""Money arriving in a sandbox: posted at once from the world, firing the account's incoming-funds rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluiceway.domain.audit import Act
from sluiceway.domain.errors import NotFound, Refusal, SandboxOnly
from sluiceway.domain.ids import AccountId, IdKind, KeyId, OrganizationId, TransferId
from sluiceway.domain.ledger import Book
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Mode, Transfer, TransferStatus
from sluiceway.domain.transfers import Origin as TransferOrigin
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.services.movements import Movements, Origin, fired_rules
from sluiceway.services.showing import transfer_of
from sluiceway.storage.accounts import lock_accounts, own_accounts
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import find_organizations
from sluiceway.storage.transfers import NewTransfer


@dataclass(frozen=True, slots=True)
class Deposit:
    """Let money arrive at a pod or income source, as if an outside bank had sent it."""

    organization_id: OrganizationId
    account_id: AccountId
    spelling: str
    amount: Cents
    key_id: KeyId | None
    idempotency: Idempotency | None
    show: Callable[[Transfer], Answer]
    act: Act | None = None


async def deposit(engine: Engine, commands: Sequence[Deposit]) -> list[Answer | Refusal]:
    """Post a batch of deposits in one transaction; an answer or a refusal for each, in order.

    Refusals: SandboxOnly, NotFound (also for external accounts, whose money is not ours to post), and those of
    idempotency.
    """

    async def effect(tx: WriteTx, active: Sequence[Deposit]) -> list[Answer | Refusal]:
        return await post_deposits(engine, tx, active)

    answers = await run_idempotently(engine, commands, effect)
    engine.wake()
    return answers


async def post_deposits(engine: Engine, tx: WriteTx, commands: Sequence[Deposit]) -> list[Answer | Refusal]:
    """Post deposits as a part of a transaction, for whoever does more in it; their keys count for nothing here."""
    organization_ids = {command.organization_id for command in commands}
    organizations = await find_organizations(tx, organization_ids)
    own = await own_accounts(tx, organization_ids)
    worlds = {key: accounts.world for key, accounts in own.items()}
    accounts = {(command.organization_id, command.account_id) for command in commands}
    fired = await fired_rules(tx, accounts)
    books = await lock_accounts(tx, accounts | {(key[0], account_id) for key, account_id in worlds.items()})
    movements = Movements(engine, organizations, books, fired, engine.now())
    answers: list[Answer | Refusal] = []
    for command in commands:
        book = books[command.organization_id]
        account = book.accounts.get(command.account_id)
        if not organizations[command.organization_id].is_sandbox:
            answers.append(SandboxOnly())
        elif account is None or account.is_deleted or not account.is_kept or not account.is_listed:
            answers.append(NotFound(IdKind.ACCOUNT, command.spelling))
        else:
            world = worlds[command.organization_id, account.currency]
            answers.append(command.show(_post(movements, book, world, command)))
    await movements.write(tx)
    return answers


def _post(movements: Movements, book: Book, world: AccountId, command: Deposit) -> Transfer:
    transfer_id = TransferId(movements.engine.new_id())
    book.post(transfer_id, world, command.account_id, command.amount)
    transfer = NewTransfer(
        organization_id=command.organization_id,
        id=transfer_id,
        execution_id=None,
        rule_id=None,
        step=None,
        action=None,
        part=None,
        source_account_id=None,
        destination_account_id=command.account_id,
        amount=command.amount,
        direction=Direction.MONEY_IN,
        origin=TransferOrigin.DIRECT_DEPOSIT,
        mode=Mode.LIVE,
        status=TransferStatus.COMPLETE,
        error_code=None,
        key_id=command.key_id,
    )
    movements.add(transfer, Origin(transfer_id, -1, None))
    return transfer_of(transfer, book, movements.clocks[command.organization_id])
