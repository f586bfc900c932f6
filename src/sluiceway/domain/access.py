"""Who may do what: principals, permissions with their resources, and the one function that decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sluiceway.domain.errors import MaximumAmountExceeded, PermissionDenied
from sluiceway.domain.ids import AccountId, KeyId, OrganizationId, PersonId
from sluiceway.domain.money import Cents
from sluiceway.domain.rate_limits import Allowance


class Permission(StrEnum):
    """The scopes a key can hold. The first nine are the API's own."""

    LIST_ACCOUNTS = "LIST_ACCOUNTS"
    READ_ACCOUNTS = "READ_ACCOUNTS"
    LIST_RULES = "LIST_RULES"
    READ_RULES = "READ_RULES"
    TRIGGER_RULES = "TRIGGER_RULES"
    READ_RULE_EXECUTIONS = "READ_RULE_EXECUTIONS"
    READ_TRANSFERS = "READ_TRANSFERS"
    MANUAL_TRANSFER = "MANUAL_TRANSFER"
    READ_CARDS = "READ_CARDS"
    CREATE_AND_EDIT_RULES = "CREATE_AND_EDIT_RULES"
    CREATE_AND_EDIT_ACCOUNTS = "CREATE_AND_EDIT_ACCOUNTS"
    READ_AUDIT_LOGS = "READ_AUDIT_LOGS"
    READ_ACCOUNT_NUMBERS = "READ_ACCOUNT_NUMBERS"
    SANDBOX = "SANDBOX"


class Role(StrEnum):
    """What a person may do in an organization: each role has all that the one before has."""

    VIEWER = "VIEWER"
    """Reads."""
    WRITER = "WRITER"
    """Drafts rules, simulates, runs what is enabled, and asks for transfers, which then wait for an admin."""
    ADMIN = "ADMIN"
    """Enables rules, approves transfers, and decides about keys, people and settings."""

    def covers(self, needed: "Role") -> bool:
        """Tell whether this role has all that another one has."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


EVERY: Final = "*"

WITHOUT_RESOURCES: Final = frozenset(
    {
        Permission.LIST_ACCOUNTS,
        Permission.LIST_RULES,
        Permission.CREATE_AND_EDIT_ACCOUNTS,
        Permission.READ_AUDIT_LOGS,
        Permission.READ_ACCOUNT_NUMBERS,
        Permission.SANDBOX,
    }
)
"""Permissions that a key holds or lacks as a whole; the others carry a list of ids or `*`."""


@dataclass(frozen=True, slots=True)
class TransferPair:
    """One entry of MANUAL_TRANSFER: from this source to this target, at most this much (None: no maximum).

    Either end may be `*`. A pair is atomic: the source of one entry never combines with the target of another.
    """

    source: str
    target: str
    max_amount: Cents | None = None

    def covers(self, source: AccountId | None, target: AccountId | None) -> bool:
        """Tell whether a transfer between these accounts falls under this entry."""
        return self.source in (EVERY, source) and self.target in (EVERY, target)


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission held: on every resource, on the listed ones, or on pairs of accounts."""

    is_for_every: bool = False
    resources: frozenset[str] = frozenset()
    pairs: tuple[TransferPair, ...] = ()


class ActorKind(StrEnum):
    """Who acts: a credential, a person who has shown a password, or whoever runs the server."""

    API_KEY = "API_KEY"
    ACCESS_TOKEN = "ACCESS_TOKEN"  # noqa: S105 -- a word for one
    RULE_SECRET = "RULE_SECRET"  # noqa: S105 -- a word for one
    PERSON = "PERSON"
    OPERATOR = "OPERATOR"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts. `id`: of the credential or the person; the operator has none."""

    kind: ActorKind
    id: str | None = None


OPERATOR: Final = Actor(ActorKind.OPERATOR)
"""Whoever may run commands on the server."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a key of an organization with its grants, or another credential, whose id `key_id` then is."""

    organization_id: OrganizationId
    key_id: KeyId
    grants: Mapping[Permission, Grant] = field(default_factory=dict[Permission, Grant])
    approval_above: Cents | None = None
    """What it moves above this amount waits for a person; None: nothing does."""
    kind: ActorKind = ActorKind.API_KEY

    @property
    def actor(self) -> Actor:
        """Say who this is to the audit log."""
        return Actor(self.kind, self.key_id)


