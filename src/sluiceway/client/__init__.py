"""A client for /platform/v1, of this server or of any other: sync and async, typed, safe to retry.

It knows nothing of the server beside it, and importing it does not load one.
"""

from sluiceway.client.async_client import AsyncSluiceway
from sluiceway.client.async_sending import AsyncPages
from sluiceway.client.calling import Request, Retries
from sluiceway.client.environment import Environment
from sluiceway.client.errors import (
    BadRequest,
    Conflict,
    Denied,
    NotFinished,
    NotFound,
    NotReached,
    NotUnderstood,
    NotVerified,
    RateLimited,
    Refused,
    ServerFailed,
    SluicewayError,
    Unauthorized,
)
from sluiceway.client.models import (
    Account,
    AccountNode,
    AccountSummary,
    AuditLogEntry,
    Balance,
    CardTransaction,
    Execution,
    ExecutionSummary,
    ExternalTransaction,
    Leg,
    LinkedAccount,
    LinkedAccountSummary,
    Page,
    Transfer,
    TransferAccountRef,
    TriggerDetails,
    Triggered,
)
from sluiceway.client.rules import (
    Action,
    Comparison,
    Condition,
    Params,
    Rule,
    RuleSummary,
    Step,
    TransferCap,
    Trigger,
)
from sluiceway.client.sync_client import Sluiceway
from sluiceway.client.sync_sending import Pages
from sluiceway.client.webhooks import (
    AccountData,
    EndpointData,
    Event,
    EventData,
    ExecutionData,
    RuleData,
    TransferData,
    verify_webhook,
)

__all__ = [
    "Account", "AccountData", "AccountNode", "AccountSummary", "Action", "AsyncPages", "AsyncSluiceway",
    "AuditLogEntry", "BadRequest", "Balance", "CardTransaction", "Comparison", "Condition", "Conflict", "Denied",
    "EndpointData", "Environment", "Event", "EventData", "Execution", "ExecutionData", "ExecutionSummary",
    "ExternalTransaction", "Leg", "LinkedAccount", "LinkedAccountSummary", "NotFinished", "NotFound", "NotReached",
    "NotUnderstood", "NotVerified", "Page", "Pages", "Params", "RateLimited", "Refused", "Request", "Retries", "Rule",
    "RuleData", "RuleSummary", "ServerFailed", "Sluiceway", "SluicewayError", "Step", "Transfer",
    "TransferAccountRef", "TransferCap", "TransferData", "Trigger", "TriggerDetails", "Triggered", "Unauthorized",
    "verify_webhook",
]  # fmt: skip
