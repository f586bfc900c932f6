"""Every generation behind one ASGI application: a dispatcher by path prefix, and what belongs to no generation."""

from typing import Final

import msgspec

from sluiceway.api.http import UNWELCOME, App, Door, Generation, Receive, Reply, Scope, Send, request_id_of, unavailable
from sluiceway.api.platform import app as platform
from sluiceway.api.remote import app as remote
from sluiceway.api.sandbox import app as sandbox
from sluiceway.api.v1 import app as v1
from sluiceway.services.edge import Edge

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
_FIXED: Final = {"/": WELCOME, "/healthz": HEALTHY}
_PLATFORM: Final = "/platform/v1"
_PLATFORM_TOO: Final = "/api/platform/v1"
"""Where the platform generation is served as well."""


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
        return Reply(200, READY, request_id)
    return Reply(503, msgspec.json.encode({"status": "not_ready", "reasons": reasons}), request_id)


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
