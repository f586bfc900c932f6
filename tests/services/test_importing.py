"""Importing: all in one transaction, and what the sandbox's bank keeps follows, also after a crash."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from sluiceway.domain.errors import SandboxOnly
from sluiceway.domain.ids import AccountId, OrganizationId, RuleId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import read_rule
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services import importing
from sluiceway.services.accounts import NewAccount
from sluiceway.services.engine import Engine
from sluiceway.services.importing import (
    NO_FIGURES,
    UNLINKED,
    Import,
    ImportAccount,
    ImportRule,
    NewOrganization,
    Outcome,
    import_all,
)
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.bank_rows import BankAccountState
from tests.api.client import digest
from tests.invariants import violations
from tests.support import fixed, on_demand

INCOME, SAVINGS, BANK, CARD, POD = (AccountId(f"0190000{n}-0000-7000-8000-000000000000") for n in range(1, 6))
RULE = RuleId("01900009-0000-7000-8000-000000000000")
BALANCE = Cents(70_000)


def command(engine: Engine, *accounts: ImportAccount, is_sandbox: bool = True, **more: object) -> Import:
    organization_id = OrganizationId(engine.new_id())
    rule = ImportRule(RULE, read_rule(on_demand(INCOME, fixed(100, INCOME, SAVINGS))))
    made = (
        ImportAccount(
            INCOME, NewAccount(AccountKind.INCOME_SOURCE, "Income"), Cents(5_000) if is_sandbox else Cents(0)
        ),
        ImportAccount(SAVINGS, NewAccount(AccountKind.POD, "Savings")),
        *accounts,
    )
    return replace(Import(organization_id, made, [rule], NewOrganization("Home", is_sandbox)), **more)


def external(id_: AccountId, kind: ExternalKind, **reported: object) -> ImportAccount:
    told = ReportedBalance(**{"balance": BALANCE} | reported)  # type: ignore[arg-type]
    return ImportAccount(id_, NewAccount(AccountKind.EXTERNAL_ACCOUNT, kind, external_kind=kind, reported=told))


async def figures(engine: Engine, organization_id: OrganizationId) -> dict[str, int | None]:
    async with engine.database.read() as tx:
        records = await list_accounts(tx, organization_id)
    return {record.account.id: record.account.current(record.balance) for record in records}


async def test_deposits_are_money_that_arrives_once_and_adds_up(engine: Engine) -> None:
    wanted = command(engine)
    await import_all(engine, wanted)
    again = await import_all(engine, replace(wanted, new=None))

    assert {entry.outcome for entry in (*again.accounts.values(), *again.rules.values())} == {Outcome.PRESENT}
    assert await figures(engine, wanted.organization_id) == {INCOME: 5_000, SAVINGS: 0}
    assert await violations(engine.database) == {}


async def test_deposits_into_a_live_organization_are_refused_with_everything_else(engine: Engine) -> None:
    wanted = command(engine, is_sandbox=False)
    with_money = [each._replace(opening=Cents(1)) for each in wanted.accounts]
    before = await digest(engine.database)

    with pytest.raises(SandboxOnly):
        await import_all(engine, replace(wanted, accounts=with_money))

    assert await digest(engine.database) == before


async def test_what_a_crash_left_unopened_at_the_bank_is_opened_the_next_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = command(engine, external(BANK, ExternalKind.DEPOSITORY))

    async def crash(*_: object, **__: object) -> None:
        raise ConnectionError("the power went out")

    with monkeypatch.context() as patched:
        patched.setattr(SandboxBank, "open_account", crash)
        with pytest.raises(ConnectionError):
            await import_all(engine, wanted)
    bank = SandboxBank(engine.database)
    before = await bank.find_account(wanted.organization_id, BANK, engine.now())
    await import_all(engine, replace(wanted, new=None))
    after = await bank.find_account(wanted.organization_id, BANK, engine.now())

    assert before is None
    assert after is not None
    assert after.balance == BALANCE


async def test_an_account_that_the_source_cannot_reach_is_disconnected_here_too(engine: Engine) -> None:
    wanted = command(engine, external(BANK, ExternalKind.DEPOSITORY, balance=None, error="DISCONNECTED_ACCOUNT"))
    await import_all(engine, wanted)
    found = await SandboxBank(engine.database).find_account(wanted.organization_id, BANK, engine.now())

    assert found is not None
    assert found.state is BankAccountState.DISCONNECTED
    assert (await figures(engine, wanted.organization_id))[BANK] is None


async def test_a_balance_is_as_old_as_the_source_says_and_never_newer_than_now(engine: Engine) -> None:
    begun, last_year = engine.now(), engine.now() - timedelta(days=365)
    told = {BANK: last_year, CARD: begun + timedelta(days=365)}
    accounts = [external(id_, ExternalKind.DEPOSITORY, updated_at=at) for id_, at in told.items()]
    wanted = command(engine, *accounts, is_sandbox=False)
    await import_all(engine, wanted)

    async with engine.database.read() as tx:
        records = await list_accounts(tx, wanted.organization_id)
    found = {record.account.id: record.account.reported.updated_at for record in records}
    assert found[BANK] == last_year
    assert begun <= found[CARD] <= engine.now()


async def test_a_statement_that_contradicts_itself_is_left_out_and_told(engine: Engine) -> None:
    card = external(
        CARD,
        ExternalKind.LIABILITY,
        last_statement_balance=Cents(100),
        next_payment_minimum=Cents(200),
        last_statement_date=date(2020, 1, 1),
    )
    wanted = command(engine, card)
    imported = await import_all(engine, wanted)

    assert imported.accounts[CARD] == (Outcome.IMPORTED, (NO_FIGURES,))
    assert (await figures(engine, wanted.organization_id))[CARD] == BALANCE


async def test_of_two_pods_for_one_liability_the_second_comes_without_it(engine: Engine) -> None:
    pods = [
        ImportAccount(id_, NewAccount(AccountKind.POD, "Card", linked_account_id=CARD))
        for id_ in (POD, AccountId("01900008-0000-7000-8000-000000000000"))
    ]
    # The liability may come after its pod.
    imported = await import_all(engine, command(engine, *pods, external(CARD, ExternalKind.LIABILITY)))

    assert imported.accounts[POD] == (Outcome.IMPORTED, ())
    assert imported.accounts[pods[1].id] == (Outcome.IMPORTED, (UNLINKED,))


async def test_an_id_that_something_else_has_is_left_to_it(engine: Engine) -> None:
    wanted = command(engine)
    await import_all(engine, wanted)
    other = ImportAccount(INCOME, NewAccount(AccountKind.POD, "Not that"))
    imported = await import_all(engine, replace(wanted, new=None, accounts=[other], rules=[]))

    assert imported.accounts[INCOME] == (Outcome.REFUSED, (importing.ANOTHER,))
