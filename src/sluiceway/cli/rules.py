"""`sluiceway rules`: look at rules, let a person enable them, disable them, and run scenario files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    choose_person,
    existing,
    operator,
    read_id,
    settings_of,
)
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, complain, say, show_json, show_table, show_time
from sluiceway.cli.passwords import ask_password
from sluiceway.domain.ids import AccountId, IdKind, RuleId, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Finding, Rule, Severity, describe, sentence, visible, write_rule

if TYPE_CHECKING:
    from sluiceway.cli.scenarios import ScenarioResult
    from sluiceway.services.engine import Engine
    from sluiceway.services.rules import Review

app = typer.Typer(help="Look at rules, enable and disable them, and test them.", no_args_is_help=True)

RuleIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The rule's id, in any spelling.")]

_ALL = 1_000_000


@app.command("list")
def list_(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the rules, newest first."""

    async def work(engine: "Engine") -> tuple[list[RuleRecord], dict[AccountId, Account]]:
        from sluiceway.services.rules import list_rules

        chosen = await choose_organization(engine, organization)
        return await list_rules(engine, operator(chosen.id), limit=_ALL)

    records, accounts = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(record, accounts) for record in records])
        return
    rows = [
        [
            record.rule.name or "",
            format_id(IdKind.RULE, record.id),
            _status(record),
            in_words(record.rule, accounts)[0].removesuffix(":"),
        ]
        for record in records
    ]
    show_table(("Rule", "Id", "Status", "Starts"), rows)


