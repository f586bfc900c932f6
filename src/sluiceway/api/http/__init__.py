"""What API generations share: strict bodies, headers, parameters, cursors, operations, and how they are served."""

from sluiceway.api.http.asgi import App, Receive, Scope, Send
from sluiceway.api.http.bodies import MAX_BODY, parse
from sluiceway.api.http.documents import Info, document
from sluiceway.api.http.door import RETRY_AFTER_S, UNWELCOME, Door
from sluiceway.api.http.generation import Generation, build, failure_of, unavailable
from sluiceway.api.http.headers import request_id_of
from sluiceway.api.http.operations import Call, Credential, Operation, Reach, Reply, operation
from sluiceway.api.http.pages import page
from sluiceway.api.http.queries import (
    After,
    Choice,
    First,
    Ids,
    Instant,
    Named,
    Whole,
    by_name,
    read_instant,
    read_pairs,
)
from sluiceway.api.http.refusals import (
    Failure,
    MethodNotAllowed,
    PathUnknown,
    RequestTooLarge,
    Table,
    UnsupportedMediaType,
    every_refusal,
)

__all__ = [
    "MAX_BODY",
    "RETRY_AFTER_S",
    "UNWELCOME",
    "After",
    "App",
    "Call",
    "Choice",
    "Credential",
    "Door",
    "Failure",
    "First",
    "Generation",
    "Ids",
    "Info",
    "Instant",
    "MethodNotAllowed",
    "Named",
    "Operation",
    "PathUnknown",
    "Reach",
    "Receive",
    "Reply",
    "RequestTooLarge",
    "Scope",
    "Send",
    "Table",
    "UnsupportedMediaType",
    "Whole",
    "build",
    "by_name",
    "document",
    "every_refusal",
    "failure_of",
    "operation",
    "page",
    "parse",
    "read_instant",
    "read_pairs",
    "request_id_of",
    "unavailable",
]
