"""A small world to tell stories in: an organization with a person, accounts and rules."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString

import psycopg

from sluiceway.domain.access import EVERY, Grant, Permission, Principal, TransferPair
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.executions import Execution
from sluiceway.domain.ids import AccountId, ExecutionId, KeyId, OrganizationId, PersonId, RuleId, TransferId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Rule, TriggerType, read_rule
from sluiceway.domain.transfers import Transfer
from sluiceway.outbound import Outbound
from sluiceway.services import approvals
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.approvals import CancelTransfer
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.rules import CreateRule, create_rule, enable_rule
from sluiceway.services.settlement import settle_due
from sluiceway.services.transfers import CreateTransfer, transfer
from sluiceway.storage import accounts as stored_accounts
from sluiceway.storage.credentials import Person, insert_person
from sluiceway.storage.database import Database, WriteTx, fetch_all
from sluiceway.storage.executions import find_execution
from sluiceway.storage.keyring import Keyring
from sluiceway.storage.organizations import insert_organization
from sluiceway.storage.transfers import find_transfer
from sluiceway.wiring import engine_of

PASSWORD = "correct horse battery staple"
SECRET_KEY = "dGVzdHMgc2VhbCB0aGVpciBzZWNyZXRzIHdpdGggaXQ="
KEYRING = Keyring(SECRET_KEY, random_bytes=secrets.token_bytes)
"""What seals secrets in all databases of tests; processes that tests and proofs start have it in their environment."""
os.environ.setdefault("SECRET_KEY", SECRET_KEY)
AS_OWNER: LiteralString = "SET LOCAL ROLE NONE"
"""For the rest of a transaction, be whoever has connected: for what the application may not do."""


def plain_engine(database: Database) -> Engine:
    """Build an engine over a test database whose passwords cost nothing to check."""
    real = engine_of(database)
    return Engine(
        database=database,
        now=real.now,
        new_id=real.new_id,
        new_secret=real.new_secret,
        hash_password=lambda password: f"hashed:{password}",
        verify_password=lambda hashed, password: hashed == f"hashed:{password}",
        keyring=KEYRING,
        rail_of=real.rail_of,
        issuer_of=real.issuer_of,
    )


def real_engine(database: Database, outbound: Outbound | None = None) -> Engine:
    """Build an engine over a test database as a process has it, with what seals secrets in tests."""
    return replace(engine_of(database, outbound=outbound), keyring=KEYRING)


@dataclass
class World:
    """An organization and what is in it, by short name."""

    engine: Engine
    organization_id: OrganizationId
    person: Person
    accounts: dict[str, AccountId] = field(default_factory=dict)
    rules: dict[str, RuleRecord] = field(default_factory=dict)

    async def account(self, name: str, kind: AccountKind = AccountKind.POD, **more: Any) -> AccountId:
        """Add an account."""

        async def work(tx: WriteTx) -> AccountRecord:
            return await insert_account(self.engine, tx, self.organization_id, NewAccount(kind, name, **more))

        record = await self.engine.database.write(work)
        self.accounts[name] = record.account.id
        return record.account.id

    def read(self, written: Mapping[str, Any]) -> Rule:
        """Read a rule in the canonical notation, account names standing for ids."""
        return read_rule(self._named(written))

    async def rule(self, name: str, written: Mapping[str, Any], *, enabled: bool = True) -> RuleRecord:
        """Add a rule in the canonical notation, account names standing for ids, and enable it."""
        rule = self.read(written)
        made: list[RuleRecord] = []

        def show(record: RuleRecord, _: object) -> Answer:
            made.append(record)
            return Answer(201, b"")

        await create_rule(self.engine, CreateRule(self.organization_id, rule, None, show))
        record = made[-1]
        if enabled:
            record = await enable_rule(self.engine, self.person, PASSWORD, record.id, record.fingerprint)
        self.rules[name] = record
        return record

    def _named(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        return self.accounts.get(value, value) if isinstance(value, str) else value

    def deposit_command(self, account: str, amount: int, key: str | None = None) -> Deposit:
        """Ask for money to arrive."""
        return Deposit(
            organization_id=self.organization_id,
            account_id=self.accounts[account],
            spelling=self.accounts[account],
            amount=Cents(amount),
            key_id=KeyId(self.engine.new_id()),
            idempotency=None if key is None else Idempotency("deposit", key, str(amount).encode()),
            show=lambda transfer: Answer(201, transfer.id.encode()),
        )

    async def deposit(self, account: str, amount: int, key: str | None = None) -> Answer | Exception:
        """Let money arrive."""
        [answer] = await deposit(self.engine, [self.deposit_command(account, amount, key)])
        return answer

    def trigger_command(self, rule: str, amount: int | None = None, key: str | None = None) -> TriggerRule:
        """Ask for a run."""
        return TriggerRule(
            organization_id=self.organization_id,
            rule_id=RuleId(self.rules[rule].id),
            spelling=self.rules[rule].id,
            trigger_type=TriggerType.SEQUENCE_API,
            amount=None if amount is None else Cents(amount),
            idempotency=None if key is None else Idempotency("trigger", key, str(amount).encode()),
            show=lambda execution_id: Answer(200, execution_id.encode()),
        )

    async def trigger(self, rule: str, amount: int | None = None, key: str | None = None) -> Answer | Exception:
        """Run a rule on demand."""
        [answer] = await admit(self.engine, [self.trigger_command(rule, amount, key)])
        return answer

    def principal(self, *pairs: TransferPair) -> Principal:
        """Be somebody who may transfer between these pairs; without any, between all."""
        grant = Grant(pairs=pairs or (TransferPair(EVERY, EVERY),))
        return Principal(self.organization_id, KeyId(self.engine.new_id()), {Permission.MANUAL_TRANSFER: grant})

    def transfer_command(
        self,
        source: str,
        destination: str,
        amount: int,
        key: str | None = None,
        *,
        principal: Principal | None = None,
        shown: list[Transfer] | None = None,
    ) -> CreateTransfer:
        """Ask for a transfer between accounts (or ids); `shown` collects what the caller is shown."""
        source_id, destination_id = (AccountId(self.accounts.get(end, end)) for end in (source, destination))

        def show(made: Transfer) -> Answer:
            if shown is not None:
                shown.append(made)
            return Answer(201, made.id.encode())

        return CreateTransfer(
            principal=principal or self.principal(),
            source_id=source_id,
            destination_id=destination_id,
            source_spelling=source,
            destination_spelling=destination,
            amount=Cents(amount),
            description=None,
            idempotency=None
            if key is None
            else Idempotency("transfer", key, f"{source}/{destination}/{amount}".encode()),
            show=show,
        )

    async def transfer(self, source: str, destination: str, amount: int, key: str | None = None) -> Answer | Exception:
        """Move money on somebody's word."""
        [answer] = await transfer(self.engine, [self.transfer_command(source, destination, amount, key)])
        return answer

    async def settle(self) -> int:
        """Settle until nothing is due; return how many executions that were."""
        total = 0
        while settled := await settle_due(self.engine):
            total += settled
        return total

    async def execution(self, answer: Answer | Exception) -> Execution:
        """Tell how the execution stands that an answer names."""
        assert isinstance(answer, Answer), answer
        async with self.engine.database.read() as tx:
            found = await find_execution(tx, self.organization_id, ExecutionId(answer.body.decode()))
        assert found is not None
        return found

    async def executions(self, rule: str | None = None) -> list[Execution]:
        """List all executions, or those of one rule, oldest first."""
        wanted = None if rule is None else self.rules[rule].id
        async with self.engine.database.read() as tx:
            rows = await fetch_all(
                tx,
                "SELECT id FROM execution WHERE organization_id = %(organization_id)s::uuid"
                " AND (%(rule_id)s::uuid IS NULL OR rule_id = %(rule_id)s::uuid) ORDER BY created_at, id",
                {"organization_id": self.organization_id, "rule_id": wanted},
            )
            found = [await find_execution(tx, self.organization_id, row[0]) for row in rows]
        return [execution for execution in found if execution is not None]

    async def transfers(self) -> list[Transfer]:
        """List all transfers, in the order in which they were made."""
        async with self.engine.database.read() as tx:
            rows = await fetch_all(
                tx,
                "SELECT id FROM transfer WHERE organization_id = %(organization_id)s::uuid"
                " ORDER BY created_at, coalesce(execution_id, id), step, action, part",
                {"organization_id": self.organization_id},
            )
            found = [await find_transfer(tx, self.organization_id, row[0]) for row in rows]
        return [transfer for transfer in found if transfer is not None]

    async def events(self, kind: str) -> list[str]:
        """List what the outbox tells of one kind: the subjects, oldest first."""
        async with self.engine.database.read() as tx:
            rows = await fetch_all(
                tx,
                "SELECT subject_id FROM outbox WHERE organization_id = %(organization_id)s::uuid AND kind = %(kind)s"
                " ORDER BY id",
                {"organization_id": self.organization_id, "kind": kind},
            )
        return [row[0] for row in rows]

    async def figures(self, account: str) -> tuple[int, int, int]:
        """Tell what the ledger says of an account: posted, held, expected."""
        async with self.engine.database.read() as tx:
            found = await stored_accounts.find_account(tx, self.organization_id, self.accounts[account])
        assert found is not None
        return found.balance[:3]

    async def balances(self) -> dict[str, int]:
        """Tell what is available in each account."""
        async with self.engine.database.read() as tx:
            records = await stored_accounts.list_accounts(tx, self.organization_id, with_deleted=True)
        found = {record.account.id: record.account.available(record.balance) for record in records}
        return {name: found[account_id] or 0 for name, account_id in self.accounts.items()}


