"""Operations: what a generation offers at which path, and the one way by which a request becomes a call of a handler.

The order is always the same: path and method, who is calling, may they, then the body. A handler is given a `Call` and
gives a `Reply`; whatever refuses raises, and the generation's table answers.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar, cast

from sluiceway.api.http.asgi import Receive, Scope, Send
from sluiceway.api.http.bodies import hash_of, parse, read_body, require_json
from sluiceway.api.http.headers import (
    client_of,
    read_headers,
    read_idempotency_key,
    read_reason,
    request_id_of,
    show_allowance,
    storable,
)
from sluiceway.api.http.queries import Choice, First, Instant, Named, Parameter, write_cursor
from sluiceway.api.http.refusals import Header, MethodNotAllowed, Table
from sluiceway.api.http.tracing import begin_span
from sluiceway.domain.access import Caller, Permission, Principal, require, visible
from sluiceway.domain.audit import MAX_PATH, Act
from sluiceway.domain.errors import RateLimited, Unauthenticated
from sluiceway.domain.ids import IdKind, parse_id
from sluiceway.services.audit_log import Done
from sluiceway.services.edge import Edge
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.once import Effect

T = TypeVar("T")

JSON: Final = (b"content-type", b"application/json")
SAFE: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
REPLAYED: Final[tuple[Header, ...]] = ((b"idempotent-replayed", b"true"),)
WORDS: Final = "sluiceway.words"
"""Where a request keeps its operation's own words for refusals."""
ACT: Final = "sluiceway.act"
"""Where it keeps what the audit log will say of it, once it is known who is calling."""
LIMITS: Final = "sluiceway.limits"
"""Where it keeps the headers that tell how much of the rate limit is left."""
_PATH_ID: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer: an ASGI application of two messages."""

    status: int
    body: bytes
    request_id: str
    headers: tuple[Header, ...] = ()
    content_type: Header = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- as ASGI calls it
        """Send the answer."""
        headers = [
            self.content_type,
            (b"content-length", b"%d" % len(self.body)),
            (b"x-request-id", self.request_id.encode()),
            *SAFE,
            *scope.get(LIMITS, ()),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


@dataclass(frozen=True, slots=True)
class Call:
    """A request from somebody known, read as far as every operation reads it alike."""

    edge: Edge
    principal: Principal
    request_id: str
    id: str | None
    """The last id in the path as canonical text; None when it is malformed, and then nothing has it."""
    spelling: str
    """That id as the caller wrote it."""
    query: Mapping[str, str]
    body: object
    idempotency: Idempotency | None
    act: Act
    """What the audit log says of it. Whatever changes something hands it on, to be recorded where that is done."""
    parent_id: str | None = None
    """The id before it in the path, of what it belongs to, likewise."""

    def answer(self, answer: Answer) -> Reply:
        """Send an answer that a service gave or remembered."""
        return Reply(answer.status, answer.body, self.request_id, REPLAYED if answer.is_replay else ())

    async def once(self, effect: Effect, *, turn: str = "", records_itself: bool = False) -> Reply:
        """Do something that is no single transaction, once for the call's key, and send what it was answered.

        What has the same `turn` is done one after the other. `records_itself`: the effect takes care of the audit log.
        """
        answer = await self.edge.once(
            self.principal.organization_id,
            self.idempotency,
            effect,
            act=self.act,
            records_itself=records_itself,
            turn=turn,
        )
        return self.answer(answer)

    def ok(self, body: bytes) -> Reply:
        """Send a body with status 200."""
        return Reply(200, body, self.request_id)

    def owner(self, listed: str) -> str:
        """Name a list of this organization, to which its cursors belong."""
        return f"{self.principal.organization_id}/{listed}"

    def cursor(self, last_id: str, listed: str) -> str:
        """Write the cursor after an entry of one of this organization's lists."""
        return write_cursor(last_id, self.owner(listed))


