"""Tests of rules: a scenario that was tried, kept with what came of it, and run again on every edit. Nothing moves.

A test holds all that it needs: what balances, limits and services were then is what they are in it forever. So it says
the same of the same rule, and only an edit can make it fail.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final, cast

import msgspec

from sluiceway.domain.audit import Act, operators_act
from sluiceway.domain.clocks import day_in_words
from sluiceway.domain.endings import CAUSES
from sluiceway.domain.errors import InvalidParameters, NotFound, Problem
from sluiceway.domain.executions import explain
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, RuleId, RuleTestId
from sluiceway.domain.ledger import NOTHING, Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Rule, Snapshot, format_money, visible
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.example_forms import (
    Example,
    Expected,
    Written,
    convert,
    expectation_of,
    read_example,
    write_example,
)
from sluiceway.services.examples import compare, looked_at
from sluiceway.services.rules import accounts_of
from sluiceway.services.scenarios import Scenario, suppose
from sluiceway.storage import rule_tests as stored
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.organizations import find_organizations
from sluiceway.storage.rule_tests import RuleTest
from sluiceway.storage.rules import find_rule

MOST_TESTS: Final = 50
"""How many a rule may have: they all run each time that somebody looks at a draft of it."""

Accounts = Mapping[AccountId, Account]


@dataclass(frozen=True, slots=True)
class Given:
    """One thing that a test takes to be so."""

    name: str
    said: str


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """What a rule makes of one of its tests, in words. `at`: when the test lets it happen, by the rule's clock."""

    test: RuleTest
    is_passed: bool
    said: str
    cause: str
    at: datetime
    given: list[Given]
    expected: list[str]
    got: list[str]


@dataclass(frozen=True, slots=True)
class KeptTests:
    """A rule with its tests, and the accounts that they name."""

    record: RuleRecord
    accounts: Accounts
    tests: list[RuleTest]
    zone: tzinfo

    def results(self, draft: Rule | None = None) -> list[RuleTestResult]:
        """Run them on what the rule says, or on a draft of it."""
        return [run_test(draft or self.record.rule, test, self.accounts, self.zone) for test in self.tests]


async def keep_test(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    spelling: str,
    name: str,
    scenario: Scenario,
    expect: Expected | None = None,
    act: Act | None = None,
) -> RuleTestResult:
    """Try a scenario and keep it as a test of a rule: what comes of it now is expected from now on, or `expect`.

    The scenario's rule may be a draft of that rule. Raises NotFound, and InvalidParameters for a scenario that makes no
    sense, an account that is not there, a name that another test has, and one test too many.
    """
    supposed = await suppose(engine, scenario)
    named = {*scenario.balances, *scenario.stale, *scenario.failing}
    accounts = looked_at(scenario.rule, supposed.snapshot) | named
    written = write_example(supposed.event, supposed.snapshot, accounts, supposed.planned)
    if expect is not None:
        written = msgspec.structs.replace(written, expect=expect)
    example = cast("dict[str, Any]", msgspec.to_builtins(written))
    test = RuleTest(RuleTestId(engine.new_id()), name, example, engine.now())

    async def work(tx: WriteTx) -> tuple[Accounts, tzinfo]:
        record = await _get(tx, organization_id, rule_id, spelling)
        known = await accounts_of(tx, organization_id)
        _require_known(expect, known)
        if len(await stored.list_tests(tx, organization_id, record.id)) >= MOST_TESTS:
            raise InvalidParameters((Problem("name", f"is one too many: a rule has at most {MOST_TESTS} tests"),))
        if not await stored.keep_test(tx, organization_id, record.id, test):
            raise InvalidParameters((Problem("name", "is that of another test of this rule"),))
        return known, await _zone(tx, organization_id)

    return run_test(scenario.rule, test, *await do(engine, act, work))


async def keep_written(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    spelling: str,
    tests: Mapping[str, Written],
) -> None:
    """Keep tests that somebody wrote, by name, each in the place of one of that name: for whoever runs the server.

    Raises NotFound, and InvalidParameters for an account that is not there and for too many tests.
    """

    async def work(tx: WriteTx) -> None:
        record = await _get(tx, organization_id, rule_id, spelling)
        known = await accounts_of(tx, organization_id)
        kept = {test.name: test for test in await stored.list_tests(tx, organization_id, record.id)}
        if len(kept.keys() | tests.keys()) > MOST_TESTS:
            raise InvalidParameters((Problem("name", f"is one too many: a rule has at most {MOST_TESTS} tests"),))
        for name, written in tests.items():
            _require_known(written.expect, known)
            if name in kept:
                await stored.delete_test(tx, organization_id, record.id, kept[name].id)
            example = cast("dict[str, Any]", msgspec.to_builtins(written))
            test = RuleTest(RuleTestId(engine.new_id()), name, example, engine.now())
            await stored.keep_test(tx, organization_id, record.id, test)

    await do(engine, operators_act(organization_id, "KEEP_RULE_TESTS", rule_id), work)


def _require_known(expect: Expected | None, known: Accounts) -> None:
    transfers = () if expect is None or expect.transfers is msgspec.UNSET else expect.transfers
    for place, each in enumerate(transfers):
        if not {each.from_, each.to} <= known.keys():
            raise InvalidParameters((Problem(f"expect/transfers/{place}", "names an account that is not there"),))


