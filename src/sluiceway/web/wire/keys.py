"""API keys, as a page shows and makes them: which permissions there are, and for what each can be held."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from sluiceway.domain.access import EVERY, WITHOUT_RESOURCES, Grant, Permission, TransferPair
from sluiceway.domain.ids import IdKind, KeyId, format_id, parse_id
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.rate_limits import MOST_PER_MINUTE
from sluiceway.domain.rules import format_money, refuse
from sluiceway.storage.credentials import ApiKey, Grants
from sluiceway.web.wire.shapes import Moment, Page, encode, read_text, show, show_moment, show_moment_or_none

Scope = Literal["WHOLE", "ACCOUNTS", "RULES", "PAIRS"]
Ceiling = Annotated[int, Meta(ge=1, le=MAX_CENTS)]
Calls = Annotated[int, Meta(ge=1, le=MOST_PER_MINUTE)]
MOST_RESOURCES: Final = 200


class _Words(NamedTuple):
    label: str
    scope: Scope


_PERMISSIONS: Final[Mapping[Permission, _Words]] = {
    Permission.LIST_ACCOUNTS: _Words("List all accounts", "WHOLE"),
    Permission.READ_ACCOUNTS: _Words("Read accounts", "ACCOUNTS"),
    Permission.READ_ACCOUNT_NUMBERS: _Words("Read account numbers", "WHOLE"),
    Permission.CREATE_AND_EDIT_ACCOUNTS: _Words("Create and edit accounts", "WHOLE"),
    Permission.LIST_RULES: _Words("List all rules", "WHOLE"),
    Permission.READ_RULES: _Words("Read rules", "RULES"),
    Permission.CREATE_AND_EDIT_RULES: _Words("Draft and edit rules (a person enables them)", "RULES"),
    Permission.TRIGGER_RULES: _Words("Trigger rules", "RULES"),
    Permission.READ_RULE_EXECUTIONS: _Words("Read runs", "RULES"),
    Permission.READ_TRANSFERS: _Words("Read transfers", "ACCOUNTS"),
    Permission.MANUAL_TRANSFER: _Words("Make transfers", "PAIRS"),
    Permission.READ_CARDS: _Words("Read cards", "ACCOUNTS"),
    Permission.READ_AUDIT_LOGS: _Words("Read the audit log", "WHOLE"),
    Permission.SANDBOX: _Words("Turn the sandbox's world", "WHOLE"),
}
assert set(_PERMISSIONS) == set(Permission), "each permission has its words"


class PermissionShown(Struct):
    """A permission that a key can hold. `scope`: as a whole, or for what."""

    name: str
    label: str
    scope: Scope


class Named(Struct):
    """Something with its name."""

    id: str
    name: str


class KeyChoices(Struct):
    """What there is to choose from for a new key."""

    permissions: list[PermissionShown]
    accounts: list[Named]
    rules: list[Named]


class Pair(Struct, rename="camel", forbid_unknown_fields=True):
    """From where to where transfers may be made (`*`: any account), and how much at once (null: anything)."""

    source: str
    target: str
    max_amount_in_cents: Ceiling | None = None


class NewGrant(Struct, forbid_unknown_fields=True):
    """A permission: for everything, unless some ids or pairs are listed."""

    permission: str
    resources: Annotated[list[str], Meta(max_length=MOST_RESOURCES)] = []
    pairs: Annotated[list[Pair], Meta(max_length=MOST_RESOURCES)] = []


class NewKey(Struct, rename="camel", forbid_unknown_fields=True):
    """A key to be made. What it moves above `approvalAboveInCents` waits for a person (null: nothing does)."""

    name: str
    grants: list[NewGrant]
    approval_above_in_cents: Annotated[int, Meta(ge=0, le=MAX_CENTS)] | None = None
    calls_per_minute: Calls | None = None


class NewRateLimit(Struct, rename="camel", forbid_unknown_fields=True):
    """How many calls a key may make in a minute; null: as many as it likes."""

    calls_per_minute: Calls | None


class Held(Struct):
    """A permission that a key holds, in words: what, and for what."""

    permission: str
    label: str
    details: list[str]


class KeyShown(Struct, rename="camel"):
    """A key; its secret is not kept. `can`: what whoever asks may do with it."""

    id: str
    name: str
    grants: list[Held]
    approval_above_in_cents: int | None
    calls_per_minute: int | None
    created_at: Moment
    revoked_at: Moment | None
    can: list[Literal["revoke", "setRateLimit"]]


class MadeKey(Struct):
    """A key that was just made. `secret` is shown this once."""

    key: KeyShown
    secret: str


class Names(NamedTuple):
    """What accounts and rules are called, by their ids."""

    accounts: Mapping[str, str]
    rules: Mapping[str, str]


def read_key(wanted: NewKey) -> tuple[str, Grants, Cents | None]:
    """Read a key's name, what it may do, and above which amount that waits. Raises InvalidParameters."""
    name = read_text(wanted.name, "name")
    if not wanted.grants:
        refuse("grants", "give the key at least one permission")
    grants: Grants = {}
    for index, grant in enumerate(wanted.grants):
        at = f"grants/{index}"
        if grant.permission not in Permission.__members__:
            refuse(f"{at}/permission", "is no permission")
        permission = Permission(grant.permission)
        if permission in grants:
            refuse(f"{at}/permission", "is there twice")
        grants[permission] = _read_grant(grant, _PERMISSIONS[permission].scope, at)
    above = wanted.approval_above_in_cents
    return name, grants, None if above is None else Cents(above)


