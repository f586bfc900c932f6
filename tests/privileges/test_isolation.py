"""Organizations are kept apart by their keys and by every statement: what row-level security would do, without it."""

import os
import random
import secrets
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace

import psycopg
import pytest
import pytest_asyncio

from sluiceway.outbound import Outbound, read_policy
from sluiceway.services import second_factors, webhooks
from sluiceway.services.keys import create_key, every_grant
from sluiceway.storage.database import Database
from tests.privileges.isolation import Ground, foreign_keys, statements
from tests.services.past import lived_in
from tests.services.town import Town
from tests.support import plain_engine

ROUNDS = 1
SEED = int(os.environ.get("SLUICEWAY_TEST_SEED", secrets.randbelow(1_000_000)))
_STATEMENTS = statements()
# ruff: noqa: S608 -- names come from the catalogue.
# What belongs to no organization, or finds out whose something is. Each is looked at by a person when it is added.
WITHOUT_ONE = {
    "audit.take_room",
    "credentials.find_keys",
    "credentials.find_people",
    "credentials.is_anybody_there",
    "executions.executions_to_gather",
    "executions.organizations_with_due_work",
    "feeds.feeds_due",
    "health.beat",
    "health.beats",
    "health.events_pending",
    "health.executions_due",
    "health.executions_gathering",
    "health.forget_workers",
    "health.is_held",
    "health.payments_at_banks",
    "health.payments_due",
    "health.standing",
    "health.stopped",
    "health.transfers_to_approve",
    "health.verified",
    "health.webhooks_late",
    "hints.hint",
    "history.take_time",
    "kept_secrets.organizations_of_endpoints",
    "kept_secrets.organizations_of_previous",
    "kept_secrets.organizations_of_rules",
    "kept_secrets.organizations_of_totp",
    "legs.legs_to_hand_over",
    "organizations.list_organizations",
    "rate_limits.fill_buckets",
    "rate_limits.take_calls",
    "remote_access.find_rule_secrets",
    "remote_access.find_tokens",
    "restoration.list_restorations",
    "retention.organizations_with_old_answers",
    "retention.organizations_with_old_deliveries",
    "retention.organizations_with_old_events",
    "retention.organizations_with_old_reads",
    "retention.organizations_with_old_simulations",
    "retention.organizations_with_useless_buckets",
    "roles.missing_for_reading",
    "scale_out.foreign_keys",
    "scale_out.tables",
    "schedules.schedules_due",
    "seals.looks_due",
    "sessions.count_attempt",
    "sessions.forget_attempts",
    "sessions.forget_old_attempts",
    "sessions.forget_old_challenges",
    "sessions.insert_challenge",
    "sessions.take_challenge",
    "sessions.uncount_attempts",
    "survey.admins",
    "survey.applied",
    "survey.beats",
    "survey.keys",
    "survey.one_time_codes",
    "survey.passkeys",
    "survey.rights",
    "survey.server",
    "survey.signing_secrets",
    "transfers.approvals_to_expire",
    "webhooks.organizations_with_events",
    "webhooks.organizations_with_messages",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def towns(module_database_url: str) -> AsyncGenerator[tuple[Town, Town]]:
    async with Database(module_database_url) as database, Outbound(read_policy("")) as outbound:
        engine = replace(plain_engine(database), outbound=outbound)
        made = (await lived_in(engine), await lived_in(engine))
        for town in made:
            await second_factors.begin_totp(engine, town.person)
            await webhooks.create_endpoint(engine, town.organization_id, "https://one.example/", ["*"])
            await create_key(engine, town.organization_id, "A key", every_grant())
        yield made


@pytest.fixture
def ground(towns: tuple[Town, Town], module_database_url: str) -> Generator[Ground]:
    theirs, ours = towns
    with psycopg.connect(module_database_url, autocommit=True, prepare_threshold=None) as conn:
        yield Ground(conn, theirs.organization_id, ours.organization_id, random.Random(SEED))


def test_every_statement_says_whose_it_is(ground: Ground):
    without = {name for name, text in _STATEMENTS.items() if not ground.read(name, text).organizations}

    assert without == WITHOUT_ONE


@pytest.mark.timeout(300)
def test_no_statement_can_tell_what_is_anothers_from_what_is_not_there(ground: Ground):
    found: list[str] = []
    for name, text in _STATEMENTS.items():
        query = ground.read(name, text)
        # An audit in nobody's name looks at everybody.
        asked = (ground.ours,) if name.startswith("audit") else (ground.ours, None)
        for whose in asked if query.organizations else ():
            for _ in range(ROUNDS):
                found += ground.violations(query, whose)

    told = "; ".join(sorted(set(found)))
    assert not found, f"seed {SEED}: {told}"


@pytest.mark.parametrize(
    "planted",
    [
        "SELECT name FROM account WHERE id = %(id)s::uuid AND %(organization_id)s::uuid IS NOT NULL",
        "SELECT count(*) FROM transfer WHERE id = ANY (%(ids)s::uuid[]) OR organization_id = %(organization_id)s::uuid",
        "UPDATE account SET posted = posted + 1 WHERE id = %(id)s::uuid AND %(organization_id)s::uuid IS NOT NULL",
        "SELECT p.amount FROM posting p JOIN transfer t ON t.id = p.transfer_id WHERE t.id = %(id)s::uuid"  # noqa: ISC004
        " AND %(only)s::uuid IS NOT NULL",
    ],
)
def test_a_statement_that_forgets_whose_it_is_is_found(ground: Ground, planted: str):
    query = ground.read("planted", planted)

    assert any(ground.violations(query, ground.ours) for _ in range(200)), f"seed {SEED}"


def test_no_row_of_one_organization_can_be_made_to_refer_to_anothers(ground: Ground):
    tried = 0
    for name, table, target, own, referred in foreign_keys(ground.conn):
        assert own[0] == "organization_id", f"{name} of {table} does not begin with the organization"
        assert referred[0] == ("id" if target == "organization" else "organization_id"), name
        if len(own) == 1:
            continue
        column, key = own[1], referred[1]
        if not _has_rows(ground, table, column, target):
            continue
        tried += 1
        change = (
            f"UPDATE {table} SET {column} = (SELECT {key} FROM {target} WHERE organization_id = %s LIMIT 1)"
            f" WHERE ctid = (SELECT ctid FROM {table} WHERE organization_id = %s AND {column} IS NOT NULL LIMIT 1)"
        )
        with pytest.raises(psycopg.errors.IntegrityError), ground.conn.transaction(force_rollback=True):
            ground.conn.execute(change.encode(), (ground.theirs, ground.ours))

    assert tried >= 25


def _has_rows(ground: Ground, table: str, column: str, target: str) -> bool:
    [(both,)] = ground.conn.execute(
        f"SELECT EXISTS (SELECT FROM {table} WHERE organization_id = %s AND {column} IS NOT NULL)"
        f" AND EXISTS (SELECT FROM {target} WHERE organization_id = %s)".encode(),
        (ground.ours, ground.theirs),
    ).fetchall()
    return bool(both)
