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
    people,
    rule_tests,
    rules,
    runs,
    sandbox,
    security,
    session,
    settings,
    simulate,
    snippets,
    transfers,
    webhooks,
)

OPERATIONS: Final[tuple[AppOperation, ...]] = (
    *session.OPERATIONS,
    *accounts.OPERATIONS,
    *approvals.OPERATIONS,
    *audit_log.OPERATIONS,
    *events.OPERATIONS,
    *keys.OPERATIONS,
    *money_map.OPERATIONS,
    *moving.OPERATIONS,
    *overview.OPERATIONS,
    *people.OPERATIONS,
    *rules.OPERATIONS,
    *rule_tests.OPERATIONS,
    *runs.OPERATIONS,
    *sandbox.OPERATIONS,
    *security.OPERATIONS,
    *settings.OPERATIONS,
    *simulate.OPERATIONS,
    *snippets.OPERATIONS,
    *transfers.OPERATIONS,
    *webhooks.OPERATIONS,
)
