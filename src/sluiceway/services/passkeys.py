"""Passkeys: made on a device that makes sure who holds it, and shown instead of a password and a code.

What is checked is checked by a library; here it is seen to that each challenge counts once, and for whom.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, cast

from sluiceway.domain.audit import Act, persons_act
from sluiceway.domain.errors import NotFound, PersonRefused, SignInRefused
from sluiceway.domain.ids import IdKind, OrganizationId, PasskeyId, canonical_uuid
from sluiceway.services.audit_log import attempt, record_refusal
from sluiceway.services.engine import Engine
from sluiceway.services.second_factors import add_factor, remove_factor
from sluiceway.services.sessions import SignedIn, Visitor, begin, count_attempts, forgive, insert, renew
from sluiceway.storage import factors as stored
from sluiceway.storage import sessions as stored_sessions
from sluiceway.storage.credentials import Person
from sluiceway.storage.database import ConstraintViolated, WriteTx
from sluiceway.storage.factors import Passkey
from sluiceway.storage.sessions import Session

__all__ = ["Passkey"]

NAME: Final = "Sluiceway"
ASKED_FOR: Final = timedelta(minutes=5)
"""How long a challenge counts."""
MOST: Final = 20
MAX_NAME: Final = 60
_CHALLENGE_LENGTH: Final = 43
_UUID_BYTES: Final = 16

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where passkeys are for: the host of our pages, and their origin. A browser makes none for a bare address."""

    domain: str
    origin: str


async def list_passkeys(engine: Engine, person: Person) -> list[Passkey]:
    """List a person's passkeys, the first one first."""
    async with engine.database.read() as tx:
        return await stored.list_passkeys(tx, person)


async def ask_for_new(engine: Engine, place: Place, session: Session) -> Json:
    """Give what a browser needs to make a passkey."""
    import webauthn  # noqa: PLC0415 -- it takes a fifth of a second to load, and few need it
    from webauthn.helpers import structs  # noqa: PLC0415 -- the same

    person = session.person
    known = await list_passkeys(engine, person)
    if len(known) >= MOST:
        raise PersonRefused(f"There are {MOST} passkeys already. Remove one first.")
    options = webauthn.generate_registration_options(
        rp_id=place.domain,
        rp_name=NAME,
        user_id=_handle(person),
        user_name=person.email,
        challenge=await _ask(engine, session),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
    )
    return cast("Json", json.loads(webauthn.options_to_json(options)))


async def add(engine: Engine, place: Place, session: Session, name: str, credential: Json) -> tuple[SignedIn, Passkey]:
    """Keep a passkey that a browser has made.

    Raises SignInRefused where it is not what was asked for, and what `add_factor` raises.
    """
    import webauthn  # noqa: PLC0415 -- as above

    person = session.person
    act = persons_act(person.organization_id, person.id, "ADD_PASSKEY", person.id)
    challenge = await _take_back(engine, session)
    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.domain,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except _complaints() as complaint:
        await record_refusal(engine, act, SignInRefused())
        raise SignInRefused from complaint
    passkey = Passkey(
        id=PasskeyId(engine.new_id()),
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        transports=_transports(credential),
        name=name,
        created_at=engine.now(),
        used_at=None,
    )

    async def work(tx: WriteTx) -> None:
        await stored.insert_passkey(tx, person, passkey)

    try:
        return await add_factor(engine, session, act, work), passkey
    except ConstraintViolated as taken:
        raise PersonRefused("This passkey is known already.") from taken


async def remove(engine: Engine, person: Person, passkey_id: PasskeyId | None, spelling: str) -> None:
    """Remove one of a person's passkeys. Raises NotFound, and PersonRefused where that would leave too little."""

    async def work(tx: WriteTx) -> None:
        if passkey_id is None or not await stored.delete_passkey(tx, person, passkey_id):
            raise NotFound(IdKind.PASSKEY, spelling)

    act = persons_act(person.organization_id, person.id, "REMOVE_PASSKEY", passkey_id)
    await remove_factor(engine, person, act, work)


async def ask_anybody(engine: Engine, place: Place) -> Json:
    """Give what a browser needs to let somebody who is not known yet choose a passkey."""
    now = engine.now()
    challenge = engine.new_secret(_CHALLENGE_LENGTH).encode()

    async def work(tx: WriteTx) -> None:
        await stored_sessions.insert_challenge(tx, sha256(challenge).digest(), now + ASKED_FOR)
        await stored_sessions.forget_old(tx, now)

    await engine.database.write(work)
    return _to_show(place, challenge, [])


async def sign_in(engine: Engine, place: Place, visitor: Visitor, credential: Json) -> SignedIn:
    """Sign somebody in with a passkey, which is both of two factors. Raises SignInRefused and TooManyAttempts."""
    # Whose it will be is not known yet: what is counted is only where somebody is.
    attempts = await count_attempts(engine, visitor, f"{visitor.address} passkey")
    challenge = _challenge_in(credential)

    async def take(tx: WriteTx) -> bool:
        until = await stored_sessions.take_challenge(tx, sha256(challenge).digest())
        return until is not None and engine.now() < until

    if not await engine.database.write(take):
        raise SignInRefused
    organization_id = _organization_in(credential)
    if organization_id is None:
        raise SignInRefused
    passkey, person, sign_count = await _check(engine, place, organization_id, credential, challenge, "SIGN_IN")
    signed_in = begin(engine, person, visitor, is_complete=True, has_factor=True, has_shown_factor=True)

    async def work(tx: WriteTx) -> None:
        await _use(engine, tx, person, passkey, sign_count)
        await insert(tx, signed_in)
        await forgive(tx, attempts)

    await attempt(engine, _act(person, "SIGN_IN"), work)
    return signed_in


