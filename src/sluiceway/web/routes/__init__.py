"""The operations of the app: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.web.operations import AppOperation
from sluiceway.web.routes import (
    accounts,
    approvals,
    audit_log,
    events,
    keys,
    money_map,
    moving,
    overview,
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
    *overview.OPERATIONS,
    *money_map.OPERATIONS,
    *accounts.OPERATIONS,
    *moving.OPERATIONS,
    *sandbox.OPERATIONS,
    *keys.OPERATIONS,
    *webhooks.OPERATIONS,
    *audit_log.OPERATIONS,
    *settings.OPERATIONS,
    *runs.OPERATIONS,
    *transfers.OPERATIONS,
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
