"""Operations of the app: who may, and the one way by which a request of a page becomes a call of a handler.

The order is always the same: method, is it our page, who is signed in, have they more than a password, may they, have
they shown a password lately, and then the body. Declare one with `operation` (for who is signed in, from a role on) or
`open_operation` (for anybody).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sluiceway.api.http import (
    ACT,
    WORDS,
    Call,
    Credential,
    Header,
    MethodNotAllowed,
    Offer,
    Reading,
    Receive,
    Reply,
    Scope,
    begin_span,
    hash_of,
    read_idempotency_key,
    read_json,
    request_id_of,
    storable,
)
from sluiceway.api.http.queries import Parameter
from sluiceway.domain.access import Caller, Principal, Role, principal_of
from sluiceway.domain.audit import MAX_PATH, Act
from sluiceway.domain.errors import RoleRequired, SecondFactorMissing, Unauthenticated
from sluiceway.domain.ids import IdKind, parse_id
from sluiceway.domain.rules import refuse
from sluiceway.services.edge import Edge
from sluiceway.services.idempotency import Idempotency
from sluiceway.services.proofs import Fresh
from sluiceway.services.sessions import Session, lacks_factor, prove_fresh
from sluiceway.storage.credentials import Person
from sluiceway.web.identify import COOKIE, Visit, identify, read_visit, require_own_page


async def _by_cookie(edge: Edge, header: bytes | None) -> Caller:  # noqa: ARG001 -- as a credential is asked
    raise Unauthenticated


SESSION: Final = Credential(
    name="session",
    header=COOKIE,
    description="The cookie of somebody who has signed in. Over TLS its name begins with `__Host-`.",
    identify=_by_cookie,
    place="cookie",
)
NOBODY: Final = "Anybody may ask."
SAFE_METHODS: Final = frozenset({"GET"})
_READ: Final = frozenset(
    {b"content-encoding", b"content-length", b"content-type", b"idempotency-key", b"transfer-encoding", b"upgrade"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOperation(Offer):
    """What the app offers at one path and method."""

    handler: Callable[[Any], Awaitable[Reply]]
    role: Role | None
    """From which role on it may be done; None: anybody may, signed in or not."""
    is_proof_needed: bool = False
    """Whether a password or passkey must have been shown within the last minutes."""
    is_before_factor: bool = False
    """Whether it is for who has still to set up the second factor that the server asks everybody for."""
    takes_key: bool = False
    is_long: bool = False
    """Of what changes nothing: whether it may take seconds, and has its turn among what does."""

    @property
    def is_idempotent(self) -> bool:
        """Tell whether the operation takes an idempotency key."""
        return self.takes_key


@dataclass(frozen=True, slots=True)
class Ask:
    """A request from anybody."""

    edge: Edge
    visit: Visit
    request_id: str
    query: Mapping[str, str]
    body: object

    def reply(self, body: bytes, *headers: Header, status: int = 200) -> Reply:
        """Answer."""
        return Reply(status, body, self.request_id, headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCall(Call):
    """A request from somebody who has signed in. `principal` is what they may, as services ask it of keys."""

    session: Session
    visit: Visit

    @property
    def person(self) -> Person:
        """Name who it is, with their role."""
        return self.session.person

    @property
    def proof(self) -> Fresh:
        """Prove that they have shown a password or passkey minutes ago. Raises ReauthenticationRequired."""
        return prove_fresh(self.edge.engine, self.session)

    def reply(self, body: bytes, *headers: Header, status: int = 200) -> Reply:
        """Answer."""
        return Reply(status, body, self.request_id, headers)


AppHandler = Callable[[AppCall], Awaitable[Reply]]
OpenHandler = Callable[[Ask], Awaitable[Reply]]


def operation(
    method: str,
    path: str,
    *,
    role: Role,
    answer: type,
    summary: str,
    needs_proof: bool = False,
    before_factor: bool = False,
    takes_key: bool = False,
    status: int = 200,
    id_kind: IdKind | None = None,
    parent_kind: IdKind | None = None,
    body: type | None = None,
    is_body_required: bool = True,
    parameters: Sequence[Parameter] = (),
    refusals: Sequence[int] = (),
    is_reading: bool = False,
    is_long: bool = False,
    action: str | None = None,
) -> Callable[[AppHandler], AppOperation]:
    """Declare a handler's operation for whoever is signed in with this role or a higher one.

    The handler's docstring is its description. `needs_proof`: only minutes after a password or passkey was shown.
    `before_factor`: also for who has still to set up the second factor that the server asks everybody for.
    `takes_key`: a page that repeats it with its Idempotency-Key has the first answer again. `is_reading`: it changes
    nothing, although it is sent by POST. `is_long`: it may take seconds. `action`: what the audit log calls it, if not
    by the handler's name.
    """

    def declare(handler: AppHandler) -> AppOperation:
        proof = " Only within five minutes of showing a password or passkey." if needs_proof else ""
        return AppOperation(
            method=method,
            path=path,
            name=cast("Any", handler).__name__,
            summary=summary,
            description=f"{_told(handler)} Role: `{role}`.{proof}",
            answer=answer,
            status=status,
            id_kind=id_kind,
            parent_kind=parent_kind,
            body=body,
            is_body_required=is_body_required,
            parameters=tuple(parameters),
            refusals=(403, *refusals),
            credential=SESSION,
            is_reading=is_reading,
            action=action or cast("Any", handler).__name__.upper(),
            handler=handler,
            role=role,
            is_proof_needed=needs_proof,
            is_before_factor=before_factor,
            takes_key=takes_key,
            is_long=is_long,
        )

    return declare


def open_operation(
    method: str,
    path: str,
    *,
    answer: type,
    summary: str,
    body: type | None = None,
    refusals: Sequence[int] = (),
) -> Callable[[OpenHandler], AppOperation]:
    """Declare a handler's operation for anybody. What it does, it puts on record itself."""

    def declare(handler: OpenHandler) -> AppOperation:
        return AppOperation(
            method=method,
            path=path,
            name=cast("Any", handler).__name__,
            summary=summary,
            description=f"{_told(handler)} {NOBODY}",
            answer=answer,
            body=body,
            refusals=(403, *refusals),
            credential=SESSION,
            handler=handler,
            role=None,
        )

    return declare


