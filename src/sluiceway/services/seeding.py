"""Makes the demo: an organization whose clock stands still, with a sample household and a sample studio.

Seeding again finds what is there, goes on where a crash stopped it, and replaces credentials that no longer work. What
the demo is made of is in `sample`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from sluiceway.domain.access import Caller
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.audit import operators_act
from sluiceway.domain.cards import Card, first_status
from sluiceway.domain.clocks import Clock
from sluiceway.domain.ids import AccountId, CardId, OrganizationId, PersonId, RuleId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import NO_CENTS
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import RemoteAmount
from sluiceway.rails import Issued
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.rails.sandbox_issuer import SandboxIssuer
from sluiceway.services import remote_access
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.audit_log import Done, do, record
from sluiceway.services.clock import advance, read_clock
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key, every_grant, identify
from sluiceway.services.rules import enable_rule, fresh_secret, open_secret
from sluiceway.services.sample import (
    ACCOUNTS,
    CARDS,
    HOUSEHOLD,
    RULE_NAMES,
    SampleAccount,
    outside_events,
    sample_rules,
)
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.bank_rows import BankAccount, BankAccountState, LiabilityFigures
from sluiceway.storage.cards import every_card, insert_card
from sluiceway.storage.credentials import Person, find_people, insert_person, set_password
from sluiceway.storage.database import ConstraintViolated, ReadTx, WriteTx
from sluiceway.storage.feeds import hurry
from sluiceway.storage.organizations import find_organizations, insert_organization, set_clock
from sluiceway.storage.rules import insert_rule, list_rules, rule_secret

DEMO_ORGANIZATION: Final = OrganizationId("01900000-0000-7000-8000-00000000de30")
"""Always the same id, so that the database itself refuses a second demo, whoever seeds at the same time."""

EMAIL: Final = "demo@example.com"
OPENED: Final = datetime(2026, 1, 5, 13, tzinfo=UTC)
"""When everything was made: a while before the rules are enabled, so that one can be told from one that never was."""
START: Final = datetime(2026, 1, 5, 14, tzinfo=UTC)
"""Where the demo's clock stands until somebody turns it: a Monday, nine o'clock Eastern."""

TAX_PORT: Final = 8089
_NAME: Final = "Demo (sample data)"
_PASSWORD_LENGTH: Final = 16
_ASKS_FOR_TAX: Final = "client_payment"
_OURS: Final = re.compile(r"http://127\.0\.0\.1:[0-9]+/")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What can be shown only once, because nothing but its hash is kept."""

    api_key: str
    password: str
    access_token: str = ""
    rule_secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """By the rule's short name."""


@dataclass(frozen=True, slots=True)
class TaxService:
    """Where a rule of the demo asks how much of a payment is tax, and the secret that it signs with."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo as it stands: its ids by short name, and secrets that work. `renewed` names those that are new.

    `tax_service` is None where a person has let the rule ask somebody else, or deleted it.
    """

    organization_id: OrganizationId
    email: str
    secrets: Secrets
    accounts: dict[str, AccountId]
    cards: dict[str, CardId]
    rules: dict[str, RuleId]
    tax_service: TaxService | None
    is_new: bool
    renewed: tuple[str, ...]


def tax_url(port: int) -> str:
    """Write the address of a tax service on this machine."""
    return f"http://127.0.0.1:{port}/"


async def seed_demo(engine: Engine, known: Secrets | None = None, *, tax_port: int = TAX_PORT) -> Demo:
    """Make the demo, or find it. Secrets in `known` are kept for as long as they work, otherwise they are renewed.

    `tax_port` is where the tax service of a new demo will be; one that is there already keeps its own.
    """
    password = known.password if known is not None else engine.new_secret(_PASSWORD_LENGTH)
    is_new = await _insert(engine, password, tax_port)
    async with engine.database.read() as tx:
        [person] = await _people(tx)
        records = await list_accounts(tx, DEMO_ORGANIZATION, with_deleted=True)
        rules = _rules_by_short_name(await list_rules(tx, DEMO_ORGANIZATION))
        issued = {card.id for card in await every_card(tx, DEMO_ORGANIZATION)}
    renewed: list[str] = []
    if not engine.verify_password(person.password_hash, password):
        person = await _renew_password(engine, person, password)
        renewed.append("password")
    accounts = _accounts_by_short_name(records)
    if waiting := [rule for rule in rules.values() if _was_never_enabled(rule)]:
        await _plan_outside(engine, accounts)
        for rule in sorted(waiting, key=lambda rule: rule.position):
            await enable_rule(engine, person, password, rule.id, rule.fingerprint)
    secrets, others = await _working_secrets(engine, known, password, rules)
    renewed += others
    return Demo(
        organization_id=DEMO_ORGANIZATION,
        email=EMAIL,
        secrets=secrets,
        accounts=accounts,
        cards={short: sample.id for short, sample in CARDS.items() if sample.id in issued},
        rules={short: rule.id for short, rule in rules.items()},
        tax_service=await _tax_service(engine, rules.get(_ASKS_FOR_TAX)),
        is_new=is_new,
        renewed=() if is_new else tuple(renewed),
    )


