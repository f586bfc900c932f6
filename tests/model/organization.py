"""The real services of one organization, driven from plain code: one event loop, a clock and ids that are counted."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.clock import freeze
from sluiceway.services.engine import Engine
from sluiceway.storage.database import Database
from tests.model.books_oracle import Diverged, Plain
from tests.support import World, new_world, plain_engine

T = TypeVar("T")

LEASE = timedelta(seconds=31)

ACCOUNTS = """
    SELECT id, kind, deleted_at IS NOT NULL AS deleted,
           posted, held_out, expected_in, reported_balance AS balance, reported_available AS available,
           reported_error AS error, next_payment_minimum AS minimum, last_statement_balance AS statement, reported_at
    FROM account WHERE organization_id = %s
"""
TRANSFERS = """
    SELECT id, source_account_id AS source, destination_account_id AS destination, amount, status, error_code AS code,
           mode, execution_id AS execution, step, action, part, created_at, completed_at, returned_at, return_code
    FROM transfer WHERE organization_id = %s ORDER BY id
"""
EXECUTIONS = """
    SELECT id, rule_id AS rule, mode, trigger_type AS trigger, transfer_amount AS amount, depth, status,
           due_at IS NOT NULL AS is_due, created_at, scheduled_for, step_matched AS step, conditions_not_met AS not_met,
           attempted, completed, failed, pending, error_message AS says, finished_at
    FROM execution WHERE organization_id = %s ORDER BY id
"""
LEGS = """
    SELECT l.id, l.transfer_id AS transfer, l.sequence, l.purpose, l.status, l.attempts, l.failures, p.refusal, p.calls
    FROM transfer_leg l LEFT JOIN bank_payment p ON p.organization_id = l.organization_id AND p.key = l.id
    WHERE l.organization_id = %s
"""


@dataclass
class Seen:
    """What the database says: it gives the oracle the names of things, and is compared with it afterwards."""

    accounts: dict[str, Plain] = field(default_factory=dict)
    transfers: dict[str, Plain] = field(default_factory=dict)
    executions: dict[str, Plain] = field(default_factory=dict)
    legs: dict[str, Plain] = field(default_factory=dict)
    payments: int = 0

    def look(self, conn: psycopg.Connection[Plain], organization_id: str) -> None:
        """Read everything of an organization."""
        for query, into in (
            (ACCOUNTS, "accounts"),
            (TRANSFERS, "transfers"),
            (EXECUTIONS, "executions"),
            (LEGS, "legs"),
        ):
            rows = conn.execute(query, (organization_id,)).fetchall()
            plain = [{key: str(value) if _is_id(value) else value for key, value in row.items()} for row in rows]
            setattr(self, into, {row["id"]: row for row in plain})
        [row] = conn.execute(
            "SELECT count(*) FROM bank_payment WHERE organization_id = %s", (organization_id,)
        ).fetchall()
        self.payments = row["count"]
        self._runs: dict[str, list[str]] = defaultdict(list)
        for run in self.executions.values():
            self._runs[run["rule"]].append(run["id"])
        self._made, self._outside = {}, defaultdict(list)
        for made in self.transfers.values():
            if made["execution"]:
                self._made[made["execution"], made["step"], made["action"], made["part"]] = made["id"]
            elif made["source"] is None or made["destination"] is None:
                way = (made["destination"], "in") if made["source"] is None else (made["source"], "out")
                self._outside[way].append(made["id"])
        self._legs = {(leg["transfer"], leg["sequence"]): leg["id"] for leg in self.legs.values()}

    def execution(self, rule: str, number: int) -> str:
        """Name the n-th execution of a rule."""
        found = self._runs[rule]
        if len(found) < number:
            raise Diverged(f"rule {rule} has not run for the {number}. time")
        return found[number - 1]

    def transfer(self, execution: str, step: int, action: int, part: int) -> str:
        """Name a rule's transfer."""
        place = (execution, step, action, part)
        if place not in self._made:
            raise Diverged(f"there is no transfer of {place}")
        return self._made[place]

    def outside(self, account: str, kind: str, number: int) -> str:
        """Name the n-th transfer of an account with somebody unknown outside."""
        found = self._outside[account, kind]
        if len(found) < number:
            raise Diverged(f"account {account} has no {number}. transfer {kind} with the outside")
        return found[number - 1]

    def leg(self, transfer: str, sequence: int) -> str:
        """Name a leg."""
        if (transfer, sequence) not in self._legs:
            raise Diverged(f"transfer {transfer} has no leg {sequence}")
        return self._legs[transfer, sequence]

    def has_failed(self, leg: str, times: int) -> bool:
        """Tell whether handing over had no answer more often than so many times."""
        return self.legs[leg]["failures"] > times

    def is_refused(self, leg: str) -> bool:
        """Tell whether the bank was told to refuse this payment."""
        return self.legs[leg]["refusal"] == "PAYMENT_FAILED"


def _is_id(value: Any) -> bool:
    return type(value).__name__ == "UUID"


class Town:
    """A database in which one organization after the other lives its life."""

    def __init__(self, url: str) -> None:
        """Open the database with a loop of its own."""
        self._runner = asyncio.Runner()
        self.database: Database = self.run(Database(url).__aenter__())
        self.conn = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self.ids = count(1)
        self.real = datetime(2026, 1, 1)  # noqa: DTZ001 - set by whoever moves in.
        self.steps = 0
        self.done: dict[str, int] = defaultdict(int)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something asynchronous to its end."""
        return self._runner.run(work)

    def close(self) -> None:
        """Leave nothing open."""
        self.conn.close()
        self.run(self.database.__aexit__(None, None, None))
        self._runner.close()

    def engine(self) -> Engine:
        """Start a process: nothing is remembered."""
        return replace(plain_engine(self.database), now=lambda: self.real, new_id=self.new_id)

    def new_id(self) -> str:
        """Count: the ids of UUIDv7, in the order in which they are made."""
        text = f"{1_700_000_000_000 + next(self.ids):012x}7000800000000000" + "0" * 4
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    def move_in(self, at: datetime) -> World:
        """Make an organization whose clock stands still."""
        self.real = at
        engine = self.engine()
        world = self.run(new_world(engine, email=f"{next(self.ids)}@example.com"))
        self.run(freeze(engine, world.organization_id))
        return world

    def bank(self) -> SandboxBank:
        """Give the bank, as whoever turns its knobs sees it."""
        return SandboxBank(self.database)
