"""Fills a database with history by COPY: each rule's latest run again and again, with new ids, times and balances.

Only rows that stay for good: executions with their traces, transfers, postings, balances, the audit log with its chain.
The indexes stay, as they would; foreign keys are not looked up, and the audit afterwards holds everything again.
"""

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from bench.figures import Row
from bench.observing import now
from sluiceway import storage
from sluiceway.domain.access import Actor, ActorKind
from sluiceway.domain.audit import Act, AuditEntry, Outcome, digest_of, next_link
from sluiceway.domain.ids import ExecutionId, OrganizationId, derive_transfer_id
from sluiceway.wiring import new_id

RUNS_AT_ONCE: Final = 10_000
ENTRIES_IN_A_BATCH: Final = 50
TABLES: Final = ("execution", "transfer", "posting", "audit_entry", "audit_batch")

_EXECUTIONS: LiteralString = """
    SELECT e.* FROM rule r CROSS JOIN LATERAL (
        SELECT * FROM execution
        WHERE organization_id = r.organization_id AND rule_id = r.id AND status = 'EXECUTED' AND origin_id = id
        ORDER BY id DESC LIMIT 1
    ) AS e
"""
_TRANSFERS: LiteralString = """
    SELECT t.* FROM ({executions}) AS e
    JOIN transfer t ON t.organization_id = e.organization_id AND t.id = ANY (e.transfer_ids)
""".replace("{executions}", _EXECUTIONS)
_POSTINGS: LiteralString = """
    SELECT p.* FROM ({transfers}) AS t
    JOIN posting p ON p.organization_id = t.organization_id AND p.transfer_id = t.id
""".replace("{transfers}", _TRANSFERS)
_ENTRIES: LiteralString = """
    SELECT a.* FROM organization o CROSS JOIN LATERAL (
        SELECT * FROM audit_entry WHERE organization_id = o.id ORDER BY id DESC LIMIT 1
    ) AS a
"""


# Not one of reads alone, which says more of itself.
_BATCHES: LiteralString = """
    SELECT b.* FROM organization o CROSS JOIN LATERAL (
        SELECT * FROM audit_batch WHERE organization_id = o.id AND first_id IS NULL ORDER BY number DESC LIMIT 1
    ) AS b
"""
_NULL: Final = "\\N"


class Line:
    """A row as COPY writes it, of which some columns vary from copy to copy."""

    def __init__(self, row: dict[str, str], *varying: str) -> None:
        """Keep the row but for these columns."""
        self.row = row
        fields = [f"%({name})s" if name in varying else value.replace("%", "%%") for name, value in row.items()]
        self._pattern = "\t".join(fields) + "\n"

    def write(self, **values: object) -> str:
        """Write a copy with these values."""
        return self._pattern % values


@dataclass(frozen=True)
class Step:
    """One transfer of a run, with its posting."""

    transfer: Line
    posting: Line


@dataclass(frozen=True)
class Run:
    """A run to be repeated."""

    organization_id: str
    execution: Line
    steps: list[Step]


@dataclass
class Chain:
    """The audit log of an organization: where it has come to, and the entries that make the next batch."""

    number: int
    entries: int
    hash: bytes
    act: Act
    entry: Line
    batch: Line
    waiting: list[AuditEntry] = field(default_factory=list[AuditEntry])


@dataclass
class Past:
    """What is being written: the runs to repeat, balances and logs as they have become, lines not yet copied."""

    runs: list[Run]
    balances: dict[tuple[str, str], int]
    chains: dict[str, Chain]
    lines: dict[str, list[str]] = field(default_factory=lambda: {table: [] for table in TABLES})


