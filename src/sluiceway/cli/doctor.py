"""`sluiceway doctor`: is this deployment as it should be? What is in effect, and what a look at each part says."""

import asyncio
from typing import TYPE_CHECKING

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, existing, settings_of
from sluiceway.cli.failures import FAILED
from sluiceway.cli.output import AsJson, say, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.services.doctor import Finding


def doctor(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Look at the settings, the database, clocks, migrations, rights, workers, disk and keys. Changes nothing.

    Secrets are masked. Ends with 1 if something is wrong; a warning is for you to weigh.
    """
    from sluiceway.settings import shown
    from sluiceway.wiring import examine

    settings = existing(settings_of(data_dir, database_url))
    findings = asyncio.run(examine(settings))
    wrong = [finding for finding in findings if finding.verdict.value == "wrong"]
    if as_json:
        show_json({"healthy": not wrong, "settings": shown(settings), "checks": [_as_json(each) for each in findings]})
    else:
        _show(shown(settings), findings)
    if wrong:
        raise typer.Exit(FAILED)


def _show(settings: dict[str, str], findings: "Sequence[Finding]") -> None:
    show_table(("Setting", "In effect"), list(settings.items()))
    say()
    show_table(("Check", "", "What it says"), [[each.check, each.verdict.value, each.says] for each in findings])
    say()
    wrong, warnings = (sum(each.verdict.value == verdict for each in findings) for verdict in ("wrong", "warning"))
    if wrong:
        say(f"{wrong} of {len(findings)} are wrong.", style="bold red")
    else:
        say("Nothing is wrong." if not warnings else f"Nothing is wrong; {warnings} to weigh.", style="green")


def _as_json(finding: "Finding") -> dict[str, str]:
    return {"check": finding.check, "verdict": finding.verdict.value, "says": finding.says}
