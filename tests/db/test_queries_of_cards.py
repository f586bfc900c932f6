"""What is read of cards walks an index, whatever lies behind it; a posting is in the index of what it is of."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from sluiceway.storage.card_transactions import QUERIES as TRANSACTIONS
from sluiceway.storage.cards import QUERIES as CARDS
from sluiceway.storage.database import Database
from sluiceway.storage.transfers import QUERIES as TRANSFERS
from tests.cards import issue
from tests.db.test_queries_of_storage import explain, nodes
from tests.support import World, first_story, plain_engine

_ROWS = 50_000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
# One pod has a card in a hundred. Two cards share the history, some of it declined, and a third is seldom used.
_FILL = """
    INSERT INTO card (organization_id, id, account_id, kind, type, status, last_four, holder_name, expires_on,
                      created_at)
    SELECT %(o)s::uuid, gen_random_uuid(), CASE WHEN n %% 100 = 0 THEN %(pod)s::uuid ELSE %(other_pod)s::uuid END,
           'DEBIT_CARD', 'VIRTUAL', 'LOST', '0000', 'Holder', '2028-01-31', %(now)s
    FROM generate_series(1, %(rows)s) AS n;
    INSERT INTO card_transaction (organization_id, id, card_id, account_id, direction, subtype, status, decline_reason,
                                  amount, description, created_at, completed_at)
    SELECT %(o)s::uuid, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
           CASE WHEN n %% 4 = 0 THEN %(card)s::uuid WHEN n %% 10000 = 6 THEN %(seldom)s::uuid
                ELSE %(other_card)s::uuid END,
           CASE WHEN n %% 2 = 0 THEN %(pod)s::uuid ELSE %(other_pod)s::uuid END, 'MONEY_OUT', 'PURCHASE',
           CASE WHEN n %% 8 = 0 THEN 'DECLINED' ELSE 'COMPLETE' END,
           CASE WHEN n %% 8 = 0 THEN 'INSUFFICIENT_FUNDS' END, 100, '', moment, CASE WHEN n %% 8 <> 0 THEN moment END
    FROM generate_series(1, %(rows)s) AS n, LATERAL (SELECT %(now)s::timestamptz + n * interval '1 second' AS moment) m;
    INSERT INTO posting (organization_id, card_transaction_id, sequence, kind, debit_account_id, credit_account_id,
                         amount, debit_after, credit_after, posted_at)
    SELECT organization_id, id, 0, 'post', account_id, %(world)s::uuid, amount, 0, 0, created_at
    FROM card_transaction WHERE status = 'COMPLETE';
    INSERT INTO transfer (organization_id, id, source_account_id, destination_account_id, amount, direction, origin,
                          status, created_at, completed_at)
    SELECT %(o)s::uuid, ('01910000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, %(pod)s::uuid,
           %(other_pod)s::uuid, 100, 'INTERNAL', 'USER', 'COMPLETE', %(now)s, %(now)s
    FROM generate_series(1, %(rows)s) AS n;
    INSERT INTO posting (organization_id, transfer_id, sequence, kind, debit_account_id, credit_account_id, amount,
                         debit_after, credit_after, posted_at)
    SELECT organization_id, id, 0, 'post', source_account_id, destination_account_id, 100, 0, 0, created_at
    FROM transfer;
"""
PLANS = pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def names(module_database_url: str) -> AsyncGenerator[dict[str, Any]]:
    """Fill an organization with cards and what they did."""
    async with Database(module_database_url) as database:
        world: World = await first_story(plain_engine(database))
        card, other, seldom = [await issue(world, account) for account in ("savings", "emergency", "savings")]
        with psycopg.connect(module_database_url, autocommit=True) as conn:
            [world_id] = conn.execute("SELECT id FROM account WHERE kind = 'WORLD'").fetchone() or ()
            names: dict[str, Any] = {
                "o": world.organization_id,
                "pod": world.accounts["savings"],
                "other_pod": world.accounts["emergency"],
                "card": card.id,
                "other_card": other.id,
                "seldom": seldom.id,
                "world": world_id,
                "rows": _ROWS,
                "now": _NOW,
            }
            psycopg.ClientCursor(conn).execute(_FILL, names)
            conn.execute("VACUUM ANALYZE")
        yield names


def common(names: dict[str, Any]) -> dict[str, Any]:
    return {"organization_id": names["o"], "limit": 20, "offset": 0, "account_id": names["pod"]}


@PLANS
@pytest.mark.parametrize(
    ("query", "more"),
    [
        ("transactions_of_card", {"status": "COMPLETE"}),
        ("transactions_of_card", {"direction": "MONEY_OUT"}),
        ("transactions_of_card", {"before_id": "01900000-0000-7000-8000-000000006000"}),
        ("transactions_of_card", {"from_at": _NOW, "to_at": _NOW + timedelta(days=1)}),
        ("transactions_of_account", {}),
        ("transactions_of_account", {"from_at": _NOW, "to_at": _NOW + timedelta(days=1)}),
        ("transactions_of_account", {"card_id": "card"}),
    ],
)
def test_a_page_of_card_transactions_costs_a_page(
    names: dict[str, Any], module_database_url: str, query: str, more: dict[str, Any], plans: str
):
    parameters = common(names) | more
    parameters["card_id"] = names["card"] if query == "transactions_of_card" or "card_id" in more else None

    plan = explain(module_database_url, TRANSACTIONS[query], parameters, plans)

    assert plan["Actual Rows"] == 20
    assert not any(node["Node Type"] == "Seq Scan" and node["Relation Name"] != "account" for node in nodes(plan))
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 300


@PLANS
def test_a_card_that_is_seldom_used_is_not_looked_for_among_all_others(
    names: dict[str, Any], module_database_url: str, plans: str
):
    parameters = common(names) | {"card_id": names["seldom"]}

    plan = explain(module_database_url, TRANSACTIONS["transactions_of_account"], parameters, plans)

    assert plan["Actual Rows"] == 5
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 300


@PLANS
def test_a_later_page_costs_what_it_passes(names: dict[str, Any], module_database_url: str, plans: str):
    parameters = common(names) | {"offset": 2_000, "card_id": None}

    plan = explain(module_database_url, TRANSACTIONS["transactions_of_account"], parameters, plans)

    assert plan["Actual Rows"] == 20
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 3_000


@PLANS
@pytest.mark.parametrize("more", [{}, {"status": "LOST", "type": "VIRTUAL"}])
def test_a_page_of_cards_costs_a_page(
    names: dict[str, Any], module_database_url: str, more: dict[str, Any], plans: str
):
    plan = explain(module_database_url, CARDS["list_cards"], common(names) | more, plans)

    assert plan["Actual Rows"] == 20
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes(plan))
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 300


@PLANS
@pytest.mark.parametrize("query", ["find_card", "lock_cards", "has_active_card"])
def test_a_card_is_found_at_once(names: dict[str, Any], module_database_url: str, query: str, plans: str):
    parameters = common(names) | {
        "id": names["card"],
        "organization_ids": [names["o"]],
        "ids": [names["card"]],
        "only": names["o"],
    }

    plan = explain(module_database_url, CARDS[query], parameters, plans)

    # An account may have many cards of which none is active: those are looked through.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < (600 if query == "has_active_card" else 20)
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes(plan))


@PLANS
def test_the_postings_of_a_transfer_are_found_by_its_own_index(
    names: dict[str, Any], module_database_url: str, plans: str
):
    ids = [f"01910000-0000-7000-8000-{n:012x}" for n in range(1, 101)]

    plan = explain(module_database_url, TRANSFERS["on_the_way"], {"organization_id": names["o"], "ids": ids}, plans)

    [looked_up] = [node for node in nodes(plan) if node.get("Relation Name") == "posting"]
    assert looked_up["Index Name"] == "posting_of_transfer"
    assert looked_up["Actual Loops"] == 100


def test_a_posting_is_written_into_one_index(module_database_url: str):
    with psycopg.connect(module_database_url, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT c.relname, pg_get_expr(i.indpred, i.indrelid) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'posting'::regclass ORDER BY 1"
        ).fetchall()

    # Each posting is of exactly one of the two, so it is in exactly one of these.
    assert rows == [
        ("posting_of_card_transaction", "(card_transaction_id IS NOT NULL)"),
        ("posting_of_transfer", "(transfer_id IS NOT NULL)"),
    ]
