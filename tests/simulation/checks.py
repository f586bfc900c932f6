"""What must be true in the simulated world: at each commit, each virtual hour, and once everything has ended."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sluiceway.services import audit
from sluiceway.services.engine import Engine
from sluiceway.storage import audit as stored_audit
from tests.invariants import INVARIANTS
from tests.simulation.scopes import NotKnown
from tests.simulation.tables import Row, Table, getter
from tests.simulation.transactions import Store, Transaction
from tests.simulation.values import MINUS_INFINITY

_MOVING: Final = ("post", "settle", "reverse")


def named(table: Table, row: Row) -> dict[str, Any]:
    """Give a row by its columns."""
    return dict(zip(table.columns, row, strict=True))


def cells(table: Table, *columns: str) -> Callable[[Row], tuple[Any, ...]]:
    """Make what gives some columns of a row."""
    return getter([table.place[column] for column in columns])


def watch_commit(store: Store, violations: list[str]) -> None:
    """At every commit: balances change by exactly what its postings move, and postings are never touched again."""
    accounts, postings = store.tables["account"], store.tables["posting"]
    posted = accounts.place["posted"]
    kind, debit, credit, amount = (
        postings.place[name] for name in ("kind", "debit_account_id", "credit_account_id", "amount")
    )
    organization = postings.place["organization_id"]

    def look(transaction: Transaction) -> None:
        moved: Counter[tuple[Any, ...]] = Counter()
        for pk, row in transaction.written.get(postings, {}).items():
            if row is None or pk in postings.rows:
                violations.append(f"a posting was changed: {postings.rows.get(pk)}")
            elif row[kind] in _MOVING:
                moved[row[organization], row[credit]] += row[amount]
                moved[row[organization], row[debit]] -= row[amount]
        for pk, row in transaction.written.get(accounts, {}).items():
            before = accounts.rows.get(pk)
            after = 0 if row is None else row[posted]
            if after - (0 if before is None else before[posted]) != moved.pop(pk, 0):
                violations.append(f"a balance moved without its postings: {pk}")
        if any(moved.values()):
            violations.append(f"postings moved without balances: {dict(moved)}")

    store.on_commit = look


def invariants(store: Store, skipped: Sequence[str] = ()) -> list[str]:
    """Each hour: what must hold of every Sluiceway database, by the statements that all tests end with.

    What none of a statement's tables has changed since it found nothing is not asked again.
    """
    found: list[str] = []
    for sentence, sql in INVARIANTS.items():
        if sentence in skipped:
            continue
        seen = store.statement(sql).changes()
        if seen is not None and store.clean.get(sentence) == seen:
            continue
        rows = store.look(sql)
        if not rows and seen is not None:
            store.clean[sentence] = seen
        found += [f"{sentence}: {row}" for row in rows[:3]]
    return found


NOT_SIMULATED: Final = frozenset({"no_transaction_is_left_open", "what_was_sealed_is_as_it_was"})
"""Of the audit's promises those that are about the server itself, or about hashes that only it can make."""


async def failures(engine: Engine, store: Store) -> list[str]:
    """Audit everything, as an operator would; say what it finds."""
    async with engine.database.snapshot() as tx:
        examined = await stored_audit.count_examined(tx, None)
        now = engine.now()
        results: list[audit.CheckResult] = []
        for promise in audit._PROMISES:
            if promise.check in NOT_SIMULATED:
                continue
            try:
                results.append(await audit._check(tx, None, promise, examined, now))
            except NotKnown:
                # What the simulation's SQL cannot run is counted and shown; everywhere else it is a failure.
                store.reached[f"not simulated: {promise.check}"] += 1
        results.append(await audit._check_occurrences(tx, None, examined))
        results.append(await audit._check_definitions(tx, None, examined))
        results.append(await audit._check_log(tx, None, (), now))
    return [f"audit: {each.promise}: {each.examples[:2]}" for each in results if each.violations]


