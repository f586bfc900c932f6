"""Shows a transfer that has just been made, without reading it back."""

from datetime import datetime

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Book
from sluiceway.domain.transfers import Party, Transfer, TransferStatus
from sluiceway.storage.transfers import NewTransfer


def transfer_of(transfer: NewTransfer, book: Book, at: datetime) -> Transfer:
    """Give the transfer as a later read will give it."""
    source = _party(book, transfer.source_account_id)
    destination = _party(book, transfer.destination_account_id)
    known = transfer.source_account_id or transfer.destination_account_id
    assert known is not None, "one end is ours"
    return Transfer(
        organization_id=transfer.organization_id,
        id=transfer.id,
        source=source,
        destination=destination,
        amount=transfer.amount,
        currency=book.accounts[known].currency,
        direction=transfer.direction,
        origin=transfer.origin,
        mode=transfer.mode,
        status=transfer.status,
        error_code=transfer.error_code,
        execution_id=transfer.execution_id,
        rule_id=transfer.rule_id,
        description=transfer.description,
        created_at=at,
        completed_at=at if transfer.status is TransferStatus.COMPLETE else None,
        approval_expires_at=transfer.approval_expires_at,
        staged_account_id=transfer.staged_account_id,
    )


def _party(book: Book, account_id: AccountId | None) -> Party | None:
    if account_id is None:
        return None
    account = book.accounts[account_id]
    return Party(account.id, account.name, account.kind, account.is_deleted)
