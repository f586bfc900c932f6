"""Sessions of people in the app: sign in, be known by a token, show a password again, sign out.

A token is the organization it is of and random letters; it is kept as a hash. What has been shown twice is known to
nobody: the token changes with everything that makes a session good for more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import structlog

from sluiceway.domain.audit import Act, persons_act
from sluiceway.domain.errors import (
    AlreadySetUp,
    InvalidParameters,
    NotFound,
    Problem,
    SignInRefused,
    TooManyAttempts,
    Unauthenticated,
)
from sluiceway.domain.ids import IdKind, OrganizationId, PersonId, SessionId, from_base32, to_base32
from sluiceway.services.audit_log import Done, attempt, do, record_refusal, refused
from sluiceway.services.engine import Engine
from sluiceway.services.guessing import network_of
from sluiceway.services.passwords import Passwords
from sluiceway.services.proofs import Fresh, prove
from sluiceway.storage import sessions as stored
from sluiceway.storage.credentials import Person, find_people, insert_person, is_anybody_there
from sluiceway.storage.database import ConstraintViolated, WriteTx
from sluiceway.storage.factors import find_factors
from sluiceway.storage.organizations import Organization, find_organizations, insert_organization
from sluiceway.storage.sessions import ListedSession, Session

__all__ = ["ListedSession", "Session"]

IDLE_FOR: Final = timedelta(hours=12)
"""A session that is not used for so long is over."""
LASTS_FOR: Final = timedelta(days=7)
"""And so is one that began so long ago, however much it is used."""
MOST_AT_ONCE: Final = 20
"""How many sessions somebody has at once; with one more, the one that began first ends."""
INCOMPLETE_FOR: Final = timedelta(minutes=10)
"""How long somebody has for the second factor."""
SEEN_EVERY: Final = timedelta(minutes=1)

WINDOW: Final = timedelta(minutes=15)
MOST_OF_BOTH: Final = 10
"""Attempts in a window with one e-mail address from one network."""
MOST_OF_EMAIL: Final = 50
"""With one e-mail address from wherever: many more, or anybody could keep somebody else out."""
MOST_OF_ADDRESS: Final = 100
"""From one network: an address, or of the longer ones the half that names a network, since who has one has them all."""

FIRST_ORGANIZATION: Final = OrganizationId("01900000-0000-7000-8000-000000000001")
"""Always the same id, so that the database itself refuses a second setup, whoever else sets up at the same time."""

SECRET_LENGTH: Final = 32
PREFIX: Final = "ss_"
_ID_LENGTH: Final = 26
MAX_EMAIL: Final = 254
MAX_USER_AGENT: Final = 300

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visitor:
    """From where somebody asks: their network address, and what their browser calls itself."""

    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just begun or been renewed, with its token, which is shown this once.

    `others`: further organizations whose people have this e-mail address and password.
    """

    session: Session
    token: str
    others: tuple[OrganizationId, ...] = ()


class Attempts(NamedTuple):
    """What an attempt is counted under, so that one which was right can be forgiven."""

    of_both: bytes
    of_what: bytes
    of_address: bytes


def new_token(engine: Engine, organization_id: OrganizationId) -> str:
    """Make a session's token."""
    return f"{PREFIX}{to_base32(organization_id)}{engine.new_secret(SECRET_LENGTH)}"


def hash_token(token: str) -> bytes:
    """Hash a token for keeping. It is long and random, so a fast hash is enough."""
    return sha256(token.encode()).digest()


def read_token(token: str, prefix: str = PREFIX) -> OrganizationId | None:
    """Tell whose a token is; None: it is none of ours."""
    if len(token) != len(prefix) + _ID_LENGTH + SECRET_LENGTH or not token.isascii() or not token.startswith(prefix):
        return None
    found = from_base32(token[len(prefix) : len(prefix) + _ID_LENGTH])
    return None if found is None else OrganizationId(found)


