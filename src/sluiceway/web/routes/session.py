"""Who is signed in; setting up, signing in and out, and showing a password again."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import SecondFactorRequired, Unauthenticated
from sluiceway.services import sessions as services
from sluiceway.services.sessions import SignedIn
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
    [organization] = await services.organizations_of(ask.edge.engine, [session.organization_id])
    now = ask.edge.engine.now()
    return ask.reply(wire.show_signed_in(session, [organization], now, has_totp=False, passkey_count=0))


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
    return await _show(ask, signed_in)


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
        organization_id=wire.read_organization_id(body.organization_id),
    )
    return await _show(ask, signed_in)


@operation(
    "POST",
    "/reauthenticate",
    role=Role.VIEWER,
    summary="Show the password again",
    body=wire.Reauthenticate,
    answer=Envelope[wire.SessionShown],
)
async def reauthenticate(call: AppCall) -> Reply:
    """Show the password again, so that for five minutes more may be done than looking and drafting."""
    body = read_body(call.body, wire.Reauthenticate)
    visitor = call.visit.visitor
    signed_in = await services.reauthenticate(
        call.edge.engine, call.edge.passwords, visitor, call.session, body.password
    )
    return await _show(call, signed_in)


@operation("POST", "/sign-out", role=Role.VIEWER, summary="Sign out", answer=Envelope[Nothing])
async def sign_out(call: AppCall) -> Reply:
    """End the session."""
    await services.sign_out(call.edge.engine, call.session)
    return call.reply(show(Nothing()), clear_cookie(call.visit))


async def _show(ask: Ask | AppCall, signed_in: SignedIn) -> Reply:
    engine, session = ask.edge.engine, signed_in.session
    cookie = set_cookie(ask.visit, signed_in.token)
    if not session.is_complete:
        return ask.reply(wire.show_nobody("second_factor_required"), cookie)
    organizations = await services.organizations_of(engine, [session.organization_id, *signed_in.others])
    shown = wire.show_signed_in(session, organizations, engine.now(), has_totp=False, passkey_count=0)
    return ask.reply(shown, cookie)


OPERATIONS: Final[tuple[AppOperation, ...]] = (get_session, set_up, sign_in, reauthenticate, sign_out)
