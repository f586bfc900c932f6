"""Proof that it is the person who decides: a password, or a session in which one was shown lately; and their role."""

from datetime import timedelta

import pytest

from sluiceway.domain.access import Role
from sluiceway.domain.errors import PasswordRefused, PermissionDenied, ReauthenticationRequired
from sluiceway.services.keys import rule_secret
from sluiceway.services.proofs import FRESH_FOR, Fresh, prove
from sluiceway.services.rules import enable_rule
from sluiceway.storage.database import Database, fetch_all
from tests.support import AUTO_SAVE, PASSWORD, World, first_story, plain_engine


@pytest.fixture
async def world(database: Database) -> World:
    world = await first_story(plain_engine(database))
    await world.rule("other", AUTO_SAVE, enabled=False)
    return world


def proof(world: World, ago: timedelta) -> Fresh:
    """Prove that the person has shown a password so long ago, when that was still fresh."""
    at = world.engine.now() - ago
    return prove(world.organization_id, world.person.id, at, at)


async def test_what_asks_for_a_password_takes_a_session_in_which_one_was_shown_lately(world: World):
    rule = world.rules["other"]
    fresh = proof(world, timedelta(minutes=4))
    enabled = await enable_rule(world.engine, world.person, fresh, rule.id, rule.fingerprint)

    assert enabled.is_enabled
    assert await rule_secret(world.engine, world.person, fresh, rule.id, "") == await rule_secret(
        world.engine, world.person, PASSWORD, rule.id, ""
    )


async def test_a_proof_grows_old_in_the_hand(world: World):
    rule = world.rules["other"]

    with pytest.raises(ReauthenticationRequired):
        await enable_rule(world.engine, world.person, proof(world, FRESH_FOR), rule.id, rule.fingerprint)


async def test_somebody_elses_proof_proves_nothing(world: World, database: Database):
    other = await first_story(world.engine)
    rule = world.rules["other"]

    with pytest.raises(ReauthenticationRequired):
        await enable_rule(world.engine, world.person, proof(other, timedelta(0)), rule.id, rule.fingerprint)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.WRITER])
async def test_only_an_admin_enables_whatever_they_can_show(world: World, role: Role):
    person, rule = world.person._replace(role=role), world.rules["other"]

    for shown in (PASSWORD, proof(world, timedelta(0))):
        with pytest.raises(PermissionDenied):
            await enable_rule(world.engine, person, shown, rule.id, rule.fingerprint)
    with pytest.raises(PasswordRefused):
        await enable_rule(world.engine, person, "not this one", rule.id, rule.fingerprint)


async def test_what_was_refused_is_on_record_with_its_reason(world: World):
    rule = world.rules["other"]
    with pytest.raises(ReauthenticationRequired):
        await enable_rule(world.engine, world.person, proof(world, FRESH_FOR), rule.id, rule.fingerprint)
    async with world.engine.database.read() as tx:
        rows = await fetch_all(
            tx, "SELECT error_code FROM audit_entry WHERE subject_id = %(id)s::uuid", {"id": rule.id}
        )

    assert [code for (code,) in rows if code] == ["REAUTHENTICATION_REQUIRED"]


def test_nobody_makes_a_proof_up(world: World):
    now = world.engine.now()

    with pytest.raises(AssertionError):
        Fresh(world.organization_id, world.person.id, now, object())
    with pytest.raises(ReauthenticationRequired):
        prove(world.organization_id, world.person.id, now - FRESH_FOR, now)
