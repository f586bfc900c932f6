"""Clocks, approvals, pauses, limits and simulations as people use them on the command line."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sluiceway.cli.app import app
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.services.accounts import NewAccount
from sluiceway.services.rule_tests import keep_test
from sluiceway.services.rules import disable_rule
from sluiceway.services.sandbox import connect_account
from sluiceway.services.scenarios import Scenario
from sluiceway.settings import read_settings
from sluiceway.storage.database import Database
from sluiceway.wiring import running
from tests.e2e.processes import run
from tests.support import PASSWORD, World, fixed, new_world, on_demand, real_engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

DAILY: dict[str, Any] = {
    "name": "A little every day",
    "trigger": {"type": "SCHEDULED", "account_id": "income", "schedule_type": "DAILY", "start": "2020-01-01T09:00:00"},
    "steps": [{"actions": [fixed(100, "income", "savings")]}],
}
LARGE: dict[str, Any] = {
    **on_demand("income", fixed(150_000, "income", "savings")),
    "name": "Large savings",
    "approval_above_in_cents": 100_000,
}
SIGNED = ("--as", "person@example.com")


@pytest.fixture
async def world(database: Database) -> World:
    """Make a world with money and real password hashes."""
    world = await new_world(real_engine(database))
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    return world


@pytest.fixture
def sluiceway(database_url: str):
    """Run a command on this test's database."""

    def call(*words: str, stdin: str | None = None, status: int = 0) -> str:
        ran = run(*words, "--database-url", database_url, stdin=stdin, ALLOW_UNSAFE_POSTGRES="1")
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        if status == 0:
            assert ran.stderr == "", "a bar is for terminals only"
        return ran.stdout if status == 0 else ran.stdout + ran.stderr

    return call


def misunderstood(*words: str) -> None:
    """Ask in this process, which is quicker: what is not understood never reaches the database."""
    assert CliRunner().invoke(app, words).exit_code == 2


async def waiting(world: World) -> str:
    """Trigger a run whose transfer waits for a person; give that transfer."""
    if "large" not in world.rules:
        await world.rule("large", LARGE)
    await world.trigger("large")
    await world.settle()
    [*_, transfer] = await world.transfers()
    return format_id(IdKind.TRANSFER, transfer.id)


async def checking(world: World) -> None:
    """Connect an account at the sandbox bank, with $500.00 in it."""
    reported = ReportedBalance(balance=Cents(50_000))
    kind = ExternalKind.DEPOSITORY
    new = NewAccount(AccountKind.EXTERNAL_ACCOUNT, "checking", kind, beneficiary_name="A", reported=reported)
    record = await connect_account(world.engine, world.organization_id, new)
    world.accounts["checking"] = record.account.id


