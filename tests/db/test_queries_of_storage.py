"""Promises about the statements of storage: they lock in an order, and history does not slow them."""

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from sluiceway import storage
from sluiceway.storage.database import SESSION, Database
from sluiceway.storage.queries import parse
from tests.support import World, first_story, plain_engine

_STATEMENTS = {
    f"{file.stem}.{name}": statement
    for file in sorted(Path(storage.__file__).parent.glob("*.sql"))
    for name, statement in parse(file.read_text(encoding="utf-8"), file.name).items()
}
_ROWS = 50_000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", [name for name, text in _STATEMENTS.items() if "FOR " in text and "UPDATE" in text])
def test_what_locks_says_in_which_order_and_leaves_foreign_keys_alone(name: str):
    text = " ".join(_STATEMENTS[name].split())

    assert re.search(r"ORDER BY [^()]+ (LIMIT \S+ )?FOR NO KEY UPDATE", text), f"{name} locks in no order"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_database_url: str) -> AsyncGenerator[World]:
    """Fill a database with history: one busy rule, ten thousand quiet ones beside it in another organization."""
    async with Database(module_database_url) as database:
        world = await first_story(plain_engine(database))
        neighbour = await first_story(plain_engine(database))
        with psycopg.connect(module_database_url, autocommit=True) as conn:
            fill(conn, world, "01900000", _ROWS)
            fill(conn, neighbour, "01900001", _ROWS)
            conn.execute("VACUUM ANALYZE")
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def newcomer(world: World, module_database_url: str) -> World:
    """Add an organization of which no statistics know yet, because others have so much more history."""
    made = await first_story(world.engine)
    with psycopg.connect(module_database_url, autocommit=True) as conn:
        fill(conn, made, "01900002", _ROWS // 10)
    return made


def fill(conn: psycopg.Connection, owner: World, prefix: str, rows: int) -> None:
    """Give an organization executions and transfers."""
    rule = owner.rules["auto_save"]
    names = {
        "organization": owner.organization_id,
        "rule": rule.id,
        "approval": rule.approval_id,
        "fingerprint": rule.fingerprint,
        "income": owner.accounts["income"],
        "savings": owner.accounts["savings"],
        "prefix": prefix,
        "rows": rows,
        "now": _NOW,
    }
    conn.execute(_EXECUTIONS, names)
    conn.execute(_TRANSFERS, names)


# Every hundredth is still due, so that the claim has something to find.
_EXECUTIONS = """
    INSERT INTO execution (organization_id, id, rule_id, revision, fingerprint, approval_id, trigger_type, origin_id,
                           status, due_at, created_at, finished_at)
    SELECT %(organization)s::uuid, row_id, %(rule)s::uuid, 1, %(fingerprint)s, %(approval)s::uuid, 'MANUAL',
           CASE WHEN n %% 2 = 0 THEN row_id ELSE md5((n / 10)::text)::uuid END,
           CASE WHEN n %% 100 = 0 THEN 'IN_PROGRESS' ELSE 'EXECUTED' END,
           CASE WHEN n %% 100 = 0 THEN moment END, moment,
           CASE WHEN n %% 100 <> 0 THEN moment END
    FROM generate_series(1, %(rows)s) AS n,
         LATERAL (SELECT (%(prefix)s || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS row_id,
                         %(now)s::timestamptz + n * interval '1 second' AS moment) AS made
"""
_TRANSFERS = """
    INSERT INTO transfer (organization_id, id, execution_id, rule_id, step, action, part, source_account_id,
                          destination_account_id, amount, direction, origin, status, created_at, completed_at)
    SELECT organization_id, md5(id::text)::uuid, id, rule_id, 0, 0, 0, %(income)s::uuid, %(savings)s::uuid, 1000,
           'INTERNAL', 'RULE', 'COMPLETE', created_at, created_at
    FROM execution WHERE organization_id = %(organization)s::uuid
"""


def with_parameters(world: World, name: str, prefix: str = "01900000") -> dict[str, Any]:
    """Give a statement what a busy day would give it."""
    executions = [f"{prefix}-0000-7000-8000-{n:012x}" for n in range(1, 501)]
    batch = len(executions)
    common: dict[str, Any] = {
        "organization_id": world.organization_id,
        "organization_ids": [world.organization_id] * batch,
        "only": world.organization_id,
        "rule_id": world.rules["auto_save"].id,
        "now": _NOW + timedelta(days=30),
        "at": _NOW + timedelta(days=30),
        "id": executions[0],
        "limit": 20,
        "offset": 0,
        "account_ids": [world.accounts["income"], world.accounts["savings"]],
        "as_source": True,
        "as_destination": True,
        "mode": "LIVE",
        "origin_ids": executions[:100],
        "ids": executions,
        "statuses": ["EXECUTED"] * batch,
        "conditions_not_met": [False] * batch,
        "transfer_ids": [""] * batch,
        **{key: [0] * batch for key in ("steps", "attempted", "completed", "failed", "pending")},
        **{key: [None] * batch for key in ("error_messages", "traces")},
    }
    due = [f"{prefix}-0000-7000-8000-{n:012x}" for n in range(100, _ROWS + 1, 100)]
    each = {"status": "EXECUTED", "completed": 0, "failed": 0, "pending": 0}
    clocks = {"nows": [_NOW + timedelta(days=30)], "each": 500}
    wanted = {
        "executions.claim_executions": {"organization_ids": [world.organization_id], **clocks},
        "executions.send_to_gather": {"ids": due, "organization_ids": [world.organization_id] * len(due)},
        "executions.end_gathering": {"id": due[0]},
        "executions.retry_gathering": {"id": due[0], "retry_at": _NOW},
        "executions.recount_execution": each,
        "retention.forget_simulated_transfers": {"transfer_ids": executions},
        "transfers.move_on": {
            "statuses": ["COMPLETE"] * batch,
            "ats": [_NOW] * batch,
            "are_decided": [False] * batch,
            **{
                key: [None] * batch
                for key in ("error_codes", "status_reasons", "returned_ats", "return_codes", "decided_bys")
            },
        },
    }
    return {**common, **wanted.get(name, {})}


_PLANNED = [
    name
    for name, text in _STATEMENTS.items()
    if re.search(r"(FROM|UPDATE|JOIN) (execution|transfer)\b", text) and not name.startswith("audit.")
]
"""All that reads history, but the audit, whose business is to read all of it."""


def explain(url: str, statement: str, parameters: dict[str, Any], plans: str | None = None) -> dict[str, Any]:
    """Plan and run a statement as the server does for one that has been run ten times, or always for any values.

    Without `plans`: as in the application's sessions.
    """
    with psycopg.connect(url) as conn:
        conn.execute(SESSION, {"role": "nobody"})
        if plans is not None:
            conn.execute(f"SET plan_cache_mode = {plans}".encode())
        planned = Planned(conn, statement)
        for _ in range(10):
            planned.explain(parameters, "COSTS OFF")
        plan = planned.explain(parameters)
        conn.rollback()
    return plan


class Planned:
    """A statement that a connection has prepared."""

    def __init__(self, conn: psycopg.Connection, statement: str, name: str = "planned") -> None:
        self._cursor = psycopg.ClientCursor(conn)
        self._names: list[str] = []
        numbered = re.sub(r"%\((\w+)\)s", self._number, statement)
        conn.execute(f"PREPARE {name} AS {numbered}".encode())
        self._call = f"{name}({', '.join(['%s'] * len(self._names))})" if self._names else name

    def _number(self, matched: re.Match[str]) -> str:
        if matched[1] not in self._names:
            self._names.append(matched[1])
        return f"${self._names.index(matched[1]) + 1}"

    def explain(self, parameters: Mapping[str, Any], how: str = "ANALYZE, BUFFERS, TIMING OFF") -> dict[str, Any]:
        """Plan it for these parameters, and run it unless `how` says otherwise; those that are missing are NULL."""
        values = [parameters.get(name) for name in self._names]
        self._cursor.execute(f"EXPLAIN ({how}, FORMAT JSON) EXECUTE {self._call}".encode(), values)
        row = self._cursor.fetchone()
        assert row is not None
        return row[0][0]["Plan"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("name", _PLANNED)
def test_no_statement_walks_all_of_history(world: World, module_database_url: str, name: str, plans: str):
    plan = explain(module_database_url, _STATEMENTS[name], with_parameters(world, name), plans)

    whole = [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    assert not {"transfer", "execution"} & set(whole), f"{name} reads a whole table"


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("name", ["transfers.list_transfers", "executions.list_executions"])
@pytest.mark.parametrize("position", ["the newest page", "a page in the middle", "a page from a time on"])
def test_a_page_of_history_costs_a_page(world: World, module_database_url: str, name: str, position: str, plans: str):
    middle = {
        "the newest page": {},
        "a page in the middle": {"before_id": "80000000-0000-7000-8000-000000000000"},
        "a page from a time on": {"from_at": _NOW, "to_at": _NOW + timedelta(days=30)},
    }
    if name == "executions.list_executions":
        middle["a page in the middle"] = {"before_id": f"01900000-0000-7000-8000-{_ROWS // 2:012x}"}
    parameters = with_parameters(world, name) | middle[position]

    plan = explain(module_database_url, _STATEMENTS[name], parameters, plans)

    assert plan["Actual Rows"] == 20
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 400, f"{name} reads far more than it shows"


@pytest.mark.parametrize("name", [name for name in _PLANNED if "%(ids)s" in _STATEMENTS[name]])
def test_a_batch_of_an_organization_that_is_new_is_looked_up_by_key(
    newcomer: World, module_database_url: str, name: str
):
    parameters = with_parameters(newcomer, name, "01900002")

    plan = explain(module_database_url, _STATEMENTS[name], parameters)

    for node in nodes(plan):
        looked_at = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        assert looked_at <= 2 * len(parameters["ids"]), f"{name} reads the organization, not the batch"
