"""Webhooks cost no more with history behind them: a month of events and messages slows nothing that is looked up."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from sluiceway.domain.ids import least_id
from sluiceway.storage import outbox, retention, webhooks
from sluiceway.storage.database import Database
from tests.db.test_queries_of_storage import explain, nodes
from tests.support import World, new_world, plain_engine

_ROWS = 30_000
_NOW = datetime(2027, 1, 1, tzinfo=UTC)
_ENDPOINT = "01900000-0000-7000-8000-0000000000ff"
_FILL = f"""
    INSERT INTO webhook_endpoint (organization_id, id, url, events, secret, created_at)
    VALUES (%(o)s::uuid, '{_ENDPOINT}', 'https://hooks.example.com/', '{{*}}', 'whsec_x', now());
    INSERT INTO outbox (organization_id, id, kind, subject_id, created_at, is_pending)
    SELECT %(o)s::uuid, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'transfer.created',
           gen_random_uuid(), now(), n > {_ROWS - 3}
    FROM generate_series(1, {_ROWS}) AS n;
    INSERT INTO webhook_delivery (organization_id, id, endpoint_id, event_id, kind, body, status, created_at)
    SELECT organization_id, id, '{_ENDPOINT}', id, kind, '{{}}',
           CASE WHEN is_pending THEN 'PENDING' ELSE 'DELIVERED' END, created_at
    FROM outbox
"""  # noqa: S608 -- constants


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_database_url: str) -> AsyncGenerator[World]:
    async with Database(module_database_url) as database:
        made = await new_world(plain_engine(database))
        async with await psycopg.AsyncConnection.connect(module_database_url, autocommit=True) as conn:
            await psycopg.AsyncClientCursor(conn).execute(_FILL.encode(), {"o": made.organization_id})
            await conn.execute("VACUUM ANALYZE")
        yield made


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
@pytest.mark.parametrize(
    ("statement", "blocks"),
    [
        (webhooks.QUERIES["organizations_with_events"], 30),
        (webhooks.QUERIES["organizations_with_messages"], 30),
        (outbox.QUERIES["pending_events"], 30),
        (outbox.QUERIES["events_between"], 30),
        (retention.QUERIES["organizations_with_old_events"], 30),
        (retention.QUERIES["organizations_with_old_deliveries"], 30),
        (webhooks.QUERIES["next_delivery"], 30),
        (webhooks.QUERIES["list_deliveries"], 60),
        (webhooks.QUERIES["find_delivery"], 10),
        (retention.QUERIES["forget_events"], 200),
        (retention.QUERIES["forget_deliveries"], 300),
        (outbox.QUERIES["end_pending"], 60),
    ],
    ids=lambda value: value.split("*/")[0].removeprefix("/* ").strip() if isinstance(value, str) else None,
)
def test_what_webhooks_look_up_costs_what_it_finds(
    world: World, module_database_url: str, statement: str, blocks: int, plans: str
):
    parameters: dict[str, Any] = {
        "organization_id": world.organization_id,
        "endpoint_id": _ENDPOINT,
        "now": _NOW,
        "limit": 20,
        "from_id": f"01900000-0000-7000-8000-{_ROWS // 2:012x}",
        "to_id": least_id(_NOW),
        "before_id": f"01900000-0000-7000-8000-{_ROWS // 2:012x}",
        "id": f"01900000-0000-7000-8000-{1:012x}",
        "ids": [f"01900000-0000-7000-8000-{_ROWS:012x}"],
        "is_failing": False,
    }
    if "forget_" in statement:
        parameters["from_id"] = least_id(datetime(1970, 1, 1, tzinfo=UTC))
    if "old_" in statement:
        parameters["before_id"] = least_id(datetime(2000, 1, 1, tzinfo=UTC))

    plan = explain(module_database_url, statement, parameters, plans)

    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan) if "outbox" in node.get("Relation Name", "")}
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= blocks
