"""The people of an organization: who they are, what they may do, who is invited, and their passwords.

An organization always has an admin: whoever changes that passes its gate, and looks again inside.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sluiceway.domain.access import Role
from sluiceway.domain.audit import Act, operators_act, persons_act
from sluiceway.domain.errors import InvitationRefused, NotFound, PersonRefused
from sluiceway.domain.ids import IdKind, InvitationId, OrganizationId, PersonId, to_base32
from sluiceway.services.audit_log import attempt
from sluiceway.services.engine import Engine
from sluiceway.services.new_passwords import require_good
from sluiceway.services.passwords import Passwords
from sluiceway.services.sessions import (
    SECRET_LENGTH,
    SignedIn,
    Visitor,
    begin,
    hash_token,
    insert,
    read_email,
    read_token,
)
from sluiceway.storage import credentials as stored
from sluiceway.storage.credentials import ListedPerson, Person
from sluiceway.storage.database import WriteTx
from sluiceway.storage.factors import delete_factors
from sluiceway.storage.invitations import (
    Invitation,
    accept_invitation,
    find_invitation,
    insert_invitation,
    revoke_invitation,
    revoke_invitations_by,
)
from sluiceway.storage.invitations import list_invitations as stored_invitations
from sluiceway.storage.organizations import find_organizations, lock_organization
from sluiceway.storage.sessions import Session, end_sessions

INVITED_FOR: Final = timedelta(days=7)
PREFIX: Final = "si_"
By = Person | OrganizationId
"""An admin, or, in this organization, whoever runs the server."""
LAST_ADMIN: Final = "An organization needs an admin, and this is the last one."


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation as whoever holds its link sees it."""

    invitation: Invitation
    organization_name: str


async def list_people(engine: Engine, organization_id: OrganizationId) -> list[ListedPerson]:
    """List the people of an organization, the first one first."""
    async with engine.database.read() as tx:
        return await stored.list_people(tx, organization_id)


async def set_role(engine: Engine, by: By, person_id: PersonId | None, spelling: str, role: Role) -> None:
    """Give somebody another role, from their next request on. Raises NotFound and PersonRefused."""

    async def work(tx: WriteTx, person: Person) -> None:
        await stored.set_role(tx, person, role)
        if role is not Role.ADMIN:
            await revoke_invitations_by(tx, person.organization_id, person.id, engine.now())

    await _change(engine, by, "SET_ROLE", person_id, spelling, work, is_admin_after=role is Role.ADMIN)


async def remove_person(engine: Engine, by: Person, person_id: PersonId | None, spelling: str) -> None:
    """Let somebody in no more: their sessions end, what they have approved stays. Raises NotFound and PersonRefused."""

    async def work(tx: WriteTx, person: Person) -> None:
        now = engine.now()
        await stored.remove_person(tx, person, now)
        await end_sessions(tx, person.organization_id, person.id, now)
        await delete_factors(tx, person)
        await revoke_invitations_by(tx, person.organization_id, person.id, now)

    await _change(engine, by, "REMOVE_PERSON", person_id, spelling, work, is_admin_after=False)


async def _change(
    engine: Engine,
    by: By,
    action: str,
    person_id: PersonId | None,
    spelling: str,
    change: Callable[[WriteTx, Person], Awaitable[None]],
    *,
    is_admin_after: bool,
) -> None:
    act = _act(by, action, person_id)
    organization_id = act.organization_id

    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, organization_id)
        found = None if person_id is None else await stored.find_person(tx, organization_id, person_id=person_id)
        if found is None or found[1] is not None:
            raise NotFound(IdKind.PERSON, spelling)
        if not is_admin_after and await stored.admins(tx, organization_id) == {person_id}:
            raise PersonRefused(LAST_ADMIN)
        await change(tx, found[0])

    await attempt(engine, act, work)


def _act(by: By, action: str, subject_id: str | None) -> Act:
    if isinstance(by, Person):
        return persons_act(by.organization_id, by.id, action, subject_id)
    return operators_act(by, action, subject_id)


async def invite(engine: Engine, by: Person, email: str, role: Role) -> tuple[Invitation, str]:
    """Invite somebody; give the invitation with its token, which is shown this once. Raises PersonRefused.

    A second invitation to the same address replaces the first.
    """
    email = read_email(email)
    token = f"{PREFIX}{to_base32(by.organization_id)}{engine.new_secret(SECRET_LENGTH)}"
    now = engine.now()
    invitation = Invitation(
        organization_id=by.organization_id,
        id=InvitationId(engine.new_id()),
        email=email,
        role=role,
        invited_by=by.id,
        created_at=now,
        expires_at=now + INVITED_FOR,
    )

    async def work(tx: WriteTx) -> None:
        found = await stored.find_person(tx, by.organization_id, email=email)
        if found is not None and found[1] is None:
            raise PersonRefused("Somebody with this e-mail address is here already.")
        await insert_invitation(tx, invitation, hash_token(token))

    await attempt(engine, persons_act(by.organization_id, by.id, "INVITE", invitation.id), work)
    return invitation, token


