"""What a page is told of who is signed in, and what it sends to sign somebody in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, OrganizationId, format_id, parse_id
from sluiceway.domain.rules import refuse
from sluiceway.services.second_factors import Factors
from sluiceway.services.sessions import Session
from sluiceway.storage.organizations import Organization
from sluiceway.web.wire.shapes import JsonObject, Moment, show, show_moment, show_moment_or_none

State = Literal["setup_required", "signed_out", "second_factor_required", "second_factor_missing", "signed_in"]
RoleName = Literal["VIEWER", "WRITER", "ADMIN"]
CURRENCY = "USD"


class SignedInPerson(Struct, rename="camel"):
    """Who is signed in."""

    id: str
    email: str
    role: RoleName
    has_totp: bool
    passkey_count: int


class OrganizationShown(Struct, rename="camel"):
    """The organization that is looked at. `now`: by its clock. `pausedAt`: since when nothing runs by itself.

    `timeZone`: the IANA zone in which its people read times. `heldSince`: since when nothing moves at all, because it
    was restored from a backup. `stoppedFor`: which broken promise, found by the audit, its money stands still for.
    """

    id: str
    name: str
    is_sandbox: bool
    paused_at: Moment | None
    held_since: Moment | None
    stopped_for: str | None
    currency: str
    time_zone: str
    now: Moment


class OrganizationName(Struct):
    """An organization that the same e-mail address and password open."""

    id: str
    name: str


class SessionShown(Struct, rename="camel"):
    """How things stand. `reauthenticatedAt`: when a password or passkey was last shown, by the real time.

    `draftsKey`: what the page encrypts drafts with that it keeps in the browser (AES-256-GCM, base64); null where the
    server has no SECRET_KEY.
    """

    state: State
    person: SignedInPerson | None
    organization: OrganizationShown | None
    reauthenticated_at: Moment | None
    organizations: list[OrganizationName]
    drafts_key: str | None = None


class SetUp(Struct, rename="camel", forbid_unknown_fields=True):
    """The first organization, and its first admin."""

    organization_name: str
    is_sandbox: bool
    email: str
    password: str


class SignIn(Struct, rename="camel", forbid_unknown_fields=True):
    """Who wants to sign in; to which organization, where the address belongs to several."""

    email: str
    password: str
    organization_id: str | UnsetType = UNSET


class Reauthenticate(Struct, rename="camel", forbid_unknown_fields=True):
    """What is shown again: a password, or what a browser says of a passkey."""

    password: str | UnsetType = UNSET
    credential: JsonObject | UnsetType = UNSET


class Code(Struct, forbid_unknown_fields=True):
    """A one-time code, or a recovery code."""

    code: str


class Credential(Struct, forbid_unknown_fields=True):
    """What a browser says of a passkey: `PublicKeyCredential.toJSON()`."""

    credential: JsonObject


class Options(Struct):
    """What a browser needs to make or to show a passkey: `PublicKeyCredential.parse...OptionsFromJSON()` reads it."""

    options: JsonObject


def show_signed_in(
    session: Session, organizations: Sequence[Organization], factors: Factors, now: datetime, drafts_key: str | None
) -> bytes:
    """Show who is signed in; the organization that is looked at comes first."""
    person, organization = session.person, organizations[0]
    return show(
        SessionShown(
            state="signed_in",
            person=SignedInPerson(
                id=format_id(IdKind.PERSON, person.id),
                email=person.email,
                role=show_role(person.role),
                has_totp=factors.has_totp,
                passkey_count=factors.passkey_count,
            ),
            organization=OrganizationShown(
                id=_organization_id(organization),
                name=organization.name,
                is_sandbox=organization.is_sandbox,
                paused_at=show_moment_or_none(organization.paused_at),
                held_since=show_moment_or_none(organization.held_since),
                stopped_for=organization.stopped_for,
                currency=CURRENCY,
                time_zone=organization.time_zone,
                now=show_moment(organization.clock.read(now)),
            ),
            reauthenticated_at=show_moment(session.reauthenticated_at),
            organizations=_names(organizations),
            drafts_key=drafts_key,
        )
    )


def show_nobody(state: State, organizations: Sequence[Organization] = ()) -> bytes:
    """Show that nobody is signed in, and what has to come first; which organizations there are to choose from."""
    return show(SessionShown(state, None, None, None, _names(organizations)))


def show_role(role: Role) -> RoleName:
    """Write a role."""
    return role.value


def read_organization_id(text: str | UnsetType) -> OrganizationId | None:
    """Read which organization is meant, if one is named. Raises InvalidParameters."""
    if isinstance(text, UnsetType):
        return None
    found = parse_id(IdKind.ORGANIZATION, text)
    if found is None:
        refuse("organizationId", "names no organization")
    return OrganizationId(found)


def _names(organizations: Sequence[Organization]) -> list[OrganizationName]:
    return [OrganizationName(_organization_id(each), each.name) for each in organizations]


def _organization_id(organization: Organization) -> str:
    return format_id(IdKind.ORGANIZATION, organization.id)
