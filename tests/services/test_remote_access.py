"""Tokens and rules' secrets: shown once, kept as a hash, revoked at once, off until the organization allows them."""

from collections.abc import Awaitable, Callable
from hashlib import sha256

import pytest

from sluiceway.domain.access import ActorKind, Caller, Grant, Permission, Principal
from sluiceway.domain.errors import NotFound, Unauthenticated
from sluiceway.domain.ids import KeyId, RuleSecretId, TokenId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.services import remote_access as remote
from sluiceway.services.engine import Engine
from sluiceway.services.keys import checksum, create_key, every_grant, identify
from sluiceway.services.rules import delete_rule
from sluiceway.storage.database import fetch_all
from tests.support import World, fixed, new_world, on_demand

MOVE = on_demand("income", fixed(100, "income", "savings"))


async def open_world(world: World) -> World:
    """Let credentials in, and have two accounts with a rule between them."""
    await remote.enable(world.engine, world.organization_id)
    await world.account("income", AccountKind.INCOME_SOURCE, beneficiary_name="Ada")
    await world.account("savings", beneficiary_name="Ada")
    await world.rule("move", MOVE)
    return world


async def secret_of(world: World, rule: str) -> tuple[remote.RuleSecret, str]:
    rule_id = world.rules[rule].id
    [made] = await remote.create_rule_secrets(world.engine, world.organization_id, [(rule_id, rule_id)])
    return made


async def by_token(engine: Engine, secret: str):
    [found] = await remote.identify_tokens(engine, [secret])
    return found.principal if isinstance(found, Caller) else found


async def by_rule_secret(engine: Engine, secret: str):
    [found] = await remote.identify_rule_secrets(engine, [secret])
    return found.principal if isinstance(found, Caller) else found


async def seen(world: World, beneficiary: str | None) -> set[str]:
    _, secret = await remote.create_token(world.engine, world.organization_id, "Test", beneficiary)
    principal = await by_token(world.engine, secret)
    assert isinstance(principal, Principal)
    return {record.name for record in await remote.accounts_of(world.engine, principal)}


async def test_a_token_may_read_accounts_and_a_rules_secret_may_run_its_rule(world: World):
    await open_world(world)
    token, token_secret = await remote.create_token(world.engine, world.organization_id, "Sheet", "Ada")
    made, rule_secret = await secret_of(world, "move")

    assert await by_token(world.engine, token_secret) == Principal(
        world.organization_id, KeyId(token.id), {Permission.READ_ACCOUNTS: Grant()}, kind=ActorKind.ACCESS_TOKEN
    )
    assert await by_rule_secret(world.engine, rule_secret) == Principal(
        world.organization_id,
        KeyId(made.id),
        {Permission.TRIGGER_RULES: Grant(resources=frozenset({world.rules["move"].id}))},
        kind=ActorKind.RULE_SECRET,
    )
    assert await remote.list_tokens(world.engine, world.organization_id) == [token]
    assert await remote.list_rule_secrets(world.engine, world.organization_id) == [made]


async def test_nothing_gets_in_until_the_organization_lets_it_and_after_it_no_longer_does(world: World):
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.rule("move", MOVE)
    _, token = await remote.create_token(world.engine, world.organization_id, "Sheet", None)
    _, secret = await secret_of(world, "move")

    async def who() -> list[object]:
        return [type(await by_token(world.engine, token)), type(await by_rule_secret(world.engine, secret))]

    assert await who() == [Unauthenticated] * 2
    assert not await remote.is_enabled(world.engine, world.organization_id)
    for _ in range(2):
        await remote.enable(world.engine, world.organization_id)
        assert await remote.is_enabled(world.engine, world.organization_id)
        assert await who() == [Principal] * 2
    await remote.disable(world.engine, world.organization_id)
    assert await who() == [Unauthenticated] * 2


async def test_enabling_twice_keeps_the_first_time(world: World):
    await remote.enable(world.engine, world.organization_id)
    first = await enabled_at(world)
    await remote.enable(world.engine, world.organization_id)

    assert await enabled_at(world) == first is not None


async def enabled_at(world: World) -> object:
    async with world.engine.database.read() as tx:
        return await remote.stored.enabled_at(tx, world.organization_id)


async def test_secrets_are_not_kept(world: World):
    await open_world(world)
    _, token = await remote.create_token(world.engine, world.organization_id, "Sheet", "Ada")
    _, secret = await secret_of(world, "move")

    async with world.engine.database.read() as tx:
        [kept_token] = await fetch_all(tx, "SELECT secret_hash, access_token::text FROM access_token")
        [kept_secret] = await fetch_all(tx, "SELECT secret_hash, rule_secret::text FROM rule_secret")
    for shown, (digest, row) in ((token, kept_token), (secret, kept_secret)):
        assert bytes(digest) == sha256(shown.encode()).digest()
        assert shown not in row
        assert len(shown) == 3 + 32 + 6
    assert (token[:3], secret[:3]) == ("at_", "rs_")


Identify = Callable[[Engine, str], Awaitable[object]]


