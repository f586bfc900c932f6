"""One's own ways to sign in: password, one-time codes, passkeys; and where one is signed in."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import PersonRefused
from sluiceway.domain.ids import IdKind, PasskeyId, SessionId
from sluiceway.services import passkeys, people, second_factors, sessions
from sluiceway.web.identify import set_cookie
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import people as wire
from sluiceway.web.wire.session import Code, Options
from sluiceway.web.wire.shapes import Envelope, read_body, read_text, show


@operation(
    "GET",
    "/security",
    role=Role.VIEWER,
    before_factor=True,
    summary="Read how you sign in",
    answer=Envelope[wire.Security],
)
async def get_security(call: AppCall) -> Reply:
    """Read how you sign in, and in which browsers you are signed in."""
    return await _security(call)


@operation(
    "POST",
    "/security/password",
    role=Role.VIEWER,
    needs_proof=True,
    summary="Change your password",
    body=wire.NewPassword,
    answer=Envelope[wire.Security],
)
async def change_password(call: AppCall) -> Reply:
    """Change your password. Everywhere else you are signed out."""
    body = read_body(call.body, wire.NewPassword)
    await people.change_password(call.edge.engine, call.edge.passwords, call.session, body.password)
    return await _security(call)


@operation(
    "POST",
    "/security/totp",
    role=Role.VIEWER,
    needs_proof=True,
    before_factor=True,
    summary="Begin to use one-time codes",
    answer=Envelope[wire.TotpBegun],
    refusals=(409,),
)
async def begin_totp(call: AppCall) -> Reply:
    """Make a secret for an app that makes codes. It counts once a first code has been shown."""
    return call.reply(show(wire.show_totp(await second_factors.begin_totp(call.edge.engine, call.person))))


@operation(
    "POST",
    "/security/totp/confirm",
    role=Role.VIEWER,
    needs_proof=True,
    before_factor=True,
    summary="Turn one-time codes on",
    body=Code,
    answer=Envelope[wire.RecoveryCodes],
)
async def confirm_totp(call: AppCall) -> Reply:
    """Turn one-time codes on by a first code. The recovery codes are shown this once."""
    body = read_body(call.body, Code)
    signed_in, codes = await second_factors.confirm_totp(call.edge.engine, call.session, body.code)
    return call.reply(show(wire.RecoveryCodes(codes)), set_cookie(call.visit, signed_in.token))


@operation(
    "POST",
    "/security/recovery-codes",
    role=Role.VIEWER,
    needs_proof=True,
    summary="Make other recovery codes",
    answer=Envelope[wire.RecoveryCodes],
    refusals=(409,),
)
async def renew_recovery_codes(call: AppCall) -> Reply:
    """Make other recovery codes, which are shown this once. The old ones are good for nothing any more."""
    codes = await second_factors.renew_recovery_codes(call.edge.engine, call.person)
    return call.reply(show(wire.RecoveryCodes(codes)))


@operation(
    "DELETE",
    "/security/totp",
    role=Role.VIEWER,
    needs_proof=True,
    summary="Turn one-time codes off",
    answer=Envelope[wire.Security],
    refusals=(409,),
)
async def turn_totp_off(call: AppCall) -> Reply:
    """Let the password be enough again, or a passkey. Where everybody needs a second factor, the last one stays."""
    await second_factors.turn_totp_off(call.edge.engine, call.person)
    return await _security(call)


@operation(
    "POST",
    "/security/passkeys/options",
    role=Role.VIEWER,
    needs_proof=True,
    before_factor=True,
    summary="Begin to make a passkey",
    answer=Envelope[Options],
    refusals=(409,),
    is_reading=True,
)
async def ask_for_new_passkey(call: AppCall) -> Reply:
    """Give what a browser needs to make a passkey for this host, which has to be called by a name."""
    if not wire.is_name(call.visit.place.domain):
        raise PersonRefused("A browser makes no passkey for a bare address. Open the app by a name, such as localhost.")
    options = await passkeys.ask_for_new(call.edge.engine, call.visit.place, call.session)
    return call.reply(show(Options(options)))


@operation(
    "POST",
    "/security/passkeys",
    role=Role.VIEWER,
    needs_proof=True,
    before_factor=True,
    summary="Add a passkey",
    status=201,
    body=wire.NewPasskey,
    answer=Envelope[wire.PasskeyShown],
    refusals=(409,),
)
async def add_passkey(call: AppCall) -> Reply:
    """Keep a passkey that this browser has just made."""
    body = read_body(call.body, wire.NewPasskey)
    name = read_text(body.name, "name", passkeys.MAX_NAME)
    signed_in, made = await passkeys.add(call.edge.engine, call.visit.place, call.session, name, body.credential)
    return call.reply(show(wire.show_passkey(made)), set_cookie(call.visit, signed_in.token), status=201)


@operation(
    "DELETE",
    "/security/passkeys/{id}",
    role=Role.VIEWER,
    needs_proof=True,
    summary="Remove a passkey",
    id_kind=IdKind.PASSKEY,
    answer=Envelope[wire.Security],
    refusals=(404, 409),
)
async def remove_passkey(call: AppCall) -> Reply:
    """Remove one of your passkeys: nobody signs in with it any more.

    Where everybody needs a second factor, the last one stays.
    """
    passkey_id = None if call.id is None else PasskeyId(call.id)
    await passkeys.remove(call.edge.engine, call.person, passkey_id, call.spelling)
    return await _security(call)


@operation(
    "DELETE",
    "/security/sessions/{id}",
    role=Role.VIEWER,
    summary="Sign out elsewhere",
    id_kind=IdKind.SESSION,
    answer=Envelope[wire.Security],
    refusals=(404,),
)
async def end_session(call: AppCall) -> Reply:
    """End one of your sessions: its next request is refused."""
    session_id = None if call.id is None else SessionId(call.id)
    await sessions.end_session(call.edge.engine, call.person, session_id, call.spelling)
    return await _security(call)


@operation(
    "DELETE", "/security/sessions", role=Role.VIEWER, summary="Sign out everywhere else", answer=Envelope[wire.Security]
)
async def end_other_sessions(call: AppCall) -> Reply:
    """End all of your sessions but this one."""
    await people.end_other_sessions(call.edge.engine, call.session)
    return await _security(call)


async def _security(call: AppCall) -> Reply:
    engine, person = call.edge.engine, call.person
    listed = await sessions.list_sessions(engine, person)
    if sessions.lacks_factor(engine, call.session):
        # Where else its owner is signed in is nothing for who knows a password and no more.
        listed = [each for each in listed if each.id == call.session.id]
    shown = wire.show_security(
        call.session,
        await second_factors.find_factors(engine, person),
        await passkeys.list_passkeys(engine, person),
        listed,
        call.visit.place.domain,
    )
    return call.reply(show(shown))


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    get_security,
    change_password,
    begin_totp,
    confirm_totp,
    renew_recovery_codes,
    turn_totp_off,
    ask_for_new_passkey,
    add_passkey,
    remove_passkey,
    end_session,
    end_other_sessions,
)
