"""Owns the tables session, sign_in_attempt and sign_in_challenge: who is signed in, and who tries to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.access import Role
from sluiceway.domain.ids import OrganizationId, PersonId, SessionId
from sluiceway.storage.credentials import Person
from sluiceway.storage.database import ReadTx, WriteTx, count, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in, or, while it is not complete, who has still to show a second factor.

    `challenge`: what their passkey has been asked to sign, and since when.
    """

    person: Person
    id: SessionId
    created_at: datetime
    seen_at: datetime
    reauthenticated_at: datetime
    is_complete: bool
    user_agent: str
    address: str
    challenge: bytes | None
    challenge_at: datetime | None
    has_shown_factor: bool
    """Whether it has shown more than a password: a one-time code, a recovery code or a passkey."""
    has_factor: bool
    """Whether its person has more than a password to show."""

    @property
    def organization_id(self) -> OrganizationId:
        """Name the organization that it is of."""
        return self.person.organization_id


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its owner sees it."""

    id: SessionId
    created_at: datetime
    seen_at: datetime
    user_agent: str
    address: str


async def insert_session(
    tx: WriteTx,
    person: Person,
    session_id: SessionId,
    token_hash: bytes,
    at: datetime,
    *,
    is_complete: bool,
    user_agent: str,
    address: str,
    has_shown_factor: bool,
) -> None:
    """Begin a session."""
    row = {
        "organization_id": person.organization_id,
        "id": session_id,
        "person_id": person.id,
        "token_hash": token_hash,
        "at": at,
        "is_complete": is_complete,
        "user_agent": user_agent,
        "address": address,
        "has_shown_factor": has_shown_factor,
    }
    await execute(tx, QUERIES["insert_session"], row)


async def find_session(tx: ReadTx, organization_id: OrganizationId, token_hash: bytes) -> Session | None:
    """Find a session that has not been ended, by its token; whether it is too old is for others to say."""
    row = await fetch_one(tx, QUERIES["find_session"], {"organization_id": organization_id, "token_hash": token_hash})
    if row is None:
        return None
    *own, person_id, email, password_hash, role = row
    return Session(Person(organization_id, PersonId(person_id), email, password_hash, Role(role)), *own)


async def see_session(tx: WriteTx, session: Session, at: datetime) -> None:
    """Note that a session has been used."""
    await execute(tx, QUERIES["see_session"], _key(session) | {"at": at})


async def replace_token(tx: WriteTx, session: Session, token_hash: bytes, at: datetime, *, shows_factor: bool) -> bool:
    """Give a session, complete from now on, another token; tell whether it is still there."""
    row = _key(session) | {"token_hash": token_hash, "at": at, "shows_factor": shows_factor}
    return bool(await count(tx, QUERIES["replace_token"], row))


async def show_factor(tx: WriteTx, session: Session, token_hash: bytes) -> bool:
    """Note that a session has shown a factor, and give it another token; tell whether it is still there."""
    return bool(await count(tx, QUERIES["show_factor"], _key(session) | {"token_hash": token_hash}))


async def ask_session(tx: WriteTx, session: Session, challenge: bytes, at: datetime) -> None:
    """Remember what a session's passkey is asked to sign."""
    await execute(tx, QUERIES["ask_session"], _key(session) | {"challenge": challenge, "at": at})


async def end_challenge(tx: WriteTx, session: Session, challenge: bytes) -> bool:
    """Forget what a session's passkey was asked to sign; tell whether it was this, until now."""
    return bool(await fetch_all(tx, QUERIES["end_challenge"], _key(session) | {"challenge": challenge}))


async def end_session(tx: WriteTx, person: Person, session_id: SessionId, at: datetime) -> bool:
    """End one of a person's sessions; tell whether there was one to end."""
    row = {"organization_id": person.organization_id, "id": session_id, "person_id": person.id, "at": at}
    return bool(await count(tx, QUERIES["end_session"], row))


async def end_sessions(
    tx: WriteTx, organization_id: OrganizationId, person_id: PersonId, at: datetime, *, but: SessionId | None = None
) -> None:
    """End a person's sessions, all but one where that is named."""
    row = {"organization_id": organization_id, "person_id": person_id, "at": at, "but": but}
    await execute(tx, QUERIES["end_sessions"], row)


async def lock_person(tx: WriteTx, person: Person) -> bool:
    """Have whoever begins or completes another session of a person wait until this transaction has ended.

    False: they are not who they were, with the password that they had.
    """
    row = {"organization_id": person.organization_id, "id": person.id, "password_hash": person.password_hash}
    return bool(await fetch_all(tx, QUERIES["lock_person"], row))


async def end_oldest_sessions(
    tx: WriteTx, person: Person, at: datetime, most: int, *, seen_after: datetime, created_after: datetime
) -> None:
    """End the oldest of a person's sessions that can still be used, until there are no more than `most`."""
    row = {
        "organization_id": person.organization_id,
        "person_id": person.id,
        "at": at,
        "most": most,
        "seen_after": seen_after,
        "created_after": created_after,
    }
    await execute(tx, QUERIES["end_oldest_sessions"], row)


async def list_sessions(
    tx: ReadTx, person: Person, *, seen_after: datetime, created_after: datetime
) -> list[ListedSession]:
    """List a person's sessions that can still be used, newest first."""
    row = {
        "organization_id": person.organization_id,
        "person_id": person.id,
        "seen_after": seen_after,
        "created_after": created_after,
    }
    return [ListedSession(*found) for found in await fetch_all(tx, QUERIES["list_sessions"], row)]


async def count_attempt(tx: WriteTx, key_hash: bytes, at: datetime, until: datetime) -> tuple[int, datetime]:
    """Count an attempt to sign in; return how many there have been, and until when they count."""
    [found] = await fetch_all(tx, QUERIES["count_attempt"], {"key_hash": key_hash, "at": at, "until": until})
    return found[0], found[1]


async def forget_attempts(tx: WriteTx, key_hash: bytes) -> None:
    """Forget the attempts with this key."""
    await execute(tx, QUERIES["forget_attempts"], {"key_hash": key_hash})


async def uncount_attempts(tx: WriteTx, key_hashes: Sequence[bytes]) -> None:
    """Count one attempt less with each of these keys."""
    await execute(tx, QUERIES["uncount_attempts"], {"key_hashes": sorted(key_hashes)})


async def forget_old(tx: WriteTx, at: datetime) -> None:
    """Forget attempts and challenges that count no more."""
    await execute(tx, QUERIES["forget_old_attempts"], {"at": at})
    await execute(tx, QUERIES["forget_old_challenges"], {"at": at})


async def insert_challenge(tx: WriteTx, challenge_hash: bytes, until: datetime) -> None:
    """Remember what somebody who is not known yet is asked to sign."""
    await execute(tx, QUERIES["insert_challenge"], {"challenge_hash": challenge_hash, "until": until})


async def take_challenge(tx: WriteTx, challenge_hash: bytes) -> datetime | None:
    """Take a challenge, which nobody can after that; return until when it counts. None: there is none."""
    rows = await fetch_all(tx, QUERIES["take_challenge"], {"challenge_hash": challenge_hash})
    return rows[0][0] if rows else None


def _key(session: Session) -> dict[str, object]:
    return {"organization_id": session.organization_id, "id": session.id}
