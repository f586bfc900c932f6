"""Who may do what: principals, permissions with their resources, and the one function that decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sluiceway.domain.errors import MaximumAmountExceeded, PermissionDenied
from sluiceway.domain.ids import AccountId, KeyId, OrganizationId
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