async def find_session(engine: Engine, token: str, *, is_use: bool = True) -> Session | None:
    """Find whose session it is; None: nobody's, or it is over. Using it keeps it alive."""
    organization_id = read_token(token)
    if organization_id is None:
        return None
    async with engine.database.read() as tx:
        session = await stored.find_session(tx, organization_id, hash_token(token))
    now = engine.now()
    if session is None or now - session.created_at >= LASTS_FOR or now - session.seen_at >= IDLE_FOR:
        return None
    if engine.is_second_factor_required and session.has_factor and not session.has_shown_factor:
        # It began with the password alone, before that was not enough any more or before there was more to show.
        session = replace(session, is_complete=False)
    if not session.is_complete and now - session.created_at >= INCOMPLETE_FOR:
        return None
    if is_use and now - session.seen_at >= SEEN_EVERY:
        found = session

        async def work(tx: WriteTx) -> None:
            await stored.see_session(tx, found, now)

        await engine.database.write(work)
    return session


def lacks_factor(engine: Engine, session: Session) -> bool:
    """Tell whether somebody has still to set up a second factor, because the server asks everybody for one."""
    return engine.is_second_factor_required and not session.has_factor


def prove_fresh(engine: Engine, session: Session) -> Fresh:
    """Prove that the person has shown a password or passkey minutes ago. Raises ReauthenticationRequired."""
    person = session.person
    return prove(person.organization_id, person.id, session.reauthenticated_at, engine.now())


async def is_set_up(engine: Engine) -> bool:
    """Tell whether somebody can sign in."""
    async with engine.database.read() as tx:
        return await is_anybody_there(tx)


async def set_up(
    engine: Engine,
    passwords: Passwords,
    visitor: Visitor,
    *,
    name: str,
    is_sandbox: bool,
    email: str,
    password: str,
) -> SignedIn:
    """Make the first organization with its first admin, who is then signed in. Raises AlreadySetUp."""
    email = read_email(email)
    if await is_set_up(engine):
        raise AlreadySetUp
    hashed = await passwords.hash_new(password, name, email)
    person = Person(FIRST_ORGANIZATION, PersonId(engine.new_id()), email, hashed)
    signed_in = begin(engine, person, visitor, is_complete=True)

    async def work(tx: WriteTx) -> None:
        await insert_organization(tx, person.organization_id, name, is_sandbox=is_sandbox, at=engine.now())
        await insert_person(tx, person, engine.now())
        await insert(tx, signed_in)

    try:
        await do(engine, persons_act(person.organization_id, person.id, "SET_UP", person.id), work)
    except ConstraintViolated as taken:
        # Somebody else was faster.
        raise AlreadySetUp from taken
    return signed_in


async def sign_in(
    engine: Engine,
    passwords: Passwords,
    visitor: Visitor,
    *,
    email: str,
    password: str,
    note: Callable[[Done], None],
    organization_id: OrganizationId | None = None,
) -> SignedIn:
    """Sign somebody in with a password. Raises SignInRefused and TooManyAttempts.

    It takes as long where nobody has the e-mail address: refusals are recorded later, as `note` does. Who has one-time
    codes has still to show one, and who has a passkey too where the password alone lets nobody in: the session is not
    complete.
    """
    email = email.strip()[:MAX_EMAIL].lower()
    attempts = await count_attempts(engine, visitor, email)
    async with engine.database.read() as tx:
        people = [
            person for person in await find_people(tx, email) if organization_id in (None, person.organization_id)
        ]
    right = [person for person in people if await passwords.is_right(person.password_hash, password)]
    if not people:
        await passwords.is_right(None, password)
    if not right:
        for person in people:
            note(refused(_act(person, "SIGN_IN"), SignInRefused()))
        log.info("sign_in_refused", address=visitor.address, is_known=bool(people))
        raise SignInRefused
    person, *others = right
    async with engine.database.read() as tx:
        factors = await find_factors(tx, person)
    is_more_asked = factors.has_totp or (engine.is_second_factor_required and factors.is_any)
    signed_in = begin(engine, person, visitor, is_complete=not is_more_asked, has_factor=factors.is_any)

    async def work(tx: WriteTx) -> None:
        await insert(tx, signed_in)
        await forgive(tx, attempts)
        await stored.forget_old(tx, engine.now())

    await attempt(engine, _act(person, "SIGN_IN" if signed_in.session.is_complete else "SHOW_PASSWORD"), work)
    return replace(signed_in, others=tuple(other.organization_id for other in others))


