"""The audit log: what was done is recorded in its own transaction, reads and refusals soon afterwards.

Times are real ones, whatever an organization's clock says: this is about who did what to the server.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog

from sluiceway.domain.access import ActorKind, Permission, Principal, Role, require
from sluiceway.domain.audit import Act, AuditEntry, Outcome, is_read
from sluiceway.domain.errors import PasswordRefused, PermissionDenied, ReauthenticationRequired, Refusal
from sluiceway.domain.ids import KeyId, OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.proofs import Proof
from sluiceway.services.reach import reach
from sluiceway.storage import audit_log as stored
from sluiceway.storage.audit_log import ListedEntry
from sluiceway.storage.credentials import Person
from sluiceway.storage.database import ConstraintViolated, DatabaseUnavailable, Locked, WriteTx

PAUSE_S: Final = 0.1
"""How long entries are gathered. What a killed process has gathered is lost with it: reads and refusals, no effects."""
AT_ONCE: Final = 1000
MOST_WAITING: Final = 20_000
LAST_TRIES: Final = 4
"""How often a process that ends waits for somebody's lock, until what it has gathered is lost."""

_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Done:
    """An act that has ended; with a code it has failed."""

    act: Act
    error_code: str | None = None
    is_replay: bool = False


def entry_of(engine: Engine, done: Done) -> AuditEntry:
    """Make the entry of an act that ends now."""
    outcome = Outcome.SUCCESS if done.error_code is None else Outcome.FAILURE
    return AuditEntry(engine.new_id(), engine.now(), done.act, outcome, done.error_code, done.is_replay)


async def record(engine: Engine, tx: WriteTx, done: Sequence[Done]) -> None:
    """Record what this transaction has done. Always the last thing that it does: nothing may be locked after this."""
    if done:
        await stored.append(tx, [entry_of(engine, one) for one in done])


async def do(engine: Engine, act: Act | None, work: Callable[[WriteTx], Awaitable[T]]) -> T:
    """Run a write transaction that records what it has done, if `act` says what that is. Raises what `work` raises."""

    async def recorded(tx: WriteTx) -> T:
        result = await work(tx)
        await record(engine, tx, [] if act is None else [Done(act)])
        return result

    return await engine.database.write(recorded)


async def attempt(engine: Engine, act: Act, work: Callable[[WriteTx], Awaitable[T]]) -> T:
    """Do what a person asks for, and record it also where it is refused. Raises what `work` raises."""
    try:
        return await do(engine, act, work)
    except Refusal as refusal:
        await record_refusal(engine, act, refusal)
        raise


async def require_proof(engine: Engine, person: Person, proof: Proof, act: Act, *, role: Role = Role.ADMIN) -> None:
    """Let only the person do what `act` says, and only in that role. Raises what is then recorded.

    Raises PasswordRefused, ReauthenticationRequired (the proof has become too old) and PermissionDenied.
    """
    refusal: Refusal | None = None
    if isinstance(proof, str):
        if not engine.verify_password(person.password_hash, proof):
            refusal = PasswordRefused()
    elif not proof.is_of(person.organization_id, person.id, engine.now()):
        refusal = ReauthenticationRequired()
    if refusal is None and not person.role.covers(role):
        refusal = PermissionDenied()
    if refusal is not None:
        await record_refusal(engine, act, refusal)
        raise refusal


async def record_refusal(engine: Engine, act: Act, refusal: Refusal) -> None:
    """Record that an act was refused."""
    refusal.is_on_record = True
    await record_alone(engine, refused(act, refusal))


def refused(act: Act, refusal: Refusal) -> Done:
    """Say that an act was refused, and why."""
    return Done(act, _WORDS.sub("_", type(refusal).__name__).upper())


async def list_calls(
    engine: Engine,
    principal: Principal,
    *,
    key_id: KeyId | None = None,
    action: str | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    offset: int = 0,
    limit: int,
) -> list[ListedEntry]:
    """List the calls that the organization's keys made in the last 90 days, newest first.

    Raises PermissionDenied, and InvalidParameters for a time further back.
    """
    require(principal, Permission.READ_AUDIT_LOGS)
    from_at = reach(engine.now(), from_at)
    async with engine.database.read() as tx:
        return await stored.list_entries(
            tx,
            principal.organization_id,
            actor_kind=ActorKind.API_KEY,
            actor_id=key_id,
            action=action,
            from_at=from_at,
            to_at=to_at,
            offset=offset,
            limit=limit,
        )