async def delete_test(
    engine: Engine,
    organization_id: OrganizationId,
    rule_id: RuleId | None,
    test_id: RuleTestId | None,
    spelling: str,
    act: Act | None = None,
) -> None:
    """Delete a test of a rule. Raises NotFound."""

    async def work(tx: WriteTx) -> None:
        if rule_id is None or test_id is None or not await stored.delete_test(tx, organization_id, rule_id, test_id):
            raise NotFound(IdKind.RULE_TEST, spelling)

    await do(engine, act, work)


async def kept_tests(
    engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str
) -> KeptTests:
    """Read a rule with its tests. Raises NotFound."""
    async with engine.database.read() as tx:
        record = await _get(tx, organization_id, rule_id, spelling)
        tests = await stored.list_tests(tx, organization_id, record.id)
        return KeptTests(record, await accounts_of(tx, organization_id), tests, await _zone(tx, organization_id))


async def run_tests(
    tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId, rule: Rule, accounts: Accounts, zone: tzinfo
) -> list[RuleTestResult]:
    """Run the tests that are kept with a rule on what it says, or on a draft of it."""
    return [run_test(rule, test, accounts, zone) for test in await stored.list_tests(tx, organization_id, rule_id)]


def run_test(rule: Rule, test: RuleTest, accounts: Accounts, zone: tzinfo) -> RuleTestResult:
    """Run one test; its days are said in `zone`.

    Where a rule names an account that the test says nothing of, it has not passed.
    """
    written = convert(test.example, Written)
    example = read_example(written.given, written.event, written.expect)
    names = _Names(accounts, zone)
    unknown = sorted(names.of(each) for each in looked_at(rule, example.snapshot) - example.snapshot.accounts.keys())
    planned, differences = compare(rule, example)
    is_passed = not (unknown or differences)
    said = "As expected." if is_passed else "Not as expected."
    if unknown:
        said = (
            f"It cannot tell: it says nothing of {' and '.join(unknown)}. Try that, and keep it as a test of its own."
        )
    return RuleTestResult(
        test,
        is_passed,
        said,
        _cause(example, rule, names),
        example.event.at,
        list(_given(example.snapshot, names)),
        _in_words(example.expected, names),
        _in_words(expectation_of(planned), names),
    )


class _Names:
    """How accounts are called now, in what currency their amounts are, and which day it is when."""

    def __init__(self, accounts: Accounts, zone: tzinfo) -> None:
        self._accounts = accounts
        self._zone = zone

    def day(self, at: datetime) -> str:
        return day_in_words(at.astimezone(self._zone).date())

    def of(self, account_id: AccountId | str) -> str:
        account = self._accounts.get(AccountId(account_id))
        return "an account that there is not" if account is None else visible(account.name)

    def money(self, amount: int, account_id: AccountId | str | None) -> str:
        account = None if account_id is None else self._accounts.get(AccountId(account_id))
        return format_money(amount, "USD" if account is None else account.currency)


def _cause(example: Example, rule: Rule, names: _Names) -> str:
    event = example.event
    cause = CAUSES[event.type]
    if event.transfer_amount is not None:
        cause = f"{cause} ({names.money(event.transfer_amount, rule.account_id)})"
    return f"{cause[:1].upper()}{cause[1:]}"


def _given(snapshot: Snapshot, names: _Names) -> Iterator[Given]:
    for account_id, account in snapshot.accounts.items():
        yield Given(names.of(account_id), _balance(snapshot, account_id, account, names))
    for key, used in snapshot.caps_used.items():
        if used:
            yield Given(f"Used of the limit of step {key.step + 1}", names.money(used, None))
    for (step, _), amount in snapshot.remote_amounts.items():
        yield Given(f"A service answers in step {step + 1}", names.money(amount, None))


def _balance(snapshot: Snapshot, account_id: AccountId, account: Account, names: _Names) -> str:
    if account.is_deleted:
        return "deleted"
    available = account.available(snapshot.balances.get(account_id, NOTHING))
    if account.reported.error is not None:
        return "unknown: its bank cannot be reached"
    if available is None:
        return "unknown"
    owed = " owed" if account.is_liability else ""
    told = account.reported.updated_at
    as_of = "" if told is None else f", as reported on {names.day(told)}"
    return f"{names.money(available, account_id)}{owed}{as_of}"


def _in_words(expected: Expected, names: _Names) -> list[str]:
    if expected.step is None:
        return ["No step matches, and nothing moves"]
    step = [] if expected.step is msgspec.UNSET else [f"Step {expected.step + 1} runs"]
    transfers = () if expected.transfers is msgspec.UNSET else expected.transfers
    moves: list[str] = []
    for each in transfers:
        amount = names.money(each.amount, each.from_)
        end = f": fails. {explain(each.error)}" if each.error else ", once approved" if each.needs_approval else ""
        moves.append(f"{amount} from {names.of(each.from_)} to {names.of(each.to)}{end}")
    return step + (moves or ["Nothing moves"])


async def _zone(tx: ReadTx, organization_id: OrganizationId) -> tzinfo:
    return (await find_organizations(tx, [organization_id]))[organization_id].zone


async def _get(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId | None, spelling: str) -> RuleRecord:
    record = None if rule_id is None else await find_rule(tx, organization_id, rule_id)
    if record is None or record.deleted_at is not None:
        raise NotFound(IdKind.RULE, spelling)
    return record
