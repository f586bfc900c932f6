"""Owns the tables api_key and person: small, and looked up before the organization is known."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.access import Grant, Permission, Principal, Role, TransferPair
from sluiceway.domain.ids import KeyId, OrganizationId, PersonId
from sluiceway.domain.money import Cents
from sluiceway.domain.rate_limits import DEFAULT_PER_MINUTE
from sluiceway.storage.database import ReadTx, WriteTx, count, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load
from sluiceway.storage.rate_limits import fill_buckets

QUERIES = load(__file__)

Grants = dict[Permission, Grant]


class Person(NamedTuple):
    """Somebody who can sign in to an organization. Only an admin can enable rules and approve transfers."""

    organization_id: OrganizationId
    id: PersonId
    email: str
    password_hash: str
    role: Role = Role.ADMIN


class ListedPerson(NamedTuple):
    """Somebody as others see them. `seen_at`: when they last used the app."""

    id: PersonId
    email: str
    role: Role
    created_at: datetime
    seen_at: datetime | None
    has_totp: bool
    passkey_count: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; its secret is kept only as a hash."""

    organization_id: OrganizationId
    id: KeyId
    name: str
    grants: Grants
    created_at: datetime
    revoked_at: datetime | None
    approval_above: Cents | None = None
    calls_per_minute: int | None = DEFAULT_PER_MINUTE
    """How many calls it may make in a minute; None: as many as it likes."""


async def find_keys(tx: ReadTx, secret_hashes: Collection[bytes]) -> dict[bytes, Principal]:
    """Find the principals of keys, revoked or not, by the SHA-256 of their secrets."""
    rows = await fetch_all(tx, QUERIES["find_keys"], {"secret_hashes": list(secret_hashes)})
    return {bytes(row[0]): Principal(row[1], row[2], _read_grants(row[3]), row[4]) for row in rows}


async def insert_key(tx: WriteTx, key: ApiKey, secret_hash: bytes) -> None:
    """Add a key."""
    await execute(
        tx,
        QUERIES["insert_key"],
        {
            "organization_id": key.organization_id,
            "id": key.id,
            "name": key.name,
            "secret_hash": secret_hash,
            "grants": json.dumps(_write_grants(key.grants)),
            "approval_above": key.approval_above,
            "calls_per_minute": key.calls_per_minute,
            "at": key.created_at,
        },
    )


async def revoke_key(tx: WriteTx, organization_id: OrganizationId, key_id: KeyId, at: datetime) -> int:
    """Revoke a key; return how many there were to revoke (0 or 1)."""
    return await count(tx, QUERIES["revoke_key"], {"organization_id": organization_id, "id": key_id, "at": at})


async def set_calls_per_minute(
    tx: WriteTx, organization_id: OrganizationId, key_id: KeyId, calls_per_minute: int | None
) -> int:
    """Set a key's rate limit, None for none; return how many keys there were to change (0 or 1)."""
    row = {"organization_id": organization_id, "id": key_id, "calls_per_minute": calls_per_minute}
    changed = await fetch_all(tx, QUERIES["set_calls_per_minute"], row)
    await fill_buckets(tx, [secret_hash for (secret_hash,) in changed])
    return len(changed)


async def list_keys(tx: ReadTx, organization_id: OrganizationId) -> list[ApiKey]:
    """List the keys of an organization, newest first."""
    rows = await fetch_all(tx, QUERIES["list_keys"], {"organization_id": organization_id})
    return [ApiKey(row[0], row[1], row[2], _read_grants(row[3]), *row[4:]) for row in rows]


async def insert_person(tx: WriteTx, person: Person, at: datetime) -> None:
    """Add a person."""
    await execute(tx, QUERIES["insert_person"], {**person._asdict(), "at": at})


async def set_password(tx: WriteTx, person: Person) -> None:
    """Replace a person's password by the one whose hash the person carries."""
    await execute(tx, QUERIES["set_password"], person._asdict())


async def find_people(tx: ReadTx, email: str) -> list[Person]:
    """Find the people with an e-mail address, one for each organization."""
    rows = await fetch_all(tx, QUERIES["find_people"], {"email": email})
    return [Person(row[0], row[1], row[2], row[3], Role(row[4])) for row in rows]


async def list_people(tx: ReadTx, organization_id: OrganizationId) -> list[ListedPerson]:
    """List the people of an organization, the first one first."""
    rows = await fetch_all(tx, QUERIES["list_people"], {"organization_id": organization_id})
    return [ListedPerson(row[0], row[1], Role(row[2]), *row[3:]) for row in rows]


async def find_person(
    tx: ReadTx, organization_id: OrganizationId, *, person_id: PersonId | None = None, email: str | None = None
) -> tuple[Person, datetime | None] | None:
    """Find somebody by id or by e-mail address, and since when they have been removed, if they have."""
    row = {"organization_id": organization_id, "id": person_id, "email": email}
    found = await fetch_one(tx, QUERIES["find_person"], row)
    if found is None:
        return None
    organization_id, found_id, found_email, password_hash, role, removed_at = found
    return Person(organization_id, found_id, found_email, password_hash, Role(role)), removed_at


async def set_role(tx: WriteTx, person: Person, role: Role) -> None:
    """Give a person another role, inside the gate."""
    row = {"organization_id": person.organization_id, "id": person.id, "role": role}
    await execute(tx, QUERIES["set_role"], row)


async def remove_person(tx: WriteTx, person: Person, at: datetime) -> None:
    """Let somebody sign in no more, inside the gate."""
    await execute(tx, QUERIES["remove_person"], {"organization_id": person.organization_id, "id": person.id, "at": at})


async def restore_person(tx: WriteTx, person: Person) -> None:
    """Let somebody who was removed sign in again, with the role and the password that they carry."""
    await execute(tx, QUERIES["restore_person"], person._asdict())


async def admins(tx: WriteTx, organization_id: OrganizationId) -> set[PersonId]:
    """Find who are admins, inside the gate."""
    return {row[0] for row in await fetch_all(tx, QUERIES["admins"], {"organization_id": organization_id})}


async def is_anybody_there(tx: ReadTx) -> bool:
    """Tell whether somebody can sign in, to whichever organization."""
    return bool(await fetch_all(tx, QUERIES["is_anybody_there"]))


def _write_grants(grants: Grants) -> dict[str, Any]:
    return {
        permission.value: {
            "is_for_every": grant.is_for_every,
            "resources": sorted(grant.resources),
            "pairs": [[pair.source, pair.target, pair.max_amount] for pair in grant.pairs],
        }
        for permission, grant in grants.items()
    }


def _read_grants(written: dict[str, Any]) -> Grants:
    return {
        Permission(name): Grant(
            is_for_every=grant["is_for_every"],
            resources=frozenset(grant["resources"]),
            pairs=tuple(TransferPair(*pair) for pair in grant["pairs"]),
        )
        for name, grant in written.items()
    }