def _read_grant(wanted: NewGrant, scope: Scope, at: str) -> Grant:
    if wanted.resources and scope not in ("ACCOUNTS", "RULES"):
        refuse(f"{at}/resources", "this permission is not held for single things")
    if wanted.pairs and scope != "PAIRS":
        refuse(f"{at}/pairs", "this permission is not held for pairs of accounts")
    if scope == "WHOLE":
        return Grant()
    if scope == "PAIRS":
        pairs = tuple(_read_pair(pair, f"{at}/pairs/{index}") for index, pair in enumerate(wanted.pairs))
        return Grant(pairs=pairs) if pairs else Grant(is_for_every=True, pairs=(TransferPair(EVERY, EVERY),))
    kind = IdKind.ACCOUNT if scope == "ACCOUNTS" else IdKind.RULE
    ids = frozenset(_read_id(kind, each, f"{at}/resources/{index}") for index, each in enumerate(wanted.resources))
    return Grant(resources=ids) if ids else Grant(is_for_every=True)


def _read_pair(pair: Pair, at: str) -> TransferPair:
    source = EVERY if pair.source == EVERY else _read_id(IdKind.ACCOUNT, pair.source, f"{at}/source")
    target = EVERY if pair.target == EVERY else _read_id(IdKind.ACCOUNT, pair.target, f"{at}/target")
    return TransferPair(source, target, None if pair.max_amount_in_cents is None else Cents(pair.max_amount_in_cents))


def _read_id(kind: IdKind, text: str, at: str) -> str:
    found = parse_id(kind, text)
    if found is None:
        refuse(at, "names nothing")
    return found


def read_key_id(found: str | None) -> KeyId | None:
    """Take a key's id."""
    return None if found is None else KeyId(found)


def show_choices(names: Names) -> bytes:
    """Show what there is to choose from."""
    return show(
        KeyChoices(
            [PermissionShown(each, words.label, words.scope) for each, words in _PERMISSIONS.items()],
            [Named(format_id(IdKind.ACCOUNT, each), name) for each, name in names.accounts.items()],
            [Named(format_id(IdKind.RULE, each), name) for each, name in names.rules.items()],
        )
    )


def show_keys(keys: Sequence[ApiKey], names: Names, *, may_change: bool) -> bytes:
    """Show all keys; there are few."""
    return encode(Page([_key(key, names, may_change=may_change) for key in keys], None))


def show_key(key: ApiKey, names: Names) -> bytes:
    """Show a key to whoever may change it."""
    return show(_key(key, names, may_change=True))


def show_made(key: ApiKey, secret: str, names: Names) -> bytes:
    """Show a key that was just made, with its secret."""
    return show(MadeKey(_key(key, names, may_change=True), secret))


def _key(key: ApiKey, names: Names, *, may_change: bool) -> KeyShown:
    is_live = key.revoked_at is None
    return KeyShown(
        id=format_id(IdKind.KEY, key.id),
        name=key.name,
        grants=[_held(each, key.grants[each], names) for each in _PERMISSIONS if each in key.grants],
        approval_above_in_cents=key.approval_above,
        calls_per_minute=key.calls_per_minute,
        created_at=show_moment(key.created_at),
        revoked_at=show_moment_or_none(key.revoked_at),
        can=["revoke", "setRateLimit"] if is_live and may_change else [],
    )


def _held(permission: Permission, grant: Grant, names: Names) -> Held:
    label, scope = _PERMISSIONS[permission]
    if permission in WITHOUT_RESOURCES or grant.is_for_every:
        return Held(permission, label, [])
    if scope == "PAIRS":
        return Held(permission, label, [_pair(pair, names.accounts) for pair in grant.pairs])
    called = names.rules if scope == "RULES" else names.accounts
    return Held(permission, label, sorted(called.get(each, "something deleted") for each in grant.resources))


def _pair(pair: TransferPair, accounts: Mapping[str, str]) -> str:
    source, target = (
        "any account" if end == EVERY else accounts.get(end, "something deleted") for end in (pair.source, pair.target)
    )
    most = "" if pair.max_amount is None else f", at most {format_money(pair.max_amount)} at once"
    return f"{source} to {target}{most}"
