"""The command line as people and programs use it: words, JSON, and exit statuses."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from sluiceway.cli.app import app
from sluiceway.domain.cards import CardKind
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.storage.database import Database
from tests.cards import give_back, issue, pay
from tests.e2e.processes import free_port, run
from tests.support import AUTO_SAVE, PASSWORD, World, first_story, new_world, real_engine

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
async def world(database: Database) -> World:
    """Make a world with real password hashes, where the rule has run once."""
    world = await first_story(real_engine(database))
    await world.deposit("income", 500_000)
    await world.settle()
    return world


@pytest.fixture
def sluiceway(database_url: str):
    """Run a command on this test's database."""

    def call(*words: str, stdin: str | None = None, status: int = 0) -> str:
        # The server of the tests does not sync, which a real command refuses.
        ran = run(*words, "--database-url", database_url, stdin=stdin, ALLOW_UNSAFE_POSTGRES="1")
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout if status == 0 else ran.stdout + ran.stderr

    return call


def prefixed(world: World, rule: str) -> str:
    return format_id(IdKind.RULE, world.rules[rule].id)


COMMANDS = (
    "serve",
    "demo",
    "worker",
    "migrate",
    "doctor",
    "backup",
    "restore status",
    "restore release",
    "accounts",
    "accounts refresh",
    "cards",
    "cards show",
    "audit",
    "clock show",
    "clock freeze",
    "clock resume",
    "clock advance",
    "approvals list",
    "approvals approve",
    "approvals refuse",
    "organizations create",
    "organizations list",
    "organizations pause",
    "organizations resume",
    "organizations release",
    "organizations limits",
    "organizations limits set",
    "organizations waits",
    "people create",
    "people list",
    "people role",
    "people reset",
    "keys create",
    "keys list",
    "keys revoke",
    "remote enable",
    "remote disable",
    "remote tokens create",
    "remote tokens list",
    "remote tokens revoke",
    "remote secrets create",
    "remote secrets list",
    "remote secrets revoke",
    "rules list",
    "rules show",
    "rules enable",
    "rules disable",
    "rules simulate",
    "rules secret",
    "rules test",
    "rules check",
    "rules backtest",
    "forecast",
    "import",
    "executions list",
    "executions show",
    "scale-out",
    "webhooks create",
    "webhooks list",
    "webhooks show",
    "webhooks rotate",
    "webhooks disable",
    "webhooks enable",
    "webhooks deliveries",
    "webhooks resend",
    "webhooks replay",
)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str):
    shown = help_of(command)

    if command and command != "rules test":
        assert "--data-dir" in shown
        assert "--database-url" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_shows_every_option_of_every_command(command: str):
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text()
    # From the command's synopsis up to the next one.
    _, _, rest = reference.partition(f"`sluiceway {command} ")
    shown = rest.partition("`sluiceway ")[0]

    options = set(re.findall(r"(--[a-z-]+)", help_of(command))) - {"--help"}

    assert {option for option in options if option not in shown} == set()


def help_of(command: str) -> str:
    """Ask in this process, which is quicker; one real one is asked below."""
    asked = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert asked.exit_code == 0
    return asked.stdout


def test_colours_are_for_terminals_only():
    ran = run("--help")

    assert ran.returncode == 0
    assert "\x1b[" not in ran.stdout


def test_the_version():
    assert run("--version").stdout.startswith("sluiceway 0.")


def test_a_usage_error_is_2_and_nothing_else_is():
    assert run("keys", "create").returncode == 2
    assert run("no-such-command").returncode == 2
    assert run("keys", "create", "--name", "x", "--permission", "FLY").returncode == 2


def test_accounts_as_a_table_and_as_json(world: World, sluiceway):
    table = sluiceway("accounts")
    found = {account["name"]: account for account in json.loads(sluiceway("accounts", "--json"))}

    assert "$4,000.00" in table
    assert "$1,000.00" in table
    assert found["savings"]["balance_in_cents"] == 100_000
    assert found["income"]["id"] == format_id(IdKind.ACCOUNT, world.accounts["income"])
    assert "world" not in table.lower()


async def test_cards_and_what_one_did_last(world: World, sluiceway):
    assert sluiceway("cards") == "There are no cards.\n"
    card, other = await issue(world, "savings"), await issue(world, "emergency", CardKind.OMNI_CARD)
    shown = format_id(IdKind.CARD, card.id)
    assert "It has not been used." in sluiceway("cards", "show", shown)
    paid = await pay(world, card, 4_250)
    await give_back(world, card, 250, paid)
    await pay(world, card, 100_000_000)

    table = sluiceway("cards")
    listed = json.loads(sluiceway("cards", "--json"))
    told = sluiceway("cards", "show", shown)
    last = json.loads(sluiceway("cards", "show", card.id, "--last", "2", "--json"))

    assert f"**** {card.last_four}" in table
    assert "virtual omni card" in table
    assert [each["id"] for each in listed] == [shown, format_id(IdKind.CARD, other.id)]
    assert listed[0] == {key: value for key, value in last.items() if key != "transactions"}
    for words in ("Holder, expires ", "$42.50", "$2.50", "savings", "purchase, declined: insufficient funds"):
        assert words in told
    declined, refund = last["transactions"]
    assert (declined["status"], declined["decline_reason"]) == ("declined", "insufficient_funds")
    assert (refund["direction"], refund["amount_in_cents"]) == ("credit", 250)
    assert refund["purchase_id"] == format_id(IdKind.CARD_TRANSACTION, paid.id)
    assert "There is no card with the id 'card_x'." in sluiceway("cards", "show", "card_x", status=1)


