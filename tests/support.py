"""A small world to tell stories in: an organization with a person, accounts and the rule of the first story, enabled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, ExecutionId, KeyId, OrganizationId, PersonId, RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import TriggerType, read_rule
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.rules import CreateRule, create_rule, enable_rule
from sluiceway.services.settlement import settle_due
from sluiceway.storage import accounts as stored_accounts
from sluiceway.storage.credentials import Person, insert_person
from sluiceway.storage.database import Database, WriteTx
from sluiceway.storage.organizations import insert_organization
from sluiceway.wiring import engine_of

PASSWORD = "correct horse battery staple"


def plain_engine(database: Database) -> Engine:
    """An engine over a test database whose passwords cost nothing to check."""
    real = engine_of(database)
    return Engine(
        database=database,
        now=real.now,
        new_id=real.new_id,
        new_secret=real.new_secret,
        hash_password=lambda password: f"hashed:{password}",
        verify_password=lambda hashed, password: hashed == f"hashed:{password}",
    )


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

    async def rule(self, name: str, written: Mapping[str, Any], *, enabled: bool = True) -> RuleRecord:
        """Add a rule in the canonical notation, account names standing for ids, and enable it."""
        rule = read_rule(self._named(written))
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

    async def deposit(self, account: str, amount: int, key: str | None = None) -> Answer | Exception:
        """Let money arrive."""
        command = Deposit(
            organization_id=self.organization_id,
            account_id=self.accounts[account],
            spelling=self.accounts[account],
            amount=Cents(amount),
            key_id=KeyId(self.engine.new_id()),
            idempotency=None if key is None else Idempotency("deposit", key, str(amount).encode()),
            show=lambda transfer: Answer(201, transfer.id.encode()),
        )
        [answer] = await deposit(self.engine, [command])
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

    async def settle(self) -> int:
        """Settle until nothing is due; return how many executions that were."""
        total = 0
        while settled := await settle_due(self.engine):
            total += settled
        return total

    async def balances(self) -> dict[str, int]:
        """What is available in each account."""
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
    """An income source, two pods, and the rule that saves 20 % of every deposit, enabled."""
    world = await new_world(engine)
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.account("emergency")
    await world.rule("auto_save", AUTO_SAVE)
    return world
