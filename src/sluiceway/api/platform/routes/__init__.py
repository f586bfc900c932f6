"""The operations of /platform/v1: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.api.http import Operation
from sluiceway.api.platform.routes import (
    accounts,
    audit_logs,
    card_transactions,
    executions,
    external_transactions,
    rules,
    transfers,
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *accounts.OPERATIONS,
    *transfers.OPERATIONS,
    *external_transactions.OPERATIONS,
    *card_transactions.OPERATIONS,
    *rules.OPERATIONS,
    *executions.OPERATIONS,
    *audit_logs.OPERATIONS,
)