def test_a_key_is_shown_once_used_in_lists_and_revoked(world: World, sluiceway):
    income = format_id(IdKind.ACCOUNT, world.accounts["income"])
    made = json.loads(
        sluiceway(
            "keys", "create", "--name", "Books", "-p", f"read_accounts:{income}", "-p", "LIST_RULES",
            "-p", f"MANUAL_TRANSFER:{income}>*:5000,*>{income}", "--json",
        )
    )  # fmt: skip

    assert made["api_key"].startswith("sk_")
    assert made["permissions"] == [
        {"permission": "LIST_RULES"},
        {
            "permission": "MANUAL_TRANSFER",
            "resources": [
                {"source": income, "target": "*", "max_amount": 5000},
                {"source": "*", "target": income, "max_amount": None},
            ],
        },
        {"permission": "READ_ACCOUNTS", "resources": [income]},
    ]
    listed = sluiceway("keys", "list")
    assert "Books" in listed
    assert made["api_key"] not in listed
    sluiceway("keys", "revoke", made["id"])
    [key] = json.loads(sluiceway("keys", "list", "--json"))
    assert key["revoked_at"] is not None
    assert "There is no API key with the id 'key_x'." in sluiceway("keys", "revoke", "key_x", status=1)


async def test_a_person_enables_a_rule_after_reading_it(world: World, sluiceway):
    record = await world.rule("second", AUTO_SAVE, enabled=False)
    rule = prefixed(world, "second")
    enable = ("rules", "enable", rule, "--as", "person@example.com")

    wrong = sluiceway(*enable, stdin="wrong\n", status=1)
    missing = sluiceway(*enable, stdin="", status=1)
    stranger = sluiceway("rules", "enable", rule, "--as", "x@example.com", stdin=f"{PASSWORD}\n", status=1)
    assert json.loads(sluiceway("rules", "show", rule, "--json"))["status"] == "disabled"
    right = sluiceway(*enable, stdin=f"{PASSWORD}\n")
    again = sluiceway(*enable)

    assert "The e-mail address or the password is wrong." in wrong
    assert "A password is needed" in missing
    assert "The e-mail address or the password is wrong." in stranger
    for shown in ("move 20 % of the incoming amount from income to savings", record.fingerprint.hex(), "Enabled."):
        assert shown in right
    assert "already enabled" in again
    assert "is disabled" in sluiceway("rules", "disable", record.id)
    assert [rule["status"] for rule in json.loads(sluiceway("rules", "list", "--json"))] == ["disabled", "enabled"]


async def test_a_rule_with_something_wrong_is_not_enabled_and_says_why(world: World, sluiceway, database_url: str):
    await world.rule("second", AUTO_SAVE, enabled=False)
    with psycopg.connect(database_url) as owner:
        owner.execute("UPDATE account SET deleted_at = now() WHERE name = 'emergency'")

    said = sluiceway(
        "rules", "enable", prefixed(world, "second"), "--as", "person@example.com", stdin=f"{PASSWORD}\n", status=1
    )

    assert "is deleted" in said
    assert "It cannot be enabled as it stands." in said


def test_an_id_in_any_spelling_and_one_that_does_not_exist(world: World, sluiceway):
    for spelling in (world.rules["auto_save"].id, prefixed(world, "auto_save"), prefixed(world, "auto_save").lower()):
        assert "When money arrives in income" in sluiceway("rules", "show", spelling)
    assert "There is no rule with the id 'rule_nope'." in sluiceway("rules", "show", "rule_nope", status=1)


async def test_a_run_is_told_with_its_trace(world: World, sluiceway, database_url: str):
    with psycopg.connect(database_url) as owner:
        [(execution_id,)] = owner.execute("SELECT id::text FROM execution").fetchall()

    short = sluiceway("executions", "show", execution_id)
    told = sluiceway("executions", "show", execution_id, "--trace")
    shown = json.loads(sluiceway("executions", "show", execution_id, "--trace", "--json"))

    assert "because money arrived ($5,000.00)" in short
    assert "Step 1" not in short
    assert "the balance of income is above $500.00: true (it was $5,000.00)" in told
    assert "asked for $1,000.00; $5,000.00 available; moved $1,000.00" in told
    assert shown["trace"]["actions"][0]["moved"] == 100_000
    assert shown["id"] == format_id(IdKind.EXECUTION, execution_id)
    assert "There is no execution" in sluiceway("executions", "show", "rex_x", status=1)


