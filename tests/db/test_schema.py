"""What the schema refuses, whoever asks, and the shape that lets it be distributed by organization."""

from collections.abc import AsyncGenerator

import psycopg
import pytest
import pytest_asyncio

from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.services.rules import disable_rule, enable_rule, revise_rule
from sluiceway.storage.database import ConstraintViolated, Database, WriteTx, count, execute, fetch_all
from sluiceway.storage.scale_out import ON_EVERY_NODE
from tests.support import AS_OWNER, PASSWORD, World, first_story, fixed, on_demand, plain_engine

# Small tables that are looked up before the organization is known, and the history of migrations.
_WITHOUT_ORGANIZATION = (
    "organization_pkey",
    "api_key_secret_hash_key",
    "access_token_secret_hash_key",
    "rule_secret_secret_hash_key",
    "call_bucket_pkey",
    "sign_in_attempt_pkey",
    "sign_in_challenge_pkey",
    "schema_migration_pkey",
    "worker_heartbeat_pkey",
)
# What there must be none of, how it is found, and what would be some. Most of it keeps the schema one that can be
# spread over machines by organization.
_NONE = {
    "indexes that do not begin with the organization": (
        f"""
        SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE c.relnamespace = 'public'::regnamespace AND a.attname <> 'organization_id'
            AND c.relname NOT IN {_WITHOUT_ORGANIZATION}
        """,  # noqa: S608 -- names of our own
        "CREATE UNIQUE INDEX one_more ON account (id, organization_id)",
    ),
    "foreign keys that do not begin with the organization on both sides": (
        """
        SELECT c.conname FROM pg_constraint c
        JOIN pg_class f ON f.oid = c.confrelid
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
        WHERE c.contype = 'f'
            AND (a.attname <> 'organization_id'
                 OR f.relname || '.' || b.attname NOT IN ('organization.id', f.relname || '.organization_id'))
        """,
        "ALTER TABLE outbox ADD FOREIGN KEY (id) REFERENCES organization",
    ),
    "foreign keys from credentials, which every machine has, to rows that one has": (
        f"SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text IN {ON_EVERY_NODE}",  # noqa: S608 -- names of our own
        "ALTER TABLE api_key ADD FOREIGN KEY (organization_id) REFERENCES organization",
    ),
    "triggers": (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "CREATE TRIGGER t BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ),
    "sequences": ("SELECT relname FROM pg_class WHERE relkind = 'S'", "ALTER TABLE account ADD COLUMN one_more serial"),
    "identity columns": (
        "SELECT attname FROM pg_attribute WHERE attidentity <> ''",
        "ALTER TABLE account ADD COLUMN one_more bigint GENERATED ALWAYS AS IDENTITY",
    ),
    "functions": (
        # But for two that delete what we have no right to delete ourselves (tests/privileges).
        (
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND proname NOT IN ('cut_reads', 'forget_simulated_transfers')"
        ),
        "CREATE FUNCTION one_more() RETURNS integer RETURN 1",
    ),
    "deferrable constraints": (
        "SELECT conname FROM pg_constraint WHERE condeferrable",
        "ALTER TABLE outbox ADD FOREIGN KEY (organization_id) REFERENCES organization DEFERRABLE",
    ),
    "exclusion constraints": (
        "SELECT conname FROM pg_constraint WHERE contype = 'x'",
        "ALTER TABLE account ADD EXCLUDE (organization_id WITH =, name WITH =)",
    ),
    "constraints that do not hold yet": (
        "SELECT conname FROM pg_constraint WHERE NOT convalidated",
        "ALTER TABLE account ADD CHECK (posted < 1000) NOT VALID",
    ),
    "inexact numbers and times without a zone": (
        """
        SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type
            IN ('real', 'double precision', 'numeric', 'money', 'timestamp without time zone')
            AND column_name NOT IN ('nominal', 'next_nominal', 'awaited') -- Local times have no zone by nature.
        """,
        "ALTER TABLE account ADD COLUMN one_more numeric",
    ),
    "cascades, which would delete or change rows behind our back": (
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND (confdeltype <> 'a' OR confupdtype <> 'a')",
        "ALTER TABLE outbox ADD FOREIGN KEY (organization_id) REFERENCES organization ON DELETE CASCADE",
    ),
}


def ask(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def test_every_row_says_whose_it_is(module_database_url: str):
    rows = ask(
        module_database_url,
        """
        SELECT t.table_name FROM information_schema.tables t WHERE t.table_schema = 'public' AND NOT EXISTS (
            SELECT FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.table_name = t.table_name
                AND c.column_name = 'organization_id' AND c.data_type = 'uuid' AND c.is_nullable = 'NO'
        )
        """,
    )

    assert {table for (table,) in rows} == {
        "organization",
        "schema_migration",
        "call_bucket",
        "sign_in_attempt",
        "sign_in_challenge",
        "worker_heartbeat",
    }


@pytest.mark.parametrize("what", _NONE)
def test_the_schema_has_none(module_database_url: str, what: str):
    query, _ = _NONE[what]

    assert ask(module_database_url, query) == [], f"the schema has {what}"


@pytest.mark.parametrize("what", _NONE)
def test_what_the_schema_must_not_have_would_be_found(database_url: str, what: str):
    query, addition = _NONE[what]
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(addition.encode())

    assert len(ask(database_url, query)) == 1


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_database_url: str) -> AsyncGenerator[World]:
    """Make an organization with money, and rules in several states."""
    async with Database(module_database_url) as database:
        world = await first_story(plain_engine(database))
        await world.account("checking", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
        await world.rule("on_demand", on_demand("income", fixed(1000, "income", "savings")))
        for name in ("revised", "revoked"):
            await world.rule(name, on_demand("income", fixed(1000, "income", "savings")))
        revised = world.read(on_demand("income", fixed(2000, "income", "savings")))
        await revise_rule(world.engine, world.organization_id, world.rules["revised"].id, "", revised)
        await disable_rule(world.engine, world.organization_id, world.rules["revoked"].id, "")
        await world.deposit("income", 500_000, key="first")
        await world.settle()
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def names(world: World) -> dict[str, object]:
    """List what the statements below may name."""
    neighbour = await first_story(world.engine)
    [execution] = await world.executions()
    deposit = next(transfer for transfer in await world.transfers() if transfer.source is None)
    async with world.engine.database.read() as tx:
        [(world_id,)] = await fetch_all(
            tx,
            "SELECT id FROM account WHERE kind = 'WORLD' AND organization_id = %(o)s::uuid",
            {"o": world.organization_id},
        )
    rules = {f"rule_{name}": record.id for name, record in world.rules.items()}
    approvals = {f"approval_{name}": record.approval_id for name, record in world.rules.items()}
    fingerprints = {f"fingerprint_{name}": record.fingerprint for name, record in world.rules.items()}
    return {
        **world.accounts,
        **rules,
        **approvals,
        **fingerprints,
        "o": world.organization_id,
        "neighbour": neighbour.organization_id,
        "neighbours_account": neighbour.accounts["income"],
        "neighbours_rule": neighbour.rules["auto_save"].id,
        "neighbours_approval": neighbour.rules["auto_save"].approval_id,
        "execution": execution.id,
        "deposit": deposit.id,
        "world": world_id,
        "new": world.engine.new_id(),
        "person": world.person.id,
    }


_ACCOUNT = "UPDATE account SET {} WHERE organization_id = %(o)s::uuid AND id = %({})s::uuid"
_EXECUTION = "UPDATE execution SET {} WHERE organization_id = %(o)s::uuid AND id = %(execution)s::uuid"
_RULE = "UPDATE rule SET {} WHERE organization_id = %(o)s::uuid AND id = %({})s::uuid"
_TRANSFER = "UPDATE transfer SET {} WHERE organization_id = %(o)s::uuid AND id = %(deposit)s::uuid"


def new_execution(approval: str, rule: str, revision: int = 1, mode: str = "LIVE", fingerprint: str = "") -> str:
    return f"""
        INSERT INTO execution (organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type,
                               origin_id, due_at, created_at)
        VALUES (%(o)s::uuid, %(new)s::uuid, %(rule_{rule})s::uuid, {revision}, %(fingerprint_{fingerprint or rule})s,
                {approval}, '{mode}', 'MANUAL', %(new)s::uuid, now(), now())
    """  # noqa: S608 -- the table below is the only caller


def new_transfer(source: str, destination: str, amount: int = 100, more: str = "'PROCESSING', NULL, NULL") -> str:
    return f"""
        INSERT INTO transfer (organization_id, id, source_account_id, destination_account_id, amount, direction, origin,
                              status, error_code, completed_at, created_at)
        VALUES (%(o)s::uuid, %(new)s::uuid, {source}, {destination}, {amount}, 'INTERNAL', 'USER', {more}, now())
    """  # noqa: S608 -- the table below is the only caller


def new_posting(debit: str, credit: str, amount: int = 1, transfer: str = "deposit", sequence: int = 9) -> str:
    return f"""
        INSERT INTO posting (organization_id, transfer_id, sequence, kind, debit_account_id, credit_account_id, amount,
                             debit_after, credit_after, posted_at)
        VALUES (%(o)s::uuid, %({transfer})s::uuid, {sequence}, 'post', %({debit})s::uuid, %({credit})s::uuid, {amount},
                0, 0, now())
    """  # noqa: S608 -- the table below is the only caller


REFUSED = {
    "an account below its floor": (_ACCOUNT.format("posted = -1", "savings"), "never_below_floor"),
    "holding more than there is": (_ACCOUNT.format("held_out = posted + 1", "savings"), "never_below_floor"),
    "a raised floor above what is there": (_ACCOUNT.format("floor = posted + 1", "savings"), "never_below_floor"),
    "a hold below zero": (_ACCOUNT.format("held_out = -1", "savings"), "account_held_out_check"),
    "expecting less than nothing": (_ACCOUNT.format("expected_in = -1", "savings"), "account_expected_in_check"),
    "money in an account that a bank keeps": (
        _ACCOUNT.format("posted = 1", "checking"),
        "external_accounts_hold_no_money",
    ),
    "a pod at a bank": (
        _ACCOUNT.format("external_kind = 'DEPOSITORY'", "savings"),
        "external_kind_of_external_accounts",
    ),
    "an external account of no kind": (
        _ACCOUNT.format("external_kind = NULL", "checking"),
        "external_kind_of_external_accounts",
    ),
    "deleting an account with money": (_ACCOUNT.format("deleted_at = now()", "savings"), "deleted_accounts_are_empty"),
    "a currency in small letters": (_ACCOUNT.format("currency = 'usd'", "savings"), "account_currency_check"),
    "a second world": (
        """
        INSERT INTO account (organization_id, id, kind, currency, name, created_at, updated_at)
        VALUES (%(o)s::uuid, %(new)s::uuid, 'WORLD', 'USD', 'Another', now(), now())
        """,
        "one_world_per_currency",
    ),
    "a deleted rule that is enabled": (
        _RULE.format("deleted_at = now()", "rule_on_demand"),
        "deleted_rules_are_disabled",
    ),
    "enabling by an approval of another rule": (
        _RULE.format("approval_id = %(approval_on_demand)s::uuid", "rule_revoked"),
        "enabled_as_approved",
    ),
    "enabling by an approval of an older revision": (
        _RULE.format("approval_id = %(approval_revised)s::uuid", "rule_revised"),
        "enabled_as_approved",
    ),
    "enabling without any approval": (
        _RULE.format("approval_id = %(new)s::uuid", "rule_revoked"),
        "enabled_as_approved",
    ),
    "changing what an enabled rule says it is": (
        _RULE.format("fingerprint = %(fingerprint_revised)s || 'x'::bytea", "rule_on_demand"),
        "enabled_as_approved",
    ),
    "enabling by a neighbour's approval": (
        _RULE.format("approval_id = %(neighbours_approval)s::uuid", "rule_revoked"),
        "enabled_as_approved",
    ),
    "an approval of a revision that does not exist": (
        """
        INSERT INTO approval (organization_id, id, rule_id, revision, fingerprint, person_id, approved_at)
        VALUES (%(o)s::uuid, %(new)s::uuid, %(rule_on_demand)s::uuid, 2, %(fingerprint_on_demand)s, %(person)s::uuid,
                now())
        """,
        "approval_organization_id_rule_id_revision_fingerprint_fkey",
    ),
    "an approval by nobody": (
        """
        INSERT INTO approval (organization_id, id, rule_id, revision, fingerprint, person_id, approved_at)
        VALUES (%(o)s::uuid, %(new)s::uuid, %(rule_on_demand)s::uuid, 1, %(fingerprint_on_demand)s, %(new)s::uuid,
                now())
        """,
        "approval_organization_id_person_id_fkey",
    ),
    "a live execution without approval": (new_execution("NULL", "on_demand"), "live_executions_are_approved"),
    "a live execution under an approval of another rule": (
        new_execution("%(approval_auto_save)s::uuid", "on_demand"),
        "approved_by_a_person",
    ),
    "a live execution under an approval of another revision": (
        new_execution("%(approval_revised)s::uuid", "revised", revision=2),
        "approved_by_a_person",
    ),
    "a live execution of other words than those approved": (
        new_execution("%(approval_on_demand)s::uuid", "on_demand", fingerprint="auto_save"),
        "approved_by_a_person",
    ),
    "a live execution under a neighbour's approval": (
        new_execution("%(neighbours_approval)s::uuid", "on_demand"),
        "approved_by_a_person",
    ),
    "an ended execution that is due": (_EXECUTION.format("due_at = now()"), "ended_executions_are_not_due"),
    "an execution that waits for nothing": (
        _EXECUTION.format("status = 'IN_PROGRESS', finished_at = NULL"),
        "in_progress_is_due_or_pending",
    ),
    "more outcomes than attempts": (_EXECUTION.format("failed = attempted"), "counts_add_up"),
    "a chain of more than sixteen": (_EXECUTION.format("depth = 17"), "execution_depth_check"),
    "a transfer of nothing": (new_transfer("%(income)s::uuid", "%(savings)s::uuid", 0), "transfer_amount_check"),
    "a transfer to where it came from": (
        new_transfer("%(income)s::uuid", "%(income)s::uuid"),
        "money_goes_elsewhere",
    ),
    "a transfer from nobody to nobody": (new_transfer("NULL", "NULL"), "one_end_is_ours"),
    "a complete transfer that was never completed": (
        _TRANSFER.format("completed_at = NULL"),
        "completed_when_complete",
    ),
    "a transfer completed while on its way": (_TRANSFER.format("status = 'PENDING'"), "completed_when_complete"),
    "a failure without a reason": (
        new_transfer("%(income)s::uuid", "%(savings)s::uuid", more="'ERROR', NULL, NULL"),
        "failures_have_a_code",
    ),
    "a reason without a failure": (_TRANSFER.format("error_code = 'NULL_BALANCE'"), "failures_have_a_code"),
    "a transfer from a neighbour's account": (
        new_transfer("%(neighbours_account)s::uuid", "%(savings)s::uuid"),
        "transfer_organization_id_source_account_id_fkey",
    ),
    "a transfer made twice": (
        new_transfer("%(income)s::uuid", "%(savings)s::uuid").replace("%(new)s", "%(deposit)s"),
        "transfer_pkey",
    ),
    "a posting of nothing": (new_posting("income", "savings", 0), "posting_amount_check"),
    "a posting to where it came from": (new_posting("income", "income"), "posting_check"),
    "a posting without a transfer": (
        new_posting("income", "savings", transfer="new"),
        "posting_organization_id_transfer_id_fkey",
    ),
    "a posting made twice": (new_posting("world", "income", sequence=0), "posting_of_transfer"),
    "a cap used below zero": (
        """
        INSERT INTO cap_used (organization_id, rule_id, step, group_index, period, starts_on, used)
        VALUES (%(o)s::uuid, %(rule_on_demand)s::uuid, 0, 0, 'PER_WEEK', '2026-01-05', -1)
        """,
        "cap_used_used_check",
    ),
    "a cap of a neighbour's rule": (
        """
        INSERT INTO cap_used (organization_id, rule_id, step, group_index, period, starts_on, used)
        VALUES (%(o)s::uuid, %(neighbours_rule)s::uuid, 0, 0, 'PER_WEEK', '2026-01-05', 1)
        """,
        "cap_used_organization_id_rule_id_fkey",
    ),
    "a second answer under one key": (
        """
        INSERT INTO idempotency (organization_id, scope, key, body_hash, status, answer, created_at)
        VALUES (%(o)s::uuid, 'deposit', 'first', ''::bytea, 200, ''::bytea, now())
        """,
        "idempotency_pkey",
    ),
}


async def attempt(world: World, statement: str, names: dict[str, object], *, as_owner: bool = False) -> None:
    async def work(tx: WriteTx) -> None:
        if as_owner:
            await execute(tx, AS_OWNER)
        assert await count(tx, statement, names) == 1, "the statement met no row"

    await world.engine.database.write(work)


@pytest.mark.parametrize("what", REFUSED, ids=lambda what: what.replace(" ", "_"))
async def test_the_schema_refuses(world: World, names: dict[str, object], what: str):
    statement, constraint = REFUSED[what]

    with pytest.raises(ConstraintViolated) as refused:
        await attempt(world, statement, names, as_owner=True)

    assert refused.value.constraint == constraint


async def test_a_rehearsal_needs_no_approval(world: World, names: dict[str, object]):
    await attempt(world, new_execution("NULL", "revised", mode="SIMULATION"), names)

    async with world.engine.database.read() as tx:
        rows = await fetch_all(tx, "SELECT mode, approval_id FROM execution WHERE id = %(new)s::uuid", names)
    assert rows == [("SIMULATION", None)]


FORBIDDEN = [
    "UPDATE posting SET amount = amount + 1",
    "DELETE FROM posting",
    "TRUNCATE posting",
    "UPDATE rule_revision SET definition = '{}'",
    "UPDATE rule_revision SET fingerprint = ''",
    "DELETE FROM rule_revision",
    "UPDATE approval SET person_id = id",
    "UPDATE approval SET approved_at = now()",
    "DELETE FROM approval",
    "UPDATE api_key SET grants = '{}'",
    "UPDATE api_key SET secret_hash = ''",
    "DELETE FROM api_key",
    "DELETE FROM execution",
    "DELETE FROM remote_amount",
    "DELETE FROM account",
    "DELETE FROM rule",
    "DELETE FROM organization",
    "DELETE FROM cap_used",
    "UPDATE outbox SET kind = 'x'",
    "UPDATE schema_migration SET sha256 = ''",
    "DROP TABLE posting",
    "ALTER TABLE account DROP CONSTRAINT never_below_floor",
    "CREATE TABLE mine (id int)",
    "ALTER TABLE posting DISABLE TRIGGER ALL",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_application_may_not(world: World, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await attempt(world, statement, {})


async def test_the_application_works_under_its_own_role_from_the_first_statement(world: World):
    async with world.engine.database.read() as tx:
        assert await fetch_all(tx, "SELECT current_user::text") == [("sluiceway_app",)]


async def test_enabling_again_gives_a_new_approval_and_keeps_the_old_one_revoked(world: World):
    record = world.rules["revoked"]
    again = await enable_rule(world.engine, world.person, PASSWORD, record.id, record.fingerprint)

    async with world.engine.database.read() as tx:
        rows = await fetch_all(
            tx,
            "SELECT id, revoked_at IS NULL FROM approval WHERE rule_id = %(rule)s::uuid ORDER BY id",
            {"rule": record.id},
        )
    assert rows == [(record.approval_id, False), (again.approval_id, True)]