async def test_ten_days_go_by_and_a_daily_rule_runs_on_each_without_a_server(world: World, sluiceway):
    await world.rule("daily", DAILY)
    before = json.loads(sluiceway("clock", "show", "--json"))

    said = sluiceway("clock", "advance", "10d")

    after = json.loads(sluiceway("clock", "show", "--json"))
    gone = datetime.fromisoformat(after["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(days=10) <= gone < timedelta(days=10, minutes=5)
    assert "The clock runs and is 10 days ahead of the real time." in said
    assert "There was something to do at" in said
    assert await world.balances() == {"income": 999_000, "savings": 1_000}
    runs = json.loads(sluiceway("executions", "list", "--limit", "3", "--json"))
    assert [each["late_in_seconds"] for each in runs] == [0, 0, 0]
    told = sluiceway("executions", "show", runs[0]["id"])
    assert f"Scheduled {runs[0]['scheduled_for']}\n" in told
    assert "because its schedule said so" in told


async def test_a_clock_that_moves_is_on_record_and_one_that_does_not_is_not(world: World, sluiceway):
    def moves() -> int:
        return len(json.loads(sluiceway("audit-log", "list", "--action", "ADVANCE_CLOCK", "--json")))

    said = sluiceway("clock", "advance", "--to", "2001-01-01T00:00Z", status=1)
    before = moves()
    sluiceway("clock", "advance", "1h")

    assert "never goes back" in said
    assert (before, moves()) == (0, 1)


async def test_the_clock_moves_while_a_server_runs(world: World, sluiceway, database: Database):
    await world.rule("daily", DAILY)

    async with running(database, read_settings()):
        for _ in range(3):
            await in_a_thread(sluiceway, "clock", "advance", "24h")

    assert await world.balances() == {"income": 999_700, "savings": 300}


async def test_a_clock_stands_still_goes_to_a_time_and_never_back(world: World, sluiceway):
    frozen = sluiceway("clock", "freeze")
    at = datetime.fromisoformat(json.loads(sluiceway("clock", "show", "--json"))["now"])
    to = (at + timedelta(days=400)).replace(hour=9, minute=0, second=0)

    said = sluiceway("clock", "advance", "--to", f"{to:%Y-%m-%dT%H:%MZ}")

    assert "The clock stands still" in frozen
    assert f"{to:%Y-%m-%dT09:00:00Z}" in said
    assert "stands still" in said
    assert sluiceway("clock", "advance", "--to", "2026-01-01", status=1) == (
        "The clock stays where it is: the clock never goes back.\n"
    )
    assert "stays where it is" in sluiceway("clock", "advance", "9999999d", status=1)
    assert "The clock runs" in sluiceway("clock", "resume")
    for wrong in ([], ["90"], ["tomorrow"], ["1d", "--to", "2030-01-01"], ["--to", "soon"]):
        misunderstood("clock", "advance", *wrong)


async def test_the_only_sandbox_is_meant_and_live_organizations_have_no_clock_to_move(world: World, sluiceway):
    live = await new_world(world.engine, is_sandbox=False, email="live@example.com")

    chosen = json.loads(sluiceway("clock", "show", "--json"))
    refused = sluiceway("clock", "freeze", "--organization", live.organization_id, status=1)

    assert chosen["organization_id"] == world.organization_id
    assert refused == "Only a sandbox organization allows that, and this one is live.\n"
    other = await new_world(world.engine, email="other@example.com")
    assert "say which with --organization" in sluiceway("clock", "show", status=1)
    assert "runs" in sluiceway("clock", "show", "--organization", other.organization_id)


async def test_a_person_approves_exactly_what_was_shown(world: World, sluiceway):
    transfer = await waiting(world)
    approve = ("approvals", "approve", transfer, *SIGNED)

    listed = sluiceway("approvals", "list")
    [shown] = json.loads(sluiceway("approvals", "list", "--json"))
    wrong = sluiceway(*approve, stdin="wrong\n", status=1)
    assert (await world.balances())["savings"] == 0
    right = sluiceway(*approve, stdin=f"{PASSWORD}\n")
    again = sluiceway(*approve, stdin=f"{PASSWORD}\n", status=1)

    assert "The e-mail address or the password is wrong." in wrong
    assert transfer in listed
    assert (shown["amount_in_cents"], shown["source"]["name"]) == (150_000, "income")
    for said in ("$1,500.00", "income", "savings", "Large savings, revision 1", shown["digest"], "in 23 hours"):
        assert said in right
    assert right.endswith("Approved. The money has moved.\n")
    assert again == f"No transfer with the id '{transfer}' waits for a person.\n"
    assert await world.balances() == {"income": 850_000, "savings": 150_000}
    assert sluiceway("approvals", "list") == "No transfer waits for a person.\n"


async def test_a_refused_transfer_frees_its_money(world: World, sluiceway):
    transfer = await waiting(world)
    assert (await world.balances())["income"] == 850_000

    said = sluiceway("approvals", "refuse", transfer, *SIGNED, stdin=f"{PASSWORD}\n")

    assert "Refused. The transfer is cancelled." in said
    assert await world.balances() == {"income": 1_000_000, "savings": 0}


async def test_an_approval_expires_after_a_day(world: World, sluiceway):
    transfer = await waiting(world)

    sluiceway("clock", "advance", "25h")

    late = sluiceway("approvals", "approve", transfer, *SIGNED, stdin=f"{PASSWORD}\n", status=1)
    assert "waits for a person" in late
    assert await world.balances() == {"income": 1_000_000, "savings": 0}
    [ran] = json.loads(sluiceway("executions", "list", "--json"))
    assert ran["status"] == "failed"


async def test_what_a_disabled_rule_left_waiting_is_not_approved(world: World, sluiceway):
    transfer = await waiting(world)
    await disable_rule(world.engine, world.organization_id, world.rules["large"].id, "")

    said = sluiceway("approvals", "approve", transfer, *SIGNED, stdin=f"{PASSWORD}\n", status=1)

    assert "The transfer is no longer what you were shown" in said
    assert "No transfer" in sluiceway("approvals", "approve", "txr_x", *SIGNED, status=1)


async def test_pausing_stops_rules_and_runs_say_that_they_wait(world: World, sluiceway):
    await world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))

    paused = sluiceway("organizations", "pause")
    again = sluiceway("organizations", "pause")
    ran = await world.execution(await world.trigger("save"))
    await world.settle()
    told = sluiceway("executions", "show", ran.id)
    [listed] = json.loads(sluiceway("organizations", "list", "--json"))
    simulated = sluiceway("rules", "simulate", world.rules["save"].id, status=1)
    assert (await world.balances())["savings"] == 0
    resumed = sluiceway("organizations", "resume")
    await world.settle()

    assert "is paused. No rule moves anything." in paused
    assert "was paused already, since" in again
    assert "it has not run yet" in told
    assert "Automation is paused: this run waits until it is resumed." in told
    assert listed["paused_at"] is not None
    assert "simulations wait too" in simulated
    assert "goes on" in resumed
    assert "was not paused" in sluiceway("organizations", "resume")
    assert (await world.balances())["savings"] == 1_000


