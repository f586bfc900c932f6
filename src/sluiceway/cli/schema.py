"""`sluiceway migrate`: bring the database up to date."""

import asyncio

from sluiceway.cli.deployment import DatabaseUrl, DataDir, settings_of
from sluiceway.cli.output import AsJson, say, show_json


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
