"""Every generation behind one ASGI application: a dispatcher by path prefix, and what belongs to no generation."""

from typing import Final

import msgspec

from sluiceway.api.http import App, Receive, Reply, Scope, Send, request_id_of
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
_FIXED: Final = {"/": WELCOME, "/healthz": HEALTHY}
_PLATFORM: Final = "/platform/v1"
_PLATFORM_TOO: Final = "/api/platform/v1"
"""Where the platform generation is served as well."""


def create_app(edge: Edge) -> App:
    """Build the application over an edge, which stays the caller's to close."""
    first, sandboxed, second = v1.app(edge), sandbox.app(edge), platform.app(edge)
    oldest = remote.app(edge)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        path: str = scope["path"]
        if path in _FIXED and scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            await Reply(200, _FIXED[path], request_id_of(scope, edge.engine.new_id))(scope, receive, send)
        elif path.startswith("/sandbox/"):
            await sandboxed(scope, receive, send)
        elif _is_under(path, _PLATFORM):
            await second(scope, receive, send)
        elif _is_under(path, _PLATFORM_TOO):
            # One address for both, so that a key means the same under either.
            await second({**scope, "path": path.removeprefix("/api")}, receive, send)
        elif remote.owns(path):
            await oldest(scope, receive, send)
        else:
            # Unknown paths too: v1 answers them with its envelope.
            await first(scope, receive, send)

    return serve


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
