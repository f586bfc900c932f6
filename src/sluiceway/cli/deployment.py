"""Where a command finds its data, and on whose behalf it asks: the options that all commands share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from sluiceway.cli.failures import NOT_SET_UP, CommandFailed
from sluiceway.domain.access import Principal
from sluiceway.domain.errors import SandboxOnly
from sluiceway.domain.ids import IdKind, KeyId, OrganizationId, parse_id
from sluiceway.domain.rules import visible
from sluiceway.settings import Settings, read_settings

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.credentials import Person
    from sluiceway.storage.organizations import Organization

T = TypeVar("T")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="The folder that holds the data (default: $DATA_DIR, or .sluiceway). PostgreSQL runs inside it unless"
        " there is a database URL.",
        show_default=False,
        metavar="FOLDER",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="Use this PostgreSQL (15 or later) instead of the embedded one (default: $DATABASE_URL).",
        show_default=False,
        metavar="URL",
    ),
]
OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        help="Which organization, by id. Needed only where there is more than one.",
        show_default=False,
        metavar="ID",
    ),
]

_SCHEMES: Final = ("postgresql://", "postgres://")
_A_KEY_OF_THE_OPERATOR: Final = KeyId("00000000-0000-0000-0000-000000000000")


def settings_of(data_dir: Path | None, database_url: str | None) -> Settings:
    """Read the environment, and let the options win over it."""
    try:
        settings = read_settings()
    except ValueError as failure:
        raise CommandFailed(f"The environment is wrong: {failure}.", NOT_SET_UP) from failure
    settings = replace(
        settings,
        data_dir=data_dir or settings.data_dir,
        database_url=database_url or settings.database_url,
    )
    url = settings.database_url
    # The address may hold a password, so it is not repeated.
    if url is not None and not url.startswith(_SCHEMES):
        raise CommandFailed(
            "The database URL has to begin with postgresql:// (see --database-url and DATABASE_URL).", NOT_SET_UP
        )
    return settings


def existing(settings: Settings) -> Settings:
    """Refuse a data directory that holds nothing, rather than making an empty database in it."""
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        raise CommandFailed(
            f"There is no data in {settings.data_dir}."
            " Name another folder with --data-dir, a database with --database-url, or begin with: sluiceway demo"
        )
    return settings


def ask(settings: Settings, work: "Callable[[Engine], Awaitable[T]]") -> T:
    """Open the data that is there, do the work, close it."""
    from sluiceway.wiring import engine_of, open_database

    async def main() -> T:
        async with open_database(settings) as database:
            return await work(engine_of(database))

    return asyncio.run(main())


def ask_and_run(settings: Settings, work: "Callable[[Engine], Awaitable[T]]") -> T:
    """Open the data that is there, do work in which rules may run and ask remote services, close it.

    The demo's rules ask a service of the demo; it is there too, whether the demo is running or not.
    """
    from sluiceway.cli.tax import beside_the_demo
    from sluiceway.wiring import open_database, running

    # Ctrl-C closes connections in the middle of a statement, which is of no interest to who pressed it.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

    async def main(widened: Settings) -> T:
        async with open_database(widened) as database, running(database, widened, with_worker=False) as parts:
            return await work(parts.engine)

    with beside_the_demo(settings) as widened:
        return asyncio.run(main(widened))


def refuse_options_before(context: typer.Context) -> None:
    """Refuse options that stand before a subcommand, which would not hear of them."""
    if any(value not in (None, False) for value in context.params.values()):
        raise typer.BadParameter(f"options stand behind `{context.invoked_subcommand}`, not before it")


async def choose_organization(engine: "Engine", given: str | None) -> "Organization":
    """Find the organization that was named, or the only one there is."""
    from sluiceway.storage.organizations import list_organizations

    async with engine.database.read() as tx:
        organizations = await list_organizations(tx)
    if not organizations:
        raise CommandFailed("There is no organization yet. `sluiceway demo` makes a sample one.")
    if given is not None:
        wanted = given.lower()
        found = next((organization for organization in organizations if organization.id == wanted), None)
        if found is None:
            raise CommandFailed(f"There is no organization with the id '{visible(given)}'.")
        return found
    if len(organizations) > 1:
        listed = ", ".join(f"{organization.id} ({visible(organization.name)})" for organization in organizations)
        raise CommandFailed(f"There are several organizations; say which with --organization: {listed}")
    return organizations[0]


async def choose_sandbox(engine: "Engine", given: str | None) -> "Organization":
    """Find the sandbox organization that was named, or the only one there is. Raises SandboxOnly."""
    from sluiceway.storage.organizations import list_organizations

    if given is None:
        async with engine.database.read() as tx:
            sandboxes = [organization for organization in await list_organizations(tx) if organization.is_sandbox]
        if len(sandboxes) == 1:
            return sandboxes[0]
    chosen = await choose_organization(engine, given)
    if not chosen.is_sandbox:
        raise SandboxOnly
    return chosen


async def choose_person(engine: "Engine", email: str, organization: str | None) -> "Person":
    """Find who signs, in the organization that was named, or in the only one where the e-mail belongs to somebody."""
    from sluiceway.services.rules import find_person

    chosen = None if organization is None else (await choose_organization(engine, organization)).id
    return await find_person(engine, email, chosen)


def operator(organization_id: OrganizationId) -> Principal:
    """Act as whoever runs the server: allowed to read everything of an organization. Enabling is not among it."""
    from sluiceway.services.keys import every_grant

    return Principal(organization_id, _A_KEY_OF_THE_OPERATOR, every_grant())


def read_id(kind: IdKind, spelling: str) -> str | None:
    """Read any spelling of an id; None for a malformed one, which is one that does not exist."""
    return parse_id(kind, spelling.strip())