class Reach(Enum):
    """For what the caller must hold the operation's permission, before anything else is looked at."""

    SOMETHING = "something"
    """Hold it at all; the service filters or checks what it finds."""
    EVERYTHING = "everything"
    """Hold it as a whole, or for `*`: the operation names no resource."""
    THE_ID = "the id"
    """Hold it for the id in the path, the first one where there are two."""


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Credential:
    """How callers of an operation say who they are, where it is not by a key in the Authorization header."""

    name: str
    """What documents call it."""
    header: str
    """In small letters; one of those that are read. Of a cookie, its name."""
    description: str
    identify: Callable[[Edge, bytes | None], Awaitable[Caller]]
    """Find who is calling by the header's value. Raises Unauthenticated."""
    place: str = "header"
    """Where documents say that it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is offered at one path and method, as far as a document tells of it, whoever may have it."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    answer: type
    """The structure of the answer, its envelope included."""
    status: int = 200
    id_kind: IdKind | None = None
    body: type | None = None
    """The structure of the body, for the document; handlers read it strictly themselves."""
    is_body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = ()
    """Statuses of refusals beside those that every operation can give."""
    parent_kind: IdKind | None = None
    """What the first of two ids in the path names."""
    words: Table = field(default_factory=dict[Any, Any])
    """Words of its own for some refusals, instead of the generation's."""
    credential: Credential | None = None
    """Whose way to say who is calling is not the generation's."""
    is_reading: bool = False
    """Whether it changes nothing, although it is sent by POST."""
    action: str = ""
    """What the audit log calls it."""

    @property
    def changes_something(self) -> bool:
        """Tell whether the operation has an effect, which is recorded together with it."""
        return self.method != "GET" and not self.is_reading

    @property
    def is_idempotent(self) -> bool:
        """Tell whether the operation takes an idempotency key."""
        return self.method == "POST" and not self.is_reading

    @property
    def permission_told(self) -> Permission | None:
        """Name the permission that a document tells of; None: there is none to speak of."""
        return None

    @property
    def path_ids(self) -> list[str]:
        """Name the ids in the path."""
        return _PATH_ID.findall(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Offer):
    """What a generation offers to callers with a permission."""

    permission: Permission
    reach: Reach
    handler: Handler

    @property
    def permission_told(self) -> Permission | None:
        """Name the permission. What another credential may do is all that it is for, so there is none to speak of."""
        return self.permission if self.credential is None else None


def operation(
    method: str,
    path: str,
    *,
    permission: Permission,
    answer: type,
    summary: str,
    reach: Reach = Reach.SOMETHING,
    status: int = 200,
    id_kind: IdKind | None = None,
    body: type | None = None,
    is_body_required: bool = True,
    parameters: Sequence[Parameter] = (),
    refusals: Sequence[int] = (),
    parent_kind: IdKind | None = None,
    words: Table | None = None,
    credential: Credential | None = None,
    is_reading: bool = False,
    action: str | None = None,
) -> Callable[[Handler], Operation]:
    """Declare a handler's operation. The handler's docstring is its description.

    Its name is the action that the audit log has, unless another one is given.
    """

    def declare(handler: Handler) -> Operation:
        return Operation(
            method=method,
            path=path,
            name=cast("Any", handler).__name__,
            summary=summary,
            description=" ".join((handler.__doc__ or "").split()),
            permission=permission,
            reach=reach,
            handler=handler,
            answer=answer,
            status=status,
            id_kind=id_kind,
            body=body,
            is_body_required=is_body_required,
            parameters=tuple(parameters),
            refusals=tuple(refusals),
            parent_kind=parent_kind,
            words=words or {},
            credential=credential,
            is_reading=is_reading,
            action=action or cast("Any", handler).__name__.upper(),
        )

    return declare


class Reading(NamedTuple):
    """How a generation reads what every request has: who is calling, what they may in its words, the query string."""

    prefix: str
    read_secret: Callable[[bytes | None], str]
    see_as: Callable[[Principal], Principal]
    read_query: Callable[[bytes], Mapping[str, str]]


