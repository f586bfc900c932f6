"""Credentials of the remote API: tokens that see a beneficiary's accounts, secrets that run one rule.

Kept as hashes, shown once, revoked at once everywhere, and without effect while the organization has not let them in.
"""

from collections.abc import Collection, Sequence
from typing import Final

from sluiceway.domain.access import ActorKind, Caller, Grant, Permission, Principal
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.audit import operators_act
from sluiceway.domain.errors import NotFound, Refusal
from sluiceway.domain.ids import IdKind, KeyId, OrganizationId, RuleId, RuleSecretId, TokenId
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.keys import hash_secret, identify_calls, is_well_formed, make_secret
from sluiceway.storage import remote_access as stored
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.organizations import lock_organization
from sluiceway.storage.remote_access import AccessToken, FoundRuleSecret, FoundToken, RuleSecret
from sluiceway.storage.rules import list_rules

TOKEN_PREFIX: Final = "at_"  # noqa: S105 -- how tokens begin, not one of them
RULE_SECRET_PREFIX: Final = "rs_"  # noqa: S105 -- likewise


async def enable(engine: Engine, organization_id: OrganizationId) -> None:
    """Let an organization's tokens and secrets work. Those that were made before count too."""

    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, organization_id)
        if await stored.enabled_at(tx, organization_id) is None:
            await stored.set_enabled(tx, organization_id, engine.now())

    await do(engine, operators_act(organization_id, "ENABLE_REMOTE_API"), work)


async def disable(engine: Engine, organization_id: OrganizationId) -> None:
    """Let none of them work: their next request is refused, in every process. They stay as they are."""

    async def work(tx: WriteTx) -> None:
        await stored.set_enabled(tx, organization_id, None)

    await do(engine, operators_act(organization_id, "DISABLE_REMOTE_API"), work)


async def is_enabled(engine: Engine, organization_id: OrganizationId) -> bool:
    """Tell whether an organization's tokens and secrets work."""
    async with engine.database.read() as tx:
        return await stored.enabled_at(tx, organization_id) is not None


async def create_token(
    engine: Engine, organization_id: OrganizationId, name: str, beneficiary_name: str | None
) -> tuple[AccessToken, str]:
    """Create an access token for a beneficiary's accounts (None: those that name nobody); return it with its secret."""
    secret = make_secret(engine, TOKEN_PREFIX)
    token = AccessToken(organization_id, TokenId(engine.new_id()), beneficiary_name, name, engine.now(), None)

    async def work(tx: WriteTx) -> None:
        await stored.insert_token(tx, token, hash_secret(secret))

    await do(engine, operators_act(organization_id, "CREATE_ACCESS_TOKEN", token.id), work)
    return token, secret


async def create_rule_secrets(
    engine: Engine, organization_id: OrganizationId, rules: Sequence[tuple[RuleId | None, str]]
) -> list[tuple[RuleSecret, str]]:
    """Create a secret for each of some rules, named by id and spelling; return them with their secrets, in order.

    Raises NotFound, and makes none, where one of the rules does not exist.
    """
    secrets = [(RuleSecretId(engine.new_id()), make_secret(engine, RULE_SECRET_PREFIX)) for _ in rules]
    at = engine.now()

    async def work(tx: WriteTx) -> list[tuple[RuleSecret, str]]:
        # Inside the gate no rule is deleted.
        await lock_organization(tx, organization_id)
        wanted = [rule_id for rule_id, _ in rules if rule_id is not None]
        names = {rule.id: rule.rule.name for rule in await list_rules(tx, organization_id, ids=wanted)}
        made: list[tuple[RuleSecret, str]] = []
        for (rule_id, spelling), (secret_id, secret) in zip(rules, secrets, strict=True):
            if rule_id is None or rule_id not in names:
                raise NotFound(IdKind.RULE, spelling)
            made.append((RuleSecret(organization_id, secret_id, rule_id, names[rule_id], at, None), secret))
        rows = [(one.id, one.rule_id, hash_secret(secret)) for one, secret in made]
        await stored.insert_rule_secrets(tx, organization_id, rows, at)
        return made

    return await do(engine, operators_act(organization_id, "CREATE_RULE_SECRETS"), work)


