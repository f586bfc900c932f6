"""The demo is seeded once, whoever seeds and however often; only credentials that stopped working are renewed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from sluiceway.domain.access import OPERATOR, Caller
from sluiceway.domain.ids import RuleId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.rules import describe, fingerprint, read_rule, write_rule
from sluiceway.services import remote_access
from sluiceway.services.audit_log import list_entries
from sluiceway.services.clock import advance, read_clock
from sluiceway.services.engine import Engine
from sluiceway.services.keys import identify, list_keys, revoke_key
from sluiceway.services.rules import SECRET_LENGTH, disable_rule, find_person, revise_rule
from sluiceway.services.seeding import DEMO_ORGANIZATION, EMAIL, START, Secrets, seed_demo
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.database import Database, fetch_all
from sluiceway.storage.rules import list_rules
from tests.support import plain_engine


@pytest.fixture
def engine(database: Database) -> Engine:
    return plain_engine(database)


async def rules_of(engine: Engine) -> dict:
    async with engine.database.read() as tx:
        return {rule.id: rule for rule in await list_rules(tx, DEMO_ORGANIZATION)}


async def test_the_demo_has_the_rule_of_the_first_story_enabled_by_its_person(engine: Engine):
    demo = await seed_demo(engine)

    async with engine.database.read() as tx:
        accounts = {record.account.id: record for record in await list_accounts(tx, DEMO_ORGANIZATION)}
    rule = (await rules_of(engine))[demo.rules["auto_save"]]
    names = {account_id: record.name for account_id, record in accounts.items()}
    kinds = {short: accounts[demo.accounts[short]].account.kind for short in ("income", "savings", "emergency")}
    assert kinds == {"income": AccountKind.INCOME_SOURCE, "savings": AccountKind.POD, "emergency": AccountKind.POD}
    assert rule.is_enabled
    assert rule.position == 1
    assert rule.fingerprint == fingerprint(rule.rule)
    assert rule.rule.name == "Auto-save on deposit"
    assert rule.rule.description == "Saves 20% of every incoming deposit"
    assert describe(rule.rule, names) == [
        "When money arrives in Income:",
        "If the balance of Income is above $500.00: move 20 % of the incoming amount from Income to Savings.",
        "Otherwise: move $50.00 from Income to Emergency fund, or what is there if that is less.",
    ]


async def test_the_demo_is_a_household_and_a_freelancer_whose_rules_are_all_enabled(engine: Engine):
    demo = await seed_demo(engine)

    async with engine.database.read() as tx:
        records = {record.account.id: record for record in await list_accounts(tx, DEMO_ORGANIZATION)}
    accounts = {short: records[account_id] for short, account_id in demo.accounts.items()}
    assert len(records) == len(accounts) == 15
    assert {record.beneficiary_name for record in accounts.values()} == {"Sample Household", "Sample Studio"}
    assert all("Sample" in (record.description or "") for record in accounts.values())
    assert accounts["card"].account.external_kind is ExternalKind.LIABILITY
    assert accounts["loan_pod"].account.linked_account_id == demo.accounts["loan"]
    rules = await rules_of(engine)
    assert len(rules) == len(demo.rules) == 10
    assert all(rule.is_enabled for rule in rules.values())
    assert {rule.created_at for rule in rules.values()} == {datetime(2026, 1, 5, 13, tzinfo=UTC)}


async def test_its_clock_stands_still_on_a_monday_at_nine_eastern(engine: Engine):
    await seed_demo(engine)

    state = await read_clock(engine, DEMO_ORGANIZATION)
    assert (state.now, state.is_frozen) == (datetime(2026, 1, 5, 14, tzinfo=UTC), True)


async def test_it_tells_whom_a_rule_asks_and_with_which_secret(engine: Engine):
    demo = await seed_demo(engine, tax_port=18_089)
    again = await seed_demo(engine, demo.secrets, tax_port=18_090)

    assert demo.tax_service is not None
    assert demo.tax_service.url == "http://127.0.0.1:18089/"
    assert len(demo.tax_service.secret) == SECRET_LENGTH
    assert again.tax_service == demo.tax_service


async def test_its_secrets_work(engine: Engine):
    demo = await seed_demo(engine)

    [caller] = await identify(engine, [demo.secrets.api_key])
    person = await find_person(engine, EMAIL)
    assert isinstance(caller, Caller)
    assert caller.principal.organization_id == demo.organization_id
    assert engine.verify_password(person.password_hash, demo.secrets.password)
    assert (demo.is_new, demo.renewed) == (True, ())


async def test_seeding_again_adds_nothing(engine: Engine):
    first = await seed_demo(engine)
    second = await seed_demo(engine, first.secrets)

    assert second == replace(first, is_new=False)
    assert len(await list_keys(engine, DEMO_ORGANIZATION)) == 1


async def test_several_who_seed_at_once_share_one_demo(engine: Engine):
    demos = await asyncio.gather(*(seed_demo(engine, Secrets("sk_unknown", "the same")) for _ in range(5)))

    assert len({tuple(demo.rules.values()) for demo in demos}) == 1
    assert [demo.is_new for demo in demos].count(True) == 1
    assert all(rule.is_enabled for rule in (await rules_of(engine)).values())


@pytest.mark.parametrize("last_call", [1, 2, 6])
async def test_seeding_that_crashed_goes_on_when_it_is_tried_again(engine: Engine, last_call: int):
    """The first check of the password is before anything is planned outside, each other one enables a rule."""
    calls = count(1)

    def crashing(hashed: str, password: str) -> bool:
        if next(calls) == last_call:
            raise ConnectionError("the power went out")
        return engine.verify_password(hashed, password)

    known = Secrets("sk_unknown", "the same")
    with pytest.raises(ConnectionError):
        await seed_demo(replace(engine, verify_password=crashing), known)
    enabled = [rule for rule in (await rules_of(engine)).values() if rule.is_enabled]
    assert len(enabled) == max(0, last_call - 2)

    await seed_demo(engine, known)

    assert all(rule.is_enabled for rule in (await rules_of(engine)).values())
    assert await planned(engine) > 500
    assert (await read_clock(engine, DEMO_ORGANIZATION)).now == START


async def test_what_is_planned_outside_is_planned_once(engine: Engine):
    first = await seed_demo(engine)
    before = await planned(engine)
    await advance(engine, DEMO_ORGANIZATION, START + timedelta(hours=1))
    await seed_demo(engine, first.secrets)

    assert await planned(engine) == before
    assert (await read_clock(engine, DEMO_ORGANIZATION)).now == START + timedelta(hours=1)


async def planned(engine: Engine) -> int:
    async with engine.database.read() as tx:
        [(number,)] = await fetch_all(tx, "SELECT count(*) FROM bank_event")
    return number


async def test_making_the_demo_and_a_password_anew_is_on_record(engine: Engine):
    async def acts() -> list[str]:
        found = await list_entries(engine, DEMO_ORGANIZATION, limit=100)
        return [one.entry.act.action for one in found if one.entry.act.actor == OPERATOR][::-1]

    demo = await seed_demo(engine)
    made = await acts()
    await seed_demo(engine, replace(demo.secrets, password="another one"))
    await seed_demo(engine, replace(demo.secrets, password="another one"))

    assert made[0] == "CREATE_ORGANIZATION"
    assert await acts() == [*made, "SET_PASSWORD"]


async def test_lost_secrets_are_renewed_and_named(engine: Engine):
    await seed_demo(engine)
    again = await seed_demo(engine, None)

    assert again.renewed == ("password", "API key", "access token", "secret for 10 rules")
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


async def test_programs_may_read_the_households_accounts_and_run_every_rule(engine: Engine):
    demo = await seed_demo(engine)

    [token] = await remote_access.identify_tokens(engine, [demo.secrets.access_token])
    assert isinstance(token, Caller)
    seen = await remote_access.accounts_of(engine, token.principal)
    assert {record.beneficiary_name for record in seen} == {"Sample Household"}
    assert len(seen) == 10
    assert demo.secrets.rule_secrets.keys() == demo.rules.keys()
    found = await remote_access.find_rule_secrets(engine, list(demo.secrets.rule_secrets.values()))
    assert [one and one.rule_id for one in found] == list(demo.rules.values())


async def test_what_is_revoked_is_made_again_and_the_rest_is_kept(engine: Engine):
    first = await seed_demo(engine)
    [token] = await remote_access.list_tokens(engine, DEMO_ORGANIZATION)
    await remote_access.revoke_token(engine, DEMO_ORGANIZATION, token.id, "")
    secret = (await remote_access.list_rule_secrets(engine, DEMO_ORGANIZATION))[0]
    await remote_access.revoke_rule_secret(engine, DEMO_ORGANIZATION, secret.id, "")
    revoked = next(short for short, rule_id in first.rules.items() if rule_id == secret.rule_id)

    again = await seed_demo(engine, first.secrets)

    assert again.renewed == ("access token", "secret for 1 rule")
    assert again.secrets.access_token != first.secrets.access_token
    changed = {short for short, one in again.secrets.rule_secrets.items() if first.secrets.rule_secrets[short] != one}
    assert changed == {revoked}


async def test_a_secret_of_another_rule_is_not_taken_for_the_rules_own(engine: Engine):
    first = await seed_demo(engine)
    secrets = first.secrets.rule_secrets
    mixed = replace(first.secrets, rule_secrets={**secrets, "bills": secrets["auto_save"]})

    again = await seed_demo(engine, mixed)

    assert again.renewed == ("secret for 1 rule",)
    assert again.secrets.rule_secrets["auto_save"] == secrets["auto_save"]


async def test_a_remote_api_that_a_person_switched_off_stays_off(engine: Engine):
    first = await seed_demo(engine)
    assert await remote_access.is_enabled(engine, DEMO_ORGANIZATION)
    await remote_access.disable(engine, DEMO_ORGANIZATION)

    again = await seed_demo(engine, first.secrets)
    await seed_demo(engine, None)

    assert again.secrets == first.secrets
    assert not await remote_access.is_enabled(engine, DEMO_ORGANIZATION)


async def test_a_rule_that_a_person_disabled_stays_disabled(engine: Engine):
    first = await seed_demo(engine)
    await disable_rule(engine, DEMO_ORGANIZATION, RuleId(first.rules["auto_save"]), "")

    await seed_demo(engine, first.secrets)

    disabled = [rule.id for rule in (await rules_of(engine)).values() if not rule.is_enabled]
    assert disabled == [first.rules["auto_save"]]


async def test_a_rule_that_asks_somebody_else_needs_no_service_of_ours(engine: Engine):
    first = await seed_demo(engine)
    rule_id = first.rules["client_payment"]
    written = write_rule((await rules_of(engine))[rule_id].rule)
    written["steps"][0]["actions"][0]["url"] = "https://tax.example.com/"
    await revise_rule(engine, DEMO_ORGANIZATION, rule_id, "", read_rule(written))

    assert (await seed_demo(engine, first.secrets)).tax_service is None