async def test_a_simulation_tells_what_a_disabled_rule_would_do_and_moves_nothing(world: World, sluiceway):
    rule = (await world.rule("large", LARGE, enabled=False)).id

    told = sluiceway("rules", "simulate", rule)
    poor = json.loads(sluiceway("rules", "simulate", rule, "--amount", "1200.00", "--json"))

    assert "(a simulation: no money moved)" in told
    assert "asked for $1,500.00; $10,000.00 available; moved $1,500.00" in told
    assert (poor["mode"], poor["amount_in_cents"], poor["status"]) == ("simulation", 120_000, "failed")
    assert poor["trace"]["actions"][0]["moved"] == 0
    assert await world.balances() == {"income": 1_000_000, "savings": 0}
    assert json.loads(sluiceway("executions", "list", "--json")) == []
    runs = json.loads(sluiceway("executions", "list", "--rule", rule, "--mode", "simulation", "--json"))
    assert [run["status"] for run in runs] == ["failed", "executed"]
    assert "(simulation)" in sluiceway("executions", "list", "--mode", "all")
    assert "There is no rule" in sluiceway("executions", "list", "--rule", "rule_x", status=1)
    sluiceway("rules", "simulate", rule, "--amount", "0", status=2)


async def test_a_simulation_beside_a_running_worker(world: World, sluiceway, database: Database):
    await world.rule("large", LARGE)

    async with running(database, read_settings()):
        told = await in_a_thread(sluiceway, "rules", "simulate", world.rules["large"].id)

    assert "moved $1,500.00" in told


async def test_the_secret_of_a_rule_is_for_people_with_a_password(world: World, sluiceway):
    rule = (await world.rule("large", LARGE)).id

    secret = sluiceway("rules", "secret", rule, *SIGNED, stdin=f"{PASSWORD}\n").strip()

    assert (len(secret), secret.isalnum()) == (44, True)
    assert secret == sluiceway("rules", "secret", rule, *SIGNED, stdin=f"{PASSWORD}\n").strip()
    assert secret not in sluiceway("rules", "secret", rule, *SIGNED, stdin="wrong\n", status=1)
    assert "There is no rule" in sluiceway("rules", "secret", "rule_x", *SIGNED, stdin=f"{PASSWORD}\n", status=1)


async def test_limits_are_set_kept_used_and_lifted(world: World, sluiceway):
    await checking(world)
    set_limit = ("organizations", "limits", "set", "--side", "debit", "--period", "day")
    assert sluiceway("organizations", "limits") == "There are no limits.\n"

    first = sluiceway(*set_limit, "--amount", "1000.00")
    second = sluiceway(*set_limit, "--transfers", "10")
    await world.transfer("checking", "savings", 12_300)
    [limit] = json.loads(sluiceway("organizations", "limits", "--json"))
    table = sluiceway("organizations", "limits")
    lifted = sluiceway(*set_limit, "--amount", "none", "--transfers", "none")

    assert first == "Debit (taken), each day: $1,000.00.\n"
    assert second == "Debit (taken), each day: $1,000.00 in 10 payments.\n"
    assert limit == {
        "side": "debit", "period": "day", "amount_in_cents": 100_000, "used_in_cents": 12_300,
        "transfers": 10, "used_transfers": 1,
    }  # fmt: skip
    assert "$123.00" in table
    assert lifted == "Debit (taken), each day: no limit.\n"
    for wrong in ([], ["--amount", "x"], ["--transfers", "-1"], ["--amount", "1", "--side", "both"]):
        misunderstood(*set_limit, *wrong)


