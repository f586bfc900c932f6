"""The sample organization of the demo: an income source, two pods, and the rule that saves 20 % of every deposit.

Seeding again finds what is there and adds nothing; it only replaces credentials that no longer work.
"""

from dataclasses import dataclass
from typing import Any, Final

from sluiceway.domain.ids import AccountId, OrganizationId, PersonId, RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import read_rule
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key, every_grant, hash_secret
from sluiceway.services.rules import SECRET_LENGTH, enable_rule
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.credentials import Person, find_people, insert_person, set_password
from sluiceway.storage.database import ConstraintViolated, ReadTx, WriteTx
from sluiceway.storage.organizations import find_organizations, insert_organization
from sluiceway.storage.rules import insert_rule, list_rules

DEMO_ORGANIZATION: Final = OrganizationId("01900000-0000-7000-8000-00000000de30")
"""Always the same id, so that the database itself refuses a second demo, whoever seeds at the same time."""

EMAIL: Final = "demo@example.com"
_PASSWORD_LENGTH: Final = 16
_ACCOUNTS: Final = {
    "income": NewAccount(AccountKind.INCOME_SOURCE, "Income", description="Sample data: where pay arrives"),
    "savings": NewAccount(AccountKind.POD, "Savings", description="Sample data: a fifth of every deposit"),
    "emergency": NewAccount(AccountKind.POD, "Emergency fund", description="Sample data: fills up slowly"),
}
_RULE: Final = "auto_save"
_RULE_NAME: Final = "Auto-save on deposit"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What can be shown only once, because nothing but its hash is kept."""

    api_key: str
    password: str


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo as it stands: its ids by short name, and secrets that work. `renewed` names those that are new."""

    organization_id: OrganizationId
    email: str
    secrets: Secrets
    accounts: dict[str, AccountId]
    rules: dict[str, RuleId]
    is_new: bool
    renewed: tuple[str, ...]


async def seed_demo(engine: Engine, known: Secrets | None = None) -> Demo:
    """Make the demo, or find it. Secrets in `known` are kept for as long as they work, otherwise they are renewed."""
    password = known.password if known is not None else engine.new_secret(_PASSWORD_LENGTH)
    is_new = await _insert(engine, password)
    async with engine.database.read() as tx:
        [person] = await _people(tx)
        records = await list_accounts(tx, DEMO_ORGANIZATION, with_deleted=True)
        rules = await list_rules(tx, DEMO_ORGANIZATION)
    renewed: list[str] = []
    if not engine.verify_password(person.password_hash, password):
        person = await _renew_password(engine, person, password)
        renewed.append("password")
    by_name = {record.name: record.account.id for record in reversed(records)}
    rule = next((record for record in reversed(rules) if record.rule.name == _RULE_NAME), None)
    if rule is not None and _was_never_enabled(rule):
        await enable_rule(engine, person, password, rule.id, rule.fingerprint)
    api_key = await _working_key(engine, known)
    if api_key is None:
        _, api_key = await create_key(engine, DEMO_ORGANIZATION, "Demo", every_grant())
        renewed.append("API key")
    return Demo(
        organization_id=DEMO_ORGANIZATION,
        email=EMAIL,
        secrets=Secrets(api_key, password),
        accounts={short: by_name[new.name] for short, new in _ACCOUNTS.items() if new.name in by_name},
        rules={} if rule is None else {_RULE: rule.id},
        is_new=is_new,
        renewed=() if is_new else tuple(renewed),
    )


async def _insert(engine: Engine, password: str) -> bool:
    """Write organization, person, accounts and the rule in one transaction; False when they are there already."""
    person = Person(DEMO_ORGANIZATION, PersonId(engine.new_id()), EMAIL, engine.hash_password(password))

    async def work(tx: WriteTx) -> bool:
        if await find_organizations(tx, [DEMO_ORGANIZATION]):
            return False
        at = engine.now()
        await insert_organization(tx, DEMO_ORGANIZATION, "Demo (sample data)", is_sandbox=True, at=at)
        await insert_person(tx, person, at)
        ids: dict[str, AccountId] = {}
        for short, new in _ACCOUNTS.items():
            ids[short] = (await insert_account(engine, tx, DEMO_ORGANIZATION, new)).account.id
        await insert_rule(
            tx, DEMO_ORGANIZATION, RuleId(engine.new_id()), read_rule(_rule(ids)), engine.new_secret(SECRET_LENGTH), at
        )
        return True

    try:
        return await engine.database.write(work)
    except ConstraintViolated:
        # Somebody else seeded at the same time and was faster; what they wrote is what there is.
        async with engine.database.read() as tx:
            assert await find_organizations(tx, [DEMO_ORGANIZATION]), "the organization's key was what was violated"
        return False


async def _people(tx: ReadTx) -> list[Person]:
    return [person for person in await find_people(tx, EMAIL) if person.organization_id == DEMO_ORGANIZATION]


async def _renew_password(engine: Engine, person: Person, password: str) -> Person:
    renewed = person._replace(password_hash=engine.hash_password(password))

    async def work(tx: WriteTx) -> None:
        await set_password(tx, renewed)

    await engine.database.write(work)
    return renewed


async def _working_key(engine: Engine, known: Secrets | None) -> str | None:
    if known is None:
        return None
    async with engine.database.read() as tx:
        found = await engine.principals.get(tx, {hash_secret(known.api_key)})
    is_ours = any(principal.organization_id == DEMO_ORGANIZATION for principal in found.values())
    return known.api_key if is_ours else None


def _was_never_enabled(rule: RuleRecord) -> bool:
    """Tell a rule that a crash kept from being enabled from one that a person has disabled, which stays disabled."""
    return not rule.is_enabled and rule.revision == 1 and rule.updated_at == rule.created_at


def _rule(accounts: dict[str, AccountId]) -> dict[str, Any]:
    """Write the rule of the API's own example over the demo's accounts."""
    return {
        "name": _RULE_NAME,
        "description": "Saves 20% of every incoming deposit",
        "trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": accounts["income"]},
        "steps": [
            {
                "conditions": {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50000}},
                "actions": [
                    {
                        "type": "PERCENTAGE",
                        "percentage_value": 20,
                        "percentage_target": "INCOMING_AMOUNT",
                        "source": accounts["income"],
                        "destination": accounts["savings"],
                        "group_index": 0,
                        "up_to_enabled": False,
                    }
                ],
            },
            {
                "conditions": None,
                "actions": [
                    {
                        "type": "FIXED",
                        "amount_in_cents": 5000,
                        "source": accounts["income"],
                        "destination": accounts["emergency"],
                        "group_index": 0,
                        "up_to_enabled": True,
                    }
                ],
            },
        ],
    }
