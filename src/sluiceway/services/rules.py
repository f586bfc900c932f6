"""Rules: create and revise them (always disabled), let a person enable them, disable, delete and read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.access import Permission, Principal, require, visible
from sluiceway.domain.audit import Act, operators_act, persons_act
from sluiceway.domain.errors import (
    InvalidParameters,
    NotFound,
    PasswordRefused,
    Problem,
    Refusal,
    RuleChanged,
    RuleHasProblems,
)
from sluiceway.domain.ids import AccountId, ApprovalId, IdKind, OrganizationId, RuleId
from sluiceway.domain.ledger import Account, AccountKind
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Aside, Finding, RemoteAmount, Rule, Scheduled, Severity, check, needs
from sluiceway.domain.schedule import next_fire
from sluiceway.outbound import OutboundRefused
from sluiceway.services.audit_log import attempt, do, require_proof
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.services.proofs import Proof
from sluiceway.storage import rules as stored
from sluiceway.storage.accounts import find_accounts, list_accounts
from sluiceway.storage.credentials import Person, find_people
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.keyring import RULE_SECRET
from sluiceway.storage.organizations import lock_organization
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events

SECRET_LENGTH: Final = 44
"""So many base62 characters are also base64, of 33 bytes, as the signatures of Standard Webhooks want it."""


class TypedAccount(NamedTuple):
    """An account that a caller named together with its type: at which path, and which type that was."""

    path: str
    account_id: AccountId
    kind: AccountKind


@dataclass(frozen=True, slots=True)
class CreateRule:
    """Create a rule. Whatever was asked, it is disabled until a person enables it."""

    organization_id: OrganizationId
    rule: Rule
    idempotency: Idempotency | None
    show: Callable[[RuleRecord, dict[AccountId, Account]], Answer]
    typed_accounts: Sequence[TypedAccount] = ()
    act: Act | None = None
    asides: Sequence[Aside] = ()
    """What somebody set aside while writing it."""


def fresh_secret(engine: Engine, organization_id: OrganizationId, rule_id: RuleId) -> str:
    """Make the secret that a rule shares with its remote services, sealed. Raises SecretsLocked."""
    return engine.keyring.seal(RULE_SECRET, organization_id, rule_id, engine.new_secret(SECRET_LENGTH))


def open_secret(engine: Engine, organization_id: OrganizationId, rule_id: RuleId, sealed: str) -> str:
    """Open the secret of a rule. Raises SecretsLocked."""
    return engine.keyring.open(RULE_SECRET, organization_id, rule_id, sealed)


async def create_rule(engine: Engine, command: CreateRule) -> Answer:
    """Create a rule. Raises InvalidParameters for what `check` finds wrong, and the refusals of idempotency."""

    async def effect(tx: WriteTx, _: object) -> list[Answer | Refusal]:
        at = (await lock_organization(tx, command.organization_id)).clock.read(engine.now())
        accounts = await accounts_of(tx, command.organization_id)
        if problems := problems_of(engine, command.rule, accounts, command.typed_accounts, at):
            return [InvalidParameters(problems)]
        rule_id = RuleId(engine.new_id())
        secret = fresh_secret(engine, command.organization_id, rule_id)
        await stored.insert_rule(tx, command.organization_id, rule_id, command.rule, secret, at)
        if command.asides:
            await stored.set_aside(tx, command.organization_id, rule_id, command.asides)
        return [command.show(await _get(tx, command.organization_id, rule_id, rule_id), accounts)]

    [answer] = await run_idempotently(engine, [command], effect)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def revise_rule(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    spelling: str,
    rule: Rule,
    typed_accounts: Sequence[TypedAccount] = (),
    *,
    based_on: int | None = None,
    act: Act | None = None,
    asides: Sequence[Aside] | None = None,
) -> tuple[RuleRecord, dict[AccountId, Account]]:
    """Replace a rule by a new, disabled revision; give it with the organization's accounts.

    Raises NotFound, InvalidParameters, and RuleChanged where the present revision is not the one that it is `based_on`.

    Executions that were admitted under the former revision and have not run yet end without moving anything.
    """

    def replace(_: Rule) -> tuple[Rule, Sequence[TypedAccount]]:
        return rule, typed_accounts

    return await amend_rule(
        engine, organization_id, rule_id, spelling, replace, based_on=based_on, act=act, asides=asides
    )


async def amend_rule(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    spelling: str,
    amend: Callable[[Rule], tuple[Rule, Sequence[TypedAccount]]],
    *,
    based_on: int | None = None,
    act: Act | None = None,
    asides: Sequence[Aside] | None = None,
) -> tuple[RuleRecord, dict[AccountId, Account]]:
    """Make a new, disabled revision of what the rule says now; give it with the organization's accounts.

    `amend` is called inside the gate, so that nobody's change gets lost. What it raises is passed on and changes
    nothing. What is set aside becomes `asides`; None: it stays. Raises NotFound, InvalidParameters, and RuleChanged
    where the present revision is not `based_on`.
    """

    async def work(tx: WriteTx) -> tuple[RuleRecord, dict[AccountId, Account]]:
        at = (await lock_organization(tx, organization_id)).clock.read(engine.now())
        record = await _get(tx, organization_id, rule_id, spelling)
        if based_on not in (None, record.revision):
            raise RuleChanged
        accounts = await accounts_of(tx, organization_id)
        rule, typed_accounts = amend(record.rule)
        if problems := problems_of(engine, rule, accounts, typed_accounts, at):
            raise InvalidParameters(problems)
        await stored.revise_rule(tx, organization_id, record.id, record.revision + 1, rule, at)
        if asides is not None:
            await stored.set_aside(tx, organization_id, record.id, asides)
        if record.is_enabled:
            await _tell(engine, tx, record, EventKind.RULE_DISABLED, at)
        return await _get(tx, organization_id, record.id, spelling), accounts

    return await do(engine, act, work)


async def delete_rule(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    spelling: str,
    *,
    act: Act | None = None,
) -> tuple[RuleRecord, dict[AccountId, Account]]:
    """Disable a rule and delete it softly; give it as it is now, with the organization's accounts. Raises NotFound."""

    async def work(tx: WriteTx) -> tuple[RuleRecord, dict[AccountId, Account]]:
        at = (await lock_organization(tx, organization_id)).clock.read(engine.now())
        record = await _get(tx, organization_id, rule_id, spelling)
        await stored.disable_rule(tx, organization_id, record.id, at, is_deleted=True)
        if record.is_enabled:
            await _tell(engine, tx, record, EventKind.RULE_DISABLED, at)
        left = await stored.find_rule(tx, organization_id, record.id)
        assert left is not None, "a deleted rule keeps its row"
        return left, await accounts_of(tx, organization_id)

    return await do(engine, act, work)


