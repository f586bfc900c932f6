"""The people of an organization, and invitations to it."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, InvitationId, PersonId
from sluiceway.services import people as services
from sluiceway.web.operations import AppCall, AppOperation, Ask, open_operation, operation
from sluiceway.web.routes.session import answer_signed_in
from sluiceway.web.wire import people as wire
from sluiceway.web.wire.session import SessionShown
from sluiceway.web.wire.shapes import Envelope, Nothing, Page, read_body, show, show_page


@operation("GET", "/people", role=Role.VIEWER, summary="List people", answer=Page[wire.PersonShown])
async def list_people(call: AppCall) -> Reply:
    """List who can sign in to the organization, whoever came first at the top."""
    people = await services.list_people(call.edge.engine, call.principal.organization_id)
    return call.reply(show_page(wire.show_people(people, call.person), None))


@operation(
    "PATCH",
    "/people/{id}",
    role=Role.ADMIN,
    needs_proof=True,
    summary="Give somebody another role",
    id_kind=IdKind.PERSON,
    body=wire.RoleChange,
    answer=Page[wire.PersonShown],
    refusals=(404, 409),
)
async def set_role(call: AppCall) -> Reply:
    """Give somebody another role, from their next request on. The last admin stays one."""
    body = read_body(call.body, wire.RoleChange)
    person_id = None if call.id is None else PersonId(call.id)
    await services.set_role(call.edge.engine, call.person, person_id, call.spelling, body.role)
    return await _people(call)


@operation(
    "DELETE",
    "/people/{id}",
    role=Role.ADMIN,
    needs_proof=True,
    summary="Remove somebody",
    id_kind=IdKind.PERSON,
    answer=Page[wire.PersonShown],
    refusals=(404, 409),
)
async def remove_person(call: AppCall) -> Reply:
    """Let somebody in no more: they are signed out everywhere. What they have approved stays approved."""
    person_id = None if call.id is None else PersonId(call.id)
    await services.remove_person(call.edge.engine, call.person, person_id, call.spelling)
    return await _people(call)


async def _people(call: AppCall) -> Reply:
    people = await services.list_people(call.edge.engine, call.principal.organization_id)
    return call.reply(show_page(wire.show_people(people, call.person), None))


@operation("GET", "/invitations", role=Role.ADMIN, summary="List invitations", answer=Page[wire.InvitationShown])
async def list_invitations(call: AppCall) -> Reply:
    """List the invitations that can still be accepted, newest first."""
    found = await services.list_invitations(call.edge.engine, call.principal.organization_id)
    return call.reply(show_page([wire.show_invitation(each) for each in found], None))


@operation(
    "POST",
    "/invitations",
    role=Role.ADMIN,
    needs_proof=True,
    summary="Invite somebody",
    status=201,
    body=wire.Invite,
    answer=Envelope[wire.InvitationMade],
    refusals=(409,),
)
async def invite(call: AppCall) -> Reply:
    """Invite somebody to join within seven days. The link with the token is shown this once; send it yourself."""
    body = read_body(call.body, wire.Invite)
    invitation, token = await services.invite(call.edge.engine, call.person, body.email, body.role)
    return call.reply(show(wire.InvitationMade(wire.show_invitation(invitation), token)), status=201)


@operation(
    "DELETE",
    "/invitations/{id}",
    role=Role.ADMIN,
    summary="Take an invitation back",
    id_kind=IdKind.INVITATION,
    answer=Envelope[Nothing],
    refusals=(404,),
)
async def take_invitation_back(call: AppCall) -> Reply:
    """Take an invitation back that nobody has accepted."""
    invitation_id = None if call.id is None else InvitationId(call.id)
    await services.take_back(call.edge.engine, call.person, invitation_id, call.spelling)
    return call.reply(show(Nothing()))


@open_operation(
    "POST",
    "/invitation",
    summary="Look at an invitation",
    body=wire.Token,
    answer=Envelope[wire.InvitedShown],
    refusals=(410,),
)
async def look_at_invitation(ask: Ask) -> Reply:
    """Tell whoever holds an invitation's link what it is to."""
    invited = await services.look_at_invitation(ask.edge.engine, read_body(ask.body, wire.Token).token)
    return ask.reply(show(wire.show_invited(invited)))


@open_operation(
    "POST",
    "/invitation/accept",
    summary="Accept an invitation",
    body=wire.Accept,
    answer=Envelope[SessionShown],
    refusals=(410,),
)
async def accept_invitation(ask: Ask) -> Reply:
    """Accept an invitation with a password of one's own, once. Whoever does is signed in."""
    body = read_body(ask.body, wire.Accept)
    signed_in = await services.accept(ask.edge.engine, ask.edge.passwords, ask.visit.visitor, body.token, body.password)
    return await answer_signed_in(ask, signed_in)


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    list_people,
    set_role,
    remove_person,
    list_invitations,
    invite,
    take_invitation_back,
    look_at_invitation,
    accept_invitation,
)