def fill(url: str, transfers: int) -> Row:
    """Write history until there are at least so many transfers; say how quickly, and how large the database is then.

    Nothing else may be writing, and every rule that is to have a past must have run once.
    """
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        [[there]] = connection.execute("SELECT count(*) FROM transfer").fetchall()
        written = 0
        if there < transfers:
            past = _load(connection)
            written = _write(url, past, transfers - there)
            _conclude(connection, past)
        [[size]] = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    took_s = time.perf_counter() - began
    return {
        "transfers": there + written,
        "written": written,
        "seconds": round(took_s, 1),
        "database_gb": round(size / 1e9, 2),
    }


def _load(connection: psycopg.Connection) -> Past:
    """Read the latest run of every rule, as COPY writes it, and where balances and logs stand."""
    steps: dict[str, list[Step]] = {}
    postings = {row["transfer_id"]: row for row in _copied(connection, "posting", _POSTINGS)}
    for row in _copied(connection, "transfer", _TRANSFERS):
        steps.setdefault(row["execution_id"], []).append(_step(row, postings[row["id"]]))
    runs = [
        Run(
            row["organization_id"],
            Line(row, "id", "origin_id", "created_at", "finished_at", "transfer_ids"),
            steps[row["id"]],
        )
        for row in _copied(connection, "execution", _EXECUTIONS)
        if row["id"] in steps
    ]
    balances = connection.execute("SELECT organization_id::text, id::text, posted FROM account").fetchall()
    entries = {row["organization_id"]: row for row in _copied(connection, "audit_entry", _ENTRIES)}
    batches = {row["organization_id"]: row for row in _copied(connection, "audit_batch", _BATCHES)}
    heads = connection.execute("SELECT organization_id::text, number, entries, hash FROM audit_head").fetchall()
    chains = {
        organization_id: _chain((number, count, link), entries[organization_id], batches[organization_id])
        for organization_id, number, count, link in heads
    }
    return Past(runs, {(row[0], row[1]): row[2] for row in balances}, chains)


def _chain(head: tuple[int, int, bytes], entry: dict[str, str], batch: dict[str, str]) -> Chain:
    told = {name: None if value == _NULL else value for name, value in entry.items()}
    act = Act(
        OrganizationId(entry["organization_id"]),
        Actor(ActorKind(entry["actor_kind"]), told["actor_id"]),
        entry["action"],
        *(told[name] for name in ("subject_id", "path", "request_id", "reason")),
    )
    varying = Line(entry, "id", "batch", "position", "at")
    return Chain(*head, act, varying, Line(batch, "number", "entries", "digest", "hash"))


def _step(transfer: dict[str, str], posting: dict[str, str]) -> Step:
    return Step(
        Line(transfer, "id", "execution_id", "created_at", "completed_at"),
        Line(posting, "transfer_id", "debit_after", "credit_after", "posted_at"),
    )


def _copied(connection: psycopg.Connection, table: str, query: LiteralString) -> Iterator[dict[str, str]]:
    """Give the rows of a query by the names of the table's columns, each value as COPY writes it."""
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        (table,),
    ).fetchall()
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
        text = b"".join(bytes(block) for block in copy).decode()
    for line in text.splitlines():
        yield dict(zip([name for [name] in columns], line.split("\t"), strict=True))


def _write(url: str, past: Past, transfers: int) -> int:
    """Write so many transfers or a few more; while PostgreSQL takes in some runs, the next ones are made up."""
    chance = random.Random(transfers)
    written = 0
    with ThreadPoolExecutor(len(TABLES)) as pool:
        copying: list[Future[None]] = []
        while written < transfers:
            at = now()
            # A run makes one transfer at least: the last ones may be too many, never too few.
            for run in chance.choices(past.runs, k=min(RUNS_AT_ONCE, transfers - written)):
                _repeat(past, run, at)
                written += len(run.steps)
            for done in copying:
                done.result()
            copying = [pool.submit(_copy, url, table, lines) for table, lines in past.lines.items()]
            past.lines = {table: [] for table in TABLES}
        for done in copying:
            done.result()
    for chain in past.chains.values():
        _log(past, chain)
    for table, lines in past.lines.items():
        _copy(url, table, lines)
    return written


