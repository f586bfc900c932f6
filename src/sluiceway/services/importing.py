"""Takes accounts and rules of another server in, under the ids that they have there; rules are disabled.

One transaction writes all of it or nothing. What is here already, by its id, stays as it is, so that importing again
adds only what is new. The sandbox's bank has books of its own: accounts are opened there afterwards, each time anew
for those that are there already, which a crash in between may have left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sluiceway.domain.audit import Act, operators_act
from sluiceway.domain.errors import Problem, Refusal, SandboxOnly
from sluiceway.domain.ids import AccountId, KeyId, OrganizationId, RuleId
from sluiceway.domain.ledger import Account, AccountKind, ExternalKind
from sluiceway.domain.money import MAX_CENTS, NO_CENTS, Cents
from sluiceway.domain.rules import Rule, fingerprint, needs
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.accounts import NewAccount, insert_account
from sluiceway.services.audit_log import Done, record
from sluiceway.services.deposits import Deposit, post_deposits
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.looking import look
from sluiceway.services.rules import TypedAccount, accounts_of, fresh_secret, problems_of
from sluiceway.services.sandbox import bank_account_of
from sluiceway.storage.bank_rows import BankAccount, BankAccountState, LiabilityFigures
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization, insert_organization, lock_organization
from sluiceway.storage.rules import find_rule, insert_rule

NOBODYS_KEY: Final = KeyId("00000000-0000-0000-0000-000000000000")
"""Under which deposits are made: whoever runs the server needs no key."""

UNSEEN: Final = Problem("", "names an account that is not here, and that the key may not see")
ANOTHER: Final = Problem("", "another account has its id")
UNLINKED: Final = Problem("", "not linked to its liability, which is not here or has a holding pod")
NO_FIGURES: Final = Problem("", "without its statement, which the sandbox's bank finds contradictory")


class ImportAccount(NamedTuple):
    """An account of the source, under its id there."""

    id: AccountId
    new: NewAccount
    opening: Cents = NO_CENTS
    """What is to be deposited when it is made; only in a sandbox."""


class ImportRule(NamedTuple):
    """A rule of the source, under its id there."""

    id: RuleId
    rule: Rule
    typed_accounts: Sequence[TypedAccount] = ()


class NewOrganization(NamedTuple):
    """An organization that is made with the import."""

    name: str
    is_sandbox: bool


@dataclass(frozen=True, slots=True)
class Import:
    """What to take in, in the order in which it was made; `new` is the organization where it is not there yet."""

    organization_id: OrganizationId
    accounts: Sequence[ImportAccount]
    rules: Sequence[ImportRule]
    new: NewOrganization | None = None
    is_dry_run: bool = False


class Outcome(StrEnum):
    """What became of an account or rule."""

    IMPORTED = "imported"
    PRESENT = "present"
    DIFFERENT = "different"
    """It is here already, and says something else than at the source."""
    DELETED = "deleted"
    """It was here, and somebody has deleted it."""
    REFUSED = "refused"


class Entry(NamedTuple):
    """What became of one account or rule, and why; of one that was imported, what is missing of it."""

    outcome: Outcome
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of everything, by id."""

    accounts: dict[AccountId, Entry] = field(default_factory=dict[AccountId, Entry])
    rules: dict[RuleId, Entry] = field(default_factory=dict[RuleId, Entry])


@dataclass(eq=False)
class _NothingIsWritten(Exception):
    """Ends the transaction of a dry run, which has found out everything by doing it."""

    imported: Imported


async def import_all(engine: Engine, command: Import) -> Imported:
    """Import accounts and rules, or (a dry run) tell what would become of them. Raises SandboxOnly for deposits."""

    async def work(tx: WriteTx) -> tuple[Organization, Imported]:
        if command.new is not None:
            name, is_sandbox = command.new
            await insert_organization(tx, command.organization_id, name, is_sandbox=is_sandbox, at=engine.now())
        # The gate: nobody makes or deletes accounts and rules meanwhile.
        organization = await lock_organization(tx, command.organization_id)
        imported = Imported()
        await _write_accounts(engine, tx, command, organization, imported)
        await _write_rules(engine, tx, command, organization, imported)
        if command.is_dry_run:
            raise _NothingIsWritten(imported)
        await record(engine, tx, [Done(act) for act in _acts(command, imported)])
        return organization, imported

    try:
        organization, imported = await engine.database.write(work)
    except _NothingIsWritten as found:
        return found.imported
    if organization.is_sandbox:
        await _open_at_the_bank(engine, organization, command.accounts, imported.accounts)
    return imported


def _acts(command: Import, imported: Imported) -> Iterator[Act]:
    """Name what has been done, for the audit log."""
    if command.new is not None:
        yield operators_act(command.organization_id, "CREATE_ORGANIZATION")
    for action, entries in (("IMPORT_ACCOUNT", imported.accounts), ("IMPORT_RULE", imported.rules)):
        for subject_id, entry in entries.items():
            if entry.outcome is Outcome.IMPORTED:
                yield operators_act(command.organization_id, action, subject_id)