async def _insert(engine: Engine, password: str, tax_port: int) -> bool:
    """Write organization, person, accounts, cards and rules in one transaction; False when they are there already."""
    person = Person(DEMO_ORGANIZATION, PersonId(engine.new_id()), EMAIL, engine.hash_password(password))
    issuer = SandboxIssuer(engine.database)
    issued = {short: await issuer.issue(DEMO_ORGANIZATION, sample.id, OPENED) for short, sample in CARDS.items()}

    async def work(tx: WriteTx) -> bool:
        if await find_organizations(tx, [DEMO_ORGANIZATION]):
            return False
        await insert_organization(tx, DEMO_ORGANIZATION, _NAME, is_sandbox=True, at=OPENED)
        await set_clock(tx, DEMO_ORGANIZATION, Clock(frozen_at=OPENED))
        await insert_person(tx, person, OPENED)
        ids: dict[str, AccountId] = {}
        for short, sample in ACCOUNTS.items():
            new = _new_account(sample, ids)
            ids[short] = (await insert_account(engine, tx, DEMO_ORGANIZATION, new)).account.id
        for card in _cards(ids, issued):
            await insert_card(tx, card)
        for rule in sample_rules(ids, tax_url(tax_port)).values():
            rule_id = RuleId(engine.new_id())
            secret = fresh_secret(engine, DEMO_ORGANIZATION, rule_id)
            await insert_rule(tx, DEMO_ORGANIZATION, rule_id, rule, secret, OPENED)
        await record(engine, tx, [Done(operators_act(DEMO_ORGANIZATION, "CREATE_ORGANIZATION"))])
        return True

    try:
        return await engine.database.write(work)
    except ConstraintViolated:
        # Somebody else seeded at the same time and was faster; what they wrote is what there is.
        async with engine.database.read() as tx:
            assert await find_organizations(tx, [DEMO_ORGANIZATION]), "the organization's key was what was violated"
        return False


def _new_account(sample: SampleAccount, ids: Mapping[str, AccountId]) -> NewAccount:
    new = sample.new
    if new.kind is AccountKind.EXTERNAL_ACCOUNT:
        available = None if new.external_kind is ExternalKind.LIABILITY else new.reported.balance
        return replace(new, reported=replace(new.reported, available=available, updated_at=OPENED))
    return new if sample.holds_for is None else replace(new, linked_account_id=ids[sample.holds_for])


def _cards(ids: Mapping[str, AccountId], issued: Mapping[str, Issued]) -> Iterator[Card]:
    for short, sample in CARDS.items():
        yield Card(
            organization_id=DEMO_ORGANIZATION,
            id=sample.id,
            account_id=ids[sample.account],
            kind=sample.kind,
            type=sample.type,
            status=first_status(sample.type),
            last_four=issued[short].last_four,
            holder_name=sample.holder_name,
            expires_on=issued[short].expires_on,
            created_at=OPENED,
        )


async def _plan_outside(engine: Engine, accounts: Mapping[str, AccountId]) -> None:
    """Open the accounts at the sandbox bank, tell it what will happen, and let the clock come to where it waits.

    What a crash has left done stays as it is.
    """
    bank = SandboxBank(engine.database)
    for short, sample in ACCOUNTS.items():
        if sample.new.kind is AccountKind.EXTERNAL_ACCOUNT:
            problems = await bank.open_account(DEMO_ORGANIZATION, _at_the_bank(accounts[short], sample.new), OPENED)
            assert not problems, problems
    problems = await bank.plan(DEMO_ORGANIZATION, outside_events(accounts, START), OPENED)
    assert not problems, problems

    async def work(tx: WriteTx) -> None:
        # Whoever asked the bank before it knew all this was told that there would be no news.
        await hurry(tx, DEMO_ORGANIZATION, DEMO_ORGANIZATION, OPENED)

    await engine.database.write(work)
    if (await read_clock(engine, DEMO_ORGANIZATION)).now < START:
        await advance(engine, DEMO_ORGANIZATION, START)


def _at_the_bank(account_id: AccountId, new: NewAccount) -> BankAccount:
    assert new.external_kind is not None, "the bank keeps external accounts"
    reported = new.reported
    return BankAccount(
        id=account_id,
        kind=new.external_kind,
        holder_name=new.beneficiary_name,
        currency=new.currency,
        state=BankAccountState.OPEN,
        balance=reported.balance or NO_CENTS,
        available=reported.available,
        figures=LiabilityFigures(
            last_statement_balance=reported.last_statement_balance,
            last_statement_date=reported.last_statement_date,
            next_payment_minimum=reported.next_payment_minimum,
            next_payment_due_date=reported.next_payment_due_date,
            interest_rate=reported.interest_rate,
            original_loan_amount=reported.original_loan_amount,
        ),
    )


