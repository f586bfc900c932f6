"""`sluiceway rules check`: the tests that people keep with a rule, run on what it says or on a draft of it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
import yaml

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    settings_of,
)
from sluiceway.cli.drafts import read_draft, rule_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_time
from sluiceway.cli.rules import RuleIdArgument, read_rule_id
from sluiceway.domain.ids import AccountId, IdKind, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import Rule, visible, write_rule

if TYPE_CHECKING:
    from sluiceway.cli.scenario_files import WrittenTest
    from sluiceway.services.engine import Engine
    from sluiceway.services.example_forms import Written
    from sluiceway.services.rule_tests import KeptTests, RuleTestResult


def check(
    rule: RuleIdArgument,
    draft: Annotated[
        Path | None, typer.Option("--draft", metavar="FILE", help="Run them on this draft (YAML or JSON) instead.")
    ] = None,
    export: Annotated[
        bool, typer.Option("--export", help="Print them as a scenario file, for `rules test`, and run nothing.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="FILE", help="Keep a scenario file's as tests of the rule first, by their names."
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests that are kept with a rule: does it still do what is expected?

    Moves nothing, and stores nothing but what --keep keeps. Ends with 1 where a test does not pass.
    """
    written = None if draft is None else read_draft(draft)

    scenarios = None if keep is None else _read_kept(keep)

    async def work(engine: "Engine") -> "KeptTests":
        from sluiceway.services.rule_tests import keep_written, kept_tests
        from sluiceway.services.rules import accounts_of

        chosen, rule_id = (await choose_organization(engine, organization)).id, read_rule_id(rule)
        if scenarios is not None:
            async with engine.database.read() as tx:
                accounts = await accounts_of(tx, chosen)
            tests = {name: _written(name, each, accounts) for name, each in scenarios.items()}
            await keep_written(engine, chosen, rule_id, rule, tests)
        return await kept_tests(engine, chosen, rule_id, rule)

    kept = ask(existing(settings_of(data_dir, database_url)), work)
    tried = kept.record.rule if written is None else rule_of(written, kept.accounts)
    if export:
        typer.echo(_scenario_file(kept, tried), nl=False)
        return
    results = kept.results(tried)
    failed = [result for result in results if not result.is_passed]
    if as_json:
        show_json([_as_json(result) for result in results])
    else:
        for result in failed:
            _explain(result)
        say(f"{len(results)} tests, {len(failed)} not as expected.")
    if failed:
        raise typer.Exit(1)


def _read_kept(path: Path) -> dict[str, "WrittenTest"]:
    from sluiceway.cli.scenario_files import BadScenario, read_tests

    try:
        return read_tests(path)
    except OSError as failure:
        raise CommandFailed(f"{path} cannot be read: {failure.strerror}.") from failure
    except BadScenario as problem:
        raise CommandFailed(f"{problem}.") from problem


def _written(name: str, test: "WrittenTest", accounts: Mapping[AccountId, Account]) -> "Written":
    """Read a scenario as a test to keep: accounts by their ids, and nothing expected that a kept test cannot tell."""
    from msgspec import UNSET

    from sluiceway.services.example_forms import Expected, Written, convert

    ids: dict[str, str] = {}
    for account_id, word in _words(accounts).items():
        ids |= {word: account_id, format_id(IdKind.ACCOUNT, account_id): account_id}
    written = convert(_renamed(test.example, ids), Written)
    unknown = sorted(written.given.accounts.keys() - accounts.keys())
    if unknown:
        raise CommandFailed(f"{visible(name)}: there is no account {visible(unknown[0])}.")
    expect = written.expect
    if UNSET in (expect.step, expect.transfers) or expect != Expected(step=expect.step, transfers=expect.transfers):
        raise CommandFailed(f"{visible(name)}: a test that is kept expects a step and transfers, and nothing else.")
    return written


def _explain(result: "RuleTestResult") -> None:
    say(f"{visible(result.test.name)}: {result.said}")
    say(f"  {result.cause}")
    for title, lines in (("expected", result.expected), ("got", result.got)):
        for line in lines:
            say(f"    {title:<8} {line}")


def _as_json(result: "RuleTestResult") -> dict[str, Any]:
    return {
        "id": format_id(IdKind.RULE_TEST, result.test.id),
        "name": result.test.name,
        "created_at": show_time(result.test.created_at),
        "passed": result.is_passed,
        "said": result.said,
        "expected": result.expected,
        "got": result.got,
    }


def _scenario_file(kept: "KeptTests", rule: Rule) -> str:
    """Write the tests as scenarios of this rule, with the accounts by their names."""
    words = _words(kept.accounts)
    scenarios = [{"name": test.name, **test.example, "rule": write_rule(rule)} for test in kept.tests]
    return yaml.safe_dump([_renamed(each, words) for each in scenarios], sort_keys=False, allow_unicode=True)


def _words(accounts: Mapping[AccountId, Account]) -> dict[str, str]:
    """Call each account by its name, and by its id where the name is not its own."""
    names = Counter(account.name for account in accounts.values())
    return {
        account_id: account.name if names[account.name] == 1 else format_id(IdKind.ACCOUNT, account_id)
        for account_id, account in accounts.items()
    }


def _renamed(value: object, words: dict[str, str]) -> object:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {words.get(key, key): _renamed(item, words) for key, item in fields.items()}
    if isinstance(value, list):
        return [_renamed(item, words) for item in cast("list[object]", value)]
    return words.get(value, value) if isinstance(value, str) else value
