"""Every scenario file, one test for each scenario; and the runner, which must fail when an expectation is wrong."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sluiceway.cli import scenario_files
from sluiceway.cli.scenario_yaml import entries
from sluiceway.cli.scenarios import BadScenario, Scenario, explain, read_file, read_text, run, run_file
from sluiceway.domain.rules import (
    CapPeriod,
    ErrorCode,
    Fact,
    Level,
    Operator,
    PaymentSide,
    PercentageTarget,
    Severity,
    Strategy,
    TriggerType,
    Why,
    check,
)
from sluiceway.domain.schedule import ScheduleType

BANKS_WORDS = {ErrorCode.NAME_MISMATCH, ErrorCode.PAYMENT_FAILED, ErrorCode.PAYMENT_NOT_SUPPORTED}
"""What only a bank can say of a transfer; no plan does."""
FOLDER = Path(__file__).parents[1] / "scenarios"
DOCS = Path(__file__).parents[2] / "docs"
FILES = sorted(FOLDER.glob("*.yaml"))
SCENARIOS = [(file, scenario) for file in FILES for scenario in read_file(file)]
EACH_SCENARIO = [pytest.param(scenario, id=f"{file.stem}: {scenario.name}") for file, scenario in SCENARIOS]

ONE = """\
- name: Ten dollars are saved
  given:
    accounts:
      checking: {kind: INCOME_SOURCE, posted: 50000}
      savings: {kind: POD}
  rule:
    trigger: {type: MANUAL, account_id: checking}
    steps:
      - conditions: {condition: {fact: BALANCE, operator: GREATER_THAN, value: 100}}
        actions:
          - type: FIXED
            amount_in_cents: 1000
            source: checking
            destination: savings
            limit: {period: PER_WEEK, amount_in_cents: 900}
  event: {type: MANUAL, at: "2026-03-04T10:00:00Z"}
  expect:
    step: 0
