"""Spreads the schema over the nodes of a Citus cluster by organization: what is left to do, in order, and doing it."""

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from graphlib import TopologicalSorter
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import AsyncConnection, errors, sql
from psycopg.rows import TupleRow

from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.storage.queries import load

QUERIES = load(__file__)

ON_EVERY_NODE: Final = ("access_token", "api_key", "rule_secret")
"""Credentials: small, and looked up before the organization is known."""
ON_THE_COORDINATOR: Final = (
    "call_bucket",
    "schema_migration",
    "sign_in_attempt",
    "sign_in_challenge",
    "worker_heartbeat",
)
"""What has no organization and is asked of the coordinator alone: how many calls and attempts to sign in are left, what
somebody who wants to sign in has been asked, what was migrated, and which workers settle."""

_ORGANIZATION: Final = "organization"

# Not in the .sql file: a server without Citus has none of these tables, and could not prepare the statements.
_HAS_CITUS: Final[LiteralString] = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"
_NODES: Final[LiteralString] = "SELECT count(*) FROM pg_dist_node WHERE isactive AND shouldhaveshards"
_SPREAD: Final[LiteralString] = """
    SELECT c.relname FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid
    WHERE p.partmethod = 'h' OR p.repmodel = 't'
"""
_ONE_AT_A_TIME: Final[LiteralString] = """
    SET LOCAL lock_timeout = '5s';
    LOCK TABLE schema_migration IN EXCLUSIVE MODE
"""
# What one transaction does to the shards of several tables goes over one connection to each node.
_IN_SEQUENCE: Final = "SET LOCAL citus.multi_shard_modify_mode = 'sequential'"
_NO_CITUS: Final = (
    "this server has no Citus: install it on every node, run CREATE EXTENSION citus in this database on each, and add"
    " the nodes with citus_add_node"
)
_NO_NODES: Final = "no node of this cluster takes data: add them first, SELECT citus_add_node('HOST', 5432)"


class Table(NamedTuple):
    """A table, and what would spread it: by organization (None: it has none), or onto every node."""

    name: str
    by_organization: str | None
    onto_every_node: str


class ForeignKey(NamedTuple):
    """A foreign key from one table to another, and how it is taken away and put back."""

    table: str
    references: str
    name: str
    drop: str
    add: str


class Step(NamedTuple):
    """One transaction of scaling out: what it spreads, and its statements."""

    tables: tuple[str, ...]
    statements: tuple[str, ...]


class ScaleOutRefused(Exception):
    """The schema cannot be spread, or not be used as it is spread; the text says why and what is missing."""


def plan(tables: Sequence[Table], keys: Sequence[ForeignKey], spread: Collection[str]) -> list[Step]:
    """List what is left to do where these tables are `spread` already, in an order that Citus accepts.

    What is referred to comes before what refers to it. Raises ScaleOutRefused for a table or a key that has no place.
    """
    by_name = {table.name: table for table in tables if table.name not in ON_THE_COORDINATOR}
    everywhere = [table for name, table in by_name.items() if name in ON_EVERY_NODE]
    if lost := [name for name, table in by_name.items() if table.by_organization is None and table not in everywhere]:
        raise ScaleOutRefused(f"nobody has said where {', '.join(lost)} belongs, which has no organization")
    if wrong := [key.name for key in keys if key.table in ON_EVERY_NODE and key.references not in ON_EVERY_NODE]:
        raise ScaleOutRefused(f"{', '.join(wrong)} refers from every node to rows that only one has")
    steps = [Step((table.name,), (table.onto_every_node,)) for table in everywhere if table.name not in spread]
    for group in _in_order([name for name in by_name if name not in ON_EVERY_NODE], keys):
        left = tuple(name for name in group if name not in spread)
        if left:
            # The key of each circle that points at a table further on has to wait.
            waiting = [key for key in keys if key.table in left and key.references in left[left.index(key.table) :]]
            statements = [
                *([_IN_SEQUENCE] if len(left) > 1 else []),
                *(key.drop for key in waiting),
                *(statement for name in left if (statement := by_name[name].by_organization) is not None),
                *(key.add for key in waiting),
            ]
            steps.append(Step(left, tuple(statements)))
    return steps


def _in_order(names: Iterable[str], keys: Iterable[ForeignKey]) -> list[tuple[str, ...]]:
    """Group tables that refer to each other in a circle; each group after those that it refers to."""
    # They lie where their organization lies, so that table comes first of all.
    references = {name: [] if name == _ORGANIZATION else [_ORGANIZATION] for name in names}
    for key in keys:
        if key.table in references and key.references in references:
            references[key.table].append(key.references)
    reached = {name: _reached(name, references) for name in references}
    group_of = {
        name: tuple(
            other for other in references if other == name or (other in reached[name] and name in reached[other])
        )
        for name in references
    }
    before = {
        group: [group_of[other] for name in group for other in references[name] if group_of[other] != group]
        for group in group_of.values()
    }
    return list(TopologicalSorter(before).static_order())


