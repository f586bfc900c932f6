"""Every generation behind one ASGI application: a dispatcher by path prefix, and what belongs to no generation."""

import asyncio
import logging
from typing import Final

import msgspec
import structlog

from sluiceway.api.http import (
    RETRY_AFTER_S,
    UNWELCOME,
    App,
    Door,
    Generation,
    Message,
    Receive,
    Reply,
    Scope,
    Send,
    request_id_of,
    unavailable,
)
from sluiceway.api.platform import app as platform
from sluiceway.api.remote import app as remote
from sluiceway.api.sandbox import app as sandbox
from sluiceway.api.v1 import app as v1
from sluiceway.services.edge import Edge
from sluiceway.services.holding import HELD
from sluiceway.services.tally import Tally

WELCOME: Final = msgspec.json.encode(
    {
        "name": "Sluiceway",
        "api": "/api/v1",
        "docs": "/api/v1/docs",
        "platform_docs": "/platform/v1/docs",
        "remote_docs": "/remote-api/docs",
        "sandbox_docs": "/sandbox/docs",
    }
)
HEALTHY: Final = msgspec.json.encode({"status": "ok"})
READY: Final = msgspec.json.encode({"status": "ready"})
READY_AND_HELD: Final = msgspec.json.encode({"status": "ready", "held": HELD})
"""It answers, so it is not taken away from who has to look and release it."""
_FIXED: Final = {"/": WELCOME, "/healthz": HEALTHY}
_PLATFORM: Final = "/platform/v1"
_PLATFORM_TOO: Final = "/api/platform/v1"
"""Where the platform generation is served as well."""

_detail = logging.getLogger(__name__)
log = structlog.get_logger()

_GENERATIONS: Final = (
    ("/api/v1", "v1"),
    (_PLATFORM, "platform"),
    (_PLATFORM_TOO, "platform"),
    ("/sandbox", "sandbox"),
    ("/app", "app"),
    ("/remote-api", "remote"),
    ("/healthz", "health"),
    ("/readyz", "health"),
)


def create_app(edge: Edge, door: Door | None = None) -> App:
    """Build the application over an edge, which stays the caller's to close. At the door it may be full."""
    first, sandboxed, second = (
        (v1.V1, v1.app(edge)),
        (sandbox.SANDBOX, sandbox.app(edge)),
        (platform.PLATFORM, platform.app(edge)),
    )
    oldest = (remote.REMOTE, remote.app(edge))
    door = door or Door()

    def asked(scope: Scope) -> tuple[Generation, App, Scope]:
        path: str = scope["path"]
        if path.startswith("/sandbox/"):
            return (*sandboxed, scope)
        if _is_under(path, _PLATFORM):
            return (*second, scope)
        if _is_under(path, _PLATFORM_TOO):
            # One address for both, so that a key means the same under either.
            return (*second, {**scope, "path": path.removeprefix("/api")})
        if remote.owns(path):
            return (*oldest, scope)
        # Unknown paths too: v1 answers them with its envelope.
        return (*first, scope)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        path: str = scope["path"]
        if path in _FIXED and scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            # However much there is to do: who is asked whether he lives must not be killed for being busy.
            await Reply(200, _FIXED[path], request_id_of(scope, edge.engine.new_id))(scope, receive, send)
            return
        if path == "/readyz" and scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            await (await _readiness(edge, scope))(scope, receive, send)
            return
        generation, app, scope = asked(scope)
        if door.is_shut(scope):
            leaving = [(b"connection", b"close")] if UNWELCOME in scope else []
            answer = unavailable(generation, scope, edge.engine.new_id, *leaving)
            await door.refuse(answer, scope, receive, send)
        else:
            await door.let_in(app, scope, receive, send)

    return serve


async def _readiness(edge: Edge, scope: Scope) -> Reply:
    """Say whether to send anything here. Beside the door: whoever shares out requests must hear it when all is full."""
    request_id = request_id_of(scope, edge.engine.new_id)
    reasons = await edge.readiness.reasons()
    if not reasons:
        return Reply(200, READY_AND_HELD if edge.readiness.is_held else READY, request_id)
    after = (b"retry-after", str(RETRY_AFTER_S).encode())
    return Reply(503, msgspec.json.encode({"status": "not_ready", "reasons": reasons}), request_id, (after,))


def counted(app: App, tally: Tally, base_path: str = "") -> App:
    """Count what is answered, and how long it took: nothing of it by caller or by id. Log each where that is wanted."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        began, status, request_id = clock(), 0, ""

        async def sending(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                if _detail.isEnabledFor(logging.DEBUG):
                    request_id = dict(message["headers"]).get(b"x-request-id", b"").decode()
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            generation = _generation(scope["method"], scope["path"].removeprefix(base_path))
            # A stream of changes lasts for as long as somebody watches, and a caller who has gone has no answer.
            if status:
                tally.add("requests", generation, f"{status // 100}xx")
                if generation != "app" or not scope["path"].endswith("/events"):
                    tally.observe("request_seconds", clock() - began, generation)
                if request_id:
                    # Not the path: it may hold what somebody was given to keep.
                    log.debug(
                        "answered",
                        request_id=request_id,
                        generation=generation,
                        method=scope["method"],
                        status=status,
                        took_s=round(clock() - began, 6),
                    )

    return serve


def _generation(method: str, path: str) -> str:
    """Name what a request was for, in few words."""
    for prefix, name in _GENERATIONS:
        if _is_under(path, prefix):
            return name
    # Pages have some of the remote API's paths, which are only ever posted to.
    return "remote" if method == "POST" and remote.owns(path) else "pages"


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the server's start and end; whoever made the edge opens and closes what is behind it."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return