async def disable_rule(
    engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str, *, act: Act | None = None
) -> RuleRecord:
    """Disable a rule: when this returns, it moves nothing more. Raises NotFound."""

    async def work(tx: WriteTx) -> RuleRecord:
        at = (await lock_organization(tx, organization_id)).clock.read(engine.now())
        record = await _get(tx, organization_id, rule_id, spelling)
        await stored.disable_rule(tx, organization_id, record.id, at)
        if record.is_enabled:
            await _tell(engine, tx, record, EventKind.RULE_DISABLED, at)
        return await _get(tx, organization_id, record.id, spelling)

    return await do(engine, act or operators_act(organization_id, "DISABLE_RULE", rule_id), work)


@dataclass(frozen=True, slots=True)
class Review:
    """What a person is shown before enabling a rule, and signs by its fingerprint."""

    record: RuleRecord
    accounts: dict[AccountId, Account]
    findings: list[Finding]


async def review_rule(engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str) -> Review:
    """Read a rule for review, with the accounts it can touch and what is wrong with it. Raises NotFound."""
    async with engine.database.read() as tx:
        record = await _get(tx, organization_id, rule_id, spelling)
        accounts = await accounts_of(tx, organization_id)
        others = await stored.list_rules(tx, organization_id, only_enabled=True)
    findings = check(record.rule, accounts, [other.rule for other in others if other.id != record.id])
    return Review(record, accounts, findings)


async def enable_rule(engine: Engine, person: Person, proof: Proof, rule_id: RuleId, fingerprint: bytes) -> RuleRecord:
    """Enable exactly the revision that the person was shown. Only this function enables rules; no key reaches it.

    Raises what `require_proof` does, NotFound, RuleChanged (the present revision has another fingerprint) and
    RuleHasProblems.
    """
    act = persons_act(person.organization_id, person.id, "ENABLE_RULE", rule_id)
    await require_proof(engine, person, proof, act)

    async def work(tx: WriteTx) -> RuleRecord:
        at = (await lock_organization(tx, person.organization_id)).clock.read(engine.now())
        record = await _get(tx, person.organization_id, rule_id, rule_id)
        if record.fingerprint != fingerprint:
            raise RuleChanged
        if record.is_enabled:
            return record
        if problems := errors_in(check(record.rule, await accounts_of(tx, person.organization_id), now=at)):
            raise RuleHasProblems(problems)
        trigger = record.rule.trigger
        first = next_fire(trigger.schedule, at) if isinstance(trigger, Scheduled) else None
        await stored.enable_rule(tx, record, ApprovalId(engine.new_id()), person.id, at, first)
        await _tell(engine, tx, record, EventKind.RULE_ENABLED, at)
        return await _get(tx, person.organization_id, rule_id, rule_id)

    return await attempt(engine, act, work)


