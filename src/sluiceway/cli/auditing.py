"""`sluiceway audit`: does everything add up? A counter-example where it does not."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluiceway.cli.audit_log import read_heads
from sluiceway.cli.deployment import DatabaseUrl, DataDir, existing, settings_of
from sluiceway.cli.output import AsJson, say, show_json, show_table
from sluiceway.domain.ids import format_id
from sluiceway.settings import Settings

if TYPE_CHECKING:
    from sluiceway.services.audit import CheckResult, Violation
    from sluiceway.services.audit_chain import KnownHead


def audit(
    heads: Annotated[
        Path | None,
        typer.Option(
            "--heads",
            metavar="FILE",
            help="What `audit-log heads` printed earlier: the audit logs must still lead there.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check that all money is accounted for, every run was approved and has ended or is due, and the logs are whole.

    Reads one state of the whole database and changes nothing. Ends with 1, and counter-examples, if a check fails.
    """
    known = () if heads is None else read_heads(heads)
    results = asyncio.run(_audit(existing(settings_of(data_dir, database_url)), known))
    failed = [result for result in results if result.violations]
    if as_json:
        from sluiceway.services.audit import digest_of

        checks = [_as_json(result) for result in results]
        show_json({"passed": not failed, "digest": digest_of(results), "checks": checks})
    else:
        _show(results)
    if failed:
        raise typer.Exit(1)


async def _audit(settings: Settings, known: "tuple[KnownHead, ...]") -> "list[CheckResult]":
    from sluiceway.services.audit import run_audit
    from sluiceway.wiring import engine_of, open_database

    async with open_database(settings, is_patient=True) as database:
        return await run_audit(engine_of(database), known)


def _show(results: "list[CheckResult]") -> None:
    show_table(
        ("Check", "Looked at", "Wrong"),
        [[result.promise, f"{result.examined:,} {result.unit}", f"{result.violations:,}"] for result in results],
        right=("Looked at", "Wrong"),
    )
    say()
    for result in results:
        for example in result.examples:
            _show_example(result, example)
    failed = sum(1 for result in results if result.violations)
    say(
        f"{failed} of {len(results)} checks failed." if failed else "All is as it should be.",
        style="bold red" if failed else "green",
    )


def _show_example(result: "CheckResult", example: "Violation") -> None:
    say(f"Not so: {result.promise}")
    say(f"  organization  {example.organization_id}")
    say(f"  {example.what:<12}  {_id(example)}")
    say(f"  expected      {example.expected}")
    say(f"  found         {example.found}")
    say()


def _id(example: "Violation") -> str:
    return example.id if example.kind is None else format_id(example.kind, example.id)


def _as_json(result: "CheckResult") -> dict[str, Any]:
    return {
        "check": result.name,
        "promise": result.promise,
        "examined": result.examined,
        "violations": result.violations,
        "counter_examples": [
            {
                "organization_id": example.organization_id,
                "what": example.what,
                "id": _id(example),
                "expected": example.expected,
                "found": example.found,
            }
            for example in result.examples
        ],
    }