async def _write_accounts(
    engine: Engine, tx: WriteTx, command: Import, organization: Organization, imported: Imported
) -> None:
    known = await accounts_of(tx, organization.id)
    at = organization.clock.read(engine.now())
    # Liabilities come before the pods that are linked to them.
    for account in sorted(command.accounts, key=lambda each: each.new.linked_account_id is not None):
        present = known.get(account.id)
        if present is not None:
            imported.accounts[account.id] = _present(present, account.new)
            continue
        new, problems = _linked(_reported(account.new, organization, at), known)
        made = await insert_account(engine, tx, organization.id, new, account.id)
        known[account.id] = made.account
        imported.accounts[account.id] = Entry(Outcome.IMPORTED, problems)
    await _deposit(engine, tx, command, imported)


def _present(present: Account, new: NewAccount) -> Entry:
    if present.kind is not new.kind:
        return Entry(Outcome.REFUSED, (ANOTHER,))
    return Entry(Outcome.DELETED if present.is_deleted else Outcome.PRESENT)


def _reported(new: NewAccount, organization: Organization, at: datetime) -> NewAccount:
    """Say when an external account's balance was reported: in a sandbox now, by the clock of its bank.

    Elsewhere when the source says, and never later than now: a rule would take the balance for fresh until then.
    """
    if new.kind is not AccountKind.EXTERNAL_ACCOUNT:
        return new
    reported = new.reported
    told_at = at if organization.is_sandbox else min(reported.updated_at or at, at)
    return replace(new, reported=replace(reported, updated_at=None if reported.balance is None else told_at))


def _linked(new: NewAccount, known: Mapping[AccountId, Account]) -> tuple[NewAccount, tuple[Problem, ...]]:
    """Keep the liability that a pod holds for, unless it is not here or has its pod."""
    linked = new.linked_account_id
    if linked is None:
        return new, ()
    liability = known.get(linked)
    has_pod = any(account.linked_account_id == linked and not account.is_deleted for account in known.values())
    if liability is None or not liability.is_liability or liability.is_deleted or has_pod:
        return replace(new, linked_account_id=None), (UNLINKED,)
    return new, ()


async def _deposit(engine: Engine, tx: WriteTx, command: Import, imported: Imported) -> None:
    """Let what the source keeps arrive in the accounts that were made just now. No rule of theirs can be enabled."""
    deposits = [
        Deposit(
            organization_id=command.organization_id,
            account_id=account.id,
            spelling=account.id,
            amount=account.opening,
            key_id=NOBODYS_KEY,
            idempotency=None,
            show=lambda transfer: Answer(201, transfer.id.encode()),
        )
        for account in command.accounts
        if account.opening > 0 and imported.accounts[account.id].outcome is Outcome.IMPORTED
    ]
    for answer in await post_deposits(engine, tx, deposits) if deposits else ():
        if isinstance(answer, Refusal):
            assert isinstance(answer, SandboxOnly), "the accounts were made for it"
            raise answer


async def _write_rules(
    engine: Engine, tx: WriteTx, command: Import, organization: Organization, imported: Imported
) -> None:
    accounts = await accounts_of(tx, organization.id)
    at = organization.clock.read(engine.now())
    for rule in command.rules:
        imported.rules[rule.id] = entry = await _judge(engine, tx, organization, rule, accounts, at)
        if entry.outcome is Outcome.IMPORTED:
            secret = fresh_secret(engine, organization.id, rule.id)
            await insert_rule(tx, organization.id, rule.id, rule.rule, secret, at)


async def _judge(
    engine: Engine,
    tx: WriteTx,
    organization: Organization,
    rule: ImportRule,
    accounts: dict[AccountId, Account],
    at: datetime,
) -> Entry:
    present = await find_rule(tx, organization.id, rule.id)
    if present is not None:
        if present.deleted_at is not None:
            return Entry(Outcome.DELETED)
        is_same = present.fingerprint == fingerprint(rule.rule)
        return Entry(Outcome.PRESENT if is_same else Outcome.DIFFERENT)
    if not needs(rule.rule).accounts <= accounts.keys():
        return Entry(Outcome.REFUSED, (UNSEEN,))
    problems = problems_of(engine, rule.rule, accounts, rule.typed_accounts, at)
    return Entry(Outcome.REFUSED if problems else Outcome.IMPORTED, problems)


async def _open_at_the_bank(
    engine: Engine,
    organization: Organization,
    accounts: Sequence[ImportAccount],
    entries: dict[AccountId, Entry],
) -> None:
    bank, at = SandboxBank(engine.database), organization.clock.read(engine.now())
    made: list[AccountId] = []
    for account in accounts:
        entry, kind = entries[account.id], account.new.external_kind
        if kind is None or entry.outcome not in (Outcome.IMPORTED, Outcome.PRESENT):
            continue
        opened = bank_account_of(account.id, account.new, kind)
        if account.new.reported.error is not None:
            opened = replace(opened, state=BankAccountState.DISCONNECTED)
        if await bank.open_account(organization.id, opened, at):
            refused = await bank.open_account(organization.id, _without_figures(opened), at)
            assert not refused, refused
            entries[account.id] = Entry(entry.outcome, (*entry.problems, NO_FIGURES))
        if entry.outcome is Outcome.IMPORTED:
            made.append(account.id)
    await look(engine, organization.id, made, at_reports=False)


def _without_figures(account: BankAccount) -> BankAccount:
    least = NO_CENTS if account.kind is ExternalKind.LIABILITY else Cents(-MAX_CENTS)
    balance = Cents(min(max(account.balance, least), MAX_CENTS))
    return replace(account, balance=balance, available=None, figures=LiabilityFigures())