async def new_world(engine: Engine, *, is_sandbox: bool = True, email: str = "person@example.com") -> World:
    """Make an organization with a person."""
    organization_id = OrganizationId(engine.new_id())
    person = Person(organization_id, PersonId(engine.new_id()), email, engine.hash_password(PASSWORD))

    async def work(tx: WriteTx) -> None:
        await insert_organization(tx, organization_id, "A small world", is_sandbox=is_sandbox, at=engine.now())
        await insert_person(tx, person, engine.now())

    await engine.database.write(work)
    return World(engine, organization_id, person)


async def cancel(engine: Engine, principal: Principal, transfer_id: TransferId | None, spelling: str) -> Transfer:
    """Call a transfer back, once and without a key; give it as it is shown. Raises its refusal."""
    shown: list[Transfer] = []

    def show(transfer: Transfer) -> Answer:
        shown.append(transfer)
        return Answer(200, b"")

    await approvals.cancel(engine, CancelTransfer(principal, transfer_id, spelling, None, show))
    return shown[-1]


def fixed(amount: int, source: str, destination: str, **more: Any) -> dict[str, Any]:
    """Write an action that moves so many cents."""
    return {"type": "FIXED", "amount_in_cents": amount, "source": source, "destination": destination, **more}


def percent(percentage: int, source: str, destination: str, **more: Any) -> dict[str, Any]:
    """Write an action that moves a percentage of what is in the source."""
    return {
        "type": "PERCENTAGE",
        "percentage_value": percentage,
        "percentage_target": "SOURCE_ACCOUNT",
        "source": source,
        "destination": destination,
        **more,
    }


