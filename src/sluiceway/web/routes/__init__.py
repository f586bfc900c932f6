"""The operations of the app: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.web.operations import AppOperation
from sluiceway.web.routes import (
    approvals,
    audit_log,
    keys,
    runs,
    sandbox,
    session,
    settings,
    simulate,
    transfers,
    webhooks,
)

OPERATIONS: Final[tuple[AppOperation, ...]] = (
    *session.OPERATIONS,
    *sandbox.OPERATIONS,
    *keys.OPERATIONS,
    *webhooks.OPERATIONS,
    *audit_log.OPERATIONS,
    *settings.OPERATIONS,
    *runs.OPERATIONS,
    *transfers.OPERATIONS,
    *approvals.OPERATIONS,
    *simulate.OPERATIONS,
)
