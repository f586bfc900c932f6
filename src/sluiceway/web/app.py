"""The app in front of the generations: its pages and files, its endpoints under /app, and everything else to them."""

from typing import Final

from sluiceway.api.http import (
    BROKEN,
    SEEN,
    UNWELCOME,
    App,
    Door,
    Generation,
    Info,
    Message,
    PathUnknown,
    Receive,
    Reply,
    Scope,
    Send,
    build,
    document,
    failure_of,
    request_id_of,
    unavailable,
)
from sluiceway.domain.errors import Unauthenticated
from sluiceway.services.edge import Edge
from sluiceway.web.errors import REFUSALS, UNAVAILABLE, UNEXPECTED, ErrorEnvelope, show_failure
from sluiceway.web.identify import read_base_path
from sluiceway.web.operations import run
from sluiceway.web.proxies import Proxies
from sluiceway.web.routes import OPERATIONS
from sluiceway.web.static import Static, is_file, is_page

PREFIX: Final = "/app"
NO_PROXIES: Final = Proxies(())
HSTS: Final = {
    "off": None,
    "host": b"max-age=31536000",
    "subdomains": b"max-age=31536000; includeSubDomains",
}
"""What a browser that came over TLS is told, by what a deployment may choose."""


def _no_key(_: bytes | None) -> str:
    raise Unauthenticated


APP: Final = Generation(
    prefix=PREFIX,
    operations=OPERATIONS,
    read_secret=_no_key,
    refusals=REFUSALS,
    show_failure=show_failure,
    unavailable=UNAVAILABLE,
    unexpected=UNEXPECTED,
    run=run,
)
INFO: Final = Info(
    title="Sluiceway app",
    description=(
        "What the app's own pages ask for, and may change with them: programs use the other APIs. For people who have "
        "signed in, by cookie; what changes something has to come from a page of this server and say "
        "`X-Requested-By: sluiceway`. Amounts are whole cents. Lists are newest first and go on after `nextCursor`."
    ),
    scheme="cookie",
    error=ErrorEnvelope,
)
_WRITTEN: Final = document(APP, INFO)
DOCUMENT: Final = _WRITTEN | {
    # As its pages ask: they put before it only where the app is mounted.
    "servers": [{"url": "/"}],
    "paths": {PREFIX + path: methods for path, methods in _WRITTEN["paths"].items()},
}


def create_web(
    edge: Edge,
    others: App,
    door: Door | None = None,
    *,
    base_path: str = "",
    static: Static | None = None,
    proxies: Proxies = NO_PROXIES,
    hsts: bytes | None = None,
) -> App:
    """Build the application: the app, and in it `others` for whatever is not the app's.

    `base_path`: under which path a proxy serves this, such as `/money`; without it, the proxy may say so with
    X-Forwarded-Prefix. `door`: how many requests are inside at once, together with the others'. `proxies`: who is
    believed about whom a request comes from. `hsts`: what browsers are told of TLS by whatever is the app's.
    """
    door = door or Door()
    files = static or Static()
    built = build(APP, edge)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await others(scope, receive, send)
            return
        if BROKEN in scope:
            return
        path: str = scope["path"]
        if base_path and (path == base_path or path.startswith(f"{base_path}/")):
            # A proxy that does not take it away.
            path = path.removeprefix(base_path) or "/"
            scope = {**scope, "path": path}
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            scope = proxies.seen(scope)
            send = _strict(scope, send, hsts)
            if door.is_shut(scope):
                leaving = [(b"connection", b"close")] if UNWELCOME in scope else []
                await door.refuse(unavailable(APP, scope, edge.engine.new_id, *leaving), scope, receive, send)
            else:
                await door.let_in(built, scope, receive, send)
        elif is_file(path):
            send = _strict(proxies.seen(scope), send, hsts)
            if scope["method"] not in ("GET", "HEAD") or not await files.serve_file(scope, send, path):
                await _nothing(edge, scope, receive, send)
        elif is_page(scope):
            seen = proxies.seen(scope)
            await files.serve_page(scope, _strict(seen, send, hsts), read_base_path(seen, base_path))
        else:
            scope[SEEN] = proxies.seen
            await others(scope, receive, send)

    return serve


def _strict(scope: Scope, send: Send, hsts: bytes | None) -> Send:
    """Tell a browser that came over TLS to come over nothing else. Told over anything else, it would not believe it."""
    if hsts is None or scope.get("scheme") != "https":
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"strict-transport-security", hsts)]}
        await send(message)

    return sending


async def _nothing(edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
    request_id = request_id_of(scope, edge.engine.new_id)
    failure = failure_of(APP, PathUnknown(scope["path"]), scope["path"])
    await Reply(failure.status, show_failure(failure, request_id), request_id)(scope, receive, send)
