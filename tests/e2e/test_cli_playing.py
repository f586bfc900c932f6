"""Backtest and forecast as people and programs use them on the command line."""

import json
from pathlib import Path

import pytest

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.storage.database import Database
from tests.e2e.processes import run
from tests.support import World, first_story, real_engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

DRAFT = """\
name: Half to savings
trigger: {type: ON_FUNDS_TRANSFERRED, account_id: income}
steps:
  - actions:
      - type: PERCENTAGE
        percentage_value: 50.5
        percentage_target: INCOMING_AMOUNT
        source: INCOME
        destination: savings
"""


@pytest.fixture
async def world(database: Database) -> World:
    """Make a world where the rule has run twice."""
    world = await first_story(real_engine(database))
    for _ in range(2):
        await world.deposit("income", 500_000)
        await world.settle()
    await world.transfer("income", "emergency", 700_000)
    return world


@pytest.fixture
def sluiceway(database_url: str):
    """Run a command on this test's database."""

    def call(*words: str, status: int = 0) -> str:
        ran = run(*words, "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1")
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        if status == 0:
            assert ran.stderr == "", "a bar is for terminals only"
        return ran.stdout if status == 0 else ran.stdout + ran.stderr

    return call


@pytest.fixture
def draft(tmp_path: Path, world: World) -> Path:
    path = tmp_path / "draft.yaml"
    path.write_text(DRAFT.replace("INCOME", format_id(IdKind.ACCOUNT, world.accounts["income"]).lower()))
    return path


def test_a_draft_is_tried_on_the_past(world: World, sluiceway, draft: Path):
    rule = format_id(IdKind.RULE, world.rules["auto_save"].id)

    told = sluiceway("rules", "backtest", str(draft), "--replaces", rule)
    shown = json.loads(sluiceway("rules", "backtest", str(draft), "--replaces", rule, "--json"))

    assert "Half to savings, tried on" in told
    assert "2 runs: in 0 no step matched, in 0 something failed." in told
    assert "a later real transfer of $7,000.00 from income would not have been possible: $2,050.00" in told
    assert [
        (each["name"], each["moved_in_cents"], each["really_moved_in_cents"]) for each in shown["destinations"]
    ] == [("savings", 505_000, 200_000)]
    assert shown["shortfalls"][0]["missing_in_cents"] == 205_000
    assert [run["moves"][0]["amount_in_cents"] for run in shown["runs"]] == [252_500, 252_500]


def test_an_existing_rule_is_tried_in_its_own_place(world: World, sluiceway):
    rule = format_id(IdKind.RULE, world.rules["auto_save"].id)

    told = sluiceway("rules", "backtest", rule, "--days", "7")
    shown = json.loads(sluiceway("rules", "backtest", rule, "--json"))

    assert "Nothing would have gone wrong." in told
    assert shown["replaces"] == rule
    assert [(each["moved_in_cents"], each["really_moved_in_cents"]) for each in shown["destinations"]] == [
        (200_000, 200_000)
    ]


def test_what_rules_show_prints_can_be_edited_and_tried(world: World, sluiceway, tmp_path: Path):
    printed = sluiceway("rules", "show", world.rules["auto_save"].id, "--json")
    edited = tmp_path / "edited.json"
    edited.write_text(printed.replace('"percentage_value": "20"', '"percentage_value": "10"'))

    shown = json.loads(sluiceway("rules", "backtest", str(edited), "--replaces", world.rules["auto_save"].id, "--json"))

    assert shown["destinations"][0]["moved_in_cents"] == 100_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trigger: [", "is not YAML"),
        ("trigger: 1\ntrigger: 2", "the key 'trigger' is here twice"),
        ("name: x", "trigger is required"),
        (DRAFT.replace("savings", "nobody").replace("INCOME", "income"), "There is no account with the id 'nobody'."),
    ],
)
def test_a_draft_that_cannot_be_read_is_said_in_one_sentence(
    world: World, sluiceway, tmp_path: Path, text: str, sentence: str
):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    assert sentence in sluiceway("rules", "backtest", str(path), status=1)


def test_neither_a_file_nor_a_rule(world: World, sluiceway):
    assert "neither a file nor the id of a rule" in sluiceway("rules", "backtest", "no-such-file", status=1)
    assert "There is no rule with the id" in sluiceway("rules", "backtest", world.organization_id, status=1)


def test_a_forecast_as_a_table_and_as_json(world: World, sluiceway):
    income = format_id(IdKind.ACCOUNT, world.accounts["income"])
    expect = ("--expect", f"{income}:100000:weekly:2026-01-05", "--expect", "savings:-150000:DAILY:2026-01-01T12:00")

    told = sluiceway("forecast", "--days", "14", *expect)
    shown = json.loads(sluiceway("forecast", "--days", "14", *expect, "--json"))

    accounts = {account["name"]: account for account in shown["accounts"]}
    assert "savings is the first to fall below its floor" in told
    assert "$1,000.00 to income, every Monday at 00:00 (UTC), from 5 January 2026 on: 2 times" in told
    assert "Auto-save on deposit" in told
    assert accounts["savings"]["today_in_cents"] == 200_000
    assert accounts["savings"]["below_floor_on"] == shown["first_below_floor"]["on"]
    assert accounts["savings"]["end_in_cents"] == 200_000 + 2 * 20_000 - 14 * 150_000
    assert len(accounts["savings"]["daily_in_cents"]) == len(shown["days"]) == 15
    assert [each["runs"] for each in shown["rules"]] == [2]


def test_a_quiet_forecast(world: World, sluiceway):
    told = sluiceway("forecast", "--no-detect")

    assert "No balance falls below its floor." in told
    assert "No income and no bills are expected" in told


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ("income:1000", "is not ACCOUNT:CENTS:SCHEDULE:START"),
        ("income:10.50:MONTHLY:2026-01-31", "cannot be read as"),
        ("income:0:MONTHLY:2026-01-31", "is not an amount in cents"),
        ("income:100:YEARLY:2026-01-31", "cannot be read as"),
        ("income:100:MONTHLY:2026-01-31T00:00Z", "without an offset"),
        ("nobody:100:MONTHLY:2026-01-31", "There is no account with the id 'nobody'."),
    ],
)
def test_an_expectation_that_makes_no_sense_is_said_in_one_sentence(
    world: World, sluiceway, expected: str, sentence: str
):
    assert sentence in sluiceway("forecast", "--expect", expected, status=1)