"""


@pytest.mark.parametrize("scenario", EACH_SCENARIO)
def test_scenario(scenario: Scenario) -> None:
    result = run(scenario)

    if not result.passed:
        pytest.fail(explain(result), pytrace=False)


def test_every_scenario_says_what_it_covers() -> None:
    assert [scenario.name for _, scenario in SCENARIOS if not scenario.source] == []


def test_the_scenarios_use_every_word_of_the_vocabulary() -> None:
    actions = {"FIXED", "PERCENTAGE", "TOP_UP", "ROUND_DOWN", "SWEEP_ABOVE", "NEXT_PAYMENT_MINIMUM", "TOTAL_AMOUNT_DUE"}
    actions |= {"LAST_STATEMENT_BALANCE", "PERCENTAGE_LIABILITY_BALANCE", "REMOTE_AMOUNT", *Strategy}
    levels = {f"{level.lower()}_account" for level in Level}
    words = {*actions, *levels, *TriggerType, *Fact, *Operator, *PercentageTarget, *CapPeriod, *Why}
    words |= {*ErrorCode} - BANKS_WORDS
    words |= {
        *ScheduleType,
        "zone",
        "params",
        "account_id",
        "value_account_id",
        "any",
        "all",
        "minimum",
        "floor",
        "deleted",
        "at",
        "ach_limits",
        *PaymentSide,
        "holding_pods",
        "updated_at",
        "needs_approval",
        "approval_above_in_cents",
        "max_balance_age_in_minutes",
    }

    used = {word for file in FILES for _, value in entries(file.read_text()) for word in _words(value)}

    assert words - used == set()


def test_every_rule_of_the_scenarios_could_be_saved_unless_its_accounts_are_the_story() -> None:
    may_be_the_story = {"unknown_account", "deleted_account", "account_required"}

    found = [
        (scenario.name, finding)
        for _, scenario in SCENARIOS
        for finding in check(scenario.rule, scenario.example.snapshot.accounts)
        if finding.severity is Severity.ERROR and finding.code not in may_be_the_story
    ]

    assert found == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_any_expectation_that_is_changed_makes_its_scenario_fail(file: Path) -> None:
    passed = []
    for line, written in entries(file.read_text()):
        for path, changed in _changes(written["expect"]):
            other = scenario_files._read_scenario({**written, "expect": changed}, str(file), line)
            if run(other).passed:
                passed.append(f"{written['name']}: {path}")

    assert passed == []


@pytest.mark.parametrize(
    ("expect", "field", "expected", "got"),
    [
        ("step: 1", "step", "1", "0"),
        ("step: null", "step", "null", "0"),
        ("attempted: 2", "attempted", "2", "1"),
        ("failed: 1", "failed", "1", "0"),
        ("transfers: []", "transfers/0", "nothing", "{from: checking, to: savings, amount: 900}"),
        (
            "transfers: [{from: checking, to: savings, amount: 900, error: NULL_BALANCE}]",
            "transfers/0",
            "{from: checking, to: savings, amount: 900, error: NULL_BALANCE}",
            "{from: checking, to: savings, amount: 900}",
        ),
        (
            "transfers: [{from: checking, to: savings, amount: 900}, {from: savings, to: checking, amount: 1}]",
            "transfers/1",
            "{from: savings, to: checking, amount: 1}",
            "nothing",
        ),
        ("balances: {savings: 901}", "balances/savings", "901", "900"),
        ("balances: {checking: null}", "balances/checking", "null", "49100"),
        ("cap_uses: []", "cap_uses/0", "nothing", "{period: PER_WEEK, starts_on: '2026-03-02', amount: 900}"),
        ("trace: {steps/0: {result: null}}", "trace/steps/0/result", "null", "true"),
        ("trace: {steps/1: {result: false}}", "trace/steps/1", "{result: false}", "nothing"),
        ("trace: {steps/0: null}", "trace/steps/0", "nothing", "{result: true}"),
        (
            "trace: {steps/0/conditions: {right: 200}}",
            "trace/steps/0/conditions/right",
            "200",
            "100",
        ),
        ("trace: {steps/0/actions/0: {asked: 900}}", "trace/steps/0/actions/0/asked", "900", "1000"),
        ("trace: {steps/0/actions/0: {cuts: []}}", "trace/steps/0/actions/0/cuts", "[]", "[{cap: 900}]"),
        ("trace: {steps/0/actions/0: {from: savings}}", "trace/steps/0/actions/0/from", "savings", "checking"),
    ],
)
def test_a_wrong_expectation_is_told_field_by_field(expect: str, field: str, expected: str, got: str) -> None:
    [scenario] = read_text(ONE.replace("step: 0\n", f"{expect}\n"), "one.yaml")

    result = run(scenario)

    assert not result.passed
    assert [(each.field, each.expected, each.got) for each in result.differences] == [(field, expected, got)]


def test_the_difference_is_written_for_people(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("# A comment moves the scenario to line 2.\n" + ONE + "    balances: {savings: 1000}\n")

    [result] = run_file(file)

    assert explain(result) == (
        f"not as expected: Ten dollars are saved\n  {file}:2\n  balances/savings\n    expected 1000\n    got      900"
    )


def test_a_scenario_that_passed_is_one_line() -> None:
    [scenario] = read_text(ONE, "one.yaml")

    assert explain(run(scenario)) == "as expected: Ten dollars are saved"


def test_scenarios_may_be_documents_or_entries_of_lists() -> None:
    entry = yaml.safe_load(ONE)[0]
    text = yaml.safe_dump(entry) + "---\n" + yaml.safe_dump([entry | {"name": "two"}, entry | {"name": "three"}])

    assert [scenario.name for scenario in read_text(text, "many.yaml")] == ["Ten dollars are saved", "two", "three"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("step: 0", "steps: 0", "one.yaml:1: Ten dollars are saved: Object contains unknown field `steps` at `expect`"),
        (
            "  given:",
            "  givne: 1\n  given:",
            "one.yaml:1: Ten dollars are saved: Object contains unknown field `givne`",
        ),
        ("{kind: POD}", "{kind: POD, balance: 5}", "unknown field `balance` at `given.accounts[...]`"),
        ("posted: 50000", "posted: 500.00", "Expected `int | null`, got `str` at `given.accounts[...].posted`"),
        ("posted: 50000", "posted: !!float 500", "one.yaml:4: the tag tag:yaml.org,2002:float is not known"),
        ("posted: 50000", "posted: true", "Expected `int | null`, got `bool`"),
        ("posted: 50000", "posted: 1, posted: 50000", "one.yaml:4: the key 'posted' is here twice"),
        ("{kind: POD}", "{kind: WORLD}", "Invalid enum value 'WORLD'"),
        ("{kind: POD}", "{kind: EXTERNAL_ACCOUNT, posted: 5}", "given/accounts/savings: posted is for accounts that"),
        (
            "{kind: POD}",
            "{kind: POD, reported: {balance: 5}}",
            "given/accounts/savings: reported and external_kind are",
        ),
        ("{kind: POD}", "{kind: EXTERNAL_ACCOUNT, reported: {interest_rate: 101}}", "a percentage is from 0 to 100"),
        ("amount_in_cents: 1000", "amount_in_cents: 10.00", "rule/steps/0/actions/0/amount_in_cents: must be a whole"),
        ("destination: savings", "destinatoin: savings", "rule/steps/0/actions/0/destination: is required"),
        ("operator: GREATER_THAN", "operator: ABOVE", "rule/steps/0/conditions/condition/operator: must be one of"),
        (
            '"2026-03-04T10:00:00Z"',
            '"2026-03-04T10:00:00"',
            "Expected `datetime` with a timezone component at `event.at`",
        ),
        ("type: MANUAL, at", "type: BY_HAND, at", "Invalid enum value 'BY_HAND' at `event.type`"),
        ("  expect:\n    step: 0\n", "  expect: {}\n", "expect: a scenario that expects nothing cannot fail"),
        ("  expect:\n    step: 0\n", "", "Object missing required field `expect`"),
        ("step: 0", "trace: {}", "Expected `object` of length >= 1 at `expect.trace`"),
        ("step: 0", "balances: {}", "Expected `object` of length >= 1 at `expect.balances`"),
        ("step: 0", "balances: {savigns: 1}", "expect/balances: no account 'savigns' is given"),
        ("step: 0", "transfers: [{from: checking, amount: 1}]", "Object missing required field `to`"),
        ("step: 0", "trace: {step/0: null}", "expect/trace: 'step/0' is not a path of a trace"),
        ("step: 0", "trace: {steps/0: {}}", "expect/trace/steps/0: names no field"),
        ("step: 0", "trace: {steps/0: {left: 1}}", "expect/trace/steps/0: Object contains unknown field `left`"),
        ("step: 0", "trace: {steps/0/actions/0: {why: because}}", "Invalid enum value 'because' at `why`"),
        (
            "      savings: {kind: POD}\n",
            "      savings: {kind: POD}\n    remote_amounts: {0: 5}\n",
            "'0' is not a path such",
        ),
        (
            "      savings: {kind: POD}\n",
            "      savings: {kind: POD}\n    holding_pods: {card: savings}\n",
            "given/holding_pods: no account 'card' is given",
        ),
        (
            "      savings: {kind: POD}\n",
            "      savings: {kind: POD}\n    ach_limits: {DEBIT: [{code: DAILY_ACH_CREDIT_LIMIT_REACHED}]}\n",
            "given/ach_limits/DEBIT: DAILY_ACH_CREDIT_LIMIT_REACHED is not the code of such a limit",
        ),
        (
            "      savings: {kind: POD}\n",
            "      savings: {kind: POD}\n    at: 2026-03-04T10:00:00\n",
            "Expected `datetime` with a timezone component at `given.at`",
        ),
        ("Ten dollars are saved", "[a, b]", "one.yaml:1: Expected `str`, got `array` at `name`"),
        ("    step: 0\n", "    step: 0\n" + ONE, "one.yaml:19: Ten dollars are saved: line 1 has the same name"),
        ("step: 0", "step: [", "one.yaml:19: expected the node content, but found '<stream end>'"),
        ("step: 0", "step: *nowhere", "one.yaml:18: found undefined alias 'nowhere'"),
        ("step: 0", "[a]: 0", "one.yaml:18: a key must be a word"),
        ("step: 0", "step: &a [*a]", "one.yaml:18: nests too deep"),
        ("step: 0", "step: \x01", "special characters are not allowed"),
        (ONE, "", "one.yaml:1: has no scenario"),
        (ONE, "5", "one.yaml:1: Expected `object`, got `int`"),
    ],
)
def test_a_file_that_is_not_understood_to_the_last_key_is_refused(old: str, new: str, problem: str) -> None:
    assert old in ONE

    with pytest.raises(BadScenario) as refused:
        read_text(ONE.replace(old, new), "one.yaml")

    assert problem in str(refused.value)


@pytest.mark.parametrize("page", ["howto/test-a-rule.md", "reference/scenarios.md"])
def test_the_examples_of_the_documentation_come_true(page: str) -> None:
    text = (DOCS / page).read_text()
    examples = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)

    told = [explain(run(scenario)) for example in examples for scenario in read_text(example, page)]

    assert told
    assert [each for each in told if not each.startswith("as expected")] == []


def test_the_howto_shows_what_a_wrong_expectation_prints() -> None:
    text = (DOCS / "howto/test-a-rule.md").read_text()
    [example, shown] = re.findall(r"^```(?:yaml|text)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[:2]
    [scenario] = read_text(example.replace("amount: 40000", "amount: 50000"), "savings.yaml")

    assert explain(run(scenario)) == shown.rstrip()


def test_plain_words_are_text_unless_they_are_null_true_false_or_whole_numbers() -> None:
    written = "[~, null, '', , true, 'true', false, no, 12, -12, 1_000, 010, 0x1f, 1:30, 1.5, '5', 2026-03-02]"

    [(_, value)] = entries("- " + written.replace(", ,", ","))

    texts = ["no", 12, -12, 1000, "010", "0x1f", "1:30", "1.5", "5", "2026-03-02"]
    assert value == [None, None, "", True, "true", False, *texts]


def _words(value: object) -> Iterator[str]:
    """Go through every key and every text of a value."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from _words(child)
    elif isinstance(value, list):
        for child in value:
            yield from _words(child)
    elif isinstance(value, str):
        yield value


