"""`sluiceway import`, from a real server of our own into a second database: all of it, once, or a reason why not."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from sluiceway.cli.app import app
from sluiceway.cli.failures import sentence_of
from sluiceway.cli.source import read_source
from sluiceway.client import NotUnderstood
from sluiceway.domain.access import Grant, Permission
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.ids import AccountId, KeyId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import needs, read_rule
from sluiceway.services.accounts import delete_account
from sluiceway.services.audit import run_audit
from sluiceway.services.audit_log import list_entries
from sluiceway.services.deposits import Deposit
from sluiceway.services.deposits import deposit as post
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key
from sluiceway.services.rules import CreateRule, create_rule, delete_rule, revise_rule
from sluiceway.services.seeding import DEMO_ORGANIZATION, seed_demo
from sluiceway.storage.accounts import list_accounts
from sluiceway.storage.database import Database
from sluiceway.storage.organizations import list_organizations
from sluiceway.storage.rules import list_rules
from tests.api.client import digest
from tests.client.scripted import ACCOUNT, Clock, blocking, page, told
from tests.e2e.processes import run
from tests.e2e.sources import Source, serving_source
from tests.invariants import violations
from tests.support import fixed, on_demand, plain_engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

READING = {Permission.READ_ACCOUNTS: Grant(is_for_every=True), Permission.READ_RULES: Grant(is_for_every=True)}
UNSUPPORTED = "Tax first, then split"


@pytest_asyncio.fixture
async def source(database: Database) -> AsyncGenerator[Source]:
    """Serve the demo, with a key that may read."""
    engine = plain_engine(database)
    demo = await seed_demo(engine)
    async with serving_source(engine, DEMO_ORGANIZATION, demo.accounts) as made:
        yield made


class Ran(NamedTuple):
    status: int
    stdout: str
    stderr: str


def run_here(words: Sequence[str], stdin: str, environment: Mapping[str, str]) -> Ran:
    """Run a command in a thread of this process, which is quicker; a real process is among the tests below."""
    ran = CliRunner().invoke(app, words, input=stdin, env=environment)
    if ran.exception is None or isinstance(ran.exception, SystemExit):
        return Ran(ran.exit_code, ran.stdout, ran.stderr)
    sentence = sentence_of(ran.exception) if isinstance(ran.exception, Exception) else None
    if sentence is None:
        raise ran.exception
    return Ran(1, ran.stdout, f"{ran.stderr}{sentence}\n")


@dataclass
class Target:
    """A server that imports."""

    url: str
    source: Source

    async def call(
        self, *words: str, status: int = 0, key: str | None = None, stdin: str | None = None, from_: str | None = None
    ) -> str:
        environment = {"ALLOW_UNSAFE_POSTGRES": "1", "SOURCE_API_KEY": key or self.source.key if stdin is None else ""}
        command = ("import", "--from", from_ or self.source.url, *words, "--database-url", self.url)
        ran = await asyncio.to_thread(run_here, command, stdin or "", environment)
        assert ran.status == status, ran.stdout + ran.stderr
        assert self.source.key not in ran.stdout + ran.stderr
        return ran.stdout if status == 0 else ran.stderr

    async def outcomes(self, *words: str, **more: Any) -> dict[str, str]:
        told = json.loads(await self.call(*words, "--json", **more))
        return {entry["name"]: entry["outcome"] for entry in told["entries"]}


@pytest.fixture
def target(empty_database_url: str, source: Source) -> Target:
    return Target(empty_database_url, source)


@dataclass
class Found:
    """What is in an organization."""

    accounts: dict[str, AccountRecord]
    rules: dict[str, Any]


async def deposit(source: Source, account: str, amount: int) -> None:
    arriving = Deposit(
        organization_id=DEMO_ORGANIZATION,
        account_id=source.accounts[account],
        spelling="",
        amount=Cents(amount),
        key_id=KeyId(source.engine.new_id()),
        idempotency=None,
        show=lambda _: Answer(201, b""),
    )
    assert await post(source.engine, [arriving]) == [Answer(201, b"")]


async def found_in(engine: Engine, organization_id: OrganizationId) -> Found:
    async with engine.database.read() as tx:
        accounts = await list_accounts(tx, organization_id, with_deleted=True)
        rules = await list_rules(tx, organization_id)
    return Found(
        {record.account.id: record for record in accounts},
        {rule.id: rule for rule in sorted(rules, key=lambda r: r.position)},
    )


async def the_organization(engine: Engine) -> OrganizationId:
    async with engine.database.read() as tx:
        [organization] = await list_organizations(tx)
    return organization.id


def facts(record: AccountRecord, *, with_time: bool) -> Any:
    """Tell everything of an account that a server says of it, except how much of it is promised."""
    account = record.account
    reported = account.reported if with_time else replace(account.reported, updated_at=None)
    kept = (record.name, record.description, record.beneficiary_name, record.institution_name, account.currency)
    return (account.kind, account.external_kind, account.linked_account_id, reported, *kept)


async def test_everything_arrives_under_its_id_and_a_second_time_nothing_does(source: Source, target: Target) -> None:
    for short, amount in (("income", 123_456), ("bills", 1), ("emergency", 700)):
        await deposit(source, short, amount)
    told = await target.call("--create", "Home", "--sandbox", "--with-balances")
    here = await found_in(source.engine, DEMO_ORGANIZATION)
    async with Database(target.url) as database:
        engine = plain_engine(database)
        organization_id = await the_organization(engine)
        there = await found_in(engine, organization_id)
        acts = await list_entries(engine, organization_id, limit=100)
        before = await digest(database)
        again = await target.call()
        after = await digest(database)
        audited = await run_audit(engine)
        broken = await violations(database)
    supported = {id_: rule for id_, rule in here.rules.items() if rule.rule.name != UNSUPPORTED}

    assert there.accounts.keys() == here.accounts.keys()
    for id_, record in there.accounts.items():
        assert facts(record, with_time=False) == facts(here.accounts[id_], with_time=False)
        assert record.account.current(record.balance) == here.accounts[id_].account.current(here.accounts[id_].balance)
    assert [rule.rule for rule in there.rules.values()] == [rule.rule for rule in supported.values()]
    assert list(there.rules) == list(supported)
    assert not any(rule.is_enabled for rule in there.rules.values())
    assert f"Imported 15 accounts and {len(supported)} rules into Home." in told
    assert "this API has no words for it" in told
    assert f"sluiceway rules enable ID --as EMAIL --organization {organization_id}" in told
    assert Counter(each.entry.act.action for each in acts) == {
        "CREATE_ORGANIZATION": 1, "IMPORT_ACCOUNT": 15, "IMPORT_RULE": len(supported),
    }  # fmt: skip
    assert "Imported 0 accounts and 0 rules into Home." in again
    assert again.count("here already") == 15 + len(supported)
    # The bank notes when it was last asked; nothing else has changed.
    assert after | {"bank_book": None} == before | {"bank_book": None}
    assert [each.promise for each in audited if each.violations] == []
    assert broken == {}


async def test_a_dry_run_says_the_same_and_writes_nothing(source: Source, target: Target) -> None:
    async with Database(target.url) as database:
        await target.call("--create", "Elsewhere", "--dry-run")
        before = await digest(database)
        told = await target.call("--create", "Home", "--sandbox", "--with-balances", "--dry-run")
        outcomes = await target.outcomes("--create", "Home", "--sandbox", "--dry-run")
        assert await digest(database) == before
    really = await target.outcomes("--create", "Home", "--sandbox")

    assert outcomes == really
    assert "would be imported, disabled" in told
    assert told.endswith("Nothing was written.\n")


async def test_a_live_organization_gets_no_money(source: Source, target: Target) -> None:
    refused = await target.call("--create", "Home", "--with-balances", status=1)
    asked = len(source.asked)
    told = await target.call("--create", "Home")
    async with Database(target.url) as database:
        engine = plain_engine(database)
        there = await found_in(engine, await the_organization(engine))
        assert await violations(database) == {}
    here = await found_in(source.engine, DEMO_ORGANIZATION)
    external = [id_ for id_, record in here.accounts.items() if not record.account.is_kept]

    assert "live organization" in refused
    assert asked == 0
    assert "into Home, a live organization." in told
    assert {record.balance.posted for record in there.accounts.values()} == {0}
    assert external
    for id_ in external:
        assert facts(there.accounts[id_], with_time=True) == facts(here.accounts[id_], with_time=True)


async def test_what_is_new_changed_or_deleted_is_told_apart(source: Source, target: Target) -> None:
    await target.call("--create", "Home", "--sandbox")
    await new_rule(source, "A new one")
    async with Database(target.url) as database:
        engine = plain_engine(database)
        organization_id = await the_organization(engine)
        rules = {rule.rule.name: rule for rule in (await found_in(engine, organization_id)).rules.values()}
        edited, gone = rules["Auto-save on deposit"], rules["Save what is above the buffer"]
        await revise_rule(engine, organization_id, edited.id, "", replace(edited.rule, description="Ours"))
        await delete_rule(engine, organization_id, gone.id, "")
        outcomes = await target.outcomes()
        kept = (await found_in(engine, organization_id)).rules[edited.id]

    assert outcomes["A new one"] == "imported"
    assert outcomes["Auto-save on deposit"] == "different"
    assert outcomes["Save what is above the buffer"] == "deleted"
    assert outcomes["Split each paycheck"] == "present"
    assert outcomes["Savings"] == "present"
    assert kept.rule.description == "Ours"


async def new_rule(source: Source, name: str, account: str = "savings") -> None:
    ids = source.accounts
    written = on_demand(ids[account], fixed(100, ids[account], ids["emergency"])) | {"name": name}
    command = CreateRule(DEMO_ORGANIZATION, read_rule(written), None, lambda *_: Answer(201, b""))
    await create_rule(source.engine, command)


async def test_a_deleted_account_stays_deleted_and_its_rules_are_not_made(source: Source, target: Target) -> None:
    await target.call("--create", "Home", "--sandbox")
    await new_rule(source, "Needs it", "bills")
    async with Database(target.url) as database:
        engine = plain_engine(database)
        organization_id = await the_organization(engine)
        await delete_account(engine, organization_id, AccountId(source.accounts["bills"]), "")
        outcomes = await target.outcomes()
        told = await target.call()

    assert (outcomes["Bills"], outcomes["Needs it"]) == ("deleted", "refused")
    assert "is deleted" in told


async def test_a_source_that_fails_midway_leaves_nothing_behind(source: Source, target: Target) -> None:
    async with Database(target.url) as database:
        await target.call("--create", "Elsewhere", "--dry-run")
        before = await digest(database)
        # The list, then account after account, then rules: 24 is among the rules.
        for number in (1, 5, 24):
            source.asked.clear()
            source.faults[number] = (500, [], b'{"error":{"code":"UNEXPECTED_ERROR","message":"Oh\\u001b[31m"}}')
            told = await target.call("--create", "Home", status=1)
            assert told == (
                "The source could not be read: 500 UNEXPECTED_ERROR: Oh\\u001b[31m. Nothing was imported.\n"
            )
            assert source.faults == {}
        assert await digest(database) == before
    assert set((await target.outcomes("--create", "Home")).values()) == {"imported", "refused"}


async def test_a_source_that_is_busy_is_left_alone_as_long_as_it_asks(source: Source, target: Target) -> None:
    busy = (429, [(b"retry-after", b"1")], b"")
    source.faults |= {3: busy, 4: busy, 20: (503, [], b""), 27: (200, [], b"{")}

    assert set((await target.outcomes("--create", "Home")).values()) == {"imported", "refused"}
    assert source.faults == {}


def test_a_source_that_gives_the_same_page_for_ever_is_not_read_for_ever() -> None:
    client, script = blocking(Clock(), page([ACCOUNT], has_next=True))

    with pytest.raises(NotUnderstood, match="page 2 of a list has nothing new"):
        read_source(client, with_balances=False)
    assert len(script.asked) == 2


@pytest.mark.parametrize("written", ["2026-01-05T14:00:00Z", "2026-01-05T15:00:00+01:00", "2026-01-05T14:00:00"])
def test_a_moment_of_no_zone_is_in_utc(written: str) -> None:
    balance = {"balanceInCents": 5, "balanceLastUpdatedAt": written}
    shown = ACCOUNT | {"type": "EXTERNAL_ACCOUNT", "externalAccountType": "DEPOSITORY", "balance": balance}
    client, _ = blocking(Clock(), page([ACCOUNT], has_next=False), told(shown), page([], has_next=False))

    [account] = read_source(client, with_balances=False).accounts
    assert account.new.reported.updated_at == datetime(2026, 1, 5, 14, tzinfo=UTC)


async def test_a_narrow_key_imports_what_it_sees_and_no_rule_that_names_more(source: Source, target: Target) -> None:
    seen = [source.accounts[short] for short in ("income", "savings")]
    await new_rule(source, "Half seen")
    key = await source.key_for(READ_ACCOUNTS=Grant(resources=frozenset(seen)))
    outcomes = await target.outcomes("--create", "Home", key=key)
    told = await target.call("--dry-run", key=key)

    assert outcomes["Half seen"] == "refused"
    assert "names an account that is not here, and that the key may not see" in told
    async with Database(target.url) as database:
        engine = plain_engine(database)
        there = await found_in(engine, await the_organization(engine))
    assert set(there.accounts) == set(seen)
    assert all(needs(rule.rule).accounts <= set(seen) for rule in there.rules.values())
    # With a key that sees all of them, the rest follows.
    assert (await target.outcomes())["Half seen"] == "imported"


async def test_a_holding_pod_whose_liability_is_not_seen_comes_without_it(source: Source, target: Target) -> None:
    here = await found_in(source.engine, DEMO_ORGANIZATION)
    pod = next(record for record in here.accounts.values() if record.account.linked_account_id is not None)
    key = await source.key_for(READ_ACCOUNTS=Grant(resources=frozenset({pod.account.id})))
    await target.call("--create", "Home", key=key)
    async with Database(target.url) as database:
        engine = plain_engine(database)
        there = await found_in(engine, await the_organization(engine))

    assert there.accounts[pod.account.id].account.linked_account_id is None


async def test_a_real_process_reads_the_key_from_a_line_of_standard_input(source: Source, target: Target) -> None:
    words = ("import", "--from", source.url, "--create", "Home", "--database-url", target.url)
    ran = await asyncio.to_thread(run, *words, stdin=f"{source.key}\n", ALLOW_UNSAFE_POSTGRES="1")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Imported 15 accounts" in ran.stdout
    assert source.key not in ran.stdout
    assert "API key of the source is needed" in await target.call("--create", "Other", stdin="", status=1)


async def test_a_wrong_key_is_said_to_be_wrong(target: Target) -> None:
    assert "401 UNAUTHORIZED: Unauthorized" in await target.call("--create", "Home", key="sk_wrong", status=1)


async def test_a_key_that_may_not_read_is_said_to_be(source: Source, target: Target) -> None:
    _, key = await create_key(source.engine, DEMO_ORGANIZATION, "blind", {})

    assert "ACCESS_DENIED" in await target.call("--create", "Home", key=key, status=1)


async def test_nobody_there_is_said_in_a_sentence(target: Target) -> None:
    # A port that is bound and not listened at.
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        told = await target.call("--create", "Home", from_=url, status=1)

    assert told.splitlines()[-1].startswith("The source could not be read: No whole answer came")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--create", "Home", "--organization", "x"), "either --organization or --create"),
        (("--sandbox",), "--sandbox is for a new organization"),
    ],
)
async def test_contradictions_are_refused(target: Target, words: tuple[str, ...], says: str) -> None:
    assert says in await target.call(*words, status=2)


async def test_a_name_that_is_taken_says_how_to_go_on(source: Source, target: Target) -> None:
    await target.call("--create", "Home")
    async with Database(target.url) as database:
        organization_id = await the_organization(plain_engine(database))

    assert f"--organization {organization_id}" in await target.call("--create", "Home", status=1)
    assert "here already" in await target.call("--organization", organization_id)


async def test_what_is_no_address_is_said_to_be_none(target: Target) -> None:
    told = await target.call("--create", "Home", from_="ftp://x", status=1)

    assert "must begin with http:// or https://" in told


async def test_a_key_is_not_sent_where_others_can_read_it_unless_somebody_says_so(target: Target) -> None:
    # Nobody has a name below `.invalid`.
    elsewhere = "http://source.invalid"

    told = await target.call("--create", "Home", from_=elsewhere, status=1)
    asked = await target.call("--create", "Home", "--plain-http", from_=elsewhere, status=1)

    assert "must begin with https://" in told
    assert asked.splitlines()[-1].startswith("The source could not be read: No whole answer came")
