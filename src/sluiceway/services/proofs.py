"""Proofs that it is the person who decides: a password, or a session in which one was shown minutes ago."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluiceway.domain.errors import ReauthenticationRequired
from sluiceway.domain.ids import OrganizationId, PersonId

FRESH_FOR: Final = timedelta(minutes=5)
_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class Fresh:
    """A person has shown a password or passkey at this time. Only `prove`, below, makes one."""

    organization_id: OrganizationId
    person_id: PersonId
    at: datetime
    seal: object

    def __post_init__(self) -> None:
        """Refuse one that somebody else has made up."""
        assert self.seal is _SEAL, "proofs are made from sessions"

    def is_of(self, organization_id: OrganizationId, person_id: PersonId, now: datetime) -> bool:
        """Tell whether it proves that this is the person, now."""
        is_theirs = (self.organization_id, self.person_id) == (organization_id, person_id)
        return is_theirs and now - self.at < FRESH_FOR


Proof = str | Fresh
"""A password, which has still to be checked, or that one was checked minutes ago."""


def prove(organization_id: OrganizationId, person_id: PersonId, at: datetime, now: datetime) -> Fresh:
    """Make the proof of a session that was authenticated anew at this time. Raises ReauthenticationRequired.

    For services.sessions, which has just read that time from the session's row.
    """
    if now - at >= FRESH_FOR:
        raise ReauthenticationRequired
    return Fresh(organization_id, person_id, at, _SEAL)
