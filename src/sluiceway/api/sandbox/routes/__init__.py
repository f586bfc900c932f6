"""The operations of the sandbox: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.api.http import Operation
from sluiceway.api.sandbox.routes import cards, world

OPERATIONS: Final[tuple[Operation, ...]] = (*world.OPERATIONS, *cards.OPERATIONS)
