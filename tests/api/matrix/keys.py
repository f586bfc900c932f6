"""The one place where keys of the matrix are made, spoiled, and written into headers."""

from sluiceway.domain.access import WITHOUT_RESOURCES, Grant, Permission, TransferPair
from sluiceway.domain.ids import IdKind, KeyId, OrganizationId
from sluiceway.services.engine import Engine
from sluiceway.services.keys import checksum, create_key, revoke_key
from sluiceway.services.remote_access import create_rule_secrets, create_token, enable
from sluiceway.storage.database import WriteTx, execute
from tests.api.client import whole_grant
from tests.api.matrix.holdings import Credential, Holding
from tests.api.matrix.oracle import Extent, Which, Words
from tests.api.matrix.stage import Stage
from tests.support import AS_OWNER

Headers = dict[str, str]
Grants = dict[Permission, Grant]

OF_ACCOUNTS = frozenset({Permission.READ_ACCOUNTS, Permission.READ_TRANSFERS, Permission.READ_CARDS})
TOKEN, SIGNATURE = "x-sequence-access-token", "x-sequence-signature"
NOBODYS = "A" * 32


async def new_key(engine: Engine, organization_id: OrganizationId, grants: Grants) -> tuple[KeyId, str]:
    """Make a key that nothing limits but its permissions."""
    key, secret = await create_key(engine, organization_id, "matrix", grants, rate_limit=None)
    return key.id, secret


def grants_of(stage: Stage, holding: Holding) -> Grants:
    """Write what a holding is for our organization."""
    return {
        permission: whole_grant(permission) if extent is Extent.EVERYTHING else narrow_grant(stage, permission)
        for permission, extent in holding.parts
    }


def narrow_grant(stage: Stage, permission: Permission) -> Grant:
    """Grant a permission for what is listed: of things that are ours, another's and nobody's."""
    assert permission not in WITHOUT_RESOURCES
    if permission is Permission.MANUAL_TRANSFER:
        sources = (Which.LISTED, Which.FOREIGN_LISTED, Which.UNKNOWN_LISTED)
        pairs = [TransferPair(stage.id_of("account", each), stage.pod) for each in sources]
        ours = stage.sets[Which.LISTED].ids
        return Grant(pairs=(*pairs, TransferPair(ours["account"], ours["bank"])))
    kind = IdKind.ACCOUNT if permission in OF_ACCOUNTS else IdKind.RULE
    return Grant(resources=frozenset(stage.listed(kind)))


async def secret_of(stage: Stage, holding: Holding, credential: Credential = Credential.VALID) -> str:
    """Give the secret of a key with a holding, whole or spoiled in what the database knows of it."""
    is_spoiled = credential in (Credential.REVOKED, Credential.ROTATED)
    name = (holding, credential if is_spoiled else Credential.VALID)
    if name not in stage.secrets:
        grants = grants_of(stage, holding)
        key_id, stage.secrets[name] = await new_key(stage.engine, stage.world.organization_id, grants)
        if credential is Credential.ROTATED:
            await new_key(stage.engine, stage.world.organization_id, grants)
        if is_spoiled:
            await revoke_key(stage.engine, stage.world.organization_id, key_id, key_id)
    return stage.secrets[name]


async def lift_limits(stage: Stage) -> None:
    """Let tokens and secrets of the remote API make as many calls as they like, all that there are now."""

    async def work(tx: WriteTx) -> None:
        await execute(tx, AS_OWNER)
        await execute(tx, "UPDATE access_token SET calls_per_minute = NULL")
        await execute(tx, "UPDATE rule_secret SET calls_per_minute = NULL")

    await stage.engine.database.write(work)


async def remote_secrets(stage: Stage) -> tuple[str, str]:
    """Let programs of the remote API into our organization; give an access token and the secret of a rule."""
    if "token" not in stage.secrets:
        rule = stage.sets[Which.LISTED].ids["rule"]
        await enable(stage.engine, stage.world.organization_id)
        _, stage.secrets["token"] = await create_token(stage.engine, stage.world.organization_id, "matrix", None)
        wanted = [(stage.world.rules["listed rule"].id, rule)]
        [(_, stage.secrets["rule"])] = await create_rule_secrets(stage.engine, stage.world.organization_id, wanted)
        await lift_limits(stage)
    return stage.secrets["token"], stage.secrets["rule"]


async def headers_of(stage: Stage, words: Words, holding: Holding, credential: Credential) -> Headers:
    """Write the headers by which somebody shows a credential."""
    token, rule_secret = await remote_secrets(stage)
    secret = await secret_of(stage, holding, credential)
    wrong = secret[:-1] + ("1" if secret[-1] == "0" else "0")
    never_issued = f"sk_{NOBODYS}{checksum(NOBODYS)}"
    written: dict[Credential, Headers] = {
        Credential.VALID: {"Authorization": f"{words.scheme} {secret}"},
        Credential.REVOKED: {"Authorization": f"{words.scheme} {secret}"},
        Credential.ROTATED: {"Authorization": f"{words.scheme} {secret}"},
        Credential.WRONG_CHECKSUM: {"Authorization": f"{words.scheme} {wrong}"},
        Credential.OTHER_SCHEME: {"Authorization": f"{words.other_scheme} {secret}"},
        Credential.AS_TOKEN: {TOKEN: f"Bearer {secret}"},
        Credential.AS_SIGNATURE: {SIGNATURE: f"Bearer {secret}"},
        Credential.BARE: {"Authorization": secret},
        Credential.GLUED: {"Authorization": words.scheme + secret},
        Credential.TWICE: {"Authorization": f"{words.scheme} {secret} {secret}"},
        Credential.NEVER_ISSUED: {"Authorization": f"{words.scheme} {never_issued}"},
        Credential.ACCESS_TOKEN: {"Authorization": f"{words.scheme} {token}"},
        Credential.RULE_SECRET: {"Authorization": f"{words.scheme} {rule_secret}"},
        Credential.TOKENS_OWN: {TOKEN: f"Bearer {token}"},
        Credential.SIGNATURES_OWN: {SIGNATURE: f"Bearer {rule_secret}"},
        Credential.NONE: {},
        Credential.EMPTY: {"Authorization": ""},
        Credential.WORD_ALONE: {"Authorization": words.scheme},
    }
    return written[credential]
