"""`sluiceway migrate` and `scale-out`: bring the database up to date, and spread it over several machines."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, settings_of
from sluiceway.cli.output import AsJson, say, show_json

if TYPE_CHECKING:
    from sluiceway.storage.scale_out import Step


def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database up to date, and say what was applied.

    Every other command does this by itself; run it on its own where the program may not change the schema.
    """
    from sluiceway.storage.migrate import migrate as apply
    from sluiceway.wiring import postgres

    with postgres(settings_of(data_dir, database_url)) as url:
        applied = asyncio.run(apply(url))
    if as_json:
        show_json([{"version": migration.version, "name": migration.name} for migration in applied])
        return
    for migration in applied:
        say(f"Applied {migration.version:04} {migration.name}")
    if not applied:
        say("The database is up to date: there was nothing to apply.")


def scale_out(
    is_plan: Annotated[
        bool, typer.Option("--plan", help="Print what is left to do, as SQL, and change nothing.")
    ] = False,
    is_applied: Annotated[bool, typer.Option("--apply", help="Do it. What was cut off goes on from there.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Spread the tables over the nodes of a Citus cluster, each row to where its organization is.

    Needed for a database that holds rows already; an empty one is spread by itself (docs/howto/scale-out.md).
    """
    from sluiceway.storage.scale_out import plan_scale_out
    from sluiceway.storage.scale_out import scale_out as apply
    from sluiceway.wiring import postgres

    if is_plan == is_applied:
        raise typer.BadParameter("say either --plan or --apply")
    with postgres(settings_of(data_dir, database_url)) as url:
        steps = asyncio.run(apply(url) if is_applied else plan_scale_out(url))
    if as_json:
        show_json([{"tables": step.tables, "statements": step.statements} for step in steps])
    elif not steps:
        say("Everything is where it belongs: there is nothing to do.")
    elif is_applied:
        say(f"Spread {', '.join(name for step in steps for name in step.tables)}.")
    else:
        _show_plan(steps)


def _show_plan(steps: "list[Step]") -> None:
    for step in steps:
        say("\n".join(f"{statement};" for statement in ("BEGIN", *step.statements, "COMMIT")))
