"""The remote API as an application, with its document and the page that shows it, wherever its paths are called."""

import re
from typing import Final

import msgspec

from sluiceway.api.http import (
    App,
    Generation,
    Info,
    MethodNotAllowed,
    Receive,
    Reply,
    Scope,
    Send,
    build,
    document,
    failure_of,
    page,
    request_id_of,
)
from sluiceway.api.remote.errors import REFUSALS, UNAVAILABLE, UNEXPECTED, Error, show_failure
from sluiceway.api.remote.identify import read_secret
from sluiceway.api.remote.routes import OPERATIONS
from sluiceway.services.edge import Edge

PREFIX: Final = "/remote-api"
"""Where live programs call; documents tell of the same paths without it."""

REMOTE: Final = Generation(
    prefix=PREFIX,
    operations=OPERATIONS,
    read_secret=read_secret,
    refusals=REFUSALS,
    show_failure=show_failure,
    unavailable=UNAVAILABLE,
    unexpected=UNEXPECTED,
)
INFO: Final = Info(
    title="Sluiceway remote API",
    description=(
        "Read a beneficiary's accounts, and run a rule with its secret. Off until the organization's settings say "
        "otherwise. Amounts are in dollars. The same is served without `/remote-api`, and doubled slashes count as one."
    ),
    scheme="Bearer",
    error=Error,
    key_refusals=(),
)
DOCUMENT: Final = document(REMOTE, INFO) | {"servers": [{"url": PREFIX}, {"url": "/"}]}

FIRST_WORDS: Final = frozenset({"accounts", "rules", "pods", "cards", "transfers", "webhooks", PREFIX[1:]})
EMPTY_PATHS: Final = frozenset({"/pods", "/rules", "/cards", "/transfers", "/webhooks"})
"""Paths at which the product has nothing to offer either, but says so as of those at which it has: no POST there is
found, and no other method allowed."""
_SLASHES: Final = re.compile("/{2,}")


def owns(path: str) -> bool:
    """Tell whether a path is the remote API's, with or without its prefix, however its slashes are doubled."""
    first, *_ = path.lstrip("/").split("/")
    return first in FIRST_WORDS


def app(edge: Edge) -> App:
    """Build the application."""
    pages = (
        ("/openapi.json", b"application/json", msgspec.json.encode(DOCUMENT)),
        ("/docs", b"text/html; charset=utf-8", page(DOCUMENT)),
    )
    built = build(REMOTE, edge, pages)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = _SLASHES.sub("/", scope["path"])
        path = path.removeprefix(PREFIX) if path.startswith(f"{PREFIX}/") else path
        if scope["type"] == "http" and scope["method"] != "POST" and path.rstrip("/") in EMPTY_PATHS:
            await _refuse(edge, scope)(scope, receive, send)
        else:
            await built({**scope, "path": PREFIX + path}, receive, send)

    return serve


def _refuse(edge: Edge, scope: Scope) -> Reply:
    """Answer a method at a path that allows none at all."""
    failure = failure_of(REMOTE, MethodNotAllowed(scope["method"], ()), scope["path"])
    request_id = request_id_of(scope, edge.engine.new_id)
    return Reply(failure.status, show_failure(failure, request_id), request_id, failure.headers)