def whenever_money_arrives(account: str, *actions: dict[str, Any]) -> dict[str, Any]:
    """Write a rule of one step that money arriving at the account fires."""
    return _one_step({"type": "ON_FUNDS_TRANSFERRED", "account_id": account}, actions)


def on_demand(account: str, *actions: dict[str, Any]) -> dict[str, Any]:
    """Write a rule of one step that runs when it is triggered."""
    return _one_step({"type": "MANUAL", "account_id": account}, actions)


def _one_step(trigger: dict[str, Any], actions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"name": None, "trigger": trigger, "steps": [{"conditions": None, "actions": list(actions)}]}


AUTO_SAVE: dict[str, Any] = {
    "name": "Auto-save on deposit",
    "description": "Saves 20% of every incoming deposit",
    "trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"},
    "steps": [
        {
            "conditions": {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50000}},
            "actions": [
                {
                    "type": "PERCENTAGE",
                    "percentage_value": 20,
                    "percentage_target": "INCOMING_AMOUNT",
                    "source": "income",
                    "destination": "savings",
                }
            ],
        },
        {
            "conditions": None,
            "actions": [
                {
                    "type": "FIXED",
                    "amount_in_cents": 5000,
                    "source": "income",
                    "destination": "emergency",
                    "up_to_enabled": True,
                }
            ],
        },
    ],
}
"""The rule of the first story, in the canonical notation with account names for ids."""


async def first_story(engine: Engine) -> World:
    """Make an income source, two pods, and the rule that saves 20 % of every deposit, enabled."""
    world = await new_world(engine)
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.account("emergency")
    await world.rule("auto_save", AUTO_SAVE)
    return world


@asynccontextmanager
async def locked_from_outside(database_url: str, account_id: AccountId) -> AsyncGenerator[psycopg.AsyncConnection]:
    """Hold an account's row, so that whoever needs it waits."""
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await conn.execute("SELECT FROM account WHERE id = %s FOR UPDATE", (account_id,))
        yield conn
        await conn.rollback()


async def somebody_waits(database_url: str, query: str, count: int = 1) -> list[int]:
    """Return once so many sessions wait for a lock in the statement of this name: their process ids."""
    waiting = """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND starts_with(query, %s)
    """
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
        for _ in range(400):
            rows = await (await conn.execute(waiting, (f"/* {query} */",))).fetchall()
            if len(rows) >= count:
                return [pid for (pid,) in rows]
            await asyncio.sleep(0.005)
    raise AssertionError(f"nobody waits in {query}")


def deadlocks(database_url: str) -> int:
    """Count the deadlocks that the server had to break; a session tells of its own when it ends."""
    with psycopg.connect(database_url) as conn:
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return conn.execute(query).fetchall()[0][0]