@app.command()
def show(
    rule: RuleIdArgument,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a rule in words, its hash, and what may be wrong with it."""

    async def work(engine: "Engine") -> "Review":
        from sluiceway.services.rules import review_rule

        return await review_rule(engine, (await choose_organization(engine, organization)).id, read_rule_id(rule), rule)

    review = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        findings = [{**finding._asdict(), "severity": finding.severity.value} for finding in review.findings]
        show_json(_as_json(review.record, review.accounts) | {"findings": findings})
        return
    _show_review(review)


@app.command()
def enable(
    rule: RuleIdArgument,
    email: Annotated[str, typer.Option("--as", metavar="EMAIL", help="The person who enables it.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Enable a rule, as a person who has read it.

    Shows the rule in words with its hash and asks for the person's password (or reads one line of standard input).

    What is enabled is exactly what was shown; any later edit disables the rule again.
    """

    async def work(engine: "Engine") -> bool:
        from sluiceway.services.rules import enable_rule, review_rule

        person = await choose_person(engine, email, organization)
        review = await review_rule(engine, person.organization_id, read_rule_id(rule), rule)
        _show_review(review)
        if review.record.is_enabled:
            return False
        if any(finding.severity is Severity.ERROR for finding in review.findings):
            raise CommandFailed("It cannot be enabled as it stands.")
        password = ask_password(email)
        await enable_rule(engine, person, password, review.record.id, review.record.fingerprint)
        return True

    if ask(existing(settings_of(data_dir, database_url)), work):
        say("Enabled. It runs from now on.")
    else:
        say("It is already enabled.")


@app.command()
def disable(
    rule: RuleIdArgument,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Disable a rule. When this returns, it moves nothing more."""

    async def work(engine: "Engine") -> RuleRecord:
        from sluiceway.services.rules import disable_rule

        chosen = await choose_organization(engine, organization)
        return await disable_rule(engine, chosen.id, read_rule_id(rule), rule)

    record = ask(existing(settings_of(data_dir, database_url)), work)
    say(f"{_title(record)} is disabled. It moves nothing more.")


@app.command()
def secret(
    rule: RuleIdArgument,
    email: Annotated[str, typer.Option("--as", metavar="EMAIL", help="The person who asks for it.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Print the secret that a rule shares with its remote services, after asking for a person's password.

    A service verifies with it that a question for an amount comes from here.
    """

    async def work(engine: "Engine") -> str:
        from sluiceway.services.keys import rule_secret

        person = await choose_person(engine, email, organization)
        return await rule_secret(engine, person, ask_password(email), read_rule_id(rule), rule)

    say(ask(existing(settings_of(data_dir, database_url)), work))


@app.command("test")
def run_scenarios(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenario files (YAML).")],
    as_json: AsJson = False,
) -> None:
    """Run scenario files: given accounts, a rule and an event, is the plan as expected?

    Needs no data and moves nothing.
    """
    from sluiceway.cli import scenarios

    results: list[scenarios.ScenarioResult] = []
    for file in files:
        try:
            results += scenarios.run_file(file)
        except OSError as failure:
            raise CommandFailed(f"{file} cannot be read: {failure.strerror}.") from failure
    failed = [result for result in results if not result.passed]
    if as_json:
        show_json([_result_as_json(result) for result in results])
    else:
        for result in failed:
            say(scenarios.explain(result))
        say(f"{len(results)} scenarios, {len(failed)} not as expected.")
    if failed:
        raise typer.Exit(1)


def in_words(rule: Rule, accounts: dict[AccountId, Account]) -> list[str]:
    """Put a rule in words, with the names and currencies of the organization's accounts."""
    names = {account_id: account.name for account_id, account in accounts.items()}
    return describe(rule, names, {account_id: account.currency for account_id, account in accounts.items()})


def one_sentence(rule: Rule, accounts: dict[AccountId, Account]) -> str:
    """Say a rule as one sentence, as the app does."""
    names = {account_id: account.name for account_id, account in accounts.items()}
    return sentence(rule, names, {account_id: account.currency for account_id, account in accounts.items()})


def read_rule_id(spelling: str) -> RuleId | None:
    """Read any spelling of a rule's id; None for a malformed one."""
    found = read_id(IdKind.RULE, spelling)
    return None if found is None else RuleId(found)


def _status(record: RuleRecord) -> str:
    return "enabled" if record.is_enabled else "disabled"


def _title(record: RuleRecord) -> str:
    return visible(record.rule.name) if record.rule.name else format_id(IdKind.RULE, record.id)


def _show_review(review: "Review") -> None:
    record = review.record
    say(_title(record), style="bold")
    if record.rule.description:
        say(visible(record.rule.description))
    say()
    say(one_sentence(record.rule, review.accounts))
    say()
    for line in in_words(record.rule, review.accounts):
        say(f"  {line}")
    say()
    say(f"Status    {_status(record)}")
    say(f"Revision  {record.revision}")
    say(f"Hash      {record.fingerprint.hex()}")
    for finding in review.findings:
        _show_finding(finding)
    say()


def _show_finding(finding: Finding) -> None:
    where = f"{finding.path}: " if finding.path else ""
    complain(f"{finding.severity.capitalize()}: {visible(where + finding.message)}")


def _as_json(record: RuleRecord, accounts: dict[AccountId, Account]) -> dict[str, Any]:
    rule = record.rule
    return {
        "id": format_id(IdKind.RULE, record.id),
        "nickname": rule.name,
        "description": rule.description,
        "status": _status(record),
        "revision": record.revision,
        "hash": record.fingerprint.hex(),
        "sentence": one_sentence(rule, accounts),
        "words": in_words(rule, accounts),
        "definition": _with_prefixes(write_rule(rule), frozenset(accounts)),
        "created_at": show_time(record.created_at),
        "updated_at": show_time(record.updated_at),
    }


def _with_prefixes(value: object, accounts: frozenset[str]) -> object:
    """Write the accounts of a canonical definition with their prefix, as everywhere else in this output."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: _with_prefixes(item, accounts) for key, item in fields.items()}
    if isinstance(value, list):
        return [_with_prefixes(item, accounts) for item in cast("list[object]", value)]
    return format_id(IdKind.ACCOUNT, value) if isinstance(value, str) and value in accounts else value


def _result_as_json(result: "ScenarioResult") -> dict[str, Any]:
    return {
        "name": result.scenario.name,
        "file": str(result.scenario.file),
        "line": result.scenario.line,
        "passed": result.passed,
        "differences": [
            {"field": difference.field, "expected": difference.expected, "got": difference.got}
            for difference in result.differences
        ],
    }
