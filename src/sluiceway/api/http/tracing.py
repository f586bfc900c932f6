"""The span of a call that changes something: begun once it is known who calls, back to when the call came.

Of callers that nobody knows no span is made, and no trace of theirs is gone on with: who may fill a collector, or say
what is in which trace, has shown a key.
"""

from typing import Final

from sluiceway.api.http.asgi import App, Message, Receive, Scope, Send
from sluiceway.services.engine import Engine
from sluiceway.services.tracing import NO_SPAN, Span, read_traceparent

_KEY: Final = "sluiceway.traced"
_TRACEPARENT: Final = b"traceparent"
_FAILED: Final = 500


class _Call:
    """A call on its way in."""

    def __init__(self, engine: Engine, scope: Scope) -> None:
        self._engine = engine
        self._began = engine.now()
        self._sent = [value for name, value in scope["headers"] if name == _TRACEPARENT]
        self.span: Span = NO_SPAN

    def begin(self, method: str, route: str) -> None:
        """Begin the span, in the caller's trace if there is one."""
        self.span = self._engine.tracing.span(
            f"{method} {route}",
            kind="server",
            within=read_traceparent(self._sent),
            is_apart=True,
            began=self._began,
            http__request__method=method,
            http__route=route,
        )
        self.span.__enter__()


def traced(app: App, engine: Engine) -> App:
    """Let calls have spans. Only where some are made: of a call that has none, nothing is done here."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        call = scope[_KEY] = _Call(engine, scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.span.note(http__response__status_code=message["status"])
                if message["status"] >= _FAILED:
                    call.span.fail(str(message["status"]))
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            call.span.__exit__(None, None, None)

    return serve


def begin_span(scope: Scope, method: str, route: str) -> None:
    """Begin the span of a call whose caller is known, if calls have spans. `route`: its path, with names for ids."""
    call: _Call | None = scope.get(_KEY)
    if call is not None:
        call.begin(method, route)
