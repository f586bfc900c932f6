"""Makes what the benchmarks run against, through the services: organizations with accounts and money, enabled rules."""

from dataclasses import dataclass, replace
from typing import Any

from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, KeyId, OrganizationId, PersonId, RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rate_limits import MOST_PER_MINUTE
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import read_rule
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.rules import CreateRule, create_rule, enable_rule
from sluiceway.storage.credentials import Person, insert_person
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import insert_organization

FUNDS = Cents(10**12)
_PASSWORD = "benchmark"  # noqa: S105 -- it protects nothing


@dataclass(frozen=True)
class Town:
    """An organization: the person who signs its rules, a key that may do everything, and accounts with money."""

    person: Person
    key: str
    pods: list[AccountId]
    income: AccountId
    """An income source, with money too."""

    @property
    def id(self) -> OrganizationId:
        """Name the organization."""
        return self.person.organization_id


async def found(engine: Engine, name: str, pods: int) -> Town:
    """Make an organization with so many pods and an income source, all with money."""
    person = await _organization(engine, name)
    # Counted, and high enough never to be reached: without a limit the calls would not be counted at all.
    _, key = await create_key(engine, person.organization_id, "bench", every_grant(), rate_limit=MOST_PER_MINUTE)
    kinds = [AccountKind.POD] * pods + [AccountKind.INCOME_SOURCE]
    accounts = [await _account(engine, person.organization_id, kind, index) for index, kind in enumerate(kinds)]
    await deposit(engine, [_deposit(engine, person.organization_id, account) for account in accounts])
    return Town(person, key, accounts[:-1], accounts[-1])


async def enable(engine: Engine, person: Person, trigger: dict[str, Any], *actions: dict[str, Any]) -> RuleId:
    """Make and enable a rule of one step, under a condition that holds."""
    above = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50_000}}
    step = {"conditions": above, "actions": list(actions)}
    rule = read_rule({"name": f"Split in {len(actions)}", "trigger": trigger, "steps": [step]})
    made: list[tuple[RuleId, bytes]] = []

    def show(record: RuleRecord, _: object) -> Answer:
        made.append((record.id, record.fingerprint))
        return Answer(201, b"")

    await create_rule(engine, CreateRule(person.organization_id, rule, None, show))
    # Enabling checks the password, which costs time on purpose; here only the rule matters.
    quick = replace(engine, verify_password=_believe)
    await enable_rule(quick, person, _PASSWORD, *made[-1])
    return made[-1][0]


def manual(source: AccountId) -> dict[str, Any]:
    """Write the trigger of a rule that runs when it is told to."""
    return {"type": "MANUAL", "account_id": source}


def share(percent: int, source: AccountId, destination: AccountId) -> dict[str, Any]:
    """Write an action that moves so much of what came in."""
    return {
        "type": "PERCENTAGE",
        "percentage_value": percent,
        "percentage_target": "INCOMING_AMOUNT",
        "source": source,
        "destination": destination,
    }


def _believe(_hashed: str, _given: str) -> bool:
    return True


async def _organization(engine: Engine, name: str) -> Person:
    organization_id = OrganizationId(engine.new_id())
    password_hash = engine.hash_password(_PASSWORD)
    person = Person(organization_id, PersonId(engine.new_id()), "bench@example.com", password_hash)

    async def work(tx: WriteTx) -> None:
        await insert_organization(tx, organization_id, name, is_sandbox=True, at=engine.now())
        await insert_person(tx, person, engine.now())

    await engine.database.write(work)
    return person


async def _account(engine: Engine, organization_id: OrganizationId, kind: AccountKind, index: int) -> AccountId:
    async def work(tx: WriteTx) -> AccountRecord:
        return await insert_account(engine, tx, organization_id, NewAccount(kind, f"Account {index}"))

    return (await engine.database.write(work)).account.id


def _deposit(engine: Engine, organization_id: OrganizationId, account: AccountId) -> Deposit:
    return Deposit(
        organization_id,
        account,
        account,
        FUNDS,
        KeyId(engine.new_id()),
        None,
        lambda transfer: Answer(201, transfer.id.encode()),
    )
