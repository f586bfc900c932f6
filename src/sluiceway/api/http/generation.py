"""One API generation as a Litestar application: its operations, its words for refusals, its document."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from sluiceway.api.http.asgi import App, Receive, Scope, Send
from sluiceway.api.http.door import turn_away
from sluiceway.api.http.headers import request_id_of
from sluiceway.api.http.operations import ACT, JSON, LIMITS, SAFE, WORDS, Offer, Reading, Reply, Run, run
from sluiceway.api.http.queries import read_query
from sluiceway.api.http.refusals import Failure, Header, MethodNotAllowed, PathUnknown, Table
from sluiceway.domain.access import Principal
from sluiceway.domain.errors import InvalidParameters, Problem, Refusal
from sluiceway.services.audit_log import Done
from sluiceway.services.edge import Edge
from sluiceway.services.holding import HELD, HeldAfterRestore
from sluiceway.services.queues import Overloaded
from sluiceway.storage.database import DatabaseUnavailable

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

PAGE_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)

TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
NO_WORDS: Final[Table] = {}
_PATH_ID: Final = re.compile(r"\{(\w+)\}")

log = structlog.get_logger()


def as_they_are(principal: Principal) -> Principal:
    """See a caller with exactly the permissions that the key holds."""
    return principal


@dataclass(frozen=True, slots=True)
class Generation:
    """What makes one generation differ from another: who, which operations, and the words of errors."""

    prefix: str
    operations: tuple[Offer, ...]
    read_secret: Callable[[bytes | None], str]
    """Read the credential out of the Authorization header. Raises Unauthenticated."""
    refusals: Table
    show_failure: Callable[[Failure, str], bytes]
    """Write the error's envelope, given the request's id."""
    unavailable: Failure
    unexpected: Failure
    see_as: Callable[[Principal], Principal] = as_they_are
    """Tell what a caller may do in this generation, where a permission grants more or less than elsewhere."""
    read_query: Callable[[bytes], Mapping[str, str]] = read_query
    """Read the query string. Raises InvalidParameters."""
    run: Run = run
    """Answer a request to a path of this generation, where its callers are others than programs with keys."""


def build(generation: Generation, edge: Edge, pages: Sequence[tuple[str, bytes, bytes]] = ()) -> App:
    """Build the application. `pages` are fixed: path, content type, body."""
    by_path: dict[str, dict[str, Offer]] = {}
    for operation in generation.operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    handlers = [_route(generation, edge, path, operations) for path, operations in by_path.items()]
    handlers += [_page(edge, generation.prefix + path, kind, body) for path, kind, body in pages]
    app = Litestar(
        handlers,
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: partial(_fail, generation, edge)},
    )
    return _in_known_words(cast("App", app))


def unavailable(generation: Generation, scope: Scope, new_id: Callable[[], str], *headers: Header) -> Reply:
    """Make the answer for whom there is no room, in the generation's words."""
    request_id = request_id_of(scope, new_id)
    failure = generation.unavailable
    body = generation.show_failure(failure, request_id)
    return Reply(failure.status, body, request_id, (*failure.headers, *headers))


def _route(generation: Generation, edge: Edge, path: str, operations: dict[str, Offer]) -> HTTPRouteHandler:
    reading = Reading(generation.prefix, generation.read_secret, generation.see_as, generation.read_query)

    async def answer(scope: Scope, receive: Receive) -> Reply:
        return await generation.run(operations, edge, reading, scope, receive)

    return _handler(generation.prefix + _PATH_ID.sub(r"{\1:str}", path), answer)


def _page(edge: Edge, path: str, kind: bytes, body: bytes) -> HTTPRouteHandler:
    async def answer(scope: Scope, _receive: Receive) -> Reply:
        if scope["method"] != "GET":
            raise MethodNotAllowed(scope["method"], ("GET",))
        return Reply(200, body, request_id_of(scope, edge.engine.new_id), PAGE_HEADERS, (b"content-type", kind))

    return _handler(path, answer)


def _handler(path: str, answer: Callable[[Scope, Receive], Awaitable[Reply]]) -> HTTPRouteHandler:
    """Register a path. What it answers is made in front of Litestar's handler, which would only take time.

    A handler of Litestar's is given a request that it makes, arguments that it reads and a response that it wraps: an
    eighth of the server's time for a trigger, and an operation wants none of it.
    """

    def in_front(app: ASGIApp) -> ASGIApp:  # noqa: ARG001 -- as Litestar calls it
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            reply = await answer(scope, receive)
            await reply(scope, receive, send)

        return cast("ASGIApp", serve)

    # Every method comes to us, so that a wrong one is refused in our words and with an Allow that is true.
    return HTTPRouteHandler(path, http_method=list(METHODS), status_code=200, middleware=[in_front])(_never_called)


async def _never_called() -> None:
    """Stand where Litestar wants a handler."""
    raise AssertionError("its middleware answers")


def _in_known_words(app: App) -> App:
    """Let what nobody has heard of be refused like what is not there: a method, and a slash that separates nothing."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["method"] not in METHODS:
                scope = {**scope, "method": "OPTIONS"}
            # An escaped slash is part of a name. Undone, it would lead past whoever guards paths before us.
            if b"%2f" in scope.get("raw_path", b"").lower():
                scope = {**scope, "path": "/"}
        await app(scope, receive, send)

    return serve


def _fail(generation: Generation, edge: Edge, request: Request[Any, Any, Any], problem: Exception) -> Response[bytes]:
    """Answer whatever was raised. This is the edge: nothing passes it without an envelope, and no internals do."""
    request_id = request_id_of(cast("Scope", request.scope), edge.engine.new_id)
    words: Table = cast("Scope", request.scope).get(WORDS, NO_WORDS)
    failure = failure_of(generation, problem, request.scope["path"], words)
    scope = cast("Scope", request.scope)
    if isinstance(problem, Overloaded):
        # Neither logged nor recorded: refusing has to cost less than doing.
        turn_away(scope)
    elif failure is generation.unexpected:
        log.error("unexpected_error", request_id=request_id, exc_info=problem)
    elif failure is generation.unavailable:
        log.warning("database_unavailable", request_id=request_id, reason=str(problem))
    is_on_record = isinstance(problem, Refusal) and problem.is_on_record
    if (act := scope.get(ACT)) and not isinstance(problem, Overloaded) and not is_on_record:
        edge.recorder.note(Done(act, failure.code))
    kind = TEXT if failure.is_plain else JSON
    shown = (kind, *SAFE, *scope.get(LIMITS, ()), *failure.headers)
    headers = {name.decode(): value.decode("latin-1") for name, value in shown}
    return Response(
        failure.message.encode() if failure.is_plain else generation.show_failure(failure, request_id),
        status_code=failure.status,
        headers=headers | {"x-request-id": request_id},
    )


def failure_of(generation: Generation, problem: Exception, path: str, words: Table = NO_WORDS) -> Failure:
    """Find a generation's words for what was raised, or the operation's own."""
    refusal: Exception = problem
    if isinstance(problem, NotFoundException):
        refusal = PathUnknown(path)
    elif isinstance(problem, HTTPException) and problem.status_code < 500:  # noqa: PLR2004 -- the caller's mistake
        refusal = InvalidParameters((Problem("", problem.detail),))
    if isinstance(refusal, HeldAfterRestore):
        return generation.unavailable._replace(message=HELD)
    if isinstance(refusal, DatabaseUnavailable | Overloaded):
        return generation.unavailable
    for table in (words, generation.refusals):
        if isinstance(refusal, Refusal) and type(refusal) in table:
            return table[type(refusal)](refusal)
    return generation.unexpected