def _reached(start: str, references: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(references[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references[name]
    return found


async def plan_scale_out(url: str) -> list[Step]:
    """List what is left to do. Raises ScaleOutRefused and DatabaseUnavailable."""
    async with _cluster(url) as conn:
        await _require_nodes(conn)
        return await _left(conn)


async def scale_out(url: str) -> list[Step]:
    """Do what is left, each step in a transaction of its own; return what was done. Cut off, it goes on from there.

    Safe to run from many processes at once, as the owner of the schema. Raises ScaleOutRefused and DatabaseUnavailable.
    """
    async with _cluster(url) as conn:
        await _require_nodes(conn)
        return await _spread_all(conn, only_empty=False)


async def keep_spread(url: str, organizations_at_once: int | None) -> list[str]:
    """Spread what is new and empty, so that a new cluster needs no command; return what waits for one: it holds rows.

    Does nothing without Citus, and without nodes. Raises DatabaseUnavailable, and ScaleOutRefused where a schema that
    is spread is to be used by transactions of several organizations.
    """
    async with _connected(url) as conn:
        if not await _is_there(conn):
            return []
        if organizations_at_once != 1:
            if await _names(conn, _SPREAD):
                raise ScaleOutRefused(
                    "this schema is spread over a cluster, where a transaction may name one organization:"
                    " set ORGANIZATIONS_PER_TRANSACTION=1"
                )
            return []
        if await _count_nodes(conn):
            await _spread_all(conn, only_empty=True)
            return [name for step in await _left(conn) for name in step.tables]
        return []


async def _spread_all(conn: AsyncConnection[TupleRow], *, only_empty: bool) -> list[Step]:
    done: list[Step] = []
    while (step := await _spread_next(conn, only_empty=only_empty)) is not None:
        assert step not in done, f"{step.tables} are spread once they have been spread"
        done.append(step)
    return done


async def _spread_next(conn: AsyncConnection[TupleRow], *, only_empty: bool) -> Step | None:
    async with conn.transaction():
        # One at a time, and none beside a migration. Whoever waited here sees what the other has done.
        await conn.execute(_ONE_AT_A_TIME)
        for step in await _left(conn):
            if only_empty and not await _is_empty(conn, step):
                # What comes later may refer to it.
                return None
            for statement in step.statements:
                await conn.execute(statement.encode())
            return step
        return None


async def _left(conn: AsyncConnection[TupleRow]) -> list[Step]:
    tables = [Table(*row) for row in await (await conn.execute(QUERIES["tables"], {})).fetchall()]
    keys = [ForeignKey(*row) for row in await (await conn.execute(QUERIES["foreign_keys"], {})).fetchall()]
    return plan(tables, keys, await _names(conn, _SPREAD))


async def _is_empty(conn: AsyncConnection[TupleRow], step: Step) -> bool:
    for name in step.tables:
        query = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(name))
        if await (await conn.execute(query)).fetchone() is not None:
            return False
    return True


async def _names(conn: AsyncConnection[TupleRow], query: LiteralString) -> set[str]:
    return {name for (name,) in await (await conn.execute(query)).fetchall()}


async def _is_there(conn: AsyncConnection[TupleRow]) -> bool:
    [(is_there,)] = await (await conn.execute(_HAS_CITUS)).fetchall()
    return bool(is_there)


async def _count_nodes(conn: AsyncConnection[TupleRow]) -> int:
    [(count,)] = await (await conn.execute(_NODES)).fetchall()
    return int(count)


async def _require_nodes(conn: AsyncConnection[TupleRow]) -> None:
    if not await _count_nodes(conn):
        raise ScaleOutRefused(_NO_NODES)


@asynccontextmanager
async def _cluster(url: str) -> AsyncGenerator[AsyncConnection[TupleRow]]:
    async with _connected(url) as conn:
        if not await _is_there(conn):
            raise ScaleOutRefused(_NO_CITUS)
        yield conn


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[AsyncConnection[TupleRow]]:
    try:
        # Nothing is prepared: this runs a few times in the life of a schema, while the schema changes.
        async with await AsyncConnection[TupleRow].connect(
            url, autocommit=True, connect_timeout=5, prepare_threshold=None
        ) as conn:
            yield conn
    except errors.LockNotAvailable as failure:
        raise ScaleOutRefused("another session held a lock for five seconds; try again when it is done") from failure
    except psycopg.OperationalError as failure:
        raise DatabaseUnavailable(str(failure)) from failure
    except psycopg.Error as failure:
        raise ScaleOutRefused(str(failure)) from failure
