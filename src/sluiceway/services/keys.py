"""API keys: created with permissions that never change, kept as a hash, shown once, revoked at once everywhere.

Where no `act` is given, it is whoever runs the server who acts.
"""

import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from hashlib import sha256

from sluiceway.domain.access import Caller, Permission, Principal, grant_of_everything
from sluiceway.domain.audit import Act, operators_act, persons_act
from sluiceway.domain.errors import NotFound, Refusal, Unauthenticated
from sluiceway.domain.ids import IdKind, KeyId, OrganizationId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.rate_limits import DEFAULT_PER_MINUTE
from sluiceway.services.audit_log import attempt, do, require_proof
from sluiceway.services.engine import Engine
from sluiceway.services.proofs import Proof
from sluiceway.services.rules import fresh_secret, open_secret
from sluiceway.storage import credentials as stored
from sluiceway.storage.credentials import ApiKey, Grants, Person
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.rate_limits import take_calls
from sluiceway.storage.rules import find_rule
from sluiceway.storage.rules import rule_secret as stored_rule_secret

PREFIX = "sk_"
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
Find = Callable[[ReadTx, Collection[bytes]], Awaitable[Mapping[bytes, Principal]]]

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def every_grant() -> Grants:
    """Grant every permission on everything."""
    return {permission: grant_of_everything(permission) for permission in Permission}


async def create_key(
    engine: Engine,
    organization_id: OrganizationId,
    name: str,
    grants: Grants,
    approval_above: Cents | None = None,
    *,
    rate_limit: int | None = DEFAULT_PER_MINUTE,
    act: Act | None = None,
) -> tuple[ApiKey, str]:
    """Create a key; return it with its secret, which is shown this once and kept only as a hash.

    What the key moves above `approval_above` waits for a person (None: nothing does). It may make `rate_limit` calls a
    minute (None: as many as it likes).
    """
    secret = make_secret(engine, PREFIX)
    key = ApiKey(organization_id, KeyId(engine.new_id()), name, grants, engine.now(), None, approval_above, rate_limit)

    async def work(tx: WriteTx) -> None:
        await stored.insert_key(tx, key, hash_secret(secret))

    await do(engine, act or operators_act(organization_id, "CREATE_KEY", key.id), work)
    return key, secret


async def revoke_key(
    engine: Engine,
    organization_id: OrganizationId,
    key_id: KeyId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> None:
    """Revoke a key: its next request is refused, in every process. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if key_id is None or not await stored.revoke_key(tx, organization_id, key_id, engine.now()):
            raise NotFound(IdKind.KEY, spelling)

    await do(engine, act or operators_act(organization_id, "REVOKE_KEY", key_id), work)


async def set_rate_limit(
    engine: Engine,
    organization_id: OrganizationId,
    key_id: KeyId | None,
    spelling: str,
    rate_limit: int | None,
    *,
    act: Act | None = None,
) -> None:
    """Let a key make so many calls a minute from its next call on; None: as many as it likes. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if key_id is None or not await stored.set_calls_per_minute(tx, organization_id, key_id, rate_limit):
            raise NotFound(IdKind.KEY, spelling)

    await do(engine, act or operators_act(organization_id, "SET_RATE_LIMIT", key_id), work)


async def list_keys(engine: Engine, organization_id: OrganizationId) -> list[ApiKey]:
    """List keys, newest first, revoked ones too."""
    async with engine.database.read() as tx:
        return await stored.list_keys(tx, organization_id)


async def rule_secret(engine: Engine, person: Person, proof: Proof, rule_id: RuleId | None, spelling: str) -> str:
    """Show a person the secret that a rule shares with its remote services.

    Raises NotFound and what `require_proof` does.
    """
    act = persons_act(person.organization_id, person.id, "SHOW_RULE_SECRET", rule_id)
    await require_proof(engine, person, proof, act)

    async def work(tx: WriteTx) -> str:
        record = None if rule_id is None else await find_rule(tx, person.organization_id, rule_id)
        if record is None or record.deleted_at is not None:
            raise NotFound(IdKind.RULE, spelling)
        # A rule from before there were such secrets is given one now.
        fresh = fresh_secret(engine, person.organization_id, record.id)
        sealed = await stored_rule_secret(tx, person.organization_id, record.id, fresh)
        return open_secret(engine, person.organization_id, record.id, sealed)

    return await attempt(engine, act, work)


async def identify(engine: Engine, secrets: Sequence[str]) -> list[Caller | Refusal]:
    """Find who makes each call of a batch: a caller or Unauthenticated for each, in order, and count the call.

    Asked on every request, so that revoking works at once. A secret whose checksum is wrong is not even looked up.
    """
    hashes = [hash_secret(secret) if is_well_formed(secret) else None for secret in secrets]
    return await identify_calls(engine, hashes, engine.principals.get)


async def identify_calls(engine: Engine, hashes: Sequence[bytes | None], find: Find) -> list[Caller | Refusal]:
    """Find who makes each call of a batch with the credential that has this hash (None: it could be none).

    `find` gives the principals among live credentials. Every call by somebody live counts in their rate limit, which
    is exact: the database keeps it, and takes a whole batch at once.
    """
    calls = Counter(secret_hash for secret_hash in hashes if secret_hash is not None)
    if not calls:
        return [Unauthenticated() for _ in hashes]
    async with engine.database.lend() as tx:
        taken = await take_calls(tx, calls)
        known = await find(tx, taken.keys())
    nth: Counter[bytes] = Counter()
    callers: list[Caller | Refusal] = []
    for secret_hash in hashes:
        principal = None if secret_hash is None else known.get(secret_hash)
        if secret_hash is None or principal is None:
            callers.append(Unauthenticated())
            continue
        bucket = taken[secret_hash]
        callers.append(Caller(principal, None if bucket is None else bucket.allowance(nth[secret_hash])))
        nth[secret_hash] += 1
    return callers


def make_secret(engine: Engine, prefix: str) -> str:
    """Make a secret that says what it is and can be told from a mistyped one."""
    body = engine.new_secret(SECRET_LENGTH)
    return f"{prefix}{body}{checksum(body)}"


def hash_secret(secret: str) -> bytes:
    """Hash a secret for keeping. It is long and random, so a fast hash is enough."""
    return sha256(secret.encode()).digest()


def checksum(body: str) -> str:
    """Give the six base62 characters that tell a mistyped or truncated secret from a wrong one."""
    value, letters = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, 62)
        letters = _BASE62[digit] + letters
    return letters


def is_well_formed(secret: str, prefix: str = PREFIX) -> bool:
    """Tell whether a secret could be one of ours."""
    body, check = secret[len(prefix) : -CHECKSUM_LENGTH], secret[-CHECKSUM_LENGTH:]
    return secret.isascii() and secret.startswith(prefix) and len(body) == SECRET_LENGTH and checksum(body) == check