def _changes(expect: dict) -> Iterator[tuple[str, dict]]:
    """Give the expectation once for each of its values, with that value changed."""
    for path, value in _leaves(expect, ()):
        changed = copy.deepcopy(expect)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = _other(path, value)
        yield "/".join(map(str, path)), changed


def _leaves(value: object, path: tuple) -> Iterator[tuple[tuple, object]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(value, list) and value:
        yield path, value  # As a whole, with its last entry missing.
        for index, child in enumerate(value):
            yield from _leaves(child, (*path, index))
    else:
        yield path, value


def _other(path: tuple, value: object) -> object:
    """Give another value that the format allows in this place."""
    field = path[-1]
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case []:
            return {
                "transfers": [{"from": "checking", "to": "savings", "amount": 1}],
                "cap_uses": [{"period": "PER_WEEK", "starts_on": "2026-03-02", "amount": 1}],
                "cuts": [{"cap": 1}],
            }[field]
        case [*most, _]:
            return most
        case None if path[0] == "trace" and len(path) == 2:
            return {"result": "moved"} if "/actions/" in field else {"result": False}
        case None:
            return {"why": "stopped", "error": "NULL_BALANCE", "result": False, "to": "someone else"}.get(field, 0)
        case str():
            others = {
                "why": "ceiling",
                "error": "REMOTE_AMOUNT_UNAVAILABLE" if value != "REMOTE_AMOUNT_UNAVAILABLE" else "NULL_BALANCE",
                "result": "moved" if value != "moved" else "skipped",
                "period": "PER_YEAR" if value != "PER_YEAR" else "PER_WEEK",
                "starts_on": "1999-12-31",
            }
            return others.get(field, "someone else")
    raise AssertionError(path)