async def sign_out(engine: Engine, session: Session) -> None:
    """End a session."""

    async def work(tx: WriteTx) -> None:
        await stored.end_session(tx, session.person, session.id, engine.now())

    await do(engine, _act(session.person, "SIGN_OUT" if session.is_complete else "TURN_BACK"), work)


async def reauthenticate(
    engine: Engine, passwords: Passwords, visitor: Visitor, session: Session, password: str
) -> SignedIn:
    """Let somebody who is signed in show the password again. Raises SignInRefused and TooManyAttempts."""
    # Not with the attempts to sign in, which anybody can make.
    attempts = await count_attempts(engine, visitor, f"{session.person.id} again")
    act = _act(session.person, "REAUTHENTICATE")
    if not await passwords.is_right(session.person.password_hash, password):
        await record_refusal(engine, act, SignInRefused())
        raise SignInRefused
    return await renew(engine, session, act, attempts, shows_factor=False)


async def renew(
    engine: Engine, session: Session, act: Act, attempts: Attempts | None = None, *, shows_factor: bool
) -> SignedIn:
    """Make a session complete and fresh, with another token. Raises Unauthenticated where it has ended meanwhile.

    `shows_factor`: it was done with more than a password.
    """
    token, now = new_token(engine, session.organization_id), engine.now()

    async def work(tx: WriteTx) -> None:
        is_same = await stored.lock_person(tx, session.person)
        if not is_same or not await stored.replace_token(
            tx, session, hash_token(token), now, shows_factor=shows_factor
        ):
            raise Unauthenticated
        await _end_oldest(tx, session.person, now)
        if attempts is not None:
            await forgive(tx, attempts)

    await attempt(engine, act, work)
    renewed = replace(
        session,
        reauthenticated_at=now,
        seen_at=now,
        is_complete=True,
        challenge=None,
        has_shown_factor=session.has_shown_factor or shows_factor,
    )
    return SignedIn(renewed, token)


async def list_sessions(engine: Engine, person: Person) -> list[ListedSession]:
    """List a person's sessions that can still be used, newest first."""
    now = engine.now()
    async with engine.database.read() as tx:
        return await stored.list_sessions(tx, person, seen_after=now - IDLE_FOR, created_after=now - LASTS_FOR)