_READS: Final = frozenset(
    {
        Permission.LIST_ACCOUNTS,
        Permission.READ_ACCOUNTS,
        Permission.LIST_RULES,
        Permission.READ_RULES,
        Permission.READ_RULE_EXECUTIONS,
        Permission.READ_TRANSFERS,
        Permission.READ_CARDS,
    }
)
_WRITES: Final = _READS | {
    Permission.TRIGGER_RULES,
    Permission.MANUAL_TRANSFER,
    Permission.CREATE_AND_EDIT_RULES,
    Permission.CREATE_AND_EDIT_ACCOUNTS,
    Permission.READ_ACCOUNT_NUMBERS,
    Permission.SANDBOX,
}
PERMISSIONS_OF: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _READS,
    Role.WRITER: _WRITES,
    Role.ADMIN: frozenset(Permission),
}


def grant_of_everything(permission: Permission) -> Grant:
    """Grant a permission on everything."""
    if permission is Permission.MANUAL_TRANSFER:
        return Grant(is_for_every=True, pairs=(TransferPair(EVERY, EVERY),))
    return Grant(is_for_every=permission not in WITHOUT_RESOURCES)


def principal_of(organization_id: OrganizationId, person_id: PersonId, role: Role) -> Principal:
    """Say what a person may do, as services ask it of keys. What a writer moves by hand waits for an admin."""
    return Principal(
        organization_id=organization_id,
        key_id=KeyId(person_id),
        grants={permission: grant_of_everything(permission) for permission in PERMISSIONS_OF[role]},
        approval_above=None if role is Role.ADMIN else Cents(0),
        kind=ActorKind.PERSON,
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who makes one call, and where that leaves them with their rate limit (None: there is none)."""

    principal: Principal
    allowance: Allowance | None = None


def require(principal: Principal, permission: Permission, resource: str | None = None) -> None:
    """Raise PermissionDenied unless the principal holds the permission for the resource.

    A resource outside the list is refused whether or not it exists. A permission without resources ignores it.
    """
    grant = principal.grants.get(permission)
    if grant is None:
        raise PermissionDenied
    if permission in WITHOUT_RESOURCES or grant.is_for_every:
        return
    if resource is None or resource not in grant.resources:
        raise PermissionDenied


def visible(principal: Principal, permission: Permission) -> frozenset[str] | None:
    """Give the ids that a list may show to this principal; None stands for all of them."""
    grant = principal.grants.get(permission)
    if grant is None:
        raise PermissionDenied
    return None if permission in WITHOUT_RESOURCES or grant.is_for_every else grant.resources


def holds(principal: Principal, permission: Permission) -> bool:
    """Tell whether the principal holds the permission for anything at all."""
    return permission in principal.grants


def require_transfer(principal: Principal, source: AccountId | None, target: AccountId | None, amount: Cents) -> None:
    """Raise unless one entry of MANUAL_TRANSFER covers this pair and this amount.

    A malformed id is None, which only `*` covers. Raises PermissionDenied when no entry names the pair,
    MaximumAmountExceeded when every one that does is too small.
    """
    grant = principal.grants.get(Permission.MANUAL_TRANSFER)
    if grant is None:
        raise PermissionDenied
    if grant.is_for_every:
        return
    covering = [pair for pair in grant.pairs if pair.covers(source, target)]
    if not covering:
        raise PermissionDenied
    maxima = [pair.max_amount for pair in covering if pair.max_amount is not None]
    if len(maxima) == len(covering) and amount > max(maxima):
        raise MaximumAmountExceeded(max(maxima))