@dataclass(eq=False)
class Asked:
    """A call with a key: what came of it as far as its caller knows."""

    kind: str
    organization_id: str
    amount: int
    """Nobody else asks for the same amount."""
    answers: set[bytes] = field(default_factory=set[bytes])
    is_refused: bool = False
    is_open: bool = True
    """Not given up yet."""


def effects(store: Store, journal: Sequence[Asked]) -> list[str]:
    """Each hour: every acknowledged call has exactly one effect, every other one none or one, a refused one none."""
    transfers, executions = store.tables["transfer"], store.tables["execution"]
    made: Counter[tuple[str, str, int]] = Counter()
    ids: dict[str, tuple[str, str, int]] = {}
    of = cells(transfers, "organization_id", "id", "execution_id", "mode", "source_account_id", "amount")
    for organization_id, id_, execution_id, mode, source_account_id, amount in map(of, transfers.rows.values()):
        if execution_id is None and mode == "LIVE":
            key = ("deposit" if source_account_id is None else "transfer", organization_id, amount)
            made[key] += 1
            ids[id_] = key
    of = cells(executions, "organization_id", "id", "depth", "transfer_amount", "trigger_type")
    for organization_id, id_, depth, amount, trigger_type in map(of, executions.rows.values()):
        if depth == 0 and amount is not None and trigger_type == "SEQUENCE_API":
            key = ("trigger", organization_id, amount)
            made[key] += 1
            ids[id_] = key
    found: list[str] = []
    for asked in journal:
        key = (asked.kind, asked.organization_id, asked.amount)
        times = made[key]
        if len(asked.answers) > 1:
            found.append(f"{key} was answered differently: {asked.answers}")
        if times > 1:
            found.append(f"{key} was done {times} times")
        if asked.answers and (times != 1 or ids.get(next(iter(asked.answers)).decode()) != key):
            found.append(f"{key} was acknowledged and is not there")
        if asked.is_refused and not asked.answers and times:
            found.append(f"{key} was refused and done")
    return found


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is to be done, when (by the real time), and by what name it goes."""

    at: datetime
    what: str


def due(store: Store) -> list[Due]:
    """List everything that waits for its time, by the real clock; what stands still is not waited for."""
    found: list[Due] = []
    tables = store.tables
    organizations = {pk[0]: named(tables["organization"], row) for pk, row in tables["organization"].rows.items()}

    def add(table_name: str, column: str, *, needs_automation: bool) -> None:
        table = tables[table_name]
        index = table.index((), (column,))
        leased = table.place.get("leased_until")
        automatic = table.place.get("is_automatic")
        for pk in index.found.get((), ()):
            row = table.rows[pk]
            organization = organizations[row[0]]
            at = row[table.place[column]]
            if organization["paused_at"] is not None and (
                needs_automation or (automatic is not None and row[automatic])
            ):
                continue
            if organization["frozen_at"] is not None:
                if at > organization["frozen_at"]:
                    continue
                at = MINUS_INFINITY
            at = at if at is MINUS_INFINITY else at - organization["clock_offset"]
            if leased is not None and row[leased] is not None:
                at = max(at, row[leased])
            found.append(Due(at, f"{table_name} {pk}"))

    add("execution", "due_at", needs_automation=True)
    add("rule", "next_fire_at", needs_automation=True)
    add("transfer_leg", "due_at", needs_automation=False)
    add("feed", "due_at", needs_automation=False)
    transfers = tables["transfer"]
    expires = transfers.place["approval_expires_at"]
    index = transfers.index(("status",), ("approval_expires_at",))
    for pk in index.found.get(("PENDING_APPROVAL",), ()):
        organization = organizations[pk[0]]
        at = transfers.rows[pk][expires]
        if organization["frozen_at"] is None:
            found.append(Due(at - organization["clock_offset"], f"transfer {pk}"))
    return found


def overdue(store: Store, now: datetime, grace: timedelta) -> list[str]:
    """Name what should have been done by now: nothing is pending that need not be."""
    return [f"overdue: {each.what} since {each.at}" for each in due(store) if each.at < now - grace]