async def run(operations: Mapping[str, Any], edge: Edge, reading: Reading, scope: Scope, receive: Receive) -> Reply:
    """Turn a request of a page to one path into a call, and run it."""
    operation: AppOperation | None = operations.get(scope["method"])
    if operation is None:
        raise MethodNotAllowed(scope["method"], tuple(operations))
    scope[WORDS] = operation.words
    request_id = request_id_of(scope, edge.engine.new_id)
    headers = _headers(scope)
    visit = read_visit(scope)
    if operation.method not in SAFE_METHODS:
        require_own_page(scope, visit)
    if operation.role is None:
        body = None if operation.body is None else await read_json(operation, headers, receive)
        return await operation.handler(Ask(edge, visit, request_id, reading.read_query(scope["query_string"]), body))
    session = await identify(edge.engine, visit)
    if operation.changes_something:
        begin_span(scope, operation.method, reading.prefix + operation.path)
    principal = principal_of(session.organization_id, session.person.id, session.person.role)
    *parents, spelling = ["", *(scope["path_params"][name] for name in operation.path_ids)]
    found = None if operation.id_kind is None else parse_id(operation.id_kind, spelling)
    parent = None if operation.parent_kind is None else parse_id(operation.parent_kind, parents[-1])
    act = _act(operation, principal, scope, request_id, found)
    if operation.changes_something:
        # Refusals of what would change something are put on record; what a page only reads is not, or the log would
        # be full of pages that keep themselves up to date.
        scope[ACT] = act
        await edge.recorder.room()
    if lacks_factor(edge.engine, session) and not operation.is_before_factor:
        raise SecondFactorMissing
    if not session.person.role.covers(operation.role):
        raise RoleRequired(operation.role)
    if operation.is_proof_needed:
        prove_fresh(edge.engine, session)
    body = None if operation.body is None else await read_json(operation, headers, receive)
    idempotency = None
    if operation.takes_key and (key := read_idempotency_key(headers)) is not None:
        path = operation.path if found is None else operation.path.replace("{id}", found)
        idempotency = Idempotency(f"{operation.method} {reading.prefix}{path}", key, hash_of(body))
    call = AppCall(
        edge=edge,
        principal=principal,
        request_id=request_id,
        id=found,
        spelling=spelling,
        query=reading.read_query(scope["query_string"]),
        body=body,
        idempotency=idempotency,
        act=act,
        parent_id=parent,
        session=session,
        visit=visit,
    )
    if operation.changes_something:
        return await operation.handler(call)
    in_turn = edge.play if operation.is_long else edge.read
    return await in_turn(principal.organization_id, lambda: operation.handler(call))


def _told(handler: object) -> str:
    return " ".join((handler.__doc__ or "").split())


def _act(operation: AppOperation, principal: Principal, scope: Scope, request_id: str, subject: str | None) -> Act:
    return Act(
        organization_id=principal.organization_id,
        actor=principal.actor,
        action=operation.action,
        subject_id=subject,
        path=storable(scope["path"], MAX_PATH),
        request_id=request_id,
    )


def _headers(scope: Scope) -> dict[bytes, bytes]:
    found = [pair for pair in scope["headers"] if pair[0] in _READ]
    headers: dict[bytes, bytes] = dict(found)
    if len(headers) != len(found):
        refuse("headers", "hold one of them twice")
    return headers