async def find_person(engine: Engine, email: str, organization_id: OrganizationId | None = None) -> Person:
    """Find a person by e-mail, in one organization where the e-mail belongs to several. Raises PasswordRefused."""
    async with engine.database.read() as tx:
        people = await find_people(tx, email)
    fitting = [person for person in people if organization_id in (None, person.organization_id)]
    if len(fitting) != 1:
        raise PasswordRefused
    return fitting[0]


async def get_rule(
    engine: Engine, principal: Principal, rule_id: RuleId | None, spelling: str
) -> tuple[RuleRecord, dict[AccountId, Account]]:
    """Read a rule with the organization's accounts. Raises PermissionDenied and NotFound."""
    require(principal, Permission.READ_RULES, rule_id)
    async with engine.database.read() as tx:
        record = await _get(tx, principal.organization_id, rule_id, spelling)
        return record, await _named_by(tx, principal.organization_id, [record])


async def list_rules(
    engine: Engine,
    principal: Principal,
    *,
    permission: Permission = Permission.LIST_RULES,
    source_id: AccountId | None = None,
    before_id: RuleId | None = None,
    offset: int = 0,
    limit: int,
) -> tuple[list[RuleRecord], dict[AccountId, Account]]:
    """List the rules that the permission covers, newest first, with the accounts that they name.

    Raises PermissionDenied.
    """
    ids = visible(principal, permission)
    async with engine.database.read() as tx:
        records = await stored.list_rules(
            tx,
            principal.organization_id,
            source_id=source_id,
            ids=ids,
            before_id=before_id,
            offset=offset,
            limit=limit,
        )
        return records, await _named_by(tx, principal.organization_id, records)


async def _named_by(
    tx: ReadTx, organization_id: OrganizationId, records: Sequence[RuleRecord]
) -> dict[AccountId, Account]:
    """Load the facts of the accounts that rules name, and not of all that there are."""
    named = {account_id for record in records for account_id in needs(record.rule).accounts}
    return await find_accounts(tx, organization_id, named)


async def accounts_of(tx: ReadTx, organization_id: OrganizationId) -> dict[AccountId, Account]:
    """Load the facts of all accounts of an organization, deleted ones too."""
    records = await list_accounts(tx, organization_id, with_deleted=True)
    return {record.account.id: record.account for record in records}


def problems_of(
    engine: Engine, rule: Rule, accounts: dict[AccountId, Account], typed_accounts: Sequence[TypedAccount], at: datetime
) -> tuple[Problem, ...]:
    """Find what keeps a rule from being saved, accounts named with another's type among it."""
    mistyped = [
        Problem(path, "is not the type of this account")
        for path, account_id, kind in typed_accounts
        if account_id in accounts and accounts[account_id].kind is not kind
    ]
    return (*errors_in(check(rule, accounts, now=at)), *mistyped, *unreachable(engine, rule))


def unreachable(engine: Engine, rule: Rule) -> list[Problem]:
    """Find remote services that this server would never ask."""
    if engine.outbound is None:
        return []
    found: list[Problem] = []
    for step_index, step in enumerate(rule.steps):
        for action_index, action in enumerate(step.actions):
            if isinstance(action.amount, RemoteAmount):
                try:
                    engine.outbound.check(action.amount.url)
                except OutboundRefused as refused:
                    found.append(
                        Problem(f"steps/{step_index}/actions/{action_index}/url", f"is not allowed: {refused.reason}")
                    )
    return found


def errors_in(findings: list[Finding]) -> tuple[Problem, ...]:
    """Keep what makes a rule unfit to be saved or enabled."""
    return tuple(Problem(found.path, found.message) for found in findings if found.severity is Severity.ERROR)


async def _get(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str) -> RuleRecord:
    record = None if rule_id is None else await stored.find_rule(tx, organization_id, rule_id)
    if record is None or record.deleted_at is not None:
        raise NotFound(IdKind.RULE, spelling)
    return record


async def _tell(engine: Engine, tx: WriteTx, record: RuleRecord, kind: EventKind, at: datetime) -> None:
    await insert_events(tx, [OutboxEvent(record.organization_id, engine.new_id(), kind, record.id, at)])
