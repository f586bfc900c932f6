"""The program `sluiceway`: its commands, and how it ends.

0: done; 1: not done, and one sentence why; 2: usage; 78: not set up so that it may start.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from sluiceway.cli import (
    accounts,
    approvals,
    audit_log,
    auditing,
    backup,
    cards,
    clock,
    demo,
    executions,
    keys,
    organizations,
    people,
    processes,
    remote,
    rules,
    schema,
    secrets,
    serve,
    webhooks,
)
from sluiceway.cli.backtest import backtest
from sluiceway.cli.doctor import doctor
from sluiceway.cli.failures import sentence_of, status_of
from sluiceway.cli.forecast import forecast
from sluiceway.cli.importing import import_
from sluiceway.cli.output import complain
from sluiceway.cli.rule_tests import check
from sluiceway.cli.simulating import simulate

app = typer.Typer(
    name="sluiceway",
    help="Sluiceway routes money: it arrives in accounts, and rules that a person has reviewed and enabled move it on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(serve.worker)
app.command(hidden=True)(processes.child)
app.command()(schema.migrate)
app.command()(schema.scale_out)
app.command()(forecast)
app.command()(auditing.audit)
app.command()(doctor)
app.command("backup")(backup.backup)
app.add_typer(backup.restore, name="restore")
app.add_typer(audit_log.app, name="audit-log")
app.command("import")(import_)
app.add_typer(accounts.app, name="accounts")
app.add_typer(cards.app, name="cards")
app.add_typer(clock.app, name="clock")
app.add_typer(organizations.organizations, name="organizations")
app.add_typer(people.app, name="people")
app.add_typer(keys.app, name="keys")
app.add_typer(remote.app, name="remote")
rules.app.command()(backtest)
rules.app.command()(simulate)
rules.app.command()(check)
app.add_typer(rules.app, name="rules")
app.add_typer(approvals.app, name="approvals")
app.add_typer(executions.app, name="executions")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(secrets.app, name="secrets")


def _show_version(asked: bool) -> None:  # noqa: FBT001 -- typer hands the flag over like this
    if asked:
        typer.echo(f"sluiceway {version('sluiceway')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    """Sluiceway routes money: it arrives in accounts, and rules that a person has reviewed and enabled move it on."""


def main() -> int:
    """Run the command that was typed."""
    try:
        app()
    except Exception as failure:
        sentence = sentence_of(failure)
        if sentence is None:
            raise
        complain(sentence)
        return status_of(failure)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
