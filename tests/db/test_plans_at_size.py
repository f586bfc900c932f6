"""Whatever an API lists, with whatever filter, walks an index and costs a page, with a million rows behind it.

The lists are found among the operations, and their filters among their parameters: a new one is looked at as well.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest
import pytest_asyncio

from sluiceway.api.http import After, Choice, First, Generation, Ids, Instant, Named, Operation, Whole
from sluiceway.api.http.queries import Parameter
from sluiceway.api.platform.app import PLATFORM
from sluiceway.api.remote.app import REMOTE
from sluiceway.api.v1.app import V1
from sluiceway.domain.endings import Ending
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, OrganizationId, RuleId, TransferId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.rules import TriggerType
from sluiceway.domain.transfers import Direction, Mode, Origin, TransferStatus
from sluiceway.services.account_pages import account_page, balance_history, list_pages, movements
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.money_map import Period, money_map
from sluiceway.services.overview import overview
from sluiceway.services.runs import get_run, list_runs
from sluiceway.services.transfers import latest_transfers
from sluiceway.storage.database import SESSION, Database
from sluiceway.storage.line import Connection
from tests.api.client import Api, open_api
from tests.api.remote.client import open_remote
from tests.cards import issue
from tests.db.test_queries_of_storage import Planned, nodes
from tests.support import first_story, plain_engine

ROWS: Final = 1_000_000
NEWEST: Final = datetime.now(UTC).replace(microsecond=0)
"""The time of the last row; the others are a second apart."""
SINCE: Final = NEWEST - timedelta(minutes=5)
MOST_BLOCKS: Final = 15
"""Of 8 kB, for each row of a page: itself, what else is looked up for it by key, and what was passed over."""
MOST_PASSED_OVER: Final = 40
"""Rows that were looked at and not wanted, for each row of a page: each filter wants at least one of ten."""
A_LITTLE: Final = 100
"""As many rows or blocks may be read for any page, however short."""

# Nothing here is about foreign keys, which would take most of the time. An account or rule has rows of others between
# its own, and rows of every value that can be asked for. Ids and times go together.
_FILL: Final = """
    CREATE UNLOGGED TABLE made AS
    SELECT n, moment, (left(ms, 8) || '-' || right(ms, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS row_id
    FROM generate_series(1, %(rows)s) AS n,
         LATERAL (SELECT %(newest)s::timestamptz - (%(rows)s - n) * interval '1 second' AS moment) AS m,
         LATERAL (SELECT lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') AS ms) AS h;
    INSERT INTO account (organization_id, id, kind, external_kind, currency, name, created_at, updated_at, deleted_at)
    SELECT %(o)s::uuid, row_id, (ARRAY['POD', 'INCOME_SOURCE', 'EXTERNAL_ACCOUNT'])[1 + n / 20 %% 3],
           CASE WHEN n / 20 %% 3 = 2 THEN 'DEPOSITORY' END, 'USD', 'Account ' || n, moment, moment,
           CASE WHEN n %% 100 = 0 THEN moment END
    FROM made WHERE n %% 20 = 0;
    INSERT INTO rule (organization_id, id, revision, fingerprint, trigger_type, source_account_id, position, created_at,
                      updated_at)
    SELECT %(o)s::uuid, row_id, 1, '', 'MANUAL', CASE WHEN n %% 40 = 0 THEN %(income)s::uuid ELSE %(savings)s::uuid END,
           n, moment, moment
    FROM made WHERE n %% 20 = 0;
    INSERT INTO rule_revision (organization_id, rule_id, revision, definition, fingerprint, created_at)
    SELECT r.organization_id, r.id, 1, v.definition, '', r.created_at
    FROM rule r, rule_revision v WHERE r.fingerprint = '' AND v.rule_id = %(rule)s::uuid;
    INSERT INTO execution (organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type,
                           origin_id, status, due_at, created_at, finished_at, attempted, completed, trace)
    SELECT %(o)s::uuid, row_id, CASE WHEN n %% 2 = 0 THEN %(rule)s::uuid ELSE md5((n %% 99)::text)::uuid END, 1,
           %(fingerprint)s, %(approval)s::uuid, CASE WHEN n %% 5 < 2 THEN 'SIMULATION' ELSE 'LIVE' END,
           (%(triggers)s::text[])[1 + n / 10 %% 5], row_id,
           (ARRAY['EXECUTED', 'PARTIAL', 'FAILED', 'IN_PROGRESS'])[1 + n / 2 %% 4],
           CASE WHEN n / 2 %% 4 = 3 THEN moment END, moment, CASE WHEN n / 2 %% 4 <> 3 THEN moment END, 2, 2, '[[],[]]'
    FROM made;
    INSERT INTO transfer (organization_id, id, execution_id, source_account_id, destination_account_id, amount,
                          direction, origin, mode, status, error_code, approval_expires_at, created_at, completed_at)
    SELECT %(o)s::uuid, row_id, row_id, CASE WHEN n %% 3 = 0 THEN %(income)s::uuid ELSE %(emergency)s::uuid END,
           CASE WHEN n %% 3 = 1 THEN %(income)s::uuid ELSE %(savings)s::uuid END, 100,
           (ARRAY['MONEY_IN', 'MONEY_OUT', 'INTERNAL'])[1 + n / 3 %% 3],
           (%(origins)s::text[])[1 + n / 3 %% cardinality(%(origins)s::text[])],
           CASE WHEN n %% 5 < 2 THEN 'SIMULATION' ELSE 'LIVE' END, status,
           CASE WHEN status IN ('INCOMPLETE', 'ERROR') THEN 'X' END,
           CASE WHEN status = 'PENDING_APPROVAL' THEN moment END, moment,
           CASE WHEN status = 'COMPLETE' THEN moment END
    FROM made, LATERAL (SELECT (%(statuses)s::text[])[1 + n / 3 %% 7] AS status) AS s;
    INSERT INTO external_transaction (organization_id, account_id, bank_id, id, amount, happened_at, recorded_at)
    SELECT %(o)s::uuid, CASE WHEN n %% 2 = 0 THEN %(checking)s::uuid ELSE %(loan)s::uuid END, n::text, row_id,
           CASE WHEN n %% 3 = 0 THEN 5 ELSE -5 END, moment, moment
    FROM made;
    INSERT INTO card (organization_id, id, account_id, kind, type, status, last_four, holder_name, expires_on,
                      created_at)
    SELECT %(o)s::uuid, row_id, %(income)s::uuid, 'DEBIT_CARD', (ARRAY['VIRTUAL', 'PHYSICAL'])[1 + n / 20 %% 2],
           (ARRAY['INACTIVE', 'ACTIVE', 'FROZEN', 'STOLEN', 'LOST'])[1 + n / 40 %% 5], '0000', '', '2028-01-31', moment
    FROM made WHERE n %% 20 = 0;
    INSERT INTO card_transaction (organization_id, id, card_id, account_id, direction, subtype, status, amount,
                                  description, decline_reason, created_at, completed_at)
    SELECT %(o)s::uuid, row_id, CASE WHEN n %% 2 = 0 THEN %(card)s::uuid ELSE %(other_card)s::uuid END,
           %(income)s::uuid, CASE WHEN n / 2 %% 3 = 0 THEN 'MONEY_IN' ELSE 'MONEY_OUT' END,
           CASE WHEN n / 2 %% 3 = 0 THEN 'REFUND' ELSE 'PURCHASE' END,
           CASE WHEN n / 2 %% 3 = 1 THEN 'DECLINED' ELSE 'COMPLETE' END, 5, '',
           CASE WHEN n / 2 %% 3 = 1 THEN 'INSUFFICIENT_FUNDS' END, moment,
           CASE WHEN n / 2 %% 3 <> 1 THEN moment END
    FROM made;
    INSERT INTO audit_entry (organization_id, id, batch, position, at, actor_kind, actor_id, action, outcome, is_replay)
    SELECT %(o)s::uuid, row_id, n, 0, moment, CASE WHEN n %% 7 = 0 THEN 'ACCESS_TOKEN' ELSE 'API_KEY' END,
           CASE WHEN n %% 2 = 0 THEN %(key)s::uuid ELSE gen_random_uuid() END,
           CASE WHEN n %% 3 = 0 THEN 'LIST_RULES' ELSE 'GET_RULE' END, 'SUCCESS', false
    FROM made;
    INSERT INTO account_day (organization_id, account_id, day, balance)
    SELECT %(o)s::uuid, row_id, moment::date - d, n FROM made, generate_series(0, 1) AS d WHERE n %% 50 = 0
    UNION ALL
    SELECT %(o)s::uuid, %(income)s::uuid, %(newest)s::date - d, d FROM generate_series(0, 4000) AS d;
    INSERT INTO rule_day (organization_id, day, rule_id, source_account_id, destination_account_id, moved, transfers)
    SELECT %(o)s::uuid, %(newest)s::date - d, %(rule)s::uuid, %(income)s::uuid, md5(way::text)::uuid, 100, 1
    FROM generate_series(0, 400) AS d, generate_series(1, 50) AS way;
    INSERT INTO transfer_leg (organization_id, id, transfer_id, sequence, purpose, account_id, amount, status,
                              is_automatic, created_at, expected_at)
    SELECT %(o)s::uuid, row_id, row_id, 0, 'PUSH', %(savings)s::uuid, 5,
           CASE WHEN n %% 1000 = 0 THEN 'PENDING' ELSE 'SETTLED' END, false, moment, moment
    FROM made WHERE n %% 20 = 0
"""
_BIG: Final = frozenset(
    {"account", "rule", "rule_revision", "execution", "transfer", "external_transaction", "card", "card_transaction",
     "audit_entry", "account_day", "rule_day", "transfer_leg"}
)  # fmt: skip

_KEYS: Final = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('p', 'u') AND conrelid::regclass::text = ANY (%(big)s)
"""
_INDEXES: Final = """
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
    WHERE i.indrelid::regclass::text = ANY (%(big)s)
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""

# What these list is later than its id, if a run has waited or a sandbox's clock was turned. From a time on, they look
# through what is older until their page is full.
_WALK_FROM: Final = frozenset({"list_transfers", "transactions_of_card", "transactions_of_account"})

RUNS: Final[tuple[dict[str, Any], ...]] = (
    {}, {"mode": Mode.SIMULATION}, {"ending": Ending.MOVED}, {"ending": Ending.WAITING}, {"from_at": SINCE},
)  # fmt: skip
TRANSFERS: Final[tuple[dict[str, Any], ...]] = (
    {}, {"direction": Direction.MONEY_OUT}, {"status": TransferStatus.COMPLETE}, {"from_at": SINCE},
)  # fmt: skip

# As many rows as days and ways, each added up: no page of a list.
_ADDS_UP: Final = frozenset({"moved_by_rules_in"})

Said = list[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Stage:
    """A program that may see everything, and what it can ask for by id."""

    api: Api
    url: str
    token: str
    ids: Mapping[IdKind, str]
    external: tuple[str, ...]
    engine: Engine
    organization_id: OrganizationId


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(module_database_url: str) -> AsyncGenerator[Stage]:
    """Fill an organization."""
    async with Database(module_database_url) as database:
        world = await first_story(plain_engine(database))
        for name, kind in (("checking", ExternalKind.DEPOSITORY), ("loan", ExternalKind.LIABILITY)):
            await world.account(name, AccountKind.EXTERNAL_ACCOUNT, external_kind=kind)
        card, other_card = [await issue(world, "savings") for _ in range(2)]
        rule = world.rules["auto_save"]
        async with open_api(world, Edge(world.engine)) as api:
            remote = await open_remote(api.http, world)
            with psycopg.connect(module_database_url, autocommit=True) as conn:
                [(key,)] = conn.execute("SELECT id FROM api_key").fetchall()
                names: dict[str, Any] = {
                    **world.accounts,
                    "o": world.organization_id,
                    "rule": rule.id,
                    "approval": rule.approval_id,
                    "fingerprint": rule.fingerprint,
                    "card": card.id,
                    "other_card": other_card.id,
                    "key": key,
                    "triggers": list(TriggerType),
                    "origins": list(Origin),
                    "statuses": list(TransferStatus),
                    "newest": NEWEST,
                    "rows": ROWS,
                }
                fill(conn, names)
                [(run,)] = conn.execute("SELECT row_id FROM made WHERE n = %s", (ROWS // 6 * 3,)).fetchall()
            ids = {
                IdKind.ACCOUNT: world.accounts["income"],
                IdKind.RULE: rule.id,
                IdKind.EXECUTION: str(run),
                IdKind.CARD: card.id,
                IdKind.KEY: str(key),
            }
            external = (world.accounts["checking"], world.accounts["loan"])
            token = remote.token or ""
            yield Stage(api, module_database_url, token, ids, external, world.engine, world.organization_id)


def fill(conn: psycopg.Connection, names: dict[str, Any]) -> None:
    """Fill the tables without their foreign keys, which are not asked here, and then index them, which is faster."""
    conn.execute("SET maintenance_work_mem = '512MB'")
    foreign = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"
    for table, constraint in conn.execute(foreign).fetchall():
        conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}".encode())
    keys = conn.execute(_KEYS, {"big": sorted(_BIG)}).fetchall()
    indexes = conn.execute(_INDEXES, {"big": sorted(_BIG)}).fetchall()
    for table, name, _ in keys:
        conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    for name, _ in indexes:
        conn.execute(f"DROP INDEX {name}".encode())
    psycopg.ClientCursor(conn).execute(_FILL, names)
    # With a clock that cannot be turned.
    conn.execute("UPDATE organization SET mode = 'live'")
    for _, definition in indexes:
        conn.execute(definition.encode())
    # The last of the indexes, as the migrations make them.
    for table, name, definition in keys:
        conn.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}".encode())
    conn.execute("ANALYZE")


LISTS: Final = [
    (generation, operation)
    for generation in (PLATFORM, V1, REMOTE)
    for operation in generation.operations
    if operation.action.startswith("LIST_")
]


def asked(stage: Stage, operation: Operation) -> Iterator[dict[str, str]]:
    """Give the query strings to ask with: what must be there, with each value of each filter, and a later page."""
    must: dict[str, str] = {}
    may: list[dict[str, str]] = [{}]
    for parameter in operation.parameters:
        values = [*_values(stage, operation, parameter)]
        if parameter.is_required:
            must |= values[0]
        else:
            may += values
    for each in may:
        yield must | each


def _values(stage: Stage, operation: Operation, parameter: Parameter) -> Iterator[dict[str, str]]:
    name = parameter.name
    match parameter:
        case Choice():
            for word in parameter.words:
                yield {name: word}
        case Instant():
            yield {name: SINCE.isoformat()}
        case Named():
            yield {name: stage.ids[parameter.kind]}
        case Ids():
            wanted = stage.external if "external" in operation.path else (stage.ids[IdKind.ACCOUNT],)
            yield {f"{name}[{index}]": each for index, each in enumerate(wanted)}
        case Whole():
            yield {name: "5"}
        case First():
            yield {name: str(parameter.maximum)}
        case After():
            return


@contextmanager
def overheard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Listen to what is read from the database."""
    said: Said = []
    execute = Connection.execute

    async def listen(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        if str(query).startswith("/*") and not any(word in query for word in ("INSERT", "UPDATE", "DELETE")):
            said.append((query, params))
        return await execute(self, query, params, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "execute", listen)
        yield said


async def ask(stage: Stage, generation: Generation, operation: Operation, query: Mapping[str, str]) -> dict[str, Any]:
    """Call a list."""
    path = generation.prefix + operation.path
    for name, kind in (("accountId", IdKind.ACCOUNT), ("ruleId", IdKind.RULE), ("id", IdKind.CARD)):
        path = path.replace(f"{{{name}}}", stage.ids[kind])
    headers = {} if generation is V1 else {"Authorization": f"Bearer {stage.api.secret}"}
    if operation.credential is not None:
        headers[operation.credential.header] = f"Bearer {stage.token}"
    answer = await stage.api.send(operation.method, f"http://sluiceway.test{path}", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("generation", "operation"), LISTS, ids=lambda part: part.prefix if isinstance(part, Generation) else part.path
)
async def test_a_page_of_a_list_costs_a_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, generation: Generation, operation: Operation
):
    problems: list[str] = []
    with overheard(monkeypatch) as said:
        for query in asked(stage, operation):
            answer = await ask(stage, generation, operation, query)
            if not query and (cursor := answer.get("page_info", {}).get("end_cursor")):
                await ask(stage, generation, operation, {"after": cursor})
    assert said
    with psycopg.connect(stage.url) as conn:
        conn.execute(SESSION, {"role": "nobody"})
        for number, statement in enumerate(dict.fromkeys(query for query, _ in said)):
            planned = Planned(conn, statement, f"planned_{number}")
            for plans in ("force_custom_plan", "force_generic_plan"):
                conn.execute(f"SET plan_cache_mode = {plans}".encode())
                for parameters in [each for query, each in said if query == statement]:
                    given = {name: value for name, value in parameters.items() if value is not None}
                    found = wrong_with(planned.explain(parameters), parameters)
                    if statement.split()[1] in _WALK_FROM and parameters["from_at"] == SINCE:
                        continue
                    problems += [f"{what}: {statement.split()[1]} with {given}, {plans}" for what in found]

    assert not problems, "\n".join(problems)


async def test_a_page_of_the_app_costs_a_page(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    engine, organization_id = stage.engine, stage.organization_id
    income = AccountId(stage.ids[IdKind.ACCOUNT])
    with overheard(monkeypatch) as said:
        await overview(engine, organization_id)
        await money_map(engine, organization_id, Period.LAST_30_DAYS)
        await list_pages(engine, organization_id)
        await account_page(engine, organization_id, income, income)
        await balance_history(engine, organization_id, income, income, 365)
        await movements(engine, organization_id, income, income, None, 20)
        await movements(engine, organization_id, income, income, stage.ids[IdKind.EXECUTION], 20)
        run, rule = ExecutionId(stage.ids[IdKind.EXECUTION]), RuleId(stage.ids[IdKind.RULE])
        for wanted in RUNS:
            await list_runs(engine, organization_id, limit=20, **wanted)
        await list_runs(engine, organization_id, rule_id=rule, limit=20)
        await list_runs(engine, organization_id, account_id=income, before_id=run, limit=20)
        await get_run(engine, organization_id, run, run)
        for moved in TRANSFERS:
            await latest_transfers(engine, organization_id, limit=20, **moved)
        await latest_transfers(engine, organization_id, account_id=income, before_id=TransferId(run), limit=20)
    problems: list[str] = []
    with psycopg.connect(stage.url) as conn:
        conn.execute(SESSION, {"role": "nobody"})
        for number, (statement, parameters) in enumerate(said):
            planned = Planned(conn, statement, f"of_the_app_{number}")
            for plans in ("force_custom_plan", "force_generic_plan"):
                conn.execute(f"SET plan_cache_mode = {plans}".encode())
                plan = planned.explain(parameters)
                wrong = [] if statement.split()[1] in _ADDS_UP and is_walked(plan) else wrong_with(plan, parameters)
                problems += [f"{what}: {statement.split()[1]}, {plans}" for what in wrong]

    assert not problems, "\n".join(problems)


def is_walked(plan: dict[str, Any]) -> bool:
    """Tell whether a plan reads a stretch of an index, and nothing that is not wanted."""
    return not any(node["Node Type"] == "Seq Scan" or node.get("Rows Removed by Filter", 0) for node in nodes(plan))


def wrong_with(plan: dict[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    """Tell where a plan does more than a page needs."""
    page = (parameters.get("limit") or plan["Actual Rows"]) + (parameters.get("offset") or 0)
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if blocks > MOST_BLOCKS * page + A_LITTLE:
        yield f"reads {blocks} blocks"
    for node in nodes(plan):
        whose = node.get("Relation Name")
        if node["Node Type"] == "Seq Scan" and whose in _BIG:
            yield f"reads all of {whose}"
        if "Sort" in node["Node Type"] and (rows := node["Plans"][0]["Actual Rows"]) > 2 * page + A_LITTLE:
            yield f"sorts {rows} rows"
        passed_over = node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        if passed_over > MOST_PASSED_OVER * page + A_LITTLE:
            yield f"passes over {passed_over} rows of {whose}"
