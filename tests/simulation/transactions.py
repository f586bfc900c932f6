"""Transactions over tables in memory as PostgreSQL has them at READ COMMITTED.

Each statement sees what is committed when it begins, and what its own transaction has written. Row locks and unique
keys that another transaction holds are waited for; who waits in a circle is told so (40P01); who waits longer than
`lock_timeout` too (55P03). A row that has changed meanwhile is looked at again as it is now.
"""

import asyncio
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import errors

from tests.simulation.functions import with_its_body
from tests.simulation.refusals import give_up, refusal
from tests.simulation.statements import Compiler, Conflict, Statement
from tests.simulation.tables import ForeignKey, Index, Key, Row, Table, Unique, getter, read_schema
from tests.simulation.values import to_interval

LOCK_TIMEOUT_S: Final = 2.0


class Store:
    """The committed state of one database, and who holds what of it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        said = read_schema()
        self.tables = {name: Table(name, each) for name, each in said.items()}
        self.compiler = Compiler(self.tables)
        self.statements: dict[str, Statement] = {}
        for name, each in said.items():
            self._constrain(self.tables[name], each)
        self.locks: dict[tuple[str, Key], Transaction] = {}
        self.promised: dict[tuple[str, Key], tuple[Transaction, Key]] = {}
        """Unique keys of rows that are not committed: whose, and of which row."""
        self.clean: dict[str, tuple[int, ...]] = {}
        """For what must hold: at which changes of the tables that it is about it last did."""
        self.ran: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        """How often something happened that has to happen sometimes."""
        self.empty(now)

    def empty(self, now: Callable[[], datetime]) -> None:
        """Begin anew with no row; statements stay compiled."""
        self.now = now
        self.commits = 0
        self.changed_at = 0.0
        self.trace = 0
        self.on_commit: Callable[[Transaction], None] = lambda _: None
        self.locks.clear()
        self.promised.clear()
        for table in self.tables.values():
            table.empty()
            if table.primary == ("ctid",):
                table.defaults[-1] = itertools.count(1).__next__

    def server_now(self) -> datetime:
        return self.now()

    def statement(self, sql: str) -> Statement:
        found = self.statements.get(sql)
        if found is None:
            found = self.statements[sql] = self.compiler.statement(with_its_body(sql))
        return found

    def _constrain(self, table: Table, said: Mapping[str, Any]) -> None:
        for each in said["unique"]:
            when = None if each["when"] is None else self.compiler.condition(table, each["when"])
            key = getter([table.place[column] for column in each["columns"]])
            table.uniques.append(Unique(each["name"], tuple(each["columns"]), key, when, each["nulls_not_distinct"]))
        for each in said["foreign"]:
            key = getter([table.place[column] for column in each["columns"]])
            foreign = ForeignKey(each["name"], table.name, key, each["target"], tuple(each["target_columns"]))
            table.foreign.append(foreign)
            self.tables[each["target"]].referring.append((table.name, foreign))
        checks = [(each["name"], self.compiler.condition(table, each["check"])) for each in said["checks"]]

        def broken(row: Row) -> str | None:
            return next((name for name, holds in checks if holds(row) is False), None)

        table.broken = broken
        for at, column in enumerate(said["columns"]):
            table.defaults[at] = self._default(column["default"])

    def _default(self, said: str | None) -> Callable[[], Any] | None:
        if said is None:
            return None
        if said == "now()":
            return self.server_now
        literal = re.match(r"'(.*)'::", said)
        if said.endswith("::interval") and literal:
            length = to_interval(literal[1])
            return lambda: length
        if literal:
            written: Any = [] if literal[1] == "{}" else literal[1]
            return lambda: list(written) if isinstance(written, list) else written
        value = {"false": False, "true": True}.get(said, said)
        if isinstance(value, str):
            value = int(value)
        return lambda: value

    def look(self, sql: str) -> Sequence[Row]:
        """Run a query on what is committed, at once: it waits for nobody."""
        try:
            self.statement(sql).run(Transaction(self), {}).send(None)
        except StopIteration as ended:
            rows: Sequence[Row] = ended.value[0]
            return rows
        raise AssertionError("a query that waits")


class Transaction:
    """One transaction: what it has written, and the rows that it holds."""

    def __init__(self, store: Store, *, is_snapshot: bool = False) -> None:
        self.store = store
        self.written: dict[Table, dict[Key, Row | None]] = {}
        self.held: list[tuple[str, Key]] = []
        self.promises: list[tuple[str, Key]] = []
        self.waiters: list[asyncio.Future[None]] = []
        self.waits_for: Transaction | None = None
        self.to_check: list[tuple[Table, Row]] = []
        self.to_leave: list[tuple[Table, Row]] = []
        self.is_failed = False
        self.is_over = False
        self.frozen = {table: dict(table.rows) for table in store.tables.values()} if is_snapshot else None

    def server_now(self) -> datetime:
        return self.store.server_now()

    def note(self, what: str) -> None:
        """Count what has to happen sometimes."""
        self.store.reached[what] += 1

    # What a statement reads

    def all(self, table: Table) -> Sequence[Row]:
        if self.frozen is not None:
            return list(self.frozen[table].values())
        own = self.written.get(table)
        if not own:
            return list(table.rows.values())
        merged = {**table.rows, **own}
        return [row for row in merged.values() if row is not None]

    def get(self, table: Table, key: Key) -> Sequence[Row]:
        row = self.current(table, key)
        return () if row is None else (row,)

    def current(self, table: Table, pk: Key) -> Row | None:
        if self.frozen is not None:
            return self.frozen[table].get(pk)
        own = self.written.get(table)
        if own is not None and pk in own:
            return own[pk]
        return table.rows.get(pk)

    def by(self, index: Index, key: Key) -> Sequence[Row]:
        if None in key:
            return ()
        table = index.table
        if self.frozen is not None:
            return [row for row in self.frozen[table].values() if index.key(row) == key and index.holds(row)]
        rows, found = table.rows, index.found.get(key, ())
        own = self.written.get(table)
        if not own:
            return [rows[pk] for pk in found]
        seen = [rows[pk] for pk in found if pk not in own]
        return seen + [row for row in own.values() if row is not None and index.key(row) == key and index.holds(row)]

    # Locks

    def lock_free(self, tables: Sequence[Table], found: list[Any], limit: int | None) -> list[Row]:
        """Lock what nobody holds, in order, and pass over the rest (SKIP LOCKED)."""
        kept: list[Row] = []
        for row, _, locked, _ in found:
            if limit is not None and len(kept) >= limit:
                break
            keys = [(table.name, table.pk(each)) for table, each in zip(tables, locked, strict=True)]
            if any(self.store.locks.get(key) not in (None, self) for key in keys):
                self.store.reached["a locked row is passed over"] += 1
                continue
            for key in keys:
                self._take(key)
            kept.append(row)
        return kept

    def _take(self, key: tuple[str, Key]) -> None:
        if key not in self.store.locks:
            self.store.locks[key] = self
            self.held.append(key)

    async def lock(self, table: Table, pk: Key, mode: str) -> Row | None:  # noqa: ARG002 -- both modes exclude each other
        """Lock a row, waiting for whoever has it; give it as it is then, None: it is gone."""
        key = (table.name, pk)
        while (owner := self.store.locks.get(key)) is not None and owner is not self:
            await self._wait(owner)
        self._take(key)
        return self.current(table, pk)

    async def _wait(self, owner: "Transaction") -> None:
        self.store.reached["a lock is waited for"] += 1
        chain: Transaction | None = owner
        while chain is not None:
            if chain is self:
                self.store.reached["a deadlock is broken"] += 1
                raise errors.DeadlockDetected("deadlock detected")
            chain = chain.waits_for
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        owner.waiters.append(ended)
        timer = loop.call_later(LOCK_TIMEOUT_S, give_up, ended)
        self.waits_for = owner
        try:
            await ended
        finally:
            self.waits_for = None
            timer.cancel()

    # What a statement writes

    def _write(self, table: Table, pk: Key, row: Row | None) -> None:
        self.written.setdefault(table, {})[pk] = row

    def _examine(self, table: Table, row: Row) -> None:
        for at, column in table.required:
            if row[at] is None:
                message = f'null value in column "{column}" of relation "{table.name}" violates not-null constraint'
                raise refusal(errors.NotNullViolation, None, message, column)
        if (broken := table.broken(row)) is not None:
            message = f'new row for relation "{table.name}" violates check constraint "{broken}"'
            raise refusal(errors.CheckViolation, broken, message)
        if table.foreign:
            self.to_check.append((table, row))

    async def _taken(self, table: Table, unique: Unique | None, row: Row) -> tuple[str, Key, Key | None] | None:
        """Find which row has a key already, waiting for whoever may be about to have it."""
        key = table.pk(row) if unique is None else unique.key_of(row)
        if key is None:
            return None
        name = table.primary_name if unique is None else unique.name
        while True:
            promised = self.store.promised.get((name, key))
            if promised is not None:
                owner, pk = promised
                if owner is self:
                    return name, key, pk
                await self._wait(owner)
                self.store.reached["a unique key is waited for"] += 1
                continue
            pk = (key if key in table.rows else None) if unique is None else unique.found.get(key)
            if pk is None:
                return name, key, None
            own = self.written.get(table, {})
            if pk in own:
                mine = own[pk]
                still = mine is not None and (unique is None or unique.key_of(mine) == key)
                return name, key, pk if still else None
            owner = self.store.locks.get((table.name, pk))  # type: ignore[assignment]
            if owner is not None and owner is not self and pk in owner.written.get(table, {}):
                theirs = owner.written[table][pk]
                if theirs is None or (unique is not None and unique.key_of(theirs) != key):
                    await self._wait(owner)
                    continue
            return name, key, pk

    def _promise(self, name: str, key: Key, pk: Key) -> None:
        self.store.promised[(name, key)] = (self, pk)
        self.promises.append((name, key))

    async def insert(self, table: Table, row: Row, conflict: Conflict | None) -> tuple[Row | None, bool]:
        """Add a row; give what became of it, and whether it was touched at all."""
        self._examine(table, row)
        pk = table.pk(row)
        while True:
            free: list[tuple[str, Key]] = []
            found: tuple[Unique | None, str, Key] | None = None
            for unique in (None, *table.uniques):
                taken = await self._taken(table, unique, row)
                if taken is None:
                    continue
                name, key, by = taken
                if by is not None:
                    found = (unique, name, by)
                    break
                free.append((name, key))
            if found is None:
                for name, key in free:
                    # Nothing was waited for since it was free, or it would have been looked at again.
                    if (name, key) in self.store.promised:
                        break
                else:
                    for name, key in free:
                        self._promise(name, key, pk)
                    self._write(table, pk, row)
                    return row, True
                continue
            unique, name, by = found
            if conflict is None or not conflict.means(table, unique):
                self.store.reached["a unique key refuses a row"] += 1
                message = f'duplicate key value violates unique constraint "{name}"'
                raise refusal(errors.UniqueViolation, name, message)
            if conflict.change is None:
                return None, False
            old = await self.lock(table, by, "NO KEY UPDATE")
            if old is None:
                continue
            new = conflict.change(old, row)
            await self.update(table, by, new)
            return new, True

    async def update(self, table: Table, pk: Key, row: Row) -> None:
        """Write a row that is locked."""
        before = self.current(table, pk)
        self._examine(table, row)
        for unique in table.uniques:
            key = unique.key_of(row)
            if key is None or (before is not None and unique.key_of(before) == key):
                continue
            taken = await self._taken(table, unique, row)
            if taken is not None and taken[2] is not None:
                message = f'duplicate key value violates unique constraint "{unique.name}"'
                raise refusal(errors.UniqueViolation, unique.name, message)
            self._promise(unique.name, key, pk)
        self._write(table, pk, row)

    def delete(self, table: Table, pk: Key) -> None:
        """Remove a row that is locked."""
        row = self.current(table, pk)
        if row is not None and table.referring:
            self.to_leave.append((table, row))
        self._write(table, pk, None)

    async def check(self) -> None:
        """At the end of a statement: what its rows point at is there, and nothing points at what is gone."""
        to_check, self.to_check = self.to_check, []
        for table, row in to_check:
            for foreign in table.foreign:
                key = foreign.key(row)
                if None not in key and not await self._is_there(foreign, key):
                    message = (
                        f'insert or update on table "{table.name}" violates foreign key constraint "{foreign.name}"'
                    )
                    raise refusal(errors.ForeignKeyViolation, foreign.name, message)
        to_leave, self.to_leave = self.to_leave, []
        for table, row in to_leave:
            for name, foreign in table.referring:
                key = tuple(row[table.place[column]] for column in foreign.target_columns)
                if any(foreign.key(each) == key for each in self.all(self.store.tables[name])):
                    message = (
                        f'update or delete on table "{table.name}" violates foreign key constraint "{foreign.name}"'
                    )
                    raise refusal(errors.ForeignKeyViolation, foreign.name, message)

    async def _is_there(self, foreign: ForeignKey, key: Key) -> bool:
        target = self.store.tables[foreign.target]
        if target.primary == foreign.target_columns:
            return self.current(target, key) is not None
        index = target.index(foreign.target_columns)
        order = [foreign.target_columns.index(column) for column in index.columns]
        return bool(self.by(index, tuple(key[at] for at in order)))

    # The end

    def commit(self) -> None:
        """Make what was written everybody's."""
        assert not self.is_over
        if self.written:
            self.store.on_commit(self)
        for table, rows in self.written.items():
            for pk, row in rows.items():
                table.put(pk, row)
        if self.written:
            self.store.commits += 1
            now = self.store.changed_at = asyncio.get_running_loop().time()
            written = [(table.name, *rows) for table, rows in self.written.items()]
            self.store.trace = zlib.crc32(f"{now} {written}".encode(), self.store.trace)
        self._end()

    def rollback(self) -> None:
        """Forget what was written."""
        if not self.is_over:
            self._end()

    def abort(self) -> None:
        """Fail: everything is let go of at once, and nothing but its end is left."""
        self.is_failed = True
        self.rollback()

    def _end(self) -> None:
        self.is_over = True
        self.written = {}
        # Of a world that has ended nothing is left, and what is left of its transactions must not touch the next one.
        for key in self.held:
            if self.store.locks.get(key) is self:
                del self.store.locks[key]
        for promise in self.promises:
            if promise in self.store.promised and self.store.promised[promise][0] is self:
                del self.store.promised[promise]
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
