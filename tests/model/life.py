"""One organization's life, lived twice: by the services and by the oracle; after every event both must agree."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any, TypeVar

from hypothesis import note

from sluiceway.domain.errors import Refusal
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import PERCENT_UNIT, Cents, Percent
from sluiceway.domain.rules import read_rule, write_rule
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.accounts import NewAccount
from sluiceway.services.errands import work_off
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import CreateRule, create_rule
from sluiceway.services.sandbox import connect_account
from sluiceway.storage import feeds
from sluiceway.storage.database import WriteTx
from tests.model import world_oracle
from tests.model.books_oracle import Plain
from tests.model.organization import Seen, Town

T = TypeVar("T")

ACCOUNT = ("deleted", "posted", "held_out", "expected_in")
REPORTED = ("balance", "available", "minimum", "statement", "reported_at")
TRANSFER = (
    "source",
    "destination",
    "amount",
    "status",
    "code",
    "mode",
    "execution",
    "created_at",
    "completed_at",
    "returned_at",
    "return_code",
)
EXECUTION = ("rule", "mode", "trigger", "amount", "depth", "created_at", "scheduled_for", "step", "not_met")


class Life:
    """What happens goes to the services first; the oracle then says what should have come of it."""

    def __init__(self, town: Town, at: datetime) -> None:
        """Move in at an instant, with a clock that stands still."""
        self.town = town
        self.world = town.move_in(at)
        self.id = self.world.organization_id
        self.seen = Seen()
        self.oracle = world_oracle.World(at, self.seen)
        self.names: dict[str, str] = {}

    @property
    def engine(self) -> Any:
        """The process that runs now."""
        return self.world.engine

    def restart(self) -> None:
        """Let the process die and another one begin."""
        self.world = replace(self.world, engine=self.town.engine())

    # ------------------------------------------------------------------------------------------------------- happenings

    def act(self, name: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Let something happen to the services; give what came of it, or the refusal."""
        try:
            outcome = self.town.run(work)
        except Refusal as refusal:
            outcome = refusal
        self.town.done[f"{name} {type(outcome).__name__}" if isinstance(outcome, Refusal) else name] += 1
        self.seen.look(self.town.conn, self.id)
        return outcome

    def write(self, work: Callable[[WriteTx], Coroutine[Any, Any, Any]]) -> Coroutine[Any, Any, Any]:
        """Do something in a transaction."""
        return self.engine.database.write(work)

    async def work_off(self) -> None:
        """Do everything that is due."""
        while await work_off(self.engine, self.id):
            pass

    async def hurry(self) -> None:
        """Tell Sluiceway that its bank has news."""

        async def work(tx: WriteTx) -> None:
            await feeds.hurry(tx, self.id, self.id, self.oracle.now)

        await self.engine.database.write(work)

    async def outside(self, work: Callable[[SandboxBank], Awaitable[T]]) -> T:
        """Turn a knob of the bank, which then has news."""
        outcome = await work(self.town.bank())
        await self.hurry()
        return outcome

    # --------------------------------------------------------------------------------------------------------- accounts

    def open(self, name: str, kind: AccountKind = AccountKind.POD, linked: str | None = None) -> str:
        """Add an account that Sluiceway keeps."""
        more = {} if linked is None else {"linked_account_id": linked}
        id_ = self.act("open", self.world.account(name, kind, **more))
        self.oracle.add_account(id_, str(kind), linked=linked)
        self.names[id_] = name
        return id_

    def connect(self, name: str, kind: ExternalKind, balance: int, **figures: Any) -> str:
        """Connect an account at the bank."""
        rate = figures.get("rate")
        reported = ReportedBalance(
            balance=Cents(balance),
            next_payment_minimum=figures.get("minimum"),
            last_statement_balance=figures.get("statement"),
            interest_rate=None if rate is None else Percent(rate * PERCENT_UNIT),
        )
        new = NewAccount(AccountKind.EXTERNAL_ACCOUNT, name, external_kind=kind, reported=reported)
        record = self.act("connect", connect_account(self.engine, self.id, new))
        plain = figures | ({} if rate is None else {"rate": Fraction(rate)})
        self.oracle.connect(record.account.id, str(kind), balance, plain)
        self.names[record.account.id] = name
        return record.account.id

    # ------------------------------------------------------------------------------------------------------------ rules

    def add_rule(self, drawn: Plain) -> str | None:
        """Create a rule; None: it makes no sense."""
        made: list[str] = []

        def show(record: Any, _: object) -> Answer:
            made.append(record.id)
            return Answer(201, b"")

        self.act("create rule", create_rule(self.engine, CreateRule(self.id, read_rule(drawn), None, show)))
        if not made:
            return None
        self.oracle.add_rule(made[0], canonical(drawn))
        self.names[made[0]] = f"rule {len(self.oracle.rules)}"
        note(f"{self.names[made[0]]} is {self.readable(drawn)}")
        return made[0]

    def readable(self, value: object) -> str:
        """Write something with names for ids."""
        text = json.dumps(value, default=str)
        for id_, name in self.names.items():
            text = text.replace(id_, name)
        return text

    # ------------------------------------------------------------------------------------------------ whether it agrees

    def compare(self) -> None:
        """Say where services and oracle differ. What has happened since the last time is a step."""
        self.town.steps += 1
        wrong = [*self._accounts(), *self._transfers(), *self._executions(), *self._payments()]
        if wrong:
            self.tell()
        assert not wrong, self.readable(wrong)

    def tell(self) -> None:
        """Tell the story so far, for whoever has to find out what went wrong."""
        note(f"It is {self.oracle.now}.")
        for id_, account in self.oracle.accounts.items():
            figures = {key: value for key, value in account.items() if value or key in ACCOUNT}
            note(f"{self.names[id_]}: {figures}")
        for run in self.oracle.executions.values():
            keys = ("id", "rule", "trigger", "mode", "amount", "status", "created_at", "counts", "step")
            note(f"RUN {self.readable({key: run[key] for key in keys})}")
        for made in self.oracle.transfers.values():
            note(f"TRANSFER {self.readable(made)}")

    def _accounts(self) -> list[str]:
        wrong = []
        for id_, account in self.oracle.accounts.items():
            real = self.seen.accounts[id_]
            keys = ACCOUNT if account["kept"] or account["error"] else ACCOUNT + REPORTED
            wrong += self._differ(f"account {self.names[id_]}", keys, account, real)
            if real["error"] != account["error"]:
                wrong.append(f"account {self.names[id_]}: error {real['error']}, should be {account['error']}")
        kinds = {real["kind"]: real for real in self.seen.accounts.values()}
        return wrong + self._differ("clearing", ("posted", "held_out"), self.oracle.clearing, kinds["CLEARING"])

    def _transfers(self) -> list[str]:
        wrong = [
            f"nobody expected {real}" for id_, real in self.seen.transfers.items() if id_ not in self.oracle.transfers
        ]
        for id_, made in self.oracle.transfers.items():
            real = self.seen.transfers.get(id_)
            if real is None:
                wrong.append(f"there is no {made}")
            else:
                ends = [self.names.get(made[end], "outside") for end in ("source", "destination")]
                what = f"{made['mode']} transfer of {made['amount']} from {ends[0]} to {ends[1]} {id_}"
                wrong += self._differ(what, TRANSFER, made, real)
        return wrong

    def _executions(self) -> list[str]:
        wrong = [
            f"nobody expected {real}" for id_, real in self.seen.executions.items() if id_ not in self.oracle.executions
        ]
        for id_, run in self.oracle.executions.items():
            real = self.seen.executions[id_]
            what = f"run of {self.names[run['rule']]} ({id_})"
            wrong += self._differ(what, EXECUTION, run, real)
            counts = tuple(real[key] for key in ("attempted", "completed", "failed", "pending"))
            is_due = run["status"] == "DUE"
            status = "IN_PROGRESS" if is_due else run["status"]
            if (real["status"], real["is_due"], counts) != (status, is_due, run["counts"]):
                found = (real["status"], real["is_due"], counts)
                wrong.append(f"{what}: {found}, should be {(status, is_due, run['counts'])}; says {real['says']}")
            if (run["says"] or "") not in (real["says"] or ""):
                wrong.append(f"{what}: says {real['says']!r}, should say {run['says']!r}")
            if (real["finished_at"] is None) != (status == "IN_PROGRESS"):
                wrong.append(f"{what}: finished at {real['finished_at']} although {status}")
        return wrong

    def _payments(self) -> list[str]:
        """One payment for each leg that was handed over, and none besides."""
        handed_over = set(self.oracle.bank.payments)
        wrong = [f"leg {id_} paid in vain" for id_ in handed_over - self.seen.legs.keys()]
        if self.seen.payments != len(handed_over):
            wrong.append(f"{self.seen.payments} payments at the bank, should be {len(handed_over)}")
        return wrong

    @staticmethod
    def _differ(what: str, keys: tuple[str, ...], foretold: Plain, real: Plain) -> list[str]:
        different = [key for key in keys if foretold[key] != real[key]]
        return [f"{what}: {key} is {real[key]}, should be {foretold[key]}" for key in different]


def canonical(drawn: Plain) -> Plain:
    """Write a rule with everything that was left out."""
    return json.loads(json.dumps(write_rule(read_rule(drawn))))
