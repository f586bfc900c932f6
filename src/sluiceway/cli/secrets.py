"""`sluiceway secrets`: the keys that seal what the database keeps and has to show again."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, existing, settings_of
from sluiceway.cli.failures import FAILED, NOT_SET_UP, CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table

if TYPE_CHECKING:
    from sluiceway.settings import Settings

app = typer.Typer(
    help="Seal secrets in the database: make keys, see which are in use, seal everything with another one.",
    no_args_is_help=True,
)

Counts = dict[str, dict[str | None, int]]


@app.command("new-key")
def make_key(
    is_added: Annotated[
        bool,
        typer.Option("--add", help="Put it before those in the file with the keys; it seals from now on, everywhere."),
    ] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print a new key; nothing else is done with it, unless asked for."""
    from sluiceway.wiring import add_sealing_key, new_sealing_key

    if not is_added:
        say(new_sealing_key())
        return
    settings = settings_of(data_dir, database_url)
    file = settings.key_file
    if file is None:
        raise CommandFailed("The keys are in no file: add one to SECRET_KEY, before those that it has.", NOT_SET_UP)
    if settings.secret_key_file is None:
        existing(settings)
    add_sealing_key(file)
    say(f"Added to {file}. Now: sluiceway secrets rotate")


@app.command()
def status(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Count what each key has sealed. Ends with 1 if something lies open, or its key is missing."""
    known, counts = asyncio.run(_count(existing(settings_of(data_dir, database_url))))
    used = {key_id for of_column in counts.values() for key_id in of_column}
    wrong = sorted(key_id or "" for key_id in used if key_id not in known)
    if as_json:
        listed = {
            column: {key_id or "none": count for key_id, count in of_column.items()}
            for column, of_column in counts.items()
        }
        show_json({"keys": known, "sealed": listed})
    else:
        rows = [
            (column, key_id or "none", str(count), _what(key_id, known))
            for column, of_column in counts.items()
            for key_id, count in sorted(of_column.items(), key=lambda one: one[0] or "")
        ]
        rows += [("", key_id, "0", _what(key_id, known)) for key_id in known if key_id not in used]
        show_table(("Secrets", "Key", "Sealed", ""), rows, right=("Sealed",))
    if wrong:
        raise typer.Exit(FAILED)


@app.command()
def rotate(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Seal everything with the first key that another key has sealed, or none. Everything may go on meanwhile.

    Ended in the middle, it has done what it has done: run it again.
    """
    count = asyncio.run(_rotate(existing(settings_of(data_dir, database_url))))
    if as_json:
        show_json({"sealed": count})
    else:
        say(f"Sealed {count} anew." if count else "Everything is sealed with the first key: there was nothing to do.")


def _what(key_id: str | None, known: list[str]) -> str:
    if key_id is None:
        return "lie open: sluiceway secrets rotate"
    if key_id not in known:
        return "the key is missing"
    return "seals" if key_id == known[0] else "opens"


async def _count(settings: "Settings") -> tuple[list[str], Counts]:
    from sluiceway.services.kept_secrets import count_by_key
    from sluiceway.wiring import open_database

    async with open_database(settings, is_small=True) as database, database.read() as tx:
        counts = await count_by_key(tx)
        return database.options.keyring.ids(), {str(column): dict(of_column) for column, of_column in counts.items()}


async def _rotate(settings: "Settings") -> int:
    from sluiceway.services.kept_secrets import rotate as seal_anew
    from sluiceway.wiring import engine_of, open_database

    async with open_database(settings, is_small=True) as database:
        return await seal_anew(engine_of(database))
