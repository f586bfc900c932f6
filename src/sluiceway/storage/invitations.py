"""Owns the table invitation: who has been asked to join an organization."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluiceway.domain.access import Role
from sluiceway.domain.ids import InvitationId, OrganizationId, PersonId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody is asked to join, with a role."""

    organization_id: OrganizationId
    id: InvitationId
    email: str
    role: Role
    invited_by: PersonId
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Tell whether it can still be accepted."""
        return self.accepted_at is None and self.revoked_at is None and now < self.expires_at


async def insert_invitation(tx: WriteTx, invitation: Invitation, token_hash: bytes) -> None:
    """Add an invitation, in place of those to the same address."""
    key = {"organization_id": invitation.organization_id}
    taken_back = {"email": invitation.email, "at": invitation.created_at}
    await execute(tx, QUERIES["revoke_invitations_to"], key | taken_back)
    row = {
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role,
        "token_hash": token_hash,
        "invited_by": invitation.invited_by,
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
    }
    await execute(tx, QUERIES["insert_invitation"], key | row)


async def find_invitation(tx: ReadTx, organization_id: OrganizationId, token_hash: bytes) -> Invitation | None:
    """Find an invitation by its token, whether or not it can still be accepted."""
    row = await fetch_one(
        tx, QUERIES["find_invitation"], {"organization_id": organization_id, "token_hash": token_hash}
    )
    return None if row is None else _read(organization_id, row)


async def accept_invitation(tx: WriteTx, invitation: Invitation, at: datetime) -> bool:
    """Use an invitation up; False where that is too late."""
    row = {"organization_id": invitation.organization_id, "id": invitation.id, "at": at}
    return bool(await fetch_all(tx, QUERIES["accept_invitation"], row))


async def revoke_invitation(
    tx: WriteTx, organization_id: OrganizationId, invitation_id: InvitationId, at: datetime
) -> bool:
    """Take an invitation back; False where there is none to take back."""
    row = {"organization_id": organization_id, "id": invitation_id, "at": at}
    return bool(await fetch_all(tx, QUERIES["revoke_invitation"], row))


async def revoke_invitations_by(
    tx: WriteTx, organization_id: OrganizationId, person_id: PersonId, at: datetime
) -> None:
    """Take back what somebody has invited to."""
    row = {"organization_id": organization_id, "invited_by": person_id, "at": at}
    await execute(tx, QUERIES["revoke_invitations_by"], row)


async def list_invitations(tx: ReadTx, organization_id: OrganizationId, at: datetime) -> list[Invitation]:
    """List the invitations that can still be accepted, newest first."""
    rows = await fetch_all(tx, QUERIES["list_invitations"], {"organization_id": organization_id, "at": at})
    return [_read(organization_id, row) for row in rows]


def _read(organization_id: OrganizationId, row: tuple[Any, ...]) -> Invitation:
    invitation_id, email, role, *told = row
    return Invitation(organization_id, invitation_id, email, Role(role), *told)
