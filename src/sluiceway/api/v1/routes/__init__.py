"""The operations of v1: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.api.http import Operation
from sluiceway.api.v1.routes import accounts, cards, executions, rules, transfers

OPERATIONS: Final[tuple[Operation, ...]] = (
    *accounts.OPERATIONS,
    *transfers.OPERATIONS,
    *rules.OPERATIONS,
    *executions.OPERATIONS,
    *cards.OPERATIONS,
)
