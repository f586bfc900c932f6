"""Who is signed in; setting up, signing in and out, and showing a password again."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import UNSET

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import SecondFactorRequired, Unauthenticated
from sluiceway.domain.ids import OrganizationId
from sluiceway.domain.rules import refuse
from sluiceway.services import passkeys, second_factors
from sluiceway.services import sessions as services
from sluiceway.services.sessions import Session, SignedIn
from sluiceway.web.identify import clear_cookie, identify, set_cookie
from sluiceway.web.operations import AppCall, AppOperation, Ask, open_operation, operation
from sluiceway.web.wire import session as wire
from sluiceway.web.wire.shapes import Envelope, Nothing, read_body, read_text, show


@open_operation("GET", "/session", summary="Tell who is signed in", answer=Envelope[wire.SessionShown], refusals=())
async def get_session(ask: Ask) -> Reply:
    """Tell whether somebody is signed in and to which organization, or what has to come first."""
    try:
        session = await identify(ask.edge.engine, ask.visit)
    except SecondFactorRequired:
        return ask.reply(wire.show_nobody("second_factor_required"))
    except Unauthenticated:
        is_set_up = await services.is_set_up(ask.edge.engine)
        return ask.reply(wire.show_nobody("signed_out" if is_set_up else "setup_required"))
    if services.lacks_factor(ask.edge.engine, session):
        return ask.reply(wire.show_nobody("second_factor_missing"))
    return ask.reply(await _tell(ask, session, [session.organization_id]))


@open_operation(
    "POST",
    "/setup",
    summary="Set up the first organization",
    body=wire.SetUp,
    answer=Envelope[wire.SessionShown],
    refusals=(409,),
)
async def set_up(ask: Ask) -> Reply:
    """Make the first organization and its first admin, who is then signed in. Only while nobody can sign in."""
    body = read_body(ask.body, wire.SetUp)
    signed_in = await services.set_up(
        ask.edge.engine,
        ask.edge.passwords,
        ask.visit.visitor,
        name=read_text(body.organization_name, "organizationName"),
        is_sandbox=body.is_sandbox,
        email=body.email,
        password=body.password,
    )
    return await answer_signed_in(ask, signed_in)


@open_operation(
    "POST", "/sign-in", summary="Sign in with a password", body=wire.SignIn, answer=Envelope[wire.SessionShown]
)
async def sign_in(ask: Ask) -> Reply:
    """Sign in. The first of several organizations is opened unless one is named; `organizations` tells of all."""
    body = read_body(ask.body, wire.SignIn)
    signed_in = await services.sign_in(
        ask.edge.engine,
        ask.edge.passwords,
        ask.visit.visitor,
        email=body.email,
        password=body.password,
        note=ask.edge.recorder.note,
        organization_id=wire.read_organization_id(body.organization_id),
    )
    return await answer_signed_in(ask, signed_in)


@operation(
    "POST",
    "/reauthenticate",
    role=Role.VIEWER,
    before_factor=True,
    summary="Show the password again",
    body=wire.Reauthenticate,
    answer=Envelope[wire.SessionShown],
)
async def reauthenticate(call: AppCall) -> Reply:
    """Show the password or a passkey again, so that for five minutes more may be done than looking and drafting."""
    body, engine = read_body(call.body, wire.Reauthenticate), call.edge.engine
    if isinstance(body.password, str) and body.credential is UNSET:
        visitor = call.visit.visitor
        signed_in = await services.reauthenticate(engine, call.edge.passwords, visitor, call.session, body.password)
    elif isinstance(body.credential, dict) and body.password is UNSET:
        signed_in = await passkeys.reauthenticate(engine, call.visit.place, call.session, body.credential)
    else:
        refuse("", "must have either a password or a credential")
    return await answer_signed_in(call, signed_in)


@operation(
    "POST",
    "/reauthenticate/options",
    role=Role.VIEWER,
    summary="Be asked for a passkey again",
    answer=Envelope[wire.Options],
    is_reading=True,
)
async def ask_for_passkey_again(call: AppCall) -> Reply:
    """Give what a browser needs to show a passkey of whoever is signed in."""
    options = await passkeys.ask_again(call.edge.engine, call.visit.place, call.session)
    return call.reply(show(wire.Options(options)))


@open_operation(
    "POST", "/sign-in/totp", summary="Show a second factor", body=wire.Code, answer=Envelope[wire.SessionShown]
)
async def show_code(ask: Ask) -> Reply:
    """Complete a sign-in with a one-time code or a recovery code, each of which is good once."""
    body = read_body(ask.body, wire.Code)
    session = await identify(ask.edge.engine, ask.visit, must_be_complete=False)
    return await answer_signed_in(
        ask, await second_factors.show_code(ask.edge.engine, ask.visit.visitor, session, body.code)
    )


@open_operation("POST", "/sign-in/passkey/options", summary="Be asked for a passkey", answer=Envelope[wire.Options])
async def ask_for_passkey(ask: Ask) -> Reply:
    """Give what a browser needs to let somebody choose a passkey."""
    return ask.reply(show(wire.Options(await passkeys.ask_anybody(ask.edge.engine, ask.visit.place))))


@open_operation(
    "POST",
    "/sign-in/passkey",
    summary="Sign in with a passkey",
    body=wire.Credential,
    answer=Envelope[wire.SessionShown],
)
async def sign_in_with_passkey(ask: Ask) -> Reply:
    """Sign in with a passkey, which stands for both password and code."""
    body = read_body(ask.body, wire.Credential)
    signed_in = await passkeys.sign_in(ask.edge.engine, ask.visit.place, ask.visit.visitor, body.credential)
    return await answer_signed_in(ask, signed_in)


@open_operation("POST", "/sign-out", summary="Sign out", answer=Envelope[Nothing])
async def sign_out(ask: Ask) -> Reply:
    """End the session, also one that waits for a second factor."""
    with suppress(Unauthenticated):
        await services.sign_out(ask.edge.engine, await identify(ask.edge.engine, ask.visit, must_be_complete=False))
    return ask.reply(show(Nothing()), clear_cookie(ask.visit))


async def answer_signed_in(ask: Ask | AppCall, signed_in: SignedIn) -> Reply:
    """Answer who is signed in now, or what has still to be shown, and have the browser keep the token."""
    session = signed_in.session
    cookie = set_cookie(ask.visit, signed_in.token)
    is_lacking = services.lacks_factor(ask.edge.engine, session)
    if is_lacking or not session.is_complete:
        # Each organization has factors of its own: where a password opens several, they are chosen from before.
        several = [session.organization_id, *signed_in.others] if signed_in.others else []
        organizations = await services.organizations_of(ask.edge.engine, several)
        state: wire.State = "second_factor_missing" if is_lacking else "second_factor_required"
        return ask.reply(wire.show_nobody(state, organizations), cookie)
    return ask.reply(await _tell(ask, session, [session.organization_id, *signed_in.others]), cookie)


async def _tell(ask: Ask | AppCall, session: Session, organization_ids: Sequence[OrganizationId]) -> bytes:
    engine = ask.edge.engine
    organizations = await services.organizations_of(engine, organization_ids)
    factors = await second_factors.find_factors(engine, session.person)
    drafts_key = services.drafts_key(engine, session.person)
    return wire.show_signed_in(session, organizations, factors, engine.now(), drafts_key)


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    get_session,
    set_up,
    sign_in,
    show_code,
    ask_for_passkey,
    sign_in_with_passkey,
    reauthenticate,
    ask_for_passkey_again,
    sign_out,
)
