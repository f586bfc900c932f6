"""Owns the tables totp, recovery_code and passkey: how people sign in besides a password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.access import Role
from sluiceway.domain.ids import OrganizationId, PasskeyId, PersonId
from sluiceway.storage.credentials import Person
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class Totp(NamedTuple):
    """The secret that a person's codes are made from. It counts once a first code has been shown."""

    secret: str
    confirmed_at: datetime | None
    last_step: int


class Factors(NamedTuple):
    """What a person can show besides a password."""

    has_totp: bool
    passkey_count: int
    recovery_codes_left: int

    @property
    def is_any(self) -> bool:
        """Tell whether there is one at all."""
        return self.has_totp or self.passkey_count > 0


@dataclass(frozen=True, slots=True)
class Passkey:
    """The public half of a passkey. `name`: what its owner calls it."""

    id: PasskeyId
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    name: str
    created_at: datetime
    used_at: datetime | None


async def find_factors(tx: ReadTx, person: Person) -> Factors:
    """Tell what a person can show besides a password."""
    [row] = await fetch_all(tx, QUERIES["find_factors"], _of(person))
    return Factors(*row)


async def find_totp(tx: ReadTx, person: Person) -> Totp | None:
    """Find the secret of a person's codes, confirmed or not."""
    row = await fetch_one(tx, QUERIES["find_totp"], _of(person))
    return None if row is None else Totp(*row)


async def begin_totp(tx: WriteTx, person: Person, secret: str, at: datetime) -> bool:
    """Keep a secret that has still to be confirmed; False where there is one that has been."""
    return bool(await fetch_all(tx, QUERIES["begin_totp"], _of(person) | {"secret": secret, "at": at}))


async def take_totp_step(tx: WriteTx, person: Person, step: int, at: datetime) -> bool:
    """Take a code's step of time, and confirm the secret with the first one; False where it was taken before."""
    return bool(await fetch_all(tx, QUERIES["take_totp_step"], _of(person) | {"step": step, "at": at}))


async def delete_totp(tx: WriteTx, person: Person) -> None:
    """Forget the secret of a person's codes, and their recovery codes."""
    await execute(tx, QUERIES["delete_totp"], _of(person))
    await execute(tx, QUERIES["delete_recovery_codes"], _of(person))


async def replace_recovery_codes(tx: WriteTx, person: Person, code_hashes: Sequence[bytes]) -> None:
    """Give a person other recovery codes."""
    await execute(tx, QUERIES["delete_recovery_codes"], _of(person))
    await execute(tx, QUERIES["insert_recovery_codes"], _of(person) | {"code_hashes": list(code_hashes)})


async def use_recovery_code(tx: WriteTx, person: Person, code_hash: bytes, at: datetime) -> bool:
    """Use a recovery code up; False where there is no such code, or not any more."""
    return bool(await fetch_all(tx, QUERIES["use_recovery_code"], _of(person) | {"code_hash": code_hash, "at": at}))


async def insert_passkey(tx: WriteTx, person: Person, passkey: Passkey) -> None:
    """Add a passkey. Raises ConstraintViolated where its authenticator's id is taken."""
    row = {
        "id": passkey.id,
        "credential_id": passkey.credential_id,
        "public_key": passkey.public_key,
        "sign_count": passkey.sign_count,
        "transports": list(passkey.transports),
        "name": passkey.name,
        "at": passkey.created_at,
    }
    await execute(tx, QUERIES["insert_passkey"], _of(person) | row)


async def find_passkey(
    tx: ReadTx, organization_id: OrganizationId, credential_id: bytes
) -> tuple[Passkey, Person] | None:
    """Find a passkey with its owner."""
    row = await fetch_one(
        tx, QUERIES["find_passkey"], {"organization_id": organization_id, "credential_id": credential_id}
    )
    if row is None:
        return None
    *own, person_id, email, password_hash, role = row
    return _read(own), Person(organization_id, PersonId(person_id), email, password_hash, Role(role))


async def list_passkeys(tx: ReadTx, person: Person) -> list[Passkey]:
    """List a person's passkeys, the first one first."""
    return [_read(row) for row in await fetch_all(tx, QUERIES["list_passkeys"], _of(person))]


async def use_passkey(
    tx: WriteTx, organization_id: OrganizationId, passkey: Passkey, sign_count: int, at: datetime
) -> bool:
    """Note that a passkey was used; False where its authenticator has counted as far before."""
    row = {"organization_id": organization_id, "id": passkey.id, "sign_count": sign_count, "at": at}
    return bool(await fetch_all(tx, QUERIES["use_passkey"], row))


async def delete_passkey(tx: WriteTx, person: Person, passkey_id: PasskeyId) -> bool:
    """Delete one of a person's passkeys; tell whether there was one."""
    return bool(await fetch_all(tx, QUERIES["delete_passkey"], _of(person) | {"id": passkey_id}))


async def delete_factors(tx: WriteTx, person: Person) -> None:
    """Delete all that somebody could show besides a password."""
    await delete_totp(tx, person)
    await execute(tx, QUERIES["delete_passkeys"], _of(person))


def _of(person: Person) -> dict[str, object]:
    return {"organization_id": person.organization_id, "person_id": person.id}


def _read(row: Sequence[Any]) -> Passkey:
    passkey_id, credential_id, public_key, sign_count, transports, *told = row
    return Passkey(passkey_id, bytes(credential_id), bytes(public_key), sign_count, tuple(transports), *told)