def _repeat(past: Past, run: Run, at: datetime) -> None:
    """Write a run again, with what its transfers do to the balances as they are now."""
    execution_id, when = ExecutionId(new_id()), at.isoformat()
    transfer_ids: list[str] = []
    for step in run.steps:
        row = step.transfer.row
        transfer_id = derive_transfer_id(execution_id, int(row["step"]), int(row["action"]), int(row["part"]))
        transfer_ids.append(transfer_id)
        past.lines["transfer"].append(
            step.transfer.write(id=transfer_id, execution_id=execution_id, created_at=when, completed_at=when)
        )
        past.lines["posting"].append(_post(past, step.posting, transfer_id, when))
    listed = "{" + ",".join(transfer_ids) + "}"
    past.lines["execution"].append(
        run.execution.write(
            id=execution_id, origin_id=execution_id, created_at=when, finished_at=when, transfer_ids=listed
        )
    )
    chain = past.chains[run.organization_id]
    chain.waiting.append(AuditEntry(new_id(), at, chain.act, Outcome.SUCCESS))
    if len(chain.waiting) == ENTRIES_IN_A_BATCH:
        _log(past, chain)


def _post(past: Past, posting: Line, transfer_id: str, when: str) -> str:
    row = posting.row
    organization_id, amount = row["organization_id"], int(row["amount"])
    debit, credit = (organization_id, row["debit_account_id"]), (organization_id, row["credit_account_id"])
    past.balances[debit] -= amount
    past.balances[credit] += amount
    return posting.write(
        transfer_id=transfer_id, debit_after=past.balances[debit], credit_after=past.balances[credit], posted_at=when
    )


def _log(past: Past, chain: Chain) -> None:
    """Write the entries that wait as one batch, chained to the one before."""
    if not chain.waiting:
        return
    digest = digest_of(chain.waiting)
    chain.number += 1
    chain.entries += len(chain.waiting)
    chain.hash = next_link(chain.hash, chain.number, digest)
    for position, entry in enumerate(chain.waiting):
        past.lines["audit_entry"].append(
            chain.entry.write(id=entry.id, batch=chain.number, position=position, at=entry.at.isoformat())
        )
    past.lines["audit_batch"].append(
        chain.batch.write(
            number=chain.number, entries=len(chain.waiting), digest=_bytes(digest), hash=_bytes(chain.hash)
        )
    )
    chain.waiting.clear()


def _bytes(value: bytes) -> str:
    return "\\\\x" + value.hex()


def _copy(url: str, table: str, lines: Sequence[str]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # Foreign keys are not looked up.
        with connection.cursor().copy(SQL("COPY {} FROM STDIN").format(Identifier(table))) as copy:
            copy.write("".join(lines))


def _conclude(connection: psycopg.Connection, past: Past) -> None:
    """Write the balances and the heads of the logs, and leave everything as if it had been there for long."""
    with connection.transaction():
        for (organization_id, account_id), posted in past.balances.items():
            connection.execute(
                "UPDATE account SET posted = %s WHERE organization_id = %s AND id = %s",
                (posted, organization_id, account_id),
            )
        for organization_id, chain in past.chains.items():
            connection.execute(
                "UPDATE audit_head SET number = %s, entries = %s, hash = %s WHERE organization_id = %s",
                (chain.number, chain.entries, chain.hash, organization_id),
            )
        connection.execute("TRUNCATE account_day, rule_day")
        for statement in _days():
            connection.execute(statement.encode())
    connection.execute("VACUUM (ANALYZE)")
    connection.execute("CHECKPOINT")


def _days() -> list[str]:
    """Read how the days of accounts and rules follow from their history: as the migration does that brought them."""
    [written] = (Path(storage.__file__).parent / "migrations").glob("*_days_and_targets.sql")
    return [each for each in written.read_text(encoding="utf-8").split(";") if each.strip().startswith("INSERT")]
