"""The operations of the app: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.web.operations import AppOperation
from sluiceway.web.routes import audit_log, keys, sandbox, session, settings, webhooks

OPERATIONS: Final[tuple[AppOperation, ...]] = (
    *session.OPERATIONS,
    *sandbox.OPERATIONS,
    *keys.OPERATIONS,
    *webhooks.OPERATIONS,
    *audit_log.OPERATIONS,
    *settings.OPERATIONS,
)