Run = Callable[[Mapping[str, Any], Edge, Reading, Scope, Receive], Awaitable[Reply]]
"""How a request to one path becomes an answer, given the operations of that path by method."""


async def run(
    operations: Mapping[str, Operation], edge: Edge, reading: Reading, scope: Scope, receive: Receive
) -> Reply:
    """Turn a request to one path into a call, and run it."""
    operation = operations.get(scope["method"])
    if operation is None:
        raise MethodNotAllowed(scope["method"], tuple(operations))
    scope[WORDS] = operation.words
    request_id = request_id_of(scope, edge.engine.new_id)
    headers = read_headers(scope)
    caller = await _identify(operation, edge, reading, scope, headers)
    if operation.changes_something:
        begin_span(scope, operation.method, reading.prefix + operation.path)
    principal = reading.see_as(caller.principal)
    *parents, spelling = ["", *(scope["path_params"][name] for name in operation.path_ids)]
    found = None if operation.id_kind is None else parse_id(operation.id_kind, spelling)
    parent = None if operation.parent_kind is None else parse_id(operation.parent_kind, parents[-1])
    act = Act(
        organization_id=principal.organization_id,
        actor=principal.actor,
        action=operation.action,
        subject_id=found,
        path=storable(scope["path"], MAX_PATH),
        request_id=request_id,
        reason=read_reason(headers),
    )
    scope[ACT] = act
    # Before anything is refused: refusals are recorded too.
    await edge.recorder.room()
    if caller.allowance is not None:
        scope[LIMITS] = show_allowance(caller.allowance)
        if caller.allowance.wait_s is not None:
            raise RateLimited(caller.allowance.per_minute, caller.allowance.wait_s)
    _authorize(operation, principal, found if operation.parent_kind is None else parent)
    body: object = None
    if operation.body is not None:
        body = await read_json(operation, headers, receive)
    idempotency = None
    if operation.is_idempotent and (key := read_idempotency_key(headers)) is not None:
        path = operation.path if found is None else operation.path.replace("{id}", found)
        idempotency = Idempotency(f"{operation.method} {reading.prefix}{path}", key, hash_of(body))
    query = reading.read_query(scope["query_string"])
    call = Call(edge, principal, request_id, found, spelling, query, body, idempotency, act, parent)
    if operation.changes_something:
        return await operation.handler(call)
    reply = await edge.read(principal.organization_id, lambda: operation.handler(call))
    edge.recorder.note(Done(act))
    return reply


async def _identify(
    operation: Operation, edge: Edge, reading: Reading, scope: Scope, headers: Mapping[bytes, bytes]
) -> Caller:
    credential = operation.credential
    sent = headers.get(b"authorization" if credential is None else credential.header.encode())
    try:
        if credential is None:
            return await edge.identify(reading.read_secret(sent))
        return await credential.identify(edge, sent)
    except Unauthenticated:
        # Who shows nothing guesses nothing.
        if sent is None:
            raise
        raise edge.guesses.refusal(client_of(scope)) from None


def _authorize(operation: Operation, principal: Principal, resource: str | None) -> None:
    if operation.reach is Reach.SOMETHING:
        visible(principal, operation.permission)
    else:
        require(principal, operation.permission, resource if operation.reach is Reach.THE_ID else None)


async def read_json(operation: Offer, headers: dict[bytes, bytes], receive: Receive) -> object:
    """Read the body that an operation takes; none that may be missing is empty. Raises what is wrong with it."""
    raw = await read_body(headers, receive)
    if not raw and not operation.is_body_required:
        return {}
    require_json(headers)
    return parse(raw)


__all__ = [
    "Call",
    "Choice",
    "Credential",
    "First",
    "Handler",
    "Instant",
    "Named",
    "Offer",
    "Operation",
    "Reach",
    "Reply",
    "Run",
    "operation",
    "read_json",
    "run",
]