async def ask_again(engine: Engine, place: Place, session: Session) -> Json:
    """Give what a browser needs to let somebody who is signed in show a passkey of theirs."""
    known = await list_passkeys(engine, session.person)
    return _to_show(place, await _ask(engine, session), known)


async def reauthenticate(engine: Engine, place: Place, session: Session, credential: Json) -> SignedIn:
    """Let somebody who is signed in show a passkey again. Raises SignInRefused."""
    challenge = await _take_back(engine, session)
    act = _act(session.person, "REAUTHENTICATE")
    passkey, person, sign_count = await _check(
        engine, place, session.organization_id, credential, challenge, "REAUTHENTICATE"
    )
    if person.id != session.person.id:
        await record_refusal(engine, act, SignInRefused())
        raise SignInRefused

    async def work(tx: WriteTx) -> None:
        await _use(engine, tx, person, passkey, sign_count)

    await engine.database.write(work)
    return await renew(engine, session, act, shows_factor=True)


async def _check(
    engine: Engine, place: Place, organization_id: OrganizationId, credential: Json, challenge: bytes, action: str
) -> tuple[Passkey, Person, int]:
    """Find whose passkey has signed the challenge, and how often it has been used. Raises SignInRefused."""
    import webauthn  # noqa: PLC0415 -- as above

    async with engine.database.read() as tx:
        found = await stored.find_passkey(tx, organization_id, _bytes(credential.get("rawId")))
    if found is None:
        raise SignInRefused
    passkey, person = found
    try:
        shown = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.domain,
            expected_origin=place.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except _complaints() as complaint:
        await record_refusal(engine, _act(person, action), SignInRefused())
        raise SignInRefused from complaint
    return passkey, person, shown.new_sign_count


async def _use(engine: Engine, tx: WriteTx, person: Person, passkey: Passkey, sign_count: int) -> None:
    if not await stored.use_passkey(tx, person.organization_id, passkey, sign_count, engine.now()):
        raise SignInRefused


async def _ask(engine: Engine, session: Session) -> bytes:
    """Make a challenge for a session; only its last one counts."""
    challenge = engine.new_secret(_CHALLENGE_LENGTH).encode()

    async def work(tx: WriteTx) -> None:
        await stored_sessions.ask_session(tx, session, challenge, engine.now())

    await engine.database.write(work)
    return challenge


async def _take_back(engine: Engine, session: Session) -> bytes:
    """Take the challenge that a session was given, which nobody can after that. Raises SignInRefused."""
    challenge, asked_at = session.challenge, session.challenge_at
    if challenge is None or asked_at is None or engine.now() - asked_at >= ASKED_FOR:
        raise SignInRefused

    async def work(tx: WriteTx) -> bool:
        return await stored_sessions.end_challenge(tx, session, challenge)

    if not await engine.database.write(work):
        raise SignInRefused
    return challenge


def _to_show(place: Place, challenge: bytes, known: list[Passkey]) -> Json:
    import webauthn  # noqa: PLC0415 -- as above
    from webauthn.helpers import structs  # noqa: PLC0415 -- as above

    options = webauthn.generate_authentication_options(
        rp_id=place.domain,
        challenge=challenge,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return cast("Json", json.loads(webauthn.options_to_json(options)))


def _complaints() -> tuple[type[Exception], ...]:
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 -- as above

    # What a browser sends is anybody's: what the library stumbles over is not what was asked for either.
    return (WebAuthnException, ValueError, LookupError, TypeError)


def _handle(person: Person) -> bytes:
    """Name a person to their authenticator, which says so when nobody else knows yet who is there."""
    return bytes.fromhex((person.organization_id + person.id).replace("-", ""))


def _organization_in(credential: Json) -> OrganizationId | None:
    handle = _bytes(_response(credential).get("userHandle"))
    if len(handle) != 2 * _UUID_BYTES:
        return None
    digits = handle[:_UUID_BYTES].hex()
    text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    found = canonical_uuid(text)
    return None if found is None else OrganizationId(found)


def _challenge_in(credential: Json) -> bytes:
    """Read which challenge has been signed. Whether it has been is checked later. Raises SignInRefused."""
    try:
        said = json.loads(_bytes(_response(credential).get("clientDataJSON")))
        return _bytes(said["challenge"])
    except (ValueError, KeyError, TypeError, RecursionError) as complaint:
        raise SignInRefused from complaint


def _response(credential: Json) -> Mapping[str, Any]:
    response = credential.get("response")
    return cast("Json", response) if isinstance(response, dict) else {}


def _transports(credential: Json) -> tuple[str, ...]:
    """Read by which ways the authenticator can be reached, as far as these are words."""
    said = _response(credential).get("transports")
    words = cast("list[object]", said) if isinstance(said, list) else []
    return tuple(word for word in words[:8] if isinstance(word, str) and word.isascii() and len(word) < 20)  # noqa: PLR2004 -- the longest word there is has 10


def _bytes(text: object) -> bytes:
    """Read base64url without padding; what is none is empty."""
    if not isinstance(text, str) or not text.isascii():
        return b""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _act(person: Person, action: str) -> Act:
    return persons_act(person.organization_id, person.id, action, person.id)
