"""Owns the tables access_token and rule_secret, and the organization's switch for them: who may use the remote API."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluiceway.domain.ids import AccountId, OrganizationId, RuleId, RuleSecretId, TokenId
from sluiceway.storage.database import ReadTx, WriteTx, count, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token as it is listed; it sees the accounts of this beneficiary (None: those that name nobody)."""

    organization_id: OrganizationId
    id: TokenId
    beneficiary_name: str | None
    name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class RuleSecret:
    """A secret that runs one rule, as it is listed. `rule_name`: what the rule is called now."""

    organization_id: OrganizationId
    id: RuleSecretId
    rule_id: RuleId
    rule_name: str | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token that somebody has shown, not revoked. `is_enabled`: whether its organization lets it work."""

    organization_id: OrganizationId
    id: TokenId
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class FoundRuleSecret:
    """A rule's secret that somebody has shown, likewise."""

    organization_id: OrganizationId
    id: RuleSecretId
    is_enabled: bool
    rule_id: RuleId


async def find_tokens(tx: ReadTx, secret_hashes: Collection[bytes]) -> dict[bytes, FoundToken]:
    """Find the tokens that are not revoked now, by the SHA-256 of their secrets."""
    rows = await fetch_all(tx, QUERIES["find_tokens"], {"secret_hashes": list(secret_hashes)})
    return {bytes(row[0]): FoundToken(*row[1:]) for row in rows}


async def find_rule_secrets(tx: ReadTx, secret_hashes: Collection[bytes]) -> dict[bytes, FoundRuleSecret]:
    """Find the rules' secrets that are not revoked now, by their SHA-256."""
    rows = await fetch_all(tx, QUERIES["find_rule_secrets"], {"secret_hashes": list(secret_hashes)})
    return {bytes(row[0]): FoundRuleSecret(*row[1:]) for row in rows}


async def accounts_of_token(tx: ReadTx, organization_id: OrganizationId, token_id: TokenId) -> frozenset[AccountId]:
    """Name the accounts that a token sees, without deleted ones."""
    row = {"organization_id": organization_id, "id": token_id}
    return frozenset(found[0] for found in await fetch_all(tx, QUERIES["accounts_of_token"], row))


async def set_enabled(tx: WriteTx, organization_id: OrganizationId, at: datetime | None) -> None:
    """Let an organization's credentials of the remote API work since then, or not at all (None)."""
    await execute(tx, QUERIES["set_enabled"], {"id": organization_id, "at": at})


async def enabled_at(tx: ReadTx, organization_id: OrganizationId) -> datetime | None:
    """Tell since when an organization has had its remote API on; None: it is off."""
    [(at,)] = await fetch_all(tx, QUERIES["enabled_at"], {"id": organization_id})
    found: datetime | None = at
    return found


async def insert_token(tx: WriteTx, token: AccessToken, secret_hash: bytes) -> None:
    """Add a token."""
    await execute(
        tx,
        QUERIES["insert_token"],
        {
            "organization_id": token.organization_id,
            "id": token.id,
            "beneficiary_name": token.beneficiary_name,
            "name": token.name,
            "secret_hash": secret_hash,
            "at": token.created_at,
        },
    )


async def insert_rule_secrets(
    tx: WriteTx,
    organization_id: OrganizationId,
    secrets: Sequence[tuple[RuleSecretId, RuleId, bytes]],
    at: datetime,
) -> None:
    """Add secrets: the id, the rule, and the hash of each."""
    await execute(
        tx,
        QUERIES["insert_rule_secrets"],
        {
            "organization_id": organization_id,
            "ids": [secret_id for secret_id, _, _ in secrets],
            "rule_ids": [rule_id for _, rule_id, _ in secrets],
            "secret_hashes": [secret_hash for _, _, secret_hash in secrets],
            "at": at,
        },
    )


async def revoke_token(tx: WriteTx, organization_id: OrganizationId, token_id: TokenId, at: datetime) -> int:
    """Revoke a token; return how many there were to revoke (0 or 1)."""
    return await count(tx, QUERIES["revoke_token"], {"organization_id": organization_id, "id": token_id, "at": at})


async def revoke_rule_secret(
    tx: WriteTx, organization_id: OrganizationId, secret_id: RuleSecretId, at: datetime
) -> int:
    """Revoke a rule's secret; return how many there were to revoke (0 or 1)."""
    row = {"organization_id": organization_id, "id": secret_id, "at": at}
    return await count(tx, QUERIES["revoke_rule_secret"], row)


async def list_tokens(tx: ReadTx, organization_id: OrganizationId) -> list[AccessToken]:
    """List the tokens of an organization, newest first."""
    rows = await fetch_all(tx, QUERIES["list_tokens"], {"organization_id": organization_id})
    return [AccessToken(*row) for row in rows]


async def list_rule_secrets(tx: ReadTx, organization_id: OrganizationId) -> list[RuleSecret]:
    """List the rules' secrets of an organization, newest first."""
    rows = await fetch_all(tx, QUERIES["list_rule_secrets"], {"organization_id": organization_id})
    return [RuleSecret(*row) for row in rows]