def test_an_audit_that_finds_a_lie_ends_with_1_and_a_counter_example(world: World, sluiceway, database_url: str):
    assert "All is as it should be." in sluiceway("audit")
    with psycopg.connect(database_url) as owner:
        owner.execute("UPDATE account SET posted = posted + 1 WHERE name = 'savings'")

    said = sluiceway("audit", status=1)
    found: dict[str, Any] = json.loads(sluiceway("audit", "--json", status=1))

    assert format_id(IdKind.ACCOUNT, world.accounts["savings"]) in said
    assert "expected      100000 posted, 0 held" in said
    assert found["passed"] is False


async def test_with_several_organizations_a_command_asks_which(world: World, sluiceway):
    other = await new_world(world.engine, email="other@example.com")
    await other.account("elsewhere")

    said = sluiceway("accounts", status=1)

    assert "say which with --organization" in said
    assert other.organization_id in said
    assert "elsewhere" in sluiceway("accounts", "--organization", other.organization_id)


def test_migrate_says_what_it_did(empty_database_url: str):
    first = run("migrate", "--database-url", empty_database_url)
    second = run("migrate", "--database-url", empty_database_url)

    assert "Applied 0001 foundation" in first.stdout
    assert "nothing to apply" in second.stdout


def test_scenarios_pass_or_fail(tmp_path: Path):
    scenario = ROOT / "tests" / "scenarios" / "auto_save_on_deposit.yaml"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(scenario.read_text().replace("amount: ", "amount: 1"))

    assert run("rules", "test", str(scenario)).returncode == 0
    assert run("rules", "test", str(wrong)).returncode == 1
    assert run("rules", "test", str(tmp_path / "none.yaml")).returncode == 1


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("accounts", "--data-dir", "/nowhere/at/all"), 1, "There is no data in /nowhere/at/all."),
        (("accounts", "--database-url", "mysql://x"), 78, "The database URL has to begin with postgresql://"),
        (("accounts", "--database-url", "postgresql://127.0.0.1:1/x"), 1, "The database cannot be used:"),
        (("serve", "--host", "no.such.host.invalid"), 1, "There is no address no.such.host.invalid to listen at."),
        (("rules", "test", "/no/such/file.yaml"), 1, "/no/such/file.yaml cannot be read"),
    ],
)
def test_what_goes_wrong_is_said_in_one_sentence(words: tuple[str, ...], code: int, sentence: str):
    ran = run(*words)

    assert ran.returncode == code
    assert ran.stderr.startswith(sentence)
    assert len(ran.stderr.splitlines()) == 1


def test_a_data_directory_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("")

    ran = run("demo", "--port", str(free_port()), "--data-dir", str(file / "data"))

    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    assert "cannot be" in ran.stderr


def test_an_organization_of_ones_own_from_nothing(sluiceway):
    made = json.loads(sluiceway("organizations", "create", "A small firm", "--json"))
    sluiceway("people", "create", "owner@example.com", stdin="a long password\n")
    key = json.loads(sluiceway("keys", "create", "--name", "all", "--all", "--json"))

    assert made["mode"] == "live"
    assert json.loads(sluiceway("organizations", "list", "--json")) == [made]
    assert key["api_key"].startswith("sk_")
    assert "already" in sluiceway("people", "create", "owner@example.com", stdin="a long password\n", status=1)
    assert "10 characters" in sluiceway("people", "create", "other@example.com", stdin="short\n", status=1)
    assert "not an e-mail" in sluiceway("people", "create", "owner", stdin="a long password\n", status=1)
    assert "ordinary characters" in sluiceway("organizations", "create", " ", status=1)


def test_people_have_roles_and_are_let_in_again(sluiceway):
    sluiceway("organizations", "create", "A small firm", "--sandbox")
    sluiceway("people", "create", "owner@example.com", stdin="a long password\n")
    sluiceway("people", "create", "looker@example.com", "--role", "viewer", stdin="a long password\n")
    before = json.loads(sluiceway("people", "list", "--json"))
    sluiceway("people", "role", "looker@example.com", "ADMIN")
    sluiceway("people", "role", "owner@example.com", "writer")
    reset = sluiceway("people", "reset", "owner@example.com", stdin="another password\n")
    after = json.loads(sluiceway("people", "list", "--json"))

    assert [person["role"] for person in before] == ["ADMIN", "VIEWER"]
    assert [person["role"] for person in after] == ["WRITER", "ADMIN"]
    assert "nothing else" in reset
    assert "password" in sluiceway("people", "list")
    assert "last one" in sluiceway("people", "role", "looker@example.com", "VIEWER", status=1)


async def test_only_an_admin_enables_rules(world: World, sluiceway):
    await world.rule("second", AUTO_SAVE, enabled=False)
    sluiceway("people", "create", "second@example.com", stdin="a long password\n")
    sluiceway("people", "role", "second@example.com", "WRITER")
    rule = prefixed(world, "second")

    refused = sluiceway("rules", "enable", rule, "--as", "second@example.com", stdin="a long password\n", status=1)
    assert "Only an admin" in refused
    sluiceway("rules", "enable", rule, "--as", "person@example.com", stdin=f"{PASSWORD}\n")