async def end_session(engine: Engine, person: Person, session_id: SessionId | None, spelling: str) -> None:
    """End one of a person's sessions: its next request is refused. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if session_id is None or not await stored.end_session(tx, person, session_id, engine.now()):
            raise NotFound(IdKind.SESSION, spelling)

    await attempt(engine, persons_act(person.organization_id, person.id, "END_SESSION", session_id), work)


async def organizations_of(engine: Engine, organization_ids: Sequence[OrganizationId]) -> list[Organization]:
    """Read organizations, in the order in which they are named."""
    async with engine.database.read() as tx:
        found = await find_organizations(tx, organization_ids)
    return [found[organization_id] for organization_id in organization_ids]


async def forgive(tx: WriteTx, attempts: Attempts) -> None:
    """Count an attempt for nothing: it was right, and whoever made it has mistyped before, if anything."""
    await stored.forget_attempts(tx, attempts.of_both)
    await stored.uncount_attempts(tx, [attempts.of_what, attempts.of_address])


def drafts_key(engine: Engine, person: Person) -> str | None:
    """Give what a browser encrypts somebody's drafts with; None where there is no key to derive it from.

    Nobody but they are told it, so that what stays in their browser is theirs to read alone, and only while signed in.
    """
    return None if engine.keyring.is_empty else engine.keyring.derive(f"drafts of {person.id}")


async def count_attempts(engine: Engine, visitor: Visitor, what: str, most: int = MOST_OF_EMAIL) -> Attempts:
    """Count an attempt to show `what`, before anything is checked. Raises TooManyAttempts.

    `most`: so many are allowed from wherever. Whoever is refused for where they are does not count there, or one
    visitor alone could keep everybody else from what is not theirs.
    """
    now, network = engine.now(), network_of(visitor.address)
    attempts = Attempts(_key("both", network, what), _key("what", what), _key("address", network))
    allowed = dict(zip(attempts, (MOST_OF_BOTH, most, MOST_OF_ADDRESS), strict=True))

    async def work(tx: WriteTx) -> int:
        waits: dict[bytes, int] = {}
        # In order of the key, so that two at once cannot lock each other out.
        for key, enough in sorted(allowed.items()):
            count, until = await stored.count_attempt(tx, key, now, now + WINDOW)
            if count > enough:
                waits[key] = 1 + int((until - now).total_seconds())
        if waits.keys() & {attempts.of_both, attempts.of_address}:
            await stored.uncount_attempts(tx, [attempts.of_what])
        return max(waits.values(), default=0)

    if wait_s := await engine.database.write(work):
        log.warning("too_many_attempts", address=visitor.address)
        raise TooManyAttempts(wait_s)
    return attempts


async def insert(tx: WriteTx, signed_in: SignedIn) -> None:
    """Add a session that begins; somebody's oldest one ends where they have too many.

    Raises SignInRefused where their password was changed, or they were removed, since they were looked at.
    """
    session = signed_in.session
    if not await stored.lock_person(tx, session.person):
        raise SignInRefused
    await stored.insert_session(
        tx,
        session.person,
        session.id,
        hash_token(signed_in.token),
        session.created_at,
        is_complete=session.is_complete,
        user_agent=session.user_agent,
        address=session.address,
        has_shown_factor=session.has_shown_factor,
    )
    if session.is_complete:
        await _end_oldest(tx, session.person, session.created_at)


async def _end_oldest(tx: WriteTx, person: Person, now: datetime) -> None:
    """End those of somebody's sessions that are too many now that another one has become good for something."""
    seen_after, created_after = now - IDLE_FOR, now - LASTS_FOR
    await stored.end_oldest_sessions(tx, person, now, MOST_AT_ONCE, seen_after=seen_after, created_after=created_after)


def begin(
    engine: Engine,
    person: Person,
    visitor: Visitor,
    *,
    is_complete: bool,
    has_factor: bool = False,
    has_shown_factor: bool = False,
) -> SignedIn:
    """Make a session that begins now, for `insert`."""
    now = engine.now()
    session = Session(
        id=SessionId(engine.new_id()),
        created_at=now,
        seen_at=now,
        reauthenticated_at=now,
        is_complete=is_complete,
        user_agent=visitor.user_agent[:MAX_USER_AGENT],
        address=visitor.address,
        challenge=None,
        challenge_at=None,
        has_shown_factor=has_shown_factor,
        has_factor=has_factor,
        person=person,
    )
    return SignedIn(session, new_token(engine, person.organization_id))


def read_email(text: str, path: str = "email") -> str:
    """Read an e-mail address as it is kept. Raises InvalidParameters for what cannot be one."""
    email = text.strip().lower()
    name, at, host = email.rpartition("@")
    if not name or not at or not host or len(email) > MAX_EMAIL or not email.isprintable() or " " in email:
        raise InvalidParameters((Problem(path, "must be an e-mail address"),))
    return email


def _act(person: Person, action: str) -> Act:
    return persons_act(person.organization_id, person.id, action, person.id)


def _key(*parts: str) -> bytes:
    return sha256("\n".join(parts).encode()).digest()