async def _people(tx: ReadTx) -> list[Person]:
    return [person for person in await find_people(tx, EMAIL) if person.organization_id == DEMO_ORGANIZATION]


async def _renew_password(engine: Engine, person: Person, password: str) -> Person:
    renewed = person._replace(password_hash=engine.hash_password(password))

    async def work(tx: WriteTx) -> None:
        await set_password(tx, renewed)

    await do(engine, operators_act(DEMO_ORGANIZATION, "SET_PASSWORD", person.id), work)
    return renewed


async def _working_secrets(
    engine: Engine, known: Secrets | None, password: str, rules: Mapping[str, RuleRecord]
) -> tuple[Secrets, list[str]]:
    """Keep what works, make what is missing, and name what was made."""
    renewed: list[str] = []
    api_key = await _working_key(engine, known)
    if api_key is None:
        _, api_key = await create_key(engine, DEMO_ORGANIZATION, "Demo", every_grant())
        renewed.append("API key")
    access_token = await _working_token(engine, known)
    if access_token is None:
        access_token = await _new_token(engine)
        renewed.append("access token")
    rule_secrets = await _working_rule_secrets(engine, known, rules)
    if missing := {short: rule.id for short, rule in rules.items() if short not in rule_secrets}:
        rule_secrets |= await _new_rule_secrets(engine, missing)
        renewed.append(f"secret for {len(missing)} rule{'s' if len(missing) > 1 else ''}")
    return Secrets(api_key, password, access_token, rule_secrets), renewed


async def _working_key(engine: Engine, known: Secrets | None) -> str | None:
    if known is None:
        return None
    [found] = await identify(engine, [known.api_key])
    is_ours = isinstance(found, Caller) and found.principal.organization_id == DEMO_ORGANIZATION
    return known.api_key if is_ours else None


async def _working_token(engine: Engine, known: Secrets | None) -> str | None:
    """Keep a token that would work if the remote API is on; whether it is, a person decides."""
    if known is None:
        return None
    [found] = await remote_access.find_tokens(engine, [known.access_token])
    return known.access_token if found is not None and found.organization_id == DEMO_ORGANIZATION else None


async def _new_token(engine: Engine) -> str:
    if not await remote_access.list_tokens(engine, DEMO_ORGANIZATION):
        # The first one: from then on, a person may have switched it off.
        await remote_access.enable(engine, DEMO_ORGANIZATION)
    _, token = await remote_access.create_token(engine, DEMO_ORGANIZATION, "Demo", HOUSEHOLD)
    return token


async def _working_rule_secrets(
    engine: Engine, known: Secrets | None, rules: Mapping[str, RuleRecord]
) -> dict[str, str]:
    if known is None:
        return {}
    shorts = [short for short in rules if short in known.rule_secrets]
    found = await remote_access.find_rule_secrets(engine, [known.rule_secrets[short] for short in shorts])
    return {
        short: known.rule_secrets[short]
        for short, one in zip(shorts, found, strict=True)
        if one is not None and (one.organization_id, one.rule_id) == (DEMO_ORGANIZATION, rules[short].id)
    }


async def _new_rule_secrets(engine: Engine, rules: Mapping[str, RuleId]) -> dict[str, str]:
    named = [(rule_id, rule_id) for rule_id in rules.values()]
    made = await remote_access.create_rule_secrets(engine, DEMO_ORGANIZATION, named)
    return {short: secret for short, (_, secret) in zip(rules, made, strict=True)}


async def _tax_service(engine: Engine, rule: RuleRecord | None) -> TaxService | None:
    """Find out whom the rule asks, and with which secret."""
    if rule is None:
        return None
    amounts = [action.amount for step in rule.rule.steps for action in step.actions]
    urls = [amount.url for amount in amounts if isinstance(amount, RemoteAmount)]
    url = next((url for url in urls if _OURS.fullmatch(url)), None)
    if url is None:
        return None

    async def work(tx: WriteTx) -> str:
        return await rule_secret(tx, DEMO_ORGANIZATION, rule.id, fresh_secret(engine, DEMO_ORGANIZATION, rule.id))

    sealed = await engine.database.write(work)
    return TaxService(url, open_secret(engine, DEMO_ORGANIZATION, rule.id, sealed))


def _accounts_by_short_name(records: list[AccountRecord]) -> dict[str, AccountId]:
    """Find the sample accounts by name; of two with one name the older is ours."""
    by_name = {record.name: record.account.id for record in records}
    return {short: by_name[one.new.name] for short, one in ACCOUNTS.items() if one.new.name in by_name}


def _rules_by_short_name(records: list[RuleRecord]) -> dict[str, RuleRecord]:
    by_name = {record.rule.name: record for record in records}
    return {short: by_name[name] for short, name in RULE_NAMES.items() if name in by_name}


def _was_never_enabled(rule: RuleRecord) -> bool:
    """Tell a rule that a crash kept from being enabled from one that a person has disabled, which stays disabled."""
    return not rule.is_enabled and rule.revision == 1 and rule.updated_at == rule.created_at
