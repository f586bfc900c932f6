"""Second factors: one-time codes, recovery codes for whoever has lost what makes them, and the first and the last one.

Who adds a factor, and who removes one, passes the organization's gate and looks again inside: no two of them are first,
and no two of them leave nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final, NamedTuple

from sluiceway.domain.audit import Act, persons_act
from sluiceway.domain.errors import PersonRefused, SecondFactorRequired, SignInRefused, Unauthenticated
from sluiceway.domain.ids import to_base32
from sluiceway.services.audit_log import attempt, record_refusal
from sluiceway.services.engine import Engine
from sluiceway.services.sessions import (
    MOST_OF_BOTH,
    SignedIn,
    Visitor,
    count_attempts,
    hash_token,
    new_token,
    renew,
)
from sluiceway.storage import factors as stored
from sluiceway.storage.credentials import Person
from sluiceway.storage.database import WriteTx
from sluiceway.storage.factors import Factors
from sluiceway.storage.keyring import TOTP_SECRET
from sluiceway.storage.organizations import lock_organization
from sluiceway.storage.sessions import Session, show_factor

__all__ = ["Factors"]

ISSUER: Final = "Sluiceway"
RECOVERY_CODES: Final = 10
DIGITS: Final = 6
STEP_S: Final = 30
STEPS_AROUND: Final = 1
"""How many steps of time a clock may be wrong."""
_CODE_LENGTH: Final = 24
LAST_FACTOR: Final = "This server asks everybody for a second factor, and this is your last one. Add another one first."


class NewTotp(NamedTuple):
    """A secret for an app that makes codes: as text, as a link that such apps read, and that as a picture."""

    secret: str
    uri: str
    qr: str
    """A `data:` address."""


async def find_factors(engine: Engine, person: Person) -> Factors:
    """Tell what a person can show besides a password."""
    async with engine.database.read() as tx:
        return await stored.find_factors(tx, person)


async def add_factor(engine: Engine, session: Session, act: Act, add: Callable[[WriteTx], Awaitable[None]]) -> SignedIn:
    """Add a factor; the session has shown it by that, and goes on with another token.

    Raises SecondFactorRequired where a password is not enough and there is one by now that the session has not shown:
    whoever knows a password alone adds nothing to what somebody else has set up. Raises Unauthenticated where the
    session has ended meanwhile.
    """
    token = new_token(engine, session.organization_id)

    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, session.organization_id)
        is_more_asked = engine.is_second_factor_required and not session.has_shown_factor
        if is_more_asked and (await stored.find_factors(tx, session.person)).is_any:
            raise SecondFactorRequired
        await add(tx)
        if not await show_factor(tx, session, hash_token(token)):
            raise Unauthenticated

    await attempt(engine, act, work)
    return SignedIn(replace(session, has_factor=True, has_shown_factor=True), token)


async def remove_factor(engine: Engine, person: Person, act: Act, remove: Callable[[WriteTx], Awaitable[None]]) -> None:
    """Remove a factor. Raises PersonRefused where everybody needs one and it is the last."""

    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, person.organization_id)
        await remove(tx)
        if engine.is_second_factor_required and not (await stored.find_factors(tx, person)).is_any:
            raise PersonRefused(LAST_FACTOR)

    await attempt(engine, act, work)


async def begin_totp(engine: Engine, person: Person) -> NewTotp:
    """Make a secret, which counts once a first code has been shown. Raises PersonRefused where one counts already."""
    import segno  # noqa: PLC0415 -- only who needs them pays for the time that it takes to load these
    from pyotp.totp import TOTP  # noqa: PLC0415 -- the same

    secret = _letters(engine)
    uri = TOTP(secret).provisioning_uri(name=person.email, issuer_name=ISSUER)

    async def work(tx: WriteTx) -> None:
        sealed = engine.keyring.seal(TOTP_SECRET, person.organization_id, person.id, secret)
        if not await stored.begin_totp(tx, person, sealed, engine.now()):
            raise PersonRefused("One-time codes are on already. Turn them off first.")

    await attempt(engine, persons_act(person.organization_id, person.id, "BEGIN_TOTP", person.id), work)
    picture = segno.make(uri, error="m").svg_data_uri(scale=4, border=4, dark="#000", light="#fff")
    return NewTotp(secret, uri, picture)


async def confirm_totp(engine: Engine, session: Session, code: str) -> tuple[SignedIn, list[str]]:
    """Turn one-time codes on with a first code; give the recovery codes, which are shown this once.

    Raises SignInRefused where the code is wrong, and what `add_factor` raises.
    """
    person, codes = session.person, _recovery_codes(engine)

    async def add(tx: WriteTx) -> None:
        if not await _take_code(engine, tx, person, code, must_be_confirmed=False):
            raise SignInRefused
        await stored.replace_recovery_codes(tx, person, [_hash(person, each) for each in codes])

    act = persons_act(person.organization_id, person.id, "TURN_TOTP_ON", person.id)
    return await add_factor(engine, session, act, add), codes


async def renew_recovery_codes(engine: Engine, person: Person) -> list[str]:
    """Make other recovery codes, which are shown this once; the old ones are good for nothing any more.

    Raises PersonRefused for somebody who needs none.
    """
    codes = _recovery_codes(engine)

    async def work(tx: WriteTx) -> None:
        if not (await stored.find_factors(tx, person)).has_totp:
            raise PersonRefused("One-time codes are off, so there is nothing to recover.")
        await stored.replace_recovery_codes(tx, person, [_hash(person, each) for each in codes])

    await attempt(engine, persons_act(person.organization_id, person.id, "RENEW_RECOVERY_CODES", person.id), work)
    return codes


async def turn_totp_off(engine: Engine, person: Person) -> None:
    """Let the password be enough again, or a passkey. Raises PersonRefused where that would leave too little."""

    async def remove(tx: WriteTx) -> None:
        await stored.delete_totp(tx, person)

    act = persons_act(person.organization_id, person.id, "TURN_TOTP_OFF", person.id)
    await remove_factor(engine, person, act, remove)


async def show_code(engine: Engine, visitor: Visitor, session: Session, code: str) -> SignedIn:
    """Complete a session with a one-time code or a recovery code. Raises SignInRefused and TooManyAttempts."""
    if session.is_complete:
        raise Unauthenticated
    person = session.person
    # Not with passwords: the right one would forgive wrong codes. Only who knows it can keep somebody out here.
    attempts = await count_attempts(engine, visitor, f"{person.id} code", MOST_OF_BOTH)
    act = persons_act(person.organization_id, person.id, "SIGN_IN", person.id)

    async def work(tx: WriteTx) -> bool:
        if code.strip().replace(" ", "").isdigit():
            return await _take_code(engine, tx, person, code, must_be_confirmed=True)
        return await stored.use_recovery_code(tx, person, _hash(person, code), engine.now())

    if not await engine.database.write(work):
        await record_refusal(engine, act, SignInRefused())
        raise SignInRefused
    return await renew(engine, session, act, attempts, shows_factor=True)


async def _take_code(engine: Engine, tx: WriteTx, person: Person, code: str, *, must_be_confirmed: bool) -> bool:
    """Take a one-time code, which is good once; tell whether it was."""
    from pyotp.hotp import HOTP  # noqa: PLC0415 -- as above
    from pyotp.utils import strings_equal  # noqa: PLC0415 -- as above

    totp = await stored.find_totp(tx, person)
    if totp is None or (totp.confirmed_at is None) == must_be_confirmed:
        return False
    shown, now = code.strip().replace(" ", ""), engine.now()
    this_step = int(now.timestamp()) // STEP_S
    secret = engine.keyring.open(TOTP_SECRET, person.organization_id, person.id, totp.secret)
    codes = HOTP(secret, digits=DIGITS)
    # All of them are looked at, so that how long it takes tells nothing.
    right = [
        step
        for step in range(this_step - STEPS_AROUND, this_step + STEPS_AROUND + 1)
        if strings_equal(codes.at(step), shown)
    ]
    return bool(right) and await stored.take_totp_step(tx, person, right[0], now)


def _letters(engine: Engine) -> str:
    """Make a secret of 160 random bits in the alphabet of such secrets."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    bits = int.from_bytes(sha256(engine.new_secret(48).encode()).digest()[:20], "big")
    return "".join(alphabet[bits >> 5 * place & 31] for place in range(32))


def _recovery_codes(engine: Engine) -> list[str]:
    return [_code(engine) for _ in range(RECOVERY_CODES)]


def _code(engine: Engine) -> str:
    digest = sha256(engine.new_secret(32).encode()).hexdigest()
    letters = to_base32(f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}")
    kept = letters[-_CODE_LENGTH:].lower()
    return "-".join(kept[place : place + 4] for place in range(0, _CODE_LENGTH, 4))


def _hash(person: Person, code: str) -> bytes:
    """Hash a recovery code, however it is spaced and written. Each has 120 random bits, so a fast hash is enough."""
    read = "".join(each for each in code.lower() if each.isalnum()).translate(str.maketrans("oil", "011"))
    return sha256(f"{person.organization_id}/{person.id}/{read}".encode()).digest()