async def revoke_token(
    engine: Engine, organization_id: OrganizationId, token_id: TokenId | None, spelling: str
) -> None:
    """Revoke a token: its next request is refused, in every process. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if token_id is None or not await stored.revoke_token(tx, organization_id, token_id, engine.now()):
            raise NotFound(IdKind.TOKEN, spelling)

    await do(engine, operators_act(organization_id, "REVOKE_ACCESS_TOKEN", token_id), work)


async def revoke_rule_secret(
    engine: Engine, organization_id: OrganizationId, secret_id: RuleSecretId | None, spelling: str
) -> None:
    """Revoke a rule's secret: its next request is refused, in every process. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if secret_id is None or not await stored.revoke_rule_secret(tx, organization_id, secret_id, engine.now()):
            raise NotFound(IdKind.RULE_SECRET, spelling)

    await do(engine, operators_act(organization_id, "REVOKE_RULE_SECRET", secret_id), work)


async def list_tokens(engine: Engine, organization_id: OrganizationId) -> list[AccessToken]:
    """List access tokens, newest first, revoked ones too."""
    async with engine.database.read() as tx:
        return await stored.list_tokens(tx, organization_id)


async def list_rule_secrets(engine: Engine, organization_id: OrganizationId) -> list[RuleSecret]:
    """List rules' secrets, newest first, revoked ones too."""
    async with engine.database.read() as tx:
        return await stored.list_rule_secrets(tx, organization_id)


async def identify_tokens(engine: Engine, secrets: Sequence[str]) -> list[Caller | Refusal]:
    """Find who makes each call with an access token: a caller or Unauthenticated for each, in order.

    Which accounts a token sees is no list that the principal could carry: see `accounts_of`.
    """

    async def find(tx: ReadTx, live: Collection[bytes]) -> dict[bytes, Principal]:
        return {
            secret_hash: Principal(
                token.organization_id,
                KeyId(token.id),
                {Permission.READ_ACCOUNTS: Grant()},
                kind=ActorKind.ACCESS_TOKEN,
            )
            for secret_hash, token in (await stored.find_tokens(tx, live)).items()
            if token.is_enabled
        }

    return await identify_calls(engine, [_hash(secret, TOKEN_PREFIX) for secret in secrets], find)


async def identify_rule_secrets(engine: Engine, secrets: Sequence[str]) -> list[Caller | Refusal]:
    """Find who makes each call with a rule's secret, likewise: each may run its rule and nothing else."""

    async def find(tx: ReadTx, live: Collection[bytes]) -> dict[bytes, Principal]:
        return {
            secret_hash: Principal(
                secret.organization_id,
                KeyId(secret.id),
                {Permission.TRIGGER_RULES: Grant(resources=frozenset({secret.rule_id}))},
                kind=ActorKind.RULE_SECRET,
            )
            for secret_hash, secret in (await stored.find_rule_secrets(tx, live)).items()
            if secret.is_enabled
        }

    return await identify_calls(engine, [_hash(secret, RULE_SECRET_PREFIX) for secret in secrets], find)


async def find_tokens(engine: Engine, secrets: Sequence[str]) -> list[FoundToken | None]:
    """Find the tokens that are not revoked, whether their organization lets them in or not, in order."""
    hashes = [_hash(secret, TOKEN_PREFIX) for secret in secrets]
    known: dict[bytes, FoundToken] = {}
    if wanted := {digest for digest in hashes if digest is not None}:
        async with engine.database.read() as tx:
            known = await stored.find_tokens(tx, wanted)
    return [None if digest is None else known.get(digest) for digest in hashes]


async def find_rule_secrets(engine: Engine, secrets: Sequence[str]) -> list[FoundRuleSecret | None]:
    """Find the rules' secrets that are not revoked, likewise."""
    hashes = [_hash(secret, RULE_SECRET_PREFIX) for secret in secrets]
    known: dict[bytes, FoundRuleSecret] = {}
    if wanted := {digest for digest in hashes if digest is not None}:
        async with engine.database.read() as tx:
            known = await stored.find_rule_secrets(tx, wanted)
    return [None if digest is None else known.get(digest) for digest in hashes]


def _hash(secret: str, prefix: str) -> bytes | None:
    """Hash what could be of this kind; with a wrong checksum it is not even looked up."""
    return hash_secret(secret) if is_well_formed(secret, prefix) else None


async def accounts_of(engine: Engine, principal: Principal) -> list[AccountRecord]:
    """List the accounts that the token behind a principal sees, newest first."""
    async with engine.database.read() as tx:
        ids = await stored.accounts_of_token(tx, principal.organization_id, TokenId(principal.key_id))
        return await list_accounts(tx, principal.organization_id, ids=ids)


async def beneficiaries(engine: Engine, organization_id: OrganizationId) -> list[str | None]:
    """Name whose accounts an organization has; None, last, where some name nobody."""
    async with engine.database.read() as tx:
        names = {record.beneficiary_name for record in await list_accounts(tx, organization_id)}
    return [*sorted(name for name in names if name is not None), *([None] if None in names else [])]