async def test_waits_are_shown_and_set_each_by_itself(world: World, sluiceway):
    before = sluiceway("organizations", "waits")
    sluiceway("organizations", "waits", "--approval", "36h")
    after = sluiceway("organizations", "waits", "--handover", "10m")

    assert before == "A transfer waits for a person for 1 day.\nA payment goes to the bank at once.\n"
    assert "for 1 day 12 hours." in after
    assert "can be called back for 10 minutes" in after
    for wrong in (["--approval", "0h"], ["--approval", "soon"], ["--handover", "400d"]):
        misunderstood("organizations", "waits", *wrong)


async def test_the_zone_in_which_times_are_shown_is_told_and_set(world: World, sluiceway):
    before = sluiceway("organizations", "time-zone")
    sluiceway("organizations", "time-zone", "Asia/Kathmandu")
    [listed] = json.loads(sluiceway("organizations", "list", "--json"))

    assert "Times are shown in UTC." in before
    assert "Times are shown in Asia/Kathmandu." in sluiceway("organizations", "time-zone")
    assert listed["time_zone"] == "Asia/Kathmandu"
    assert "time-zone database" in sluiceway("organizations", "time-zone", "Nowhere", status=1)


async def test_accounts_tell_how_old_reports_are_and_are_refreshed(world: World, sluiceway):
    await checking(world)
    sluiceway("clock", "freeze")

    first = sluiceway("accounts", "refresh", "checking")
    [shown] = json.loads(sluiceway("accounts", "refresh", "--json"))

    assert "$500.00" in first
    assert "just now" in first
    assert "savings" not in first
    assert (shown["name"], shown["report_error"]) == ("checking", None)
    assert datetime.fromisoformat(shown["reported_at"]).tzinfo == UTC
    assert "is not kept at a bank" in sluiceway("accounts", "refresh", "savings", status=1)
    assert "There is no account" in sluiceway("accounts", "refresh", "nowhere", status=1)
    assert "savings" in sluiceway("accounts")
    misunderstood("accounts", "--json", "refresh")


async def test_a_key_with_a_bound_leaves_large_moves_to_a_person(world: World, sluiceway):
    made = json.loads(sluiceway("keys", "create", "--name", "Till", "--all", "--approval-above", "500.00", "--json"))

    assert made["approval_above_in_cents"] == 50_000
    assert "$500.00" in sluiceway("keys", "list")
    misunderstood("keys", "create", "--name", "Till", "--all", "--approval-above", "much")


async def in_a_thread(call: Any, *words: str) -> str:
    """Run a command while this process's own loop goes on."""
    return await asyncio.to_thread(call, *words)


async def test_kept_tests_run_on_a_rule_on_a_draft_and_as_a_file(world: World, sluiceway, tmp_path: Path):
    rule = await world.rule("daily", DAILY)
    spelling = format_id(IdKind.RULE, rule.id)
    scenario = Scenario(world.organization_id, rule.rule, rule.id, rule.revision)
    await keep_test(world.engine, world.organization_id, rule.id, spelling, "A dollar a day", scenario)
    shown = json.loads(sluiceway("rules", "show", spelling, "--json"))
    shown["definition"]["steps"][0]["actions"][0]["amount_in_cents"] = 200
    draft, file = tmp_path / "draft.json", tmp_path / "tests.yaml"
    draft.write_text(json.dumps(shown))

    passed = json.loads(sluiceway("rules", "check", spelling, "--json"))
    failed = sluiceway("rules", "check", spelling, "--draft", str(draft), status=1)
    file.write_text(sluiceway("rules", "check", spelling, "--export"))
    again = CliRunner().invoke(app, ["rules", "test", str(file)])

    assert [(each["name"], each["passed"]) for each in passed] == [("A dollar a day", True)]
    assert "A dollar a day: Not as expected." in failed
    assert "expected $1.00 from income to savings" in failed
    assert "got      $2.00 from income to savings" in failed
    assert (again.exit_code, again.stdout) == (0, "1 scenarios, 0 not as expected.\n")

    # What is expected is changed by hand, and kept in the place of what was.
    file.write_text(file.read_text().replace("amount: 100\n", "amount: 200\n"))
    changed = sluiceway("rules", "check", spelling, "--keep", str(file), status=1)
    [kept] = json.loads(sluiceway("rules", "check", spelling, "--draft", str(draft), "--json"))
    file.write_text(file.read_text().replace("    step: 0\n", "    attempted: 1\n"))
    refused = sluiceway("rules", "check", spelling, "--keep", str(file), status=1)

    assert "1 tests, 1 not as expected." in changed
    assert "expected $2.00 from income to savings" in changed
    assert (kept["name"], kept["passed"]) == ("A dollar a day", True)
    assert "expects a step and transfers, and nothing else" in refused
