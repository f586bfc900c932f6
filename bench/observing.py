"""What the database says of itself: whether everything is settled, how much was done, how much it has grown."""

import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, LiteralString, NamedTuple, Self

import psycopg

from sluiceway.domain.ids import least_id

_POLL_S = 0.02
_LONGEST_S = 600

# By their ids, which begin with their time: what was there before is not read, however much it is.
_RAN: LiteralString = (
    "SELECT count(*) FROM execution WHERE organization_id = ANY (%(all)s::uuid[]) AND id >= %(since)s::uuid"
)
_MOVED: LiteralString = (
    "SELECT count(*) FROM transfer WHERE organization_id = ANY (%(all)s::uuid[]) AND id >= %(since)s::uuid"
)


class Size(NamedTuple):
    """How large the database is with its indexes, and how much has been written to its log so far, in bytes."""

    database: int
    wal: int


class Made(NamedTuple):
    """How many there are that there were not before."""

    executions: int
    transfers: int


class Observer:
    """A connection of the benchmark's own, as the superuser, outside of what is measured."""

    def __init__(self, url: str) -> None:
        """Connect."""
        self._connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Self:
        """Stay connected until the block ends."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hang up."""
        self._connection.close()

    def rows(self, query: LiteralString, **params: object) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._connection.execute(query, params or None).fetchall()

    def wait_until_settled(self) -> float:
        """Wait until nothing is due; return how long that took, in seconds."""
        began = time.perf_counter()
        while time.perf_counter() - began < _LONGEST_S:
            if not self.rows("SELECT id FROM execution WHERE due_at IS NOT NULL LIMIT 1"):
                return time.perf_counter() - began
            time.sleep(_POLL_S)
        raise SystemExit(f"executions were still due after {_LONGEST_S} s")

    def wait_until_looked_at(self, since: datetime) -> None:
        """Wait until the audit that goes on has taken a look since an instant, where it does go on.

        It rests after a long one. Of what comes over years, a first look is never at millions at once.
        """
        began = time.perf_counter()
        while self.rows("SELECT 1 FROM audit_look HAVING max(looked_at) < %(since)s", since=since):
            if time.perf_counter() - began > _LONGEST_S:
                raise SystemExit(f"nothing was looked at for {_LONGEST_S} s")
            time.sleep(_POLL_S)

    def size(self) -> Size:
        """Measure the database."""
        [[database, wal]] = self.rows(
            "SELECT pg_database_size(current_database()), (pg_current_wal_lsn() - '0/0')::bigint"
        )
        return Size(database, wal)

    def made(self, since: datetime) -> Made:
        """Count what was made since an instant."""
        everybody = [organization_id for [organization_id] in self.rows("SELECT id FROM organization")]
        [[executions]] = self.rows(_RAN, all=everybody, since=least_id(since))
        [[transfers]] = self.rows(_MOVED, all=everybody, since=least_id(since))
        return Made(executions, transfers)

    def settings(self) -> dict[str, str]:
        """Tell how the database is set, as far as it is not by default, and what keeps its promises in any case."""
        found = self.rows(
            "SELECT name, current_setting(name) FROM pg_settings"
            " WHERE (source IN ('command line', 'configuration file', 'environment variable')"
            " OR name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'server_version'))"
            " AND name NOT LIKE 'log%' AND name NOT LIKE 'lc%' AND name <> 'unix_socket_directories' ORDER BY name"
        )
        return dict(found)


def now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)
