"""The demo is seeded once, whoever seeds and however often; only credentials that stopped working are renewed."""

import asyncio

import pytest

from sluiceway.domain.ids import RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.rules import describe, fingerprint
from sluiceway.services.engine import Engine
from sluiceway.services.keys import identify, list_keys, revoke_key
from sluiceway.services.rules import disable_rule, find_person
from sluiceway.services.seeding import DEMO_ORGANIZATION, EMAIL, Secrets, seed_demo
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.database import Database
from sluiceway.storage.rules import list_rules
from tests.support import plain_engine


@pytest.fixture
def engine(database: Database) -> Engine:
    return plain_engine(database)


async def test_the_demo_has_the_rule_of_the_first_story_enabled_by_its_person(engine: Engine):
    demo = await seed_demo(engine)

    async with engine.database.read() as tx:
        accounts = {record.account.id: record for record in await list_accounts(tx, DEMO_ORGANIZATION)}
        [rule] = await list_rules(tx, DEMO_ORGANIZATION)
    names = {account_id: record.name for account_id, record in accounts.items()}
    kinds = {short: accounts[account_id].account.kind for short, account_id in demo.accounts.items()}
    assert kinds == {"income": AccountKind.INCOME_SOURCE, "savings": AccountKind.POD, "emergency": AccountKind.POD}
    assert demo.rules == {"auto_save": rule.id}
    assert rule.is_enabled
    assert rule.fingerprint == fingerprint(rule.rule)
    assert rule.rule.name == "Auto-save on deposit"
    assert rule.rule.description == "Saves 20% of every incoming deposit"
    assert describe(rule.rule, names) == [
        "When money arrives in Income:",
        "If the balance of Income is above $500.00: move 20 % of the incoming amount from Income to Savings.",
        "Otherwise: move $50.00 from Income to Emergency fund, or what is there if that is less.",
    ]


async def test_its_secrets_work(engine: Engine):
    demo = await seed_demo(engine)

    [principal] = await identify(engine, [demo.secrets.api_key])
    person = await find_person(engine, EMAIL)
    assert getattr(principal, "organization_id", None) == demo.organization_id
    assert engine.verify_password(person.password_hash, demo.secrets.password)
    assert (demo.is_new, demo.renewed) == (True, ())


async def test_seeding_again_adds_nothing(engine: Engine):
    first = await seed_demo(engine)
    second = await seed_demo(engine, first.secrets)

    assert (second.secrets, second.accounts, second.rules) == (first.secrets, first.accounts, first.rules)
    assert (second.is_new, second.renewed) == (False, ())
    assert len(await list_keys(engine, DEMO_ORGANIZATION)) == 1


async def test_several_who_seed_at_once_share_one_demo(engine: Engine):
    demos = await asyncio.gather(*(seed_demo(engine, Secrets("sk_unknown", "the same")) for _ in range(5)))

    assert len({tuple(demo.rules.values()) for demo in demos}) == 1
    assert [demo.is_new for demo in demos].count(True) == 1


async def test_lost_secrets_are_renewed_and_named(engine: Engine):
    await seed_demo(engine)
    again = await seed_demo(engine, None)

    assert again.renewed == ("password", "API key")
    person = await find_person(engine, EMAIL)
    assert engine.verify_password(person.password_hash, again.secrets.password)


async def test_a_revoked_key_alone_is_renewed(engine: Engine):
    first = await seed_demo(engine)
    [key] = await list_keys(engine, DEMO_ORGANIZATION)
    await revoke_key(engine, DEMO_ORGANIZATION, key.id, key.id)

    again = await seed_demo(engine, first.secrets)

    assert again.renewed == ("API key",)
    assert again.secrets.password == first.secrets.password
    assert again.secrets.api_key != first.secrets.api_key


async def test_a_rule_that_a_person_disabled_stays_disabled(engine: Engine):
    first = await seed_demo(engine)
    await disable_rule(engine, DEMO_ORGANIZATION, RuleId(first.rules["auto_save"]), "")

    await seed_demo(engine, first.secrets)

    async with engine.database.read() as tx:
        [rule] = await list_rules(tx, DEMO_ORGANIZATION)
    assert not rule.is_enabled