async def list_invitations(engine: Engine, organization_id: OrganizationId) -> list[Invitation]:
    """List the invitations that can still be accepted, newest first."""
    async with engine.database.read() as tx:
        return await stored_invitations(tx, organization_id, engine.now())


async def take_back(engine: Engine, by: Person, invitation_id: InvitationId | None, spelling: str) -> None:
    """Take an invitation back. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if invitation_id is None or not await revoke_invitation(tx, by.organization_id, invitation_id, engine.now()):
            raise NotFound(IdKind.INVITATION, spelling)

    await attempt(engine, persons_act(by.organization_id, by.id, "TAKE_INVITATION_BACK", invitation_id), work)


async def look_at_invitation(engine: Engine, token: str) -> Invited:
    """Tell whoever holds an invitation's link what it is to. Raises InvitationRefused."""
    organization_id = read_token(token, PREFIX)
    if organization_id is None:
        raise InvitationRefused
    async with engine.database.read() as tx:
        invitation = await find_invitation(tx, organization_id, hash_token(token))
        if invitation is None or not invitation.is_open(engine.now()):
            raise InvitationRefused
    return Invited(invitation, await _organization_name(engine, organization_id))


async def _organization_name(engine: Engine, organization_id: OrganizationId) -> str:
    async with engine.database.read() as tx:
        return (await find_organizations(tx, [organization_id]))[organization_id].name


async def accept(engine: Engine, passwords: Passwords, visitor: Visitor, token: str, password: str) -> SignedIn:
    """Accept an invitation with a password of one's own; whoever does is signed in.

    Raises InvitationRefused and InvalidParameters.
    """
    invited = await look_at_invitation(engine, token)
    invitation = invited.invitation
    organization_id, email = invitation.organization_id, invitation.email
    hashed = await passwords.hash_new(password, invited.organization_name, email)
    async with engine.database.read() as tx:
        before = await stored.find_person(tx, organization_id, email=email)
    # Somebody who was removed is the same person as before: what they approved then is still theirs.
    person_id = PersonId(engine.new_id()) if before is None else before[0].id
    person = Person(organization_id, person_id, email, hashed, invitation.role)
    signed_in = begin(engine, person, visitor, is_complete=True)

    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, organization_id)
        found = await stored.find_person(tx, organization_id, email=email)
        is_here = found is not None and found[1] is None
        if is_here or not await accept_invitation(tx, invitation, engine.now()):
            raise InvitationRefused
        if found is None:
            await stored.insert_person(tx, person, engine.now())
        else:
            await stored.restore_person(tx, person)
        await insert(tx, signed_in)

    await attempt(engine, persons_act(organization_id, person_id, "ACCEPT_INVITATION", invitation.id), work)
    return signed_in


async def change_password(engine: Engine, passwords: Passwords, session: Session, password: str) -> None:
    """Change somebody's own password; their other sessions end. Raises InvalidParameters."""
    name = await _organization_name(engine, session.organization_id)
    hashed = await passwords.hash_new(password, name, session.person.email)
    person = session.person._replace(password_hash=hashed)

    async def work(tx: WriteTx) -> None:
        await stored.set_password(tx, person)
        await end_sessions(tx, person.organization_id, person.id, engine.now(), but=session.id)

    await attempt(engine, persons_act(person.organization_id, person.id, "CHANGE_PASSWORD", person.id), work)


async def reset(engine: Engine, person: Person, password: str) -> None:
    """Let somebody who has lost everything in again, with this password and nothing else, for whoever runs the server.

    Their sessions end, and their codes and passkeys are gone. Raises InvalidParameters.
    """
    require_good(password, await _organization_name(engine, person.organization_id), person.email)
    renewed = person._replace(password_hash=engine.hash_password(password))

    async def work(tx: WriteTx) -> None:
        await stored.set_password(tx, renewed)
        await delete_factors(tx, renewed)
        await end_sessions(tx, person.organization_id, person.id, engine.now())

    await attempt(engine, operators_act(person.organization_id, "RESET_PERSON", person.id), work)


async def end_other_sessions(engine: Engine, session: Session) -> None:
    """End all of somebody's sessions but this one."""
    person = session.person

    async def work(tx: WriteTx) -> None:
        await end_sessions(tx, person.organization_id, person.id, engine.now(), but=session.id)

    await attempt(engine, persons_act(person.organization_id, person.id, "END_OTHER_SESSIONS", person.id), work)
