"""The operations of the app: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.web.operations import AppOperation
from sluiceway.web.routes import (
    approvals,
    audit_log,
    events,
    keys,
    rules,
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
    *approvals.OPERATIONS,
    *audit_log.OPERATIONS,
    *events.OPERATIONS,
    *keys.OPERATIONS,
    *rules.OPERATIONS,
    *runs.OPERATIONS,
    *sandbox.OPERATIONS,
    *settings.OPERATIONS,
    *simulate.OPERATIONS,
    *transfers.OPERATIONS,
    *webhooks.OPERATIONS,
)
