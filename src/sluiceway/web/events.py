"""Server-sent events: what kinds of things have changed, as it happens, for as long as the session lasts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import msgspec

from sluiceway.api.http import SAFE, Receive, Reply, Scope, Send
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.changes import Change, Changes, TooManyStreams
from sluiceway.services.engine import Engine
from sluiceway.services.sessions import Session, find_session

LOOK_ROUND_S: Final = 5.0
"""How often it is looked whether the session is still there."""
HEARTBEAT: Final = b": still here\n\n"
RETRY_MS: Final = 2000
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Proxies would gather what has to be sent at once.
    (b"x-accel-buffering", b"no"),
    (b"cache-control", b"no-store, no-transform"),
    *(header for header in SAFE if header[0] != b"cache-control"),
)
KINDS_OF_IDS: Final = {
    "account": IdKind.ACCOUNT,
    "approval": IdKind.TRANSFER,
    "execution": IdKind.EXECUTION,
    "organization": IdKind.ORGANIZATION,
    "rule": IdKind.RULE,
    "transfer": IdKind.TRANSFER,
    "webhook": IdKind.ENDPOINT,
}


class Told(msgspec.Struct):
    """What one event tells: of which kind something has changed, and which one; null: many of them."""

    kind: str
    id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream(Reply):
    """An answer that goes on: an ASGI application of many messages."""

    engine: Engine
    changes: Changes
    session: Session
    token: str
    after_id: str | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what changes until the browser leaves, the session ends, or the server stops."""
        sending = asyncio.create_task(self._send(scope, send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled() and (failure := sending.exception()) is not None:
            raise failure

    async def _send(self, scope: Scope, send: Send) -> None:
        session = self.session
        watching = self.changes.watch(
            session.organization_id, session.person.id, session.id, self.after_id, LOOK_ROUND_S
        )
        async with aclosing(watching):
            try:
                first = await anext(watching)
            except TooManyStreams:
                # The one status that makes a browser stop asking.
                await Reply(204, b"", self.request_id)(scope, _never, send)
                return
            headers = [*_HEADERS, (b"x-request-id", self.request_id.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _write(send, b"retry: %d\n\n" % RETRY_MS + _lines(first))
            async for changes in self._while_signed_in(watching):
                await _write(send, _lines(changes) or HEARTBEAT)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _while_signed_in(self, watching: AsyncGenerator[list[Change]]) -> AsyncGenerator[list[Change]]:
        """Hand on what changes, for as long as its owner may be told of it."""
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        async for changes in watching:
            if not changes or loop.time() - looked_at >= LOOK_ROUND_S:
                if await find_session(self.engine, self.token, is_use=False) is None:
                    return
                looked_at = loop.time()
            yield changes


def _lines(changes: list[Change]) -> bytes:
    return b"".join(
        b"id: %s\ndata: %s\n\n" % (change.id.encode(), msgspec.json.encode(Told(change.kind, _id(change))))
        for change in changes
    )


def _id(change: Change) -> str | None:
    return None if change.subject_id is None else format_id(KINDS_OF_IDS[change.kind], change.subject_id)


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _never() -> dict[str, str]:
    return {"type": "http.disconnect"}
