"""The people of an organization and invitations, as pages show them; and what is one's own to set."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.passkeys import Passkey
from sluiceway.services.people import Invited
from sluiceway.services.second_factors import Factors, NewTotp
from sluiceway.services.sessions import ListedSession
from sluiceway.storage.credentials import ListedPerson, Person
from sluiceway.storage.invitations import Invitation
from sluiceway.storage.sessions import Session
from sluiceway.web.wire.session import RoleName, show_role
from sluiceway.web.wire.shapes import JsonObject, Moment, show_moment, show_moment_or_none

CanWithPerson = Literal["setRole", "remove"]
_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class PersonShown(Struct, rename="camel"):
    """Somebody who can sign in. `seenAt`: when they last did something here. `can`: what you may do with them."""

    id: str
    email: str
    role: RoleName
    is_you: bool
    created_at: Moment
    seen_at: Moment | None
    has_totp: bool
    passkey_count: int
    can: list[CanWithPerson]


class RoleChange(Struct, forbid_unknown_fields=True):
    """Another role."""

    role: Role


class InvitationShown(Struct, rename="camel"):
    """Somebody who is invited."""

    id: str
    email: str
    role: RoleName
    created_at: Moment
    expires_at: Moment


class Invite(Struct, forbid_unknown_fields=True):
    """Whom to invite, and to which role."""

    email: str
    role: Role


class InvitationMade(Struct, rename="camel"):
    """An invitation with its token, which is shown this once: the link is `/invitation#TOKEN`."""

    invitation: InvitationShown
    token: str


class Token(Struct, forbid_unknown_fields=True):
    """An invitation's token."""

    token: str


class InvitedShown(Struct, rename="camel"):
    """What an invitation is to."""

    organization_name: str
    email: str
    role: RoleName
    expires_at: Moment


class Accept(Struct, forbid_unknown_fields=True):
    """An invitation's token, and the password that whoever accepts it wants."""

    token: str
    password: str


class PasskeyShown(Struct, rename="camel"):
    """A passkey, by the name that its owner gave it."""

    id: str
    name: str
    created_at: Moment
    used_at: Moment | None


class SessionListed(Struct, rename="camel"):
    """A browser in which somebody is signed in; `browser`: which one, as far as it can be told from its name."""

    id: str
    is_current: bool
    browser: str
    address: str
    created_at: Moment
    seen_at: Moment


class Security(Struct, rename="camel"):
    """How somebody signs in, and where they are signed in.

    `passkeyHost`: for which host a passkey would be made; null: browsers make none for a bare address.
    """

    has_totp: bool
    recovery_codes_left: int
    passkey_host: str | None
    passkeys: list[PasskeyShown]
    sessions: list[SessionListed]


class TotpBegun(Struct):
    """A secret for an app that makes codes: as text, as a link, and as a picture of that link (`data:` address)."""

    secret: str
    uri: str
    qr: str


class RecoveryCodes(Struct):
    """Recovery codes, which are shown this once."""

    codes: list[str]


class NewPasskey(Struct, forbid_unknown_fields=True):
    """A passkey that a browser has made (`PublicKeyCredential.toJSON()`), and what to call it."""

    name: str
    credential: JsonObject


class NewPassword(Struct, forbid_unknown_fields=True):
    """Another password."""

    password: str


def show_people(people: Sequence[ListedPerson], viewer: Person) -> list[PersonShown]:
    """Show people as one of them sees them."""
    admins = sum(person.role is Role.ADMIN for person in people)
    return [
        PersonShown(
            id=format_id(IdKind.PERSON, person.id),
            email=person.email,
            role=show_role(person.role),
            is_you=person.id == viewer.id,
            created_at=show_moment(person.created_at),
            seen_at=show_moment_or_none(person.seen_at),
            has_totp=person.has_totp,
            passkey_count=person.passkey_count,
            can=_can(viewer, is_last_admin=person.role is Role.ADMIN and admins == 1),
        )
        for person in people
    ]


def show_invitation(invitation: Invitation) -> InvitationShown:
    """Show an invitation."""
    return InvitationShown(
        id=format_id(IdKind.INVITATION, invitation.id),
        email=invitation.email,
        role=show_role(invitation.role),
        created_at=show_moment(invitation.created_at),
        expires_at=show_moment(invitation.expires_at),
    )


def show_invited(invited: Invited) -> InvitedShown:
    """Show an invitation to whoever is invited."""
    invitation = invited.invitation
    return InvitedShown(
        invited.organization_name, invitation.email, show_role(invitation.role), show_moment(invitation.expires_at)
    )


def show_security(
    session: Session,
    factors: Factors,
    passkeys: Sequence[Passkey],
    sessions: Sequence[ListedSession],
    domain: str,
) -> Security:
    """Show somebody how and where they sign in."""
    return Security(
        has_totp=factors.has_totp,
        recovery_codes_left=factors.recovery_codes_left,
        passkey_host=domain if is_name(domain) else None,
        passkeys=[show_passkey(passkey) for passkey in passkeys],
        sessions=[
            SessionListed(
                id=format_id(IdKind.SESSION, each.id),
                is_current=each.id == session.id,
                browser=name_browser(each.user_agent),
                address=each.address,
                created_at=show_moment(each.created_at),
                seen_at=show_moment(each.seen_at),
            )
            for each in sessions
        ],
    )


def show_passkey(passkey: Passkey) -> PasskeyShown:
    """Show a passkey."""
    return PasskeyShown(
        format_id(IdKind.PASSKEY, passkey.id),
        passkey.name,
        show_moment(passkey.created_at),
        show_moment_or_none(passkey.used_at),
    )


def show_totp(begun: NewTotp) -> TotpBegun:
    """Show a secret for one-time codes."""
    return TotpBegun(begun.secret, begun.uri, begun.qr)


def name_browser(user_agent: str) -> str:
    """Say which browser it is, from what it calls itself. Each calls itself all those before it as well."""
    browser = next((word for mark, word in _BROWSERS if mark in user_agent), "A program")
    system = next((word for mark, word in _SYSTEMS if mark in user_agent), None)
    return browser if system is None else f"{browser} on {system}"


def is_name(domain: str) -> bool:
    """Tell whether a host is called by a name, and not by its address."""
    return bool(domain) and ":" not in domain and not domain.replace(".", "").isdigit()


def _can(viewer: Person, *, is_last_admin: bool) -> list[CanWithPerson]:
    return ["setRole", "remove"] if viewer.role is Role.ADMIN and not is_last_admin else []
