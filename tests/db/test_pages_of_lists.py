"""Numbered pages of what happened on external accounts walk the index, whatever lies behind them."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.storage.database import Database
from sluiceway.storage.feeds import QUERIES
from tests.db.test_queries_of_storage import explain, nodes
from tests.support import World, first_story, plain_engine

_ROWS = 50_000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_FILL = """
    INSERT INTO external_transaction (organization_id, account_id, bank_id, id, amount, happened_at, recorded_at)
    SELECT %(organization)s::uuid, %(account)s::uuid, n::text, gen_random_uuid(), n - %(rows)s / 2,
           %(now)s::timestamptz + n * interval '1 minute', %(now)s
    FROM generate_series(1, %(rows)s) AS n
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_database_url: str) -> AsyncGenerator[World]:
    """Fill two accounts with history."""
    async with Database(module_database_url) as database:
        world = await first_story(plain_engine(database))
        for name in ("one", "other"):
            account = await world.account(name, AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
            names = {"organization": world.organization_id, "account": account, "rows": _ROWS, "now": _NOW}
            with psycopg.connect(module_database_url, autocommit=True) as conn:
                conn.execute(_FILL, names)
        with psycopg.connect(module_database_url, autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE external_transaction")
        yield world


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
@pytest.mark.parametrize(("offset", "blocks"), [(0, 400), (1_000, 3_000)])
def test_a_page_of_external_transactions_costs_what_it_passes(
    world: World, module_database_url: str, plans: str, offset: int, blocks: int
):
    parameters: dict[str, Any] = {
        "organization_id": world.organization_id,
        "account_ids": [world.accounts["one"], world.accounts["other"]],
        "from_at": _NOW,
        "to_at": _NOW + timedelta(days=90),
        "offset": offset,
        "limit": 20,
    }

    plan = explain(module_database_url, QUERIES["list_transactions"], parameters, plans)

    assert plan["Actual Rows"] == 20
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes(plan))
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < blocks
