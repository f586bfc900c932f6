"""Crash points: a process that is told some kills itself at the first that it comes by, as if the power had gone there.

They stand before and after every statement and commit, before and after every call that leaves the process (to a bank,
a remote service, a webhook endpoint), and before and after an answer is handed to the network; a commit has one more,
when it is sent and nobody waits for the reply. A point is written `operation | what | moment`. SLUICEWAY_CRASH_AT names
some, a line each. SLUICEWAY_CRASH_RECORD names a file that is told of the one at which the process ends; where none is
named, of each that it passes, once.

All of it wraps the few functions through which everything goes, in the processes that tests fork and in no other: the
product holds nothing of it, and so it costs the product nothing. So that a statement's end is a point in time, wrapped
statements do not share round trips: each is answered before the next one is sent.
"""

import contextlib
import os
import re
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

AT: Final = "SLUICEWAY_CRASH_AT"
RECORD: Final = "SLUICEWAY_CRASH_RECORD"
BEFORE, AFTER, SENT = "before", "after", "sent"

_operation: ContextVar[str] = ContextVar("operation", default="start")
_NAME: Final = re.compile(r"/\* (\w+) \*/")
_ID: Final = re.compile(r"(?<=/)(?:[a-z]+_[0-9a-z]{26}|[0-9a-f]{8}-[0-9a-f-]{27})(?=/|$)", re.IGNORECASE)
_CALLS: Final = ("submit", "inquire", "cancel", "reports", "balances", "transactions")


class _Points:
    """Knows which points are meant, and which were passed."""

    def __init__(self, at: str, record: Path) -> None:
        self._meant = frozenset(at.splitlines())
        self._record = record
        self._told: set[str] = set()

    def is_meant(self, what: str, moment: str) -> bool:
        """Tell whether the process shall end here; write down what is to be written down of it."""
        point = f"{_operation.get()} | {what} | {moment}"
        is_meant = point in self._meant
        if is_meant or not (self._meant or point in self._told):
            self._told.add(point)
            with self._record.open("a") as file:
                file.write(point + "\n")
        return is_meant

    def passes(self, what: str, moment: str) -> None:
        if self.is_meant(what, moment):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(environment: Mapping[str, str]) -> None:
    """Wrap what there is to wrap, if points are named or all are to be recorded."""
    at, record = environment.get(AT, ""), environment.get(RECORD)
    if record is None:
        return
    points = _Points(at, Path(record))
    _wrap_statements(points)
    _wrap_calls(points)
    _wrap_answers(points)
    _name_operations()
    if "verify |" in at:
        _look_at_once()


def _look_at_once() -> None:
    """Let each organization be due for a look, and hardly rest after one: else a look is longer away than is waited."""
    from sluiceway.services import verifying

    setattr(verifying, "EVERY", timedelta())  # noqa: B010 -- a constant everywhere else.
    setattr(verifying, "LONGEST_REST_S", 0.2)  # noqa: B010


def _wrap_statements(points: _Points) -> None:
    import psycopg

    from sluiceway.storage.transactions import SharedReads

    plain = psycopg.AsyncConnection.execute

    async def execute(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        what = _what(query)
        points.passes(what, BEFORE)
        if what == "COMMIT" and points.is_meant(what, SENT):
            self.pgconn.send_query(b"COMMIT")
            self.pgconn.flush()
            die()
        cursor = await plain(self, query, params, **more)
        points.passes(what, AFTER)
        return cursor

    class Alone:
        async def sync(self) -> None:
            """Nothing is under way."""

    @contextlib.asynccontextmanager
    async def pipeline(self: Any) -> AsyncGenerator[Alone]:
        yield Alone()

    async def fetch_all(self: Any, query: Any, params: Any = None) -> Any:
        async with self._connection() as conn:
            return await (await conn.execute(query, params)).fetchall()

    psycopg.AsyncConnection.execute = execute
    psycopg.AsyncConnection.pipeline = pipeline
    SharedReads.fetch_all = fetch_all


def _what(query: Any) -> str:
    text = query.decode() if isinstance(query, bytes) else str(query)
    named = _NAME.match(text)
    return named[1] if named else " ".join(text.split()[:3]).replace("|", "")


def _wrap_calls(points: _Points) -> None:
    from sluiceway.outbound import Outbound
    from sluiceway.rails.sandbox import SandboxBank

    for owner, name in [(Outbound, "post"), *((SandboxBank, call) for call in _CALLS)]:
        setattr(owner, name, _calling(points, f"call {name}", getattr(owner, name)))


def _calling(points: _Points, what: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def calling(*arguments: Any, **more: Any) -> Any:
        points.passes(what, BEFORE)
        answer = await call(*arguments, **more)
        points.passes(what, AFTER)
        return answer

    return calling


def _wrap_answers(points: _Points) -> None:
    from sluiceway import wiring

    build = wiring.application

    def application(*arguments: Any, **more: Any) -> Any:
        app = build(*arguments, **more)

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            _operation.set(f"{scope['method']} {_ID.sub('{id}', scope['path'])}")

            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    points.passes("answer", BEFORE)
                await send(message)
                if message["type"] == "http.response.body":
                    points.passes("answer", AFTER)

            await app(scope, receive, sending)

        return serve

    wiring.application = application


def _name_operations() -> None:
    from sluiceway import wiring
    from sluiceway.worker import loop

    loop.settle = _named("settle", loop.settle)
    loop.waiting_organizations = _named("look for what to settle", loop.waiting_organizations)
    loop.beat = _named("beat", loop.beat)
    loop.ERRANDS = tuple(
        errand._replace(
            run=_named(errand.name, errand.run), waiting=_named(f"look for what to {errand.name}", errand.waiting)
        )
        for errand in loop.ERRANDS
    )
    wiring.hear = _named("listen", wiring.hear)
    wiring.Crier.run = _named("hint", wiring.Crier.run)


def _named(name: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def named(*arguments: Any, **more: Any) -> Any:
        before = _operation.set(name)
        try:
            return await work(*arguments, **more)
        finally:
            _operation.reset(before)

    return named