async def list_entries(
    engine: Engine,
    organization_id: OrganizationId,
    *,
    actor_id: str | None = None,
    action: str | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: str | None = None,
    limit: int,
) -> list[ListedEntry]:
    """List what anybody did, newest first, for whoever runs the server; `before_id`: only what is older than that."""
    async with engine.database.read() as tx:
        return await stored.list_entries(
            tx,
            organization_id,
            actor_id=actor_id,
            action=action,
            from_at=from_at,
            to_at=to_at,
            before_id=before_id,
            limit=limit,
        )


async def record_alone(engine: Engine, done: Done) -> None:
    """Record what has been done in several transactions, or in none."""

    async def work(tx: WriteTx) -> None:
        await record(engine, tx, [done])

    await engine.database.write(work)


class Recorder:
    """Gathers what has no transaction of its own to be recorded in, reads and refusals, and records it in batches."""

    def __init__(self, engine: Engine) -> None:
        """Start with nothing to record."""
        self._engine = engine
        self._waiting: deque[AuditEntry] = deque()
        self._batch: list[AuditEntry] = []
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._closing = asyncio.Event()

    def note(self, done: Done) -> None:
        """Record this soon."""
        self._waiting.append(entry_of(self._engine, done))
        if len(self._waiting) >= MOST_WAITING:
            self._room.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def room(self) -> None:
        """Wait while there is more to record than we keep in memory: what is not recorded is not served."""
        await self._room.wait()

    async def close(self) -> None:
        """Record what is left. What the database does not take now is lost, and the process's own log says so."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        tries_left = LAST_TRIES
        while self._batch or self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), PAUSE_S)
            try:
                await self._write()
            except DatabaseUnavailable as failure:
                count = len(self._batch) + len(self._waiting)
                tries_left -= self._closing.is_set()
                # A lock passes; for a database that is away, nobody who stops a server waits.
                if self._closing.is_set() and not (tries_left and isinstance(failure, Locked)):
                    log.exception("audit_entries_lost", count=count)
                    return
                # Calls wait for the database as well, so there will hardly be more.
                log.warning("audit_entries_wait", count=count, reason=str(failure))

    async def _write(self) -> None:
        if not self._batch:
            self._batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        if self._engine.database.options.organizations_at_once is None:
            try:
                # In batches of their own, reads can be cut from the log one day.
                for part in _parts(self._batch, is_read):
                    await self._append(part)
            except Locked:
                # Somebody holds up one organization's log. The others need not wait for that.
                await self._append_apart()
        else:
            await self._append_apart()
        if len(self._waiting) < MOST_WAITING:
            self._room.set()

    async def _append_apart(self) -> None:
        """Record each organization's entries alone. Raises Locked where some are left."""
        held_up: Locked | None = None
        for part in _parts(self._batch, lambda entry: (entry.act.organization_id, is_read(entry))):
            try:
                await self._append(part)
            except Locked as failure:
                held_up = failure
        if held_up is not None:
            raise held_up

    async def _append(self, entries: list[AuditEntry]) -> None:
        async def work(tx: WriteTx) -> None:
            await stored.append(tx, entries)

        try:
            await self._engine.database.write(work)
        except ConstraintViolated as refused:
            # Where nobody knew whether it was written, the same batch is tried again, and refused if it was.
            if refused.constraint != stored.ENTRIES_BY_ID:
                log.exception("audit_entries_refused", count=len(entries))
        written = {entry.id for entry in entries}
        self._batch = [entry for entry in self._batch if entry.id not in written]


def _parts(entries: Iterable[AuditEntry], key: Callable[[AuditEntry], Hashable]) -> list[list[AuditEntry]]:
    """Part entries by a key, in their order."""
    parts: dict[Hashable, list[AuditEntry]] = {}
    for entry in entries:
        parts.setdefault(key(entry), []).append(entry)
    return list(parts.values())
