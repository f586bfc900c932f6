"""API keys: shown once, kept as a hash, known by their permissions, refused the moment they are revoked."""

import asyncio
from hashlib import sha256

import pytest

from sluiceway.domain.access import EVERY, Caller, Grant, Permission, Principal, TransferPair
from sluiceway.domain.errors import NotFound, Unauthenticated
from sluiceway.domain.ids import KeyId
from sluiceway.domain.money import Cents
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.keys import checksum, create_key, every_grant, identify, is_well_formed, list_keys, revoke_key
from sluiceway.storage.credentials import Grants
from sluiceway.storage.database import fetch_all
from tests.support import World, new_world


async def who(engine: Engine, secret: str):
    [found] = await identify(engine, [secret])
    return found.principal if isinstance(found, Caller) else found


async def test_a_key_is_known_by_its_secret_with_exactly_what_it_was_granted(world: World):
    grants: Grants = {
        Permission.LIST_ACCOUNTS: Grant(),
        Permission.TRIGGER_RULES: Grant(resources=frozenset({"one", "two"})),
        Permission.READ_RULES: Grant(is_for_every=True),
        Permission.MANUAL_TRANSFER: Grant(pairs=(TransferPair("a", EVERY, Cents(5)), TransferPair(EVERY, "b"))),
    }

    key, secret = await create_key(world.engine, world.organization_id, "Payroll", grants)

    assert await who(world.engine, secret) == Principal(world.organization_id, key.id, grants)
    assert await list_keys(world.engine, world.organization_id) == [key]


async def test_a_key_with_every_permission_has_every_permission(world: World):
    _, secret = await create_key(world.engine, world.organization_id, "All", every_grant())

    found = await who(world.engine, secret)

    assert isinstance(found, Principal)
    assert set(found.grants) == set(Permission)


async def test_a_secret_is_not_kept(world: World):
    _, secret = await create_key(world.engine, world.organization_id, "Payroll", {})

    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT secret_hash, api_key::text FROM api_key")
    assert bytes(rows[0][0]) == sha256(secret.encode()).digest()
    assert secret not in rows[0][1]
    assert len(secret) == 3 + 32 + 6


async def test_a_secret_that_is_not_quite_right_is_not_looked_up(world: World):
    _, secret = await create_key(world.engine, world.organization_id, "Payroll", {})
    other_letter = "B" if secret[10] == "A" else "A"
    wrong = [
        "",
        "sk_",
        secret[:-1],
        secret + "x",
        secret[1:],
        secret.upper(),
        " " + secret,
        secret + "\n",
        secret[:10] + other_letter + secret[11:],
        "sk_" + secret[4:] + "é",
        "pk_" + secret[3:],
        "sk_" + "\0" * 32 + checksum("\0" * 32)[:-1],
        "\ud800",
    ]

    assert [is_well_formed(text) for text in wrong] == [False] * len(wrong)
    assert [type(found) for found in await identify(world.engine, wrong)] == [Unauthenticated] * len(wrong)


async def test_a_well_formed_secret_that_we_never_gave_is_nobody(world: World):
    body = "a" * 32

    assert is_well_formed(f"sk_{body}{checksum(body)}")
    assert isinstance(await who(world.engine, f"sk_{body}{checksum(body)}"), Unauthenticated)


async def test_the_checksum_finds_every_wrong_letter_and_every_swapped_pair(world: World):
    body = world.engine.new_secret(32)
    right = checksum(body)

    mistyped = [body[:n] + letter + body[n + 1 :] for n in range(32) for letter in "A0z" if letter != body[n]]
    swapped = [body[:n] + body[n + 1] + body[n] + body[n + 2 :] for n in range(31) if body[n] != body[n + 1]]

    assert right not in {checksum(text) for text in (*mistyped, *swapped)}
    assert len(right) == 6


async def test_a_revoked_key_is_refused_at_once_in_every_process(world: World, other_engine: Engine):
    key, secret = await create_key(world.engine, world.organization_id, "Payroll", {})
    edges = Edge(world.engine), Edge(other_engine)
    assert [(await edge.identify(secret)).principal.key_id for edge in edges] == [key.id] * 2

    await revoke_key(world.engine, world.organization_id, key.id, "")

    for edge in edges:
        with pytest.raises(Unauthenticated):
            await edge.identify(secret)


async def test_a_key_revoked_twice_keeps_its_first_moment_and_stays_on_the_list(world: World):
    key, _ = await create_key(world.engine, world.organization_id, "Payroll", {})
    await revoke_key(world.engine, world.organization_id, key.id, "")
    [first] = await list_keys(world.engine, world.organization_id)
    await revoke_key(world.engine, world.organization_id, key.id, "")

    assert first.revoked_at is not None
    assert await list_keys(world.engine, world.organization_id) == [first]


async def test_nobody_revokes_what_is_not_theirs_or_not_there(world: World):
    stranger = await new_world(world.engine)
    key, secret = await create_key(world.engine, world.organization_id, "Payroll", {})

    for organization_id, key_id in (
        (stranger.organization_id, key.id),
        (world.organization_id, KeyId(world.engine.new_id())),
        (world.organization_id, None),
    ):
        with pytest.raises(NotFound):
            await revoke_key(world.engine, organization_id, key_id, "")
    assert isinstance(await who(world.engine, secret), Principal)
    assert await list_keys(world.engine, stranger.organization_id) == []


async def test_many_callers_at_once_are_each_told_who_they_are(world: World):
    stranger = await new_world(world.engine)
    keys = [
        await create_key(world.engine, owner.organization_id, f"{n}", {})
        for n, owner in enumerate([world, stranger] * 10)
    ]
    edge = Edge(world.engine)

    found = await asyncio.gather(*(edge.identify(secret) for _, secret in keys for _ in range(5)))

    assert [caller.principal.key_id for caller in found] == [key.id for key, _ in keys for _ in range(5)]
    assert [caller.principal.organization_id for caller in found[::5]] == [
        world.organization_id,
        stranger.organization_id,
    ] * 10
