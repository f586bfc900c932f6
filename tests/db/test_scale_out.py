"""Spreading the schema over a cluster: the plan is made of the schema that is there, in an order that Citus accepts."""

import asyncio
from collections.abc import Callable
from typing import LiteralString, cast

import psycopg
import pytest

from sluiceway.services.organizations import create_organization
from sluiceway.settings import Settings
from sluiceway.storage.database import ConstraintViolated, Database, WriteTx, execute, fetch_all
from sluiceway.storage.scale_out import (
    ON_EVERY_NODE,
    ON_THE_COORDINATOR,
    ForeignKey,
    ScaleOutRefused,
    Table,
    keep_spread,
    plan,
    plan_scale_out,
    scale_out,
)
from sluiceway.wiring import open_database
from tests.db.citus import install, spread
from tests.support import plain_engine

_TABLES = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
_KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' ORDER BY 1, 2
"""


def table(name: str) -> Table:
    return Table(name, f"spread {name}", f"copy {name}")


def key(name: str, references: str) -> ForeignKey:
    return ForeignKey(name, references, f"{name}_{references}", f"drop {name}_{references}", f"add {name}_{references}")


@pytest.fixture
def cluster_url(database_url: str) -> str:
    return install(database_url)


def change(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement.encode())


def ask(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


async def test_everything_is_spread_by_organization_but_credentials_which_are_everywhere(cluster_url: str):
    done = await scale_out(cluster_url)

    every_table = {name for (name,) in ask(cluster_url, _TABLES)}
    found = spread(cluster_url)
    assert {name for name, column in found.items() if column == "everywhere"} == set(ON_EVERY_NODE)
    assert {name: column for name, column in found.items() if column not in {"everywhere", "organization_id"}} == {
        "organization": "id"
    }
    assert found.keys() == every_table - set(ON_THE_COORDINATOR)
    assert sorted(name for step in done for name in step.tables) == sorted(found)


async def test_the_foreign_keys_are_the_same_afterwards(cluster_url: str):
    before = ask(cluster_url, _KEYS)

    await scale_out(cluster_url)

    assert ask(cluster_url, _KEYS) == before


async def test_the_plan_is_what_is_done_and_the_second_time_there_is_nothing_to_do(cluster_url: str):
    planned = await plan_scale_out(cluster_url)

    assert spread(cluster_url) == {}
    assert await scale_out(cluster_url) == planned
    assert await plan_scale_out(cluster_url) == []
    assert await scale_out(cluster_url) == []


@pytest.mark.parametrize("obstacle", ["account", "rule_revision", "transfer"])
async def test_what_was_cut_off_goes_on_from_there(cluster_url: str, obstacle: str):
    # A table that may not be spread, until somebody helps.
    change(cluster_url, f"CREATE UNIQUE INDEX in_the_way ON {obstacle} (created_at)")
    keys = ask(cluster_url, _KEYS)
    with pytest.raises(ScaleOutRefused, match="in_the_way"):
        await scale_out(cluster_url)
    before = spread(cluster_url)
    assert obstacle not in before
    assert ask(cluster_url, _KEYS) == keys

    change(cluster_url, "DROP INDEX in_the_way")
    left = await scale_out(cluster_url)

    assert obstacle in {name for step in left for name in step.tables}
    assert not before.keys() & {name for step in left for name in step.tables}
    assert await plan_scale_out(cluster_url) == []


async def test_many_at_once_do_it_once(cluster_url: str):
    done = await asyncio.gather(*[scale_out(cluster_url) for _ in range(4)])

    tables = [name for each in done for step in each for name in step.tables]
    assert sorted(tables) == sorted(spread(cluster_url))


async def test_a_table_that_a_later_version_adds_is_found(cluster_url: str):
    await scale_out(cluster_url)
    change(cluster_url, "CREATE TABLE later (organization_id uuid REFERENCES organization)")

    [step] = await plan_scale_out(cluster_url)

    assert step.statements == (
        "SELECT create_distributed_table('later', 'organization_id', colocate_with => 'organization')",
    )


async def test_without_citus_it_says_what_is_missing(database_url: str):
    for attempt in (plan_scale_out, scale_out):
        with pytest.raises(ScaleOutRefused, match="no Citus"):
            await attempt(database_url)


async def test_without_nodes_it_says_what_is_missing(database_url: str):
    url = install(database_url, nodes=0)

    for attempt in (plan_scale_out, scale_out):
        with pytest.raises(ScaleOutRefused, match="citus_add_node"):
            await attempt(url)


async def test_a_new_cluster_is_spread_by_starting(cluster_url: str):
    settings = Settings(database_url=cluster_url, organizations_per_transaction=1, allow_unsafe_postgres=True)

    async with open_database(settings) as database:
        await create_organization(plain_engine(database), "first", is_sandbox=True)

    assert spread(cluster_url).keys() >= {"organization", "account", "api_key"}
    assert await plan_scale_out(cluster_url) == []


async def test_what_holds_rows_waits_for_the_command(cluster_url: str):
    async with Database(cluster_url) as database:
        await create_organization(plain_engine(database), "first", is_sandbox=True)

    waiting = await keep_spread(cluster_url, 1)

    assert {"organization", "audit_head", "feed", "account"} <= set(waiting)
    assert set(spread(cluster_url)) <= set(ON_EVERY_NODE)
    await scale_out(cluster_url)
    assert await keep_spread(cluster_url, 1) == []


@pytest.mark.parametrize("at_once", [None, 2])
async def test_what_is_spread_is_not_used_by_several_organizations_at_once(cluster_url: str, at_once: int | None):
    assert await keep_spread(cluster_url, at_once) == []
    assert spread(cluster_url) == {}
    await scale_out(cluster_url)

    with pytest.raises(ScaleOutRefused, match="ORGANIZATIONS_PER_TRANSACTION=1"):
        await keep_spread(cluster_url, at_once)


async def test_a_server_without_citus_is_left_alone(database_url: str):
    for at_once in (None, 1):
        assert await keep_spread(database_url, at_once) == []


async def test_where_citus_is_nobody_becomes_a_role_that_cannot_log_in(cluster_url: str, database_url: str):
    who: dict[str, str] = {}
    for url in (database_url, cluster_url):
        async with Database(url) as database, database.read() as tx:
            [(who[url],)] = await fetch_all(tx, "SELECT current_user")

    assert who[database_url] == "sluiceway_app"
    assert who[cluster_url] != "sluiceway_app"


@pytest.mark.parametrize("kind", ["unique_violation", "foreign_key_violation", "check_violation"])
async def test_a_constraint_of_a_shard_has_the_name_that_we_gave_it(database: Database, kind: str):
    # As Citus hands it on: the message of the node, and none of its fields.
    failure = (
        f"""DO $$ BEGIN RAISE {kind} USING MESSAGE = 'this violates constraint "idempotency_pkey_102140"'; END $$"""
    )

    async def work(tx: WriteTx) -> None:
        await execute(tx, cast("LiteralString", failure))

    with pytest.raises(ConstraintViolated) as refused:
        await database.write(work)

    assert refused.value.constraint == "idempotency_pkey"


def test_what_is_referred_to_comes_first():
    tables = [table(name) for name in ("a", "b", "organization", "z")]

    steps = plan(tables, [key("a", "z"), key("z", "b")], ())

    assert [step.tables for step in steps] == [("organization",), ("b",), ("z",), ("a",)]


def test_a_circle_is_opened_and_closed_in_one_transaction():
    tables = [table(name) for name in ("a", "b", "c", "organization")]

    *_, step = plan(tables, [key("a", "b"), key("b", "c"), key("c", "a")], ())

    assert step.tables == ("a", "b", "c")
    assert step.statements[1:] == (
        "drop a_b", "drop b_c", "spread a", "spread b", "spread c", "add a_b", "add b_c",
    )  # fmt: skip


def test_what_is_spread_already_is_left_out():
    assert plan([table("organization"), table("a")], [key("a", "organization")], {"organization", "a"}) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda: plan([table("organization"), Table("lost", None, "copy lost")], [], ()), "where lost belongs"),
        (lambda: plan([table("api_key"), table("organization")], [key("api_key", "organization")], ()), "every node"),
    ],
)
def test_what_has_no_place_is_refused(wrong: Callable[[], object], complaint: str):
    with pytest.raises(ScaleOutRefused, match=complaint):
        wrong()