@pytest.mark.parametrize("identify_one", [by_token, by_rule_secret])
async def test_each_kind_is_known_for_what_it_is_and_only_whole(world: World, identify_one: Identify):
    await open_world(world)
    _, token = await remote.create_token(world.engine, world.organization_id, "Sheet", "Ada")
    _, secret = await secret_of(world, "move")
    _, key = await create_key(world.engine, world.organization_id, "All", every_grant())
    own, others = (token, (secret, key)) if identify_one is by_token else (secret, (token, key))
    prefix, other_letter = own[:3], "B" if own[10] == "A" else "A"
    wrong = [
        *others, "", prefix, own[:-1], own + "x", own.upper(), " " + own, own + "\n", own[3:], "\ud800",
        own[:10] + other_letter + own[11:], f"{prefix}{'A' * 32}{checksum('A' * 32)}", prefix + key[3:],
    ]  # fmt: skip

    assert isinstance(await identify_one(world.engine, own), Principal)
    for text in wrong:
        assert isinstance(await identify_one(world.engine, text), Unauthenticated), text
    assert [type(found) for found in await identify(world.engine, [token, secret])] == [Unauthenticated] * 2


async def test_a_batch_is_answered_in_order(world: World):
    await open_world(world)
    other = await open_world(await new_world(world.engine, email="other@example.com"))
    mine, theirs = [(await secret_of(owner, "move"))[1] for owner in (world, other)]

    found = await remote.identify_rule_secrets(world.engine, [theirs, "nonsense", mine, mine])

    organizations = [one.principal.organization_id if isinstance(one, Caller) else None for one in found]
    assert organizations == [other.organization_id, None, world.organization_id, world.organization_id]


async def test_revoking_works_at_once_and_leaves_the_others(world: World, other_engine: Engine):
    await open_world(world)
    token, token_secret = await remote.create_token(world.engine, world.organization_id, "Sheet", "Ada")
    _, kept = await remote.create_token(world.engine, world.organization_id, "Other", "Ada")
    old, old_secret = await secret_of(world, "move")
    _, new_secret = await secret_of(world, "move")
    for engine in (world.engine, other_engine):
        assert isinstance(await by_token(engine, token_secret), Principal)
        assert isinstance(await by_rule_secret(engine, old_secret), Principal)

    await remote.revoke_token(world.engine, world.organization_id, token.id, "")
    await remote.revoke_rule_secret(world.engine, world.organization_id, old.id, "")

    for engine in (world.engine, other_engine):
        assert isinstance(await by_token(engine, token_secret), Unauthenticated)
        assert isinstance(await by_rule_secret(engine, old_secret), Unauthenticated)
        assert isinstance(await by_token(engine, kept), Principal)
        assert isinstance(await by_rule_secret(engine, new_secret), Principal)
    tokens = await remote.list_tokens(world.engine, world.organization_id)
    secrets = await remote.list_rule_secrets(world.engine, world.organization_id)
    assert [one.revoked_at is not None for one in tokens] == [False, True]
    assert [one.revoked_at is not None for one in secrets] == [False, True]


async def test_nobody_revokes_what_is_not_theirs(world: World):
    await open_world(world)
    other = await open_world(await new_world(world.engine, email="other@example.com"))
    token, _ = await remote.create_token(world.engine, world.organization_id, "Sheet", "Ada")
    secret, _ = await secret_of(world, "move")

    for token_id in (token.id, None, TokenId(world.engine.new_id())):
        with pytest.raises(NotFound):
            await remote.revoke_token(other.engine, other.organization_id, token_id, "")
    for secret_id in (secret.id, None, RuleSecretId(world.engine.new_id())):
        with pytest.raises(NotFound):
            await remote.revoke_rule_secret(other.engine, other.organization_id, secret_id, "")
    assert await remote.list_rule_secrets(world.engine, world.organization_id) == [secret]


async def test_secrets_are_made_for_rules_that_exist_or_not_at_all(world: World):
    await open_world(world)
    other = await open_world(await new_world(world.engine, email="other@example.com"))
    mine, theirs = world.rules["move"].id, other.rules["move"].id
    await world.rule("gone", MOVE)
    gone = world.rules["gone"].id
    await delete_rule(world.engine, world.organization_id, gone, "")

    for rule_id in (theirs, gone, None):
        with pytest.raises(NotFound):
            await remote.create_rule_secrets(world.engine, world.organization_id, [(mine, ""), (rule_id, "that one")])
    assert await remote.list_rule_secrets(world.engine, world.organization_id) == []


async def test_a_token_sees_what_is_its_beneficiarys_now(world: World):
    await remote.enable(world.engine, world.organization_id)
    await world.account("Pay", AccountKind.INCOME_SOURCE, beneficiary_name="Ada")
    await world.account("Studio", beneficiary_name="Ada's Studio")
    await world.account("Nobody's")
    await world.account(
        "Bank", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY, beneficiary_name="Ada"
    )
    other = await open_world(await new_world(world.engine, email="other@example.com"))

    assert await seen(world, "Ada") == {"Pay", "Bank"}
    assert await seen(world, "Ada's Studio") == {"Studio"}
    assert await seen(world, None) == {"Nobody's"}
    assert await seen(world, "ada") == set()
    assert await seen(other, "Ada") == {"income", "savings"}
    assert await remote.beneficiaries(world.engine, world.organization_id) == ["Ada", "Ada's Studio", None]
    _, secret = await remote.create_token(world.engine, world.organization_id, "Early", "Ada")
    principal = await by_token(world.engine, secret)
    assert isinstance(principal, Principal)
    await world.account("New", beneficiary_name="Ada")
    assert {record.name for record in await remote.accounts_of(world.engine, principal)} == {"Pay", "Bank", "New"}
